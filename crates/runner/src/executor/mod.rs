//! Doing what was decided: takes jobs, runs them on threads of their own, reports what came of each.
//!
//! The executor and the dispatcher share nothing but messages. A job arrives only after the record that allows it
//! is durable; a report goes back for every job, whatever happened. Programs go to `local`, read-only tools to
//! [`fast`]; `log` keeps what programs print.

mod artifact;
mod bare;
mod egress;
pub mod fast;
mod local;
pub(crate) mod log;
mod report;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use engine::run::{Completion, Failure, Fence, RunId};
use engine::workflow::StepIndex;
use journal::{ArtifactStore, Journal};
use sandbox::{Canceller, LaunchError, Pool, PoolSize, Spec};
use serde_json::Value;

use crate::change::Told;
use crate::gate::FileFilter;
use crate::layout::Layout;
use crate::record::Isolation;

pub use egress::{PROXY_COMMAND, ServeEgressError, serve_egress};
pub use local::{Place, Program};
pub use log::{LOG_KIND, Piece, Stream};

/// Longest wait for attempts to end when the node ends.
const HALT_WAIT: Duration = Duration::from_secs(10);

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
        /// Which files a search may look into.
        files: FileFilter,
        /// Largest file that may be read, in bytes, where the decision says so.
        largest: Option<u64>,
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
    /// What it changed in its workspace, where it changed anything.
    pub changes: Option<Told>,
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
    /// This program itself, which the egress proxy's process is; without it no step reaches a host.
    pub program: Option<PathBuf>,
    /// Whether anything holds programs here; what is recorded of them says so.
    pub isolation: Isolation,
    /// An empty folder, which is all of a project that a proxy is shown.
    pub empty: PathBuf,
    /// The oldest generation of Landlock on which programs run.
    landlock_floor: u32,
    /// Sandboxes built before they are asked for; made with the first program, because many nodes
    /// run none. `None` where its thread could not be started, and then every start is a cold one.
    pool: OnceLock<Option<Pool>>,
    attempts: Mutex<HashMap<Fence, Attempt>>,
    all_ended: Condvar,
}

/// How far an attempt has come, as far as stopping it goes.
enum Attempt {
    /// Its sandbox is being built.
    Starting,
    /// It was asked to stop before it had a sandbox.
    StopAsked,
    /// It runs.
    Running(Stopper),
}

/// What ends a running attempt.
enum Stopper {
    /// Its sandbox's.
    Sandbox(Canceller),
    /// Word to whoever watches a program without one.
    Bare(Sender<bare::Happened>),
}

impl Stopper {
    fn stop(&self) {
        match self {
            Self::Sandbox(canceller) => canceller.cancel(),
            // An attempt that is over needs no stopping.
            Self::Bare(word) => drop(word.send(bare::Happened::Cancelled)),
        }
    }
}

impl Real {
    /// An executor for the project of `layout`.
    #[must_use]
    pub fn new(
        layout: &Layout,
        journal: Arc<Journal>,
        program: Option<PathBuf>,
        isolation: Isolation,
    ) -> Self {
        Self {
            isolation,
            project: layout.project().to_path_buf(),
            artifacts: ArtifactStore::beside(&layout.journal()),
            empty: layout.empty(),
            journal,
            program,
            landlock_floor: 1,
            pool: OnceLock::new(),
            attempts: Mutex::default(),
            all_ended: Condvar::new(),
        }
    }

    /// Refuses every sandbox on a kernel whose Landlock is older.
    #[must_use]
    pub fn with_landlock_floor(self, landlock_floor: u32) -> Self {
        Self { landlock_floor, ..self }
    }

    /// Starts a program in a sandbox, from a warm slot where one fits.
    fn launch(&self, spec: &Spec) -> Result<sandbox::Child, LaunchError> {
        match self.pool.get_or_init(|| Pool::new(PoolSize::default()).ok()) {
            Some(pool) => pool.launch(spec),
            None => sandbox::launch(spec),
        }
    }

    fn attempts(&self) -> MutexGuard<'_, HashMap<Fence, Attempt>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the sandbox of an attempt; stops it at once when that was asked for before it existed.
    fn began(&self, fence: Fence, stopper: Stopper) {
        let mut attempts = self.attempts();
        if let Some(Attempt::StopAsked) = attempts.get(&fence) {
            stopper.stop();
        }
        attempts.insert(fence, Attempt::Running(stopper));
    }

    fn ended(&self, fence: Fence) {
        self.attempts().remove(&fence);
        self.all_ended.notify_all();
    }

    fn stop(&self, fence: Fence) {
        match self.attempts().get_mut(&fence) {
            Some(Attempt::Running(stopper)) => stopper.stop(),
            Some(starting) => *starting = Attempt::StopAsked,
            None => {}
        }
    }

    /// Stops every attempt and waits until all have ended, at most [`HALT_WAIT`].
    fn halt(&self) {
        let running: Vec<Fence> = self.attempts().keys().copied().collect();
        for fence in running {
            self.stop(fence);
        }
        // A wait that runs out leaves the rest to the kernel: a sandbox dies with its supervisor.
        drop(
            self.all_ended.wait_timeout_while(self.attempts(), HALT_WAIT, |left| !left.is_empty()),
        );
    }
}

impl Executor {
    /// Begins every job; `report` is called once per job, from another thread or from this one.
    pub fn begin(&self, jobs: Vec<Job>, report: &(impl Fn(Vec<Report>) + Clone + Send + 'static)) {
        match self {
            Self::Nothing => report(jobs.iter().map(Report::nothing_done).collect()),
            Self::Real(real) => {
                for mut job in jobs {
                    if let Work::Program(program) = &mut job.work {
                        program.spec.landlock_floor = Some(real.landlock_floor);
                    }
                    let (real, report) = (Arc::clone(real), report.clone());
                    real.attempts().insert(job.fence, Attempt::Starting);
                    let unstarted = Arc::clone(&real);
                    let lost = report::lost(&job);
                    let spawned =
                        std::thread::Builder::new().name(format!("step {}", job.name)).spawn({
                            let report = report.clone();
                            move || report(vec![carry_out(&real, job)])
                        });
                    if let Err(error) = spawned {
                        unstarted.ended(lost.fence);
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

    /// Stops everything that runs; nothing may be begun after.
    pub fn halt(&self) {
        if let Self::Real(real) = self {
            real.halt();
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
        Work::Program(program) if program.place == Place::Bare => bare::run(real, &job, program),
        Work::Program(program) => local::run(real, &job, program),
        Work::Nothing => Report::nothing_done(&job),
        Work::Fast { tool, arguments, files, largest } => {
            let mut files = files.clone();
            let allowed = fast::Allowed { file: &mut |path| files.allows(path), largest: *largest };
            let result = match fast::call(&real.project, tool, arguments, allowed) {
                Ok(outputs) => report::tool_done(outputs),
                Err(error) => report::tool_failed(&error),
            };
            Report { result, ..report::lost(&job) }
        }
    };
    real.ended(job.fence);
    report
}
