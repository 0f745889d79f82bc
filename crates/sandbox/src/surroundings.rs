//! What a host, a container or a distribution does that stands in the way of a sandbox.
//!
//! Facts only, each as the kernel or a well-known file says it; a fact that cannot be found out is
//! absent. What they mean, and what to do about them, is in `refusal` and `probe`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The facts about a host that explain why a layer is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// This process is root, in its own user namespace.
    pub root: bool,
    /// It is root and lacks `CAP_SETFCAP`, without which it may not appear in a user namespace.
    pub root_unmappable: bool,
    /// The container this process runs in, if it runs in one.
    pub container: Option<Container>,
    /// `user.max_user_namespaces`.
    pub user_namespaces_max: Option<u64>,
    /// `kernel.unprivileged_userns_clone`, of Debian and its kin.
    pub unprivileged_allowed: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, of Ubuntu since 23.10.
    pub apparmor_restricts: Option<u64>,
    /// The AppArmor profile of this process, if it is confined by one.
    pub apparmor_profile: Option<String>,
    /// A seccomp filter is in force for this process already.
    pub filtered: bool,
    /// Places in `/proc` that are covered or read-only.
    pub proc_covered: Vec<String>,
    /// The `hidepid` option of `/proc`, where it hides something.
    pub proc_hides: Option<String>,
    /// Options of the mount that holds `/tmp` which change what can be done with files in it.
    pub tmp_options: Vec<String>,
    /// The control groups of the host.
    pub groups: Groups,
}

/// Whose container it is, as far as the advice differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Podman.
    Podman,
    /// Docker.
    Docker,
    /// A pod of Kubernetes.
    Kubernetes,
    /// Some other.
    Other,
}

/// The control groups of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Groups {
    /// Nothing is mounted.
    #[default]
    None,
    /// Only version 2.
    Unified,
    /// Controllers of version 1.
    Legacy,
}

impl Surroundings {
    /// Looks around.
    #[must_use]
    pub fn gather() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let number = |path| read(path).trim().parse().ok();
        let exists = |path: &str| Path::new(path).exists();
        let mounts = read("/proc/self/mountinfo");
        let status = read("/proc/self/status");
        let root = rustix::process::geteuid().is_root();
        Self {
            root,
            root_unmappable: root && lacks_setfcap(&status),
            container: container(
                &std::env::var("container").unwrap_or_default(),
                &exists,
                &read("/proc/1/cgroup"),
            )
            .filter(|_| !is_outermost()),
            user_namespaces_max: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_allowed: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            apparmor_profile: apparmor(&read("/proc/self/attr/apparmor/current")),
            filtered: status.lines().any(|line| line == "Seccomp:\t2"),
            ..Self::of_mounts(&mounts)
        }
    }

    /// What the text of `mountinfo` says.
    fn of_mounts(text: &str) -> Self {
        let mut found = Self::default();
        let mut deepest = 0;
        for mount in text.lines().filter_map(Mount::parse) {
            match (mount.place, mount.kind) {
                ("/proc", _) => found.proc_hides = mount.hides(),
                (place, kind) if place.starts_with("/proc/") && kind != "binfmt_misc" => {
                    found.proc_covered.push(place.to_owned());
                }
                (_, "cgroup") => found.groups = Groups::Legacy,
                (_, "cgroup2") if found.groups == Groups::None => found.groups = Groups::Unified,
                _ => {}
            }
            let holds_tmp = Path::new("/tmp").starts_with(mount.place);
            if holds_tmp && mount.place.len() >= deepest {
                deepest = mount.place.len();
                let telling = |option: &&str| matches!(*option, "noexec" | "nosuid" | "ro");
                found.tmp_options =
                    mount.options.split(',').filter(telling).map(str::to_owned).collect();
            }
        }
        found
    }
}

/// One line of `mountinfo`.
struct Mount<'a> {
    place: &'a str,
    options: &'a str,
    kind: &'a str,
    /// Options of the file system, not of this mount of it.
    inner: &'a str,
}

impl<'a> Mount<'a> {
    /// Fields as in proc_pid_mountinfo(5): the optional ones end at a lone dash.
    fn parse(line: &'a str) -> Option<Self> {
        let (first, second) = line.split_once(" - ")?;
        let mut fields = first.split(' ').skip(4);
        let (place, options) = (fields.next()?, fields.next()?);
        let mut fields = second.split(' ');
        let kind = fields.next()?;
        Some(Self { place, options, kind, inner: fields.nth(1).unwrap_or_default() })
    }

    fn hides(&self) -> Option<String> {
        let options = self.inner.split(',').filter_map(|option| option.strip_prefix("hidepid="));
        let mut hiding = options.filter(|value| !matches!(*value, "0" | "off"));
        hiding.next_back().map(str::to_owned)
    }
}

