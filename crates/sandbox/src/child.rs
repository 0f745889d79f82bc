//! A running sandbox, held by one owner, and the means to end it from elsewhere.
//!
//! Dropping a child kills everything inside and waits until it is dead; there is no way to lose
//! one. Waiting for it in the ordinary way is in `wait`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use globset::GlobSet;
use rustix::process::{Signal, pidfd_send_signal};

use crate::artifacts::Upper;
use crate::capture::Stream;
use crate::container;
use crate::freeze::{Freezer, Pause};
use crate::limits::{Group, Observed, Places, Watch, Watchdog};
use crate::outcome::{End, Outcome, Stop};
use crate::receipt::Receipt;
use crate::spec::{Limits, Spec};
use crate::sys::clone::Process;
use crate::sys::wait::{Resources, Status, reap};
use crate::wires::Ends;

/// How long a killed sandbox may take to be dead; longer means that the kernel is stuck.
pub const DEATH_MAX: Duration = Duration::from_secs(10);

/// A sandbox whose program has been executed.
#[derive(Debug)]
pub struct Child {
    pub(crate) running: Running,
    pub(crate) upper: Upper,
    pub(crate) listener: Option<OwnedFd>,
    pub(crate) patterns: GlobSet,
    pub(crate) limits: Limits,
    pub(crate) receipt: Receipt,
}

impl Child {
    pub(crate) fn new(
        running: Running,
        (upper, listener): (Upper, Option<OwnedFd>),
        patterns: GlobSet,
        limits: Limits,
        receipt: Receipt,
    ) -> Self {
        Self { running, upper, listener, patterns, limits, receipt }
    }

    /// Waits for the end, within the limits, and hands on output as it comes.
    ///
    /// `on_output` is called on this thread with at most 64 KiB at a time, only with what is
    /// within the output limit. While it runs, the program's output waits and the wall time goes
    /// on. When this returns, everything inside is dead and its groups are removed.
    pub fn wait(self, on_output: &mut dyn FnMut(Stream, &[u8])) -> Outcome {
        crate::wait::wait(self, on_output)
    }

    /// A handle with which any thread can end this sandbox.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller { shared: Arc::clone(&self.running.shared) }
    }

    /// A handle with which any thread can freeze and resume this sandbox.
    #[must_use]
    pub fn freezer(&self) -> Freezer {
        let status = self.running.ends.status.try_clone().ok();
        Freezer { shared: Arc::clone(&self.running.shared), status: status.map(Arc::new) }
    }

    /// With [`Network::Proxy`](crate::Network), once: the socket that listens inside, for the egress
    /// proxy to answer. Connections made before somebody answers wait in its queue. It blocks, and
    /// closes on `execve`. Nothing inside holds it, so once it is closed here connections are
    /// refused; one that was not taken is closed by [`wait`](Self::wait).
    pub fn take_listener(&mut self) -> Option<OwnedFd> {
        match &self.running.shared.held {
            Held::Process(_) => self.listener.take(),
            Held::Container(container) => container.take_listener(),
        }
    }

    /// What is in force.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The first process's id in the caller's pid namespace; for display only.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.running.shared.pid
    }
}

/// Ends a sandbox from any thread. Holding one after the end does no harm.
#[derive(Clone, Debug)]
pub struct Canceller {
    shared: Arc<Shared>,
}

impl Canceller {
    /// Kills everything inside. The waiting side gets [`End::Cancelled`](crate::End::Cancelled),
    /// or the program's own ending if that came first.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Release);
        self.shared.kill();
    }
}

/// What a canceller shares with the waiting side.
#[derive(Debug)]
pub(crate) struct Shared {
    held: Held,
    pid: i32,
    /// The folders of its control groups.
    groups: Vec<PathBuf>,
    /// `cgroup.kill` of the sandbox's own group, where there is one.
    group: Option<OwnedFd>,
    cancelled: AtomicBool,
    condemned: OnceLock<Stop>,
    killed: AtomicBool,
    pause: Mutex<Pause>,
}

/// By what a sandbox is held, which depends on its driver.
#[derive(Debug)]
pub(crate) enum Held {
    /// The first process of a local sandbox, our own child.
    Process(OwnedFd),
    /// A container.
    Container(Box<container::Held>),
}

impl Shared {
    fn new(held: Held, pid: i32, groups: Vec<PathBuf>, group: Option<OwnedFd>) -> Self {
        Self {
            held,
            pid,
            groups,
            group,
            cancelled: AtomicBool::new(false),
            condemned: OnceLock::new(),
            killed: AtomicBool::new(false),
            pause: Mutex::default(),
        }
    }

