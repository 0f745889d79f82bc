//! What must not work: raw system calls in a filtered child, each with a control without filter.
//!
//! The control makes the same call and must end in another way, or the denial proves nothing.
//! Where the kernel has no such call, or refuses it to ordinary users itself, that is said.

use sandbox::Profile;
use sandbox::seccomp::{Errno, Rule, Verdict, table, verdict};

use crate::install::{Ending, exit, in_child, is_root, raw, say, terminal};

const BOTH: [Profile; 2] = [Profile::Strict, Profile::Standard];
const ALL: [Profile; 5] = Profile::ALL;
const STANDARD: [Profile; 1] = [Profile::Standard];

/// Null, closed and unknown at once: harmless to every call that is let through.
const NOTHING: [i64; 6] = [-1; 6];

/// The calls that must be seen to be refused wherever the test runs as root, because a kernel that
/// lacks them could not run the sandbox or is not supported.
const PROVED: &[&str] = &[
    "unshare",
    "setns",
    "clone3",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "fsopen",
    "fsmount",
    "open_tree",
    "move_mount",
    "mount_setattr",
    "name_to_handle_at",
    "open_by_handle_at",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "reboot",
    "swapon",
    "acct",
    "setuid",
    "clock_settime",
    "execveat",
    "seccomp",
    "bpf",
    "capset",
];

/// Calls the kernel answers before any filter since 6.14, with SIGILL outside of their trampoline.
const BEFORE_FILTERS: &[&str] = &["uretprobe", "uprobe"];

/// What the table of a profile refuses on this architecture: name, number and answer.
fn refused(profile: Profile) -> impl Iterator<Item = (&'static str, u32, Errno)> {
    table(profile).filter(|call| !BEFORE_FILTERS.contains(&call.name)).filter_map(|call| match call
        .rule
    {
        Rule::Refuse(errno) => Some((call.name, number(&call)?, errno)),
        Rule::Allow | Rule::When(_) | Rule::Cases(_) => None,
    })
}

fn number(call: &Verdict) -> Option<u32> {
    if cfg!(target_arch = "x86_64") { call.x86_64 } else { call.aarch64 }
}

pub(crate) fn number_of(name: &str) -> u32 {
    number(&verdict(Profile::Standard, name).unwrap()).unwrap()
}

pub(crate) fn failed(errno: Errno) -> Ending {
    Ending::Failed(match errno {
        Errno::NotPermitted => libc::EPERM,
        Errno::NotImplemented => libc::ENOSYS,
        Errno::FamilyNotSupported => libc::EAFNOSUPPORT,
        Errno::ProtocolNotSupported => libc::EPROTONOSUPPORT,
        Errno::UnknownRequest => libc::ENOTTY,
        Errno::UnknownOption => libc::EINVAL,
        Errno::UnknownSocketOption => libc::ENOPROTOOPT,
    })
}

/// Refused with `errno` under each of the profiles, and not so without a filter.
pub(crate) fn check(profiles: &[Profile], name: &str, errno: Errno, call: &dyn Fn() -> i64) {
    for profile in profiles {
        assert_eq!(in_child(Some(*profile), call), failed(errno), "{name} under {profile}");
    }
    let control = in_child(None, call);
    assert_ne!(control, failed(errno), "{name}: the control ends the same way");
}

/// Not touched by the filter: the same with and without.
pub(crate) fn check_same(profile: Profile, name: &str, call: &dyn Fn() -> i64) {
    assert_eq!(in_child(Some(profile), call), in_child(None, call), "{name} under {profile}");
}

#[test]
fn every_refused_call_is_refused() {
    let mut unproved = Vec::new();
    for (name, number, errno) in refused(Profile::Standard) {
        let attempt = || raw(number, NOTHING);
        for profile in ALL {
            assert_eq!(in_child(Some(profile), &attempt), failed(errno), "{name}");
        }
        if in_child(None, &attempt) == failed(errno) {
            unproved.push(name);
        }
    }
    say(&format!("without a filter these end the same way on this machine: {unproved:?}"));
    let missing: Vec<_> = PROVED.iter().filter(|name| unproved.contains(name)).collect();
    assert!(!is_root() || missing.is_empty(), "controls end the same way: {missing:?}");
}

