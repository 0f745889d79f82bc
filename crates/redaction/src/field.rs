//! Fields a schema marks as sensitive: `x-sensitivity: secret`, `pii` or `internal`.
//!
//! Exact and cheap: no value is looked at, only where it stands. Every keyword of JSON Schema 2020-12 that puts a schema
//! on a value, a property or an item is read. What only one alternative, condition or pattern of names marks is taken
//! as marked, and so is what a reference out of the document leads to.

use serde_json::{Map, Value};

use crate::mark::Tagger;

/// The key that marks a field.
const KEY: &str = "x-sensitivity";
/// The levels there are. Another word marks as well: it was meant to.
const LEVELS: [&str; 3] = ["secret", "pii", "internal"];
/// Keywords that put a list of schemas, and one schema, on the value they stand beside.
const JOINED_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const JOINED: [&str; 4] = ["else", "if", "not", "then"];
/// Keywords that put one schema on properties, and on items, nothing else speaks of.
const OTHER_PROPERTIES: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];
const OTHER_ITEMS: [&str; 2] = ["items", "unevaluatedItems"];
/// Schemas within schemas that are followed; what lies deeper is taken as marked.
const DEPTH_MOST: usize = 64;

/// The marked fields of one schema.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'s> {
    root: &'s Value,
}

impl<'s> Fields<'s> {
    /// The fields that `schema` marks.
    #[must_use]
    pub fn of(schema: &'s Value) -> Self {
        Self { root: schema }
    }

    /// Whether any field may be marked: where none may, every value stays as it is. A reference may lead to one.
    #[must_use]
    pub fn any(&self) -> bool {
        let (mut waiting, mut found) = (vec![self.root], false);
        while let Some(value) = waiting.pop() {
            found |= value.get(KEY).is_some() || value.get("$ref").is_some();
            match value {
                Value::Object(fields) => waiting.extend(fields.values()),
                Value::Array(items) => waiting.extend(items),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        found
    }

    /// `value` with a mark in the place of every marked field.
    #[must_use]
    pub fn redact(&self, value: &Value, tagger: &Tagger) -> Value {
        self.replace(value, &|level, value| tagger.mark(level, value.to_string().as_bytes()).into())
    }

    /// `value` with what `by` makes of each marked field, given its level, in its place.
    #[must_use]
    pub fn replace(&self, value: &Value, by: &dyn Fn(&'static str, &Value) -> Value) -> Value {
        self.within(&[self.root], value, by, 0)
    }

    /// `value` under all of `schemas`.
    fn within(
        &self,
        schemas: &[&Value],
        value: &Value,
        by: &dyn Fn(&'static str, &Value) -> Value,
        depth: usize,
    ) -> Value {
        let mut all = Vec::new();
        let complete = schemas.iter().all(|schema| self.parts(schema, &mut all, depth));
        let level = match complete {
            true => all.iter().find_map(|schema| schema.get(KEY)).map(level),
            false => Some(LEVELS[0]),
        };
        if let Some(level) = level {
            return by(level, value);
        }
        match value {
            Value::Object(fields) => {
                let inside = |(name, value): (&String, &Value)| {
                    let of = field(&all, name);
                    (name.clone(), self.within(&of, value, by, depth + 1))
                };
                Value::Object(fields.iter().map(inside).collect::<Map<_, _>>())
            }
            Value::Array(items) => {
                let inside = |(place, value): (usize, &Value)| {
                    self.within(&item(&all, place), value, by, depth + 1)
                };
                items.iter().enumerate().map(inside).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }

    /// Collects `schema` and everything it is joined from; whether all of it could be followed.
    fn parts<'a>(&'a self, schema: &'a Value, all: &mut Vec<&'a Value>, depth: usize) -> bool {
        if depth > DEPTH_MOST || all.len() > DEPTH_MOST {
            return false;
        }
        all.push(schema);
        let refers = schema.get("$ref").and_then(Value::as_str);
        let followed = refers.is_none_or(|to| {
            let pointer = to.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            pointer.is_some_and(|schema| self.parts(schema, all, depth + 1))
        });
        let listed = JOINED_LISTS.iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
        let single = JOINED.iter().filter_map(|key| schema.get(key));
        let depending = schema.get("dependentSchemas").and_then(Value::as_object);
        let mut joined =
            listed.chain(single).chain(depending.into_iter().flat_map(|map| map.values()));
        followed && joined.all(|schema| self.parts(schema, all, depth + 1))
    }
}

fn level(marked: &Value) -> &'static str {
    let said = marked.as_str().unwrap_or_default();
    LEVELS.into_iter().find(|level| *level == said).unwrap_or(LEVELS[0])
}

/// The schemas on the property `name`. Which patterns its name matches is not asked: all of them are taken to.
fn field<'a>(schemas: &[&'a Value], name: &str) -> Vec<&'a Value> {
    let of = |schema: &&'a Value| {
        let own = schema.get("properties").and_then(|fields| fields.get(name));
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        let matching = patterns.into_iter().flat_map(|map| map.values());
        own.into_iter().chain(matching).chain(others(schema, own, &OTHER_PROPERTIES))
    };
    schemas.iter().flat_map(of).collect()
}

