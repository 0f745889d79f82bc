//! Exit codes: the one table from what happened to what the shell sees.
//!
//! The table is also what `palisade help exit-codes` prints, so code and help cannot differ.

use std::process::ExitCode;

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok,
    /// Something failed that has no code of its own.
    Failure,
    /// The command line, a file or a setting is wrong.
    Usage,
    /// No such run, step, artifact or file.
    NotFound,
    /// Another process owns the project, or the state does not allow it.
    Conflict,
    /// A policy rule denied the call.
    Denied,
    /// The run ended as failed.
    RunFailed,
    /// The run was cancelled.
    RunCancelled,
    /// The journal does not verify.
    Verification,
    /// Interrupted from the keyboard or by a termination signal.
    Interrupted,
}

/// Every code this build uses: code, name, meaning.
pub(crate) const TABLE: &[(Exit, u8, &str, &str)] = &[
    (Exit::Ok, 0, "ok", "the command did what was asked"),
    (
        Exit::Failure,
        1,
        "failure",
        "something failed that has no code of its own, such as a full disk",
    ),
    (
        Exit::Usage,
        2,
        "usage",
        "the command line, a document or a setting is wrong; nothing was done",
    ),
    (Exit::NotFound, 3, "not found", "no such run, step, artifact or file"),
    (
        Exit::Conflict,
        5,
        "conflict",
        "another process owns the project, or the run's state does not allow it",
    ),
    (Exit::Denied, 6, "denied", "a policy rule denied the call"),
    (
        Exit::RunFailed,
        10,
        "run failed",
        "the run failed or waits for a person; `palisade runs show` says why",
    ),
    (Exit::RunCancelled, 11, "run cancelled", "the run was cancelled"),
    (
        Exit::Verification,
        20,
        "verification failed",
        "the journal or an artifact is not what was recorded",
    ),
    (Exit::Interrupted, 130, "interrupted", "stopped from the keyboard or by a termination signal"),
];

impl Exit {
    /// The number the shell sees.
    pub(crate) fn code(self) -> u8 {
        TABLE.iter().find(|row| row.0 == self).map_or(1, |row| row.1)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_none_is_missing() {
        let mut codes: Vec<u8> = TABLE.iter().map(|row| row.1).collect();
        codes.dedup();
        assert_eq!(codes.len(), TABLE.len());
        assert_eq!(Exit::Verification.code(), 20);
        assert_eq!(Exit::Conflict.code(), 5);
    }
}
