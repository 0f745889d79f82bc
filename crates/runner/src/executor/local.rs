//! A program in the local sandbox: launch, record what it prints, keep what it produced, tell how it ended.
//! It does not decide whether the program may run; that was done before the job existed.

use std::sync::Arc;

use engine::policy::Redact;
use engine::run::{Completion, Ended, Failure, StreamRef, Usage};
use engine::workflow::{Changes, Extent, OutputSource, Written, check_outputs, collect};
use journal::Digest;
use sandbox::container::{Image, Settings};
use sandbox::{Captured, Driver, GapName, LaunchError, Network, Outcome, Spec};
use schema::Schema;
use serde_json::Value;

use super::egress::{self, Attended, Seen};
use super::log::{Ending, Log, Stream};
use super::{Job, Real, Report, Stopper, artifact, report};
use crate::change::{Told, capture};
use crate::gate::{Granted, Permitted};
use crate::secrecy::Cover;
use crate::{cause, clock};

/// A program to run, with what its step wants of it.
#[derive(Debug)]
pub struct Program {
    /// The tool it is a call of.
    pub tool: String,
    /// The arguments that were decided on.
    pub arguments: Value,
    /// Everything the sandbox needs.
    pub spec: Spec,
    /// Where it runs.
    pub place: Place,
    /// What it may reach, as decided.
    pub hosts: Vec<Granted>,
    /// Most bytes that may go to and come from each of them together, where the decision says so.
    pub transfer: Option<u64>,
    /// What is kept of what it changes.
    pub changes: Changes,
    /// Declared outputs.
    pub outputs: Vec<(String, OutputSource)>,
    /// What the decision wants taken out of what goes in and what comes back.
    pub redact: Redact,
    /// The secrets it may read: the name of each file, and the secret's.
    pub secrets: Vec<(String, String)>,
    /// What they must look like, where the step says so.
    pub schemas: Vec<(String, Arc<Schema>)>,
}

/// Where a program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the sandbox of this machine.
    Local,
    /// In a container of this image, with what its driver may leave out.
    Container {
        /// `name@sha256:…`.
        image: String,
        /// Names of gaps.
        gaps: Vec<String>,
    },
    /// Nowhere: on the machine itself, held by nothing.
    Bare,
}

/// Runs a permitted program to its end.
pub(super) fn run(real: &Real, permitted: Permitted<'_, Program>, cover: &Cover) -> Report {
    match attempt(real, permitted, cover) {
        Ok(report) => report,
        Err(result) => Report { result: *result, ..report::lost(permitted.job()) },
    }
}

/// One attempt; an error is the completion of one whose program did not start.
fn attempt(
    real: &Real,
    permitted: Permitted<'_, Program>,
    cover: &Cover,
) -> Result<Report, Box<Completion>> {
    let (job, program) = (permitted.job(), permitted.what());
    let unreachable = |error| Box::new(report::no_way_out(&error));
    let proxy = match program.spec.network {
        Network::Proxy => Some(egress::start(real, permitted).map_err(unreachable)?),
        Network::None | Network::Host => None,
    };
    let began = clock::stamp();
    let mut child =
        launch(real, permitted).map_err(|error| Box::new(report::not_launched(&error)))?;
    let (listener, stop) = (child.take_listener(), child.canceller());
    real.began(job.fence, Stopper::Sandbox(stop.clone()));
    let proxy = proxy.map(|proxy| proxy.attend((real, job), listener, stop, cover));
    let proxy = proxy.transpose().map_err(unreachable)?;
    let outcome = watch(real, job, cover, child);
    let seen = proxy.map(Attended::finish).unwrap_or_default();
    let receipt = serde_json::to_value(&outcome.receipt).ok();
    let (changes, kept) = captured((real, job), program, (&outcome.layers, began), cover);
    let result = reached(completion(real, program, outcome, cover), seen);
    let result = match kept {
        Err(why) if result.outcome == Ended::Succeeded => {
            broken(result, format!("the changes are not kept: {why}"))
        }
        Ok(()) | Err(_) => result,
    };
    Ok(Report { result, receipt, changes, ..report::lost(job) })
}

/// Keeps what is wanted of the changes in the workspace.
fn captured(
    (real, job): (&Real, &Job),
    program: &Program,
    (layers, began): (&sandbox::Layers, std::time::SystemTime),
    cover: &Cover,
) -> (Option<Told>, Result<(), String>) {
    let given = program.spec.workspace.files.iter().map(|(path, _)| path.as_path()).collect();
    let largest = program.spec.limits.file_bytes;
    let ended = capture::Ended { layers, given, began, largest, wanted: program.changes, cover };
    capture::keep(&real.artifacts, (&job.name, job.attempt), &ended)
}

