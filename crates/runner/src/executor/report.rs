//! From what happened to a [`Completion`]: the one table of how sandbox and tool ends are told to the engine.
//! Which of these ends is worth another attempt is the engine's to know, from the failure's class.

use engine::run::{Completion, Ended, Failure, Guard, StoppedBy};
use sandbox::{Blocked, End, LaunchError, SkipReason};
use serde_json::{Map, Value};

use super::egress::EgressError;
use super::fast::{FastError, OpenError};
use super::{Job, Report};
use crate::gate::Unpermitted;
use crate::secrecy::SecrecyError;
use crate::{cause, tool};

/// A report for `job` that says nothing came of it; the frame every report is built in.
pub(super) fn lost(job: &Job) -> Report {
    Report {
        run: job.run,
        step: job.step,
        name: job.name.clone(),
        attempt: job.attempt,
        fence: job.fence,
        result: Completion::failed(Failure::Sandbox, "the attempt ended without a result"),
        receipt: None,
        changes: None,
        in_force: None,
        committed: None,
    }
}

impl Report {
    /// A report of success for an attempt that was not to do anything.
    #[must_use]
    pub fn nothing_done(job: &Job) -> Self {
        Self { result: Completion::new(Ended::Succeeded), ..lost(job) }
    }
}

/// A read-only tool answered; what is not the result it declares is not passed on, and of the rest what `written`
/// leaves.
pub(super) fn tool_done(
    tool: &str,
    outputs: Value,
    written: &dyn Fn(Value) -> Value,
) -> Completion {
    if let Err(mistakes) = tool::check_result(tool, &outputs) {
        let message = format!("the result of `{tool}` does not fit its schema: {mistakes}");
        return Completion { retryable: false, ..Completion::failed(Failure::Output, message) };
    }
    let outputs = match written(outputs) {
        Value::Object(map) => map,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    Completion { outputs, ..Completion::new(Ended::Succeeded) }
}

/// A read-only tool failed; trying again would not help, unless it was stopped.
pub(super) fn tool_failed(error: &FastError) -> Completion {
    match error {
        FastError::TimedOut => return ended(&End::TimedOut, None),
        FastError::Cancelled => return ended(&End::Cancelled, None),
        _ => {}
    }
    let stopped_by = match error {
        FastError::Open(OpenError::Escapes(_)) => Some("project root"),
        FastError::Open(OpenError::State(_)) => Some("hidden folders"),
        _ => None,
    };
    let stopped_by = stopped_by.map(|name| StoppedBy {
        kind: Guard::Isolation,
        name: name.into(),
        detail: error.to_string().into(),
    });
    Completion {
        retryable: false,
        stopped_by,
        ..Completion::failed(Failure::Tool, error.to_string())
    }
}

/// An attempt whose ticket does not cover it; nothing was begun.
pub(super) fn not_permitted(error: &Unpermitted) -> Completion {
    let line = cause::line(error);
    let by = stopped(Guard::Policy, "ticket", &line);
    // A disk that kept the decision waiting for too long may be quicker the next time.
    let late = matches!(error, Unpermitted::Refused(::ticket::Refused::Expired(_)));
    let failed = Completion::failed(Failure::Sandbox, format!("it was not begun: {line}"));
    Completion { retryable: late, stopped_by: Some(by), ..failed }
}

/// A sandbox that could not be built; the program did not start.
pub(super) fn not_launched(error: &LaunchError) -> Completion {
    let missing =
        matches!(error, LaunchError::ProgramMissing { .. } | LaunchError::ProgramRefused { .. });
    let failure = if missing { Failure::NotFound } else { Failure::Sandbox };
    let line = match error.fix() {
        Some(fix) => format!("{}; {fix}", cause::line(error)),
        None => cause::line(error),
    };
    Completion { retryable: false, ..Completion::failed(failure, line) }
}

/// A secret that cannot be handed on; the program did not start.
pub(super) fn no_secret(error: &SecrecyError) -> Completion {
    let line = match error.fix() {
        Some(fix) => format!("{}; {fix}", cause::line(error)),
        None => cause::line(error),
    };
    Completion { retryable: false, ..Completion::failed(Failure::InvalidInput, line) }
}

/// A step whose hosts cannot be reached as decided; its program did not start, or was ended at once.
pub(super) fn no_way_out(error: &EgressError) -> Completion {
    Completion { retryable: false, ..Completion::failed(Failure::Sandbox, cause::line(error)) }
}

/// Why a file that matched was not kept, in words.
pub(super) fn not_kept(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::SymbolicLink => "it is a symbolic link",
        SkipReason::NotAFile => "it is not a file",
        SkipReason::OddName => "its name is not plain text",
        SkipReason::Unreadable => "it cannot be read",
        SkipReason::TooMany => "there are more artifacts than allowed",
        SkipReason::TooLarge => "the artifacts are larger than allowed",
        SkipReason::TooDeep => "it lies too deep",
    }
}

