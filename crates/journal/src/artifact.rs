//! The artifact store: files named by the SHA-256 of their content, beside the database.
//!
//! `artifacts/sha256/ab/cdef…`; written to a temporary file, flushed, renamed, and the folder flushed,
//! so that a record may name an artifact as soon as `put` returns. It holds payloads too large for a
//! row and whatever callers store; it knows nothing of records and deletes nothing it has published.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::digest::Digest;
use crate::plain;

/// Largest artifact [`ArtifactStore::get`] reads into memory; larger ones are streamed with `open`.
pub const ARTIFACT_READ_BYTES_MAX: u64 = 256 * 1024 * 1024;

const CHUNK_BYTES: usize = 64 * 1024;

static TEMPORARY: AtomicU64 = AtomicU64::new(0);

/// A folder of content-addressed files. Cloning gives another handle to the same folder.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    root: PathBuf,
}

/// A stored artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Artifact {
    /// SHA-256 of the content.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
}

/// Why an artifact could not be stored or read.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// The content is larger than the caller allows.
    #[error("content is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// There is no such artifact.
    #[error("there is no artifact {0}")]
    Missing(Digest),
    /// The file's content is not what its name says.
    #[error("artifact {expected} has the content of {found}")]
    Damaged {
        /// What the name says.
        expected: Digest,
        /// What the content hashes to.
        found: Digest,
    },
    /// The source of the content failed.
    #[error("content could not be read")]
    Source(#[source] io::Error),
    /// The file system failed.
    #[error("`{path}` cannot be used")]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl ArtifactError {
    /// Whether there was no room on the disk.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        matches!(self, Self::Io { source, .. } if full.contains(&source.kind()))
    }
}

impl ArtifactStore {
    /// The store in the folder `root`; the folder is made when something is stored.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The store that belongs to the database at `database`: `artifacts` in the same folder.
    #[must_use]
    pub fn beside(database: &Path) -> Self {
        Self::at(database.with_file_name("artifacts"))
    }

    /// Stores `content` durably and names it.
    ///
    /// # Errors
    /// When the file system refuses; nothing is published then.
    pub fn put(&self, content: &[u8]) -> Result<Digest, ArtifactError> {
        let limit = u64::try_from(content.len()).unwrap_or(u64::MAX);
        self.put_reader(&mut &content[..], limit).map(|artifact| artifact.digest)
    }

    /// Stores everything `source` yields, durably, unless it is more than `limit` bytes.
    ///
    /// # Errors
    /// When `source` fails or exceeds the limit, or the file system refuses; nothing is published then.
    pub fn put_reader(&self, source: &mut dyn Read, limit: u64) -> Result<Artifact, ArtifactError> {
        let (path, mut file) = self.temporary()?;
        let stored = copy(source, &mut file, limit)
            .and_then(|artifact| file.sync_all().map_err(at(&path)).map(|()| artifact))
            .and_then(|artifact| self.publish(&path, artifact.digest).map(|()| artifact));
        if stored.is_err() {
            // The temporary file is worthless now; if it cannot be removed, `sweep` does it later.
            let _ = fs::remove_file(&path);
        }
        stored
    }

    /// Whether there is room for an artifact of so many bytes now; where the system does not say, there is.
    ///
    /// # Errors
    /// When the store's folder cannot be used.
    pub fn has_room(&self, bytes: u64) -> Result<bool, ArtifactError> {
        let (path, file) = match self.temporary() {
            Err(error) if error.is_full() => return Ok(false),
            other => other?,
        };
        let taken = fallocate(&file, FallocateFlags::empty(), 0, bytes.max(1));
        let _ = fs::remove_file(&path);
        Ok(!matches!(taken, Err(Errno::NOSPC | Errno::DQUOT)))
    }

    /// Reads an artifact of at most [`ARTIFACT_READ_BYTES_MAX`] bytes and checks its content.
    ///
    /// # Errors
    /// When it is missing, damaged, too large or unreadable.
    pub fn get(&self, digest: Digest) -> Result<Vec<u8>, ArtifactError> {
        let mut content = Vec::new();
        let limited = &mut self.open(digest)?.take(ARTIFACT_READ_BYTES_MAX + 1);
        limited.read_to_end(&mut content).map_err(ArtifactError::Source)?;
        if u64::try_from(content.len()).is_ok_and(|len| len > ARTIFACT_READ_BYTES_MAX) {
            return Err(ArtifactError::TooLarge { limit: ARTIFACT_READ_BYTES_MAX });
        }
        matches(digest, Digest::of(&content)).map(|()| content)
    }

