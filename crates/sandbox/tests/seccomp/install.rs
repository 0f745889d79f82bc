//! Processes under a filter: a program, or a single system call in a forked child.
//! The launcher plays no part: only the filter is in force, so that what is refused is refused by it.
#![allow(unsafe_code, reason = "fork, raw system calls and the filter itself have no safe form")]

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

use sandbox::Profile;
use sandbox::seccomp::{Filter, filter};

/// What came of one system call in a child of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Returned,
    Failed(i32),
    Killed(i32),
}

/// A command whose program is started under the filter of the profile.
pub(crate) fn filtered(program: &str, profile: Profile) -> Command {
    let filter = filter(profile);
    let mut command = Command::new(program);
    // SAFETY: `install` only makes system calls, and the filter was compiled before the fork.
    unsafe { command.pre_exec(move || install(filter)) };
    command
}

/// Makes a call in a forked child, under a filter if one is named. The call gives the value a raw
/// system call returns, -1 meaning that `errno` is set.
pub(crate) fn in_child(profile: Option<Profile>, call: &dyn Fn() -> i64) -> Ending {
    let filter = profile.map(filter);
    // SAFETY: the child makes system calls only and ends without returning.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", io::Error::last_os_error());
    if child == 0 {
        // SAFETY: an own session keeps terminal calls away from the terminal of the test.
        unsafe { libc::setsid() };
        let code = match filter.map(install) {
            Some(Err(_)) => 255,
            None | Some(Ok(())) if call() == -1 => errno(),
            None | Some(Ok(())) => 0,
        };
        exit(code);
    }
    let mut status = 0;
    // SAFETY: waits for the child forked above, with a valid place for its status.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    if libc::WIFSIGNALED(status) {
        return Ending::Killed(libc::WTERMSIG(status));
    }
    match libc::WEXITSTATUS(status) {
        0 => Ending::Returned,
        255 => panic!("the filter was not installed"),
        errno => Ending::Failed(errno),
    }
}

/// A raw system call.
pub(crate) fn raw(number: u32, arguments: [i64; 6]) -> i64 {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: every caller passes null, invalid or static pointers.
    unsafe { libc::syscall(i64::from(number), a, b, c, d, e, f) }
}

/// Ends the calling child at once.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: ends the process without running what belongs to the parent.
    unsafe { libc::_exit(code) }
}

/// `getpid` through the i386 gate of an x86_64 kernel.
#[cfg(target_arch = "x86_64")]
pub(crate) fn getpid_by_int80() -> i64 {
    let value: i64;
    // SAFETY: the gate reads and writes only registers; 20 is `getpid` of i386.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") 20_i64 => value,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    value
}

/// A new pseudo-terminal's slave side, which is the calling child's controlling terminal.
pub(crate) fn terminal() -> i32 {
    // SAFETY: opens descriptors of this child; all pointers are static.
    unsafe {
        let master = libc::posix_openpt(libc::O_RDWR);
        libc::unlockpt(master);
        libc::ioctl(master, 0x5441 /* TIOCGPTPEER */, libc::O_RDWR)
    }
}

/// Whether the test has the rights of root, without which the kernel itself refuses much.
pub(crate) fn is_root() -> bool {
    // SAFETY: reads a number.
    unsafe { libc::geteuid() == 0 }
}

/// Says something that the test harness does not swallow.
pub(crate) fn say(message: &str) {
    io::stderr().write_all(format!("seccomp test: {message}\n").as_bytes()).unwrap();
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(254)
}

fn install(filter: &'static Filter) -> io::Result<()> {
    let len = u16::try_from(filter.instructions.len()).unwrap_or(u16::MAX);
    let program = libc::sock_fprog { len, filter: filter.instructions.as_ptr().cast_mut() };
    // SAFETY: the kernel reads `program` and the instructions it points to, both alive here.
    let status = unsafe {
        match libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) {
            0 => libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0,
                &raw const program,
            ),
            _ => -1,
        }
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