/// Whether this is the host's own pid namespace, whose number never changes. The disk of a virtual
/// machine may have been made from a container's image, with all that its engine left in it.
fn is_outermost() -> bool {
    const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
    fs::metadata("/proc/self/ns/pid").is_ok_and(|found| found.ino() == FIRST_PID_NAMESPACE)
}

/// Engines leave a file, a variable or their name in the group of the first process.
fn container(variable: &str, exists: &dyn Fn(&str) -> bool, group: &str) -> Option<Container> {
    let named = |word: &str| group.contains(word);
    if exists("/var/run/secrets/kubernetes.io") || named("kubepods") {
        Some(Container::Kubernetes)
    } else if exists("/run/.containerenv") || variable == "podman" || named("libpod") {
        Some(Container::Podman)
    } else if exists("/.dockerenv") || variable == "docker" || named("docker") {
        Some(Container::Docker)
    } else if !variable.is_empty() || exists("/run/systemd/container") || named("lxc") {
        Some(Container::Other)
    } else {
        None
    }
}

/// Whether the effective capabilities in the text of `status` lack `CAP_SETFCAP`.
fn lacks_setfcap(status: &str) -> bool {
    const SETFCAP: u32 = 31;
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = held.and_then(|held| u64::from_str_radix(held.trim(), 16).ok());
    held.is_some_and(|held| held & (1 << SETFCAP) == 0)
}

/// The name of a profile that confines, from text such as `docker-default (enforce)`.
fn apparmor(text: &str) -> Option<String> {
    let (name, mode) = text.trim().rsplit_once(" (")?;
    (mode == "enforce)").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_told_by_what_their_engine_leaves() {
        let check = |variable, file: &str, group, expect| {
            let found = container(variable, &|path| path == file, group);
            assert_eq!(found, expect, "{variable} {file} {group}");
        };
        check("", "", "0::/init.scope\n", None);
        check("podman", "", "", Some(Container::Podman));
        check("", "/run/.containerenv", "", Some(Container::Podman));
        check("", "/.dockerenv", "", Some(Container::Docker));
        check("", "", "4:memory:/docker/ab\n", Some(Container::Docker));
        check("", "/.dockerenv", "4:memory:/kubepods/x\n", Some(Container::Kubernetes));
        check("lxc", "", "", Some(Container::Other));
        check("", "/run/systemd/container", "", Some(Container::Other));
    }

    #[test]
    fn mounts_tell_what_is_covered_hidden_and_not_executable() {
        let text = "\
21 1 0:1 / / rw,relatime - ext4 /dev/vda rw
22 21 0:5 / /proc rw,nosuid,nodev,noexec - proc proc rw,hidepid=invisible
23 22 0:6 / /proc/kcore rw,nosuid - tmpfs tmpfs rw
24 22 0:5 /sys /proc/sys ro - proc proc rw
25 22 0:7 / /proc/sys/fs/binfmt_misc rw - binfmt_misc binfmt_misc rw
26 21 0:8 / /tmp rw,nosuid,nodev,noexec shared:3 - tmpfs tmpfs rw
27 21 0:9 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        let found = Surroundings::of_mounts(text);
        assert_eq!(found.proc_covered, ["/proc/kcore", "/proc/sys"]);
        assert_eq!(found.proc_hides.as_deref(), Some("invisible"));
        assert_eq!(found.tmp_options, ["nosuid", "noexec"]);
        assert_eq!(found.groups, Groups::Unified);
        let plain = Surroundings::of_mounts(
            "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /proc rw - proc proc rw,hidepid=0\n\
             3 1 0:3 / /g/unified rw - cgroup2 x rw\n4 1 0:4 / /g/memory rw - cgroup x rw,memory",
        );
        let expect = Surroundings { groups: Groups::Legacy, ..Surroundings::default() };
        assert_eq!(plain, expect);
    }

    #[test]
    fn only_a_profile_that_enforces_confines() {
        assert_eq!(apparmor("docker-default (enforce)\n").as_deref(), Some("docker-default"));
        assert_eq!(apparmor("unconfined\n"), None);
        assert_eq!(apparmor("x (complain)\n"), None);
        assert_eq!(apparmor(""), None);
    }

    #[test]
    fn the_one_capability_that_counts_is_read() {
        assert!(!lacks_setfcap("Name:\tx\nCapEff:\t00000000800405fb\n"));
        assert!(lacks_setfcap("CapEff:\t0000000000000000\n"));
        assert!(!lacks_setfcap(""));
    }

    #[test]
    fn this_host_is_described() {
        let found = Surroundings::gather();
        assert_eq!(found.root, rustix::process::geteuid().is_root());
        assert!(found.user_namespaces_max.is_some());
    }
}
