//! Why a host cannot run sandboxes, and what its owner can do about it.
//!
//! Texts only, chosen from what the kernel answered and from the switches that distributions use
//! to forbid user namespaces. `doctor` shows the same texts, through `probe`.

use std::fs;

use rustix::io::Errno;

use crate::inside::report::Stage;
use crate::layer::Layer;

/// A layer that is missing on this host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {layer} is not available: {reason}")]
pub struct Refusal {
    /// Which layer.
    pub layer: Layer,
    /// Why, as a fragment.
    pub reason: String,
    /// What to do, as a sentence fragment.
    pub fix: String,
}

/// The kernel's switches that forbid user namespaces; `None` where a switch does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Switches {
    pub(crate) user_namespaces_max: Option<u64>,
    pub(crate) unprivileged_allowed: Option<u64>,
    pub(crate) apparmor_restricts: Option<u64>,
}

impl Switches {
    pub(crate) fn read() -> Self {
        let value = |path| fs::read_to_string(path).ok()?.trim().parse().ok();
        Self {
            user_namespaces_max: value("/proc/sys/user/max_user_namespaces"),
            unprivileged_allowed: value("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: value("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        }
    }
}

/// Why `clone3` was refused.
pub(crate) fn user_namespace(errno: Errno) -> Refusal {
    explain(errno, Switches::read())
}

/// The pure part of [`user_namespace`].
pub(crate) fn explain(errno: Errno, switches: Switches) -> Refusal {
    let (reason, fix) = match (errno, switches) {
        (_, Switches { user_namespaces_max: Some(0), .. }) => (
            "user namespaces are switched off".to_owned(),
            "set `sysctl user.max_user_namespaces=10000`",
        ),
        (_, Switches { unprivileged_allowed: Some(0), .. }) => (
            "ordinary users may not make user namespaces".to_owned(),
            "set `sysctl kernel.unprivileged_userns_clone=1`",
        ),
        (_, Switches { apparmor_restricts: Some(restricts), .. }) if restricts != 0 => (
            "AppArmor restricts user namespaces of programs without a profile".to_owned(),
            "install an AppArmor profile for palisade that allows `userns`, or set \
             `sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
        ),
        (Errno::NOSPC | Errno::USERS, _) => (
            "the limit of user namespaces is reached".to_owned(),
            "raise `sysctl user.max_user_namespaces`",
        ),
        (Errno::NOSYS, _) => (
            "the kernel or a container's seccomp profile has no `clone3`".to_owned(),
            "use Linux 5.13 or later, and a container profile that allows `clone3`",
        ),
        (Errno::AGAIN, _) => (
            "the limit of processes is reached".to_owned(),
            "raise the limit of processes of this user or of its cgroup",
        ),
        (errno, _) => (
            format!("the kernel answered `{}`", std::io::Error::from(errno)),
            "run outside a container, or in one that may make user namespaces and mounts",
        ),
    };
    Refusal { layer: Layer::UserNamespace, reason, fix: fix.to_owned() }
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

/// A failed stage that says something about the host and not about the spec.
pub(crate) fn of_stage(stage: Stage, errno: Errno) -> Option<Refusal> {
    const DENIED: [Errno; 2] = [Errno::PERM, Errno::ACCESS];
    const ABSENT: [Errno; 4] = [Errno::NOSYS, Errno::INVAL, Errno::NODEV, Errno::OPNOTSUPP];
    let denied = DENIED.contains(&errno);
    let refuse = |layer, reason: &str, fix: &str| {
        Some(Refusal { layer, reason: reason.to_owned(), fix: fix.to_owned() })
    };
    match stage {
        Stage::Identity | Stage::HostName | Stage::Propagation | Stage::Scratch if denied => {
            Some(user_namespace(errno))
        }
        Stage::Source if errno == Errno::NOSYS => refuse(
            Layer::MountNamespace,
            "the kernel has no `mount_setattr`",
            "use Linux 5.13 or later",
        ),
        Stage::Processes if denied => refuse(
            Layer::PidNamespace,
            "a new `/proc` cannot be mounted because parts of the present one are covered",
            "run outside a container, or in one whose `/proc` is not masked",
        ),
        Stage::Overlay if denied || ABSENT.contains(&errno) => refuse(
            Layer::WorkspaceOverlay,
            "the project cannot be the lower layer of an overlay",
            "use Linux 5.13 or later, a project folder without mounts in it, and a file system \
             that overlays support",
        ),
        Stage::Seccomp => refuse(
            Layer::Seccomp,
            "the kernel rejected the filter",
            "use a kernel with `CONFIG_SECCOMP_FILTER`",
        ),
        _ => None,
    }
}

/// What to do about a limit that cannot be kept.
pub(crate) fn fix_of_limit(layer: Layer) -> &'static str {
    match layer {
        Layer::CpuLimit => "delegate a cgroup with the `cpu` controller, or leave the limit out",
        Layer::ProcessLimit => {
            "delegate a cgroup with the `pids` controller, or run as an ordinary user"
        }
        _ => "delegate a cgroup with the `memory` and `pids` controllers",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(errno: Errno, switches: Switches, expect: &str) {
        let refusal = explain(errno, switches);
        assert_eq!(refusal.layer, Layer::UserNamespace);
        assert!(refusal.fix.contains(expect), "{refusal:?} should say {expect}");
    }

    #[test]
    fn every_switch_names_itself() {
        let none = Switches::default();
        check(Errno::NOSPC, Switches { user_namespaces_max: Some(0), ..none }, "max_user_names");
        check(Errno::PERM, Switches { unprivileged_allowed: Some(0), ..none }, "userns_clone=1");
        check(Errno::ACCESS, Switches { apparmor_restricts: Some(1), ..none }, "AppArmor profile");
        check(Errno::USERS, none, "raise");
        check(Errno::NOSYS, none, "5.13");
        check(Errno::PERM, none, "container");
        check(Errno::PERM, Switches { apparmor_restricts: Some(0), ..none }, "container");
    }

    #[test]
    fn stages_about_the_spec_are_no_refusals() {
        for stage in [Stage::Source, Stage::Mount, Stage::WorkspaceFile, Stage::WorkingDirectory] {
            assert_eq!(of_stage(stage, Errno::NOENT), None);
        }
        assert!(of_stage(Stage::Overlay, Errno::INVAL).is_some());
        assert!(of_stage(Stage::Scratch, Errno::PERM).is_some());
        assert_eq!(of_stage(Stage::Scratch, Errno::NOMEM), None);
    }
}
