//! Another policy engine to hold ours against: the same rules in Cedar, decided by Cedar.
//!
//! Rules are written down once (`model`), and from that as a rule file (`rule_file`) and as Cedar policies
//! (`cedar`). What has no exact meaning in Cedar is not in the model, so the two must agree on all of it.
//! No part of the product, and apart so that building `policy` does not build Cedar.

mod cedar;
mod model;
mod rule_file;
mod sample;

pub use cedar::{Cedar, Prepared, Unknown};
pub use model::{Accepted, Action, Asked, Condition, OracleError, Outcome, Rule};
pub use rule_file::Ours;
pub use sample::{asked, rules, tools};
