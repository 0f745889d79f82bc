//! Sandboxes with a wall left out, for the positive controls of the escape suite.
//!
//! Compiled with `--cfg weaken` only, which nothing but the escape suite's own copy of this crate
//! sets: no feature turns it on, and the product contains none of it. Walls are named finer than
//! [`Layer`](crate::Layer)s, because an attack is stopped by one measure, not by a layer's name.
//! A receipt of a weakened sandbox says what the launcher always does and is not to be believed.

use std::cell::Cell;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::ResolveFlags;
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use rustix::thread::{
    CapabilitySets, capabilities, configure_capability_in_ambient_set, set_capabilities,
};

use crate::child::Child;
use crate::launch::{LaunchError, launch};
use crate::plan::{Plan, Tree};
use crate::spec::Spec;
use crate::sys::exec::Strings;
use crate::sys::mount::Flags;

/// Stands in every program that holds this code, so that a test can look for it.
#[used]
pub static MARK: &str = "palisade: in this build the walls of a sandbox can be taken down";

/// One measure that stops something; what it does is where `wall!` names it, or in [`edit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Wall {
    /// Host files that were not given do not exist: without it `/var` and `/dev/pts` are shown.
    PrivateRoot,
    /// What is shown of the host, and the root, cannot be written to.
    ReadOnly,
    /// Set-user-id bits and device nodes of what is shown mean nothing.
    Inert,
    /// The project is only the lower layer.
    Overlay,
    /// Hidden paths are covered.
    HiddenPaths,
    /// `/proc` is read-only, and some of its files are covered.
    ProcView,
    /// Own bounds on kernel objects that are counted for the user.
    Quotas,
    /// Links in the project, and those of `/proc`, are not followed while the launcher works.
    Links,
    /// Own process ids, and the group that is killed as a whole.
    PidNamespace,
    /// Own message queues and shared memory.
    IpcNamespace,
    /// Own host name.
    UtsNamespace,
    /// Own network.
    NetworkNamespace,
    /// No capabilities.
    Capabilities,
    /// File, TCP and signal rules.
    Landlock,
    /// The list of system calls.
    Seccomp,
    /// Inherited descriptors are closed.
    Descriptors,
    /// The first process, a copy of the supervisor, cannot be read.
    Undumpable,
    /// The supervisor's environment is not passed on.
    Environment,
    /// Standard input cannot be written to.
    SealedInput,
    /// The self-probe, which would refuse to go on without the others.
    Proof,
}

thread_local! {
    /// One bit for each wall that is down. A clone has the memory of the thread that made it, so
    /// this holds inside as well, without a word to the launcher's own data.
    static DOWN: Cell<u32> = const { Cell::new(0) };
}

/// Starts `spec` without the walls in `down`; everything else is as in [`launch`].
pub fn launch_without(spec: &Spec, down: &[Wall]) -> Result<Child, LaunchError> {
    DOWN.set(down.iter().fold(0, |bits, wall| bits | bit(*wall)));
    let launched = launch(spec);
    DOWN.set(0);
    launched
}

const fn bit(wall: Wall) -> u32 {
    1 << wall as u8
}

/// Whether a wall is to be built in the launch this thread is making.
pub(crate) fn stands(wall: Wall) -> bool {
    DOWN.get() & bit(wall) == 0
}

/// The namespaces to make.
pub(crate) fn namespaces(all: u64) -> u64 {
    const OWN: [(Wall, libc::c_int); 4] = [
        (Wall::PidNamespace, libc::CLONE_NEWPID),
        (Wall::IpcNamespace, libc::CLONE_NEWIPC),
        (Wall::UtsNamespace, libc::CLONE_NEWUTS),
        (Wall::NetworkNamespace, libc::CLONE_NEWNET),
    ];
    let left_out = OWN.into_iter().filter(|(wall, _)| !stands(*wall));
    left_out.fold(all, |flags, (_, flag)| flags & !(flag as u64))
}

