//! Outliving a sandbox, signals out of it, and power over processes of the host.
//! Reading from such processes is in `syscalls` and `secrets`.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use weakened::Access;
use weakened::weaken::Wall::{Landlock, PidNamespace, Seccomp};

use crate::case::{Case, Who};
use crate::scene::{Ending, Scene};
use crate::target::{self, Victim};

pub const CASES: &[Case] = &[
    Case::new(
        "daemon-after-the-end",
        "leave a daemon behind when the program ends",
        &[PidNamespace],
        &["left a daemon"],
        |scene| linger(scene, Ending::Itself),
    ),
    Case::new(
        "daemon-after-cancelling",
        "leave a daemon behind that ignores signals when the program is cancelled",
        &[PidNamespace],
        &["Cancelled"],
        |scene| linger(scene, Ending::Cancelled),
    ),
    Case::new(
        "daemon-after-the-time",
        "leave a daemon behind when the time is over",
        &[PidNamespace],
        &["TimedOut"],
        |scene| {
            linger(scene, Ending::Cancelled);
            scene.ending = Ending::Itself;
            scene.spec.limits.wall = Duration::from_secs(2);
        },
    ),
    Case::new(
        "daemon-after-the-supervisor",
        "leave a daemon behind when the supervisor is killed",
        &[PidNamespace],
        &["orphaned"],
        |scene| linger(scene, Ending::Orphaned),
    ),
    Case::new(
        "signal",
        "signal a process of the host with `kill`",
        &[PidNamespace, Landlock],
        &["ESRCH", "EPERM"],
        |scene| signalling(scene, "signal"),
    ),
    Case::new(
        "signal-thread",
        "signal a thread of a process of the host with `tgkill`",
        &[PidNamespace, Landlock],
        &["ESRCH", "EPERM"],
        |scene| signalling(scene, "signal-thread"),
    ),
    Case::new(
        "signal-queued",
        "signal a process of the host with `rt_sigqueueinfo`",
        &[PidNamespace, Landlock],
        &["ESRCH", "EPERM"],
        |scene| signalling(scene, "signal-queued"),
    ),
    Case::new(
        "signal-by-descriptor",
        "signal a process of the host with `pidfd_send_signal`",
        &[PidNamespace, Landlock],
        &["ESRCH", "EPERM"],
        |scene| signalling(scene, "signal-by-descriptor"),
    ),
    Case::new(
        "signal-by-owner",
        "let the kernel signal a process of the host as the owner of a pipe",
        &[PidNamespace, Landlock],
        &["ESRCH", "no effect outside"],
        |scene| signalling(scene, "signal-by-owner"),
    ),
    Case::new(
        "signal-by-socket-owner",
        "let the kernel signal a process of the host as the owner of a socket",
        &[PidNamespace, Seccomp, Landlock],
        &["ENOTTY"],
        |scene| signalling(scene, "signal-by-socket-owner"),
    ),
    Case::new(
        "stop-the-first-process",
        "stop the process that watches over the sandbox",
        &[PidNamespace],
        &["ENOENT"],
        |scene| scene.leave(&["stop-first"]),
    ),
    Case::new(
        "priority-of-others",
        "change the priority of a process of the host",
        &[PidNamespace],
        &["ESRCH"],
        |scene| {
            let [pid, ..] = target::watched(scene, |victim| field(victim, 16) == "13");
            scene.leave(&["lower-priority", &pid]);
        },
    )
    .only(Who::Ordinary),
    Case::new(
        "processors-of-others",
        "bind a process of the host to one processor",
        &[PidNamespace],
        &["ESRCH"],
        |scene| {
            let [pid, ..] = target::watched(scene, |victim| {
                let status = proc(victim, "status");
                status.lines().any(|line| line == "Cpus_allowed_list:\t0")
            });
            scene.leave(&["pin-other", &pid]);
        },
    )
    .only(Who::Ordinary),
    Case::new(
        "limits-of-others",
        "change the resource limits of a process of the host",
        &[PidNamespace, Seccomp],
        &["EPERM"],
        |scene| {
            let [pid, ..] = target::watched(scene, |victim| {
                let limits = proc(victim, "limits");
                limits.lines().any(|line| line.starts_with("Max open files") && line.contains("77"))
            });
            scene.leave(&["limit-other", &pid]);
        },
    ),
];

fn proc(victim: &Victim, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{}/{file}", victim.pid())).unwrap()
}

/// A field of `stat` after the name, counted from 0.
fn field(victim: &Victim, index: usize) -> String {
    let stat = proc(victim, "stat");
    let rest = stat.rsplit(')').next().unwrap();
    rest.split_whitespace().nth(index).unwrap().to_owned()
}

fn signalling(scene: &mut Scene, attempt: &str) {
    let [pid, ..] = target::watched(scene, |victim| victim.report().0 > 0);
    scene.leave(&[attempt, &pid]);
}

/// A daemon; an escape is that it answers when the sandbox has ended.
fn linger(scene: &mut Scene, ending: Ending) {
    for name in ["go", "answer"] {
        mkfifoat(CWD, scene.outside(name), Mode::RWXU).unwrap();
    }
    scene.mount(Access::Write);
    let mark = scene.mark.clone();
    let stay = if ending == Ending::Itself { "end" } else { "stay" };
    scene.steal(&["linger", "/data", &mark, stay]);
    scene.ending = ending;
    let (go, answer) = (scene.outside("go"), scene.outside("answer"));
    scene.effect(move || answers(&go, &answer, &mark));
}

/// Without a reader nobody lives who could answer.
fn answers(go: &PathBuf, answer: &PathBuf, mark: &str) -> bool {
    let no_wait = OFlags::NONBLOCK.bits() as i32;
    let Ok(mut asking) = OpenOptions::new().write(true).custom_flags(no_wait).open(go) else {
        return false;
    };
    let mut answer = OpenOptions::new().read(true).write(true).open(answer).unwrap();
    asking.write_all(b"?").unwrap();
    let mut fds = [PollFd::new(&answer, PollFlags::IN)];
    if poll(&mut fds, Some(&Timespec { tv_sec: 10, tv_nsec: 0 })).unwrap() == 0 {
        return false;
    }
    let mut bytes = vec![0_u8; mark.len()];
    answer.read_exact(&mut bytes).unwrap();
    bytes == mark.as_bytes()
}
