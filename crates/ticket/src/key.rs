//! Keys: who may sign, and by which algorithm. The algorithm is the key's; a ticket cannot name one.
//!
//! HMAC-SHA-256 (RFC 2104, FIPS 180-4) inside a node, Ed25519 (RFC 8032, verified strictly) for what leaves it. Each
//! signs with a context of its own, so that a signature made for something else is none of a ticket. Files and
//! randomness are the caller's; no key shows in `Debug`.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Fewest bytes of a secret; a shorter one is refused.
pub const SECRET_BYTES_MIN: usize = 32;
/// Most bytes of a secret.
const SECRET_BYTES_MAX: usize = 1024;
/// Most keys accepted at a time.
const KEYS_MAX: usize = 16;
/// Bytes of a signature by HMAC.
pub(crate) const MAC_BYTES: usize = 32;
/// Bytes that SHA-256 takes in at a time, and with it the length of an HMAC key.
const MAC_BLOCK_BYTES: usize = 64;
/// Bytes of a signature by Ed25519.
pub(crate) const SIGNATURE_BYTES: usize = 64;

const MAC_CONTEXT: &[u8] = b"palisade ticket 1 hmac\0";
const NARROW_CONTEXT: &[u8] = b"palisade ticket 1 narrow\0";
const SIGN_CONTEXT: &[u8] = b"palisade ticket 1 ed25519\0";
const ID_CONTEXT: &[u8] = b"palisade ticket 1 key id\0";

/// Names a key without telling it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Why a key is not taken. Nothing of the key is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too short to keep anybody out.
    #[error("a token secret has at least {SECRET_BYTES_MIN} bytes, and this one has {0}")]
    Short(usize),
    /// Longer than any secret needs to be.
    #[error("a token secret has at most {SECRET_BYTES_MAX} bytes, and this one has {0}")]
    Long(usize),
    /// One byte over and over.
    #[error("the token secret is one byte repeated")]
    Repeated,
    /// Not a point of the curve, or one with which anything verifies.
    #[error("the public key is not a usable Ed25519 key")]
    Weak,
    /// Not the text of a public key.
    #[error("it is no public key of tickets")]
    Form,
    /// The text of a public key under the name of another.
    #[error("the public key goes by the name of another")]
    Name,
    /// More keys than are accepted.
    #[error("more than {KEYS_MAX} keys are accepted at once")]
    TooMany,
    /// Two keys of one name.
    #[error("a key is there twice")]
    Twice,
    /// Nothing to check or sign with.
    #[error("there is no key")]
    None,
}

impl KeyError {
    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Short(_) | Self::Long(_) | Self::Repeated => {
                "take 32 random bytes, for example from `head -c 32 /dev/urandom`"
            }
            Self::Form => "take a line that `palisade ticket key` printed",
            Self::Weak | Self::Name => {
                "take the public key as its node printed it with `palisade ticket key`"
            }
            Self::TooMany | Self::Twice => "retire keys whose tickets have all expired",
            Self::None => "make one with `palisade ticket rotate`",
        }
    }
}

/// A shared secret, ready to sign with.
#[derive(Clone)]
pub struct Secret {
    id: KeyId,
    /// Keyed, with the context taken in.
    state: Hmac<Sha256>,
}

impl Secret {
    /// A secret of these bytes.
    ///
    /// # Errors
    /// [`KeyError`] when they are fewer than [`SECRET_BYTES_MIN`], more than 1 KiB or all the same.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes.len() {
            short @ 0..SECRET_BYTES_MIN => return Err(KeyError::Short(short)),
            long if long > SECRET_BYTES_MAX => return Err(KeyError::Long(long)),
            _ => {}
        }
        if bytes.windows(2).all(|pair| matches!(pair, [left, right] if left == right)) {
            return Err(KeyError::Repeated);
        }
        // HMAC takes keys of any length.
        let mut state =
            Hmac::<Sha256>::new_from_slice(bytes).map_err(|_| KeyError::Long(bytes.len()))?;
        let named = state.clone().chain_update(ID_CONTEXT).finalize().into_bytes();
        state.update(MAC_CONTEXT);
        Ok(Self { id: key_id(&named), state })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The signature of a payload: of its first part, then of each block under the signature before.
    pub(crate) fn sign<'b>(
        &self,
        root: &[u8],
        blocks: impl Iterator<Item = &'b [u8]>,
    ) -> [u8; MAC_BYTES] {
        self.state_after(root, blocks).finalize().into_bytes().into()
    }

    /// Whether `signature` is that of the payload, in time that does not depend on where it differs.
    pub(crate) fn verifies<'b>(
        &self,
        root: &[u8],
        blocks: impl Iterator<Item = &'b [u8]>,
        signature: &[u8; MAC_BYTES],
    ) -> bool {
        self.state_after(root, blocks).verify_slice(signature).is_ok()
    }

    fn state_after<'b>(&self, root: &[u8], blocks: impl Iterator<Item = &'b [u8]>) -> Hmac<Sha256> {
        let root = self.state.clone().chain_update(root);
        blocks.fold(root, |before, block| narrowing(before.finalize().into_bytes().into(), block))
    }
}

