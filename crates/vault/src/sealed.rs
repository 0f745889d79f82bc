//! One secret as the bytes of a file.
//!
//! ```text
//! "palisade-secret 1\n"   18 bytes
//! key id                   8
//! version                  8, big endian
//! length of the name       1
//! name
//! nonce                   24
//! value and its tag       at least 17
//! ```
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha); everything before the nonce is associated data.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

use crate::error::VaultError;
use crate::keyring::{Key, KeyId, Keyring};
use crate::secret::{Name, Secret, VALUE_BYTES};

const MAGIC: &[u8; 18] = b"palisade-secret 1\n";
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// Most bytes of a file.
pub(crate) const FILE_BYTES: usize =
    MAGIC.len() + 8 + 8 + 1 + 64 + NONCE_BYTES + VALUE_BYTES + TAG_BYTES;

/// What a file says before it is opened; true only once it was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'f> {
    pub(crate) key: KeyId,
    pub(crate) version: u64,
    name: &'f [u8],
    associated: &'f [u8],
    nonce: [u8; NONCE_BYTES],
    sealed: &'f [u8],
}

impl<'f> Header<'f> {
    pub(crate) fn read(bytes: &'f [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (key, rest) = rest.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let associated = bytes.get(..bytes.len() - rest.len())?;
        let version = u64::from_be_bytes(*version);
        Some(Self { key: *key, version, name, associated, nonce: *nonce, sealed })
    }
}

/// The file of a secret.
pub(crate) fn seal(
    key: &Key,
    name: &Name,
    version: u64,
    nonce: [u8; NONCE_BYTES],
    secret: &Secret,
) -> Option<Vec<u8>> {
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&key.id());
    file.extend_from_slice(&version.to_be_bytes());
    file.push(u8::try_from(name.as_str().len()).ok()?);
    file.extend_from_slice(name.as_str().as_bytes());
    let cipher = XChaCha20Poly1305::new_from_slice(&*key.0).ok()?;
    let payload = Payload { msg: secret.reveal().as_bytes(), aad: &file };
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
    file.extend_from_slice(&nonce);
    file.extend_from_slice(&sealed);
    Some(file)
}

/// The secret of a file that is to hold `name`, and its version.
pub(crate) fn open(keys: &Keyring, name: &Name, bytes: &[u8]) -> Result<(Secret, u64), VaultError> {
    let damaged = |why| VaultError::Damaged { name: name.to_string(), why };
    if bytes.len() > FILE_BYTES {
        return Err(damaged("its file is too long"));
    }
    let header =
        Header::read(bytes).ok_or_else(|| damaged("its file is cut off or not a secret's"))?;
    if header.name != name.as_str().as_bytes() {
        return Err(damaged("its file is that of another secret"));
    }
    let key =
        keys.of(header.key).ok_or_else(|| damaged("it was sealed with a key that is not here"))?;
    let changed = || damaged("its file was changed");
    let cipher = XChaCha20Poly1305::new_from_slice(&*key.0).map_err(|_| changed())?;
    let payload = Payload { msg: header.sealed, aad: header.associated };
    let value = cipher.decrypt(&XNonce::from(header.nonce), payload).map_err(|_| changed())?;
    Ok((Secret::new(value).map_err(|_| changed())?, header.version))
}
