//! JSON Schema 2020-12 for everything that has a shape: inputs, arguments, results, outputs.
//!
//! A [`Registry`] compiles schemas offline and keeps what it compiled by digest; a [`Schema`] holds
//! values against it, fills in defaults and says every mistake in a stable order. What a schema may
//! contain is bounded before anything is compiled (`bounds`). [`read`] is the strict reader of JSON
//! that comes from outside, [`check_payload`] the limits of inputs and arguments.
//!
//! It fetches nothing, touches no file and knows no workflow, tool or policy.

mod bounds;
mod defaults;
mod fault;
mod keyword;
mod mistake;
mod payload;
pub mod pointer;
mod reader;
mod registry;
mod words;

pub use bounds::{
    MAX_PATTERN_BYTES, MAX_PATTERN_LENGTH, MAX_PATTERNS, MAX_REGISTRY_PATTERNS, MAX_SCHEMA_BYTES,
    MAX_SCHEMA_COST, MAX_SCHEMA_DEPTH, local, places_of, unknown_keywords,
};
pub use fault::Fault;
pub use mistake::Mistake;
pub use payload::{
    Excess, PAYLOAD_BYTES, PAYLOAD_DEPTH, PAYLOAD_ENTRIES, PAYLOAD_TEXT, PayloadError,
    check_payload,
};
pub use reader::{EXACT_MAX, ReadError, ReadLimits, read};
pub use registry::{ID_PREFIX, MAX_CACHED, MAX_MISTAKES, Registry, Schema};
