//! One entry of the upper layer: what the overlay's own marks make of it.
//!
//! The marks are those of `userxattr` mounts. A mark that would take content or names from
//! elsewhere is refused, never followed.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Stat, fgetxattr, readlinkat, statat};
use rustix::io::Errno;

use super::RefusedBecause;
use crate::beneath;
use crate::changeset::check::is_target;

/// What an entry of the upper layer says about its path.
pub(super) enum Mark {
    /// Whatever the project has there is gone.
    Whiteout,
    /// A regular file, not yet read.
    File { size: u64, mode: u32 },
    /// A link.
    Symlink { target: String },
    /// A folder.
    Folder { mode: u32 },
}

/// What a folder of the upper layer does to the project's folder at the same place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hides {
    /// Both show.
    Nothing,
    /// Only what is in the upper layer shows.
    All,
}

/// Reads the marks of one entry in an open folder of the upper layer.
pub(super) fn mark(folder: BorrowedFd<'_>, name: &str) -> Result<Mark, RefusedBecause> {
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(unreadable)?;
    let mode = beneath::bits(&stat);
    match beneath::kind(&stat) {
        FileType::CharacterDevice if stat.st_rdev == 0 => Ok(Mark::Whiteout),
        FileType::CharacterDevice | FileType::BlockDevice => Err(RefusedBecause::Device),
        FileType::Fifo => Err(RefusedBecause::Fifo),
        FileType::Socket => Err(RefusedBecause::Socket),
        FileType::Symlink => symlink(folder, name),
        FileType::RegularFile => file(folder, name, &stat),
        FileType::Directory => Ok(Mark::Folder { mode }),
        _ => Err(RefusedBecause::Device),
    }
}

fn symlink(folder: BorrowedFd<'_>, name: &str) -> Result<Mark, RefusedBecause> {
    let target = readlinkat(folder, name, Vec::new()).map_err(unreadable)?;
    match target.into_string() {
        Ok(target) if is_target(&target) => Ok(Mark::Symlink { target }),
        _ => Err(RefusedBecause::LinkTarget),
    }
}

/// A file that only stands for one below it, or for none, is not read as one.
fn file(folder: BorrowedFd<'_>, name: &str, stat: &Stat) -> Result<Mark, RefusedBecause> {
    let (opened, _) = beneath::file(folder, name).map_err(unreadable)?;
    for (attribute, shown) in FOREIGN {
        if attribute_of(opened.as_fd(), attribute)?.is_some() {
            return Err(RefusedBecause::Overlay(shown));
        }
    }
    let size = beneath::size(stat);
    if attribute_of(opened.as_fd(), c"user.overlay.whiteout")?.is_some() {
        // The kernel takes it for a whiteout only where it is empty and its folder says so.
        let said = attribute_of(folder, OPAQUE)?.is_some_and(|value| value == b"x");
        let empty = size == 0;
        return match said && empty {
            true => Ok(Mark::Whiteout),
            false => Err(RefusedBecause::Overlay("whiteout")),
        };
    }
    Ok(Mark::File { size, mode: beneath::bits(stat) })
}

/// What an open folder of the upper layer hides.
pub(super) fn hides(folder: BorrowedFd<'_>) -> Result<Hides, RefusedBecause> {
    for (attribute, shown) in FOREIGN {
        if attribute_of(folder, attribute)?.is_some() {
            return Err(RefusedBecause::Overlay(shown));
        }
    }
    match attribute_of(folder, OPAQUE)?.as_deref() {
        Some(b"y") => Ok(Hides::All),
        None | Some(b"x" | b"n") => Ok(Hides::Nothing),
        Some(_) => Err(RefusedBecause::Overlay("opaque")),
    }
}

const OPAQUE: &CStr = c"user.overlay.opaque";

/// Marks that take a name or a content from another place.
const FOREIGN: [(&CStr, &str); 3] = [
    (c"user.overlay.redirect", "redirect"),
    (c"user.overlay.metacopy", "metacopy"),
    (c"user.overlay.verity", "verity"),
];

/// The value of an attribute; longer ones than any mark are shown as such.
fn attribute_of(file: BorrowedFd<'_>, name: &CStr) -> Result<Option<Vec<u8>>, RefusedBecause> {
    let mut value = [0_u8; 16];
    match fgetxattr(file, name, &mut value) {
        Ok(count) => Ok(Some(value.get(..count).unwrap_or_default().to_vec())),
        Err(Errno::RANGE) => Ok(Some(value.to_vec())),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(errno) => Err(unreadable(errno)),
    }
}

fn unreadable(_: Errno) -> RefusedBecause {
    RefusedBecause::Unreadable
}