fn item<'a>(schemas: &[&'a Value], place: usize) -> Vec<&'a Value> {
    let of = |schema: &&'a Value| {
        let own = schema.get("prefixItems").and_then(|items| items.get(place));
        let contained = schema.get("contains");
        own.into_iter().chain(contained).chain(others(schema, own, &OTHER_ITEMS))
    };
    schemas.iter().flat_map(of).collect()
}

/// What speaks of a part that has no schema of its own.
fn others<'a, const N: usize>(
    schema: &'a Value,
    own: Option<&Value>,
    keywords: &'static [&'static str; N],
) -> impl Iterator<Item = &'a Value> + use<'a, N> {
    let keywords = if own.is_none() { &keywords[..] } else { &[] };
    keywords.iter().filter_map(move |keyword| schema.get(keyword))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(schema: Value, value: Value, expect: Value) {
        let redacted = Fields::of(&schema).redact(&value, &Tagger::new([3; 32]));
        assert!(Fields::of(&schema).any() || redacted == value, "{schema}");
        let mut text = redacted.to_string();
        while let Some(start) = text.find('‹') {
            let end = start + text[start..].find('›').unwrap() + '›'.len_utf8();
            let rule = text[start..end].split(':').nth(1).unwrap().to_owned();
            text.replace_range(start..end, &format!("*{rule}"));
        }
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expect, "{schema}");
    }

    #[test]
    fn marked_fields_are_replaced_wherever_the_schema_puts_them() {
        let secret = json!({ "type": "string", "x-sensitivity": "secret" });
        check(
            json!({ "properties": { "a": secret, "b": { "x-sensitivity": "pii" } } }),
            json!({ "a": "x", "b": { "c": 1 }, "d": "y" }),
            json!({ "a": "*secret", "b": "*pii", "d": "y" }),
        );
        check(
            json!({ "items": { "properties": { "k": { "x-sensitivity": "internal" } } } }),
            json!([{ "k": 1, "l": 2 }]),
            json!([{ "k": "*internal", "l": 2 }]),
        );
        check(
            json!({ "additionalProperties": secret, "properties": { "a": {} } }),
            json!({ "a": "x", "z": "y" }),
            json!({ "a": "x", "z": "*secret" }),
        );
        for keyword in ["patternProperties", "dependentSchemas"] {
            let inner = json!({ "properties": { "a": secret } });
            let of = if keyword == "patternProperties" { &secret } else { &inner };
            check(
                json!({ keyword: { "a": of }, "properties": { "b": {} } }),
                json!({ "a": "x" }),
                json!({ "a": "*secret" }),
            );
        }
        for keyword in ["if", "then", "else", "not"] {
            check(
                json!({ keyword: { "properties": { "a": secret } } }),
                json!({ "a": "x", "b": 1 }),
                json!({ "a": "*secret", "b": 1 }),
            );
        }
        check(
            json!({ "properties": { "a": {} }, "unevaluatedProperties": secret }),
            json!({ "a": "x", "b": "y" }),
            json!({ "a": "x", "b": "*secret" }),
        );
        check(json!({ "prefixItems": [{}], "contains": secret }), json!(["a"]), json!(["*secret"]));
        check(
            json!({ "prefixItems": [{}], "unevaluatedItems": secret }),
            json!(["a", "b"]),
            json!(["a", "*secret"]),
        );
        check(json!({ "prefixItems": [{}, secret] }), json!(["a", "b"]), json!(["a", "*secret"]));
        check(
            json!({ "$defs": { "s": secret }, "anyOf": [{}, { "properties": { "a": { "$ref": "#/$defs/s" } } }] }),
            json!({ "a": "x" }),
            json!({ "a": "*secret" }),
        );
        check(json!({ "x-sensitivity": "privat" }), json!("x"), json!("*secret"));
        check(json!({ "properties": { "a": {} } }), json!({ "a": "x" }), json!({ "a": "x" }));
    }

    #[test]
    fn a_schema_without_a_mark_is_known_as_one() {
        assert!(!Fields::of(&json!({ "properties": { "a": { "items": {} } } })).any());
        assert!(Fields::of(&json!({ "items": { "$ref": "#/$defs/a" } })).any());
        assert!(Fields::of(&json!({ "items": [{ "x-sensitivity": "pii" }] })).any());
    }

    #[test]
    fn what_cannot_be_followed_is_taken_as_marked() {
        check(json!({ "$ref": "#" }), json!("x"), json!("*secret"));
        check(json!({ "$ref": "https://example.org/s" }), json!("x"), json!("*secret"));
        check(json!({ "$ref": "#/$defs/none" }), json!("x"), json!("*secret"));
    }
}
