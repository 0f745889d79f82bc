//! What a tool's JSON Schema says about one argument: can it be there, and of which kind.
//!
//! Used at load only, to refuse a condition that could never meet a value. It is not a validator:
//! whatever it does not understand it takes as possible, because a wrong "impossible" would refuse
//! a good policy while a wrong "possible" only misses a typing mistake.

use serde_json::Value;

use crate::selector::Selector;

/// References followed for one name before the schema counts as not understood.
const REFERENCES_MAX: usize = 16;

/// Whether arguments can hold a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Presence {
    /// No valid arguments have it.
    Impossible,
    /// The schema neither names nor excludes it.
    Open,
    /// The schema names it.
    Declared,
}

/// Whether valid arguments can have a value where `selector` leads.
pub(crate) fn presence(root: &Value, selector: &Selector) -> Presence {
    walk(root, selector).0
}

/// A kind for [`can_be`]: a text that may say a size or a time. One that is the content of something, as
/// `contentMediaType` says, says none, however it begins.
pub(crate) const QUANTITY: &str = "quantity";

/// Whether a value of the JSON Schema type `kind`, or a [`QUANTITY`], can stand where `selector` leads.
pub(crate) fn can_be(root: &Value, selector: &Selector, kind: &str) -> bool {
    match (walk(root, selector).1, kind) {
        (Some(schema), QUANTITY) => {
            allows_type(schema, "string") && schema.get("contentMediaType").is_none()
        }
        (Some(schema), kind) => allows_type(schema, kind),
        (None, _) => true,
    }
}

/// The names of the arguments that the schema declares.
pub(crate) fn names(root: &Value) -> impl Iterator<Item = &str> {
    let properties = root.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|all| all.keys()).map(String::as_str)
}

/// The first part of the way to a value that valid arguments can also hold as something that leads no further:
/// a text where a map may be, for instance.
pub(crate) fn sometimes<'s>(root: &Value, selector: &'s Selector) -> Option<&'s str> {
    let mut schema = root;
    for step in selector.steps() {
        let next = match step_into(dereference(root, schema)?, &step.key, step.index) {
            Into::Schema(next) => next,
            Into::Open | Into::Nothing => return None,
        };
        let kinds = dereference(root, next)?.get("type").and_then(Value::as_array);
        let leads = |kind: &Value| matches!(kind.as_str(), Some("object" | "array"));
        let last = selector.steps().last().is_some_and(|last| std::ptr::eq(last, step));
        if !last && kinds.is_some_and(|kinds| !kinds.iter().all(leads)) {
            return Some(&step.key);
        }
        schema = next;
    }
    None
}

/// The schema of one property, where the schema names it; follows references.
pub(crate) fn property<'s>(root: &'s Value, schema: &'s Value, key: &str) -> Option<&'s Value> {
    dereference(root, schema)?
        .get("properties")?
        .get(key)
        .and_then(|found| dereference(root, found))
}

fn walk<'s>(root: &'s Value, selector: &Selector) -> (Presence, Option<&'s Value>) {
    let mut schema = root;
    for step in selector.steps() {
        let Some(here) = dereference(root, schema) else { return (Presence::Open, None) };
        let next = match step_into(here, &step.key, step.index) {
            Into::Schema(next) => next,
            Into::Open => return (Presence::Open, None),
            Into::Nothing => return (Presence::Impossible, None),
        };
        schema = match (step.each, dereference(root, next)) {
            (true, Some(list)) => match list.get("items") {
                Some(items) => items,
                None if allows_type(list, "array") => return (Presence::Open, None),
                None => return (Presence::Impossible, None),
            },
            (true, None) => return (Presence::Open, None),
            (false, _) => next,
        };
    }
    match dereference(root, schema) {
        Some(Value::Bool(false)) => (Presence::Impossible, None),
        Some(schema) => (Presence::Declared, Some(schema)),
        None => (Presence::Declared, None),
    }
}

enum Into<'s> {
    Schema(&'s Value),
    Open,
    Nothing,
}

fn step_into<'s>(schema: &'s Value, key: &str, index: Option<usize>) -> Into<'s> {
    if schema == &Value::Bool(false) {
        return Into::Nothing;
    }
    if let Some(found) = schema.get("properties").and_then(|map| map.get(key)) {
        return Into::Schema(found);
    }
    if let (Some(index), true) = (index, allows_type(schema, "array")) {
        let prefix = schema.get("prefixItems").and_then(|items| items.get(index));
        return prefix.or(schema.get("items")).map_or(Into::Open, Into::Schema);
    }
    let combined = ["allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas"];
    if combined.iter().any(|word| schema.get(word).is_some()) {
        return Into::Open;
    }
    match schema.get("additionalProperties") {
        _ if !allows_type(schema, "object") => Into::Nothing,
        Some(Value::Bool(false)) => Into::Nothing,
        Some(other @ Value::Object(_)) => Into::Schema(other),
        _ => Into::Open,
    }
}

