//! The vault: set, get, list, remove, and a new key for everything.
//!
//! One process changes it at a time, which whoever calls has to see to; any number may read.

use std::path::{Path, PathBuf};

use crate::error::VaultError;
use crate::folder::Folder;
use crate::keyring::Keyring;
use crate::sealed::{self, FILE_BYTES, Header};
use crate::secret::{Name, Secret};

/// Most secrets of one vault, where nothing else was said.
const MOST_SECRETS: usize = 1024;

/// The secrets of one project.
#[derive(Debug, Clone)]
pub struct Vault {
    secrets: PathBuf,
    keys: PathBuf,
    room: usize,
}

/// One secret as it may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// How often it was set since it was made. Not checked until it is opened. Where its file is not taken, why.
    pub version: Result<u64, String>,
}

impl Vault {
    /// The vault with its files in `secrets` and its key in `keys`; both folders are made when first needed.
    #[must_use]
    pub fn at(secrets: &Path, keys: &Path) -> Self {
        Self { secrets: secrets.to_path_buf(), keys: keys.to_path_buf(), room: MOST_SECRETS }
    }

    /// The same with room for `room` secrets.
    #[must_use]
    pub fn with_room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    /// Every secret's name, sorted; no file is opened.
    ///
    /// # Errors
    /// [`VaultError`] when the folder cannot be trusted or a name is none.
    pub fn names(&self) -> Result<Vec<Name>, VaultError> {
        if !self.secrets.exists() {
            return Ok(Vec::new());
        }
        Folder::open(&self.secrets)?.names()?.iter().map(|name| Name::new(name)).collect()
    }

    /// Sets a secret and returns its version. Durable when this returns; a crash leaves the old or the new value.
    ///
    /// # Errors
    /// [`VaultError`]; the old value still holds.
    pub fn set(&self, name: &Name, secret: &Secret) -> Result<u64, VaultError> {
        let (keys, folder) = self.open()?;
        let old = folder.read(name.as_str(), FILE_BYTES)?;
        if old.is_none() && folder.names()?.len() >= self.room {
            return Err(VaultError::Many(self.room));
        }
        let before = old.as_ref().and_then(|old| Header::read(old)).map_or(0, |old| old.version);
        let version = before.saturating_add(1);
        self.write(&folder, &keys, (name, version), secret)?;
        Ok(version)
    }

    /// The value of a secret, and its version.
    ///
    /// # Errors
    /// [`VaultError::Missing`]; or why its file is not taken.
    pub fn get(&self, name: &Name) -> Result<(Secret, u64), VaultError> {
        let missing = || VaultError::Missing(name.to_string());
        if !self.secrets.exists() {
            return Err(missing());
        }
        let file = Folder::open(&self.secrets)?.read(name.as_str(), FILE_BYTES)?;
        let file = file.ok_or_else(missing)?;
        let keys = Keyring::read(Folder::open(&self.keys)?)?;
        let keys = keys.ok_or_else(|| VaultError::Damaged {
            name: name.to_string(),
            why: "there is no key file",
        })?;
        sealed::open(&keys, name, &file)
    }

    /// Every secret's name and version; no value is opened.
    ///
    /// # Errors
    /// [`VaultError`] when the folder cannot be trusted. One file that cannot says so in its place.
    pub fn list(&self) -> Result<Vec<Listed>, VaultError> {
        if !self.secrets.exists() {
            return Ok(Vec::new());
        }
        let folder = Folder::open(&self.secrets)?;
        let version = |name: &str| {
            let why = "its file is not a secret's";
            let damaged = || VaultError::Damaged { name: name.to_owned(), why };
            let file = folder.read(name, FILE_BYTES)?.ok_or_else(damaged)?;
            Ok(Header::read(&file).ok_or_else(damaged)?.version)
        };
        let listed = folder.names()?.into_iter().map(|name| {
            let version = version(&name).map_err(|error: VaultError| error.to_string());
            Listed { name, version }
        });
        Ok(listed.collect())
    }

    /// Takes a secret away. Its blocks on the disk are not overwritten; they are encrypted.
    ///
    /// # Errors
    /// [`VaultError::Missing`] where there is none.
    pub fn remove(&self, name: &Name) -> Result<(), VaultError> {
        if self.secrets.exists() && Folder::open(&self.secrets)?.remove(name.as_str())? {
            return Ok(());
        }
        Err(VaultError::Missing(name.to_string()))
    }

    /// Seals every secret with a new key and forgets the old one; how many there were. What is interrupted is gone
    /// on with by the next call, and every secret can be read at every moment.
    ///
    /// # Errors
    /// [`VaultError`], among it the first secret that cannot be opened: both keys are kept then.
    pub fn renew_key(&self) -> Result<usize, VaultError> {
        let (mut keys, folder) = self.open()?;
        // One that was interrupted is ended first: what was sealed since is under the key that it drew.
        if keys.is_renewing() {
            self.reseal(&folder, &keys)?;
            keys.forget()?;
        }
        keys.renew()?;
        let resealed = self.reseal(&folder, &keys)?;
        keys.forget()?;
        Ok(resealed)
    }

    /// The keys, and the folder of the secrets, to change something there.
    fn open(&self) -> Result<(Keyring, Folder), VaultError> {
        let folder = Folder::open(&self.secrets)?;
        let sealed = || Ok(!folder.names()?.is_empty());
        let keys = Keyring::open(Folder::open(&self.keys)?, sealed)?;
        Ok((keys, folder))
    }

    /// Seals everything anew under the key in use.
    fn reseal(&self, folder: &Folder, keys: &Keyring) -> Result<usize, VaultError> {
        let names = folder.names()?;
        for name in &names {
            let name = Name::new(name)?;
            let Some(file) = folder.read(name.as_str(), FILE_BYTES)? else { continue };
            let (secret, version) = sealed::open(keys, &name, &file)?;
            self.write(folder, keys, (&name, version), &secret)?;
        }
        Ok(names.len())
    }

    fn write(
        &self,
        folder: &Folder,
        keys: &Keyring,
        (name, version): (&Name, u64),
        secret: &Secret,
    ) -> Result<(), VaultError> {
        let system = |why: String| VaultError::System {
            path: self.secrets.join(name.as_str()),
            source: std::io::Error::other(why),
        };
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|error| system(error.to_string()))?;
        let file = sealed::seal(keys.current()?, name, version, nonce, secret);
        let file = file.ok_or_else(|| system("it cannot be sealed".to_owned()))?;
        folder.replace(name.as_str(), &file)
    }
}
