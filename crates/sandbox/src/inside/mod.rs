//! What runs between `clone3` and `execve`, in the order in which it runs.
//!
//! The rule of this room: no allocation, no lock, no panic, no formatting. The process is a copy
//! of a threaded one and may only make raw system calls; every string was prepared in `plan`.
//! A step that fails is reported with its stage and ends everything: nothing is ever executed
//! with a layer missing.

mod confine;
mod init;
mod network;
mod order;
mod program;
pub(crate) mod proof;
pub(crate) mod report;
pub(crate) mod root;
pub(crate) mod workspace;

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Signal};

use crate::limits::{WATCHED_PLACES, WATCHERS};
use crate::plan::Plan;
use crate::sys::letter::Letter;
use crate::sys::{clone, signals, wait};
use report::{Fault, Message, Stage};

/// The inside's ends of everything that connects it with its supervisor.
pub(crate) struct Wires {
    /// Carries set-up messages; closed by `execve`, which is how the supervisor sees success.
    pub(crate) setup: OwnedFd,
    /// Carries the program's end; while it is open on the other side, the supervisor lives.
    pub(crate) status: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// What the program gets as 3, 4, and so on; themselves above all of these numbers.
    pub(crate) handed: Vec<OwnedFd>,
    /// Of a slot only: what the program's standard input will be, if it gets any.
    pub(crate) stdin: Option<OwnedFd>,
    /// `tasks` files of cgroup v1 groups to join.
    pub(crate) groups: Vec<OwnedFd>,
    /// Ranges of descriptors that are not in any of the fields above or in the plan.
    pub(crate) foreign: Vec<(u32, u32)>,
}

/// Memory set aside for the inside before it exists.
pub(crate) struct Room {
    /// The stack of the program's process.
    pub(crate) stack: clone::Stack,
    /// Makes this a slot, which waits to be told its program.
    pub(crate) letter: Option<Letter>,
}

/// The first process of the sandbox. Sets everything up, starts the program, buries the dead.
pub(crate) fn first(plan: &Plan, wires: &Wires, room: &RefCell<Room>) -> ! {
    let ended = match room.try_borrow_mut() {
        Ok(mut room) => set_up(plan, wires, &mut room),
        Err(_) => Err(Fault { stage: Stage::Program, index: 0, errno: Errno::BUSY }),
    };
    match ended {
        Ok(program) => init::watch(program, &wires.status),
        Err(fault) => {
            send(&wires.setup, Message::Fault(fault));
            clone::exit(1)
        }
    }
}

fn set_up(plan: &Plan, wires: &Wires, room: &mut Room) -> Result<Watched, Fault> {
    tie(&wires.status).map_err(Fault::of(Stage::Supervisor))?;
    for (first, last) in &wires.foreign {
        wall!(
            Descriptors,
            wait::close_range(*first, *last).map_err(Fault::of(Stage::Descriptors))?
        );
    }
    for group in &wires.groups {
        rustix::io::write(group, b"0").map_err(Fault::of(Stage::Cgroup))?;
    }
    identify(plan).map_err(Fault::of(Stage::Identity))?;
    wall!(
        UtsNamespace,
        rustix::system::sethostname(b"palisade").map_err(Fault::of(Stage::HostName))?
    );
    network::prepare(plan.network, &wires.setup)?;
    root::build(plan, &wires.setup)?;
    confine::drop_capabilities().map_err(Fault::of(Stage::Capabilities))?;
    confine::renounce().map_err(Fault::of(Stage::NoNewPrivileges))?;
    wall!(Landlock, confine::restrict_files(&plan.confinement)?);
    let children = signals::children().map_err(Fault::of(Stage::Program))?;
    rustix::process::set_parent_process_death_signal(None).map_err(Fault::of(Stage::Supervisor))?;
    let Room { stack, letter } = room;
    let pid = clone::borrowing(stack, &mut || program::run(plan, wires, letter.as_mut()))
        .map_err(Fault::of(Stage::Program))?;
    letter.iter_mut().for_each(Letter::erase);
    Ok(Watched { pid, children })
}

/// The program's process and the descriptor that tells of dead children.
struct Watched {
    pid: i32,
    children: OwnedFd,
}

/// Makes sure that this process does not outlive its supervisor, even if the supervisor died
/// before the signal was asked for. Later `init` watches the same socket instead, because the
/// signal also comes when only the *thread* that launched the sandbox ends. In between the
/// program's process is on its way to `execve`, or waits at a socket that ends with the supervisor.
fn tie(status: &OwnedFd) -> Result<(), Errno> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if supervisor_is_gone(status)? { Err(Errno::PIPE) } else { Ok(()) }
}

fn supervisor_is_gone(status: &OwnedFd) -> Result<bool, Errno> {
    let mut fds = [PollFd::new(status, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    Ok(fds.iter().any(|fd| fd.revents().intersects(PollFlags::HUP | PollFlags::ERR)))
}

/// Takes on the ids inside, then closes this process's memory to others of the same user: it is a
/// copy of the supervisor's memory, and the program will have the same user id.
fn identify(plan: &Plan) -> Result<(), Errno> {
    overwrite(c"/proc/self/setgroups", b"deny")?;
    overwrite(c"/proc/self/uid_map", &plan.identity.uid_map)?;
    overwrite(c"/proc/self/gid_map", &plan.identity.gid_map)?;
    wall!(Undumpable, rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?);
    rustix::process::setsid()?;
    Ok(())
}

/// The kernel counts file watchers per user of the host, so one sandbox could use up what all of
/// them have. A user namespace may have a bound of its own, which no resource limit can express;
/// of namespaces within it there are to be none at all. A container that has no writable `/proc/sys` cannot mount a new `/proc` either.
fn set_quotas() -> Result<(), Errno> {
    const BOUNDS: [(&std::ffi::CStr, &[u8]); 3] = [
        (c"/proc/sys/user/max_user_namespaces", b"0"),
        (c"/proc/sys/user/max_inotify_instances", WATCHERS.1),
        (c"/proc/sys/user/max_inotify_watches", WATCHED_PLACES.1),
    ];
    for (path, bound) in BOUNDS {
        match overwrite(path, bound) {
            // A kernel without watchers has nothing to bound.
            Err(Errno::NOENT) | Ok(()) => {}
            refused => return refused,
        }
    }
    Ok(())
}

fn overwrite(path: &std::ffi::CStr, bytes: &[u8]) -> Result<(), Errno> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, bytes)?;
    Ok(())
}

/// Sends a message. An error means that the supervisor is gone, and nobody is left to tell.
fn send(socket: &OwnedFd, message: Message) {
    let _gone = rustix::io::write(socket, &message.encode());
}

/// Sends a message together with a descriptor.
fn send_with(socket: &OwnedFd, message: Message, fd: BorrowedFd<'_>) -> Result<(), Errno> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::NOBUFS);
    }
    let bytes = message.encode();
    let slices = [std::io::IoSlice::new(&bytes)];
    sendmsg(socket.as_fd(), &slices, &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}
