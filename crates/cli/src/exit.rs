//! Exit codes: the one table from what happened to what the shell sees.
//!
//! The table is also what `palisade help exit-codes` prints, so code and help cannot differ. What the process that owns
//! a project refuses ends with the same code as where there is none.

use std::process::ExitCode;

use runner::peer::{ClientError, Code};

/// Makes of each row a way to end and a line of the table: none can be without the other, and as the codes are what
/// the compiler tells the ways apart by, no two can have the same.
macro_rules! table {
    ($($(#[$about:meta])* $name:ident = $code:literal, $word:literal, $meaning:literal;)*) => {
        /// How the process ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Exit {
            $($(#[$about])* $name = $code,)*
        }

        /// Every code this build uses: name and meaning.
        pub(crate) const TABLE: &[(Exit, &str, &str)] = &[$((Exit::$name, $word, $meaning),)*];

        impl Exit {
            /// The number the shell sees.
            pub(crate) const fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

table! {
    /// Done.
    Ok = 0, "ok", "the command did what was asked";
    /// Something failed that has no code of its own.
    Failure = 1, "failure", "something failed that has no code of its own, such as a full disk";
    /// The command line, a file or a setting is wrong.
    Usage = 2, "usage", "the command line, a document or a setting is wrong; nothing was done";
    /// No such run, step, artifact or file.
    NotFound = 3, "not found", "no such run, step, artifact or file";
    /// Another process owns the project, or the state does not allow it.
    Conflict = 5, "conflict", "another process owns the project, or the run's state does not allow it";
    /// A policy rule denied the call.
    Denied = 6, "denied", "a policy rule denied the call";
    /// The run ended as failed.
    RunFailed = 10, "run failed", "the run failed or waits for a person; `palisade runs show` says why";
    /// The run was cancelled.
    RunCancelled = 11, "run cancelled", "the run was cancelled";
    /// The journal does not verify.
    Verification = 20, "verification failed", "the journal or an artifact is not what was recorded";
    /// Interrupted from the keyboard or by a termination signal.
    Interrupted = 130, "interrupted", "stopped from the keyboard or by a termination signal";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What an owner refuses, whatever it was asked for.
impl From<Code> for Exit {
    fn from(code: Code) -> Self {
        match code {
            Code::NotFound => Self::NotFound,
            Code::InvalidParams => Self::Usage,
            Code::Denied => Self::Denied,
            // An owner of another version is one that has to end first.
            Code::Conflict | Code::Busy | Code::UnsupportedVersion | Code::UnknownMethod => {
                Self::Conflict
            }
            Code::BadMessage
            | Code::NotARequest
            | Code::HandshakeRequired
            | Code::TooLarge
            | Code::Internal => Self::Failure,
        }
    }
}

/// An owner that refuses, or that cannot be asked.
impl From<&ClientError> for Exit {
    fn from(error: &ClientError) -> Self {
        match error {
            ClientError::Refused(fault) => fault.code.into(),
            ClientError::NoOwner
            | ClientError::Impostor(_)
            | ClientError::Frame(_)
            | ClientError::Answer => Self::Failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_none_is_missing() {
        // The table has a row for each way to end because it is made with it; here is that the rows are in order.
        assert!(TABLE.is_sorted_by(|one, next| one.0.code() < next.0.code()));
        assert!(TABLE.iter().all(|(exit, name, about)| {
            *exit as u8 == exit.code() && !name.is_empty() && !about.is_empty()
        }));
    }

    #[test]
    fn what_an_owner_refuses_ends_with_the_code_of_its_kind() {
        for (code, exit) in [
            (Code::NotFound, Exit::NotFound),
            (Code::InvalidParams, Exit::Usage),
            (Code::Denied, Exit::Denied),
            (Code::Conflict, Exit::Conflict),
            (Code::Busy, Exit::Conflict),
            (Code::UnknownMethod, Exit::Conflict),
            (Code::Internal, Exit::Failure),
        ] {
            let fault = runner::peer::Fault { code, message: String::new(), retryable: false };
            assert_eq!(Exit::from(&ClientError::Refused(fault)), exit, "{code:?}");
        }
        assert_eq!(Exit::from(&ClientError::Answer), Exit::Failure);
    }
}
