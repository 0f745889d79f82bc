//! The rules that are always on: what no rule file can allow.
//!
//! They guard places, so they are about tools that declare path arguments, and they also see paths
//! outside the project. An argument that a call leaves out names no place and concerns none of
//! them; one that cannot be read is unknown and therefore denied. At most ten; raise `VERSION` with
//! any change, as it is part of every policy's digest.

use crate::catalogue::Effect;
use crate::decision::{Action, Constraints, Layer};
use crate::document::Span;
use crate::pattern::PathPattern;
use crate::rule::{Condition, Rule, Tools};

/// What the names of built-in rules, and of no others, start with.
pub(crate) const PREFIX: &str = "builtin:";

/// Changes with the rules below.
pub(crate) const VERSION: u32 = 1;

const ANY: &[Effect] = &[Effect::Read, Effect::Write, Effect::Exec, Effect::Net];

/// A program with a writable mount writes where no tool does, so it counts as writing.
const WRITING: &[Effect] = &[Effect::Write, Effect::Exec];

struct Guard {
    name: &'static str,
    effects: &'static [Effect],
    action: Action,
    reason: &'static str,
    paths: &'static [&'static str],
}

const GUARDS: [Guard; 5] = [
    Guard {
        name: "builtin:policy-files",
        effects: WRITING,
        action: Action::Deny,
        reason: "the policy and its folder change only through their own commands",
        paths: &["**/.palisade", "**/.palisade/**"],
    },
    Guard {
        name: "builtin:state-databases",
        effects: ANY,
        action: Action::Deny,
        reason: "the journal and the state are read and written by palisade alone",
        paths: &[
            "**/.palisade/**/*.{db,db-wal,db-shm,db-journal}",
            "**/palisade.{db,db-wal,db-shm,db-journal}",
        ],
    },
    Guard {
        name: "builtin:keys",
        effects: ANY,
        action: Action::Deny,
        reason: "keys are never handed to a call",
        paths: &[
            "**/{.ssh,.gnupg,.aws}",
            "**/{.ssh,.gnupg,.aws}/**",
            "**/id_{rsa,dsa,ecdsa,ed25519}*",
            "**/*.{pem,key,p12,pfx}",
        ],
    },
    Guard {
        name: "builtin:bootstrap-files",
        effects: WRITING,
        action: Action::RequireReview,
        reason: "these files decide how palisade starts",
        paths: &["**/palisade.{yaml,yml}", "**/palisade*.service", "crates/bootstrap/**"],
    },
    Guard {
        name: "builtin:product-binaries",
        effects: WRITING,
        action: Action::RequireReview,
        reason: "this program is part of palisade",
        paths: &["**/{bin,debug,release}/palisade", "**/palisade-bootstrap"],
    },
];

/// Every built-in rule.
pub(crate) fn rules() -> Vec<Rule> {
    GUARDS.iter().map(rule).collect()
}

fn rule(guard: &Guard) -> Rule {
    // A pattern that did not parse would guard nothing; the test below parses every one.
    let paths = guard.paths.iter().filter_map(|path| PathPattern::parse(path).ok()).collect();
    Rule {
        name: guard.name.into(),
        layer: Layer::BuiltIn,
        label: format!("`{}`", guard.name),
        span: Span::default(),
        condition: Condition {
            tools: Tools::WithPaths(guard.effects),
            caller_tags: Vec::new(),
            roles: Vec::new(),
            modes: Vec::new(),
            states: Vec::new(),
            principals: Vec::new(),
            paths: Some(paths),
            paths_span: Span::default(),
            hosts_span: Span::default(),
            hosts: Vec::new(),
            arguments: Vec::new(),
        },
        except: Vec::new(),
        action: guard.action,
        reason: Some(guard.reason.into()),
        constraints: Constraints::default(),
        limits: Vec::new(),
        approve: None,
    }
}

#[cfg(test)]
mod tests {
    use super::{GUARDS, PREFIX, rules};

    #[test]
    fn at_most_ten_and_every_pattern_counts() {
        assert!(rules().len() <= 10);
        for (guard, rule) in GUARDS.iter().zip(rules()) {
            assert!(guard.name.starts_with(PREFIX));
            assert_eq!(rule.condition.paths.unwrap().len(), guard.paths.len(), "{}", guard.name);
        }
    }
}
