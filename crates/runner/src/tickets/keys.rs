//! What tickets are signed with, on disk: `.palisade/keys/token-N.secret` for those that stay in the node and
//! `ticket-N.key`, the seeds of key pairs, for those that leave it. Each is 32 random bytes in hexadecimal.
//!
//! Of each scheme the highest number signs, every one of them is accepted; rotating adds one, retiring removes those
//! before it. A file that others could read is refused, never repaired: whoever could read it may have. Made on
//! demand; of a key pair the public half is shown, of a secret nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use ticket::{Key, KeyError, KeyId, Keyring, NodeKey, PublicKey, Secret, Signer};

use crate::clock;
use crate::layout::Layout;

/// Most keys of one scheme that are accepted at once.
const KEYS_MAX: usize = 8;
/// Bytes of the seed of a key pair.
const SEED_BYTES: usize = 32;
/// Longest file of a key, in bytes.
const FILE_BYTES_MAX: u64 = 4096;
/// Mode bits that let anybody but the owner in.
const OTHERS: u32 = 0o077;

/// Why the keys of a project cannot be used. No key is told.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// There is none yet.
    #[error("the project has no token secret")]
    None,
    /// Others can read it, or it is somebody else's.
    #[error("`{}` can be read by others than its owner", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
    },
    /// It is no key.
    #[error("`{}` holds no token secret or key", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
    /// It is one that keeps nobody out.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The ticket was signed with none of the key pairs.
    #[error("the project has no key pair `{0}`")]
    NoPair(KeyId),
    /// More of them than are accepted.
    #[error("more than {KEYS_MAX} keys of one kind are accepted")]
    TooMany,
    /// The system says no.
    #[error("`{}` cannot be used", path.display())]
    System {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl KeysError {
    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::None => {
                "make one with `palisade ticket rotate`; `ticket mint` makes the first by itself"
            }
            Self::Open { .. } => {
                "close it with chmod 700 on the folder and 600 on the file, and if others may have read it, \
                 `palisade ticket rotate --retire`"
            }
            Self::Content { .. } | Self::Key(_) => {
                "remove the file and make a new one with `palisade ticket rotate`"
            }
            Self::NoPair(_) => "narrow it where it was minted: nobody else has its key",
            Self::TooMany => "remove the old ones with `palisade ticket rotate --retire`",
            Self::System { .. } => "make the state folder readable and writable for you alone",
        }
    }
}

/// How a ticket is signed, which says where it can be checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Under a secret (HMAC-SHA-256): checked where the secret is, narrowed by whoever holds it.
    #[default]
    Secret,
    /// With a key pair (Ed25519): checked by anybody with its public half, narrowed where it was minted.
    Signed,
}

impl Scheme {
    /// What the files of its keys are called around their number.
    fn affixes(self) -> (&'static str, &'static str) {
        match self {
            Self::Secret => ("token-", ".secret"),
            Self::Signed => ("ticket-", ".key"),
        }
    }

    /// The number in a file's name.
    fn number(self, path: &Path) -> Option<u32> {
        let (before, after) = self.affixes();
        let name = path.file_name()?.to_str()?;
        name.strip_prefix(before)?.strip_suffix(after)?.parse().ok()
    }
}

/// The keys of a project, the newest last.
#[derive(Debug)]
pub struct Keys {
    secrets: Vec<(u32, Secret)>,
    pairs: Vec<(u32, NodeKey)>,
}

