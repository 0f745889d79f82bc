//! The node's key on disk: an Ed25519 seed in a file that nobody else may read.
//!
//! The file holds 64 hexadecimal characters and a line feed. It is made once, with a seed the caller
//! drew; losing it means that later checkpoints are of a new node. Its name follows from the key, so
//! that two nodes never sign under one name.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey};
use thiserror::Error;

use super::head::TreeHead;
use super::note::{Note, VerifierKey};
use crate::artifact::sync_folder;
use crate::digest::Digest;
use crate::plain;
use crate::record::LogId;

/// Length of the key's file, in bytes.
const FILE_BYTES: u64 = 65;

/// Permission bits of group and others.
const OTHERS: u32 = 0o077;

/// What signs a node's checkpoints.
#[derive(Clone)]
pub struct NodeKey {
    key: SigningKey,
    name: String,
}

impl fmt::Debug for NodeKey {
    /// Never the seed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NodeKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why the node's key cannot be used.
#[derive(Debug, Error)]
pub enum NodeKeyError {
    /// There is none.
    #[error("there is no key at `{0}`")]
    Missing(PathBuf),
    /// Somebody else could have read it.
    #[error("key `{path}` can be read by others: its mode is {mode:04o}")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file belongs to somebody else or is no plain file.
    #[error("key `{0}` is not a plain file of this user")]
    Foreign(PathBuf),
    /// The contents are not a key.
    #[error("key `{0}` is damaged: it is not 64 hexadecimal characters and a line feed")]
    Damaged(PathBuf),
    /// The file cannot be read or written.
    #[error("key `{path}` cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl NodeKeyError {
    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Missing(_) => "any command that writes the journal makes one",
            Self::Exposed { .. } => {
                "treat it as known to others: move it away, and a new one is made; `chmod 600` \
                 only if nobody else can have seen it"
            }
            Self::Foreign(_) => "move it away; a new one is made",
            Self::Damaged(_) => "restore it from a copy, or move it away; a new one is made",
            Self::Io { .. } => "the folder must be readable and writable by this user",
        }
    }
}

impl NodeKey {
    /// The key with this seed.
    #[must_use]
    pub fn of(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let digest = Digest::of(key.verifying_key().as_bytes()).to_string();
        let short: String = digest.chars().take(16).collect();
        Self { name: format!("palisade/{short}"), key }
    }

    /// Reads the key at `path`.
    ///
    /// # Errors
    /// When it is missing, damaged, not this user's, or readable by group or others.
    pub fn read(path: &Path) -> Result<Self, NodeKeyError> {
        let io_error = |source| NodeKeyError::Io { path: path.to_owned(), source };
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let file = match OpenOptions::new().read(true).custom_flags(no_follow).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(NodeKeyError::Missing(path.to_owned()));
            }
            other => other.map_err(io_error)?,
        };
        let found = file.metadata().map_err(io_error)?;
        if !found.is_file() || found.uid() != rustix::process::geteuid().as_raw() {
            return Err(NodeKeyError::Foreign(path.to_owned()));
        }
        let mode = found.mode() & 0o7777;
        if mode & OTHERS != 0 {
            return Err(NodeKeyError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        file.take(FILE_BYTES + 1).read_to_string(&mut text).map_err(io_error)?;
        let seed = text.strip_suffix('\n').and_then(|line| line.parse::<Digest>().ok());
        let seed = seed.ok_or_else(|| NodeKeyError::Damaged(path.to_owned()))?;
        Ok(Self::of(seed.as_bytes()))
    }

    /// Reads the key at `path`, or makes one of `seed` there, durably, in a folder only we may enter.
    ///
    /// # Errors
    /// As [`NodeKey::read`]; also when it cannot be written.
    pub fn read_or_create(path: &Path, seed: &[u8; 32]) -> Result<Self, NodeKeyError> {
        match Self::read(path) {
            Err(NodeKeyError::Missing(_)) => {}
            other => return other,
        }
        let io_error = |source| NodeKeyError::Io { path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_error)?;
        // Written aside and linked, so that a key is there whole or not at all.
        let aside = path.with_extension(format!("new-{}", std::process::id()));
        let written = write_aside(&aside, seed).and_then(|()| fs::hard_link(&aside, path));
        let _ = fs::remove_file(&aside);
        match written {
            // Another process was quicker; its key is the one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other.map_err(io_error)?,
        }
        sync_folder(folder).map_err(|error| io_error(io::Error::other(error)))?;
        Self::read(path)
    }

    /// The name of the node, which is the origin of its log of logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The origin of one of the node's logs.
    #[must_use]
    pub fn origin(&self, log: &LogId) -> String {
        format!("{}/{log}", self.name)
    }

    /// The public key under the node's name.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey::new(&self.name, self.key.verifying_key())
    }

    /// Signs a tree head under the head's own origin.
    pub(super) fn sign(&self, head: &TreeHead) -> Note {
        let key = VerifierKey::new(&head.origin, self.key.verifying_key());
        Note::signed(head.to_string(), &key, |text| self.key.sign(text))
    }
}

fn write_aside(path: &Path, seed: &[u8; 32]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file: File = plain::open(&mut options, path)?;
    writeln!(file, "{}", Digest::new(*seed))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("keys/node.ed25519");
        assert!(matches!(NodeKey::read(&path), Err(NodeKeyError::Missing(_))));
        let made = NodeKey::read_or_create(&path, &[7; 32]).unwrap();
        let again = NodeKey::read_or_create(&path, &[8; 32]).unwrap();
        assert_eq!(made.verifier(), again.verifier());
        assert_ne!(made.verifier(), NodeKey::of(&[8; 32]).verifier());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(!format!("{made:?}").contains("0707"));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("node.ed25519");
        NodeKey::read_or_create(&path, &[7; 32]).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o602] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = NodeKey::read_or_create(&path, &[8; 32]);
            assert!(matches!(refused, Err(NodeKeyError::Exposed { .. })), "{mode:o}");
        }
        // Control: the same key is taken when it is private again.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(NodeKey::read(&path).is_ok());
    }

    #[test]
    fn a_damaged_or_linked_key_is_refused_and_left_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("node.ed25519");
        for text in ["", "07", &"g".repeat(64), &format!("{}\n\n", "0".repeat(64))] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let refused = NodeKey::read_or_create(&path, &[8; 32]);
            assert!(matches!(refused, Err(NodeKeyError::Damaged(_))), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), *text);
        }
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(NodeKey::read(&link), Err(NodeKeyError::Io { .. })));
    }
}
