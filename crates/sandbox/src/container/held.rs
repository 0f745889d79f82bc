//! A container that runs: how it is ended, what is seen of its end, and how it is cleaned up.
//!
//! While all is well nothing is asked of the runtime: its client is our child and ends when the
//! container has, killing the first process kills everything inside, and the counters are those
//! of our own group. Asking, which starts a program, is for when something went wrong.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::lifecycle::{Lifecycle, State, Step};
use super::oom::OomCount;
use super::runtime::{Kind, Runtime};
use super::start::Empty;
use crate::child::DEATH_MAX;
use crate::outcome::{End, Stop};
use crate::sys::wait::{Resources, Status};

/// What clients answer when they and not the program failed.
const CLIENT_FAILED: i32 = 125;
/// How long to wait between two requests to end a container that is not there yet.
const AGAIN: Duration = Duration::from_millis(100);
/// How long control groups may stay busy after the end.
const GROUPS_MAX: Duration = Duration::from_secs(2);
/// How long to wait before a busy group is tried again.
const GROUPS_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Everything that belongs to one running container.
#[derive(Debug)]
pub(crate) struct Held {
    pub(super) runtime: Arc<Runtime>,
    pub(super) name: String,
    /// Readable once the runtime's client has ended.
    pub(super) life: OwnedFd,
    /// The container's first process, where it was seen.
    pub(super) first: Option<OwnedFd>,
    pub(super) oom: Option<OomCount>,
    /// Our own control group, relative to the root of every hierarchy.
    pub(super) group: Option<String>,
    /// What lets a container that was held up go on.
    pub(super) gate: Option<OwnedFd>,
    /// Stands for the workspace where there is none; goes away with this.
    pub(super) empty: Option<Empty>,
    pub(super) inner: Mutex<Inner>,
}

/// What changes over its life.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) client: Child,
    pub(super) life: Lifecycle,
    pub(super) status: Option<ExitStatus>,
    pub(super) killed: bool,
    pub(super) end: Option<End>,
    pub(super) listener: Option<OwnedFd>,
}

