//! Random rules as a rule file has them.
//!
//! Writing only; what a rule means is not known here.

use std::fmt::Write;

use serde_json::json;

use super::world::{Condition, Rule};

pub(crate) fn file(rules: &[Rule]) -> String {
    let mut text = "version: 1\nrules:\n".to_owned();
    for (place, rule) in rules.iter().enumerate() {
        let action = serde_json::to_string(&rule.action).unwrap();
        let except: Vec<String> = rule.except.iter().map(condition).collect();
        let matched = condition(&rule.condition);
        write!(text, "- {{ name: r{place}, match: {matched}, action: {action}").unwrap();
        if !except.is_empty() {
            write!(text, ", except: [{}]", except.join(", ")).unwrap();
        }
        if rule.ticket {
            text.push_str(", constraints: { require_ticket: true }");
        }
        if rule.limited {
            text.push_str(", limits: [{ count: 9, per: run }]");
        }
        if let Some((count, within, role)) = rule.approve {
            let from =
                if role.is_empty() { String::new() } else { format!(", from: \"role:{role}\"") };
            write!(text, ", approve: {{ count: {count}, expires: {within}s{from} }}").unwrap();
        }
        text.push_str(" }\n");
    }
    text
}

fn condition(condition: &Condition) -> String {
    let list = |values: &[&str]| serde_json::to_string(values).unwrap();
    let mut fields = Vec::new();
    for (name, values) in [
        ("tool", &condition.tools),
        ("role", &condition.roles),
        ("caller_tag", &condition.tags),
        ("mode", &condition.modes),
        ("principal", &condition.principals),
        ("host", &condition.hosts),
    ] {
        if !values.is_empty() {
            fields.push(format!("{name}: {}", list(values)));
        }
    }
    if let Some(paths) = &condition.paths {
        fields.push(format!("path_glob: {}", list(paths)));
    }
    let one = |text: &&str| match text.strip_prefix("glob:") {
        Some(glob) => format!("{{ glob: {} }}", json!(glob)),
        None if *text == "7" || *text == "true" => (*text).to_owned(),
        None => json!(text).to_string(),
    };
    let entries: Vec<String> = condition
        .args
        .iter()
        .map(|(key, wanted)| {
            let wanted: Vec<String> = wanted.iter().map(one).collect();
            format!("{key}: [{}]", wanted.join(", "))
        })
        .collect();
    if !entries.is_empty() {
        fields.push(format!("args: {{ {} }}", entries.join(", ")));
    }
    if fields.is_empty() {
        fields.push("tool: \"*\"".to_owned());
    }
    format!("{{ {} }}", fields.join(", "))
}
