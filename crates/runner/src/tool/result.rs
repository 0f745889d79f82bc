//! What the read-only tools answer, as schemas (JSON Schema 2020-12), and the check of an answer.
//!
//! A result that does not fit fails its step and reaches nobody: later steps and callers rely on what is declared
//! here. Programs have no schema of their own; a step declares one for its outputs.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use schema::{Registry, Schema};
use serde_json::{Value, json};

use super::{FS_EXISTS, FS_LIST, FS_READ, SEARCH_GLOB, SEARCH_GREP};

/// Longest account of what is wrong, in characters.
const MISTAKES_SHOWN: usize = 2_000;

static RESULTS: LazyLock<BTreeMap<&'static str, Arc<Schema>>> = LazyLock::new(|| {
    let registry = Registry::new();
    let compiled = |tool| Some((tool, registry.compile(&result_schema(tool)?).ok()?));
    [FS_EXISTS, FS_LIST, FS_READ, SEARCH_GLOB, SEARCH_GREP]
        .into_iter()
        .filter_map(compiled)
        .collect()
});

/// What a tool's result is held against, as it was written.
pub(crate) fn declared(tool: &str) -> Option<&'static Value> {
    RESULTS.get(tool).map(|schema| schema.source())
}

/// Holds a tool's result against what it declares. A tool that declares none may not answer.
///
/// # Errors
/// Everything that is wrong, as `place: message; …`.
pub(crate) fn check(tool: &str, result: &Value) -> Result<(), String> {
    let schema = RESULTS.get(tool).ok_or("the tool declares no result")?;
    schema.check(result).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        lines.join("; ").chars().take(MISTAKES_SHOWN).collect()
    })
}

/// The schema of a tool's result; `None` for tools that run programs or write.
#[must_use]
pub fn result_schema(tool: &str) -> Option<Value> {
    let text = || json!({ "type": "string" });
    let list = |items: Value| json!({ "type": "array", "items": items });
    let properties = match tool {
        FS_READ => json!({ "text": text(), "size": count() }),
        FS_EXISTS => {
            return Some(json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["exists"],
                "properties": { "exists": { "type": "boolean" }, "kind": kind() },
            }));
        }
        FS_LIST => json!({ "entries": list(closed(json!({ "name": text(), "kind": kind() }))) }),
        SEARCH_GLOB => json!({ "matches": count(), "paths": list(text()) }),
        SEARCH_GREP => json!({
            "matches": count(),
            "lines": list(closed(json!({
                "file": { "type": ["string", "null"] },
                "line": count(),
                "text": text(),
            }))),
        }),
        _ => return None,
    };
    let mut properties = properties;
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("truncated".to_owned(), json!({ "type": "boolean" }));
    }
    Some(closed(properties))
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn kind() -> Value {
    json!({ "enum": ["file", "folder", "link", "other"] })
}

/// An object of exactly these fields.
fn closed(properties: Value) -> Value {
    let required: Vec<&String> =
        properties.as_object().into_iter().flat_map(|properties| properties.keys()).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::policy::Effect;

    #[test]
    fn every_read_only_tool_declares_a_result_that_compiles_and_no_other_does() {
        for tool in super::super::registered() {
            let reads = tool.effect == Effect::Read;
            assert_eq!(RESULTS.contains_key(tool.name.as_str()), reads, "{}", tool.name);
            assert_eq!(result_schema(&tool.name).is_some(), reads, "{}", tool.name);
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let lines = json!([{ "file": null, "line": 1, "text": "a" }, { "file": 2, "line": -1, "text": "b" }]);
        let result = json!({ "matches": 2, "lines": lines, "truncated": false });
        assert_eq!(
            check(SEARCH_GREP, &result).unwrap_err(),
            "$.lines[1].file: must be null or a string, found an integer; $.lines[1].line: must be at least 0"
        );
    }
}
