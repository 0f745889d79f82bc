//! Opening and looking below a folder, never through a symbolic link and never out of it.
//!
//! Every call starts at the root again and the kernel resolves the whole way, so a folder that was
//! moved or replaced in between is noticed and never followed.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2, readlinkat, statat,
};
use rustix::io::Errno;

use crate::changeset::Node;
use crate::digest::{Digest, Hashing};
use crate::path::RelPath;

const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Entries of one folder of a project that are looked at.
pub(crate) const FOLDER_NAMES_MAX: usize = 1_000_000;

/// What was found at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, and the folder it would be in may be missing too.
    Nothing,
    /// Something a changeset can speak of.
    Node(Node),
    /// A device, FIFO or socket.
    Special,
    /// A link whose target is not UTF-8.
    OddTarget,
    /// The way there leads through a link or something else that is no folder.
    NoWay,
    /// A file with more bytes than may be read.
    TooLarge(u64),
}

impl Found {
    /// Whether exactly this is there.
    pub(crate) fn is(&self, node: Option<&Node>) -> bool {
        match self {
            Self::Nothing => node.is_none(),
            Self::Node(found) => Some(found) == node,
            _ => false,
        }
    }
}

/// Opens something below `root`. The last name is not followed either.
pub(crate) fn open(
    root: BorrowedFd<'_>,
    path: &str,
    how: OFlags,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    let how = how | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        match openat2(root, path, how, mode, BENEATH) {
            // A rename elsewhere disturbed the resolution, or a signal did; nothing was opened.
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Opens a folder for use and for reading; `None` is the root itself.
pub(crate) fn folder(root: BorrowedFd<'_>, path: Option<&RelPath>) -> Result<OwnedFd, Errno> {
    let how = OFlags::RDONLY | OFlags::DIRECTORY;
    open(root, path.map_or(".", RelPath::as_str), how, Mode::empty())
}

/// Opens a regular file for reading.
pub(crate) fn file(root: BorrowedFd<'_>, path: &str) -> Result<(File, Stat), Errno> {
    let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = open(root, path, how, Mode::empty())?;
    let stat = fstat(&opened)?;
    match kind(&stat) {
        FileType::RegularFile => Ok((opened.into(), stat)),
        _ => Err(Errno::INVAL),
    }
}

/// What is directly in a folder, sorted; more than `max` names are an error of kind `Other`.
pub(crate) fn names(folder: impl AsFd, max: usize) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
        if names.len() > max {
            return Err(io::Error::other(format!("more than {max} entries in one folder")));
        }
    }
    names.sort();
    Ok(names)
}

/// Looks at one path without changing anything; files up to `size_max` bytes are read and hashed.
pub(crate) fn look(root: BorrowedFd<'_>, path: &RelPath, size_max: u64) -> io::Result<Found> {
    let parent = path.parent();
    match folder(root, parent.as_ref()) {
        Ok(parent) => look_in(parent.as_fd(), path.name(), size_max),
        Err(Errno::NOENT) => Ok(Found::Nothing),
        Err(Errno::LOOP | Errno::NOTDIR | Errno::XDEV) => Ok(Found::NoWay),
        Err(errno) => Err(errno.into()),
    }
}

/// The same for a name in an open folder.
pub(crate) fn look_in(folder: BorrowedFd<'_>, name: &str, size_max: u64) -> io::Result<Found> {
    let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(Found::Nothing),
        other => other?,
    };
    match kind(&stat) {
        FileType::Directory => Ok(Found::Node(Node::Folder { mode: bits(&stat) })),
        FileType::Symlink => {
            let target = readlinkat(folder, name, Vec::new())?.into_bytes();
            let target = String::from_utf8(target).ok();
            Ok(target.map_or(Found::OddTarget, |target| Found::Node(Node::Symlink { target })))
        }
        FileType::RegularFile if size(&stat) > size_max => Ok(Found::TooLarge(size(&stat))),
        FileType::RegularFile => {
            let (file, stat) = file(folder, name)?;
            let (size, digest) = hash(file, size_max)?;
            Ok(Found::Node(Node::File { digest, size, mode: bits(&stat) }))
        }
        _ => Ok(Found::Special),
    }
}

/// Size and digest of an open file, which may grow meanwhile but is not read for ever.
fn hash(file: File, size_max: u64) -> io::Result<(u64, Digest)> {
    let mut content = Hashing::new(file.take(size_max.saturating_add(1)));
    io::copy(&mut content, &mut io::sink())?;
    Ok(content.finish())
}

pub(crate) const fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// All twelve permission bits.
pub(crate) const fn bits(stat: &Stat) -> u32 {
    stat.st_mode & 0o7777
}

/// In bytes.
pub(crate) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(u64::MAX)
}