    /// The kernel kills a whole pid namespace with its first process. The descriptor cannot mean
    /// another process, so a sandbox that is dead already is no fault. The group is a second way
    /// to the same end, which also reaches what is frozen.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        match &self.held {
            Held::Process(pidfd) => {
                let _dead = pidfd_send_signal(pidfd, Signal::KILL);
            }
            Held::Container(container) => container.kill(),
        }
        if let Some(group) = &self.group {
            let _gone = rustix::io::write(group, b"1");
        }
        self.pause().kill();
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    pub(crate) fn pause(&self) -> MutexGuard<'_, Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn groups(&self) -> &[PathBuf] {
        &self.groups
    }

    /// The first process, by the caller's number.
    pub(crate) fn first(&self) -> i32 {
        self.pid
    }

    /// Kills everything inside because of what it has used.
    pub(crate) fn condemn(&self, stop: Stop) {
        let _first = self.condemned.set(stop);
        self.kill();
    }

    /// Why somebody else than the waiting side has killed everything inside.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        let cancelled = self.cancelled.load(Ordering::Acquire).then_some(Stop::Cancelled);
        self.condemned.get().copied().or(cancelled)
    }

    /// Readable once everything inside is dead.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        match &self.held {
            Held::Process(pidfd) => pidfd.as_fd(),
            Held::Container(container) => container.life(),
        }
    }
}

/// The first process and everything that has to go away with it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ends: Ends,
    pub(crate) started: Instant,
    pub(crate) wall: Duration,
    group: Option<Group>,
    watchdog: Option<Watchdog>,
    reaped: bool,
}

impl Running {
    pub(crate) fn new(
        process: Process,
        ends: Ends,
        mut group: Option<Group>,
        started: Instant,
        limits: &Limits,
    ) -> Self {
        let folders = group.as_ref().map(Group::folders).unwrap_or_default().to_vec();
        let kill = group.as_mut().and_then(Group::take_kill);
        // A second way to the same end, so it has to be down together with the first.
        #[cfg(weaken)]
        let kill = kill.filter(|_| crate::weaken::stands(crate::weaken::Wall::PidNamespace));
        let shared = Shared::new(Held::Process(process.pidfd), process.pid, folders, kill);
        Self {
            shared: Arc::new(shared),
            ends,
            started,
            wall: limits.wall,
            group,
            watchdog: None,
            reaped: false,
        }
    }

    /// A container, whose client was started at `started`.
    pub(crate) fn contained(
        held: container::Held,
        ends: Ends,
        group: Option<Group>,
        started: Instant,
        spec: &Spec,
    ) -> Self {
        let pid = held.pid();
        let shared = Shared::new(Held::Container(Box::new(held)), pid, Vec::new(), None);
        Self {
            shared: Arc::new(shared),
            ends,
            started,
            wall: spec.limits.wall,
            group,
            watchdog: None,
            reaped: false,
        }
    }

    /// Has everything inside watched until it is dead, if there is anything to watch. `scratch` is
    /// a folder of the file system it writes to, `segments` the list of its shared memory.
    pub(crate) fn guard(
        &mut self,
        watch: Watch,
        scratch: &Arc<OwnedFd>,
        segments: Option<OwnedFd>,
    ) -> io::Result<()> {
        if !watch.is_empty() {
            let pid = self.shared.pid;
            let places = Places { pid, scratch: Arc::clone(scratch), segments };
            self.watchdog = Some(Watchdog::start(watch, &self.shared, places)?);
        }
        Ok(())
    }

    /// Readable once everything inside is dead.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.shared.pidfd()
    }

    /// The status of the program, where the first process does not report it itself.
    pub(crate) fn status(&self, stop: Option<Stop>) -> Option<Status> {
        match &self.shared.held {
            Held::Process(_) => None,
            Held::Container(container) => container.status(stop),
        }
    }

    /// What only the driver knows about an ending that was judged.
    pub(crate) fn explain(&self, end: End, stderr: &[u8]) -> End {
        match &self.shared.held {
            Held::Process(_) => end,
            Held::Container(container) => container.explain(end, stderr),
        }
    }

    pub(crate) fn group_folders(&self) -> Vec<String> {
        self.shared.groups.iter().map(|folder| folder.display().to_string()).collect()
    }

    pub(crate) fn observe(&self) -> Observed {
        let mut observed = self.group.as_ref().map(Group::observe).unwrap_or_default();
        if let Some(watchdog) = &self.watchdog {
            observed.peak_memory = observed.peak_memory.or(watchdog.peak_memory());
            observed.forks_refused += u64::from(watchdog.tasks_at_limit());
        }
        if let Held::Container(container) = &self.shared.held {
            observed.oom_kills = observed.oom_kills.saturating_add(container.oom_kills());
        }
        observed
    }

    /// Takes the dead first process; with it everything inside is known to be dead, because the
    /// kernel lets it die last.
    pub(crate) fn reap(&mut self) -> io::Result<Resources> {
        // Before the process id can come to mean another process.
        self.watchdog.iter_mut().for_each(Watchdog::finish);
        let resources = match &self.shared.held {
            Held::Process(pidfd) => reap(pidfd.as_fd())?,
            Held::Container(container) => container.reap()?,
        };
        self.reaped = true;
        Ok(resources)
    }

    /// Kills everything inside and waits for its death, at most [`DEATH_MAX`].
    pub(crate) fn kill_and_reap(&mut self) {
        if self.reaped {
            return;
        }
        self.shared.kill();
        let dead = crate::wait::readable(self.pidfd(), Instant::now() + DEATH_MAX).is_ok();
        // What is left of a container is removed by force; a process that does not die stays.
        if dead || matches!(self.shared.held, Held::Container(_)) {
            let _status = self.reap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_and_reap();
        self.shared.pause().end();
    }
}
