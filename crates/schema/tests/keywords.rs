//! Every keyword of the dialect with values on either side, and a check that none is missing.
//!
//! The table is our own, written from the specification (JSON Schema 2020-12, core and validation). The official test
//! suite is in no package that could be depended on: what is published ends with the draft before. What we refuse on
//! purpose (names for schemas, references that leave them or go round) is in `faults.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test should stop loudly")]

use std::collections::BTreeSet;

use schema::{Registry, unknown_keywords};
use serde_json::{Value, json};

/// A keyword, a schema with it, what the schema takes and what it does not.
struct Row(&'static str, Value, Value, Value);

/// A row without anything to refuse: the keyword is a remark.
fn remark(keyword: &'static str, value: Value) -> Row {
    Row(keyword, json!({ keyword: value }), json!([null, true, 1, "a", [], {}]), json!([]))
}

#[expect(clippy::too_many_lines, reason = "a table, one row for each keyword")]
fn values() -> Vec<Row> {
    vec![
        Row(
            "type",
            json!({ "type": "integer" }),
            json!([1, 1.0, -3, 1e3]),
            json!([1.5, "1", null, true, [], {}]),
        ),
        Row(
            "type",
            json!({ "type": ["string", "null"] }),
            json!(["", null]),
            json!([0, false, [], {}]),
        ),
        Row(
            "enum",
            json!({ "enum": [1, [0], { "a": false }, null] }),
            json!([1.0, [0], { "a": false }, null]),
            json!([true, [false], { "a": 0 }, "null", []]),
        ),
        Row(
            "const",
            json!({ "const": { "a": 1, "b": [] } }),
            json!([{ "b": [], "a": 1 }]),
            json!([{ "a": 1 }, { "a": 1, "b": [], "c": 0 }, []]),
        ),
        Row("const", json!({ "const": 0 }), json!([0, 0.0, -0.0]), json!([false, null, "", []])),
        Row("const", json!({ "const": null }), json!([null]), json!([0, false, ""])),
        Row(
            "multipleOf",
            json!({ "multipleOf": 1.5 }),
            json!([0, 1.5, 4.5, -3, "x"]),
            json!([1, 3.5]),
        ),
        Row("multipleOf", json!({ "multipleOf": 0.0001 }), json!([0.0075]), json!([0.00751])),
        Row("maximum", json!({ "maximum": 3.0 }), json!([3, 2.6, "x"]), json!([3.5, 4])),
        Row(
            "exclusiveMaximum",
            json!({ "exclusiveMaximum": 3 }),
            json!([2.2, "x"]),
            json!([3, 3.0, 3.5]),
        ),
        Row("minimum", json!({ "minimum": -2 }), json!([-2, -2.0, 0, "x"]), json!([-2.1, -3])),
        Row(
            "exclusiveMinimum",
            json!({ "exclusiveMinimum": 1.1 }),
            json!([1.2, "x"]),
            json!([1.1, 0.6]),
        ),
        Row(
            "maxLength",
            json!({ "maxLength": 2 }),
            json!(["é💩", "", 100, [1, 2, 3]]),
            json!(["abc", "ééé"]),
        ),
        Row("minLength", json!({ "minLength": 2 }), json!(["💩💩", 1, []]), json!(["💩", ""])),
        Row(
            "pattern",
            json!({ "pattern": "^a*$" }),
            json!(["", "aaa", 5, null]),
            json!(["ab", "aa\nb"]),
        ),
        Row("pattern", json!({ "pattern": "a+" }), json!(["xxaayy"]), json!(["xx"])),
        Row("pattern", json!({ "pattern": "^\\p{L}$" }), json!(["é", "a"]), json!(["1", ""])),
        Row(
            "maxItems",
            json!({ "maxItems": 1 }),
            json!([[], [1], "ab", { "a": 1, "b": 2 }]),
            json!([[1, 2]]),
        ),
        Row("minItems", json!({ "minItems": 1 }), json!([[1], "", {}]), json!([[]])),
        Row(
            "uniqueItems",
            json!({ "uniqueItems": true }),
            json!([[1, true], [0, false], [[1], [true]], ["a", "A"], [{ "a": 1 }, { "a": 2 }]]),
            json!([[1, 1.0], [[0], [0]], [{ "a": 1, "b": 2 }, { "b": 2, "a": 1 }], [null, null]]),
        ),
        Row("uniqueItems", json!({ "uniqueItems": false }), json!([[1, 1]]), json!([])),
        Row(
            "maxContains",
            json!({ "contains": { "const": 1 }, "maxContains": 1 }),
            json!([[1], [1, 2]]),
            json!([[1, 1], []]),
        ),
        Row("maxContains", json!({ "maxContains": 1 }), json!([[1, 1]]), json!([])),
        Row(
            "minContains",
            json!({ "contains": { "const": 1 }, "minContains": 2 }),
            json!([[1, 1], [1, 2, 1]]),
            json!([[1], []]),
        ),
        Row(
            "minContains",
            json!({ "contains": { "const": 1 }, "minContains": 0 }),
            json!([[], [2]]),
            json!([]),
        ),
        Row(
            "maxProperties",
            json!({ "maxProperties": 1 }),
            json!([{}, { "a": 1 }, [1, 2]]),
            json!([{ "a": 1, "b": 2 }]),
        ),
        Row("minProperties", json!({ "minProperties": 1 }), json!([{ "a": 1 }, []]), json!([{}])),
        Row(
            "required",
            json!({ "required": ["a", "__proto__"] }),
            json!([{ "a": null, "__proto__": 0 }, [], "a"]),
            json!([{ "a": 1 }, {}]),
        ),
        Row(
            "dependentRequired",
            json!({ "dependentRequired": { "a": ["b"], "c": [] } }),
            json!([{}, { "b": 1 }, { "a": 1, "b": 1 }, { "c": 1 }, ["a"]]),
            json!([{ "a": 1 }]),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table, one row for each keyword")]
fn applicators() -> Vec<Row> {
    vec![
        Row(
            "allOf",
            json!({ "allOf": [{ "minimum": 1 }, { "maximum": 3 }] }),
            json!([1, 3, "x"]),
            json!([0, 4]),
        ),
        Row(
            "anyOf",
            json!({ "anyOf": [{ "type": "integer" }, { "minimum": 2 }] }),
            json!([1, 2.5]),
            json!([1.5]),
        ),
        Row(
            "oneOf",
            json!({ "oneOf": [{ "type": "integer" }, { "minimum": 2 }] }),
            json!([1, 2.5]),
            json!([3, 1.5]),
        ),
        Row(
            "not",
            json!({ "not": { "required": ["a"] } }),
            json!([{}, { "b": 1 }]),
            json!([{ "a": 1 }, 1]),
        ),
        Row("if", json!({ "if": { "const": "a" } }), json!(["a", 1]), json!([])),
        Row(
            "then",
            json!({ "if": { "type": "integer" }, "then": { "minimum": 1 } }),
            json!([1, "x"]),
            json!([0]),
        ),
        Row("then", json!({ "then": false }), json!([1, {}]), json!([])),
        Row(
            "else",
            json!({ "if": { "type": "integer" }, "else": { "type": "null" } }),
            json!([1, null]),
            json!(["x"]),
        ),
        Row(
            "dependentSchemas",
            json!({ "dependentSchemas": { "a": { "required": ["b"] }, "c": false } }),
            json!([{}, { "a": 1, "b": 1 }]),
            json!([{ "a": 1 }, { "c": 1 }]),
        ),
        Row(
            "prefixItems",
            json!({ "prefixItems": [{ "type": "integer" }, { "type": "string" }] }),
            json!([[], [1], [1, "a", null], { "0": "x" }]),
            json!([["a"], [1, 2]]),
        ),
        Row(
            "items",
            json!({ "prefixItems": [true], "items": false }),
            json!([[], [1], "x"]),
            json!([[1, 2]]),
        ),
        Row(
            "contains",
            json!({ "contains": { "minimum": 5 } }),
            json!([[1, 5], {}, "x"]),
            json!([[], [1, 4]]),
        ),
        Row(
            "properties",
            json!({ "properties": { "a": { "type": "integer" }, "b": false } }),
            json!([{}, { "a": 1, "c": [] }, []]),
            json!([{ "a": "1" }, { "b": 1 }]),
        ),
        Row(
            "patternProperties",
            json!({ "patternProperties": { "f.*o": { "type": "integer" } } }),
            json!([{ "foo": 1, "x": "" }, ["foo"]]),
            json!([{ "foooo": "1" }]),
        ),
        Row(
            "additionalProperties",
            json!({ "properties": { "a": {} }, "patternProperties": { "^v": {} }, "additionalProperties": { "type": "boolean" } }),
            json!([{ "a": 1, "vx": 1, "z": true }]),
            json!([{ "z": 1 }]),
        ),
        Row(
            "propertyNames",
            json!({ "propertyNames": { "maxLength": 2 } }),
            json!([{}, { "ab": 1 }, ["abc"]]),
            json!([{ "abc": 1 }]),
        ),
        Row(
            "unevaluatedItems",
            json!({ "anyOf": [{ "prefixItems": [{ "const": 1 }] }, true], "unevaluatedItems": false }),
            json!([[], [1]]),
            json!([[2], [1, 2]]),
        ),
        Row(
            "unevaluatedProperties",
            json!({ "if": { "properties": { "a": { "const": 1 } }, "required": ["a"] }, "then": { "properties": { "b": {} } }, "unevaluatedProperties": false }),
            json!([{}, { "a": 1, "b": 1 }]),
            json!([{ "b": 1 }, { "a": 1, "c": 1 }]),
        ),
        Row(
            "$ref",
            json!({ "$defs": { "a": { "maximum": 3 } }, "$ref": "#/$defs/a", "minimum": 1 }),
            json!([1, 3]),
            json!([0, 4]),
        ),
        Row(
            "$ref",
            json!({ "properties": { "a": { "maximum": 3 }, "b/c": { "$ref": "#/properties/a" }, "d": { "$ref": "#/properties/b~1c" } } }),
            json!([{ "b/c": 3 }, { "d": 3 }]),
            json!([{ "b/c": 4 }, { "d": 4 }]),
        ),
        Row(
            "$id",
            json!({ "$id": "https://example.org/tree", "$defs": { "a": { "maximum": 3 } }, "$ref": "#/$defs/a" }),
            json!([3]),
            json!([4]),
        ),
        Row(
            "$ref",
            json!({ "properties": { "$ref": { "type": "string" } } }),
            json!([{ "$ref": "a" }]),
            json!([{ "$ref": 1 }]),
        ),
        Row("$defs", json!({ "$defs": { "unused": false } }), json!([1, {}]), json!([])),
    ]
}

fn remarks() -> Vec<Row> {
    vec![
        Row(
            "$schema",
            json!({ "$schema": "https://json-schema.org/draft/2020-12/schema" }),
            json!([1]),
            json!([]),
        ),
        remark("$comment", json!("x")),
        remark("title", json!("x")),
        remark("description", json!("x")),
        remark("default", json!("x")),
        remark("examples", json!([1])),
        remark("deprecated", json!(true)),
        remark("readOnly", json!(true)),
        remark("writeOnly", json!(true)),
        remark("format", json!("ipv4")),
        remark("contentEncoding", json!("base64")),
        remark("contentMediaType", json!("application/json")),
        remark("contentSchema", json!({ "type": "integer" })),
    ]
}

#[test]
fn every_keyword_takes_and_refuses_what_the_specification_says() {
    let registry = Registry::new();
    for Row(keyword, schema, good, bad) in
        [values(), applicators(), remarks()].into_iter().flatten()
    {
        let compiled =
            registry.compile(&schema).unwrap_or_else(|faults| panic!("{schema}: {faults:?}"));
        for (expect, values) in [(true, &good), (false, &bad)] {
            for value in values.as_array().unwrap() {
                assert_eq!(compiled.check(value).is_ok(), expect, "{keyword}: {schema} {value}");
            }
        }
    }
}

#[test]
fn no_keyword_of_the_dialect_is_without_a_row() {
    let rows: BTreeSet<&str> =
        [values(), applicators(), remarks()].into_iter().flatten().map(|row| row.0).collect();
    let known = std::cell::RefCell::new(BTreeSet::new());
    let _ = unknown_keywords(&json!({ "nothing": 1 }), &|_, all| {
        known.borrow_mut().extend(all.iter().map(|keyword| (*keyword).to_owned()));
        None
    });
    let known = known.into_inner();
    let missing: Vec<&String> =
        known.iter().filter(|known| !rows.contains(known.as_str())).collect();
    assert!(missing.is_empty() && known.len() > 40, "{missing:?}");
    assert!(rows.iter().all(|row| known.contains(*row)), "{rows:?}");
}
