//! Schemas that are refused: each with the place and a sentence, and a control that is taken.
//! Limits are tried at their edge and one past it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly"
)]

use schema::{
    MAX_PATTERN_LENGTH, MAX_PATTERNS, MAX_REGISTRY_PATTERNS, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH,
    Registry,
};
use serde_json::{Map, Value, json};

fn check(schema: &Value, expected: &[&str]) {
    let found = Registry::new().compile(schema).err().unwrap_or_default();
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    let shown: String = schema.to_string().chars().take(200).collect();
    assert_eq!(told, expected, "{shown}");
}

#[test]
fn bad_schemas_name_the_place() {
    check(
        &json!({ "properties": { "a": { "type": "text" } } }),
        &[
            "`/properties/a/type` schema is not valid: the types are string, integer, number, boolean, array, object and null",
        ],
    );
    check(
        &json!({ "properties": { "a": 5 } }),
        &["`/properties/a` schema is not valid: must be a boolean or an object, found an integer"],
    );
    check(
        &json!({ "minLength": -1 }),
        &["`/minLength` schema is not valid: the value must be at least 0"],
    );
    check(
        &json!({ "required": "a" }),
        &["`/required` schema is not valid: must be an array, found a string"],
    );
    check(
        &json!({ "items": { "pattern": "(" } }),
        &[
            "`/items/pattern` schema is not valid: `pattern` is not a regular expression without look-around and back-references",
        ],
    );
    check(
        &json!({ "pattern": "(?=a)a" }),
        &[
            "`/pattern` schema is not valid: `pattern` is not a regular expression without look-around and back-references",
        ],
    );
    check(
        &json!({ "$schema": "http://json-schema.org/draft-07/schema#" }),
        &["`/$schema` schemas are JSON Schema 2020-12"],
    );
    check(&json!([]), &["`` schema is not valid: must be a boolean or an object, found a list"]);
    // Control: the same keywords with values that make sense.
    check(
        &json!({ "minLength": 1, "required": ["a"], "pattern": "(a)", "properties": { "a": true } }),
        &[],
    );
}

#[test]
fn references_stay_inside() {
    let outside = "`/items/$ref` `$ref` can only reach a place in this schema";
    for target in [
        "http://127.0.0.1/a.json",
        "https://example.org/a",
        "file:///etc/passwd",
        "a.json",
        "#a",
        "//host/a",
        "#/$defs/a%2fb",
    ] {
        check(&json!({ "items": { "$ref": target } }), &[outside]);
    }
    check(&json!({ "items": { "$ref": 5 } }), &[outside]);
    let named = json!({ "items": { "$id": "https://example.org/a" } });
    check(&named, &["`/items/$id` an inner schema has no `$id`"]);
    for keyword in
        ["$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$vocabulary", "definitions"]
    {
        let told = format!("`/{keyword}` schema keyword `{keyword}` is not supported");
        check(&json!({ keyword: "x" }), &[&told]);
    }
    check(
        &json!({ "$ref": "urn:palisade:nobody" }),
        &["`/$ref` `urn:palisade:nobody` is not registered"],
    );
    check(&json!({ "$ref": "#/$defs/a" }), &["`/$ref` this schema has no schema at `#/$defs/a`"]);
    let circle =
        json!({ "$defs": { "a": { "items": { "$ref": "#/$defs/a" } } }, "$ref": "#/$defs/a" });
    check(&circle, &["`/$defs/a/items/$ref` `$ref` to `#/$defs/a` goes round in a circle"]);
    check(&json!({ "$defs": { "a": {} }, "$ref": "#/$defs/a" }), &[]);
    let itself = json!({ "properties": { "a": { "$ref": "#" } } });
    check(&itself, &["`/properties/a/$ref` `$ref` to `#` goes round in a circle"]);
    let data = json!({ "enum": [{ "type": "integer" }], "items": { "$ref": "#/enum/0" } });
    check(&data, &["`/items/$ref` this schema has no schema at `#/enum/0`"]);
}

