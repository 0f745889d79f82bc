//! A folder only its owner can look into, and the files in it.
//!
//! Everything is opened relative to the folder and never through a link; what others could read or change is
//! refused, not mended. A file is replaced whole: written beside, synced, renamed, and the folder synced.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::error::VaultError;

/// What a name ends in while its file is being written.
const UNFINISHED: &str = "~";

/// An open private folder.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder, and makes it with mode 0700 where it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, VaultError> {
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(VaultError::system(path)(errno)),
        }
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            rustix::fs::openat(CWD, path, how, Mode::empty()).map_err(|errno| match errno {
                Errno::LOOP | Errno::NOTDIR => kind(path, "folder"),
                other => VaultError::system(path)(other),
            })?;
        let stat = rustix::fs::fstat(&fd).map_err(VaultError::system(path))?;
        private(path, &stat)?;
        Ok(Self { fd, path: path.to_path_buf() })
    }

    /// Where `name` is, for people.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The whole of a file, or `None` where there is none. At most `most` bytes and one are read.
    pub(crate) fn read(
        &self,
        name: &str,
        most: usize,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let path = self.place(name);
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.fd, name, how, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(kind(&path, "file")),
            Err(errno) => return Err(VaultError::system(&path)(errno)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(VaultError::system(&path))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(kind(&path, "file"));
        }
        private(&path, &stat)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
        let read = File::from(fd).take(most as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|source| VaultError::System { path, source })?;
        Ok(Some(bytes))
    }

    /// Puts `bytes` in the place of a file; after a crash there is the old one or the new one.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), VaultError> {
        let path = self.place(name);
        let beside = format!("{name}{UNFINISHED}");
        let system = |errno: Errno| VaultError::system(&path)(errno);
        match rustix::fs::unlinkat(&self.fd, &beside, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(system(errno)),
        }
        let how =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            rustix::fs::openat(&self.fd, &beside, how, Mode::RUSR | Mode::WUSR).map_err(system)?;
        let mut file = File::from(fd);
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written.map_err(|source| VaultError::System { path: path.clone(), source })?;
        rustix::fs::renameat(&self.fd, &beside, &self.fd, name).map_err(system)?;
        rustix::fs::fsync(&self.fd).map_err(system)
    }

    /// Takes a file away; whether there was one.
    pub(crate) fn remove(&self, name: &str) -> Result<bool, VaultError> {
        let path = self.place(name);
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => rustix::fs::fsync(&self.fd).map(|()| true).map_err(VaultError::system(&path)),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(VaultError::system(&path)(errno)),
        }
    }

    /// The names of everything in it that is finished, sorted.
    pub(crate) fn names(&self) -> Result<Vec<String>, VaultError> {
        let mut names = Vec::new();
        for entry in Dir::read_from(self.fd.as_fd()).map_err(VaultError::system(&self.path))? {
            let entry = entry.map_err(VaultError::system(&self.path))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !matches!(name.as_str(), "." | "..") && !name.ends_with(UNFINISHED) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn kind(path: &Path, wanted: &'static str) -> VaultError {
    VaultError::Kind { path: path.to_path_buf(), wanted }
}

/// Ours, and nobody else's to read or write.
fn private(path: &Path, stat: &Stat) -> Result<(), VaultError> {
    let (mode, user) = (stat.st_mode & 0o7777, stat.st_uid);
    if mode & 0o077 != 0 || user != rustix::process::geteuid().as_raw() {
        return Err(VaultError::Exposed { path: path.to_path_buf(), mode, user });
    }
    Ok(())
}
