//! Landlock rules: what may be read, executed and written, whatever the mounts say.
//!
//! A second, independent statement of the root's permissions: a mistake in one of the two is
//! caught by the other. TCP is denied wherever the kernel can (generation 4), and signals and
//! abstract sockets do not leave the sandbox (generation 6). Source: the kernel's
//! `Documentation/userspace-api/landlock.rst`.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr,
    Scope,
};

use super::{PlanError, c_path};
use crate::check::{Checked, Kind};
use crate::host::{Entry, Host};
use crate::profile::Profile;
use crate::spec::{Access, HOME, Spec, WORKSPACE};

/// The ruleset and the rules still to be added to it.
pub(crate) struct Confinement {
    pub(crate) ruleset: OwnedFd,
    pub(crate) rules: Vec<Rule>,
}

/// Allows some access to everything beneath a path of the finished root.
pub(crate) struct Rule {
    pub(crate) path: CString,
    pub(crate) access: u64,
}

impl Confinement {
    pub(super) fn new(host: &Host, spec: &Spec, checked: &Checked) -> Result<Self, PlanError> {
        let abi = host.landlock_abi().ok_or(PlanError::NoLandlock)?;
        let mut list = Rules { rules: Vec::new(), abi };
        list.add(Path::new("/"), AccessFs::ReadDir.into())?;
        list.add(Path::new("/etc"), read())?;
        list.add(Path::new("/proc"), read())?;
        let programs = host
            .shown
            .iter()
            .filter(|shown| shown.entry == Entry::Folder && !shown.path.starts_with("/etc/"));
        for shown in programs {
            list.add(Path::new(&shown.path), read() | AccessFs::Execute)?;
        }
        let device = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
        list.add(Path::new("/dev"), read() | device)?;
        for folder in [WORKSPACE, "/tmp", HOME] {
            list.add(Path::new(folder), list.write() | own_programs(spec.profile))?;
        }
        list.add(Path::new("/dev/shm"), list.write())?;
        for (mount, kind) in &checked.mounts {
            let access = match mount.access {
                Access::Read => read() | AccessFs::Execute,
                Access::Write => list.write() | own_programs(spec.profile),
            };
            list.add_kind(&mount.target, access, *kind)?;
        }
        Ok(Self { ruleset: ruleset(abi)?, rules: list.rules })
    }
}

/// The rules so far, and the generation that says which rights exist.
struct Rules {
    rules: Vec<Rule>,
    abi: ABI,
}

impl Rules {
    fn add(&mut self, path: &Path, access: BitFlags<AccessFs>) -> Result<(), PlanError> {
        self.add_kind(path, access, Kind::Folder)
    }

    fn add_kind(
        &mut self,
        path: &Path,
        access: BitFlags<AccessFs>,
        kind: Kind,
    ) -> Result<(), PlanError> {
        let possible = match kind {
            Kind::File => AccessFs::from_file(self.abi),
            Kind::Folder | Kind::Absent => AccessFs::from_all(self.abi),
        };
        self.rules.push(Rule { path: c_path(path)?, access: (access & possible).bits() });
        Ok(())
    }

    /// Everything but executing and making device nodes.
    fn write(&self) -> BitFlags<AccessFs> {
        let kept_back = AccessFs::Execute | AccessFs::MakeBlock | AccessFs::MakeChar;
        AccessFs::from_all(self.abi) & !kept_back
    }
}

fn read() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// Whether a program may execute what it wrote itself: builds need it, extensions do not.
fn own_programs(profile: Profile) -> BitFlags<AccessFs> {
    match profile {
        Profile::Standard => AccessFs::Execute.into(),
        Profile::Strict => BitFlags::empty(),
    }
}

/// A ruleset that handles everything the generation knows, so that what no rule allows is denied.
fn ruleset(abi: ABI) -> Result<OwnedFd, PlanError> {
    let mut set = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V4 {
        set = set.handle_access(AccessNet::from_all(abi))?;
    }
    if abi >= ABI::V6 {
        set = set.scope(Scope::from_all(abi))?;
    }
    Option::<OwnedFd>::from(set.create()?).ok_or(PlanError::NoLandlock)
}