impl Keys {
    /// Reads them.
    ///
    /// # Errors
    /// [`KeysError`]: one that cannot be used makes all of them unusable.
    pub fn read(layout: &Layout) -> Result<Self, KeysError> {
        let folder = layout.keys();
        let system = |source| KeysError::System { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(KeysError::None),
            Err(source) => return Err(system(source)),
        };
        closed(&folder, &fs::symlink_metadata(&folder).map_err(system)?)?;
        let (mut secrets, mut pairs) = (Vec::new(), Vec::new());
        for entry in entries {
            let path = entry.map_err(system)?.path();
            if let Some(number) = Scheme::Secret.number(&path) {
                secrets.push((number, Secret::new(&one(&path)?)?));
            } else if let Some(number) = Scheme::Signed.number(&path) {
                pairs.push((number, pair(&path)?));
            }
        }
        secrets.sort_by_key(|(number, _)| *number);
        pairs.sort_by_key(|(number, _)| *number);
        match secrets.len().max(pairs.len()) {
            0 => Err(KeysError::None),
            count if count > KEYS_MAX => Err(KeysError::TooMany),
            _ => Ok(Self { secrets, pairs }),
        }
    }

    /// What tickets are checked with.
    ///
    /// # Errors
    /// When one is there twice.
    pub fn keyring(&self) -> Result<Keyring, KeysError> {
        let secrets = self.secrets.iter().map(|(_, secret)| Key::Secret(secret.clone()));
        let pairs = self.pairs.iter().map(|(_, pair)| Key::Public(pair.public()));
        Ok(Keyring::new(secrets.chain(pairs).collect())?)
    }

    /// What new tickets of a scheme are signed with.
    ///
    /// # Errors
    /// When there is none.
    pub fn signer(&self, scheme: Scheme) -> Result<Signer, KeysError> {
        let signer = match scheme {
            Scheme::Secret => self.secrets.last().map(|(_, secret)| Signer::Secret(secret.clone())),
            Scheme::Signed => self.pairs.last().map(|(_, pair)| Signer::Node(pair.clone())),
        };
        signer.ok_or(KeysError::None)
    }

    /// The key pair of this name.
    ///
    /// # Errors
    /// When the project has none.
    pub fn pair(&self, name: KeyId) -> Result<&NodeKey, KeysError> {
        let found = self.pairs.iter().map(|(_, pair)| pair).find(|pair| pair.public().id() == name);
        found.ok_or(KeysError::NoPair(name))
    }

    /// The names of all keys of a scheme, the newest last.
    #[must_use]
    pub fn names(&self, scheme: Scheme) -> Vec<KeyId> {
        match scheme {
            Scheme::Secret => self.secrets.iter().map(|(_, secret)| secret.id()).collect(),
            Scheme::Signed => self.public().map(|key| key.id()).collect(),
        }
    }

    /// The public halves of the key pairs, the newest last.
    pub fn public(&self) -> impl Iterator<Item = PublicKey> {
        self.pairs.iter().map(|(_, pair)| pair.public())
    }
}

/// The keys of a project, with a first one of a scheme made where there is none.
///
/// # Errors
/// As [`Keys::read`], and when it cannot be made.
pub fn read_or_make(layout: &Layout, scheme: Scheme) -> Result<Keys, KeysError> {
    match Keys::read(layout) {
        Ok(keys) if !keys.names(scheme).is_empty() => Ok(keys),
        Ok(_) | Err(KeysError::None) => rotate(layout, scheme, Earlier::Kept),
        failed => failed,
    }
}

/// What becomes of the keys before a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Earlier {
    /// Their tickets stay valid.
    Kept,
    /// They are removed, and every ticket signed with them is void.
    Retired,
}

/// The name of a key that is being written.
const ASIDE: &str = "ticket.new";

