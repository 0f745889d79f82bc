//! A program in the local sandbox: launch, record what it prints, keep what it produced, tell how it ended.
//! It does not decide whether the program may run; that was done before the job existed.

use engine::run::{Completion, Ended, Failure, StreamRef, Usage};
use engine::workflow::{Extent, OutputSource, Written, collect};
use journal::Digest;
use sandbox::{Captured, Outcome, Spec};

use super::log::{Log, Stream};
use super::{Job, Real, Report, artifact, report};
use crate::clock;

/// A program to run, with what its step wants of it.
#[derive(Debug)]
pub struct Program {
    /// Everything the sandbox needs.
    pub spec: Spec,
    /// Declared outputs.
    pub outputs: Vec<(String, OutputSource)>,
}

/// Runs the program of `job` to its end.
pub(super) fn run(real: &Real, job: &Job, program: &Program) -> Report {
    let child = match sandbox::launch(&program.spec) {
        Ok(child) => child,
        Err(error) => return Report { result: report::not_launched(&error), ..report::lost(job) },
    };
    real.began(job.fence, child.canceller());
    let mut log = Log::new(&real.journal, job.run, &job.name, job.attempt);
    let outcome = child.wait(&mut |stream, bytes| {
        let stream = match stream {
            sandbox::Stream::Stdout => Stream::Stdout,
            sandbox::Stream::Stderr => Stream::Stderr,
        };
        log.take(stream, bytes, clock::now());
    });
    log.finish(clock::now());
    let receipt = serde_json::to_value(&outcome.receipt).ok();
    Report { result: completion(real, program, outcome), receipt, ..report::lost(job) }
}

fn completion(real: &Real, program: &Program, outcome: Outcome) -> Completion {
    let mut result = report::ended(&outcome.end, outcome.blocked.as_ref());
    result.usage = Usage {
        wall_us: micros(outcome.usage.wall),
        cpu_user_us: micros(outcome.usage.cpu_user),
        cpu_system_us: micros(outcome.usage.cpu_system),
        peak_memory: outcome.usage.peak_memory,
    };
    result.stdout = stream(&outcome.stdout);
    result.stderr = stream(&outcome.stderr);
    match artifact::keep(&real.artifacts, &outcome.artifacts) {
        Ok(kept) => result.artifacts = kept,
        Err((path, error)) => {
            return broken(result, format!("artifact `{path}` is not kept: {error}"));
        }
    }
    if let (Some(first), None) = (outcome.skipped.first(), &result.message) {
        let (count, why) = (outcome.skipped.len(), report::not_kept(first.reason));
        let line = format!("{count} artifacts not kept, `{}` among them: {why}", first.path);
        result.message = Some(line.into());
    }
    match collect(&program.outputs, written(&outcome.stdout), written(&outcome.stderr)) {
        Ok(outputs) => result.outputs = outputs,
        Err(error) if result.outcome == Ended::Succeeded => {
            return broken(result, error.to_string());
        }
        // A program that failed owes no outputs.
        Err(_) => {}
    }
    result
}

fn written(captured: &Captured) -> Written<'_> {
    let extent = if captured.truncated { Extent::Truncated } else { Extent::Complete };
    Written { bytes: &captured.bytes, extent }
}

/// A completion that turned out to be a failure after the program had ended.
fn broken(result: Completion, message: String) -> Completion {
    let failed = Completion::failed(Failure::Output, message);
    Completion {
        outcome: failed.outcome,
        failure: failed.failure,
        retryable: failed.retryable,
        message: failed.message,
        ..result
    }
}

fn stream(captured: &Captured) -> Option<StreamRef> {
    (!captured.bytes.is_empty()).then(|| StreamRef {
        digest: engine::run::Digest(*Digest::of(&captured.bytes).as_bytes()),
        size: captured.bytes.len() as u64,
        truncated: captured.truncated,
    })
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
