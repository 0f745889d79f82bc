//! `clone3`: the first process of a sandbox, and the program it starts.
//!
//! The child is a copy of a possibly multi-threaded process in which only the calling thread
//! exists. Locks held by the other threads stay locked for ever there, so the child may only make
//! raw system calls: no allocation, no formatting, no standard streams. `inside` keeps to that.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use super::{check, last_error};

/// Every namespace of a sandbox but the network's, created in one call together with the process.
const NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;

/// Which network the process is born into. Most of the time of the call goes into a new one; making
/// it beside the mounts, in a second process, was no quicker on two idle processors and half as
/// quick on busy ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Birth {
    /// A new one without any interface that is up.
    OwnNetwork,
    /// The caller's.
    SameNetwork,
}

impl Birth {
    const fn flags(self) -> u64 {
        match self {
            Self::OwnNetwork => NAMESPACES | libc::CLONE_NEWNET as u64,
            Self::SameNetwork => NAMESPACES,
        }
    }
}

/// Signal handlers of the supervisor must not run in its copy (Linux 5.5).
const CLEAR_SIGNAL_HANDLERS: u64 = 0x1_0000_0000;
/// The child starts in the cgroup v2 group of `clone_args.cgroup` (Linux 5.7).
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// Exit code of a child whose entry returned, which none does.
const EXIT_STRAY: i32 = 127;

/// A new process, held by a descriptor that cannot come to mean another process.
#[derive(Debug)]
pub(crate) struct Process {
    /// Readable once the process is dead.
    pub(crate) pidfd: OwnedFd,
    /// The process id in the caller's pid namespace; for messages and records only.
    pub(crate) pid: i32,
}

/// Starts the first process of a sandbox in new namespaces and runs `entry` in it.
///
/// `entry` must follow the rules above. Fails with `EPERM`, `ENOSPC` or `EUSERS` where the host
/// does not allow user namespaces.
pub(crate) fn namespaced(
    birth: Birth,
    cgroup: Option<BorrowedFd<'_>>,
    entry: &dyn Fn(),
) -> Result<Process, Errno> {
    let mut pidfd: libc::c_int = -1;
    let mut args = arguments(birth.flags() | CLEAR_SIGNAL_HANDLERS | libc::CLONE_PIDFD as u64);
    args.pidfd = (&raw mut pidfd) as u64;
    #[cfg(weaken)]
    {
        args.flags = crate::weaken::namespaces(args.flags);
    }
    if let Some(group) = cgroup {
        args.flags |= INTO_CGROUP;
        args.cgroup = u64::try_from(group.as_raw_fd()).map_err(|_| Errno::BADF)?;
    }
    match clone3(&args)? {
        0 => {
            entry();
            exit(EXIT_STRAY)
        }
        pid => {
            // SAFETY: the kernel has just stored a new descriptor here that nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Process { pidfd, pid })
        }
    }
}

/// Memory for the calls of a process that borrows its parent's memory.
pub(crate) struct Stack(Box<[MaybeUninit<u128>]>);

impl Stack {
    /// Bytes; the steps before `execve` need a tenth of it even when built without optimisation.
    const SIZE: usize = 256 * 1024;

    /// Allocates, so only for the supervisor.
    pub(crate) fn new() -> Self {
        Self(Box::new_uninit_slice(Self::SIZE / size_of::<u128>()))
    }
}

/// Starts a child that runs `entry` in the caller's own memory, on `stack`, and holds the caller
/// up until the child has executed a program or ended. Returns the child's process id. What
/// `entry` borrows mutably is the caller's again when this returns.
///
/// Copying no page tables saves a tenth of a millisecond twice: here and in `execve`.
pub(crate) fn borrowing(stack: &mut Stack, mut entry: &mut dyn FnMut()) -> Result<i32, Errno> {
    let top = stack.0.as_mut_ptr_range().end;
    let entry: *mut &mut dyn FnMut() = &raw mut entry;
    // SAFETY: the stack grows down from its aligned end and is used by nobody else. The caller
    // is held up while the child uses its memory (CLONE_VFORK), so `entry` stays valid and
    // nothing is changed by two processes at once. `clone` itself takes no lock.
    let pid = unsafe {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        libc::clone(enter, top.cast(), flags, entry.cast())
    };
    check(pid.into()).map(|_| pid)
}

extern "C" fn enter(entry: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `borrowing` passes a pointer to a reference that outlives this process's use of it.
    let entry = unsafe { &mut *entry.cast::<&mut dyn FnMut()>() };
    entry();
    exit(EXIT_STRAY)
}

/// Asks for a process with an argument block that no kernel accepts. Without a filter the answer
/// is `EINVAL`; with one of our filters it is the filter's answer. No process is ever created.
pub(crate) fn refused() -> Errno {
    // SAFETY: a null block of size zero is rejected before anything is read or created.
    let answer = unsafe { libc::syscall(libc::SYS_clone3, std::ptr::null::<u8>(), 0_usize) };
    if answer < 0 { last_error() } else { Errno::from_raw_os_error(0) }
}

/// Ends the calling process at once: no destructors, no exit handlers, no flushing.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: `_exit` is a bare system call and is allowed in a copy of a threaded process.
    unsafe { libc::_exit(code) }
}

fn arguments(flags: u64) -> libc::clone_args {
    libc::clone_args {
        flags,
        pidfd: 0,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    }
}

fn clone3(args: &libc::clone_args) -> Result<i32, Errno> {
    // SAFETY: `args` is a complete block of the size given. Without CLONE_VM the child works on
    // its own copy of the memory and continues on its own copy of this stack, like `fork`.
    let answer =
        unsafe { libc::syscall(libc::SYS_clone3, &raw const *args, size_of::<libc::clone_args>()) };
    check(answer).map(|pid| pid as i32)
}
