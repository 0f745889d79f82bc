//! A running sandbox, held by one owner, and the means to end it from elsewhere.
//!
//! Dropping a child kills everything inside and waits until it is dead; there is no way to lose
//! one. Waiting for it in the ordinary way is in `wait`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use globset::GlobSet;
use rustix::process::{Signal, pidfd_send_signal};

use crate::artifacts::Upper;
use crate::capture::Stream;
use crate::limits::{Group, Observed};
use crate::outcome::Outcome;
use crate::receipt::Receipt;
use crate::spec::Limits;
use crate::sys::clone::Process;
use crate::sys::wait::{Resources, reap};
use crate::wires::Ends;

/// How long a killed sandbox may take to be dead; longer means that the kernel is stuck.
pub const DEATH_MAX: Duration = Duration::from_secs(10);

/// A sandbox whose program has been executed.
#[derive(Debug)]
pub struct Child {
    pub(crate) running: Running,
    pub(crate) upper: Upper,
    pub(crate) patterns: GlobSet,
    pub(crate) limits: Limits,
    pub(crate) receipt: Receipt,
}

impl Child {
    pub(crate) fn new(
        running: Running,
        upper: Upper,
        patterns: GlobSet,
        limits: Limits,
        receipt: Receipt,
    ) -> Self {
        Self { running, upper, patterns, limits, receipt }
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

    /// With [`Network::Proxy`](crate::Network), once: the socket that listens inside, for the egress
    /// proxy to answer. Connections made before somebody answers wait in its queue.
    pub fn take_listener(&mut self) -> Option<OwnedFd> {
        None
    }

    /// What is in force.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The first process's id in the caller's pid namespace; for display only.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.running.pid
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
    pidfd: OwnedFd,
    cancelled: AtomicBool,
}

impl Shared {
    /// The kernel kills a whole pid namespace with its first process. The descriptor cannot mean
    /// another process, so a sandbox that is dead already is no fault.
    pub(crate) fn kill(&self) {
        let _dead = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

/// The first process and everything that has to go away with it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ends: Ends,
    pub(crate) started: Instant,
    pub(crate) wall: Duration,
    pid: i32,
    group: Option<Group>,
    reaped: bool,
}

impl Running {
    pub(crate) fn new(
        process: Process,
        ends: Ends,
        group: Option<Group>,
        started: Instant,
        limits: &Limits,
    ) -> Self {
        let shared = Shared { pidfd: process.pidfd, cancelled: AtomicBool::new(false) };
        Self {
            shared: Arc::new(shared),
            ends,
            started,
            wall: limits.wall,
            pid: process.pid,
            group,
            reaped: false,
        }
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.shared.pidfd.as_fd()
    }

    pub(crate) fn group_folders(&self) -> Vec<String> {
        let folders = self.group.iter().flat_map(Group::folders);
        folders.map(|folder| folder.display().to_string()).collect()
    }

    pub(crate) fn observe(&self) -> Observed {
        self.group.as_ref().map(Group::observe).unwrap_or_default()
    }

    /// Takes the dead first process; with it everything inside is known to be dead, because the
    /// kernel lets it die last.
    pub(crate) fn reap(&mut self) -> io::Result<Resources> {
        let resources = reap(self.pidfd())?;
        self.reaped = true;
        Ok(resources)
    }

    /// Kills everything inside and waits for its death, at most [`DEATH_MAX`].
    pub(crate) fn kill_and_reap(&mut self) {
        if self.reaped {
            return;
        }
        self.shared.kill();
        if crate::wait::readable(self.pidfd(), Instant::now() + DEATH_MAX).is_ok() {
            let _status = self.reap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_and_reap();
    }
}
