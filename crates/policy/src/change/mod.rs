//! What another policy would decide differently.
//!
//! Two policies are held against each other over calls: those on record, those of tests, and
//! [`witnesses`] made from the conditions of both. Each call that comes out differently is one line,
//! with the direction it moved in. Over calls on record that is exact for those calls; over witnesses it
//! is a search, which can miss a difference and never invents one.

mod narrowing;
mod sample;
mod witness;

use std::collections::HashMap;

use serde::Serialize;

use crate::call::OwnedCall;
use crate::decision::{Decision, Verdict};
use crate::policy::Policy;

pub use narrowing::only_narrows;
pub use witness::witnesses;

/// The direction in which a decision moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shift {
    /// Was allowed and would be denied: what worked would stop working.
    Breaking,
    /// More would be possible than before: a weaker verdict, or looser constraints.
    Widening,
    /// Less would be possible, but nothing that worked would be denied.
    Narrowing,
}

/// One call that would come out differently.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    /// The call.
    pub call: OwnedCall,
    /// How many calls were like it.
    pub times: usize,
    /// The direction.
    pub shift: Shift,
    /// What the first policy decides.
    pub before: Decision,
    /// What the second policy decides.
    pub after: Decision,
}

/// What came of holding two policies against each other.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// Calls looked at, those alike counted each.
    pub compared: usize,
    /// Calls that come out differently, breaking ones first, else in the order given.
    pub changed: Vec<Changed>,
}

impl Comparison {
    /// How many lines moved in one direction.
    #[must_use]
    pub fn count(&self, shift: Shift) -> usize {
        self.changed.iter().filter(|changed| changed.shift == shift).count()
    }
}

/// Decides every call by both policies and keeps those that come out differently.
pub fn compare(
    before: &Policy,
    after: &Policy,
    calls: impl IntoIterator<Item = OwnedCall>,
) -> Comparison {
    let mut found = Comparison::default();
    // A call seen before, and its line where it has one.
    let mut seen: HashMap<String, Option<usize>> = HashMap::new();
    for call in calls {
        found.compared += 1;
        let key = serde_json::to_string(&call).unwrap_or_default();
        if let Some(known) = seen.get(&key) {
            if let Some(line) = known.and_then(|line| found.changed.get_mut(line)) {
                line.times += 1;
            }
            continue;
        }
        let decided = (before.decide(&call.borrowed()), after.decide(&call.borrowed()));
        let line = shift(&decided.0, &decided.1).map(|shift| {
            let (before, after) = decided;
            found.changed.push(Changed { call, times: 1, shift, before, after });
            found.changed.len() - 1
        });
        seen.insert(key, line);
    }
    found.changed.sort_by_key(|changed| changed.shift);
    found
}

