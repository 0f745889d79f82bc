//! A public key as a text that people can keep in a file: `palisade-ticket+KEY+BYTES`.
//!
//! The name in it has to be that of the bytes, so that a key cannot go by another's name. It is no secret; whether it
//! is the right one is for whoever got it to know.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::key::{KeyError, PublicKey};

/// What such a text begins with.
const PREFIX: &str = "palisade-ticket";

impl PublicKey {
    /// The text to give to whoever checks tickets of this key.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{PREFIX}+{}+{}", self.id(), URL_SAFE_NO_PAD.encode(self.bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Reads what [`PublicKey::text`] wrote, and nothing else.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.split('+');
        let (Some(PREFIX), Some(name), Some(bytes), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(KeyError::Form);
        };
        let bytes = URL_SAFE_NO_PAD.decode(bytes).map_err(|_| KeyError::Form)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::Form)?;
        let key = Self::new(&bytes)?;
        if key.id().to_string() == name { Ok(key) } else { Err(KeyError::Name) }
    }
}
