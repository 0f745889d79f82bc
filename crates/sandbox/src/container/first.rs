//! The first process of a container: waiting until it exists, and holding on to it.
//!
//! The runtime writes its number into a file of the scratch file system, before the program is
//! executed. A number may come to mean another process, so it is believed only while the process
//! it names is in our own control group.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, inotify, openat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::Value;

use crate::inside::report::NAMESPACES;

/// Bytes of what a runtime says of a container.
const STATE_BYTES_MAX: u64 = 256 * 1024;
/// How often the clock is looked at while waiting.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// What became of the wait.
#[derive(Debug)]
pub(super) enum Seen {
    /// It is there.
    Held(First),
    /// There was one, and it is gone.
    Gone,
    /// The client ended before there was one.
    Never,
}

/// A container's first process.
#[derive(Debug)]
pub(super) struct First {
    pub(super) pidfd: OwnedFd,
    /// Identities of its namespaces, in the order of the report; 0 where one could not be seen.
    pub(super) namespaces: [u64; NAMESPACES],
}

/// Waits until `file` names the first process, or the client (`life`) has ended, or the time is
/// over.
pub(super) fn wait(
    (scratch, file): (&OwnedFd, &str),
    life: &OwnedFd,
    group: &str,
    limit: Duration,
) -> io::Result<Seen> {
    let deadline = Instant::now() + limit;
    let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let written = inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&events, format!("/proc/self/fd/{}", scratch.as_raw_fd()), written)?;
    loop {
        if let Some(pid) = number(scratch, file) {
            return Ok(hold(pid, group).map_or(Seen::Gone, Seen::Held));
        }
        let mut fds = [PollFd::new(&events, PollFlags::IN), PollFd::new(life, PollFlags::IN)];
        match poll(&mut fds, Some(&LOOK_EVERY)) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let [written, ended] = fds.map(|fd| !fd.revents().is_empty());
        if written {
            // Which file it was does not matter: the next round looks for ours.
            let mut dropped = [0_u8; 4096];
            let _again = rustix::io::read(&events, &mut dropped);
        } else if ended {
            return Ok(Seen::Never);
        } else if Instant::now() >= deadline {
            return Err(Errno::TIMEDOUT.into());
        }
    }
}

/// A lone number, or the `pid` of what an OCI runtime says of a container.
fn number(scratch: &OwnedFd, file: &str) -> Option<i32> {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(scratch, file, how, Mode::empty()).ok()?;
    let mut text = String::new();
    fs::File::from(file).take(STATE_BYTES_MAX).read_to_string(&mut text).ok()?;
    let said: Value = serde_json::from_str(&text).ok()?;
    let pid = said.as_i64().or_else(|| said.get("pid")?.as_i64())?;
    i32::try_from(pid).ok().filter(|pid| *pid > 0)
}

/// The descriptor is taken first and the process looked at afterwards: what was looked at is then
/// what the descriptor means, or the descriptor means a process that is dead.
fn hold(pid: i32, group: &str) -> Option<First> {
    let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    let member = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let below = format!("{}/", group.trim_end_matches('/'));
    if !member.lines().any(|line| line.contains(&below)) {
        return None;
    }
    const FILES: [&str; NAMESPACES] = ["user", "mnt", "pid", "ipc", "uts", "net", "cgroup"];
    let namespaces = FILES
        .map(|name| fs::metadata(format!("/proc/{pid}/ns/{name}")).map_or(0, |found| found.ino()));
    Some(First { pidfd, namespaces })
}
