//! The workspace of a container: the same overlay as the local driver's, in mounts of its own.
//!
//! A thread leaves the host's mounts, builds the workspace on a scratch file system whose size is
//! the limit, and starts the runtime from there. Nothing of it is ever visible on the host, and it
//! is gone with the last process of the container: there is nothing to unmount and nothing to
//! sweep. Only root can do this, and only for a runtime that is started here and not a daemon.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, chownat, fstat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Gid, Uid};

use super::error::ContainerError;
use super::{gate, owner};
use crate::check::Checked;
use crate::inside::report::Fault;
use crate::inside::{root, workspace};
use crate::plan::{self, scratch_options};
use crate::spec::{Access, HOME, Network, Spec, WORKSPACE};
use crate::sys::namespace;

/// Where the scratch file system is mounted, out of everybody's sight; an empty folder to others.
pub(super) const STAGE: &str = "/run/palisade";
/// The file with the number of the container's first process, on the scratch file system.
pub(super) const PID_FILE: &str = "first";

/// A started runtime, and what connects us with its container.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) client: Child,
    pub(super) upper: OwnedFd,
    /// The scratch file system.
    pub(super) scratch: OwnedFd,
}

/// A bind mount, as the runtime is asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) source: PathBuf,
    pub(super) target: PathBuf,
    pub(super) access: Access,
}

/// Everything of the scratch file system that appears inside.
pub(super) fn binds(checked: &Checked) -> Vec<Bind> {
    let stage = Path::new(STAGE);
    let bind = |source: &str, target: &str| Bind {
        source: stage.join(source),
        target: target.into(),
        access: Access::Write,
    };
    let own = [
        bind("root/workspace", WORKSPACE),
        bind("tmp", "/tmp"),
        bind("home", HOME),
        bind("shm", "/dev/shm"),
    ];
    let further = checked.mounts.iter().map(|(mount, _)| mount);
    let outside = further.filter(|mount| !mount.target.starts_with(WORKSPACE));
    let further = outside.map(|mount| Bind {
        source: stage.join("root").join(mount.target.strip_prefix("/").unwrap_or(&mount.target)),
        target: mount.target.clone(),
        access: mount.access,
    });
    own.into_iter().chain(further).collect()
}

/// Builds the workspace and starts `command` where it can see it.
pub(super) fn start(
    spec: &Spec,
    checked: &Checked,
    command: Command,
) -> Result<Started, ContainerError> {
    std::fs::create_dir_all(STAGE)?;
    std::thread::scope(|scope| {
        let building = std::thread::Builder::new()
            .name("palisade-place".into())
            .spawn_scoped(scope, || build(spec, checked, command))?;
        building.join().unwrap_or_else(|_| Err(io::Error::other("the thread ended").into()))
    })
}

/// Runs in a thread of its own, which never comes back to the host's mounts.
fn build(spec: &Spec, checked: &Checked, mut command: Command) -> Result<Started, ContainerError> {
    namespace::own_mounts().map_err(at("leaving the host's mounts"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change(c"/", private).map_err(at("leaving the host's mounts"))?;
    let unreadable = |_| io::Error::from(Errno::INVAL);
    let plan = plan::Workspace::new(spec, checked).map_err(unreadable)?;
    open_sources(checked, &plan)?;
    // Like the working directory this is the thread's own since it left the host's mounts.
    let umask = rustix::process::umask(Mode::empty());
    let options = scratch_options(&spec.limits).map_err(unreadable)?;
    make_scratch(&options).map_err(at("making the scratch file system"))?;
    if spec.network == Network::Proxy {
        let step = "making a gate";
        gate::build().map_err(|source| ContainerError::Place { step, source })?;
    }
    workspace::build(&plan).map_err(|Fault { errno, .. }| at("building the workspace")(errno))?;
    give(spec).map_err(at("giving files to the program"))?;
    rustix::process::umask(umask);
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |name: &CStr| {
        rustix::fs::open(name, folder, Mode::empty()).map_err(at("opening the workspace"))
    };
    let (upper, scratch) = (open(c"upper")?, open(c".")?);
    Ok(Started { client: command.spawn()?, upper, scratch })
}

fn at(step: &'static str) -> impl Fn(Errno) -> ContainerError {
    move |errno| ContainerError::Place { step, source: errno.into() }
}

/// Clones the project and the further mounts, each showing the project's owner as the program.
///
/// A mount that is only read may be on a file system that cannot do that; its files then belong
/// to nobody inside, and are read by the permissions they have for others.
fn open_sources(checked: &Checked, plan: &plan::Workspace) -> Result<(), ContainerError> {
    let owner = fstat(&checked.lower_fd).map_err(at("looking at the project"))?;
    let mapping = owner::mapping(owner.st_uid, owner.st_gid)?;
    if let Some(tree) = &plan.lower {
        let lower = root::open_source(tree).map_err(at("opening the project"))?;
        namespace::map_owners(lower.as_fd(), mapping.as_fd())
            .map_err(at("showing the project's owner as the program"))?;
        let _empty = tree.fd.set(lower);
    }
    for (attached, (asked, _)) in plan.mounts.iter().zip(&checked.mounts) {
        let source = root::open_source(&attached.tree).map_err(at("opening a mount"))?;
        match namespace::map_owners(source.as_fd(), mapping.as_fd()) {
            Err(Errno::INVAL | Errno::PERM) if asked.access == Access::Read => {}
            other => other.map_err(at("showing a mount's owner as the program"))?,
        }
        let _empty = attached.tree.fd.set(source);
    }
    Ok(())
}

/// From here on names are relative to the scratch file system.
fn make_scratch(options: &CStr) -> Result<(), Errno> {
    const FOLDERS: [(&CStr, u32); 8] = [
        (c"root", 0o755),
        (c"root/workspace", 0o755),
        (c"lower", 0o755),
        (c"upper", 0o755),
        (c"work", 0o755),
        (c"tmp", 0o1777),
        (c"home", 0o755),
        (c"shm", 0o1777),
    ];
    let inert = MountFlags::NOSUID | MountFlags::NODEV;
    mount(c"palisade", STAGE, c"tmpfs", inert, options)?;
    rustix::process::chdir(STAGE)?;
    for (name, mode) in FOLDERS {
        rustix::fs::mkdirat(CWD, name, Mode::from_raw_mode(mode))?;
    }
    root::make_blanks()?;
    own(CWD, Path::new("upper"))?;
    own(CWD, Path::new("home"))
}

fn own(folder: impl AsFd, path: &Path) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(owner::PROGRAM), Gid::from_raw(owner::PROGRAM));
    chownat(folder, path.as_os_str().as_bytes(), Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}

/// The files that were put into the workspace, and the folders made for them, are the program's.
/// What was there before stays as it is: it is not in the upper layer.
fn give(spec: &Spec) -> Result<(), Errno> {
    for (path, _) in &spec.workspace.files {
        for part in path.ancestors().filter(|part| !part.as_os_str().is_empty()) {
            let written = rustix::fs::lstat(Path::new("upper").join(part)).is_ok();
            if written {
                own(CWD, &Path::new("root/workspace").join(part))?;
            }
        }
    }
    Ok(())
}
