//! The word of whoever asks for a change of the policy: a plain yes, or a phrase where much would break.
//! Nothing is asked without a terminal, and nothing but the exact words counts.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use runner::amendment::{Amendment, Confirmation};

use crate::arguments::Apply;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES: u64 = 1024;

/// How the change is confirmed.
///
/// # Errors
/// When it is not: nothing was changed.
pub(super) fn confirmation(
    amendment: &Amendment,
    command: &Apply,
) -> Result<Confirmation, Failure> {
    let Some(phrase) = amendment.phrase() else {
        let question = match amendment.widens() || command.agent.is_some() {
            true => "ask for this change? [y/N] ",
            false => "replace the policy? [y/N] ",
        };
        if command.yes || asked(question, "`--yes`")? == "y" {
            return Ok(Confirmation::Yes);
        }
        return Err(declined());
    };
    let hint = format!("`--phrase \"{phrase}\"`");
    let typed = match &command.phrase {
        Some(typed) => typed.clone(),
        None => asked(&format!("type `{phrase}` to go on: "), &hint)?,
    };
    if typed == phrase {
        return Ok(Confirmation::Phrase(typed));
    }
    if command.phrase.is_none() {
        return Err(declined());
    }
    Err(Failure::new(Exit::Usage, format!("`{}` is not the phrase", output::printable(&typed)))
        .because(format!("{} recorded calls would be denied", amendment.breaking()))
        .fix(format!("add {hint}; nothing was changed")))
}

fn declined() -> Failure {
    Failure::new(Exit::Failure, "the change was not confirmed")
        .because("only the words that were asked for count")
        .fix("nothing was changed; repeat the command to look again")
}

/// What a person answers.
fn asked(question: &str, instead: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() || !output::live() {
        return Err(Failure::new(Exit::Usage, "the change is not confirmed")
            .because("there is no terminal to ask at")
            .fix(format!("look at what changes and add {instead}; nothing was changed")));
    }
    let mut talk = std::io::stderr().lock();
    drop(write!(talk, "{question}").and_then(|()| talk.flush()));
    let mut line = String::new();
    let read = std::io::stdin().lock().take(ANSWER_BYTES).read_line(&mut line);
    read.map_err(|error| {
        Failure::new(Exit::Failure, "the answer cannot be read")
            .because(error.to_string())
            .fix(format!("add {instead}; nothing was changed"))
    })?;
    Ok(line.trim().to_owned())
}
