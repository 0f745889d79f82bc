//! The life of the first process: wait for the program, bury orphans, die with the supervisor.
//!
//! When this process ends the kernel kills everything in the pid namespace, so ending *is* the
//! clean-up. It runs no code of anybody else and takes no input but the status of its children.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::report::Message;
use super::{Watched, send};
use crate::sys::{clone, wait};

/// Returns never: ends when the program has, or when the supervisor is gone.
pub(super) fn watch(watched: Watched, status: &OwnedFd) -> ! {
    let_go(status, &watched.children);
    loop {
        let mut fds = [
            PollFd::new(&watched.children, PollFlags::IN),
            PollFd::new(status, PollFlags::empty()),
        ];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            Err(_) => clone::exit(1),
            Ok(_) => {}
        }
        let [_, supervisor] = fds;
        if supervisor.revents().intersects(PollFlags::HUP | PollFlags::ERR) {
            clone::exit(1);
        }
        bury(&watched, status);
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
