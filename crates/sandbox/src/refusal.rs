//! Why a host cannot run sandboxes, and what its owner can do about it.
//!
//! Texts only, chosen from what the kernel answered and from what `surroundings` found. `doctor`
//! shows the same texts, through `probe`.

use std::io;

use rustix::io::Errno;

use crate::inside::report::Stage;
use crate::layer::Layer;
use crate::surroundings::{Container, Groups, Surroundings};

/// A layer that is missing on this host.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("the {layer} is not available: {reason}")]
pub struct Refusal {
    /// Which layer.
    pub layer: Layer,
    /// Why, as a fragment.
    pub reason: String,
    /// What to do, as a sentence fragment.
    pub fix: String,
}

/// Why `clone3` was refused.
pub(crate) fn user_namespace(errno: Errno) -> Refusal {
    explain(errno, &Surroundings::gather())
}

/// The pure part of [`user_namespace`]. Switches that hold for ordinary users do not explain what
/// root was refused.
pub(crate) fn explain(errno: Errno, around: &Surroundings) -> Refusal {
    let restricts = around.apparmor_restricts.is_some_and(|restricts| restricts != 0);
    let (reason, fix) = match errno {
        _ if around.user_namespaces_max == Some(0) => (
            "user namespaces are switched off".to_owned(),
            "set `sysctl user.max_user_namespaces=10000`".to_owned(),
        ),
        _ if around.unprivileged_allowed == Some(0) && !around.root => (
            "ordinary users may not make user namespaces".to_owned(),
            "set `sysctl kernel.unprivileged_userns_clone=1`".to_owned(),
        ),
        _ if restricts && !around.root => (
            "AppArmor restricts user namespaces of programs without a profile".to_owned(),
            "install an AppArmor profile for palisade that allows `userns`, or set \
             `sysctl kernel.apparmor_restrict_unprivileged_userns=0`"
                .to_owned(),
        ),
        Errno::NOSPC | Errno::USERS => (
            "the limit of user namespaces is reached".to_owned(),
            "raise `sysctl user.max_user_namespaces`".to_owned(),
        ),
        Errno::AGAIN => (
            "the limit of processes is reached".to_owned(),
            "raise the limit of processes of this user or of its cgroup".to_owned(),
        ),
        _ if around.container.is_some() => (contained(errno, around), container(around)),
        Errno::NOSYS => (
            "the kernel has no `clone3`, or a seccomp filter hides it".to_owned(),
            "use Linux 5.13 or later, and no filter that refuses `clone3`".to_owned(),
        ),
        _ if around.filtered => (
            "a seccomp filter that is in force already refuses it".to_owned(),
            "start palisade where nothing filters its system calls".to_owned(),
        ),
        errno => (
            format!("the kernel answered `{}`", io::Error::from(errno)),
            "run outside a container, or in one that may make user namespaces and mounts"
                .to_owned(),
        ),
    };
    Refusal { layer: Layer::UserNamespace, reason, fix }
}

fn contained(errno: Errno, around: &Surroundings) -> String {
    match &around.apparmor_profile {
        _ if around.filtered => "the container's seccomp profile forbids it".to_owned(),
        Some(profile) => format!("the container's AppArmor profile `{profile}` forbids it"),
        None => format!("the container forbids it: `{}`", io::Error::from(errno)),
    }
}

/// How to start a container in which sandboxes can be made.
fn container(around: &Surroundings) -> String {
    const PODMAN: &str = "`--security-opt seccomp=unconfined --security-opt unmask=ALL`";
    const DOCKER: &str = "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined \
                          --security-opt systempaths=unconfined`";
    match around.container {
        Some(Container::Podman) => format!("start the container with {PODMAN}"),
        Some(Container::Docker) => format!("start the container with {DOCKER}"),
        Some(Container::Kubernetes) => "give the pod `hostUsers: false` and the container \
             `seccompProfile: {type: Unconfined}` and `procMount: Unmasked`"
            .to_owned(),
        Some(Container::Other) | None => format!(
            "run outside a container, or start it with {PODMAN} (Podman) or {DOCKER} (Docker)"
        ),
    }
}

/// The refusal for a kernel without Landlock.
pub(crate) fn landlock() -> Refusal {
    Refusal {
        layer: Layer::Landlock,
        reason: "the kernel has no landlock, or it is not among the active security modules"
            .to_owned(),
        fix: "use Linux 5.13 or later with `landlock` in the `lsm=` boot parameter".to_owned(),
    }
}

