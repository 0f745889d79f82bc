//! `palisade-verify`: checks what a Palisade node has signed, without trusting Palisade.
//!
//! A second implementation of the journal's `FORMAT.md`, written from that text alone. It shares no code
//! with the journal, reads files only, and needs nothing but a hash and a signature library.
//! `command` is what can be asked, `note`, `proof`, `disclosure` and `folder` what is checked, `tree`, `json` and
//! `base64` tools.

mod base64;
mod command;
mod disclosure;
mod folder;
mod json;
mod note;
mod proof;
mod tree;

use std::fmt;
use std::process::ExitCode;

/// Why nothing was confirmed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The command line is wrong: exit code 2.
    Usage(String),
    /// A file cannot be read: exit code 3.
    Unreadable(String),
    /// What is in the files does not verify: exit code 1.
    Invalid(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) => write!(formatter, "{why}\n\n{}", command::USAGE),
            Self::Unreadable(why) => formatter.write_str(why),
            Self::Invalid(why) => write!(formatter, "does not verify: {why}"),
        }
    }
}

impl Refusal {
    const fn code(&self) -> u8 {
        match self {
            Self::Invalid(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreadable(_) => 3,
        }
    }
}

/// Shorthand of every check.
pub(crate) type Checked<T> = Result<T, Refusal>;

/// Something that does not verify.
pub(crate) fn invalid(why: impl Into<String>) -> Refusal {
    Refusal::Invalid(why.into())
}

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match command::run(&arguments) {
        Ok(confirmed) => {
            println!("{confirmed}");
            ExitCode::SUCCESS
        }
        Err(refusal) => {
            eprintln!("palisade-verify: {refusal}");
            ExitCode::from(refusal.code())
        }
    }
}
