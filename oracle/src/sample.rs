//! The rules and calls that are timed: a thousand rules over fifty tools, or any number of either.
//!
//! The same shape as that of `palisade bench policy`: a folder, a size and a kind for each rule, with one
//! exception.

use policy::{Effect, Tool};
use serde_json::json;

use crate::model::{Accepted, Action, Asked, Condition, Rule};

/// So many tools.
#[must_use]
pub fn tools(count: usize) -> Vec<Tool> {
    let tool = |number| Tool {
        name: format!("tool{number}.act"),
        effect: Effect::Write,
        tags: Vec::new(),
        schema: json!({ "type": "object", "properties": {
            "path": { "type": "string" }, "size": { "type": "integer" }, "kind": { "type": "string" },
        } }),
        paths: vec!["path".to_owned()],
        hosts: Vec::new(),
    };
    (0..count).map(tool).collect()
}

/// So many rules, spread over so many tools.
#[must_use]
pub fn rules(count: usize, tools: usize) -> Vec<Rule> {
    let rule = |number: usize| {
        let kilobytes = u64::try_from(number + 1).unwrap_or(u64::MAX);
        let condition = Condition {
            tools: vec![format!("tool{}.act", number % tools)],
            paths: vec![format!("area{number}/**")],
            arguments: vec![
                ("size".to_owned(), vec![Accepted::AtMost(kilobytes.saturating_mul(1024))]),
                ("kind".to_owned(), ["a", "b"].map(|kind| Accepted::Text(kind.to_owned())).into()),
            ],
            ..Condition::default()
        };
        let except = vec![Condition {
            paths: vec![format!("area{number}/private/**")],
            ..Condition::default()
        }];
        Rule { action: Action::Allow, condition, except }
    };
    (0..count).map(rule).collect()
}

/// One of the calls, each allowed by another of `rules` rules.
#[must_use]
pub fn asked(number: usize, rules: usize, tools: usize) -> Asked {
    let rule = number * 7919 % rules;
    Asked {
        tool: format!("tool{}.act", rule % tools),
        principal: "user:bench".to_owned(),
        roles: Vec::new(),
        tags: Vec::new(),
        mode: None,
        arguments: json!({
            "path": format!("area{rule}/folder/file{number}.txt"), "size": 512, "kind": "b",
        }),
    }
}