/// The refusal for a Landlock older than this process was told to demand.
pub(crate) fn landlock_below(found: u32, floor: u32) -> Refusal {
    Refusal {
        layer: Layer::Landlock,
        reason: format!("the kernel has generation {found} and {floor} is demanded"),
        fix: format!("use {}, or demand less", kernel_with(floor)),
    }
}

/// The first kernel with a generation of Landlock.
fn kernel_with(generation: u32) -> &'static str {
    match generation {
        ..2 => "Linux 5.13 or later",
        2 => "Linux 5.19 or later",
        3 => "Linux 6.2 or later",
        4 => "Linux 6.7 or later",
        5 => "Linux 6.10 or later",
        6 => "Linux 6.12 or later",
        7 => "Linux 6.15 or later",
        8.. => "a newer kernel",
    }
}

/// A failed stage that says something about the host and not about the spec.
pub(crate) fn of_stage(stage: Stage, errno: Errno) -> Option<Refusal> {
    explain_stage(stage, errno, &Surroundings::gather())
}

/// The pure part of [`of_stage`].
fn explain_stage(stage: Stage, errno: Errno, around: &Surroundings) -> Option<Refusal> {
    const ABSENT: [Errno; 4] = [Errno::NOSYS, Errno::INVAL, Errno::NODEV, Errno::OPNOTSUPP];
    let denied = [Errno::PERM, Errno::ACCESS].contains(&errno);
    let refuse =
        |layer, reason: &str, fix: String| Some(Refusal { layer, reason: reason.to_owned(), fix });
    let newer = || "use Linux 5.13 or later".to_owned();
    match stage {
        Stage::Identity if denied && around.root_unmappable => refuse(
            Layer::UserNamespace,
            "root without `CAP_SETFCAP` may not appear in a user namespace",
            "run as an ordinary user, or keep that capability (`--cap-add=SETFCAP`)".to_owned(),
        ),
        // The one setting among the limits that is written to `/proc/sys`.
        Stage::Rlimit if errno == Errno::ROFS => Some(covered(around)),
        Stage::Identity | Stage::HostName | Stage::Propagation | Stage::Scratch if denied => {
            Some(explain(errno, around))
        }
        Stage::Loopback | Stage::Listener if denied || ABSENT.contains(&errno) => refuse(
            Layer::NetworkNamespace,
            "the loopback of a new network cannot be brought up or listened at",
            "run outside a container, or in one that may set up the networks it makes".to_owned(),
        ),
        Stage::Source if errno == Errno::NOSYS => refuse(
            Layer::MountNamespace,
            "the kernel has no `open_tree`, `openat2` or `mount_setattr`",
            newer(),
        ),
        Stage::Descriptors if errno == Errno::NOSYS => {
            refuse(Layer::MountNamespace, "the kernel has no `close_range`", newer())
        }
        Stage::Processes if denied => Some(covered(around)),
        Stage::Overlay if denied || ABSENT.contains(&errno) => refuse(
            Layer::WorkspaceOverlay,
            "the project cannot be the lower layer of an overlay",
            "use Linux 5.13 or later, a project folder without mounts in it, and a file system \
             that overlays support"
                .to_owned(),
        ),
        Stage::Seccomp => refuse(
            Layer::Seccomp,
            "the kernel rejected the filter",
            "use a kernel with `CONFIG_SECCOMP_FILTER`".to_owned(),
        ),
        _ => None,
    }
}

/// The kernel mounts a new `/proc` only where the present one is wholly visible.
fn covered(around: &Surroundings) -> Refusal {
    const NAMED_MAX: usize = 3;
    let named: Vec<&str> = around.proc_covered.iter().take(NAMED_MAX).map(String::as_str).collect();
    let reason = match named.as_slice() {
        [] => "a new `/proc` cannot be mounted".to_owned(),
        some => format!(
            "a new `/proc` cannot be mounted because parts of the present one are covered, such \
             as `{}`",
            some.join("`, `")
        ),
    };
    let fix = match around.container {
        Some(_) => container(around),
        None => "unmount what lies over parts of `/proc`, and mount `/proc` itself".to_owned(),
    };
    Refusal { layer: Layer::PidNamespace, reason, fix }
}