#[test]
fn registered_schemas_can_be_referred_to() {
    let mut registry = Registry::new();
    let port =
        json!({ "$defs": { "n": { "type": "integer" } }, "$ref": "#/$defs/n", "maximum": 65535 });
    registry.register("urn:palisade:port", port.clone()).unwrap();
    registry
        .register("urn:palisade:ports", json!({ "items": { "$ref": "urn:palisade:port" } }))
        .unwrap();
    let ports = registry.get("urn:palisade:ports").unwrap();
    assert!(ports.check(&json!([1, 2])).is_ok());
    let told: Vec<String> =
        ports.check(&json!([70000, "x"])).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["$[0]: must be at most 65535", "$[1]: must be an integer, found a string"]);
    for (id, why) in [
        ("urn:palisade:port", "is registered already"),
        ("https://example.org/port", "is not an id"),
        ("urn:palisade:", "is not an id"),
        ("urn:palisade:a b", "is not an id"),
    ] {
        let faults = registry.register(id, port.clone()).unwrap_err();
        assert_eq!(faults.first().unwrap().message, format!("`{id}` {why}"));
    }
    assert!(registry.register("urn:palisade:bad", json!({ "type": 5 })).is_err());
    assert!(registry.get("urn:palisade:bad").is_none());
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!({}), |inner, _| json!({ "not": inner }))
}

fn patterns(count: usize) -> Value {
    let properties: Map<String, Value> =
        (0..count).map(|number| (format!("p{number}"), json!({ "pattern": "a" }))).collect();
    json!({ "properties": properties })
}

#[test]
fn every_limit_holds_at_its_edge_and_breaks_one_past_it() {
    check(&nested(MAX_SCHEMA_DEPTH), &[]);
    check(&nested(MAX_SCHEMA_DEPTH + 1), &["`` schema is nested deeper than 64 levels"]);
    check(&nested(500), &["`` schema is nested deeper than 64 levels"]);
    check(&patterns(MAX_PATTERNS), &[]);
    check(&patterns(MAX_PATTERNS + 1), &["`` schema has 257 patterns, more than 256"]);
    check(&json!({ "pattern": "a".repeat(MAX_PATTERN_LENGTH) }), &[]);
    check(
        &json!({ "pattern": "a".repeat(MAX_PATTERN_LENGTH + 1) }),
        &["`/pattern` has 1025 bytes, more than the 1024 of a pattern"],
    );
    let key = "b".repeat(MAX_PATTERN_LENGTH + 1);
    let told =
        format!("`/patternProperties/{key}` has 1025 bytes, more than the 1024 of a pattern");
    check(&json!({ "patternProperties": { key: true } }), &[&told]);
    let long = json!({ "description": "a".repeat(MAX_SCHEMA_BYTES) });
    check(&long, &["`` schema is longer than 1 MiB"]);
    // Short, but huge once compiled.
    check(
        &json!({ "pattern": "(\\w{1000}){1000}" }),
        &[
            "`/pattern` schema is not valid: `pattern` is not a regular expression without look-around and back-references",
        ],
    );
}

#[test]
fn a_pattern_counts_wherever_it_is_referred_to() {
    let uses = |count: usize| {
        let properties: Map<String, Value> = (0..count)
            .map(|number| (format!("p{number}"), json!({ "$ref": "#/$defs/a" })))
            .collect();
        json!({ "$defs": { "a": { "pattern": "a" } }, "properties": properties })
    };
    check(&uses(MAX_PATTERNS), &[]);
    let told = "`` schema has more than 256 patterns with every reference written out";
    check(&uses(MAX_PATTERNS + 1), &[told]);
}

#[test]
fn the_patterns_of_a_registry_are_bounded_together() {
    let mut registry = Registry::new();
    for number in 0..MAX_REGISTRY_PATTERNS / MAX_PATTERNS {
        registry.register(&format!("urn:palisade:full-{number}"), patterns(MAX_PATTERNS)).unwrap();
    }
    let faults = registry.register("urn:palisade:more", patterns(1)).unwrap_err();
    assert_eq!(
        faults[0].message,
        "the registered schemas have 1025 patterns together, more than 1024"
    );
    assert!(registry.get("urn:palisade:more").is_none());
    // Control: one without a pattern still has room, and so has one that is only compiled.
    registry.register("urn:palisade:plain", json!({ "type": "string" })).unwrap();
    registry.compile(&patterns(1)).unwrap();
}

#[test]
fn keywords_nobody_knows_are_told() {
    let schema = json!({ "minLenght": 1, "x-note": 1, "properties": { "a": { "tipe": "string" }, "tipe": {} } });
    let near = |typed: &str, known: &[&str]| {
        (typed == "minLenght" && known.contains(&"minLength")).then(|| "minLength".to_owned())
    };
    let found = schema::unknown_keywords(&schema, &near);
    let told: Vec<_> =
        found.iter().map(|fault| (fault.pointer.as_str(), fault.hint.as_deref())).collect();
    assert_eq!(
        told,
        [("/minLenght", Some("did you mean `minLength`?")), ("/properties/a/tipe", None)]
    );
}
