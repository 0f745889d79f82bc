//! The descriptors that connect a supervisor with one sandbox, made in pairs.
//!
//! Everything is made close-on-exec. What the inside must not keep, including the supervisor's
//! own ends, is listed as ranges for it to close, because it may not look around by itself.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::inside::Wires;
use crate::plan::Plan;
use crate::spec::{FIRST_HANDED, HANDED_MAX};

/// [`HANDED_MAX`] as the kernel counts descriptors.
const HANDED_COUNT_MAX: i32 = HANDED_MAX as i32;

/// The supervisor's ends.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) setup: OwnedFd,
    pub(crate) status: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Makes all pairs. Fails when the process has no descriptors left.
pub(crate) fn connect(
    plan: &Plan,
    groups: Vec<OwnedFd>,
    handed: &[Arc<OwnedFd>],
    stdin: Option<OwnedFd>,
) -> io::Result<(Ends, Wires)> {
    let (setup, inner_setup) = sockets()?;
    let inner_setup = if handed.is_empty() { inner_setup } else { aside(&inner_setup)? };
    let (status, inner_status) = sockets()?;
    let (stdout, inner_stdout) = pipe()?;
    let (stderr, inner_stderr) = pipe()?;
    let mut wires = Wires {
        setup: inner_setup,
        status: inner_status,
        stdout: inner_stdout,
        stderr: inner_stderr,
        handed: handed.iter().map(|fd| aside(fd)).collect::<io::Result<_>>()?,
        stdin,
        groups,
        foreign: Vec::new(),
    };
    wires.foreign = foreign(&kept(&wires, plan));
    Ok((Ends { setup, status, stdout, stderr }, wires))
}

/// The same under a number above all those at which the program finds what is handed to it: they
/// are filled one by one while these are still needed.
fn aside(fd: &OwnedFd) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, FIRST_HANDED + HANDED_COUNT_MAX)?)
}

/// The ends for a program that is started by somebody else, and the two it writes to. Nobody
/// reports set-up or status over these.
pub(crate) fn streams() -> io::Result<(Ends, [OwnedFd; 2])> {
    let ((setup, _), (status, _)) = (sockets()?, sockets()?);
    let (stdout, inner_stdout) = pipe()?;
    let (stderr, inner_stderr) = pipe()?;
    Ok((Ends { setup, status, stdout, stderr }, [inner_stdout, inner_stderr]))
}

fn sockets() -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = SocketType::SEQPACKET;
    Ok(socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

/// Only the reading end is non-blocking: programs expect ordinary pipes.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reading, writing) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&reading, OFlags::NONBLOCK)?;
    Ok((reading, writing))
}

fn kept(wires: &Wires, plan: &Plan) -> Vec<u32> {
    let single = [
        &wires.setup,
        &wires.status,
        &wires.stdout,
        &wires.stderr,
        &plan.confinement.ruleset,
        &plan.program.input,
    ];
    let all = single.into_iter().chain(&wires.groups).chain(&wires.handed).chain(&wires.stdin);
    let mut numbers: Vec<u32> = all.map(|fd| fd.as_raw_fd().unsigned_abs()).collect();
    numbers.sort_unstable();
    numbers
}

/// The ranges between sorted numbers. The first three are left to be replaced by the streams.
fn foreign(kept: &[u32]) -> Vec<(u32, u32)> {
    let mut ranges = Vec::with_capacity(kept.len() + 1);
    let mut next = 3;
    for number in kept {
        if next < *number {
            ranges.push((next, number - 1));
        }
        next = next.max(number.saturating_add(1));
    }
    ranges.push((next, u32::MAX));
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kept: &[u32], expect: &[(u32, u32)]) {
        assert_eq!(foreign(kept), expect);
    }

    #[test]
    fn everything_but_the_kept_is_foreign() {
        check(&[], &[(3, u32::MAX)]);
        check(&[3, 4, 5], &[(6, u32::MAX)]);
        check(&[5, 9], &[(3, 4), (6, 8), (10, u32::MAX)]);
        check(&[0, 2, 4], &[(3, 3), (5, u32::MAX)]);
    }
}
