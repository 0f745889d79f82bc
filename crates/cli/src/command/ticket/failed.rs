//! Why a ticket is not made, not taken or not changed, told with what to do about it.
//! The reasons are the libraries'; this file has their exit codes.

use runner::peer::{ClientError, Code};
use runner::tickets::{KeyError, KeysError, NotIssued, Refused, Unstarted, Withheld};

use crate::exit::Exit;
use crate::failure::Failure;

/// A ticket that does not hold.
pub(super) fn withheld(error: &Withheld) -> Failure {
    let (exit, fix) = match error {
        Withheld::Shut(shut) => (Exit::Failure, shut.fix()),
        Withheld::Refused(refused @ Refused::Malformed(_)) => (Exit::Usage, refused.fix()),
        Withheld::Refused(refused) => (Exit::Denied, refused.fix()),
        Withheld::Spent(spent) => (Exit::Denied, spent.fix()),
    };
    Failure::of(exit, error).fix(fix)
}

/// A workflow whose actions are denied, with every reason.
pub(in crate::command) fn unstarted(error: &Unstarted) -> Failure {
    match error {
        Unstarted::Shut { shut, .. } => Failure::of(Exit::Denied, error).fix(shut.fix()),
        Unstarted::Denied { why, .. } => {
            let failure = Failure::of(Exit::Denied, error);
            let fix = why.first().map_or("hand in a ticket for each action", |first| first.fix());
            why.iter().fold(failure, |failure, one| failure.because(one.to_string())).fix(fix)
        }
    }
}

pub(super) fn keys_failure(error: &KeysError) -> Failure {
    let exit = if matches!(error, KeysError::None) { Exit::NotFound } else { Exit::Failure };
    Failure::of(exit, error).fix(error.fix())
}

/// A file of public keys that is none.
pub(super) fn no_public_key(file: &str, error: &KeyError) -> Failure {
    Failure::new(Exit::Usage, format!("{file} holds no public keys of tickets"))
        .because(error.to_string())
        .fix(error.fix())
}

pub(super) fn not_issued(error: &NotIssued) -> Failure {
    match error {
        NotIssued::Invalid(_) | NotIssued::Useless(_) | NotIssued::Mint(_) => {
            Failure::of(Exit::Usage, error).fix(INVALID)
        }
        NotIssued::Stopped(_) => Failure::of(Exit::Denied, error).fix(stopped(&error.to_string())),
        NotIssued::Shut(shut) => Failure::of(Exit::Failure, error).fix(shut.fix()),
        NotIssued::Full(_) => Failure::of(Exit::Failure, error).fix("revoke all with `--all`"),
        NotIssued::Keys(keys) => keys_failure(keys),
        NotIssued::Read(_) | NotIssued::Journal(_) | NotIssued::System(_) => {
            Failure::of(Exit::Failure, error).fix("`palisade doctor` checks this machine")
        }
    }
}

/// The owning process did not do it.
pub(super) fn not_answered(error: &ClientError) -> Failure {
    let ClientError::Refused(fault) = error else {
        return Failure::of(Exit::Failure, error).fix(
            "`palisade audit tail` says whether it took effect; end that process and repeat it",
        );
    };
    Failure::of(fault.code.into(), error).fix(match fault.code {
        Code::Denied => stopped(&fault.message),
        Code::InvalidParams => INVALID,
        Code::UnknownMethod => {
            "the process that owns the project is an older version; end it and repeat the command"
        }
        _ => "end the process that owns the project and repeat the command, which then says more",
    })
}

const INVALID: &str = "`palisade help ticket mint` says what a ticket can be for";
const STOPPED: &str = "allow `ticket.mint` or `ticket.revoke` to this principal in the policy";
const UNTICKETED: &str =
    "no ticket is taken for this; allow it with a rule that does not say `require_ticket`";
const BUILT_IN: &str = "no rule allows it; leave away what the built-in rule is about";

/// What to do about a stop, which comes as words from a process that owns the project.
fn stopped(told: &str) -> &'static str {
    if told.starts_with("stopped by `builtin:") {
        BUILT_IN
    } else if told.contains("`: no ticket, which is required by") {
        UNTICKETED
    } else {
        STOPPED
    }
}
