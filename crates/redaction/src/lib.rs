//! Taking secrets out of text before it is kept or shown, in three layers.
//!
//! [`Fields`] replaces what a schema marks as sensitive, [`Known`] finds values that are known exactly in every usual
//! encoding, and [`Patterns`] finds what looks like a credential. A [`Redactor`] joins the last two for whole texts,
//! JSON values and streams. It is a net, not a wall: who wants to hide a value from it can. Nothing here reads a
//! file, a clock or chance; texts and keys come in as values.

mod dump;
mod encode;
mod field;
mod known;
mod mark;
mod pattern;
mod redactor;
mod stream;

pub use field::Fields;
pub use known::{Known, KnownError, LONGEST_BYTES, MOST_VALUES, SHORTEST_CHARS};
pub use mark::Tagger;
pub use pattern::{Patterns, RuleError};
pub use redactor::Redactor;
pub use stream::Stream;
