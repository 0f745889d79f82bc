//! Doing what was decided: takes jobs, runs them on threads of their own, reports what came of each.
//!
//! The executor and the dispatcher share nothing but messages. A job arrives only after the record that allows it
//! is durable; a report goes back for every job, whatever happened. Programs go to [`local`], read-only tools to
//! [`fast`]; [`log`] keeps what programs print.

mod artifact;
pub mod fast;
mod local;
pub(crate) mod log;
mod report;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use engine::run::{Completion, Failure, Fence, RunId};
use engine::workflow::StepIndex;
use journal::{ArtifactStore, Journal};
use sandbox::Canceller;
use serde_json::Value;

pub use local::Program;
pub use log::{LOG_KIND, Piece, Stream};

/// One attempt to carry out.
#[derive(Debug)]
pub struct Job {
    /// The run.
    pub run: RunId,
    /// The step's place.
    pub step: StepIndex,
    /// The step's name.
    pub name: Arc<str>,
    /// From 1.
    pub attempt: u32,
    /// The lease.
    pub fence: Fence,
    /// What to do.
    pub work: Work,
}

/// What an attempt does.
#[derive(Debug)]
pub enum Work {
    /// A program in the sandbox.
    Program(Box<Program>),
    /// Nothing: everything around it is measured or simulated.
    Nothing,
    /// A read-only tool in this process.
    Fast {
        /// Registered name.
        tool: String,
        /// Validated, normalised arguments.
        arguments: Value,
    },
}

/// What came of an attempt.
#[derive(Debug)]
pub struct Report {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepIndex,
    /// The step's name.
    pub name: Arc<str>,
    /// The attempt.
    pub attempt: u32,
    /// The lease it had.
    pub fence: Fence,
    /// What came of it.
    pub result: Completion,
    /// The isolation receipt, where a sandbox was built.
    pub receipt: Option<Value>,
}

/// How attempts are carried out.
#[derive(Clone)]
pub enum Executor {
    /// For real.
    Real(Arc<Real>),
    /// At once and without doing anything: what the step bench measures the rest with.
    Nothing,
}

/// What the real executor works with.
pub struct Real {
    /// Project folder, absolute.
    pub project: PathBuf,
    /// Where output pieces are recorded.
    pub journal: Arc<Journal>,
    /// Where artifacts are kept.
    pub artifacts: ArtifactStore,
    running: Mutex<HashMap<Fence, Stop>>,
}

/// How a running attempt is stopped.
enum Stop {
    /// It has a sandbox.
    Sandbox(Canceller),
    /// It was asked to stop before it had one.
    Early,
}

impl Real {
    /// An executor for `project`.
    #[must_use]
    pub fn new(project: PathBuf, journal: Arc<Journal>, artifacts: ArtifactStore) -> Self {
        Self { project, journal, artifacts, running: Mutex::default() }
    }

    /// Notes the sandbox of an attempt; stops it at once when that was asked for before it existed.
    fn began(&self, fence: Fence, canceller: Canceller) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Stop::Early) = running.insert(fence, Stop::Sandbox(canceller.clone())) {
            canceller.cancel();
        }
    }

    fn ended(&self, fence: Fence) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&fence);
    }

    fn stop(&self, fence: Fence) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.get(&fence) {
            Some(Stop::Sandbox(canceller)) => canceller.cancel(),
            Some(Stop::Early) => {}
            None => {
                running.insert(fence, Stop::Early);
            }
        }
    }
}

impl Executor {
    /// Begins every job; `report` is called once per job, from another thread or from this one.
    pub fn begin(&self, jobs: Vec<Job>, report: &(impl Fn(Vec<Report>) + Clone + Send + 'static)) {
        match self {
            Self::Nothing => report(jobs.iter().map(report::nothing_done).collect()),
            Self::Real(real) => {
                for job in jobs {
                    let (real, report) = (Arc::clone(real), report.clone());
                    let lost = report::lost(&job);
                    let spawned =
                        std::thread::Builder::new().name(format!("step {}", job.name)).spawn({
                            let report = report.clone();
                            move || report(vec![carry_out(&real, job)])
                        });
                    if let Err(error) = spawned {
                        report(vec![Report {
                            result: Completion::failed(
                                Failure::Sandbox,
                                format!("no thread for the step: {error}"),
                            ),
                            ..lost
                        }]);
                    }
                }
            }
        }
    }

    /// Asks a running attempt to stop; its report still comes.
    pub fn stop(&self, fence: Fence) {
        if let Self::Real(real) = self {
            real.stop(fence);
        }
    }
}

fn carry_out(real: &Real, job: Job) -> Report {
    let report = match &job.work {
        Work::Program(program) => local::run(real, &job, program),
        Work::Nothing => report::nothing_done(&job),
        Work::Fast { tool, arguments } => {
            let result = match fast::call(&real.project, tool, arguments) {
                Ok(outputs) => report::tool_done(outputs),
                Err(error) => report::tool_failed(&error),
            };
            Report { result, ..report::lost(&job) }
        }
    };
    real.ended(job.fence);
    report
}
