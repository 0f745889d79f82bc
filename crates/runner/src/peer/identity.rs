//! Who is at the other end, as the kernel says (`SO_PEERCRED`, unix(7)); nothing a peer sends is asked.
//!
//! A socket file is reached by whoever sees it, so a program in a sandbox or a container is told from one beside us by
//! its namespaces (namespaces(7)). What a peer may do is not known here.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, PidfdFlags, geteuid, pidfd_open};

/// The namespaces of which every sandbox and container has at least one of its own. A service manager gives services
/// mounts of their own, so those tell nothing.
const NAMESPACES: [&str; 2] = ["user", "pid"];

/// The process at the other end, as it was when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its process id.
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

/// Why nothing is read from a peer.
#[derive(Debug, thiserror::Error)]
pub enum Unidentified {
    /// The kernel does not say who it is.
    #[error("the kernel does not say who is at the other end")]
    Unknown(#[source] io::Error),
    /// It is somebody else's.
    #[error("the other end belongs to user #{0}")]
    Foreign(u32),
    /// It is in a sandbox or a container, or it cannot be told.
    #[error(
        "the other end is in a sandbox or container of its own, or it cannot be told where it is"
    )]
    Apart,
}

impl Peer {
    /// The process at the other end of `stream`, if it is one of this process's user or root's.
    ///
    /// # Errors
    /// [`Unidentified`]; the connection is to be dropped unread.
    pub fn of(stream: &UnixStream) -> Result<Self, Unidentified> {
        let found = socket_peercred(stream).map_err(|error| Unidentified::Unknown(error.into()))?;
        let peer = Self {
            pid: u32::try_from(found.pid.as_raw_nonzero().get()).unwrap_or(0),
            uid: found.uid.as_raw(),
            gid: found.gid.as_raw(),
        };
        let own = geteuid().as_raw();
        if !is_trusted(peer.uid, own) {
            return Err(Unidentified::Foreign(peer.uid));
        }
        // Where root's processes are, others are not told; root needs no door of ours.
        if peer.uid == own && !is_beside_us(found.pid).unwrap_or(false) {
            return Err(Unidentified::Apart);
        }
        Ok(peer)
    }
}

/// Whether a process is in our own namespaces. One that has ended is not, so that nobody else with its id is taken
/// for it.
fn is_beside_us(pid: Pid) -> io::Result<bool> {
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let namespace = |process: &str, name: &str| {
        let found = std::fs::metadata(format!("/proc/{process}/ns/{name}"))?;
        Ok::<_, io::Error>((found.dev(), found.ino()))
    };
    for name in NAMESPACES {
        if namespace("self", name)? != namespace(&pid.as_raw_nonzero().to_string(), name)? {
            return Ok(false);
        }
    }
    let mut ended = [PollFd::new(&process, PollFlags::IN)];
    Ok(poll(&mut ended, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? == 0)
}

/// A process of the same user could do all of it anyway, and root could do more.
fn is_trusted(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

/// Whether an owner may be talked to: our own, root's, or anybody's if we are root.
pub(super) fn is_owner(server: &UnixStream) -> Result<(), Unidentified> {
    let found = socket_peercred(server).map_err(|error| Unidentified::Unknown(error.into()))?;
    let (server, own) = (found.uid.as_raw(), geteuid().as_raw());
    if is_trusted(server, own) || own == 0 { Ok(()) } else { Err(Unidentified::Foreign(server)) }
}

/// Whether an owner is a process of this user.
pub(super) fn is_of_user(server: &UnixStream, user: u32) -> Result<(), Unidentified> {
    let found = socket_peercred(server).map_err(|error| Unidentified::Unknown(error.into()))?;
    let server = found.uid.as_raw();
    if server == user { Ok(()) } else { Err(Unidentified::Foreign(server)) }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_the_same_user_and_root_are_trusted() {
        let table = [
            (1000, 1000, true),
            (0, 1000, true),
            (0, 0, true),
            (1001, 1000, false),
            (1000, 0, false),
        ];
        for (peer, own, expected) in table {
            assert_eq!(is_trusted(peer, own), expected, "{peer} at {own}");
        }
    }

    #[test]
    fn a_process_that_has_ended_is_nowhere() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        assert!(is_beside_us(pid).unwrap(), "control");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_beside_us(pid).unwrap_or(false));
    }
}
