//! A command line that means nothing, told like every other failure: what, why, how to fix it.
//! What can be typed is in `arguments`; here its parser's mistakes get our words.

use std::error::Error as _;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Tells why the command line was not taken; help and version are not told but printed.
pub(crate) fn tell(error: &Error) -> Exit {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let json = std::env::args_os().any(|argument| argument == "--json");
    let help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if asked || (help && !json) {
        // A reader that went away needs neither help nor error.
        drop(error.print());
        return if asked { Exit::Ok } else { Exit::Usage };
    }
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    output::failure(&failure(error, &command(words)), json);
    Exit::Usage
}

/// The command that was meant, as far as its words can be told.
fn command(words: impl Iterator<Item = String>) -> String {
    let mut named = "palisade".to_owned();
    let mut command = Arguments::command();
    for word in words {
        if let Some(inner) = command.find_subcommand(&word).cloned() {
            named = format!("{named} {word}");
            command = inner;
        }
    }
    named
}

fn failure(error: &Error, command: &str) -> Failure {
    let text = |kind| texts(error.get(kind));
    let argument = text(ContextKind::InvalidArg);
    let value = text(ContextKind::InvalidValue);
    let what = match error.kind() {
        ErrorKind::InvalidValue if value == "``" => format!("{argument} needs a value"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            format!("{value} cannot be the value of {argument}")
        }
        ErrorKind::UnknownArgument => format!("unexpected argument {argument}"),
        ErrorKind::InvalidSubcommand => {
            format!("no command {}", text(ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingRequiredArgument => missing(&argument),
        ErrorKind::ArgumentConflict if text(ContextKind::PriorArg) == argument => {
            format!("{argument} is there twice")
        }
        ErrorKind::ArgumentConflict => {
            format!("{argument} cannot be used with {}", text(ContextKind::PriorArg))
        }
        _ => first_line(error),
    };
    let failure = Failure::new(Exit::Usage, what);
    let failure = why(error).into_iter().fold(failure, Failure::because);
    let near = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .into_iter()
        .chain([ContextKind::SuggestedValue])
        .map(text)
        .find(|near| !near.is_empty());
    let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
    failure.fix(format!("{near}`{command} --help` says what it takes"))
}

/// What has to be there; of several that exclude each other, as the parser writes them, each.
fn missing(argument: &str) -> String {
    let one = argument.strip_prefix("`<").and_then(|rest| rest.strip_suffix(">`"));
    match one.filter(|one| one.contains('|')) {
        Some(any) => {
            format!("one of `{}` is missing", any.split('|').collect::<Vec<_>>().join("`, `"))
        }
        None => format!("{argument} is missing"),
    }
}

/// Why a value is none, where that can be said.
fn why(error: &Error) -> Option<String> {
    let valid = texts(error.get(ContextKind::ValidValue));
    if !valid.is_empty() {
        return Some(format!("it is one of {valid}"));
    }
    let source = error.source()?.to_string();
    Some(match source.as_str() {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "it is not a whole number".to_owned()
        }
        "number too large to fit in target type" => "it is too large a number".to_owned(),
        _ => source,
    })
}

/// Every text of a context in backticks.
fn texts(value: Option<&ContextValue>) -> String {
    let quoted = |text: &str| format!("`{}`", output::printable(text));
    match value {
        Some(ContextValue::String(text)) => quoted(text),
        Some(ContextValue::Strings(all)) => {
            all.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")
        }
        _ => String::new(),
    }
}

fn first_line(error: &Error) -> String {
    let text = error.render().to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    /// What is typed, what is said of it, why, and a part of the fix.
    const MISTAKES: &str = "\
runs list --limit x; `x` cannot be the value of `--limit <N>`; it is not a whole number from 1 on; `palisade runs list --help` says
runs list --limit 0; `0` cannot be the value of `--limit <N>`; it is not a whole number from 1 on; runs list --help
audit tail -n x; `x` cannot be the value of `--count <N>`; it is not a whole number; audit tail --help
runs list --state x; `x` cannot be the value of `--state <STATE>`; it is one of `queued`, `running`, `waiting`, `succeeded`, `failed`, `cancelled`; runs
runs list --stat failed; unexpected argument `--stat`; ; did you mean `--state`?
runs lst; no command `lst`; ; did you mean `list`?
run; `<WORKFLOW>` is missing; ; palisade run --help
audit anchor; one of `--file <FILE>`, `--git <REPOSITORY>` is missing; ; audit anchor --help
audit anchor --file a --git b; `--file <FILE>` cannot be used with `--git <REPOSITORY>`; ; audit anchor --help
audit prove; one of `SEQUENCE`, `--since <FILE>` is missing; ; audit prove --help
audit prove 0; `0` cannot be the value of `[SEQUENCE]`; it is not a whole number from 1 on; audit prove --help
audit verify --key nope; one of `--proof <FILE>`, `--disclosure <FILE>`, `--checkpoint <FILE>` is missing; ; audit verify
audit verify --tail 0; `0` cannot be the value of `--tail <N>`; it is not a whole number from 1 on; audit verify --help
secret rotate; one of `NAME`, `--key` is missing; ; secret rotate --help
policy replay a --since x; `x` cannot be the value of `--since <WHEN>`; not a date, a time in RFC 3339 or an age such as 90d; policy";

    #[test]
    fn every_mistake_is_told_with_what_why_and_a_fix() {
        for mistake in MISTAKES.lines() {
            let parts: Vec<&str> = mistake.split("; ").collect();
            let [line, what, why, fix] = parts.as_slice() else { panic!("{mistake}") };
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let named = command(words.iter().cloned());
            let all = ["palisade".to_owned()].into_iter().chain(words);
            let error = Arguments::try_parse_from(all).unwrap_err();
            let told = failure(&error, &named).to_json()["error"].clone();
            assert_eq!(told["what"], *what, "{line}");
            assert_eq!(told["why"][0].as_str().unwrap_or_default(), *why, "{line}");
            assert!(told["fix"].as_str().unwrap().contains(fix), "{line}: {told}");
        }
    }
}
