//! What a program left in the workspace: the files that match, opened safely.
//!
//! All changes, and how they reach the project, are another crate's business.
//! Only the overlay's upper layer is read, after everything inside is dead, through a descriptor
//! that came from inside. Its content is hostile: every path is opened beneath that descriptor
//! without following any link, and only regular files are ever opened for reading.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobSet;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2};
use rustix::io::Errno;
use serde::Serialize;

use crate::check::show;
use crate::spec::Limits;

/// Entries in the list of what was skipped.
pub const SKIPPED_MAX: usize = 1000;
/// Folders within folders that are looked into.
const DEPTH_MAX: usize = 64;

const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// A regular file the program wrote. Its content stays in the sandbox's memory file system and
/// cannot change any more; dropping the last artifact of an outcome frees it.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Relative to the workspace; valid UTF-8 without control characters.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
    /// Permission bits, at most `0o777`.
    pub mode: u32,
    upper: Arc<OwnedFd>,
}

impl Artifact {
    /// Opens the content for reading.
    pub fn open(&self) -> io::Result<File> {
        let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat2(&self.upper, &self.path, how, Mode::empty(), BENEATH)?;
        if file_type(&fstat(&file)?) != FileType::RegularFile {
            return Err(Errno::INVAL.into());
        }
        Ok(file.into())
    }

    /// Reads the whole content: exactly [`size`](Self::size) bytes.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open()?.take(self.size).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A matching entry that was not collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Relative to the workspace, escaped where it is not plain text.
    pub path: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why a matching entry was not collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// It leads somewhere else; links are never followed.
    SymbolicLink,
    /// A FIFO, socket or device.
    NotAFile,
    /// The name is not UTF-8 or holds control characters.
    OddName,
    /// The program took away the permission to read it, or made its path too long.
    Unreadable,
    /// The number of artifacts is at its limit.
    TooMany,
    /// The size of the artifacts is at its limit.
    TooLarge,
    /// Deeper than folders are looked into.
    TooDeep,
}

/// What is known of a workspace when everything inside is dead.
#[derive(Debug)]
pub(crate) struct Upper {
    pub(crate) fd: Arc<OwnedFd>,
    /// The project.
    pub(crate) lower: Arc<OwnedFd>,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) skipped: Vec<Skipped>,
}

impl Upper {
    /// Whether the writable file system has no room or no inodes left.
    pub(crate) fn is_full(&self) -> bool {
        rustix::fs::fstatfs(&*self.fd).is_ok_and(|stat| stat.f_bavail == 0 || stat.f_ffree == 0)
    }

    /// Walks the whole upper layer once, in a fixed order.
    pub(crate) fn gather(&self, patterns: &GlobSet, limits: &Limits) -> Gathered {
        let mut walk = Walk {
            upper: self,
            patterns,
            count_left: limits.artifact_count,
            bytes_left: limits.artifact_bytes,
            found: Gathered::default(),
        };
        let mut waiting = vec![PathBuf::new()];
        while let Some(folder) = waiting.pop() {
            waiting.extend(walk.folder(&folder));
        }
        let mut found = walk.found;
        found.artifacts.sort_by(|one, other| one.path.cmp(&other.path));
        found
    }

    fn stat(&self, path: &Path) -> Result<Stat, Errno> {
        rustix::fs::statat(&*self.fd, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
    }
}

struct Walk<'a> {
    upper: &'a Upper,
    patterns: &'a GlobSet,
    count_left: u32,
    bytes_left: u64,
    found: Gathered,
}

impl Walk<'_> {
    /// Looks at every entry of one folder and returns the folders within it.
    fn folder(&mut self, folder: &Path) -> Vec<PathBuf> {
        let mut within = Vec::new();
        let Ok(entries) = self.entries(folder) else {
            self.skip(folder, SkipReason::Unreadable);
            return within;
        };
        for path in entries {
            let Ok(stat) = self.upper.stat(&path) else {
                self.skip(&path, SkipReason::Unreadable);
                continue;
            };
            match file_type(&stat) {
                FileType::Directory if path.components().count() >= DEPTH_MAX => {
                    self.skip(&path, SkipReason::TooDeep);
                }
                FileType::Directory => within.push(path),
                // It stands for something that was deleted.
                FileType::CharacterDevice if stat.st_rdev == 0 => {}
                kind => self.collect(&path, &stat, kind),
            }
        }
        within
    }

    /// The entries of a folder as paths from the workspace, sorted.
    fn entries(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let name = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let opened = openat2(&*self.upper.fd, name, how, Mode::empty(), BENEATH)?;
        let mut paths = Vec::new();
        for entry in Dir::new(opened)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                paths.push(folder.join(std::ffi::OsString::from_vec(name)));
            }
        }
        paths.sort();
        Ok(paths)
    }

    fn collect(&mut self, path: &Path, stat: &Stat, kind: FileType) {
        if !self.patterns.is_match(path) {
            return;
        }
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        let reason = match kind {
            FileType::Symlink => Some(SkipReason::SymbolicLink),
            FileType::RegularFile if is_odd(path) => Some(SkipReason::OddName),
            FileType::RegularFile if self.count_left == 0 => Some(SkipReason::TooMany),
            FileType::RegularFile if size > self.bytes_left => Some(SkipReason::TooLarge),
            FileType::RegularFile => None,
            _ => Some(SkipReason::NotAFile),
        };
        let artifact = Artifact {
            path: path.to_owned(),
            size,
            mode: stat.st_mode & 0o777,
            upper: Arc::clone(&self.upper.fd),
        };
        match reason.or_else(|| artifact.open().err().map(|_| SkipReason::Unreadable)) {
            Some(reason) => self.skip(path, reason),
            None => {
                self.count_left = self.count_left.saturating_sub(1);
                self.bytes_left = self.bytes_left.saturating_sub(size);
                self.found.artifacts.push(artifact);
            }
        }
    }

    fn skip(&mut self, path: &Path, reason: SkipReason) {
        if self.found.skipped.len() < SKIPPED_MAX {
            self.found.skipped.push(Skipped { path: show(path), reason });
        }
    }
}

fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn is_odd(path: &Path) -> bool {
    let name = path.as_os_str();
    name.to_str().is_none_or(|text| text.chars().any(char::is_control))
        || name.as_bytes().len() > libc::PATH_MAX as usize
}
