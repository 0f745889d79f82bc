//! Kernel interfaces that are not on the list, and programs that come from nowhere.
//! The filter of each profile is tested call by call with the sandbox itself.

use weakened::weaken::Wall::{Landlock, PidNamespace, Seccomp};

use crate::case::{Case, Who};
use crate::scene::Scene;
use crate::target;

pub const CASES: &[Case] = &[
    Case::new(
        "io-uring",
        "read a file with `io_uring`, whose requests no filter sees",
        &[Seccomp],
        &["ENOSYS"],
        |scene| {
            scene.secret_in_project("file");
            scene.steal(&["ring", "file"]);
        },
    ),
    Case::new("trace-own-child", "trace a process of its own", &[Seccomp], &["EPERM"], |scene| {
        scene.leave(&["trace-own"]);
    }),
    Case::new(
        "trace-process",
        "trace a process of the host and read its memory",
        &[PidNamespace, Seccomp, Landlock],
        &["EPERM"],
        |scene| {
            let [pid, place, _] = target::victim(scene);
            scene.steal(&["trace", &pid, &place]);
        },
    )
    .fixed("user namespace")
    .outside(),
    Case::new(
        "read-memory",
        "read memory of a process of the host with `process_vm_readv`",
        &[PidNamespace, Seccomp, Landlock],
        &["EPERM"],
        |scene| {
            let [pid, place, _] = target::victim(scene);
            scene.steal(&["read-memory", &pid, &place]);
        },
    )
    .fixed("user namespace")
    .outside(),
    Case::new(
        "write-memory",
        "write memory of a process of the host with `process_vm_writev`",
        &[PidNamespace, Seccomp, Landlock],
        &["EPERM"],
        |scene| {
            let mark = scene.mark.clone();
            let seen = move |victim: &mut target::Victim| victim.report().1 == mark;
            let [pid, place, _] = target::watched(scene, seen);
            scene.leave(&["write-memory", &pid, &place]);
        },
    )
    .fixed("user namespace")
    .outside(),
    Case::new(
        "compare-processes",
        "compare kernel objects with those of a process of the host",
        &[PidNamespace, Seccomp, Landlock],
        &["EPERM"],
        |scene| {
            let [pid, ..] = target::victim(scene);
            scene.leave(&["compare", &pid]);
        },
    )
    .fixed("user namespace")
    .outside(),
    Case::new(
        "bpf-map",
        "keep something in a map of the kernel",
        &[Seccomp],
        &["EPERM"],
        |scene| {
            scene.leave(&["map"]);
        },
    )
    .fixed("user namespace")
    .outside()
    .only(Who::Root),
    Case::new(
        "performance-events",
        "observe with the kernel's performance events",
        &[Seccomp],
        &["EPERM"],
        |scene| scene.leave(&["count"]),
    ),
    Case::new("user-faults", "answer its own page faults", &[Seccomp], &["EPERM"], |scene| {
        scene.leave(&["fault"]);
    }),
    Case::new(
        "session-key",
        "read a key of the session it was started in",
        &[Seccomp],
        &["EPERM"],
        |scene| {
            let name = target::session_key(scene);
            scene.steal(&["read-key", &name]);
        },
    ),
    Case::new("own-filter", "install a filter of its own", &[Seccomp], &["ENOSYS"], |scene| {
        scene.leave(&["filter"]);
    }),
    Case::new(
        "executable-reads",
        "make all readable memory executable with `personality`",
        &[Seccomp],
        &["EPERM"],
        |scene| scene.leave(&["executable-reads"]),
    ),
    #[cfg(target_arch = "x86_64")]
    Case::new("local-segments", "write a segment descriptor", &[Seccomp], &["EPERM"], |scene| {
        scene.leave(&["segment"]);
    }),
    #[cfg(target_arch = "x86_64")]
    Case::new(
        "calls-of-32-bit",
        "make system calls by the table of 32-bit programs (`int 0x80`)",
        &[Seccomp],
        &["SIGSYS"],
        |scene| {
            scene.secret_in_project("file");
            scene.steal(&["old-calls", "file"]);
        },
    ),
    Case::new("kernel-log", "read the messages of the kernel", &[Seccomp], &["EPERM"], |scene| {
        if crate::scene::is_root() {
            let line = format!("palisade escape suite: {}\n", scene.secret);
            std::fs::write("/dev/kmsg", line).unwrap();
        }
        scene.steal(&["kernel-log", &scene.hint()]);
    })
    .outside()
    .only(Who::Root),
    Case::new("real-time", "be scheduled before everybody else", &[Seccomp], &["EPERM"], |scene| {
        scene.leave(&["real-time"]);
    })
    .fixed("user namespace")
    .outside()
    .only(Who::Root),
    Case::new(
        "watch-accesses",
        "watch what is opened, with `fanotify`",
        &[Seccomp],
        &["EPERM"],
        |scene| scene.leave(&["watch-mount", "kept.txt"]),
    ),
    Case::new(
        "run-from-memory",
        "run a program that is in no folder, in the profile `strict`",
        &[Seccomp],
        &["EPERM"],
        |scene| scene.become_copy(&["run-from-memory"]),
    ),
    Case::new(
        "run-without-a-path",
        "run a program by its descriptor",
        &[Seccomp],
        &["ENOSYS"],
        |scene| {
            scene.secret_in_project("file");
            scene.steal(&["run-without-path", "/workspace/file"]);
        },
    ),
    Case::new(
        "run-written",
        "write a program and run it, in the profile `strict`",
        &[Landlock],
        &["EACCES"],
        |scene| scene.become_copy(&["run-written", "/tmp/program"]),
    ),
    Case::new(
        "run-written-in-workspace",
        "write a program to the workspace and run it, in the profile `strict`",
        &[Landlock],
        &["EACCES"],
        |scene| scene.become_copy(&["run-written", "/workspace/program"]),
    ),
    Case::new(
        "run-from-shared-memory",
        "write a program to `/dev/shm` and run it",
        &[Landlock],
        &["EACCES"],
        |scene| {
            scene.become_copy(&["run-written", "/dev/shm/program"]);
            scene.spec.profile = weakened::Profile::Standard;
        },
    ),
    Case::new(
        "further-process",
        "start a further process, in the profile `strict`",
        &[Seccomp],
        &["EPERM"],
        |scene| {
            scene.strict();
            scene.leave(&["fork"]);
        },
    ),
];

impl Scene {
    /// An attempt that ends as a copy of the attack program, which reads a file.
    fn become_copy(&mut self, attempt: &[&str]) {
        self.strict();
        self.secret_in_project("file");
        let (name, rest) = attempt.split_first().unwrap();
        self.steal(&[&[*name, "/workspace/file"], rest].concat());
    }
}
