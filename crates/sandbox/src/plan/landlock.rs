//! Landlock rules: what may be read, executed and written, whatever the mounts say.
//!
//! A second, independent statement of the root's permissions: a mistake in one of the two is
//! caught by the other. TCP is denied wherever the kernel can (generation 4) and there is no network;
//! signals and abstract sockets do not leave the sandbox (generation 6). Source: the kernel's
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
use crate::spec::{Access, HOME, Network, SECRETS, Spec, WORKSPACE};

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
        let abi = generation(host, spec)?;
        let mut list = Rules { rules: Vec::new(), abi };
        list.add(Path::new("/"), AccessFs::ReadDir.into())?;
        list.add(Path::new("/etc"), read())?;
        list.add(Path::new("/proc"), read())?;
        if !spec.secrets.is_empty() {
            list.add(Path::new(SECRETS), read())?;
        }
        let programs = host
            .shown(spec.profile)
            .iter()
            .filter(|shown| shown.entry == Entry::Folder && !shown.path.starts_with("/etc/"));
        for shown in programs {
            list.add(Path::new(&shown.path), read() | shown_programs(spec.profile))?;
        }
        if spec.profile == Profile::Proxy {
            list.add_interpreters()?;
        }
        let device = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
        list.add(Path::new("/dev"), read() | device)?;
        if spec.profile != Profile::Proxy {
            for folder in [WORKSPACE, "/tmp", HOME] {
                list.add(Path::new(folder), list.write() | own_programs(spec.profile))?;
            }
            list.add(Path::new("/dev/shm"), list.write())?;
        }
        for (mount, kind) in &checked.mounts {
            let access = match mount.access {
                Access::Read => read() | AccessFs::Execute,
                Access::Write => list.write() | own_programs(spec.profile),
            };
            list.add_kind(&mount.target, access, *kind)?;
        }
        Ok(Self { ruleset: ruleset(abi, spec.network)?, rules: list.rules })
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

    /// The kernel executes the loader of a program as it executes the program. Loaders this host
    /// does not have are left out.
    fn add_interpreters(&mut self) -> Result<(), PlanError> {
        const INTERPRETERS: [&str; 4] = [
            "/lib64/ld-linux-x86-64.so.2",
            "/lib/ld-linux-aarch64.so.1",
            "/lib/ld-musl-x86_64.so.1",
            "/lib/ld-musl-aarch64.so.1",
        ];
        INTERPRETERS.into_iter().map(Path::new).filter(|path| path.is_file()).try_for_each(|path| {
            self.add_kind(path, AccessFs::ReadFile | AccessFs::Execute, Kind::File)
        })
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
        Profile::Standard | Profile::StandardNet => AccessFs::Execute.into(),
        Profile::Strict | Profile::StrictNet | Profile::Proxy => BitFlags::empty(),
    }
}

/// Whether the programs of the host can be executed. The egress proxy is mounted for itself and
/// starts no other.
fn shown_programs(profile: Profile) -> BitFlags<AccessFs> {
    match profile {
        Profile::Strict | Profile::StrictNet | Profile::Standard | Profile::StandardNet => {
            AccessFs::Execute.into()
        }
        Profile::Proxy => BitFlags::empty(),
    }
}

/// The generation to use, where it is there and not older than the spec accepts.
fn generation(host: &Host, spec: &Spec) -> Result<ABI, PlanError> {
    let found = host.landlock.ok_or(PlanError::NoLandlock)?;
    match spec.landlock_floor {
        Some(floor) if found < floor => Err(PlanError::OldLandlock { found, floor }),
        _ => host.landlock_abi().ok_or(PlanError::NoLandlock),
    }
}

/// A ruleset that handles everything the generation knows, so that what no rule allows is denied.
fn ruleset(abi: ABI, network: Network) -> Result<OwnedFd, PlanError> {
    let mut set = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V4 {
        set = match network {
            Network::None => set.handle_access(AccessNet::from_all(abi))?,
            // Rules name single ports, and programs take any on a loopback that is all there is.
            Network::Proxy => set,
            Network::Host => set.handle_access(AccessNet::BindTcp)?,
        };
    }
    if abi >= ABI::V6 {
        set = set.scope(Scope::from_all(abi))?;
    }
    Option::<OwnedFd>::from(set.create()?).ok_or(PlanError::NoLandlock)
}
