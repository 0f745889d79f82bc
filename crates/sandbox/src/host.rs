//! Facts about this host that do not change while the process runs.
//!
//! Found once, because a launch has no time to look. Tests build one by hand to play a host on
//! which a layer is missing. Whether the facts are good enough is judged in `launch` and `probe`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use landlock::ABI;

use crate::limits::Hierarchy;
use crate::plan::{visible, visible_to_proxy};
use crate::profile::Profile;
use crate::sys::landlock::generation;

/// What the launcher needs to know about the host.
#[derive(Clone, Debug)]
pub struct Host {
    /// The Landlock generation that will be used; `None` where the kernel has none.
    pub landlock: Option<u32>,
    /// The parts of the host every other sandbox shows read-only.
    pub(crate) shown: Vec<Shown>,
    /// The parts of the host that the egress proxy's own process is shown instead.
    pub(crate) shown_to_proxy: Vec<Shown>,
    /// Files of `/proc` that are covered.
    pub(crate) masked: Vec<String>,
    /// Where groups for limits can be made.
    pub(crate) cgroups: Hierarchy,
    /// Identities of the supervisor's own namespaces, in the order of the report.
    pub(crate) namespaces: [u64; crate::inside::report::NAMESPACES],
}

/// One entry of the root that comes from the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) path: String,
    pub(crate) entry: Entry,
}

/// How an entry of the host is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Folder,
    File,
    /// A symbolic link with this content; what it leads to has to be shown by itself.
    Link(PathBuf),
}

impl Host {
    /// The host this process runs on.
    pub fn current() -> &'static Self {
        static HOST: OnceLock<Host> = OnceLock::new();
        HOST.get_or_init(Self::discover)
    }

    fn discover() -> Self {
        Self {
            landlock: generation().and_then(|kernel| u32::try_from(ABI::from(kernel) as i32).ok()),
            shown: visible().filter_map(look).collect(),
            shown_to_proxy: visible_to_proxy().filter_map(look).collect(),
            masked: MASKED
                .iter()
                .filter(|(path, _)| is_readable_inside(Path::new(path)))
                .map(|(path, _)| (*path).to_owned())
                .collect(),
            cgroups: Hierarchy::discover(),
            namespaces: NAMESPACE_FILES.map(identity),
        }
    }

    /// What of this host a program held by `profile` is shown.
    pub(crate) fn shown(&self, profile: Profile) -> &[Shown] {
        match profile {
            Profile::Strict | Profile::StrictNet | Profile::Standard | Profile::StandardNet => {
                &self.shown
            }
            Profile::Proxy => &self.shown_to_proxy,
        }
    }

    /// The Landlock generation as the `landlock` crate names it.
    pub(crate) fn landlock_abi(&self) -> Option<ABI> {
        self.landlock.and_then(|version| i32::try_from(version).ok()).map(ABI::from)
    }
}

/// The supervisor's namespaces, in the order of the report.
const NAMESPACE_FILES: [&str; crate::inside::report::NAMESPACES] =
    ["user", "mnt", "pid", "ipc", "uts", "net", "cgroup"];

/// Files of `/proc` covered by an empty one where the program could read them, with the reason.
const MASKED: [(&str, &str); 8] = [
    ("/proc/kcore", "memory of the kernel"),
    ("/proc/keys", "key names of the user"),
    ("/proc/kpagecgroup", "memory layout of the host"),
    ("/proc/kpagecount", "memory layout of the host"),
    ("/proc/kpageflags", "memory layout of the host"),
    ("/proc/slabinfo", "allocations of the kernel"),
    ("/proc/timer_list", "addresses and activity of the host"),
    ("/proc/vmallocinfo", "addresses of the kernel"),
];

/// When the caller is root, the program's user id owns these files, although it has no capability;
/// some can be read by everybody.
fn is_readable_inside(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    const BY_OTHERS: u32 = 0o004;
    std::fs::metadata(path).is_ok_and(|found| {
        rustix::process::geteuid().is_root() || found.permissions().mode() & BY_OTHERS != 0
    })
}

fn look(path: &'static str) -> Option<Shown> {
    let found = std::fs::symlink_metadata(path).ok()?;
    let entry = if found.is_symlink() {
        Entry::Link(std::fs::read_link(path).ok()?)
    } else if found.is_dir() {
        Entry::Folder
    } else {
        Entry::File
    };
    Some(Shown { path: path.to_owned(), entry })
}

fn identity(name: &str) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(format!("/proc/self/ns/{name}")).map_or(0, |found| found.ino())
}
