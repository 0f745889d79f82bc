//! Lays the writable layer over the project, then mounts, files and masks over that.
//!
//! The project's content is not trusted: every place is reached one component at a time from the
//! unfinished root, never through a symbolic link, so nothing can be made outside of it.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MoveMountFlags, mount, move_mount};

use super::report::{Fault, Stage};
use super::root::{BLANK_FILE, BLANK_FOLDER, attach, repeat, write_all};
use crate::check::Kind;
use crate::plan::{Attached, Hidden, Walk, Workspace, Written};

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Builds the workspace in the unfinished root. Masks come last, so nothing is laid over them.
pub(crate) fn build(workspace: &Workspace) -> Result<(), Fault> {
    overlay(workspace).map_err(Fault::of(Stage::Overlay))?;
    for (index, further) in workspace.mounts.iter().enumerate() {
        add_mount(further).map_err(Fault::at(Stage::Mount, index))?;
    }
    for (index, file) in workspace.files.iter().enumerate() {
        add_file(file).map_err(Fault::at(Stage::WorkspaceFile, index))?;
    }
    for (index, hidden) in workspace.hidden.iter().enumerate() {
        hide(hidden).map_err(Fault::at(Stage::Hidden, index))?;
    }
    Ok(())
}

/// `userxattr` because a user namespace may not write the attributes overlays use otherwise. The
/// layers have short relative names, so no path of the host shows up in `/proc/self/mountinfo`
/// and no character of one can be mistaken for an option.
fn overlay(workspace: &Workspace) -> Result<(), Errno> {
    workspace.lower.as_ref().map_or(Ok(()), attach)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let layers = c"lowerdir=lower,upperdir=upper,workdir=work,userxattr";
    wall!(Overlay, mount(c"palisade", c"root/workspace", c"overlay", flags, layers)?);
    Ok(())
}

fn add_mount(further: &Attached) -> Result<(), Errno> {
    let Some(clone) = further.tree.fd.get() else { return Err(Errno::NOENT) };
    let (folder, name) = parent(&further.place)?;
    match further.kind {
        Kind::Folder => match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o755)) {
            Err(errno) if errno != Errno::EXIST => return Err(errno),
            _ => {}
        },
        Kind::File | Kind::Absent => {
            let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            match rustix::fs::openat(&folder, name, how, Mode::from_raw_mode(0o644)) {
                Err(errno) if errno != Errno::EXIST => return Err(errno),
                _ => {}
            }
        }
    }
    cover(&folder, name, clone)
}

fn add_file(file: &Written) -> Result<(), Errno> {
    let (folder, name) = parent(&file.place)?;
    let how = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    let created = openat2(&folder, name, how, mode, strict())?;
    write_all(&created, &file.content)
}

/// The supervisor looked first; if the project has changed its mind since, nothing is executed.
fn hide(hidden: &Hidden) -> Result<(), Errno> {
    let (folder, name) = match reach(&hidden.place, Missing::Refuse) {
        Err(Errno::NOENT | Errno::NOTDIR) if hidden.kind == Kind::Absent => return Ok(()),
        other => other?,
    };
    let from = match (hidden.kind, openat2(&folder, name, OFlags::PATH, Mode::empty(), strict())) {
        (Kind::Absent, Err(Errno::NOENT)) => return Ok(()),
        (Kind::Absent, Ok(_)) => return Err(Errno::AGAIN),
        (_, Err(errno)) => return Err(errno),
        (Kind::Folder, Ok(_)) => BLANK_FOLDER,
        (Kind::File, Ok(_)) => BLANK_FILE,
    };
    let blank = repeat(from)?;
    cover(&folder, name, &blank)
}

fn cover(folder: &OwnedFd, name: &CStr, with: &OwnedFd) -> Result<(), Errno> {
    let place = openat2(folder, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), strict())?;
    let both = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(with, c"", &place, c"", both)
}

/// How every place in the workspace is reached.
fn strict() -> ResolveFlags {
    let strict = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);
    #[cfg(weaken)]
    let strict = crate::weaken::resolution(strict);
    strict
}

/// What to do about folders on the way that do not exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Make,
    Refuse,
}

fn parent(walk: &Walk) -> Result<(OwnedFd, &CStr), Errno> {
    reach(walk, Missing::Make)
}

/// Opens the folder that holds the last component, and returns that component's name.
fn reach(walk: &Walk, missing: Missing) -> Result<(OwnedFd, &CStr), Errno> {
    let Some((last, way)) = walk.0.split_last() else { return Err(Errno::INVAL) };
    let mut folder = openat2(CWD, c"root", FOLDER, Mode::empty(), strict())?;
    for name in way {
        folder = step(&folder, name, missing)?;
    }
    Ok((folder, last))
}

fn step(folder: &OwnedFd, name: &CString, missing: Missing) -> Result<OwnedFd, Errno> {
    match openat2(folder, name.as_c_str(), FOLDER, Mode::empty(), strict()) {
        Err(Errno::NOENT) if missing == Missing::Make => {
            rustix::fs::mkdirat(folder, name.as_c_str(), Mode::from_raw_mode(0o755))?;
            openat2(folder, name.as_c_str(), FOLDER, Mode::empty(), strict())
        }
        other => other,
    }
}
