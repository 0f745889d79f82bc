//! The key file: the key in use, and while keys are being changed the one before.
//!
//! Text: a line that says what it is, then each key as 64 hexadecimal digits, the one in use first. Mode 0600 in a
//! folder of mode 0700; anything looser is refused.

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::folder::Folder;

/// The file of the vault's keys.
const FILE: &str = "vault.key";
const HEADING: &str = "palisade-key 1";
/// Keys of one file: the one in use and the one before.
const MOST_KEYS: usize = 2;
const KEY_BYTES: usize = 32;
const FILE_BYTES: usize = 1024;

/// Which key a file was sealed with: the first half of a hash of it.
pub(crate) type KeyId = [u8; 8];

/// One key. It is wiped when it goes.
#[derive(Clone)]
pub(crate) struct Key(pub(crate) Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    fn draw(path: &Path) -> Result<Self, VaultError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *bytes).map_err(|error| VaultError::System {
            path: path.to_path_buf(),
            source: std::io::Error::other(error.to_string()),
        })?;
        Ok(Self(bytes))
    }

    pub(crate) fn id(&self) -> KeyId {
        let hash =
            Sha256::new().chain_update(b"palisade key id\n").chain_update(*self.0).finalize();
        let mut id = KeyId::default();
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        id
    }
}

/// The keys of a vault.
pub(crate) struct Keyring {
    folder: Folder,
    keys: Vec<Key>,
}

impl Keyring {
    /// The keys in `folder`; `None` where none were made yet.
    pub(crate) fn read(folder: Folder) -> Result<Option<Self>, VaultError> {
        Ok(read(&folder, FILE)?.map(|keys| Self { folder, keys }))
    }

    /// The keys in `folder`; a first one is drawn where there is none and nothing is sealed yet, which `sealed` tells.
    pub(crate) fn open(
        folder: Folder,
        sealed: impl FnOnce() -> Result<bool, VaultError>,
    ) -> Result<Self, VaultError> {
        let keys = match read(&folder, FILE)? {
            Some(keys) => keys,
            // A key of its own for what is set now would keep the lost one from ever being put back.
            None if sealed()? => return Err(VaultError::Lost(folder.place(FILE))),
            None => open(&folder, FILE)?,
        };
        Ok(Self { folder, keys })
    }

    /// The key new files are sealed with.
    pub(crate) fn current(&self) -> Result<&Key, VaultError> {
        self.keys.first().ok_or_else(|| VaultError::Key(self.folder.place(FILE)))
    }

    /// The key with this id.
    pub(crate) fn of(&self, id: KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id() == id)
    }

    /// Draws a new key and keeps the one in use beside it. Durable when this returns.
    pub(crate) fn renew(&mut self) -> Result<(), VaultError> {
        let mut keys = vec![Key::draw(&self.folder.place(FILE))?];
        keys.append(&mut self.keys);
        keys.truncate(MOST_KEYS);
        write(&self.folder, FILE, &keys)?;
        self.keys = keys;
        Ok(())
    }

    /// Whether a renewal was interrupted.
    pub(crate) fn is_renewing(&self) -> bool {
        self.keys.len() > 1
    }

    /// Forgets every key but the one in use. Durable when this returns.
    pub(crate) fn forget(&mut self) -> Result<(), VaultError> {
        self.keys.truncate(1);
        write(&self.folder, FILE, &self.keys)
    }
}

/// A key for another purpose, in the file `name` beside the vault's; drawn where there is none.
///
/// # Errors
/// [`VaultError`] when the folder or file is exposed, damaged, or cannot be made.
pub fn private_key(keys: &Path, name: &str) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let folder = Folder::open(keys)?;
    let found = open(&folder, name)?;
    found.into_iter().next().map(|key| key.0).ok_or_else(|| VaultError::Key(folder.place(name)))
}

fn open(folder: &Folder, name: &str) -> Result<Vec<Key>, VaultError> {
    if let Some(keys) = read(folder, name)? {
        return Ok(keys);
    }
    let keys = vec![Key::draw(&folder.place(name))?];
    write(folder, name, &keys)?;
    Ok(keys)
}

fn read(folder: &Folder, name: &str) -> Result<Option<Vec<Key>>, VaultError> {
    let Some(bytes) = folder.read(name, FILE_BYTES)? else { return Ok(None) };
    parse(&bytes).map(Some).ok_or_else(|| VaultError::Key(folder.place(name)))
}

fn parse(bytes: &[u8]) -> Option<Vec<Key>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.strip_suffix('\n')?.split('\n');
    (lines.next()? == HEADING).then_some(())?;
    let keys: Vec<Key> = lines.map(key).collect::<Option<_>>()?;
    (1..=MOST_KEYS).contains(&keys.len()).then_some(keys)
}

fn key(line: &str) -> Option<Key> {
    let digits =
        |text: &u8| char::from(*text).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let line = line.as_bytes();
    (line.len() == KEY_BYTES * 2).then_some(())?;
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    for (to, pair) in bytes.iter_mut().zip(line.chunks(2)) {
        *to = pair.iter().map(digits).try_fold(0, |byte, digit| Some(byte << 4 | digit?))?;
    }
    Some(Key(bytes))
}

fn write(folder: &Folder, name: &str, keys: &[Key]) -> Result<(), VaultError> {
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES));
    text.push_str(HEADING);
    for key in keys {
        text.push('\n');
        for byte in *key.0 {
            let _ = write!(text, "{byte:02x}");
        }
    }
    text.push('\n');
    folder.replace(name, text.as_bytes())
}
