//! Secrets at rest: one encrypted file for each, under one key file, in folders nobody else can read.
//!
//! XChaCha20-Poly1305 with the name, the version and the key's id as associated data, so that no file can stand in
//! for another. Files are replaced whole and synced. It knows no policy, no runs and no journal: whether somebody may
//! have a secret was decided before, and is recorded elsewhere. An older file put back in the place of a newer one is
//! not noticed here.

mod error;
mod folder;
mod keyring;
mod sealed;
mod secret;
mod vault;

pub use error::VaultError;
pub use keyring::private_key;
pub use secret::{Name, Secret, VALUE_BYTES};
pub use vault::{Listed, Vault};
