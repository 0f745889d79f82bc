//! Policy: what may run, decided by rules people can read.
//!
//! The crate reads rule files, compiles them once per tool, and answers "may this call run" with
//! every reason. It is pure: no I/O, no clock, no randomness, no knowledge of runs. It also owns
//! the document reader and the units that every other document shares.
//!
//! Text becomes rules in `rule/`, is held against the tools in `check.rs`, and is compiled to sets of
//! rows in `program/`, where decisions are made. `policy.rs` is the front door.

mod builtin;
mod call;
mod catalogue;
mod check;
mod decision;
pub mod document;
mod explanation;
mod identifier;
mod lint;
mod pattern;
mod policy;
mod program;
mod rule;
mod schema;
mod selector;
mod trial;
pub mod units;

pub use call::Call;
pub use catalogue::{Catalogue, CatalogueError, Effect, Tool};
pub use decision::{
    Action, Basis, Constraints, Contribution, Decision, Layer, Profile, Reach, Verdict,
};
pub use explanation::{
    ConditionOutcome, Contributed, ExceptOutcome, Explanation, NearMiss, RuleOutcome, Truth,
};
pub use pattern::{TargetError, check_target};
pub use policy::{Loaded, Policy};
pub use selector::SelectorError;
pub use trial::TestResult;
