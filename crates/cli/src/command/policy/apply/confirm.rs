//! The word of whoever asks for a change of the policy: a plain yes, or a phrase where much would break.
//! Nothing is asked without a terminal, and nothing but the exact words counts.

use runner::amendment::{Amendment, Confirmation};

use crate::arguments::Apply;
use crate::command::confirm::{asked, declined};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

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
        if command.yes || asked(question, "look at what changes and add `--yes`")? == "y" {
            return Ok(Confirmation::Yes);
        }
        return Err(declined());
    };
    let hint = format!("`--phrase \"{phrase}\"`");
    let typed = match &command.phrase {
        Some(typed) => typed.clone(),
        None => asked(
            &format!("type `{phrase}` to go on: "),
            &format!("look at what changes and add {hint}"),
        )?,
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