/// What to do about a limit that cannot be kept, or could be kept better.
pub(crate) fn fix_of_limit(layer: Layer, around: &Surroundings) -> String {
    let hides = around.proc_hides.is_some() && !around.root && layer != Layer::CpuLimit;
    let unhide = if hides { "mount `/proc` without `hidepid`, or " } else { "" };
    let controllers = match layer {
        Layer::CpuLimit => "the `cpu` controller",
        _ => "the `memory` and `pids` controllers",
    };
    let how = match (around.container, around.groups) {
        (Some(_), Groups::Unified) => {
            "give the container a private, writable cgroup: `--cgroupns=private` and \
             `-v /sys/fs/cgroup:/sys/fs/cgroup:rw`"
        }
        (Some(_), _) => {
            "give the container the host's cgroups: `-v /sys/fs/cgroup:/sys/fs/cgroup:rw`"
        }
        (None, Groups::Unified) => {
            "delegate a cgroup: start with `systemd-run --user --scope -p Delegate=yes`, or as a \
             service with `Delegate=yes`"
        }
        (None, Groups::Legacy) => {
            "delegate a cgroup: run as root, or make folders below the controllers' that belong \
             to this user, and move this process there"
        }
        (None, Groups::None) => "mount cgroup v2 at `/sys/fs/cgroup` and delegate a cgroup",
    };
    let without = match layer {
        Layer::CpuLimit => ", or leave the limit out",
        _ => "",
    };
    format!("{unhide}{how}, with {controllers}{without}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_container(container: Container) -> Surroundings {
        Surroundings { container: Some(container), filtered: true, ..Surroundings::default() }
    }

    #[test]
    fn every_switch_names_itself() {
        let none = Surroundings::default;
        let off = Surroundings { user_namespaces_max: Some(0), ..none() };
        let debian = Surroundings { unprivileged_allowed: Some(0), ..none() };
        let ubuntu = Surroundings { apparmor_restricts: Some(1), ..none() };
        let docker = in_container(Container::Docker);
        let confined = Surroundings {
            container: Some(Container::Docker),
            apparmor_profile: Some("docker-default".to_owned()),
            ..none()
        };
        for (errno, around, reason, fix) in [
            (Errno::NOSPC, &off, "switched off", "user.max_user_namespaces=10000"),
            (Errno::PERM, &debian, "ordinary users", "kernel.unprivileged_userns_clone=1"),
            (Errno::ACCESS, &ubuntu, "AppArmor", "apparmor_restrict_unprivileged_userns=0"),
            (Errno::PERM, &ubuntu, "AppArmor", "AppArmor profile for palisade"),
            (Errno::USERS, &none(), "limit of user namespaces", "raise"),
            (Errno::NOSYS, &none(), "clone3", "5.13"),
            (Errno::AGAIN, &docker, "limit of processes", "raise"),
            (Errno::PERM, &docker, "seccomp profile", "systempaths=unconfined"),
            (Errno::NOSYS, &docker, "seccomp profile", "seccomp=unconfined"),
            (Errno::ACCESS, &confined, "`docker-default`", "apparmor=unconfined"),
            (Errno::PERM, &in_container(Container::Podman), "seccomp", "unmask=ALL"),
            (Errno::PERM, &in_container(Container::Kubernetes), "seccomp", "procMount: Unmasked"),
            (Errno::PERM, &in_container(Container::Other), "seccomp", "(Docker)"),
            (Errno::PERM, &Surroundings { filtered: true, ..none() }, "filter", "nothing filters"),
            (Errno::PERM, &none(), "not permitted", "outside a container"),
        ] {
            let refusal = explain(errno, around);
            assert_eq!(refusal.layer, Layer::UserNamespace);
            let found = (refusal.reason.contains(reason), refusal.fix.contains(fix));
            assert_eq!(found, (true, true), "{refusal:?} should say `{reason}` and `{fix}`");
        }
    }

    #[test]
    fn root_is_not_told_of_switches_that_do_not_concern_it() {
        for switches in [
            Surroundings { unprivileged_allowed: Some(0), ..Surroundings::default() },
            Surroundings { apparmor_restricts: Some(1), ..Surroundings::default() },
        ] {
            let refusal = explain(Errno::PERM, &Surroundings { root: true, ..switches });
            assert!(!refusal.fix.contains("sysctl"), "{refusal:?}");
        }
    }

    #[test]
    fn stages_are_explained_by_what_is_around() {
        let none = Surroundings::default();
        let masked = Surroundings {
            proc_covered: vec!["/proc/kcore".to_owned(), "/proc/keys".to_owned()],
            ..in_container(Container::Podman)
        };
        let bare = Surroundings { root: true, root_unmappable: true, ..masked.clone() };
        for (stage, errno, around, layer, reason, fix) in [
            (Stage::Processes, Errno::PERM, &masked, Layer::PidNamespace, "kcore`, `", "unmask"),
            (Stage::Processes, Errno::PERM, &none, Layer::PidNamespace, "`/proc`", "unmount"),
            (Stage::Identity, Errno::PERM, &masked, Layer::UserNamespace, "seccomp", "unmask"),
            (Stage::Identity, Errno::PERM, &bare, Layer::UserNamespace, "SETFCAP", "ordinary"),
            (Stage::Rlimit, Errno::ROFS, &masked, Layer::PidNamespace, "kcore", "unmask"),
            (Stage::Source, Errno::NOSYS, &none, Layer::MountNamespace, "openat2", "5.13"),
            (Stage::Descriptors, Errno::NOSYS, &none, Layer::MountNamespace, "close_range", "5.13"),
            (Stage::Overlay, Errno::NODEV, &none, Layer::WorkspaceOverlay, "lower", "overlays"),
            (Stage::Overlay, Errno::PERM, &none, Layer::WorkspaceOverlay, "lower", "5.13"),
            (Stage::Seccomp, Errno::INVAL, &none, Layer::Seccomp, "filter", "SECCOMP_FILTER"),
        ] {
            let refusal = explain_stage(stage, errno, around).unwrap();
            assert_eq!(refusal.layer, layer, "{stage:?}");
            let found = (refusal.reason.contains(reason), refusal.fix.contains(fix));
            assert_eq!(found, (true, true), "{refusal:?} should say `{reason}` and `{fix}`");
        }
    }

    #[test]
    fn stages_about_the_spec_are_no_refusals() {
        for stage in [Stage::Source, Stage::Mount, Stage::WorkspaceFile, Stage::WorkingDirectory] {
            assert_eq!(of_stage(stage, Errno::NOENT), None);
        }
        assert!(of_stage(Stage::Overlay, Errno::INVAL).is_some());
        assert!(of_stage(Stage::Loopback, Errno::PERM).is_some());
        assert_eq!(of_stage(Stage::Listener, Errno::NOBUFS), None);
        assert!(of_stage(Stage::Scratch, Errno::PERM).is_some());
        assert_eq!(of_stage(Stage::Scratch, Errno::NOMEM), None);
    }

    #[test]
    fn a_limit_is_advised_on_as_the_host_needs_it() {
        let with =
            |container, groups| Surroundings { container, groups, ..Surroundings::default() };
        let podman = Some(Container::Podman);
        for (around, expect) in [
            (with(None, Groups::Unified), "systemd-run --user --scope -p Delegate=yes"),
            (with(None, Groups::Legacy), "belong to this user"),
            (with(None, Groups::None), "mount cgroup v2"),
            (with(podman, Groups::Unified), "--cgroupns=private"),
            (with(podman, Groups::Legacy), "/sys/fs/cgroup:rw"),
        ] {
            let fix = fix_of_limit(Layer::MemoryLimit, &around);
            assert!(fix.contains(expect) && fix.ends_with("controllers"), "{fix}");
            assert!(fix_of_limit(Layer::CpuLimit, &around).ends_with("leave the limit out"));
            let hiding = Surroundings { proc_hides: Some("2".to_owned()), ..around };
            assert!(fix_of_limit(Layer::MemoryLimit, &hiding).contains("without `hidepid`"));
            let root = Surroundings { root: true, ..hiding };
            assert!(!fix_of_limit(Layer::MemoryLimit, &root).contains("hidepid"));
        }
    }

    #[test]
    fn a_floor_names_the_kernel_that_reaches_it() {
        for (floor, expect) in [(1, "5.13"), (4, "6.7"), (6, "6.12"), (9, "newer")] {
            let refusal = landlock_below(0, floor);
            assert!(refusal.fix.contains(expect), "{refusal:?}");
        }
    }
}