#[test]
fn strict_refuses_what_only_standard_allows() {
    let strict = [Profile::Strict];
    for (name, number, errno) in refused(Profile::Strict) {
        let ending = in_child(Some(Profile::Strict), &|| raw(number, NOTHING));
        assert_eq!(ending, failed(errno), "{name}");
    }
    // With a control: calls that do no harm when they are let through.
    let harmless: &[(&str, [i64; 6])] = &[
        ("wait4", NOTHING),
        ("kill", [0, -1, 0, 0, 0, 0]),
        ("mkdirat", NOTHING),
        ("unlinkat", NOTHING),
        ("renameat2", NOTHING),
        ("memfd_create", NOTHING),
        ("inotify_add_watch", NOTHING),
        ("shmget", NOTHING),
        ("umask", [0o22, 0, 0, 0, 0, 0]),
    ];
    for (name, arguments) in harmless {
        check(&strict, name, Errno::NotPermitted, &|| raw(number_of(name), *arguments));
    }
}

#[test]
fn clone_makes_no_namespace() {
    let clone = |flags: i64| {
        move || match raw(number_of("clone"), [flags | i64::from(libc::SIGCHLD), 0, 0, 0, 0, 0]) {
            0 => exit(0),
            other => other,
        }
    };
    let flags = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWUSER | libc::CLONE_NEWNS,
    ];
    for flag in flags.map(i64::from) {
        let wide = clone(flag & 0xFFFF_FFFF);
        for profile in ALL {
            assert_eq!(in_child(Some(profile), &wide), failed(Errno::NotPermitted), "{flag:#x}");
        }
        match in_child(None, &wide) {
            Ending::Returned => {}
            other if is_root() => panic!("{flag:#x}: the control ends with {other:?}"),
            _ => say(&format!("clone with {flag:#x} is refused to ordinary users here")),
        }
    }
    check_same(Profile::Standard, "clone", &clone(0));
    check(&[Profile::Strict], "clone", Errno::NotPermitted, &clone(0));
}

#[test]
fn only_unix_sockets_are_made() {
    let make = |domain: i64| {
        move || raw(number_of("socket"), [domain, i64::from(libc::SOCK_DGRAM), 0, 0, 0, 0])
    };
    let pair = |domain: i64| move || raw(number_of("socketpair"), [domain, 1, 0, 0, 0, 0]);
    let high = 1_i64 << 32;
    let inet = i64::from(libc::AF_INET);
    for domain in [inet, inet | high, inet | high << 31, i64::from(libc::AF_NETLINK)] {
        check(&BOTH, "socket", Errno::FamilyNotSupported, &make(domain));
    }
    check(&BOTH, "socketpair", Errno::FamilyNotSupported, &pair(inet));
    // Absent from some kernels, so without a control.
    for domain in
        [libc::AF_INET6, libc::AF_PACKET, libc::AF_ALG, libc::AF_VSOCK, libc::AF_BLUETOOTH]
    {
        for profile in BOTH {
            let ending = in_child(Some(profile), &make(i64::from(domain)));
            assert_eq!(ending, failed(Errno::FamilyNotSupported), "{domain}");
        }
    }
    for profile in BOTH {
        assert_eq!(in_child(Some(profile), &make(1)), Ending::Returned);
        // The kernel reads an `int`, so high bits neither help nor harm.
        check_same(profile, "socket", &make(1 | high));
    }
}

#[test]
fn nothing_is_typed_into_the_terminal() {
    let request = |request: i64| {
        let letter: &'static [u8; 4] = b"x\0\0\0";
        move || {
            raw(number_of("ioctl"), [terminal().into(), request, letter.as_ptr() as i64, 0, 0, 0])
        }
    };
    let (type_in, line_discipline) = (0x5412, 0x5423);
    // The terminal itself is opened with calls that `strict` refuses.
    for high in [0, 1 << 32, 1 << 63] {
        check(&STANDARD, "TIOCSTI", Errno::UnknownRequest, &request(type_in | high));
        check(&STANDARD, "TIOCSETD", Errno::UnknownRequest, &request(line_discipline | high));
    }
    let console = in_child(Some(Profile::Standard), &request(0x541C));
    assert_eq!(console, failed(Errno::UnknownRequest), "TIOCLINUX");
    check_same(Profile::Standard, "TIOCGWINSZ", &request(0x5413 | 1 << 32));
}