    /// Opens an artifact for streaming; the content is not checked.
    ///
    /// # Errors
    /// When it is missing or unreadable.
    pub fn open(&self, digest: Digest) -> Result<File, ArtifactError> {
        let path = self.path(digest);
        plain::open(OpenOptions::new().read(true), &path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ArtifactError::Missing(digest),
            _ => at(&path)(error),
        })
    }

    /// Checks an artifact's content against its name and returns its size.
    ///
    /// # Errors
    /// When it is missing, damaged or unreadable.
    pub fn verify(&self, digest: Digest) -> Result<Artifact, ArtifactError> {
        let artifact = copy(&mut self.open(digest)?, &mut io::sink(), u64::MAX)?;
        matches(digest, artifact.digest).map(|()| artifact)
    }

    /// All artifacts, ordered by digest; files that are not artifacts are passed over.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn list(&self) -> Result<Vec<Artifact>, ArtifactError> {
        let mut found = Vec::new();
        plain::check(&self.root).map_err(at(&self.root))?;
        for folder in entries(&self.root.join("sha256"))? {
            for file in entries(&folder)? {
                let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
                let text = name(&folder).zip(name(&file)).map(|(a, b)| a + &b);
                let Some(digest) = text.and_then(|text| text.parse().ok()) else { continue };
                let size = fs::metadata(&file).map_err(at(&file))?.len();
                found.push(Artifact { digest, size });
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Where an artifact's file is, whether or not it exists.
    #[must_use]
    pub fn path(&self, digest: Digest) -> PathBuf {
        let text = digest.to_string();
        let (folder, file) = text.split_at_checked(2).unwrap_or(("", &text));
        self.root.join("sha256").join(folder).join(file)
    }

    /// Removes temporary files an earlier process left; only the database's owner may call it.
    ///
    /// Nothing is removed through a linked folder, and nothing but files.
    pub(crate) fn sweep(&self) -> Result<(), ArtifactError> {
        plain::check(&self.root).map_err(at(&self.root))?;
        let mut leftovers = entries(&self.root.join("tmp"))?;
        leftovers.retain(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file()));
        leftovers.iter().try_for_each(|path| fs::remove_file(path).map_err(at(path)))
    }

    /// Makes a folder of the store, unless it or one above it in the store is a link.
    fn make(&self, folder: &Path) -> Result<(), ArtifactError> {
        let mut own = folder.ancestors().take_while(|part| part.starts_with(&self.root));
        own.try_for_each(|part| plain::check(part).map_err(at(part)))?;
        make_folder(folder)
    }

    fn temporary(&self) -> Result<(PathBuf, File), ArtifactError> {
        let folder = self.root.join("tmp");
        self.make(&folder)?;
        let number = TEMPORARY.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number}", std::process::id()));
        // A file of the same name can only be a leftover of a dead process with our id.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = plain::open(&mut options, &path);
        file.map(|file| (path.clone(), file)).map_err(at(&path))
    }

    fn publish(&self, temporary: &Path, digest: Digest) -> Result<(), ArtifactError> {
        let target = self.path(digest);
        let Some(folder) = target.parent() else { return Ok(()) };
        self.make(folder)?;
        // Replacing a file of the same content is harmless and heals a damaged one.
        fs::rename(temporary, &target).map_err(at(&target))?;
        sync_folder(folder)
    }
}

fn copy(
    source: &mut dyn Read,
    target: &mut dyn io::Write,
    limit: u64,
) -> Result<Artifact, ArtifactError> {
    let mut hasher = Sha256::new();
    let mut size = 0_u64;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = match source.read(&mut chunk) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ArtifactError::Source(error)),
        };
        let bytes = chunk.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(Artifact { digest: Digest::new(hasher.finalize().into()), size });
        }
        size = size.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if size > limit {
            return Err(ArtifactError::TooLarge { limit });
        }
        hasher.update(bytes);
        target.write_all(bytes).map_err(at(Path::new("artifacts/tmp")))?;
    }
}

fn matches(expected: Digest, found: Digest) -> Result<(), ArtifactError> {
    if expected == found { Ok(()) } else { Err(ArtifactError::Damaged { expected, found }) }
}

/// Makes a private folder with its parents and flushes the parent of each one made.
fn make_folder(folder: &Path) -> Result<(), ArtifactError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new("/"));
    make_folder(parent)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(at(folder)(error)),
        _ => sync_folder(parent),
    }
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), ArtifactError> {
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(at(folder))
}

/// The paths in a folder that is no link; none when it does not exist.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, ArtifactError> {
    plain::check(folder).map_err(at(folder))?;
    let listing = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(at(folder))?,
    };
    listing.map(|entry| entry.map(|found| found.path()).map_err(at(folder))).collect()
}

fn at(path: &Path) -> impl Fn(io::Error) -> ArtifactError + '_ {
    move |source| ArtifactError::Io { path: path.to_owned(), source }
}
