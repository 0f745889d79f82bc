//! Doing what was decided: takes jobs, runs them on threads of their own, reports what came of each.
//!
//! The executor and the dispatcher share nothing but messages. A job arrives only after the record that allows it
//! is durable; a report goes back for every job, whatever happened. Programs go to `local`, read-only tools to
//! [`fast`]; `log` keeps what programs print.

mod artifact;
mod bare;
mod deed;
mod egress;
pub mod fast;
mod local;
pub(crate) mod log;
mod report;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use engine::policy::{Policy, Redact};
use engine::run::{Completion, Failure, Fence, RunId};
use engine::workflow::StepIndex;
use journal::{ArtifactStore, Journal};
use sandbox::{Canceller, LaunchError, Pool, PoolSize, Spec};
use serde_json::Value;
use ticket::Ticket;

use crate::amendment::Replacing;
use crate::change::Told;
use crate::clock;
use crate::gate::{Allows, FileFilter, Gate, Permit, Permitted, Redeemer};
use crate::layout::Layout;
use crate::record::Isolation;
use crate::secrecy::{Committed, Cover, Secrecy};

pub use deed::Deed;
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
    /// The secrets of its workflow, by name: what none of its records may show.
    pub secrets: Arc<[String]>,
    /// What to do.
    pub work: Work,
    /// What allows it; nothing begins before it is redeemed.
    pub ticket: Ticket,
}

/// What an attempt does.
#[derive(Debug)]
pub enum Work {
    /// A program in the sandbox.
    Program(Box<Program>),
    /// Nothing: everything around it is measured or simulated.
    Nothing,
    /// A read-only tool in this process.
    Fast(Box<Fast>),
    /// A change that the node makes itself.
    Deed(Box<Deed>),
}

/// A read-only call.
#[derive(Debug)]
pub struct Fast {
    /// Registered name.
    pub tool: String,
    /// Validated, normalised arguments.
    pub arguments: Value,
    /// Which files a search may look into.
    pub files: FileFilter,
    /// Largest file that may be read, in bytes, where the decision says so.
    pub largest: Option<u64>,
    /// How long it may take.
    pub within: Option<Duration>,
    /// What the decision wants taken out of what goes in and what comes back.
    pub redact: Redact,
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
    /// The policy that it put in force, where it did.
    pub in_force: Option<Arc<Policy>>,
    /// Commitments to what was taken out of the rest.
    pub committed: Option<Committed>,
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
    /// What the policy is changed with.
    pub replacing: Replacing,
    /// What makes permits of tickets.
    redeemer: Arc<Redeemer>,
    /// The oldest generation of Landlock on which programs run.
    landlock_floor: u32,
    /// Sandboxes built before they are asked for; made with the first program, because many nodes
    /// run none. `None` where its thread could not be started, and then every start is a cold one.
    pool: OnceLock<Option<Pool>>,
    /// What is kept out of records, and where secrets come from.
    secrecy: Arc<Secrecy>,
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
    Bare(bare::Stop),
    /// Word to a read-only tool.
    Fast(fast::Stop),
}

impl Stopper {
    fn stop(&self) {
        match self {
            Self::Sandbox(canceller) => canceller.cancel(),
            Self::Bare(stop) => stop.stop(),
            Self::Fast(word) => word.stop(),
        }
    }
}

