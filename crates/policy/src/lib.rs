//! Policy: what may run, decided by rules people can read.
//!
//! The crate reads rule files, compiles them once per tool, and answers "may this call run" with
//! every reason. It is pure: no I/O, no clock, no randomness, no knowledge of runs. It also owns
//! the document reader and the units that every other document shares.
//!
//! Text becomes rules in `rule/`, is held against the tools in `check.rs`, and is compiled to sets of
//! rows in `program/`, where decisions are made. `policy.rs` is the front door.

mod authorize;
mod builtin;
mod call;
mod catalogue;
mod change;
mod check;
mod coverage;
mod decision;
pub mod document;
mod explanation;
pub mod extension;
mod identifier;
mod lint;
mod mutation;
mod pattern;
mod policy;
mod program;
pub mod quota;
mod rule;
mod schema;
mod selector;
mod trial;
pub mod units;

pub use builtin::{POLICY_CHANGES, POLICY_TOOL, WIDENS};
pub use call::{Call, OwnedCall};
pub use catalogue::{Catalogue, CatalogueError, Effect, Tool};
pub use change::{Changed, Comparison, Shift, compare, only_narrows, witnesses};
pub use coverage::{ArgumentCoverage, Coverage, RuleCoverage};
pub use decision::{
    Action, Approve, Approver, Basis, Charge, ChargeKind, Constraints, Contribution, Decision,
    Exceed, Layer, Per, Profile, Reach, Redact, Verdict,
};
pub use explanation::{
    ConditionOutcome, Contributed, ExceptOutcome, Explanation, LayerOutcome, NearMiss, RuleOutcome,
    Truth, Usage,
};
pub use extension::{Extended, ExtensionFault};
pub use mutation::{Mutation, MutationError, Survivor};
pub use pattern::{TargetError, check_target};
pub use policy::{Loaded, Policy};
pub use selector::SelectorError;
pub use trial::TestResult;
