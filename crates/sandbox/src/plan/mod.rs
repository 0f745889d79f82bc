//! Everything the inside will do, prepared before it exists.
//!
//! After a raw `clone3` nothing may be allocated, so each string, table and descriptor is made
//! here, in the supervisor. A plan is data; the order in which it is carried out is in `inside`.

mod describe;
mod etc;
mod landlock;
mod program;
mod resolver;
mod root;
mod workspace;

use std::cell::OnceCell;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::{Resource, Rlimit};

use crate::check::Checked;
use crate::host::Host;
use crate::profile::Profile;
use crate::spec::{Network, Spec};
use crate::sys::mount::Flags;

pub(crate) use landlock::{Confinement, Rule};
pub(crate) use program::{Program, Text, empty_input, environment, fill, input};
pub(crate) use root::{Root, scratch_options, visible, visible_to_proxy};
pub(crate) use workspace::{Attached, Hidden, Workspace, Written};

/// The prepared work of one sandbox.
pub(crate) struct Plan {
    pub(crate) identity: Identity,
    pub(crate) root: Root,
    pub(crate) workspace: Workspace,
    pub(crate) confinement: Confinement,
    pub(crate) program: Program,
    pub(crate) rlimits: Vec<(Resource, Rlimit)>,
    pub(crate) network: Network,
    pub(crate) profile: Profile,
    /// Whether the supervisor counts what is used inside.
    pub(crate) is_watched: bool,
}

impl Plan {
    /// Prepares `spec` for `host`. Fails only where the kernel refuses a descriptor or a ruleset.
    pub(crate) fn new(
        host: &Host,
        spec: &Spec,
        checked: &Checked,
        rlimits: Vec<(Resource, Rlimit)>,
    ) -> Result<Self, PlanError> {
        Ok(Self {
            identity: Identity::of_caller(),
            root: Root::new(host, spec)?,
            workspace: Workspace::new(spec, checked)?,
            confinement: Confinement::new(host, spec, checked)?,
            program: Program::new(spec)?,
            rlimits,
            network: spec.network,
            profile: spec.profile,
            is_watched: false,
        })
    }
}

/// Why a plan could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// A path or text holds a NUL byte; `check` finds these first.
    #[error("a path holds a NUL byte")]
    Text(#[from] std::ffi::NulError),
    /// The kernel refused the Landlock ruleset.
    #[error("the landlock ruleset was refused")]
    Landlock(#[from] ::landlock::RulesetError),
    /// The kernel offers no Landlock at all.
    #[error("landlock is not available")]
    NoLandlock,
    /// The kernel's Landlock is older than the spec accepts.
    #[error("landlock generation {found} is older than {floor}")]
    OldLandlock {
        /// What the kernel has.
        found: u32,
        /// What the spec asks for.
        floor: u32,
    },
    /// A descriptor could not be made.
    #[error("a descriptor could not be made")]
    Descriptor(#[from] io::Error),
}

/// Which ids the program has, as the three texts the kernel wants.
pub(crate) struct Identity {
    pub(crate) uid_outside: u32,
    pub(crate) gid_outside: u32,
    pub(crate) uid_map: Vec<u8>,
    pub(crate) gid_map: Vec<u8>,
}

impl Identity {
    /// The user and group id inside, whoever the caller is.
    pub(crate) const INSIDE: u32 = 1000;

    fn of_caller() -> Self {
        let uid_outside = rustix::process::geteuid().as_raw();
        let gid_outside = rustix::process::getegid().as_raw();
        let map = |outside: u32| format!("{} {outside} 1\n", Self::INSIDE).into_bytes();
        Self { uid_outside, gid_outside, uid_map: map(uid_outside), gid_map: map(gid_outside) }
    }
}

/// A part of the host that is cloned before anything is covered and attached later.
pub(crate) struct Tree {
    /// Where it is on the host.
    pub(crate) source: CString,
    /// Where it goes, relative to the scratch file system.
    pub(crate) target: CString,
    pub(crate) flags: Flags,
    pub(crate) links: Links,
    /// The clone, once the inside has made it.
    pub(crate) fd: OnceCell<OwnedFd>,
}

impl Tree {
    fn new(source: &Path, target: CString, flags: Flags, links: Links) -> Result<Self, PlanError> {
        Ok(Self { source: c_path(source)?, target, flags, links, fd: OnceCell::new() })
    }

    /// A part of the host without any restriction.
    #[cfg(weaken)]
    pub(crate) fn whole(source: &Path, target: CString) -> Result<Self, PlanError> {
        Self::new(source, target, Flags::NONE, Links::FollowOptional)
    }
}

/// What symbolic links in a source path mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// The host's own layout; followed, and a source that has vanished is left out.
    FollowOptional,
    /// Somebody decided about this very path; a link is an error.
    Refuse,
}

/// A path beneath a folder, one component at a time.
pub(crate) struct Walk(pub(crate) Vec<CString>);

impl Walk {
    fn new(path: &Path) -> Result<Self, PlanError> {
        let parts = path.components().filter_map(|part| match part {
            std::path::Component::Normal(name) => Some(CString::new(name.as_bytes())),
            _ => None,
        });
        Ok(Self(parts.collect::<Result<_, _>>()?))
    }
}

fn c_path(path: &Path) -> Result<CString, PlanError> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// The place of an absolute path in the unfinished root: `/usr` becomes `root/usr`.
fn in_root(path: &str) -> Result<CString, PlanError> {
    Ok(CString::new(format!("root/{}", path.trim_start_matches('/')))?)
}