/// A descriptor that is readable once `client` has ended.
pub(super) fn watch(client: &Child) -> io::Result<OwnedFd> {
    let pid = i32::try_from(client.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("a process without a number"))?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

impl Held {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client's process id, for display only.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.inner().client.id()).unwrap_or(0)
    }

    /// Readable once the container has ended.
    pub(crate) fn life(&self) -> BorrowedFd<'_> {
        self.life.as_fd()
    }

    pub(super) fn listen(&self, listener: OwnedFd) {
        self.inner().listener = Some(listener);
    }

    pub(crate) fn take_listener(&self) -> Option<OwnedFd> {
        self.inner().listener.take()
    }

    /// Kills everything inside. Never waits.
    pub(crate) fn kill(&self) {
        self.inner().killed = true;
        match &self.first {
            // The descriptor cannot mean another process; one that is dead already is no fault.
            Some(first) => drop(pidfd_send_signal(first, Signal::KILL)),
            None => self.ask_to_kill(),
        }
    }

    /// For a container whose first process we do not hold: the runtime is asked until it has
    /// killed it, because it may not have started it yet.
    fn ask_to_kill(&self) {
        let (runtime, name) = (Arc::clone(&self.runtime), self.name.clone());
        let Ok(life) = self.life.try_clone() else { return };
        let asking = move || {
            let deadline = Instant::now() + DEATH_MAX;
            while Instant::now() < deadline {
                let killed = runtime.ask(&["kill", "--signal", "KILL", &name]);
                let over = crate::wait::readable(&life, Instant::now() + AGAIN).is_ok();
                if over || killed.is_ok_and(|answer| answer.success) {
                    return;
                }
            }
        };
        // Without a thread the clean-up removes it by force, later.
        let _thread = std::thread::Builder::new().name("palisade-kill".into()).spawn(asking);
    }

    /// How often memory ran out, as far as our group's own counters do not say it.
    pub(crate) fn oom_kills(&self) -> u64 {
        self.oom.as_ref().map(OomCount::take).unwrap_or(0)
    }

    /// Takes the ended client, or ends it, and removes everything that is left.
    pub(crate) fn reap(&self) -> io::Result<Resources> {
        let mut inner = self.inner();
        if crate::wait::readable(&self.life, Instant::now()).is_ok() {
            inner.status = Some(inner.client.wait()?);
        }
        let resources = self.used();
        // Also a container that was never seen running is cleaned up.
        let _failed = inner.life.enter(State::Stopping);
        inner.end = self.rare(&inner);
        let failures = self.clean(&mut inner);
        match failures.first() {
            Some((step, error)) => Err(io::Error::other(format!("{step}: {error}"))),
            None => Ok(resources),
        }
    }

    fn clean(&self, inner: &mut Inner) -> Vec<(Step, io::Error)> {
        let Inner { client, life, status, .. } = inner;
        let orderly = self.runtime.is_full()
            && status.is_some_and(|status| status.code().is_some_and(|code| code != CLIENT_FAILED));
        life.clean(|step| match step {
            // The client of an orderly end has removed it already.
            Step::Container if orderly => Ok(()),
            Step::Container => remove(&self.runtime, &self.name),
            Step::Client if status.is_some() => Ok(()),
            Step::Client => client.kill().and_then(|()| client.wait()).map(drop),
            Step::Groups => self.group.as_deref().map_or(Ok(()), remove_groups),
        })
    }

    /// What only the runtime can say, and what is worth the question only after a failure.
    fn rare(&self, inner: &Inner) -> Option<End> {
        let code = inner.status?.code().filter(|code| *code != 0)?;
        if inner.killed {
            return None;
        }
        if !self.runtime.is_full() {
            return self.inspect(code);
        }
        (code == CLIENT_FAILED && self.recorded_code() != Some(CLIENT_FAILED)).then(|| {
            End::SandboxFailed("the container runtime failed; standard error has its words".into())
        })
    }

    /// For containers that the client does not remove: the record of how it ended.
    fn inspect(&self, code: i32) -> Option<End> {
        let format = "{{.State.OOMKilled}} {{.State.ExitCode}}";
        let answer = self.runtime.ask(&["inspect", "--format", format, &self.name]).ok()?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        match text.trim().split_once(' ') {
            Some(("true", _)) => Some(End::OutOfMemory),
            Some((_, recorded)) if recorded.parse() == Ok(code) => None,
            _ => Some(End::SandboxFailed("the container runtime did not run the program".into())),
        }
    }

    /// The program's exit code as the runtime has recorded it, of a container that is gone.
    fn recorded_code(&self) -> Option<i32> {
        let container = format!("container={}", self.name);
        let arguments =
            ["events", "--stream=false", "--filter", &container, "--filter", "event=died"];
        let format = ["--format", "{{.ContainerExitCode}}"];
        let answer = self.runtime.ask(&[&arguments[..], &format].concat()).ok()?;
        String::from_utf8_lossy(&answer.stdout).lines().last()?.trim().parse().ok()
    }

    /// The program's own status, once the client was taken.
    ///
    /// A runtime tells a signal as 128 plus its number, so a program that exits with such a
    /// number by itself is told as one that was signalled.
    pub(crate) fn status(&self, stop: Option<Stop>) -> Option<Status> {
        let code = self.inner().status?.code()?;
        let status = status_of(code);
        let ours = status.signal() == Some(libc::SIGKILL) && stop.is_some();
        (!ours).then_some(status)
    }

    /// The end as it is told, given what only the runtime knew.
    pub(crate) fn explain(&self, end: End, stderr: &[u8]) -> End {
        const FIRST_FAILED: &str = "ERROR (catatonit:";
        let last = String::from_utf8_lossy(stderr);
        let last = last.lines().last().unwrap_or_default();
        match (end, self.inner().end.clone()) {
            (End::Exited(code), Some(rare)) if code != 0 => rare,
            (End::Signalled(_), Some(rare)) => rare,
            (End::Exited(1), None) if last.starts_with(FIRST_FAILED) => {
                let why = last.rsplit(": ").next().unwrap_or_default();
                End::SandboxFailed(format!("the program could not be executed: {why}"))
            }
            (end, _) => end,
        }
    }

    /// Processor time of everything inside, from the groups while they are there.
    fn used(&self) -> Resources {
        let folders = self.group.as_deref().map(group_folders).unwrap_or_default();
        let read =
            |name: &str| folders.iter().find_map(|at| fs::read_to_string(at.join(name)).ok());
        let nanos = |name| read(name).and_then(|text| text.trim().parse().ok());
        let micros = |key| {
            let text = read("cpu.stat")?;
            text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
        };
        let time = |old, new| {
            let old = nanos(old).map(Duration::from_nanos);
            old.or_else(|| micros(new).map(Duration::from_micros)).unwrap_or_default()
        };
        Resources {
            user: time("cpuacct.usage_user", "user_usec "),
            system: time("cpuacct.usage_sys", "system_usec "),
            peak_memory: 0,
        }
    }
}

