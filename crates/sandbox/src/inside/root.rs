//! Builds the root file system and moves into it.
//!
//! Sources are cloned before anything is covered, so a project beneath the staging folder is no
//! special case. Then everything is made with names relative to the scratch file system, which
//! disappears from sight with the host's root when the old root is detached.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_change, move_mount, open_tree, unmount,
};

use super::report::{Fault, Message, Stage};
use super::{send_with, workspace};
use crate::plan::{Links, Plan, Tree};
use crate::sys::mount::{Flags, restrict, restrict_tree};

/// A folder every Linux has; what is under it has been cloned by the time it is covered.
const STAGING: &CStr = c"/usr";
/// Set-user-id bits and devices mean nothing on any file system made here.
const INERT: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);
/// An empty folder and an empty file of the scratch file system, read-only, to cover things with.
pub(super) const BLANK_FOLDER: &CStr = c"empty";
pub(super) const BLANK_FILE: &CStr = c"blank";

/// Builds everything the plan lists and ends with `/` as the program will see it.
pub(super) fn build(plan: &Plan, setup: &OwnedFd) -> Result<(), Fault> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change(c"/", private).map_err(Fault::of(Stage::Propagation))?;
    wall!(Quotas, super::set_quotas().map_err(Fault::of(Stage::Rlimit))?);
    open_sources(plan)?;
    make_scratch(plan).map_err(Fault::of(Stage::Scratch))?;
    fill(plan)?;
    for (index, tree) in plan.root.trees.iter().enumerate() {
        attach(tree).map_err(Fault::at(Stage::Attach, index))?;
    }
    mount_processes(plan)?;
    mount_writable().map_err(Fault::of(Stage::Scratch))?;
    workspace::build(&plan.workspace)?;
    hand_over(setup).map_err(Fault::of(Stage::HandOver))?;
    if plan.is_watched {
        hand_over_segments(setup).map_err(Fault::of(Stage::HandOver))?;
    }
    pivot().map_err(Fault::of(Stage::Pivot))?;
    seal().map_err(Fault::of(Stage::ReadOnly))
}

fn open_sources(plan: &Plan) -> Result<(), Fault> {
    let system = plan.root.trees.iter();
    let further = plan.workspace.mounts.iter().map(|mount| &mount.tree);
    for (index, tree) in system.chain(&plan.workspace.lower).chain(further).enumerate() {
        let clone = match open_source(tree) {
            Err(Errno::NOENT) if tree.links == Links::FollowOptional => continue,
            other => other.map_err(Fault::at(Stage::Source, index))?,
        };
        // The cell is empty: each tree of the plan is opened once.
        let _full = tree.fd.set(clone);
    }
    Ok(())
}

/// Always with everything mounted beneath: the kernel refuses to uncover what is under a mount
/// that this namespace did not make.
pub(crate) fn open_source(tree: &Tree) -> Result<OwnedFd, Errno> {
    let whole = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let clone = match tree.links {
        Links::FollowOptional => open_tree(CWD, tree.source.as_c_str(), whole)?,
        Links::Refuse => {
            let how = OFlags::PATH | OFlags::CLOEXEC;
            let strict = ResolveFlags::NO_SYMLINKS;
            let place = openat2(CWD, tree.source.as_c_str(), how, Mode::empty(), strict)?;
            open_tree(&place, c"", whole | OpenTreeFlags::AT_EMPTY_PATH)?
        }
    };
    restrict_tree(clone.as_fd(), tree.flags)?;
    Ok(clone)
}

/// From here on names are relative to the scratch file system.
fn make_scratch(plan: &Plan) -> Result<(), Errno> {
    const FOLDERS: [(&CStr, u32); 7] = [
        (c"root", 0o755),
        (c"lower", 0o755),
        (c"upper", 0o755),
        (c"work", 0o755),
        (c"tmp", 0o1777),
        (c"home", 0o755),
        (c"shm", 0o1777),
    ];
    rustix::process::umask(Mode::empty());
    mount(c"palisade", STAGING, c"tmpfs", INERT, plan.root.scratch.as_c_str())?;
    rustix::process::chdir(STAGING)?;
    for (name, mode) in FOLDERS {
        rustix::fs::mkdirat(CWD, name, Mode::from_raw_mode(mode))?;
    }
    make_blanks()?;
    mount(c"palisade", c"root", c"tmpfs", INERT, plan.root.base.as_c_str())
}

/// Makes what paths are covered with, in the present folder.
pub(crate) fn make_blanks() -> Result<(), Errno> {
    rustix::fs::mkdirat(CWD, BLANK_FOLDER, Mode::from_raw_mode(0o555))?;
    create(BLANK_FILE, &[], 0o444)?;
    freeze(BLANK_FILE)?;
    freeze(BLANK_FOLDER)
}