impl Real {
    /// An executor for the project of `layout`, which does what `gate` gave a ticket for.
    #[must_use]
    pub fn new(
        layout: &Layout,
        journal: Arc<Journal>,
        (program, isolation): (Option<PathBuf>, Isolation),
        secrecy: Arc<Secrecy>,
        gate: &Gate,
    ) -> Self {
        Self {
            isolation,
            secrecy,
            redeemer: gate.redeemer(),
            replacing: Replacing {
                file: None,
                catalogue: gate.catalogue().clone(),
                journal: layout.journal(),
                turn: Mutex::default(),
            },
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

    /// The same, which may replace the policy in this file.
    #[must_use]
    pub fn with_policy_file(mut self, file: Option<PathBuf>) -> Self {
        self.replacing.file = file;
        self
    }

    /// Refuses every sandbox on a kernel whose Landlock is older.
    #[must_use]
    pub fn with_landlock_floor(self, landlock_floor: u32) -> Self {
        Self { landlock_floor, ..self }
    }

    /// Starts what a permit is for in a sandbox, or a process it needs beside it; from a warm slot where one fits.
    fn launch(
        &self,
        _: Permitted<'_, Program>,
        spec: &Spec,
    ) -> Result<sandbox::Child, LaunchError> {
        match self.pool.get_or_init(|| Pool::new(PoolSize::default()).ok()) {
            Some(pool) => pool.launch(spec),
            None => sandbox::launch(spec),
        }
    }

    /// Redeems a job's ticket, in the order jobs come in, and begins it on a thread of its own.
    fn begin(self: &Arc<Self>, job: Job, report: &(impl Fn(Vec<Report>) + Clone + Send + 'static)) {
        let lost = report::lost(&job);
        let permit = match self.redeemer.redeem(job, clock::now()) {
            Ok(permit) => permit.with_landlock_floor(self.landlock_floor),
            Err(error) => {
                report(vec![Report { result: report::not_permitted(&error), ..lost }]);
                return;
            }
        };
        let (real, told) = (Arc::clone(self), report.clone());
        real.attempts().insert(lost.fence, Attempt::Starting);
        let name = format!("step {}", lost.name);
        let spawned = std::thread::Builder::new()
            .name(name)
            .spawn(move || told(vec![carry_out(&real, permit)]));
        if let Err(error) = spawned {
            self.ended(lost.fence);
            let why = format!("no thread for the step: {error}");
            report(vec![Report { result: Completion::failed(Failure::Sandbox, why), ..lost }]);
        }
    }

    fn attempts(&self) -> MutexGuard<'_, HashMap<Fence, Attempt>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what ends an attempt; stops it at once when that was asked for before it was known.
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
                for job in jobs {
                    real.begin(job, report);
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

fn carry_out(real: &Real, permit: Permit) -> Report {
    let job = permit.job();
    let (wanted, redact) = match &job.work {
        Work::Program(program) => (program.secrets.as_slice(), program.redact),
        Work::Fast(fast) => (&[][..], fast.redact),
        Work::Deed(_) | Work::Nothing => (&[][..], Redact::None),
    };
    let (fence, lost) = (job.fence, report::lost(job));
    let (cover, files) = match real.secrecy.cover(&job.secrets, wanted, redact) {
        Ok(covered) => covered,
        Err(error) => {
            real.ended(fence);
            return Report { result: report::no_secret(&error), ..lost };
        }
    };
    let report = done(real, &permit.covered(&cover).with_secrets(files), &cover);
    real.ended(fence);
    cover.report(report)
}

fn done(real: &Real, permit: &Permit, cover: &Cover) -> Report {
    match permit.allows() {
        Allows::Program(program) if program.what().place == Place::Bare => {
            bare::run(real, program, cover)
        }
        Allows::Program(program) => local::run(real, program, cover),
        Allows::Nothing => Report::nothing_done(permit.job()),
        Allows::Fast(fast) => answer(real, fast),
        Allows::Deed(deed) => deed::carry_out(real, deed),
    }
}

/// Answers a read-only call in this process.
fn answer(real: &Real, permitted: Permitted<'_, Fast>) -> Report {
    let Fast { tool, arguments, files, largest, within, .. } = permitted.what();
    let until = fast::Until::new(within.and_then(|within| Instant::now().checked_add(within)));
    real.began(permitted.job().fence, Stopper::Fast(until.stop()));
    let mut files = files.clone();
    let file = &mut |path: &str| files.largest(path);
    let allowed = fast::Allowed { file, largest: *largest, until: &until };
    let result = match fast::call(&real.project, tool, arguments, allowed) {
        Ok(outputs) => report::tool_done(tool, outputs, &|outputs| {
            real.secrecy.result(crate::tool::declared_result(tool), outputs)
        }),
        Err(error) => report::tool_failed(&error),
    };
    Report { result, ..report::lost(permitted.job()) }
}
