//! What looks like a credential: rules with keywords, looked for line by line.
//!
//! One automaton finds the keywords of all rules; only around a keyword the rule's expression is tried, so most text
//! is never looked at twice. Expressions are of the linear kind, over bytes; those of the built-in pack are compiled
//! when first needed. [`rule`] is one rule, [`pack`] reads files of them, [`lines`] cuts streams, [`scan`] looks.

mod lines;
mod pack;
mod rule;
mod scan;

pub(crate) use lines::Lines;
pub use pack::RuleError;
pub use scan::Patterns;