/// The direction from one decision to another; `None` where both come to the same.
fn shift(before: &Decision, after: &Decision) -> Option<Shift> {
    match (before.verdict, after.verdict) {
        (Verdict::Allow, Verdict::Deny) => return Some(Shift::Breaking),
        (from, to) if to < from => return Some(Shift::Widening),
        (from, to) if to > from => return Some(Shift::Narrowing),
        (Verdict::Deny, _) => return None,
        _ => {}
    }
    match (after.asks_all_of(before), before.asks_all_of(after)) {
        (true, true) => None,
        (true, false) => Some(Shift::Narrowing),
        (false, _) => Some(Shift::Widening),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, Effect, Tool};
    use crate::document::Source;
    use serde_json::json;

    fn policy(rules: &str) -> Policy {
        let tool = Tool {
            name: "fs.read".to_owned(),
            effect: Effect::Read,
            tags: Vec::new(),
            schema: json!({ "type": "object", "properties": {
                "path": { "type": "string" }, "size": { "type": "integer" } } }),
            paths: vec!["path".to_owned()],
            hosts: Vec::new(),
        };
        let catalogue = Catalogue::new(vec![tool]).unwrap();
        let text = format!("version: 1\nname: t\nrules:\n{rules}");
        let source = Source { name: "t.yaml".to_owned(), text };
        Policy::load(&source, &catalogue).unwrap().policy
    }

    fn read(path: &str) -> OwnedCall {
        OwnedCall {
            tool: "fs.read".to_owned(),
            principal: "user:a".to_owned(),
            roles: Vec::new(),
            tags: Vec::new(),
            mode: None,
            state: None,
            args: json!({ "path": path }),
        }
    }

    const DOCS: &str = "  - { name: docs, match: { path_glob: docs/** }, action: allow }\n";

    #[test]
    fn every_direction_has_its_word() {
        let rule = |action: &str, more: &str| {
            policy(&format!(
                "  - {{ name: docs, match: {{ path_glob: docs/** }}, action: {action}{more} }}\n"
            ))
        };
        let (allow, review, deny) =
            (rule("allow", ""), rule("require_review", ""), rule("deny", ""));
        let tight = rule("allow", ", constraints: { timeout: 5s }");
        let check = |before: &Policy, after: &Policy, expect: Option<Shift>| {
            let found = compare(before, after, [read("docs/a")]);
            assert_eq!(found.changed.first().map(|changed| changed.shift), expect);
        };
        check(&allow, &deny, Some(Shift::Breaking));
        check(&allow, &review, Some(Shift::Narrowing));
        check(&review, &deny, Some(Shift::Narrowing));
        check(&deny, &review, Some(Shift::Widening));
        check(&deny, &allow, Some(Shift::Widening));
        check(&review, &allow, Some(Shift::Widening));
        check(&allow, &tight, Some(Shift::Narrowing));
        check(&tight, &allow, Some(Shift::Widening));
        check(&tight, &tight, None);
        let limit = |item: &str| rule("allow", &format!(", limits: [{{ {item}, per: run }}]"));
        let (three, five) = (limit("count: 3"), limit("count: 5"));
        check(&allow, &three, Some(Shift::Narrowing));
        check(&three, &allow, Some(Shift::Widening));
        check(&five, &three, Some(Shift::Narrowing));
        check(&three, &five, Some(Shift::Widening));
        check(&three, &limit("count: 3, on_exceed: require_review"), Some(Shift::Widening));
        check(&three, &limit("count: 3, window: 1h"), Some(Shift::Widening));
        check(&three, &limit("concurrent: 3"), Some(Shift::Widening));
        let approve = |text: &str| rule("require_review", &format!(", approve: {{ {text} }}"));
        let (one, two) = (approve("count: 1"), approve("count: 2"));
        check(&one, &two, Some(Shift::Narrowing));
        check(&two, &one, Some(Shift::Widening));
        check(&review, &one, None);
        check(&one, &approve("from: \"role:sre\""), Some(Shift::Narrowing));
        check(
            &approve("from: \"role:sre\""),
            &approve("from: \"role:dev\""),
            Some(Shift::Widening),
        );
        check(&one, &approve("expires: 10d"), Some(Shift::Widening));
        check(&deny, &deny, None);
    }

    #[test]
    fn calls_alike_are_one_line_and_breaking_lines_come_first() {
        let both = "  - { name: docs, match: { path_glob: src/** }, action: allow }\n";
        let calls = ["src/a", "docs/a", "docs/a", "other"].map(read);
        let found = compare(&policy(DOCS), &policy(both), calls);
        assert_eq!(found.compared, 4);
        let lines: Vec<_> = found.changed.iter().map(|line| (line.shift, line.times)).collect();
        assert_eq!(lines, [(Shift::Breaking, 2), (Shift::Widening, 1)]);
        assert_eq!((found.count(Shift::Breaking), found.count(Shift::Narrowing)), (1, 0));
    }

    #[test]
    fn witnesses_find_what_no_recorded_call_shows() {
        let narrow = "  - { name: docs, match: { path_glob: docs/**, args: { size: \"<= 9\" } }, action: allow }\n";
        let except = "  - { name: docs, match: { path_glob: docs/** }, except: [{ path_glob: docs/private/** }], action: allow }\n";
        for (before, after, expect) in [
            (DOCS, narrow, Shift::Breaking),
            (narrow, DOCS, Shift::Widening),
            (DOCS, except, Shift::Breaking),
            (except, DOCS, Shift::Widening),
        ] {
            let (before, after) = (policy(before), policy(after));
            let found = compare(&before, &after, witnesses(&before, &after));
            assert!(found.count(expect) > 0, "{expect:?} {found:?}");
        }
        let same = compare(&policy(DOCS), &policy(DOCS), witnesses(&policy(DOCS), &policy(DOCS)));
        assert!(same.compared > 0 && same.changed.is_empty(), "{same:?}");
    }
}
