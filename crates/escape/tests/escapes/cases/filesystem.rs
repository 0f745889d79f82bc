//! Files: the host's, the project's, and those that were given to be read.
//! What belongs to Palisade itself is in `secrets`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use weakened::Access;
use weakened::weaken::Wall::{
    HiddenPaths, Inert, Landlock, Links, Overlay, PidNamespace, PrivateRoot, ProcView, ReadOnly,
    Seccomp, Undumpable,
};

use crate::case::{Case, Who};
use crate::pass::{PREPARED, PREPARED_SECRET};
use crate::scene::{Expect, Scene};
use crate::target::{self, Remove};

const UP: &str = "../../../../../../../../../..";

pub const CASES: &[Case] = &[
    Case::new(
        "absolute-path",
        "read a file of the host by its path",
        &[PrivateRoot, Landlock],
        &["ENOENT"],
        |scene| {
            let secret = scene.secret_file("secret");
            scene.steal(&["read", &secret]);
        },
    ),
    Case::new(
        "parent-folders",
        "read a file of the host through `..`",
        &[PrivateRoot, Landlock],
        &["ENOENT"],
        |scene| {
            let secret = scene.secret_file("secret");
            scene.steal(&["read", &format!("{UP}{secret}")]);
        },
    ),
    Case::new(
        "made-link",
        "read a file of the host through a link made inside",
        &[PrivateRoot, Landlock],
        &["ENOENT"],
        |scene| {
            let secret = scene.secret_file("secret");
            scene.steal(&["read-by-link", &secret]);
        },
    ),
    Case::new(
        "link-of-the-project",
        "read a file of the host through a link in the project",
        &[PrivateRoot, Landlock],
        &["ENOENT"],
        |scene| {
            symlink(scene.secret_file("secret"), scene.project("way")).unwrap();
            scene.steal(&["read", "way"]);
        },
    ),
    Case::new(
        "own-root",
        "read a file of the host through `/proc/self/root`",
        &[PrivateRoot, Landlock],
        &["ENOENT"],
        |scene| {
            let secret = scene.secret_file("secret");
            scene.steal(&["read", &format!("/proc/self/root{secret}")]);
        },
    ),
    Case::new(
        "root-of-another-process",
        "read a file of the host through `/proc/PID/root` of a process of the host",
        &[PidNamespace, Landlock],
        &["ENOENT"],
        |scene| {
            let secret = scene.secret_file("secret");
            let [pid, ..] = target::victim(scene);
            scene.steal(&["read", &format!("/proc/{pid}/root{secret}")]);
        },
    )
    .fixed("user namespace")
    .outside(),
    Case::new(
        "folder-of-another-process",
        "read a file of the host through `/proc/PID/cwd` of a process of the host",
        &[PidNamespace, Landlock],
        &["ENOENT"],
        |scene| {
            let secret = scene.secret_file("secret");
            let [pid, ..] = target::victim(scene);
            scene.steal(&["read", &format!("/proc/{pid}/cwd/{UP}{secret}")]);
        },
    )
    .fixed("user namespace")
    .outside(),
    Case::new(
        "file-handle",
        "read a file of the host by its handle",
        &[Seccomp, PrivateRoot],
        &["EPERM"],
        |scene| {
            let secret = scene.secret_file("secret");
            scene.steal(&["read-by-handle", &secret, "/var/tmp"]);
        },
    )
    .fixed("user namespace")
    .outside()
    .only(Who::Root),
    Case::new(
        "launcher-program",
        "read the supervisor's program through `/proc/1/exe`",
        &[Undumpable, Landlock],
        &["ENOENT"],
        |scene| {
            let own = fs::read(std::env::current_exe().unwrap()).unwrap();
            let middle = own.len() / 2;
            let at = (middle..own.len()).find(|at| !own[*at..at + 16].contains(&0)).unwrap();
            let text = own[at..at + 16].iter().map(|byte| format!("{byte:02x}")).collect();
            scene.steal(&["bytes", "/proc/1/exe", &at.to_string()]);
            scene.expect = Expect::Text(text);
        },
    ),
    Case::new(
        "write-project",
        "change a file of the project",
        &[Overlay],
        &["no effect outside"],
        |scene| {
            scene.leave(&["write", "kept.txt"]);
            scene.effect_in(&scene.project("kept.txt"));
        },
    ),
    Case::new(
        "write-project-mapped",
        "change a file of the project through a mapping",
        &[Overlay],
        &["no effect outside"],
        |scene| {
            scene.leave(&["write-mapped", "kept.txt"]);
            scene.effect_in(&scene.project("kept.txt"));
        },
    ),
    Case::new(
        "write-project-reopened",
        "open a file of the project for nothing and reopen it for writing",
        &[Overlay],
        &["no effect outside"],
        |scene| {
            scene.leave(&["write-reopened", "kept.txt"]);
            scene.effect_in(&scene.project("kept.txt"));
        },
    ),
    Case::new(
        "truncate-project",
        "empty a file of the project",
        &[Overlay],
        &["no effect outside"],
        |scene| {
            scene.leave(&["truncate", "kept.txt"]);
            let path = scene.project("kept.txt");
            scene.effect(move || fs::metadata(&path).unwrap().len() == 0);
        },
    ),
    Case::new(
        "remove-from-project",
        "remove a file of the project",
        &[Overlay],
        &["no effect outside"],
        |scene| {
            scene.leave(&["remove", "kept.txt"]);
            let path = scene.project("kept.txt");
            scene.effect(move || !path.exists());
        },
    ),
    Case::new(
        "rename-in-project",
        "rename a file of the project",
        &[Overlay],
        &["no effect outside"],
        |scene| {
            scene.leave(&["rename", "kept.txt", "moved.txt"]);
            let path = scene.project("moved.txt");
            scene.effect(move || path.exists());
        },
    ),
    Case::new(
        "mode-in-project",
        "change the mode of a file of the project",
        &[Overlay],
        &["no effect outside"],
        |scene| {
            scene.leave(&["change-mode", "kept.txt"]);
            let path = scene.project("kept.txt");
            scene.effect(move || fs::metadata(&path).unwrap().mode() & 0o777 == 0o601);
        },
    ),
    Case::new(
        "create-in-project",
        "create a file in the project",
        &[Overlay],
        &["no effect outside"],
        |scene| {
            scene.leave(&["create", "/workspace/new.txt"]);
            scene.effect_in(&scene.project("new.txt"));
        },
    ),
    Case::new("hidden-file", "read a hidden file", &[HiddenPaths], &["an empty file"], |scene| {
        scene.secret_in_project("secret.txt");
        scene.spec.workspace.hidden.push("secret.txt".into());
        scene.steal(&["read", "secret.txt"]);
    }),
    Case::new(
        "hidden-folder",
        "read a file in a hidden folder",
        &[HiddenPaths],
        &["ENOENT"],
        |scene| {
            hidden(scene);
            scene.steal(&["read", ".palisade/secret"]);
        },
    ),
    Case::new("hidden-names", "list a hidden folder", &[HiddenPaths], &["not listed"], |scene| {
        fs::create_dir(scene.project(".palisade")).unwrap();
        fs::write(scene.project(".palisade").join(&scene.secret), "").unwrap();
        scene.spec.workspace.hidden.push(".palisade".into());
        scene.steal(&["list", ".palisade", &scene.hint()]);
    }),
    Case::new(
        "hidden-by-handle",
        "read a hidden file through a descriptor of its folder",
        &[HiddenPaths],
        &["ENOENT"],
        |scene| {
            hidden(scene);
            scene.steal(&["read-from-folder-handle", ".palisade", "secret"]);
        },
    ),
    Case::new(
        "hidden-by-hard-link",
        "make a second name for a hidden file",
        &[HiddenPaths],
        &["EXDEV"],
        |scene| {
            scene.secret_in_project("secret.txt");
            scene.spec.workspace.hidden.push("secret.txt".into());
            scene.steal(&["read-by-hard-link", "secret.txt"]);
        },
    ),
    Case::new(
        "write-read-only-mount",
        "change a file that was given to be read",
        &[ReadOnly, Landlock],
        &["EROFS"],
        |scene| {
            given(scene);
            scene.leave(&["write", "/data/given"]);
        },
    ),
    Case::new(
        "reopen-read-only-mount",
        "reopen a file that was given to be read for writing",
        &[ReadOnly, Landlock],
        &["EROFS"],
        |scene| {
            given(scene);
            scene.leave(&["write-reopened", "/data/given"]);
        },
    ),
    Case::new(
        "create-in-read-only-mount",
        "create a file where one may only read",
        &[ReadOnly, Landlock],
        &["EROFS"],
        |scene| {
            scene.mount(Access::Read);
            scene.leave(&["create", "/data/new"]);
            scene.effect_in(&scene.outside("new"));
        },
    ),
    Case::new(
        "mode-in-read-only-mount",
        "change the mode of a file that was given to be read",
        &[ReadOnly],
        &["EROFS"],
        |scene| {
            given(scene);
            scene.leave(&["change-mode", "/data/given"]);
            let path = scene.outside("given");
            scene.effect(move || fs::metadata(&path).unwrap().mode() & 0o777 == 0o601);
        },
    ),
    Case::new(
        "system-folder",
        "plant a file in a system folder of the host",
        &[ReadOnly, Landlock],
        &["EROFS"],
        |scene| {
            let path = format!("/opt/palisade-{}", scene.mark);
            scene.leave(&["create", &path]);
            scene.effect_in(path.as_ref());
            scene.keep(Remove(Box::new(move || drop(fs::remove_file(&path)))));
        },
    )
    .only(Who::Root),
    Case::new(
        "write-root",
        "plant a file in the root",
        &[ReadOnly, Landlock],
        &["EROFS"],
        |scene| {
            scene.leave(&["create", "/etc/planted"]);
        },
    ),
    Case::new(
        "kernel-setting",
        "change a setting of the host's kernel in `/proc/sys`",
        &[ProcView, Landlock],
        &["EROFS", "EACCES"],
        |scene| {
            const SETTING: &str = "/proc/sys/kernel/printk_ratelimit_burst";
            let before = fs::read_to_string(SETTING).unwrap();
            let after = 1000 + u32::from_str_radix(&scene.mark[..3], 16).unwrap();
            scene.steal(&["write", SETTING, &after.to_string()]);
            scene.effect(move || fs::read_to_string(SETTING).unwrap().trim() == after.to_string());
            scene.keep(Remove(Box::new(move || drop(fs::write(SETTING, &before)))));
        },
    )
    .only(Who::Root),
    Case::new(
        "own-out-of-memory-score",
        "make itself the last one to be killed when memory runs out",
        &[ProcView, Landlock],
        &["EROFS"],
        |scene| {
            scene.steal(&["write", "/proc/self/oom_score_adj", "7"]);
            scene.expect = Expect::Text("7".to_owned());
        },
    ),
    Case::new(
        "device-node",
        "make a device node and read from it",
        &[Seccomp],
        &["EPERM"],
        |scene| {
            let path = scene.project("node").to_str().unwrap().to_owned();
            scene.leave(&["make-node", &path]);
        },
    )
    .fixed("user namespace")
    .outside()
    .only(Who::Root),
    Case::new(
        "given-device-node",
        "write to a device node in a folder that was given",
        &[Inert],
        &["EACCES", "no effect outside"],
        |scene| {
            use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
            const KERNEL_LOG: (u32, u32) = (1, 11);
            let node = scene.outside("node");
            if crate::scene::is_root() {
                let device = makedev(KERNEL_LOG.0, KERNEL_LOG.1);
                mknodat(CWD, &node, FileType::CharacterDevice, Mode::RWXU, device).unwrap();
            } else {
                fs::write(&node, "").unwrap();
            }
            scene.mount(Access::Write);
            scene.leave(&["write-node", "/data/node"]);
            let mark = scene.mark.clone();
            scene.effect(move || crate::scene::is_root() && target::is_logged(&mark));
        },
    )
    .only(Who::Root),
    Case::new(
        "whiteout",
        "forge the node by which an overlay says that a file was removed",
        &[Seccomp, Landlock],
        &["EPERM"],
        |scene| scene.leave(&["make-whiteout"]),
    ),
    Case::new(
        "set-user-id",
        "run a program that gives its caller root's rights",
        &[],
        &["EACCES"],
        |scene| prepared(scene, "set-user-id"),
    )
    .fixed("`nosuid`, no new privileges, user namespace")
    .outside()
    .only(Who::Prepared),
    Case::new(
        "file-capability",
        "run a program with a capability on its file",
        &[],
        &["EACCES"],
        |scene| prepared(scene, "with-capability"),
    )
    .fixed("`nosuid`, no new privileges, user namespace")
    .outside()
    .only(Who::Prepared),
    Case::new(
        "link-under-file",
        "let the launcher write a file through a link in the project",
        &[Links],
        &["launch refused"],
        |scene| {
            symlink(scene.outside(""), scene.project("sub")).unwrap();
            let mark = scene.mark.clone().into_bytes();
            scene.spec.workspace.files.push(("sub/file".into(), mark));
            scene.leave(&["stay", "0"]);
            scene.effect_in(&scene.outside("file"));
        },
    ),
    Case::new(
        "link-under-mount",
        "let the launcher make a mount's folder through a link in the project",
        &[Links],
        &["launch refused"],
        |scene| {
            symlink(scene.outside(""), scene.project("sub")).unwrap();
            fs::create_dir(scene.outside("source")).unwrap();
            let (source, target) = (scene.outside("source"), "/workspace/sub/made".into());
            scene.spec.mounts.push(weakened::Mount { source, target, access: Access::Read });
            scene.leave(&["stay", "0"]);
            let made = scene.outside("made");
            scene.effect(move || made.exists());
        },
    ),
];

fn hidden(scene: &mut Scene) {
    scene.secret_in_project(".palisade/secret");
    scene.spec.workspace.hidden.push(".palisade".into());
}

/// A file that may be read and not written.
fn given(scene: &mut Scene) {
    fs::write(scene.outside("given"), "given").unwrap();
    fs::set_permissions(scene.outside("given"), fs::Permissions::from_mode(0o600)).unwrap();
    scene.mount(Access::Read);
    scene.effect_in(&scene.outside("given"));
}

/// Runs a program that root has left, on a file only root may read.
fn prepared(scene: &mut Scene, program: &str) {
    let Some(folder) = std::env::var_os(PREPARED).map(std::path::PathBuf::from) else {
        return scene.steal(&["run"]);
    };
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (source, target) = (folder.clone(), folder.clone());
    scene.spec.mounts.push(weakened::Mount { source, target, access: Access::Read });
    scene.steal(&["run", &path(program), "read", &path("secret")]);
    scene.expect = Expect::Text(std::env::var(PREPARED_SECRET).unwrap_or_default());
}
