//! Capability tickets: what one holder may do, for how long and how often, under a signature.
//!
//! A [`Ticket`] is minted from [`Claims`] by a [`Signer`], may be narrowed by whoever holds it, is checked by
//! [`verify`] against what would really happen, and is spent in [`Uses`]. [`action`] judges the start of a workflow
//! that acts on the world by the tickets for it. The bytes are in `crates/ticket/FORMAT.md`.
//!
//! It knows no policy, no journal and no runs, and has no clock, file or chance: time, ids, nonces and salts come in
//! as values. It keeps no secret in any error or `Debug` text.

pub mod action;
mod claims;
mod key;
mod mint;
mod narrowing;
mod public;
mod text;
mod uses;
mod verify;
mod window;
mod wire;

pub use claims::{
    Audience, Claims, Digest, Expiry, Id, LIFE_MAX, LIFE_TOOL, LIFE_WORKFLOW, LIST_MAX, SKEW, Time,
    Unusable,
};
pub use key::{
    Key, KeyError, KeyId, Keyring, NodeKey, PublicKey, SECRET_BYTES_MIN, Secret, Signer,
};
pub use mint::{MintError, attenuate, attenuate_signed, mint};
pub use narrowing::{DEPTH_MAX, Narrowing};
pub use text::{Malformed, TEXT_BYTES_MAX, Ticket};
pub use uses::{Redeemed, Spent, Used, Uses};
pub use verify::{
    Binding, Expected, For, Minted, Refused, Verified, is_signed, unverified, verify,
};
pub use window::{WINDOW_WIDTH, Window};
