//! Token secrets on disk: `.palisade/keys/token-N.secret`, each 32 random bytes in hexadecimal, for the owner alone.
//!
//! The highest number signs, every one of them is accepted; rotating adds one, retiring removes those before it. A
//! file that others could read is refused, never repaired: whoever could read it may have. Made on demand, never
//! shown.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ticket::{Key, KeyError, KeyId, Keyring, Secret, Signer};

use crate::clock;
use crate::layout::Layout;

/// Most secrets that are accepted at once.
const SECRETS_MAX: usize = 8;
/// Longest file of a secret, in bytes.
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
    /// It is no secret.
    #[error("`{}` holds no token secret", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
    /// It is one that keeps nobody out.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// More of them than are accepted.
    #[error("more than {SECRETS_MAX} token secrets are accepted")]
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
                "remove the file and make a new secret with `palisade ticket rotate`"
            }
            Self::TooMany => "remove the old ones with `palisade ticket rotate --retire`",
            Self::System { .. } => "make the state folder readable and writable for you alone",
        }
    }
}

/// The secrets of a project, the newest last.
#[derive(Debug)]
pub struct Secrets {
    found: Vec<(u32, Secret)>,
}

impl Secrets {
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
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(system)?.path();
            if let Some(number) = number(&path) {
                found.push((number, one(&path)?));
            }
        }
        found.sort_by_key(|(number, _)| *number);
        match found.len() {
            0 => Err(KeysError::None),
            count if count > SECRETS_MAX => Err(KeysError::TooMany),
            _ => Ok(Self { found }),
        }
    }

    /// What tickets are checked with.
    ///
    /// # Errors
    /// When one is there twice.
    pub fn keyring(&self) -> Result<Keyring, KeysError> {
        let key = |(_, secret): &(u32, Secret)| Key::Secret(secret.clone());
        Ok(Keyring::new(self.found.iter().map(key).collect())?)
    }

    /// What new tickets are signed with.
    ///
    /// # Errors
    /// When there is none.
    pub fn signer(&self) -> Result<Signer, KeysError> {
        let (_, newest) = self.found.last().ok_or(KeysError::None)?;
        Ok(Signer::Secret(newest.clone()))
    }

    /// The names of all of them, the newest last.
    pub fn names(&self) -> impl Iterator<Item = KeyId> {
        self.found.iter().map(|(_, secret)| secret.id())
    }
}

/// The secrets of a project, with a first one made where there is none.
///
/// # Errors
/// As [`Secrets::read`], and when it cannot be made.
pub fn read_or_make(layout: &Layout) -> Result<Secrets, KeysError> {
    match Secrets::read(layout) {
        Err(KeysError::None) => rotate(layout, Earlier::Kept),
        read => read,
    }
}

/// What becomes of the secrets before a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// Their tickets stay valid.
    Kept,
    /// They are removed, and every ticket signed with them is void.
    Retired,
}

/// Makes a new secret, with which tickets are signed from now on.
///
/// # Errors
/// [`KeysError`]; then the secrets are as they were, but for retired ones that may be gone.
pub fn rotate(layout: &Layout, earlier: Earlier) -> Result<Secrets, KeysError> {
    let folder = layout.keys();
    let system = |path: &Path| {
        let path = path.to_path_buf();
        move |source| KeysError::System { path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(system(&folder))?;
    closed(&folder, &fs::symlink_metadata(&folder).map_err(system(&folder))?)?;
    let mut numbers: Vec<(u32, PathBuf)> = fs::read_dir(&folder)
        .map_err(system(&folder))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter_map(|path| number(&path).map(|number| (number, path)))
        .collect();
    numbers.sort();
    if earlier == Earlier::Kept && numbers.len() >= SECRETS_MAX {
        return Err(KeysError::TooMany);
    }
    let next = numbers.last().map_or(1, |(number, _)| number.saturating_add(1));
    let path = folder.join(format!("token-{next}.secret"));
    let secret = clock::seed().map_err(|error| KeysError::System {
        path: path.clone(),
        source: io::Error::other(error.to_string()),
    })?;
    let text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(system(&path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(system(&path))?;
    if earlier == Earlier::Retired {
        for (_, path) in &numbers {
            fs::remove_file(path).map_err(system(path))?;
        }
    }
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(system(&folder))?;
    Secrets::read(layout)
}

/// The number in `token-N.secret`.
fn number(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("token-")?.strip_suffix(".secret")?.parse().ok()
}

fn closed(path: &Path, found: &fs::Metadata) -> Result<(), KeysError> {
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if found.mode() & OTHERS != 0 || !ours || found.is_symlink() {
        return Err(KeysError::Open { path: path.to_path_buf() });
    }
    Ok(())
}

fn one(path: &Path) -> Result<Secret, KeysError> {
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
    match bytes {
        Some(bytes) if rest.is_empty() => Ok(Secret::new(&bytes)?),
        _ => Err(content()),
    }
}
