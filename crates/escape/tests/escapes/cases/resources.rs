//! Resources: the attempt asks for more than the limit. In the control the limit is higher.
//! How a limit ends a program is tested with the sandbox itself.

use std::time::Duration;

use weakened::weaken::Wall::Quotas;

use crate::case::{Case, Who};
use crate::scene::Scene;
use crate::target;

const MIB: u64 = 1 << 20;

pub const CASES: &[Case] = &[
    Case::new("processes", "start more processes", &[], &["EAGAIN"], |scene| {
        scene.spec.limits.pids = 16;
        scene.leave(&["fork-many", "32"]);
    })
    .fixed("process limit")
    .looser(|scene| scene.spec.limits.pids = 64),
    Case::new("threads", "start more threads", &[], &["EAGAIN"], |scene| {
        scene.spec.limits.pids = 16;
        scene.leave(&["start-threads", "32"]);
    })
    .fixed("process limit")
    .looser(|scene| scene.spec.limits.pids = 64),
    Case::new("memory", "take more memory", &[], &["OutOfMemory", "ENOMEM"], |scene| {
        scene.spec.limits.memory_bytes = Some(64 * MIB);
        scene.leave(&["take-memory", "160"]);
    })
    .fixed("memory limit")
    .looser(more_memory),
    Case::new(
        "uncounted-memory",
        "take more memory that belongs to no single process",
        &[],
        &["OutOfMemory"],
        |scene| {
            scene.spec.limits.memory_bytes = Some(64 * MIB);
            scene.leave(&["take-shared-memory", "160"]);
        },
    )
    .fixed("memory limit of a control group")
    .looser(more_memory)
    .only(Who::Counted),
    Case::new(
        "anonymous-files",
        "take more memory as a file without a name",
        &[],
        &["OutOfMemory"],
        |scene| {
            scene.spec.limits.memory_bytes = Some(64 * MIB);
            scene.leave(&["take-anonymous-file", "160"]);
        },
    )
    .fixed("memory limit of a control group")
    .looser(more_memory)
    .only(Who::Counted),
    Case::new("disk", "write more to the workspace", &[], &["ENOSPC", "DiskFull"], |scene| {
        scene.spec.limits.workspace_bytes = 4 * MIB;
        scene.leave(&["fill-disk", "/workspace", "8"]);
    })
    .fixed("disk limit")
    .looser(more_disk),
    Case::new("shared-disk", "write more to `/dev/shm`", &[], &["ENOSPC", "DiskFull"], |scene| {
        scene.spec.limits.workspace_bytes = 4 * MIB;
        scene.leave(&["fill-disk", "/dev/shm", "8"]);
    })
    .fixed("disk limit")
    .looser(more_disk),
    Case::new("sparse-file", "make a file of a terabyte", &[], &["EFBIG"], |scene| {
        scene.leave(&["make-sparse"]);
    })
    .fixed("disk limit")
    .looser(|scene| scene.spec.limits.workspace_bytes = 2 << 40),
    Case::new("inodes", "create more files", &[], &["ENOSPC"], |scene| {
        scene.spec.limits.workspace_inodes = 100;
        scene.leave(&["fill-inodes", "500"]);
    })
    .fixed("disk limit")
    .looser(|scene| scene.spec.limits.workspace_inodes = 2000),
    Case::new("open-files", "open more files", &[], &["EMFILE"], |scene| {
        scene.spec.limits.open_files = 50;
        scene.leave(&["open-files", "100"]);
    })
    .fixed("open file limit")
    .looser(|scene| scene.spec.limits.open_files = 200),
    Case::new("raise-limit", "raise its own limit on open files", &[], &["EPERM"], |scene| {
        scene.spec.limits.open_files = 50;
        scene.leave(&["raise-limit", "100"]);
    })
    .fixed("open file limit")
    .looser(|scene| scene.spec.limits.open_files = 200),
    Case::new("output", "print more", &[], &["OutputExceeded"], |scene| {
        scene.spec.limits.output_bytes = MIB;
        scene.leave(&["flood", "4"]);
    })
    .fixed("output limit")
    .looser(|scene| scene.spec.limits.output_bytes = 8 * MIB),
    Case::new("time", "work on after its time", &[], &["TimedOut"], |scene| {
        scene.spec.limits.wall = Duration::from_millis(200);
        scene.leave(&["stay", "600"]);
    })
    .fixed("time limit")
    .looser(|scene| scene.spec.limits.wall = Duration::from_secs(20)),
    Case::new(
        "file-watchers",
        "use up the file watchers of the user it runs as",
        &[Quotas],
        &["no effect outside"],
        |scene| {
            let (seen, looked) = target::noted::<bool>();
            scene.steal(&["watch-files", "900", &scene.mark.clone(), "/data/looked"]);
            scene.look(move || {
                let flags = rustix::fs::inotify::CreateFlags::CLOEXEC;
                *seen.borrow_mut() = rustix::fs::inotify::init(flags).is_err();
            });
            scene.effect(move || *looked.borrow());
        },
    ),
    Case::new(
        "file-watches",
        "use up what the user it runs as may watch",
        &[Quotas],
        &["ENOSPC"],
        |scene| scene.leave(&["watch-everything", "5000"]),
    ),
];

fn more_memory(scene: &mut Scene) {
    scene.spec.limits.memory_bytes = Some(512 * MIB);
}

fn more_disk(scene: &mut Scene) {
    scene.spec.limits.workspace_bytes = 32 * MIB;
}
