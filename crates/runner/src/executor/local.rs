//! A program in the local sandbox: launch, record what it prints, keep what it produced, tell how it ended.
//! It does not decide whether the program may run; that was done before the job existed.

use engine::run::{Completion, Ended, Failure, StreamRef, Usage};
use engine::workflow::{Changes, Extent, OutputSource, Written, collect};
use journal::Digest;
use sandbox::container::{Image, Settings};
use sandbox::{Captured, Driver, GapName, LaunchError, Network, Outcome, Spec};

use super::egress::{self, Attended, Seen};
use super::log::{Log, Stream};
use super::{Job, Real, Report, Stopper, artifact, report};
use crate::change::{Told, capture};
use crate::clock;
use crate::gate::Granted;

/// A program to run, with what its step wants of it.
#[derive(Debug)]
pub struct Program {
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

/// Runs the program of `job` to its end.
pub(super) fn run(real: &Real, job: &Job, program: &Program) -> Report {
    match attempt(real, job, program) {
        Ok(report) => report,
        Err(result) => Report { result: *result, ..report::lost(job) },
    }
}

/// One attempt; an error is the completion of one whose program did not start.
fn attempt(real: &Real, job: &Job, program: &Program) -> Result<Report, Box<Completion>> {
    let unreachable = |error| Box::new(report::no_way_out(&error));
    let proxy = match program.spec.network {
        Network::Proxy => {
            Some(egress::start(real, &program.hosts, program.transfer).map_err(unreachable)?)
        }
        Network::None | Network::Host => None,
    };
    let began = clock::stamp();
    let mut child =
        launch(real, program).map_err(|error| Box::new(report::not_launched(&error)))?;
    let (listener, stop) = (child.take_listener(), child.canceller());
    real.began(job.fence, Stopper::Sandbox(stop.clone()));
    let proxy = proxy.map(|proxy| proxy.attend(real, job, listener, stop));
    let proxy = proxy.transpose().map_err(unreachable)?;
    let outcome = watch(real, job, child);
    let seen = proxy.map(Attended::finish).unwrap_or_default();
    let receipt = serde_json::to_value(&outcome.receipt).ok();
    let (changes, kept) = captured(real, job, program, (&outcome.layers, began));
    let result = reached(completion(real, program, outcome), seen);
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
    real: &Real,
    job: &Job,
    program: &Program,
    (layers, began): (&sandbox::Layers, std::time::SystemTime),
) -> (Option<Told>, Result<(), String>) {
    let given = program.spec.workspace.files.iter().map(|(path, _)| path.as_path()).collect();
    let ended = capture::Ended { layers, given, began, wanted: program.changes };
    capture::keep(&real.artifacts, (&job.name, job.attempt), &ended)
}

/// Starts the program where it is to run. Nothing falls back to another place.
fn launch(real: &Real, program: &Program) -> Result<sandbox::Child, LaunchError> {
    match &program.place {
        Place::Local => real.launch(&program.spec),
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
fn watch(real: &Real, job: &Job, child: sandbox::Child) -> Outcome {
    let mut log = Log::new(&real.journal, job.run, &job.name, job.attempt, real.isolation);
    let outcome = child.wait(&mut |stream, bytes| {
        let stream = match stream {
            sandbox::Stream::Stdout => Stream::Stdout,
            sandbox::Stream::Stderr => Stream::Stderr,
        };
        log.take(stream, bytes, clock::now());
    });
    log.finish(clock::now());
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

pub(super) fn stream(captured: &Captured) -> Option<StreamRef> {
    (!captured.bytes.is_empty()).then(|| StreamRef {
        digest: engine::run::Digest(*Digest::of(&captured.bytes).as_bytes()),
        size: captured.bytes.len() as u64,
        truncated: captured.truncated,
    })
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