fn narrowing(before: [u8; MAC_BYTES], block: &[u8]) -> Hmac<Sha256> {
    // HMAC fills a short key up with zeros (RFC 2104 §2).
    let mut key = [0; MAC_BLOCK_BYTES];
    key.iter_mut().zip(before).for_each(|(slot, byte)| *slot = byte);
    Hmac::<Sha256>::new(&key.into()).chain_update(NARROW_CONTEXT).chain_update(block)
}

/// The signature of a ticket narrowed by `block`. Whoever has the ticket can make it, and nobody can go back.
pub(crate) fn narrowed(before: [u8; MAC_BYTES], block: &[u8]) -> [u8; MAC_BYTES] {
    narrowing(before, block).finalize().into_bytes().into()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.id)
    }
}

/// A node's own signing key.
#[derive(Clone)]
pub struct NodeKey(SigningKey);

impl NodeKey {
    /// The key of a seed, 32 random bytes (RFC 8032 §5.1.5).
    #[must_use]
    pub fn of_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// What others verify with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey { id: public_id(self.0.verifying_key().as_bytes()), key: self.0.verifying_key() }
    }

    pub(crate) fn sign(&self, payload: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(&[SIGN_CONTEXT, payload].concat()).to_bytes()
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({})", self.public().id)
    }
}

/// The public half of a [`NodeKey`].
#[derive(Debug, Clone)]
pub struct PublicKey {
    id: KeyId,
    key: VerifyingKey,
}

impl PublicKey {
    /// A public key from its 32 bytes.
    ///
    /// # Errors
    /// [`KeyError::Weak`] when they are no point of the curve or one of small order.
    pub fn new(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Weak)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self { id: public_id(bytes), key })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub(crate) fn verifies(&self, payload: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        let message = [SIGN_CONTEXT, payload].concat();
        self.key.verify_strict(&message, &Signature::from_bytes(signature)).is_ok()
    }
}

fn public_id(bytes: &[u8; 32]) -> KeyId {
    key_id(&Sha256::new().chain_update(ID_CONTEXT).chain_update(bytes).finalize())
}

fn key_id(digest: &[u8]) -> KeyId {
    KeyId(digest.first_chunk().copied().unwrap_or_default())
}

/// What a ticket is signed with.
#[derive(Debug, Clone)]
pub enum Signer {
    /// For tickets that stay in the node.
    Secret(Secret),
    /// For tickets that leave it.
    Node(NodeKey),
}

impl Signer {
    /// The name of its key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        match self {
            Self::Secret(secret) => secret.id,
            Self::Node(node) => node.public().id,
        }
    }
}

/// What a ticket is checked with.
#[derive(Debug, Clone)]
pub enum Key {
    /// A shared secret.
    Secret(Secret),
    /// A node's public key.
    Public(PublicKey),
}

/// Every key whose tickets are accepted: during a rotation the new one and those before it.
#[derive(Debug, Clone)]
pub struct Keyring {
    keys: Vec<Key>,
}

impl Keyring {
    /// A keyring of these keys.
    ///
    /// # Errors
    /// [`KeyError`] when there is none, more than 16, or one twice.
    pub fn new(keys: Vec<Key>) -> Result<Self, KeyError> {
        let mut ids: Vec<KeyId> = keys.iter().map(id_of).collect();
        ids.sort_unstable();
        match keys.len() {
            0 => Err(KeyError::None),
            count if count > KEYS_MAX => Err(KeyError::TooMany),
            _ if ids.windows(2).any(|pair| matches!(pair, [left, right] if left == right)) => {
                Err(KeyError::Twice)
            }
            _ => Ok(Self { keys }),
        }
    }

    pub(crate) fn find(&self, id: KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| id_of(key) == id)
    }
}

fn id_of(key: &Key) -> KeyId {
    match key {
        Key::Secret(secret) => secret.id,
        Key::Public(public) => public.id,
    }
}
