//! The life of the first process: wait for the program, bury orphans, die with the supervisor.
//!
//! When this process ends the kernel kills everything in the pid namespace, so ending *is* the
//! clean-up. It runs no code of anybody else and takes no input but the status of its children,
//! and from its supervisor the way to let frozen ones die.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::report::{Message, SIZE};
use super::{Watched, send};
use crate::sys::{clone, wait};

/// Returns never: ends when the program has, or when the supervisor is gone.
pub(super) fn watch(watched: Watched, status: &OwnedFd) -> ! {
    let_go(status, &watched.children);
    let mut release = None;
    loop {
        let mut fds =
            [PollFd::new(&watched.children, PollFlags::IN), PollFd::new(status, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            Err(_) => clone::exit(1),
            Ok(_) => {}
        }
        let [_, supervisor] = fds;
        if supervisor.revents().contains(PollFlags::IN) {
            release = take_release(status).or(release);
        }
        if supervisor.revents().intersects(PollFlags::HUP | PollFlags::ERR) {
            thaw(release.as_ref());
            clone::exit(1);
        }
        bury(&watched, status);
    }
}

/// Takes a descriptor from the supervisor; the end of the supervisor brings none.
fn take_release(status: &OwnedFd) -> Option<OwnedFd> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0_u8; SIZE];
    let mut slices = [std::io::IoSliceMut::new(&mut bytes)];
    let how = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(status, &mut slices, &mut control, how).ok()?;
    control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    })
}

/// A frozen process of the older freezer cannot be killed, and would keep this one from ending.
fn thaw(release: Option<&OwnedFd>) {
    if let Some(release) = release {
        let _gone = rustix::io::write(release, b"THAWED");
    }
}

/// Keeps nothing open that it does not need: not the program's pipes, not the terminal.
fn let_go(status: &OwnedFd, children: &OwnedFd) {
    let mut kept = [status.as_raw_fd().unsigned_abs(), children.as_raw_fd().unsigned_abs()];
    kept.sort_unstable();
    let mut next = 0;
    for fd in kept {
        if next < fd {
            let _closed = wait::close_range(next, fd.saturating_sub(1));
        }
        next = fd.saturating_add(1);
    }
    let _closed = wait::close_range(next, u32::MAX);
}

fn bury(watched: &Watched, status: &OwnedFd) {
    let mut event = [0_u8; 128];
    let _drained = rustix::io::read(&watched.children, &mut event);
    while let Ok(Some((pid, ended))) = wait::any_child() {
        if pid == watched.pid {
            send(status, Message::Ended(ended.0));
            clone::exit(0);
        }
    }
}
