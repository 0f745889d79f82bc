//! What has to be approved before a call under review may run: by whom, how often, until when.
//!
//! Several reviewing rules give the strictest of all they ask for. Asking people and keeping their
//! answers is not here; that nobody approves their own call is the caller's rule for every approval.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::identifier;
use crate::pattern::NamePattern;

/// How long an approval is waited for where no rule says.
const EXPIRES: Duration = Duration::from_secs(24 * 60 * 60);

/// The approvals a call under review needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approve {
    /// What each approver has to be, all of it; empty is any other principal.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub from: Vec<Approver>,
    /// How many different principals must approve, at least one.
    pub count: u16,
    /// How long after the decision an approval still counts.
    pub expires: Duration,
}

/// One demand on whoever approves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approver {
    /// Has this role.
    Role(Arc<str>),
    /// Has a name this pattern matches, in which `*` is any text.
    Principal(Arc<str>),
    /// Meets one of these: the list of one rule.
    AnyOf(Vec<Approver>),
}

/// One other principal, whoever it is, within a day: what a rule without `approve` asks for.
impl Default for Approve {
    fn default() -> Approve {
        Approve { from: Vec::new(), count: 1, expires: EXPIRES }
    }
}

impl Approve {
    /// Whether a principal with these roles is one who may approve. That it is not the requester is
    /// for the caller to check.
    #[must_use]
    pub fn accepts(&self, principal: &str, roles: &[String]) -> bool {
        self.from.iter().all(|demand| demand.accepts(principal, roles))
    }

    /// Whether whatever meets this meets `other` as well.
    pub(crate) fn covers(&self, other: &Approve) -> bool {
        other.from.iter().all(|demand| self.from.contains(demand))
            && self.count >= other.count
            && self.expires <= other.expires
    }

    /// Both demands at once: more approvals, sooner, from whoever meets both.
    pub(crate) fn tightened(mut self, other: Approve) -> Approve {
        for demand in other.from {
            if !self.from.contains(&demand) {
                self.from.push(demand);
            }
        }
        self.count = self.count.max(other.count);
        self.expires = self.expires.min(other.expires);
        self
    }
}

impl Approver {
    /// A list inside a list is never made, so what goes deeper than one is met by nobody.
    fn accepts(&self, principal: &str, roles: &[String]) -> bool {
        match self {
            Approver::AnyOf(demands) => demands.iter().any(|one| one.is(principal, roles)),
            one => one.is(principal, roles),
        }
    }

    fn is(&self, principal: &str, roles: &[String]) -> bool {
        match self {
            Approver::Role(role) => roles.iter().any(|have| identifier::normal(have) == **role),
            Approver::Principal(pattern) => NamePattern::parse(pattern)
                .is_ok_and(|pattern| pattern.matches(&identifier::normal(principal))),
            Approver::AnyOf(_) => false,
        }
    }
}

/// What is asked for, as a fragment: `2 approvals from role:sre within 900s`.
impl fmt::Display for Approve {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = if self.count == 1 { "approval" } else { "approvals" };
        write!(out, "{} {many} from ", self.count)?;
        match self.from.split_first() {
            None => out.write_str("another principal")?,
            Some((first, others)) => {
                write!(out, "{first}")?;
                others.iter().try_for_each(|demand| write!(out, " who is {demand}"))?;
            }
        }
        write!(out, " within {}s", self.expires.as_secs())
    }
}

impl fmt::Display for Approver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Approver::Role(role) => write!(out, "role:{role}"),
            Approver::Principal(pattern) => write!(out, "principal:{pattern}"),
            Approver::AnyOf(demands) => {
                let texts: Vec<String> = demands.iter().map(ToString::to_string).collect();
                out.write_str(&texts.join(" or "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Approve, Approver};
    use std::time::Duration;

    fn approve(from: Vec<Approver>, count: u16, seconds: u64) -> Approve {
        Approve { from, count, expires: Duration::from_secs(seconds) }
    }

    #[test]
    fn the_strictest_of_all() {
        let sre = Approver::Role("sre".into());
        let either = Approver::AnyOf(vec![sre.clone(), Approver::Principal("ops-*".into())]);
        let first = approve(vec![sre.clone()], 1, 60);
        let second = approve(vec![either.clone(), sre.clone()], 3, 90);
        let both = first.clone().tightened(second);
        assert_eq!(both, approve(vec![sre, either], 3, 60));
        assert_eq!(first.clone().tightened(Approve::default()), first);
    }

    #[test]
    fn a_demand_reads_as_a_fragment() {
        let sre = Approver::Role("sre".into());
        let either = Approver::AnyOf(vec![sre.clone(), Approver::Principal("ops-*".into())]);
        for (demand, expected) in [
            (Approve::default(), "1 approval from another principal within 86400s"),
            (approve(vec![sre.clone()], 2, 900), "2 approvals from role:sre within 900s"),
            (
                approve(vec![either, Approver::Role("lead".into())], 2, 60),
                "2 approvals from role:sre or principal:ops-* who is role:lead within 60s",
            ),
        ] {
            assert_eq!(demand.to_string(), expected);
        }
    }

    #[test]
    fn an_approver_meets_every_demand() {
        let roles =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let sre = Approver::Role("sre".into());
        let either = Approver::AnyOf(vec![
            Approver::Role("lead".into()),
            Approver::Principal("ops-*".into()),
        ]);
        for (from, principal, has, expected) in [
            (vec![], "anyone", &[][..], true),
            (vec![sre.clone()], "a", &["sre"], true),
            (vec![sre.clone()], "sre", &["dev"], false),
            (vec![either.clone()], "ops-1", &[], true),
            (vec![either.clone()], "a", &["lead"], true),
            (vec![either.clone()], "a", &["sre"], false),
            (vec![sre.clone(), either.clone()], "ops-1", &["sre"], true),
            (vec![sre, either], "ops-1", &[], false),
            (vec![Approver::AnyOf(vec![])], "a", &["sre"], false),
            (vec![Approver::Principal("".into())], "", &[], false),
        ] {
            let demand = approve(from, 1, 1);
            assert_eq!(demand.accepts(principal, &roles(has)), expected, "{demand:?} {principal}");
        }
    }
}