fn fill(plan: &Plan) -> Result<(), Fault> {
    for (index, folder) in plan.root.folders.iter().enumerate() {
        rustix::fs::mkdirat(CWD, folder.as_c_str(), Mode::from_raw_mode(0o755))
            .map_err(Fault::at(Stage::Folder, index))?;
    }
    for (index, (to, place)) in plan.root.links.iter().enumerate() {
        rustix::fs::symlinkat(to.as_c_str(), CWD, place.as_c_str())
            .map_err(Fault::at(Stage::Link, index))?;
    }
    for (index, (place, content)) in plan.root.files.iter().enumerate() {
        create(place, content, 0o444).map_err(Fault::at(Stage::File, index))?;
    }
    Ok(())
}

fn create(name: &CStr, content: &[u8], mode: u32) -> Result<(), Errno> {
    let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::open(name, how, Mode::from_raw_mode(mode))?;
    write_all(&file, content)
}

/// Writes everything, however small the pieces are that the kernel takes.
pub(super) fn write_all(file: &OwnedFd, content: &[u8]) -> Result<(), Errno> {
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::write(file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Puts a cloned tree in its place; one that was optional and absent is left out.
pub(super) fn attach(tree: &Tree) -> Result<(), Errno> {
    let Some(clone) = tree.fd.get() else { return Ok(()) };
    let from_descriptor = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(clone, c"", CWD, tree.target.as_c_str(), from_descriptor)
}

/// Shows a folder or file of the scratch file system at a second place.
pub(super) fn repeat(from: &CStr) -> Result<OwnedFd, Errno> {
    open_tree(CWD, from, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
}

fn mount_processes(plan: &Plan) -> Result<(), Fault> {
    #[cfg(weaken)]
    if !crate::weaken::stands(crate::weaken::Wall::PidNamespace) {
        return crate::weaken::show_processes_of_the_host().map_err(Fault::of(Stage::Processes));
    }
    let flags = INERT | MountFlags::NOEXEC;
    mount(c"proc", c"root/proc", c"proc", flags, plan.root.processes.as_c_str())
        .map_err(Fault::of(Stage::Processes))?;
    let how = OFlags::PATH | OFlags::CLOEXEC;
    let mounted = rustix::fs::open(c"root/proc", how, Mode::empty());
    let mounted = mounted.map_err(Fault::of(Stage::Processes))?;
    let read_only = Flags::READ_ONLY;
    wall!(ProcView, restrict(mounted.as_fd(), read_only).map_err(Fault::of(Stage::Processes))?);
    for (index, place) in plan.root.masked.iter().enumerate() {
        cover(place).map_err(Fault::at(Stage::Mask, index))?;
    }
    Ok(())
}

fn cover(place: &CStr) -> Result<(), Errno> {
    let blank = repeat(BLANK_FILE)?;
    move_mount(&blank, c"", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Mounts something over itself, read-only; what is repeated from it is read-only as well.
fn freeze(name: &CStr) -> Result<(), Errno> {
    let clone = repeat(name)?;
    restrict(clone.as_fd(), Flags::READ_ONLY)?;
    move_mount(&clone, c"", CWD, name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// The places outside the workspace that can be written to, all on the limited scratch.
fn mount_writable() -> Result<(), Errno> {
    const PLACES: [(&CStr, &CStr); 3] =
        [(c"tmp", c"root/tmp"), (c"home", c"root/home/palisade"), (c"shm", c"root/dev/shm")];
    for (from, to) in PLACES {
        let clone = repeat(from)?;
        move_mount(&clone, c"", CWD, to, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    }
    Ok(())
}

/// The supervisor reads artifacts through this descriptor when everything inside is dead.
fn hand_over(setup: &OwnedFd) -> Result<(), Errno> {
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let upper = rustix::fs::open(c"upper", how, Mode::empty())?;
    send_with(setup, Message::Upper, upper.as_fd())
}

/// Segments that nothing has attached belong to no process, so whoever counts memory has to look
/// here. The list is that of the namespace in which it was opened. A profile whose `/proc` does not
/// have it allows no segments either.
fn hand_over_segments(setup: &OwnedFd) -> Result<(), Errno> {
    let how = OFlags::RDONLY | OFlags::CLOEXEC;
    match rustix::fs::open(c"root/proc/sysvipc/shm", how, Mode::empty()) {
        Err(Errno::NOENT) => Ok(()),
        list => send_with(setup, Message::Segments, list?.as_fd()),
    }
}

/// The old root is put on top of the new one and taken off at once, so it has no name inside.
fn pivot() -> Result<(), Errno> {
    rustix::process::chdir(c"root")?;
    rustix::process::pivot_root(c".", c".")?;
    unmount(c".", UnmountFlags::DETACH)?;
    rustix::process::chdir(c"/")
}

fn seal() -> Result<(), Errno> {
    let root = rustix::fs::open(c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    wall!(ReadOnly, restrict(root.as_fd(), Flags::READ_ONLY)?);
    rustix::process::umask(Mode::from_raw_mode(0o022));
    Ok(())
}