/// Starts the program where it is to run. Nothing falls back to another place.
fn launch(real: &Real, permitted: Permitted<'_, Program>) -> Result<sandbox::Child, LaunchError> {
    let program = permitted.what();
    match &program.place {
        Place::Local => real.launch(permitted, &program.spec),
        Place::Container { image, gaps } => {
            let settings = Settings::new(Image::parse(image)?);
            let allowed: Vec<GapName> = gaps.iter().filter_map(|gap| GapName::parse(gap)).collect();
            Driver::Container(settings).launch(&program.spec, &allowed)
        }
        // Whoever runs programs bare does not come here.
        Place::Bare => Err(LaunchError::Spec(sandbox::SpecError::NoProgram)),
    }
}

/// Waits for the end of `child` and records what it prints.
fn watch(real: &Real, job: &Job, cover: &Cover, child: sandbox::Child) -> Outcome {
    let mut log = Log::new(real, job, cover);
    let outcome = child.wait(&mut |stream, bytes| {
        let stream = match stream {
            sandbox::Stream::Stdout => Stream::Stdout,
            sandbox::Stream::Stderr => Stream::Stderr,
        };
        log.take(stream, bytes, clock::now());
    });
    log.finish(Ending::of(&outcome.end, [&outcome.stdout, &outcome.stderr]), clock::now());
    outcome
}

/// What the way out adds to an ending: a proxy that broke is the failure, and a request it refused explains one.
fn reached(result: Completion, seen: Seen) -> Completion {
    match (seen.broken, seen.refused) {
        (Some(broken), _) => Completion {
            stdout: result.stdout,
            stderr: result.stderr,
            usage: result.usage,
            ..Completion::failed(Failure::Sandbox, format!("the way out is closed: {broken}"))
        },
        (None, Some(refused)) if result.outcome == Ended::Failed && result.stopped_by.is_none() => {
            Completion { stopped_by: Some(refused), ..result }
        }
        (None, _) => result,
    }
}

fn completion(real: &Real, program: &Program, outcome: Outcome, cover: &Cover) -> Completion {
    let mut result = report::ended(&outcome.end, outcome.blocked.as_ref());
    result.usage = Usage {
        wall_us: micros(outcome.usage.wall),
        cpu_user_us: micros(outcome.usage.cpu_user),
        cpu_system_us: micros(outcome.usage.cpu_system),
        peak_memory: outcome.usage.peak_memory,
    };
    let ending = Ending::of(&outcome.end, [&outcome.stdout, &outcome.stderr]);
    result.stdout = stream(&outcome.stdout, ending, cover);
    result.stderr = stream(&outcome.stderr, ending, cover);
    match artifact::keep(&real.artifacts, &outcome.artifacts, cover) {
        Ok(kept) => result.artifacts = kept,
        Err((path, error)) => {
            return broken(
                result,
                format!("artifact `{path}` is not kept: {}", cause::line(&error)),
            );
        }
    }
    if let (Some(first), None) = (outcome.skipped.first(), &result.message) {
        let (count, why) = (outcome.skipped.len(), report::not_kept(first.reason));
        let line = format!("{count} artifacts not kept, `{}` among them: {why}", first.path);
        result.message = Some(line.into());
    }
    with_outputs(result, program, [written(&outcome.stdout), written(&outcome.stderr)])
}

/// The result with its declared outputs; a program that should have given them and did not has failed, and what
/// does not fit is not passed on.
pub(super) fn with_outputs(
    mut result: Completion,
    program: &Program,
    [stdout, stderr]: [Written<'_>; 2],
) -> Completion {
    let outputs = collect(&program.outputs, stdout, stderr).and_then(|outputs| {
        check_outputs(&program.schemas, &outputs)?;
        Ok(outputs)
    });
    match outputs {
        Ok(outputs) => result.outputs = outputs,
        Err(error) if result.outcome == Ended::Succeeded => {
            return broken(result, error.to_string());
        }
        // A program that failed owes no outputs.
        Err(_) => {}
    }
    result
}

pub(super) fn written(captured: &Captured) -> Written<'_> {
    let extent = if captured.truncated { Extent::Truncated } else { Extent::Complete };
    Written { bytes: &captured.bytes, extent }
}

/// A completion that turned out to be a failure after the program had ended.
pub(super) fn broken(result: Completion, message: String) -> Completion {
    let failed = Completion::failed(Failure::Output, message);
    Completion {
        outcome: failed.outcome,
        failure: failed.failure,
        retryable: failed.retryable,
        message: failed.message,
        ..result
    }
}

/// What was printed, in short; the digest is that of the text without known secrets.
pub(super) fn stream(captured: &Captured, ending: Ending, cover: &Cover) -> Option<StreamRef> {
    let digest = || {
        Digest::of(&match ending {
            Ending::Whole => cover.values().bytes(&captured.bytes),
            Ending::Cut => cover.values().bytes_cut(&captured.bytes),
        })
    };
    (!captured.bytes.is_empty()).then(|| StreamRef {
        digest: engine::run::Digest(*digest().as_bytes()),
        size: captured.bytes.len() as u64,
        truncated: captured.truncated,
    })
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
