//! A secret's name and its value.
//! How they are kept is `sealed`; nothing here touches a file.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::VaultError;

/// Most bytes of a value.
pub const VALUE_BYTES: usize = 64 * 1024;
/// Most characters of a name.
const NAME_CHARS: usize = 64;

/// The name of a secret: `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`. It is no secret itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// [`VaultError::Name`].
    pub fn new(text: &str) -> Result<Self, VaultError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins && text.len() <= NAME_CHARS && text.chars().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(VaultError::Name(text.chars().take(NAME_CHARS).collect()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The value of a secret. It shows itself to nobody and is wiped when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a value.
    ///
    /// # Errors
    /// [`VaultError::Value`]; the bytes are wiped.
    pub fn new(bytes: Vec<u8>) -> Result<Self, VaultError> {
        let bytes = Zeroizing::new(bytes);
        let text = std::str::from_utf8(&bytes).map_err(|_| VaultError::Value)?;
        if text.is_empty() || text.len() > VALUE_BYTES || text.contains('\0') {
            return Err(VaultError::Value);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The value itself, for whoever has to hand it on.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_never_paths() {
        for name in ["a", "DB_PASSWORD", "db.password-2", &"x".repeat(64)] {
            assert!(Name::new(name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", ".a", "-a", "_a", "a/b", "a b", "ä", "a\0", &"x".repeat(65)] {
            assert!(matches!(Name::new(name), Err(VaultError::Name(_))), "{name}");
        }
    }

    #[test]
    fn a_value_is_text_within_bounds_and_shows_itself_to_nobody() {
        for bytes in [&b""[..], b"a\0b", b"\xff", &[b'x'; VALUE_BYTES + 1]] {
            assert!(matches!(Secret::new(bytes.to_vec()), Err(VaultError::Value)));
        }
        let secret = Secret::new(b"hunter22".to_vec()).unwrap();
        assert_eq!((secret.reveal(), format!("{secret:?}").as_str()), ("hunter22", "Secret"));
    }
}