/// Makes a new key, with which tickets of its scheme are signed from now on.
///
/// # Errors
/// [`KeysError`]; then the keys are as they were, but for retired ones that may be gone.
pub fn rotate(layout: &Layout, scheme: Scheme, earlier: Earlier) -> Result<Keys, KeysError> {
    let folder = layout.keys();
    let system = |path: &Path| {
        let path = path.to_path_buf();
        move |source| KeysError::System { path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(system(&folder))?;
    closed(&folder, &fs::symlink_metadata(&folder).map_err(system(&folder))?)?;
    // One that is overlooked would outlive its retirement.
    let found = fs::read_dir(&folder).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
    });
    let found = found.map_err(system(&folder))?.into_iter();
    let mut numbers: Vec<(u32, PathBuf)> =
        found.filter_map(|path| scheme.number(&path).map(|number| (number, path))).collect();
    numbers.sort();
    // Keys that cannot be read are not made any more usable by another one.
    if earlier == Earlier::Kept && !numbers.is_empty() {
        Keys::read(layout)?;
    }
    if earlier == Earlier::Kept && numbers.len() >= KEYS_MAX {
        return Err(KeysError::TooMany);
    }
    let next = numbers.last().map_or(1, |(number, _)| number.saturating_add(1));
    let (before, after) = scheme.affixes();
    let path = folder.join(format!("{before}{next}{after}"));
    let seed = clock::seed().map_err(|error| KeysError::System {
        path: path.clone(),
        source: io::Error::other(error.to_string()),
    })?;
    let text: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    // Under another name until it is whole: half a key would make every one unusable.
    let aside = folder.join(ASIDE);
    drop(fs::remove_file(&aside));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside);
    let written = written.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::hard_link(&aside, &path)
    });
    drop(fs::remove_file(&aside));
    written.map_err(system(&path))?;
    if earlier == Earlier::Retired {
        for (_, path) in &numbers {
            fs::remove_file(path).map_err(system(path))?;
        }
    }
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(system(&folder))?;
    Keys::read(layout)
}

/// The key pair whose seed a file holds.
fn pair(path: &Path) -> Result<NodeKey, KeysError> {
    let bytes = one(path)?;
    // What is too weak for a secret is too weak for a seed.
    Secret::new(&bytes)?;
    let seed: [u8; SEED_BYTES] =
        bytes.try_into().map_err(|_| KeysError::Content { path: path.to_path_buf() })?;
    Ok(NodeKey::of_seed(&seed))
}

fn closed(path: &Path, found: &fs::Metadata) -> Result<(), KeysError> {
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if found.mode() & OTHERS != 0 || !ours || found.is_symlink() {
        return Err(KeysError::Open { path: path.to_path_buf() });
    }
    Ok(())
}

/// The bytes of a file that holds a key.
fn one(path: &Path) -> Result<Vec<u8>, KeysError> {
    let system = |source| KeysError::System { path: path.to_path_buf(), source };
    let content = || KeysError::Content { path: path.to_path_buf() };
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(system)?;
    closed(path, &file.metadata().map_err(system)?)?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(system)?;
    let digits = text.trim_end().as_bytes();
    let (pairs, rest) = digits.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        u8::from_str_radix(pair, 16).ok()
    };
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty()).ok_or_else(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(folder: &tempfile::TempDir) -> Layout {
        let layout = Layout::of(folder.path()).unwrap();
        layout.create().unwrap();
        layout
    }

    #[test]
    fn a_key_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(&folder);
        for scheme in [Scheme::Secret, Scheme::Signed] {
            let keys = rotate(&layout, scheme, Earlier::Kept).unwrap();
            assert_eq!(keys.names(scheme).len(), 1);
            // What an interrupted rotation leaves is no key and stops nobody.
            fs::write(layout.keys().join(ASIDE), "00").unwrap();
            assert_eq!(rotate(&layout, scheme, Earlier::Kept).unwrap().names(scheme).len(), 2);
            assert!(!layout.keys().join(ASIDE).exists());
        }
    }

    #[test]
    fn another_key_is_not_made_beside_one_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(&folder);
        rotate(&layout, Scheme::Secret, Earlier::Kept).unwrap();
        let (before, after) = Scheme::Secret.affixes();
        let path = layout.keys().join(format!("{before}1{after}"));
        fs::write(&path, "").unwrap();
        assert!(rotate(&layout, Scheme::Secret, Earlier::Kept).is_err());
        assert_eq!(fs::read_dir(layout.keys()).unwrap().count(), 1);
        // Retiring is the way out.
        let keys = rotate(&layout, Scheme::Secret, Earlier::Retired).unwrap();
        assert_eq!(keys.names(Scheme::Secret).len(), 1);
    }
}