/// How the launcher resolves paths others can influence.
pub(crate) fn resolution(strict: ResolveFlags) -> ResolveFlags {
    if stands(Wall::Links) { strict } else { ResolveFlags::empty() }
}

/// Changes what the plan says of the walls that are down.
pub(crate) fn edit(plan: &mut Plan, spec: &Spec) -> io::Result<()> {
    if !stands(Wall::PrivateRoot) {
        show_more(plan);
    }
    for tree in trees(plan) {
        tree.flags = flags(tree.flags);
    }
    if !stands(Wall::Overlay)
        && let Some(lower) = &mut plan.workspace.lower
    {
        lower.target = c"root/workspace".to_owned();
        lower.flags = Flags::NONE;
    }
    if !stands(Wall::HiddenPaths) {
        plan.workspace.hidden.clear();
    }
    if !stands(Wall::ProcView) {
        plan.root.masked.clear();
    }
    if !stands(Wall::Seccomp) {
        plan.program.filter = &ALLOW_ALL;
    }
    if !stands(Wall::Environment) {
        plan.program.text.environment = inherited();
    }
    if !stands(Wall::SealedInput) {
        plan.program.input = unsealed(&spec.stdin)?;
    }
    Ok(())
}

/// A filter that lets everything through.
static ALLOW_ALL: [libc::sock_filter; 1] = [libc::sock_filter {
    code: 0x06, // BPF_RET | BPF_K
    jt: 0,
    jf: 0,
    k: libc::SECCOMP_RET_ALLOW,
}];

fn trees(plan: &mut Plan) -> impl Iterator<Item = &mut Tree> {
    let mounts = plan.workspace.mounts.iter_mut().map(|mount| &mut mount.tree);
    plan.root.trees.iter_mut().chain(mounts)
}

/// What was asked for, without what is down. Devices are shown without being inert, and stay so.
fn flags(asked: Flags) -> Flags {
    const INERT: Flags = Flags::NO_SETUID.and(Flags::NO_DEVICES);
    let holds = |flags: Flags| asked.and(flags) == asked;
    let read_only = holds(Flags::READ_ONLY) && stands(Wall::ReadOnly);
    match (holds(INERT), read_only, stands(Wall::Inert)) {
        (false, _, _) => asked,
        (true, true, true) => Flags::READ_ONLY.and(INERT),
        (true, true, false) => Flags::READ_ONLY,
        (true, false, true) => INERT,
        (true, false, false) => Flags::NONE,
    }
}

fn show_more(plan: &mut Plan) {
    for (source, target) in [("/var", c"root/var"), ("/dev/pts", c"root/dev/pts")] {
        if let Ok(tree) = Tree::whole(Path::new(source), target.to_owned()) {
            plan.root.folders.push(target.to_owned());
            plan.root.trees.push(tree);
        }
    }
}

fn inherited() -> Strings {
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
    });
    Strings::new(variables.collect())
}

fn unsealed(bytes: &[u8]) -> io::Result<std::os::fd::OwnedFd> {
    use std::io::{Seek as _, Write as _};
    let memory = rustix::fs::memfd_create(c"stdin", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(memory);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Keeps every capability instead of dropping them, also for a program that is executed.
pub(crate) fn keep_capabilities() -> Result<(), Errno> {
    let CapabilitySets { permitted, .. } = capabilities(None)?;
    let all = CapabilitySets { effective: permitted, permitted, inheritable: permitted };
    set_capabilities(None, all)?;
    permitted.iter().try_for_each(|one| configure_capability_in_ambient_set(one, true))
}

/// Shows the host's `/proc` in place of one for own process ids, which do not exist.
pub(crate) fn show_processes_of_the_host() -> Result<(), Errno> {
    let whole = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let host = open_tree(rustix::fs::CWD, c"/proc", whole)?;
    let from_descriptor = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&host, c"", rustix::fs::CWD, c"root/proc", from_descriptor)
}
