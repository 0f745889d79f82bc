//! `${{ … }}`: a small, total language of values inside workflow documents.
//!
//! It is a strict subset of CEL: integers, strings, booleans, null and lists; `a.b`, `a[i]`;
//! `! - * / % + < <= > >= == != in && || ?:`; a fixed list of functions; the roots `inputs`,
//! `steps` and `run`. An expression reads values and makes a value. It has no loops, no
//! definitions, no effects, and nothing in it is ever run as a program.
//! Where CEL gives an error for a declared name without a value (an optional input, an output a
//! skipped step did not produce), this language gives null, so that it can be asked for.
//!
//! Reading order: `token`, `parser` (with `reference`), `syntax`; then `check` at load and
//! `evaluate` (with `operate`) in a run; `template` is the face of all of it.

mod check;
mod evaluate;
mod fault;
mod function;
mod operate;
mod parser;
mod reference;
mod scope;
mod shape;
mod syntax;
mod template;
mod token;

pub use evaluate::MAX_WORK_BYTES;
pub use fault::{At, Fault};
pub use parser::MAX_DEPTH;
pub use scope::{ArtifactFacts, Names, Outcome, Place, Scope, Sight, Status, StepFacts, StepNames};
pub use shape::{Extra, Kinds, Shape};
pub use template::{Expression, MAX_EXPRESSIONS, MAX_TEXT_BYTES, Template};
pub use token::MAX_SOURCE_BYTES;
