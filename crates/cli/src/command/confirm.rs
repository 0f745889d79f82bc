//! The word of a person for what cannot be taken back: `--yes`, or an answer typed at a terminal.
//! Nothing is asked without a terminal, and nothing but the exact words counts.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES: u64 = 1024;

/// Goes on where `yes` was given, or a person answers `question` with `y`.
///
/// # Errors
/// When neither is so: nothing was changed.
pub(super) fn sure(question: &str, yes: bool) -> Result<(), Failure> {
    if yes || asked(&format!("{question} [y/N] "), "add `--yes`")? == "y" {
        return Ok(());
    }
    Err(declined())
}

/// That a person answered something else.
pub(super) fn declined() -> Failure {
    Failure::new(Exit::Failure, "the change was not confirmed")
        .because("only the words that were asked for count")
        .fix("nothing was changed; repeat the command to look again")
}

/// What a person answers; without a terminal what to do `instead`.
///
/// # Errors
/// When nobody can be asked, or the answer cannot be read.
pub(super) fn asked(question: &str, instead: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() || !output::live() {
        return Err(Failure::new(Exit::Usage, "the change is not confirmed")
            .because("there is no terminal to ask at")
            .fix(format!("{instead}; nothing was changed")));
    }
    let mut talk = std::io::stderr().lock();
    drop(write!(talk, "{question}").and_then(|()| talk.flush()));
    let mut line = String::new();
    let read = std::io::stdin().lock().take(ANSWER_BYTES).read_line(&mut line);
    read.map_err(|error| {
        Failure::new(Exit::Failure, "the answer cannot be read")
            .because(error.to_string())
            .fix(format!("{instead}; nothing was changed"))
    })?;
    Ok(line.trim().to_owned())
}
