//! What a sandbox stands on: everything of the host it was built from, by identity.
//!
//! Taken when a slot is made and again when it is checked out; a slot is used only if nothing
//! differs. Contents are not compared: a slot shows the files of the project as they are when the
//! program reads them. What is mounted is told by `mounts`.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Stat, fstat, statat};

use super::mounts::Mounts;
use crate::check::{Checked, Kind};
use crate::host::{Entry, Host};
use crate::spec::{Spec, WORKSPACE};

/// The identities, in a fixed order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Footing {
    user: (u32, u32),
    lower: Option<Identity>,
    hidden: Vec<Kind>,
    mounts: Vec<(Kind, Option<Identity>)>,
    /// Every folder and file of the project that was walked through, and what was not there.
    walked: Vec<Option<Identity>>,
    /// The parts of the host that every sandbox shows.
    shown: Vec<Option<Identity>>,
    /// What is mounted in any of these places.
    mounted: Vec<String>,
}

/// The same file, with the same permissions. `None` in its place means that nothing was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    mode: u32,
    owner: (u32, u32),
}

impl Footing {
    /// The footing of `spec` now, after `check` has looked at it. `None` where the mounts cannot be
    /// seen.
    pub(super) fn of(host: &Host, mounts: &Mounts, spec: &Spec, checked: &Checked) -> Option<Self> {
        let sources = checked.mounts.iter().map(|(mount, _)| mount.source.as_path());
        let system = host.shown.iter().map(|shown| Path::new(&shown.path));
        let roots: Vec<&Path> = sources.chain(system).chain([checked.lower.as_path()]).collect();
        let mounted = mounts.beneath(&roots).ok()?;
        let mounts = checked.mounts.iter();
        let shown = host.shown.iter();
        Some(Self {
            user: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
            lower: fstat(&checked.lower_fd).ok().map(Identity::of),
            hidden: checked.hidden.iter().map(|(_, kind)| *kind).collect(),
            mounts: mounts.map(|(mount, kind)| (*kind, at(&mount.source, NOT_LINKS))).collect(),
            walked: walked(spec, &checked.lower_fd),
            shown: shown
                .map(|shown| match shown.entry {
                    Entry::Link(_) => at(Path::new(&shown.path), NOT_LINKS),
                    Entry::Folder | Entry::File => at(Path::new(&shown.path), AtFlags::empty()),
                })
                .collect(),
            mounted,
        })
    }
}

const NOT_LINKS: AtFlags = AtFlags::SYMLINK_NOFOLLOW;

impl Identity {
    fn of(stat: Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            mode: stat.st_mode,
            owner: (stat.st_uid, stat.st_gid),
        }
    }
}

fn at(path: &Path, links: AtFlags) -> Option<Identity> {
    statat(CWD, path, links).ok().map(Identity::of)
}

/// The places in the workspace that were reached while it was built, step by step: what lies on
/// the way is remembered by the overlay and would not be seen to change.
fn walked(spec: &Spec, lower: &OwnedFd) -> Vec<Option<Identity>> {
    let targets = spec.mounts.iter().filter_map(|mount| mount.target.strip_prefix(WORKSPACE).ok());
    let files = spec.workspace.files.iter().map(|(path, _)| path.as_path());
    let hidden = spec.workspace.hidden.iter().map(PathBuf::as_path);
    let mut found = Vec::new();
    for place in hidden.chain(files).chain(targets) {
        let steps = place.ancestors().filter(|step| !step.as_os_str().is_empty());
        found.extend(steps.map(|step| statat(lower, step, NOT_LINKS).ok().map(Identity::of)));
    }
    found
}