/// Follows local references (`#/$defs/x`); `None` where the schema cannot be understood.
fn dereference<'s>(root: &'s Value, schema: &'s Value) -> Option<&'s Value> {
    let mut here = schema;
    for _ in 0..REFERENCES_MAX {
        let Some(reference) = here.get("$ref") else { return Some(here) };
        here = root.pointer(reference.as_str()?.strip_prefix('#')?)?;
    }
    None
}

fn allows_type(schema: &Value, kind: &str) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("number") => kind == "number" || kind == "integer",
        Some(name) => name == kind,
        None => true,
    };
    let by_type = match schema.get("type") {
        None => true,
        Some(Value::Array(names)) => names.iter().any(is),
        Some(name) => is(name),
    };
    let of_kind = |value: &Value| match value {
        Value::String(_) => kind == "string",
        Value::Bool(_) => kind == "boolean",
        Value::Number(_) => kind == "integer" || kind == "number",
        Value::Array(_) => kind == "array",
        Value::Object(_) => kind == "object",
        Value::Null => false,
    };
    let by_values = match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(values)), _) => values.iter().any(of_kind),
        (_, Some(value)) => of_kind(value),
        _ => true,
    };
    by_type && by_values
}

#[cfg(test)]
mod tests {
    use super::{Presence, QUANTITY, can_be, presence, sometimes};
    use crate::selector::Selector;
    use serde_json::json;

    #[test]
    fn what_arguments_can_hold() {
        let closed = json!({
            "type": "object",
            "additionalProperties": false,
            "$defs": { "body": { "type": "object", "properties": { "size": { "type": "integer" } },
                                 "additionalProperties": false },
                       "loop": { "$ref": "#/$defs/loop" } },
            "properties": {
                "body": { "$ref": "#/$defs/body" },
                "loop": { "$ref": "#/$defs/loop" },
                "far": { "$ref": "https://example.com/x" },
                "argv": { "type": "array", "items": { "type": "string" } },
                "pair": { "type": "array", "prefixItems": [{ "type": "integer" }] },
                "never": false,
                "text": { "type": "string" },
                "content": { "type": "string", "contentMediaType": "text/plain" },
                "mixed": { "type": ["string", "object"], "properties": { "size": {} } },
                "open": { "type": "object" },
                "env": { "enum": ["a", "b"] },
                "either": { "anyOf": [{ "properties": { "x": {} } }, { "type": "string" }] },
            },
        });
        for (text, expected) in [
            ("body", Presence::Declared),
            ("body.size", Presence::Declared),
            ("body.sise", Presence::Impossible),
            ("body.size.x", Presence::Impossible),
            ("bodi", Presence::Impossible),
            ("argv.0", Presence::Declared),
            ("argv.x", Presence::Impossible),
            ("pair.1", Presence::Open),
            ("never", Presence::Impossible),
            ("open.x", Presence::Open),
            ("loop.x", Presence::Open),
            ("far.x", Presence::Open),
            ("either.x", Presence::Open),
            ("env.x", Presence::Impossible),
        ] {
            let selector = Selector::condition(text).unwrap();
            assert_eq!(presence(&closed, &selector), expected, "{text}");
        }
        let kind =
            |text: &str, kind: &str| can_be(&closed, &Selector::condition(text).unwrap(), kind);
        assert!(kind("body.size", "integer") && !kind("body.size", "string"));
        assert!(kind("env", "string") && !kind("env", "integer"));
        assert!(kind("open.x", "string"));
        assert!(kind("text", QUANTITY) && !kind("body", QUANTITY) && !kind("content", QUANTITY));
        assert!(kind("content", "string"));
        let sometimes = |text: &str| {
            let selector = Selector::condition(text).unwrap();
            sometimes(&closed, &selector).map(str::to_owned)
        };
        assert_eq!(sometimes("mixed.size"), Some("mixed".to_owned()));
        assert_eq!(
            [sometimes("mixed"), sometimes("body.size"), sometimes("open.x")],
            [None, None, None]
        );
        let mounts = Selector::declared("argv[]").unwrap();
        assert_eq!(presence(&closed, &mounts), Presence::Declared);
        let mounts = Selector::declared("body[]").unwrap();
        assert_eq!(presence(&closed, &mounts), Presence::Impossible);
    }
}
