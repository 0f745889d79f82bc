//! Documents people write: YAML text read into nodes that remember where they stood.
//!
//! The one reader of every Palisade document (workflow, policy, configuration). It keeps lines and
//! columns, bounds size, depth and node count before it allocates, and refuses what makes YAML
//! surprising: anchors, aliases, tags, duplicate keys, several documents in a file.
//! It is not a general YAML library, and it knows no document type: `Fields` gives each of those
//! a strict decoder that reports several mistakes at once.
//!
//! Read `reader.rs` for the limits, `fields.rs` for the decoder, `diagnostic.rs` for the output.

mod diagnostic;
mod fields;
mod node;
mod reader;
mod scalar;
mod suggestion;

pub use diagnostic::{Diagnostic, Report, Severity};
pub use fields::Fields;
pub use node::{Key, Node, Source, Span, Yaml};
pub use reader::{Limits, read, read_within};
pub use suggestion::suggest;
