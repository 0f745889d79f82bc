//! Secrets of the supervisor, of the host's processes and of other sandboxes; and the record.
//! Files that merely were not given are in `filesystem`.

use std::ffi::OsString;

use rustix::fs::{CWD, Mode, mkfifoat};
use weakened::weaken::Wall::{
    Environment, HiddenPaths, Landlock, Overlay, PidNamespace, ProcView, Undumpable,
};
use weakened::{Access, Mount, Spec, launch};

use crate::case::Case;
use crate::pass::SECRET;
use crate::scene::{Expect, Scene};
use crate::target;

pub const CASES: &[Case] = &[
    Case::new(
        "own-environment",
        "find a secret of the supervisor in its own environment",
        &[Environment],
        &["not found"],
        |scene| {
            let hint = supervisors(scene);
            scene.steal(&["find-in-own-environment", &hint]);
        },
    ),
    Case::new(
        "environment-of-the-first-process",
        "find a secret of the supervisor in the environment of the first process",
        &[Undumpable],
        &["ENOENT"],
        |scene| {
            let hint = supervisors(scene);
            scene.steal(&["find-in-file", &hint, "/proc/1/environ"]);
        },
    ),
    Case::new(
        "memory-of-the-first-process",
        "find a secret of the supervisor in the memory of the first process, which is a copy",
        &[Undumpable],
        &["ENOENT"],
        |scene| {
            let hint = scene.hint();
            scene.steal(&["find-in-memory", &hint, "1"]);
        },
    ),
    Case::new(
        "environments",
        "find a secret in the environment of a process of the host",
        &[PidNamespace, Landlock],
        &["no process to look at"],
        |scene| {
            target::victim(scene);
            scene.steal(&["find-in-environments", &scene.hint()]);
        },
    )
    .fixed("user namespace")
    .outside(),
    Case::new(
        "arguments",
        "find a secret in the arguments of a process of the host",
        &[PidNamespace],
        &["no process to look at"],
        |scene| {
            target::victim(scene);
            scene.steal(&["find-in-arguments", &scene.hint()]);
        },
    ),
    Case::new(
        "memory-of-a-process",
        "find a secret in the memory of a process of the host",
        &[PidNamespace, Landlock],
        &["ENOENT"],
        |scene| {
            let [pid, ..] = target::victim(scene);
            scene.steal(&["find-in-memory", &scene.hint(), &pid]);
        },
    )
    .fixed("user namespace")
    .outside(),
    Case::new(
        "environment-of-a-sibling",
        "find a secret in the environment of another sandbox",
        &[PidNamespace, Landlock],
        &["no process to look at"],
        |scene| {
            sibling(scene);
            scene.steal(&["find-in-environments", &scene.hint()]);
        },
    )
    .fixed("user namespace")
    .outside(),
    Case::new(
        "workspace-of-a-sibling",
        "read what another sandbox has written",
        &[PidNamespace, Landlock],
        &["no process to look at"],
        |scene| {
            sibling(scene);
            scene.steal(&["find-in-roots", &scene.hint(), "root/workspace/written"]);
        },
    )
    .fixed("user namespace")
    .outside(),
    Case::new(
        "key-names",
        "read the names of the supervisor's keys",
        &[ProcView],
        &["not found"],
        |scene| {
            let name = target::session_key(scene);
            scene.steal(&["find-in-file", &scene.hint(), "/proc/keys"]);
            scene.expect = Expect::Text(name);
        },
    ),
    Case::new(
        "path-of-the-project",
        "find the project's path on the host in the table of mounts",
        &[Overlay],
        &["not found"],
        |scene| {
            let name = format!("project-{}", scene.mark);
            std::fs::create_dir(scene.outside(&name)).unwrap();
            scene.spec.workspace.lower = scene.outside(&name);
            scene.steal(&["find-in-file", "project-", "/proc/self/mountinfo"]);
            scene.expect = Expect::Text(name);
        },
    ),
    Case::new(
        "read-the-record",
        "read the journal of the project",
        &[HiddenPaths],
        &["ENOENT"],
        |scene| {
            scene.secret_in_project(".palisade/palisade.db");
            scene.spec.workspace.hidden.push(".palisade".into());
            scene.steal(&["find-in-file", &scene.hint(), ".palisade/palisade.db"]);
        },
    ),
    Case::new(
        "change-the-record",
        "write to the journal of the project",
        &[HiddenPaths, Overlay],
        &["ENOENT"],
        |scene| {
            scene.secret_in_project(".palisade/palisade.db");
            scene.spec.workspace.hidden.push(".palisade".into());
            scene.leave(&["write", ".palisade/palisade.db"]);
            scene.effect_in(&scene.project(".palisade/palisade.db"));
        },
    ),
    Case::new(
        "remove-the-record",
        "remove the journal of the project",
        &[HiddenPaths, Overlay],
        &["EROFS"],
        |scene| {
            scene.secret_in_project(".palisade/palisade.db");
            scene.spec.workspace.hidden.push(".palisade".into());
            scene.leave(&["remove", ".palisade/palisade.db"]);
            let path = scene.project(".palisade/palisade.db");
            scene.effect(move || !path.exists());
        },
    ),
    Case::new(
        "replace-the-policy",
        "put another policy in place of the project's",
        &[HiddenPaths, Overlay],
        &["EROFS"],
        |scene| {
            std::fs::create_dir(scene.project(".palisade")).unwrap();
            scene.spec.workspace.hidden.push(".palisade".into());
            scene.leave(&["create", "/workspace/.palisade/policy.yaml"]);
            scene.effect_in(&scene.project(".palisade/policy.yaml"));
        },
    ),
];

/// The token is a secret of this process; returns what may be known of it.
fn supervisors(scene: &mut Scene) -> String {
    let secret = std::env::var(SECRET).unwrap_or_default();
    let hint = secret.split_inclusive('-').next().unwrap_or_default().to_owned();
    scene.expect = Expect::Text(secret);
    hint
}

/// Another sandbox at the same time, with the secret in its environment and its workspace.
fn sibling(scene: &mut Scene) {
    let script = "printf %s \"$SECRET\" > written; echo > /data/up; sleep 60";
    mkfifoat(CWD, scene.outside("up"), Mode::RWXU).unwrap();
    let mut spec = Spec::new(scene.project(""), ["sh", "-c", script].map(OsString::from));
    spec.env.push(("SECRET".into(), scene.secret.clone().into()));
    let source = scene.outside("up").parent().unwrap().to_owned();
    spec.mounts.push(Mount { source, target: "/data".into(), access: Access::Write });
    scene.keep(launch(&spec).unwrap());
    std::fs::read(scene.outside("up")).unwrap();
}
