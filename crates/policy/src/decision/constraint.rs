//! What a call that is let through must keep to. Each constraint can only tighten.
//!
//! Values and how two of them are one; carrying them out is the caller's part.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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

/// What is redacted beyond secrets, which always are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redact {
    /// Nothing more.
    #[default]
    None,
    /// What the call is given.
    Input,
    /// What the call gives back.
    Output,
    /// Either.
    Both,
}

impl Redact {
    /// Whether nothing more is redacted.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Redact::None
    }

    /// Everything either redacts.
    fn tightened(self, other: Redact) -> Redact {
        match (self, other) {
            (Redact::None, other) => other,
            (own, Redact::None) => own,
            (own, other) if own == other => own,
            _ => Redact::Both,
        }
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
    /// Whether the call runs only with a ticket for it.
    #[serde(skip_serializing_if = "is_false", default)]
    pub require_ticket: bool,
    /// What is redacted beyond secrets.
    #[serde(skip_serializing_if = "Redact::is_none", default)]
    pub redact: Redact,
}

fn is_false(value: &bool) -> bool {
    !*value
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
            require_ticket: self.require_ticket || other.require_ticket,
            redact: self.redact.tightened(other.redact),
        }
    }

    /// Whether nothing is constrained.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Constraints::default()
    }
}

/// What is constrained, as a fragment; nothing is an empty text.
impl fmt::Display for Constraints {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.profile.map(|profile| format!("profile {profile}")));
        parts.extend(self.timeout.map(|time| format!("timeout {}ms", time.as_millis())));
        parts.extend(self.max_file_size.map(|size| format!("files up to {size} bytes")));
        parts.extend(self.max_transfer.map(|size| format!("transfers up to {size} bytes")));
        parts.extend(self.require_ticket.then(|| "only with a ticket".to_owned()));
        parts.extend(match self.redact {
            Redact::None => None,
            Redact::Input => Some("input redacted".to_owned()),
            Redact::Output => Some("output redacted".to_owned()),
            Redact::Both => Some("input and output redacted".to_owned()),
        });
        out.write_str(&parts.join(", "))
    }
}

fn least<T: Ord>(left: Option<T>, right: Option<T>) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

#[cfg(test)]
mod tests {
    use super::{Constraints, Profile, Redact};
    use std::time::Duration;

    #[test]
    fn constraints_only_tighten() {
        let loose = Constraints {
            profile: Some(Profile::Standard),
            timeout: Some(Duration::from_secs(30)),
            max_file_size: None,
            max_transfer: Some(7),
            require_ticket: false,
            redact: Redact::Input,
        };
        let tight = Constraints {
            profile: Some(Profile::Strict),
            timeout: Some(Duration::from_secs(60)),
            max_file_size: Some(10),
            max_transfer: Some(9),
            require_ticket: true,
            redact: Redact::Output,
        };
        let both = Constraints {
            profile: Some(Profile::Strict),
            timeout: Some(Duration::from_secs(30)),
            max_file_size: Some(10),
            max_transfer: Some(7),
            require_ticket: true,
            redact: Redact::Both,
        };
        assert_eq!(loose.tightened(tight), both);
        assert_eq!(tight.tightened(loose), both);
        assert_eq!(
            both.to_string(),
            "profile strict, timeout 30000ms, files up to 10 bytes, transfers up to 7 bytes, \
             only with a ticket, input and output redacted"
        );
        for one in [loose, tight, both] {
            assert_eq!(one.tightened(Constraints::default()), one);
            assert_eq!(one.tightened(one), one);
        }
    }
}
