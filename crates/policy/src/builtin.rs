//! The rules that are always on: what no rule file can allow.
//!
//! Most guard places: they are about tools that declare path arguments, and they also see paths
//! outside the project. An argument that a call leaves out names no place and concerns none of
//! them; one that cannot be read is unknown and therefore denied. Two guard the policy itself, so
//! that no policy says who may replace it. At most ten; raise `VERSION` with any change, as it is
//! part of every policy's digest.

use crate::catalogue::Effect;
use crate::decision::{Action, Approve, Approver, Constraints, Layer};
use crate::document::Span;
use crate::pattern::PathPattern;
use crate::rule::{Accepted, Argument, Condition, Rule, Tools};
use crate::selector::Selector;

/// The tool that replaces the policy in force.
pub const POLICY_TOOL: &str = "policy.update";
/// Its argument that says whether the new policy would allow more.
pub const WIDENS: &str = "widens";
/// The built-in rule that sends every change of the policy to review.
pub const POLICY_CHANGES: &str = "builtin:policy-changes";
/// Who approves what would allow more: a person, and not the one who started it.
const PEOPLE: &str = "user:*";

/// What the names of built-in rules, and of no others, start with.
pub(crate) const PREFIX: &str = "builtin:";

/// Changes with the rules below.
pub(crate) const VERSION: u32 = 3;

const ANY: &[Effect] = &[Effect::Read, Effect::Write, Effect::Exec, Effect::Net];

/// A program with a writable mount writes where no tool does, so it counts as writing.
const WRITING: &[Effect] = &[Effect::Write, Effect::Exec];

/// The rest: what these do with a state folder, `builtin:policy-files` does not forbid.
const LOOKING: &[Effect] = &[Effect::Read, Effect::Net];

struct Guard {
    name: &'static str,
    effects: &'static [Effect],
    action: Action,
    reason: &'static str,
    paths: &'static [&'static str],
}

const GUARDS: [Guard; 6] = [
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
        name: "builtin:state-folder",
        effects: LOOKING,
        action: Action::Deny,
        reason: "what palisade keeps, its keys and secrets among it, is read by palisade alone",
        paths: &["**/.palisade", "**/.palisade/**"],
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
    let changes = review(POLICY_CHANGES, "a policy changes only under review");
    let reason = "what allows more needs a second person";
    let widening = review("builtin:policy-widening", reason);
    // A selector that did not parse would ask for the second person always.
    let widens = Selector::condition(WIDENS).ok().map(|selector| Argument {
        key: WIDENS.to_owned(),
        selector,
        span: Span::default(),
        accepted: vec![Accepted::Bool(true)],
    });
    let widening = Rule {
        condition: Condition { arguments: widens.into_iter().collect(), ..widening.condition },
        approve: Some(Approve {
            from: vec![Approver::Principal(PEOPLE.into())],
            ..Approve::default()
        }),
        ..widening
    };
    GUARDS.iter().map(guarded).chain([changes, widening]).collect()
}

fn guarded(guard: &Guard) -> Rule {
    // A pattern that did not parse would guard nothing; the test below parses every one.
    let paths = guard.paths.iter().filter_map(|path| PathPattern::parse(path).ok()).collect();
    let condition = Condition { paths: Some(paths), ..about(Tools::WithPaths(guard.effects)) };
    rule(guard.name, guard.action, guard.reason, condition)
}

fn review(name: &str, reason: &str) -> Rule {
    rule(name, Action::RequireReview, reason, about(Tools::BuiltIn(POLICY_TOOL)))
}

/// The condition that asks for nothing but these tools.
fn about(tools: Tools) -> Condition {
    Condition {
        tools,
        caller_tags: Vec::new(),
        roles: Vec::new(),
        modes: Vec::new(),
        states: Vec::new(),
        principals: Vec::new(),
        paths: None,
        paths_span: Span::default(),
        hosts_span: Span::default(),
        hosts: Vec::new(),
        arguments: Vec::new(),
    }
}

fn rule(name: &str, action: Action, reason: &str, condition: Condition) -> Rule {
    Rule {
        name: name.into(),
        layer: Layer::BuiltIn,
        label: format!("`{name}`"),
        span: Span::default(),
        condition,
        except: Vec::new(),
        action,
        reason: Some(reason.into()),
        constraints: Constraints::default(),
        limits: Vec::new(),
        approve: None,
    }
}

#[cfg(test)]
mod tests {
    use super::{GUARDS, POLICY_TOOL, PREFIX, WIDENS, rules};
    use crate::catalogue::{Catalogue, Effect, Tool};
    use crate::decision::Verdict;
    use crate::{Call, Policy};
    use serde_json::json;

    #[test]
    fn at_most_ten_and_every_pattern_counts() {
        assert!(rules().len() <= 10);
        for (guard, rule) in GUARDS.iter().zip(rules()) {
            assert!(guard.name.starts_with(PREFIX));
            assert_eq!(rule.condition.paths.unwrap().len(), guard.paths.len(), "{}", guard.name);
        }
        let widening = rules().pop().unwrap();
        assert!(widening.name.starts_with(PREFIX) && widening.condition.arguments.len() == 1);
    }

    #[test]
    fn a_change_of_the_policy_is_always_reviewed_and_a_wider_one_by_a_person() {
        let tool = Tool {
            name: POLICY_TOOL.to_owned(),
            effect: Effect::Write,
            tags: Vec::new(),
            schema: json!({ "type": "object", "properties": { WIDENS: { "type": "boolean" } } }),
            paths: Vec::new(),
            hosts: Vec::new(),
        };
        let catalogue = Catalogue::new(vec![tool]).unwrap();
        let rule = "rules: [{ name: all, match: { tool: \"*\" }, action: allow }]";
        let load = |rules: &str| {
            let text = format!("version: 1\nname: t\n{rules}\n");
            let source = crate::document::Source { name: "t.yaml".to_owned(), text };
            Policy::load(&source, &catalogue).unwrap().policy
        };
        for (args, people) in [
            (json!({ WIDENS: false }), false),
            (json!({ WIDENS: true }), true),
            // What cannot be told counts as wider.
            (json!({}), true),
            (json!({ WIDENS: "no" }), true),
        ] {
            let call = Call {
                tool: POLICY_TOOL,
                principal: "user:ada",
                roles: &[],
                tags: &[],
                mode: None,
                state: None,
                args: &args,
            };
            for policy in [load(rule), Policy::empty(&catalogue)] {
                let decision = policy.decide(&call);
                assert_eq!(decision.verdict, Verdict::RequireReview, "{args}");
                let approve = decision.approve.unwrap_or_default();
                assert_eq!(!approve.from.is_empty(), people, "{args}");
                assert!(
                    !people || !approve.accepts("agent:x", &[]) && approve.accepts("user:x", &[])
                );
            }
            let deny = load(&rule.replace("allow", "deny"));
            assert_eq!(deny.decide(&call).verdict, Verdict::Deny, "a policy may deny it");
        }
    }
}
