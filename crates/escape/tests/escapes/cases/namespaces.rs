//! Namespaces and mounts: new ones, those of others, and changes to the own ones.
//! What is shared by kernel object, not by path.

use weakened::Access;
use weakened::weaken::Wall::{
    Capabilities, IpcNamespace, Landlock, PidNamespace, Quotas, Seccomp, UtsNamespace,
};

use crate::case::{Case, Who};
use crate::scene::{Expect, Scene};
use crate::target;

pub const CASES: &[Case] = &[
    Case::new(
        "nested-user-namespace",
        "make a user namespace with `unshare`, and with it capabilities",
        &[Seccomp, Quotas],
        &["EPERM"],
        |scene| scene.leave(&["unshare-user"]),
    ),
    Case::new(
        "cloned-user-namespace",
        "make a user namespace with `clone`",
        &[Seccomp, Quotas],
        &["EPERM"],
        |scene| scene.leave(&["clone-user"]),
    ),
    Case::new(
        "clone3-user-namespace",
        "make a user namespace with `clone3`, whose flags no filter can read",
        &[Seccomp, Quotas],
        &["ENOSYS"],
        |scene| scene.leave(&["clone3-user"]),
    ),
    Case::new(
        "nested-network",
        "make a network namespace of its own in a nested user namespace",
        &[Seccomp, Quotas],
        &["EPERM"],
        |scene| scene.leave(&["unshare-network"]),
    ),
    Case::new(
        "time-namespace",
        "make a time namespace",
        &[Seccomp, Capabilities],
        &["EPERM"],
        |scene| scene.leave(&["unshare-time"]),
    ),
    Case::new(
        "mount",
        "mount a file system over the workspace",
        &[Seccomp, Capabilities, Landlock],
        &["EPERM"],
        |scene| scene.leave(&["mount"]),
    ),
    Case::new(
        "mount-in-nested-namespace",
        "mount a file system in a nested namespace",
        &[Seccomp, Quotas, Landlock],
        &["EPERM"],
        |scene| scene.leave(&["unshare-and-mount"]),
    ),
    Case::new(
        "mount-new-interface",
        "mount with `fsopen`, `fsmount` and `move_mount`",
        &[Seccomp, Capabilities, Landlock],
        &["EPERM"],
        |scene| scene.leave(&["mount-new-interface"]),
    ),
    Case::new(
        "remount",
        "remount a folder that was given to be read",
        &[Seccomp, Capabilities, Landlock],
        &["EPERM"],
        |scene| {
            given(scene);
            scene.leave(&["remount-writable", "/data", "/data/given"]);
        },
    ),
    Case::new(
        "mount-attributes",
        "make a mount writable with `mount_setattr`",
        &[Seccomp, Capabilities],
        &["EPERM"],
        |scene| {
            given(scene);
            scene.leave(&["set-mount-writable", "/data", "/data/given"]);
        },
    )
    .besides(&[Landlock]),
    Case::new(
        "uncover",
        "unmount what covers a hidden folder",
        &[Seccomp, Capabilities, Landlock],
        &["EPERM"],
        |scene| {
            hidden(scene);
            scene.steal(&["uncover", ".palisade", ".palisade/secret"]);
        },
    ),
    Case::new(
        "copy-of-a-mount",
        "copy the workspace's mount without what covers a hidden folder",
        &[Seccomp, Capabilities],
        &["EPERM"],
        |scene| {
            hidden(scene);
            scene.steal(&["clone-tree", "/workspace", ".palisade/secret"]);
        },
    ),
    Case::new(
        "change-root",
        "change the root with `chroot`",
        &[Seccomp, Capabilities],
        &["EPERM"],
        |scene| {
            scene.secret_file("inside");
            scene.mount(Access::Read);
            scene.steal(&["change-root", "/data", "/inside"]);
        },
    ),
    Case::new(
        "pivot-root",
        "change the root with `pivot_root`",
        &[Seccomp, Capabilities, Landlock],
        &["EPERM"],
        |scene| {
            scene.secret_file("inside");
            scene.mount(Access::Read);
            scene.steal(&["pivot", "/data", "/inside"]);
        },
    ),
    Case::new(
        "enter-by-proc",
        "enter a namespace of a process of the host through `/proc/PID/ns`",
        &[PidNamespace, Seccomp],
        &["ENOENT"],
        |scene| {
            let pid = named_host(scene);
            scene.steal(&["enter-namespace", &pid]);
        },
    )
    .fixed("user namespace")
    .outside()
    .only(Who::Root),
    Case::new(
        "enter-by-descriptor",
        "enter a namespace of a process of the host through a descriptor of it",
        &[PidNamespace, Seccomp],
        &["ESRCH", "EINVAL"],
        |scene| {
            let pid = named_host(scene);
            scene.steal(&["enter-by-process", &pid]);
        },
    )
    .fixed("user namespace")
    .outside()
    .only(Who::Root),
    Case::new(
        "host-name",
        "read the name of the host",
        &[UtsNamespace],
        &["another host name"],
        |scene| {
            let host = rustix::system::uname().nodename().to_str().unwrap().to_owned();
            scene.steal(&["host-name"]);
            scene.expect = Expect::Text(host);
        },
    ),
    Case::new(
        "shared-memory",
        "read shared memory of a process of the host",
        &[IpcNamespace],
        &["ENOENT"],
        |scene| {
            let key = target::shared_memory(scene);
            scene.steal(&["read-shared-memory", &key]);
        },
    ),
    Case::new(
        "message-queue",
        "read a message meant for a process of the host",
        &[IpcNamespace],
        &["ENOENT"],
        |scene| {
            let key = target::message_queue(scene);
            scene.steal(&["read-message-queue", &key]);
        },
    ),
    Case::new(
        "named-queue",
        "read a message from a named queue of the host",
        &[IpcNamespace, Seccomp, Landlock],
        &["ENOSYS"],
        |scene| {
            let name = target::named_queue(scene);
            scene.steal(&["message-queue", &name]);
        },
    ),
];

fn hidden(scene: &mut Scene) {
    scene.secret_in_project(".palisade/secret");
    scene.spec.workspace.hidden.push(".palisade".into());
}

fn given(scene: &mut Scene) {
    std::fs::write(scene.outside("given"), "given").unwrap();
    scene.mount(Access::Read);
    scene.effect_in(&scene.outside("given"));
}

/// A process of the host in a namespace whose host name is the secret; its id.
fn named_host(scene: &mut Scene) -> String {
    let [pid, ..] = target::victim_named(scene);
    pid
}