fn status_of(code: i32) -> Status {
    const SIGNALS: std::ops::RangeInclusive<i32> = 129..=192;
    Status(if SIGNALS.contains(&code) { code - 128 } else { (code & 0xFF) << 8 })
}

/// Removes a container in any state; one that is not there is no fault.
pub(super) fn remove(runtime: &Runtime, name: &str) -> io::Result<()> {
    let arguments: &[&str] = match runtime.kind {
        Kind::Podman => &["rm", "--force", "--time", "0", "--ignore", name],
        Kind::Docker => &["rm", "--force", name],
    };
    let answer = runtime.ask(arguments).map_err(io::Error::other)?;
    let gone = answer.success || answer.complaint().to_lowercase().contains("no such container");
    if gone { Ok(()) } else { Err(io::Error::other(answer.complaint())) }
}

/// Where control groups of every kind are mounted.
const HIERARCHIES: &str = "/sys/fs/cgroup";

/// The folders of one group in every hierarchy that has it.
pub(super) fn group_folders(group: &str) -> Vec<PathBuf> {
    let root = Path::new(HIERARCHIES);
    let below = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let places = below.chain([root.to_owned()]);
    places.map(|place| place.join(group.trim_start_matches('/'))).filter(|at| at.is_dir()).collect()
}

/// Removes a group and the empty ones below it, in every hierarchy whatever became of the others.
///
/// The runtime's own clean-up may be under way there, so a group that is busy is tried again for
/// [`GROUPS_MAX`].
pub(super) fn remove_groups(group: &str) -> io::Result<()> {
    let deadline = Instant::now() + GROUPS_MAX;
    loop {
        let tried = group_folders(group).into_iter().map(|folder| remove_tree(&folder));
        match tried.fold(Ok(()), Result::and) {
            Err(error) if Instant::now() >= deadline => return Err(error),
            // The kernel tells nobody when a group is no longer busy, so the poll is of nothing.
            Err(_) => drop(rustix::event::poll(&mut [], Some(&GROUPS_AGAIN))),
            Ok(()) => return Ok(()),
        }
    }
}

fn remove_tree(folder: &Path) -> io::Result<()> {
    let gone = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return gone(error),
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(folder).or_else(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_above_128_is_a_signal() {
        assert_eq!(status_of(0).code(), Some(0));
        assert_eq!(status_of(3).code(), Some(3));
        assert_eq!(status_of(125).code(), Some(125));
        assert_eq!(status_of(137).signal(), Some(libc::SIGKILL));
        assert_eq!(status_of(159).signal(), Some(libc::SIGSYS));
        assert_eq!(status_of(255).code(), Some(255));
    }
}
