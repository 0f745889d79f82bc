//! Who a contained program is on the host: nobody.
//!
//! Its ids lie in a range that belongs to no account, so it shares neither files, nor processes,
//! nor counts with anybody. That it owns the project all the same is the work of the mount: the
//! owner of the project folder is shown as the program, in both directions.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use rustix::process::{Signal, pidfd_send_signal};

use crate::child::DEATH_MAX;
use crate::plan::Identity;
use crate::sys::{clone, wait};

/// First host id of the range: above what distributions and container tools give away, below the
/// sign bit that some programs trip over.
pub(super) const RANGE_START: u32 = 1_900_000_000;
/// Ids in the range, enough for every account of an image.
pub(super) const RANGE_LEN: u32 = 65_536;
/// The program's user and group id on the host.
pub(super) const PROGRAM: u32 = RANGE_START + Identity::INSIDE;

/// A user namespace that shows the files of `uid` and `gid` as the program's, for use with a
/// mount. Made once per pair and process; takes about a millisecond.
pub(super) fn mapping(uid: u32, gid: u32) -> io::Result<Arc<OwnedFd>> {
    type Known = HashMap<(u32, u32), Arc<OwnedFd>>;
    static MADE: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = made.get(&(uid, gid)) {
        return Ok(Arc::clone(known));
    }
    let namespace = Arc::new(make(uid, gid)?);
    made.insert((uid, gid), Arc::clone(&namespace));
    Ok(namespace)
}

/// A namespace lives as long as somebody is in it or holds it, so a process is made in it, the
/// namespace is held, and the process is ended.
fn make(uid: u32, gid: u32) -> io::Result<OwnedFd> {
    let process = clone::namespaced(clone::Birth::OwnNetwork, None, &|| {
        loop {
            rustix::event::pause();
        }
    })?;
    let held = hold(process.pid, uid, gid);
    pidfd_send_signal(&process.pidfd, Signal::KILL)?;
    crate::wait::readable(&process.pidfd, Instant::now() + DEATH_MAX)?;
    wait::reap(process.pidfd.as_fd())?;
    held
}

fn hold(pid: i32, uid: u32, gid: u32) -> io::Result<OwnedFd> {
    fs::write(format!("/proc/{pid}/uid_map"), format!("{uid} {PROGRAM} 1\n"))?;
    fs::write(format!("/proc/{pid}/gid_map"), format!("{gid} {PROGRAM} 1\n"))?;
    Ok(fs::File::open(format!("/proc/{pid}/ns/user"))?.into())
}
