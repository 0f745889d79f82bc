//! Who is at the other end, as the kernel says (`SO_PEERCRED`, unix(7)); nothing a peer sends is asked.
//! What such a peer may do is not known here.

use std::os::unix::net::UnixStream;

use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

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
    Unknown(#[source] std::io::Error),
    /// It is somebody else's.
    #[error("the other end belongs to user #{0}")]
    Foreign(u32),
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
        if is_trusted(peer.uid, geteuid().as_raw()) {
            Ok(peer)
        } else {
            Err(Unidentified::Foreign(peer.uid))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::is_trusted;

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
}