#[test]
fn options_that_load_filters_or_widen_rights_are_unknown() {
    let prctl =
        |option: i64, value: i64| move || raw(number_of("prctl"), [option, value, -1, 0, 0, 0]);
    // Installs a filter; the control fails on the pointer.
    check(&ALL, "PR_SET_SECCOMP", Errno::UnknownOption, &prctl(22, 2));
    // PR_SET_KEEPCAPS and PR_SET_SPECULATION_CTRL.
    check(&ALL, "PR_SET_KEEPCAPS", Errno::UnknownOption, &prctl(8, 0));
    check_same(Profile::Standard, "PR_GET_DUMPABLE", &prctl(3, 0));
    let attach = || {
        let socket = raw(number_of("socket"), [1, 2, 0, 0, 0, 0]);
        raw(number_of("setsockopt"), [socket, 1, 26 /* SO_ATTACH_FILTER */, -1, 16, 0])
    };
    check(&ALL, "SO_ATTACH_FILTER", Errno::UnknownSocketOption, &attach);
    let refuses_exec = || raw(number_of("personality"), [0x0040_0000, 0, 0, 0, 0, 0]);
    check(&ALL, "READ_IMPLIES_EXEC", Errno::NotPermitted, &refuses_exec);
    let query = || raw(number_of("personality"), [0xFFFF_FFFF, 0, 0, 0, 0, 0]);
    check_same(Profile::Standard, "personality", &query);
}

#[test]
fn no_device_nodes_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let node = |mode: u32, name: &str| {
        let path = std::ffi::CString::new(format!("{}/{name}", folder.path().display())).unwrap();
        let mode = i64::from(mode | 0o600);
        move || raw(number_of("mknodat"), [-1, path.as_ptr() as i64, mode, 0, 0, 0])
    };
    // A character device 0:0 is a whiteout of overlayfs, which ordinary users may make.
    check(&STANDARD, "whiteout", Errno::NotPermitted, &node(libc::S_IFCHR, "whiteout"));
    let block = in_child(Some(Profile::Standard), &node(libc::S_IFBLK, "block"));
    assert_eq!(block, failed(Errno::NotPermitted));
    let pipe = in_child(Some(Profile::Standard), &node(libc::S_IFIFO, "pipe"));
    assert_eq!(pipe, Ending::Returned);
}

#[test]
fn strict_changes_no_limits() {
    // A null pointer is told from one whose low half is null.
    let set = |pointer: i64| move || raw(number_of("prlimit64"), [0, 7, pointer, 0, 0, 0]);
    check(&[Profile::Strict], "prlimit64", Errno::NotPermitted, &set(1 << 32));
    check(&[Profile::Strict], "prlimit64", Errno::NotPermitted, &set(1));
    check_same(Profile::Strict, "prlimit64", &set(0));
    check_same(Profile::Standard, "prlimit64", &set(1));
}

#[test]
fn standard_changes_no_limits_of_others() {
    let other = || raw(number_of("prlimit64"), [std::process::id().into(), 7, 0, 0, 0, 0]);
    check(&STANDARD, "prlimit64", Errno::NotPermitted, &other);
}

#[test]
fn unknown_numbers_are_absent() {
    for profile in ALL {
        for number in [423, 600, 5_000, 0x3FFF_FFFF, 0x8000_0000] {
            let ending = in_child(Some(profile), &|| raw(number, NOTHING));
            assert_eq!(ending, failed(Errno::NotImplemented), "{number}");
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_another_table_end_the_process() {
    let killed = Ending::Killed(libc::SIGSYS);
    let x32 = || raw(0x4000_0000 | number_of("getpid"), [0; 6]);
    for profile in ALL {
        assert_eq!(in_child(Some(profile), &crate::install::getpid_by_int80), killed, "int 0x80");
        assert_eq!(in_child(Some(profile), &x32), killed, "x32");
    }
    assert_ne!(in_child(None, &x32), killed);
    match in_child(None, &crate::install::getpid_by_int80) {
        Ending::Returned => {}
        other => say(&format!("this kernel has no i386 calls: without a filter {other:?}")),
    }
}
