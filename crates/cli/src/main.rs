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
mod output;
mod progress;
mod session;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let json = arguments.global.json;
    match command::run(arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::failure(&failure, json);
            failure.exit.into()
        }
    }
}
