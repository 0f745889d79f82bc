//! The binary `palisade`: arguments in, one command, output and an exit code out.
//!
//! Follow one command: [`arguments`] says what can be typed, [`command`] has a file per command, which asks `runner`
//! to do it, prints through [`output`], and fails with a [`failure::Failure`]. No behaviour that a library should
//! have lives here.

mod arguments;
mod command;
mod configuration;
mod exit;
mod failure;
mod interrupt;
mod moment;
mod output;
mod progress;
mod session;
mod unparsed;

use std::process::ExitCode;

use clap::Parser;

use exit::Exit;
use failure::Failure;

fn main() -> ExitCode {
    let arguments = match arguments::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return unparsed::tell(&error).into(),
    };
    let json = arguments.global.json;
    let exit = command::run(arguments).unwrap_or_else(|failure| {
        output::failure(&failure, json);
        failure.exit
    });
    unprinted().unwrap_or(exit).into()
}

/// A failure to print data is the failure of the command, unless its reader simply went away.
fn unprinted() -> Option<Exit> {
    let error = output::lost()?;
    let failure = Failure::new(Exit::Failure, "standard output cannot be written")
        .because(error.to_string())
        .fix("make room where it is written to, and repeat the command");
    output::failure(&failure, false);
    Some(failure.exit)
}