/// How a program in a sandbox ended, as outcome, failure class, guard and line.
pub(super) fn ended(end: &End, blocked: Option<&Blocked>) -> Completion {
    match end {
        End::Exited(0) => Completion { exit: Some(0), ..Completion::new(Ended::Succeeded) },
        End::Exited(code) => Completion {
            exit: Some(*code),
            stopped_by: blocked.map(isolation),
            ..Completion::failed(Failure::ExitCode, format!("exit code {code}"))
        },
        End::Signalled(signal) => Completion {
            stopped_by: blocked.map(isolation),
            ..Completion::failed(Failure::Signal, format!("ended by signal {signal}"))
        },
        End::OutOfMemory => limit("memory", "more memory than allowed"),
        End::PidsExceeded => limit("pids", "more processes than allowed"),
        End::CpuExceeded => limit("cpu_time", "more processor time than allowed"),
        End::DiskFull => limit("workspace", "more workspace, or a larger file, than allowed"),
        End::OutputExceeded => limit("output", "more output than allowed"),
        End::TimedOut => Completion {
            stopped_by: Some(stopped(Guard::Limit, "timeout", "longer than allowed")),
            ..Completion::failed(Failure::Timeout, "longer than allowed")
        },
        End::Cancelled => Completion::new(Ended::Cancelled),
        End::SandboxFailed(reason) => Completion::failed(Failure::Sandbox, reason.as_str()),
    }
}

fn isolation(blocked: &Blocked) -> StoppedBy {
    stopped(Guard::Isolation, &blocked.layer.to_string(), &blocked.evidence)
}

fn limit(name: &str, detail: &str) -> Completion {
    Completion {
        stopped_by: Some(stopped(Guard::Limit, name, detail)),
        ..Completion::failed(Failure::Limit, detail)
    }
}

fn stopped(kind: Guard, name: &str, detail: &str) -> StoppedBy {
    StoppedBy { kind, name: name.into(), detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_result_that_is_not_what_the_tool_declares_fails_and_is_not_passed_on() {
        let good = json!({ "text": "x", "size": 1, "truncated": false });
        let all = |outputs| outputs;
        assert_eq!(tool_done(tool::FS_READ, good.clone(), &all).outputs.len(), 3);
        let marked = tool_done(tool::FS_READ, good.clone(), &|_| json!({ "text": "*" }));
        assert_eq!(marked.outputs["text"], "*", "nobody gets more than may be written");
        for bad in [json!({ "text": 5, "size": 1, "truncated": false }), json!("x"), json!({})] {
            let result = tool_done(tool::FS_READ, bad, &all);
            assert_eq!(result.failure, Some(Failure::Output));
            assert!(result.outputs.is_empty() && result.outcome == Ended::Failed);
        }
        // A tool that declares no result may not give one.
        assert_eq!(tool_done("fs.unknown", good, &all).outcome, Ended::Failed);
    }
}
