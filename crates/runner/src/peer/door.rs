//! The door: a listening socket in a private folder, and a thread that lets peers in.
//!
//! Nothing that lies where the socket is to be is trusted: the folder has to be ours, an existing file has to be a
//! socket of ours, and nobody may listen on it. The owner's lock is held already, so a socket that nobody answers
//! belongs to an owner that died.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect, shutdown,
    socket_with,
};
use rustix::process::geteuid;

use super::conversation::{self, Conversation, Patience};
use super::identity::{Peer, Unidentified};
use super::refusal::Refusals;
use super::room::Room;
use crate::node::Desk;

/// Longest path of a Unix socket, in bytes (unix(7)).
const SOCKET_PATH_BYTES: usize = 107;
/// How long accepting rests after it failed, for example because no descriptor was free.
const REST: Duration = Duration::from_millis(100);

/// Why the socket is not opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The path is longer than the system allows.
    #[error("`{}` is longer than the {SOCKET_PATH_BYTES} bytes a socket's path may have", .0.display())]
    TooLong(PathBuf),
    /// The folder is somebody else's.
    #[error("folder `{}` belongs to user #{owner}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// What lies there is no socket.
    #[error("`{}` is there and is no socket", .0.display())]
    NotASocket(PathBuf),
    /// What lies there is somebody else's.
    #[error("`{}` belongs to user #{owner}", path.display())]
    Foreign {
        /// The socket.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Somebody listens there.
    #[error("somebody listens on `{}` already", .0.display())]
    Live(PathBuf),
    /// The node is ending.
    #[error("the process is ending")]
    Ending,
    /// The system refuses.
    #[error("`{}` cannot be opened", path.display())]
    Io {
        /// The socket or its folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// An open door; dropping it shows everybody out, stops the thread and removes the socket.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    listener: UnixListener,
    room: Arc<Room>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Door {
    /// Opens the socket `path` with mode 0600 in its folder, which is made 0700, and answers from `desk`.
    ///
    /// # Errors
    /// See [`DoorError`]; nothing was replaced.
    pub fn open(path: &Path, desk: Desk, patience: Patience) -> Result<Self, DoorError> {
        if path.as_os_str().len() > SOCKET_PATH_BYTES {
            return Err(DoorError::TooLong(path.to_path_buf()));
        }
        let failed = |source| DoorError::Io { path: path.to_path_buf(), source };
        private(path.parent().unwrap_or(Path::new(".")))?;
        clear(path)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        let accepting = listener.try_clone().map_err(failed)?;
        let room = Arc::new(Room::default());
        let (stop, stopped) = channel();
        let inside = Arc::clone(&room);
        let thread = std::thread::Builder::new()
            .name("peers".to_owned())
            .spawn(move || {
                accept(
                    &accepting,
                    &stopped,
                    &Arc::new((inside, desk, patience, Refusals::default())),
                )
            })
            .map_err(failed)?;
        Ok(Self {
            path: path.to_path_buf(),
            listener,
            room,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.room.close();
        drop(self.stop.take());
        // Wakes the accepting thread, also where somebody removed the socket's file.
        let _ = shutdown(&self.listener, Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        self.room.empty();
        drop(fs::remove_file(&self.path));
    }
}

/// Makes sure that the folder is ours and nobody else's, and no link to one.
fn private(folder: &Path) -> Result<(), DoorError> {
    let failed = |source| DoorError::Io { path: folder.to_path_buf(), source };
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let mut options = File::options();
    let opened = options.read(true).custom_flags(flags.bits().cast_signed()).open(folder);
    let opened = opened.map_err(failed)?;
    let found = opened.metadata().map_err(failed)?;
    if found.uid() != geteuid().as_raw() {
        return Err(DoorError::Folder { path: folder.to_path_buf(), owner: found.uid() });
    }
    if found.mode() & 0o777 != 0o700 {
        opened.set_permissions(Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// Takes away the socket of an owner that died; anything else that lies there is left alone.
fn clear(path: &Path) -> Result<(), DoorError> {
    let failed = |source| DoorError::Io { path: path.to_path_buf(), source };
    let found: Metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed)?,
    };
    if !found.file_type().is_socket() {
        return Err(DoorError::NotASocket(path.to_path_buf()));
    }
    if found.uid() != geteuid().as_raw() {
        return Err(DoorError::Foreign { path: path.to_path_buf(), owner: found.uid() });
    }
    match reach(path) {
        Err(rustix::io::Errno::CONNREFUSED) => fs::remove_file(path).map_err(failed),
        // Also one that is too busy to take us: whoever cannot be told dead is alive.
        _ => Err(DoorError::Live(path.to_path_buf())),
    }
}

/// Connects without waiting for a place in the queue.
fn reach(path: &Path) -> rustix::io::Result<()> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&probe, &SocketAddrUnix::new(path)?)
}

type Inside = Arc<(Arc<Room>, Desk, Patience, Refusals)>;

fn accept(listener: &UnixListener, stopped: &Receiver<()>, inside: &Inside) {
    for stream in listener.incoming() {
        if inside.0.is_closing() {
            return;
        }
        match stream {
            Ok(stream) => admit(stream, inside),
            // Nobody sends here: it ends with the door, or the rest is over.
            Err(_) => drop(stopped.recv_timeout(REST)),
        }
    }
}

/// Nothing is read before it is known who is there.
fn admit(stream: UnixStream, inside: &Inside) {
    let peer = match Peer::of(&stream) {
        Ok(peer) => peer,
        Err(why) => {
            if matches!(why, Unidentified::Apart) {
                conversation::stay_out(&stream);
            }
            return inside.3.unread(&inside.1, &why);
        }
    };
    let room = &inside.0;
    let Some(number) = room.enter(peer.pid, &stream) else {
        return conversation::turn_away(&stream);
    };
    let theirs = Arc::clone(inside);
    let spawned = std::thread::Builder::new().name(format!("peer {}", peer.pid)).spawn(move || {
        let (room, desk, patience, refusals) = &*theirs;
        let patience = *patience;
        // A panic of one conversation is its own: its place is given back all the same.
        let _place = Place { room, number };
        Conversation { stream: &stream, peer, desk, room, patience, refusals }.hold();
    });
    if spawned.is_err() {
        room.leave(number);
    }
}

/// A place in the room; given back when dropped.
struct Place<'a> {
    room: &'a Room,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.room.leave(self.number);
    }
}
