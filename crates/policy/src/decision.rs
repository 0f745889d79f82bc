//! What policy answers: a verdict, every reason for it, and the constraints it comes with.
//!
//! | a matching rule denies | one asks for review | one allows | verdict |
//! |---|---|---|---|
//! | yes | any | any | deny: a denial cannot be outvoted |
//! | no | yes | any | require review, with the reasons of every rule that asks |
//! | no | no | yes | allow |
//! | no | no | no | deny: no rule explicitly allowed this |
//!
//! The table is applied in `program/mod.rs`. Asking for and keeping approvals is not here.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What may happen with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may run, under the decision's constraints.
    Allow,
    /// It may run once another principal has approved it.
    RequireReview,
    /// It must not run.
    Deny,
}

/// What a rule contributes when it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Allows.
    Allow,
    /// Asks for a review.
    RequireReview,
    /// Denies.
    Deny,
}

impl Action {
    /// The verdict where this is the strongest contribution.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Action::Allow => Verdict::Allow,
            Action::RequireReview => Verdict::RequireReview,
            Action::Deny => Verdict::Deny,
        }
    }
}

/// Where a rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Compiled in; no configuration removes it.
    BuiltIn,
    /// The rule file.
    Rules,
}

/// Why the verdict is what it is, in the kinds a program tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The rules in `reasons` decided.
    Rules,
    /// No rule explicitly allowed this.
    NoRule,
    /// No tool of this name is registered.
    UnknownTool,
}

/// One rule that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// Name of the rule.
    pub rule: Arc<str>,
    /// Where it comes from.
    pub layer: Layer,
    /// What it contributed.
    pub action: Action,
    /// Its reason, where its author gave one.
    pub reason: Option<Arc<str>>,
}

/// How tightly a step runs, from loosest to tightest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Network through the egress proxy only.
    StandardNet,
    /// No network; programs, compilers and shells run.
    Standard,
    /// No network and the smallest set of system calls.
    Strict,
}

impl Profile {
    /// Every profile, loosest first.
    pub const ALL: [Profile; 3] = [Profile::StandardNet, Profile::Standard, Profile::Strict];

    /// The name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Profile::StandardNet => "standard-net",
            Profile::Standard => "standard",
            Profile::Strict => "strict",
        }
    }

    /// The profile with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Profile> {
        Profile::ALL.into_iter().find(|profile| profile.name() == name)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What a call must keep to. Each can only tighten what was asked for, never loosen it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constraints {
    /// The loosest profile permitted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub profile: Option<Profile>,
    /// The longest time permitted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout: Option<Duration>,
    /// The largest file permitted, in bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_file_size: Option<u64>,
    /// The most that may go to and come from each host together, in bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_transfer: Option<u64>,
}

impl Constraints {
    /// Both constraints at once: field by field the tighter one.
    #[must_use]
    pub fn tightened(self, other: Constraints) -> Constraints {
        Constraints {
            profile: self.profile.max(other.profile),
            timeout: least(self.timeout, other.timeout),
            max_file_size: least(self.max_file_size, other.max_file_size),
            max_transfer: least(self.max_transfer, other.max_transfer),
        }
    }

    /// Whether nothing is constrained.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Constraints::default()
    }
}

fn least<T: Ord>(left: Option<T>, right: Option<T>) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

/// The answer to one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What may happen.
    pub verdict: Verdict,
    /// What kind of reason there is.
    pub basis: Basis,
    /// Every rule that contributed the verdict: all denials, or all reviews, or all allows,
    /// built-in rules first, then in the order of the file. Empty where no rule decided.
    pub reasons: Vec<Contribution>,
    /// The tightest of every matching allow and review rule; empty on a denial.
    pub constraints: Constraints,
}

/// The decision on one host that a program asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// As asked for; empty where it was no text.
    pub host: String,
    /// What was decided.
    pub decision: Decision,
}

impl Decision {
    /// Both decisions at once: the stricter verdict with its reasons, and of two alike the reasons of
    /// both.
    pub(crate) fn and(self, other: Decision) -> Decision {
        let (mut first, second) = match other.verdict.cmp(&self.verdict) {
            Ordering::Greater => return other,
            Ordering::Less => return self,
            Ordering::Equal => (self, other),
        };
        first.constraints = first.constraints.tightened(second.constraints);
        for reason in second.reasons {
            if !first.reasons.contains(&reason) {
                first.reasons.push(reason);
            }
        }
        first
    }

    pub(crate) fn without_rule(basis: Basis) -> Decision {
        Decision {
            verdict: Verdict::Deny,
            basis,
            reasons: Vec::new(),
            constraints: Constraints::default(),
        }
    }
}

/// A fragment for people: the reasons, or the sentence of the default.
impl fmt::Display for Decision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lead = match (self.verdict, self.basis) {
            (_, Basis::NoRule) => return out.write_str("no rule explicitly allowed this"),
            (_, Basis::UnknownTool) => return out.write_str("no such tool is registered"),
            (Verdict::Allow, Basis::Rules) => "allowed by",
            (Verdict::RequireReview, Basis::Rules) => "review required by",
            (Verdict::Deny, Basis::Rules) => "denied by",
        };
        out.write_str(lead)?;
        for (position, contribution) in self.reasons.iter().enumerate() {
            out.write_str(if position == 0 { " " } else { "; " })?;
            write!(out, "`{}`", contribution.rule)?;
            if let Some(reason) = &contribution.reason {
                write!(out, " ({reason})")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Constraints, Profile};
    use std::time::Duration;

    #[test]
    fn constraints_only_tighten() {
        let loose = Constraints {
            profile: Some(Profile::Standard),
            timeout: Some(Duration::from_secs(30)),
            max_file_size: None,
            max_transfer: Some(7),
        };
        let tight = Constraints {
            profile: Some(Profile::Strict),
            timeout: Some(Duration::from_secs(60)),
            max_file_size: Some(10),
            max_transfer: Some(9),
        };
        let both = Constraints {
            profile: Some(Profile::Strict),
            timeout: Some(Duration::from_secs(30)),
            max_file_size: Some(10),
            max_transfer: Some(7),
        };
        assert_eq!(loose.tightened(tight), both);
        assert_eq!(tight.tightened(loose), both);
        assert_eq!(loose.tightened(Constraints::default()), loose);
    }
}
