//! What the dialect means, keyword by keyword: values that fit, and the mistakes of those that do not.
//! The tables are our own; each row of a keyword has a value on either side.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly"
)]

use schema::Registry;
use serde_json::{Value, json};

/// `bad` gives the mistakes, joined by `; `; none means that the value fits.
fn check(schema: Value, good: &[Value], bad: &[(Value, &str)]) {
    let compiled =
        Registry::new().compile(&schema).unwrap_or_else(|faults| panic!("{schema}: {faults:?}"));
    for value in good {
        assert_eq!(compiled.check(value), Ok(()), "{schema} {value}");
    }
    for (value, expected) in bad {
        let mistakes = compiled.check(value).expect_err(&format!("{schema} takes {value}"));
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(told.join("; "), *expected, "{schema} {value}");
    }
}

#[test]
fn types_and_constants() {
    check(json!(true), &[json!(null), json!({ "a": 1 })], &[]);
    check(json!(false), &[], &[(json!(1), "$: is not allowed")]);
    check(
        json!({ "type": "integer" }),
        &[json!(1), json!(-0.0), json!(1.0)],
        &[
            (json!(1.5), "$: must be an integer, found a fraction"),
            (json!("1"), "$: must be an integer, found a string"),
        ],
    );
    check(
        json!({ "type": "number" }),
        &[json!(1), json!(1.5)],
        &[(json!(null), "$: must be a number, found null")],
    );
    check(
        json!({ "type": "null" }),
        &[json!(null)],
        &[(json!(false), "$: must be null, found a boolean")],
    );
    check(
        json!({ "type": ["array", "object"] }),
        &[json!([]), json!({})],
        &[(json!(1), "$: must be an array or an object, found an integer")],
    );
    check(
        json!({ "const": { "a": [1] } }),
        &[json!({ "a": [1.0] })],
        &[(json!({ "a": [2] }), "$: must be {\"a\":[1]}")],
    );
    check(
        json!({ "enum": [1, "a", null] }),
        &[json!(1.0), json!(null)],
        &[(json!("b"), "$: must be one of 1, \"a\", null")],
    );
}

#[test]
fn numbers_and_texts() {
    check(
        json!({ "minimum": 1, "maximum": 3 }),
        &[json!(1), json!(3), json!("no number")],
        &[(json!(0), "$: must be at least 1"), (json!(3.5), "$: must be at most 3")],
    );
    check(
        json!({ "exclusiveMinimum": 1, "exclusiveMaximum": 3 }),
        &[json!(2)],
        &[(json!(1), "$: must be more than 1"), (json!(3), "$: must be less than 3")],
    );
    check(
        json!({ "multipleOf": 0.01 }),
        &[json!(4.02), json!(0)],
        &[(json!(4.025), "$: must be a multiple of 0.01")],
    );
    // Lengths are characters, not bytes and not code units.
    check(
        json!({ "minLength": 2, "maxLength": 2 }),
        &[json!("💩é"), json!(7)],
        &[
            (json!("é"), "$: must have at least 2 characters"),
            (json!("abc"), "$: must have at most 2 characters"),
        ],
    );
    // A pattern is searched for, not anchored.
    check(
        json!({ "pattern": "b+" }),
        &[json!("abc"), json!(1)],
        &[(json!("ac"), "$: must match `b+`")],
    );
}

#[test]
fn lists() {
    check(
        json!({ "prefixItems": [{ "type": "string" }], "items": { "type": "integer" } }),
        &[json!([]), json!(["a", 1, 2])],
        &[(
            json!([1, "a", 2]),
            "$[0]: must be a string, found an integer; $[1]: must be an integer, found a string",
        )],
    );
    check(
        json!({ "minItems": 1, "maxItems": 2, "uniqueItems": true }),
        &[json!([1, true]), json!([{ "a": 1 }, { "a": 2 }])],
        &[
            (json!([]), "$: must have at least 1 items"),
            (json!([1, 1.0]), "$: must not have the same item twice"),
            (json!([1, 2, 3]), "$: must have at most 2 items"),
        ],
    );
    check(
        json!({ "contains": { "const": 1 }, "minContains": 2, "maxContains": 3 }),
        &[json!([1, 0, 1])],
        &[(json!([1]), "$: does not satisfy `contains`")],
    );
    check(
        json!({ "prefixItems": [true], "unevaluatedItems": false }),
        &[json!([1])],
        &[(json!([1, 2]), "$: does not satisfy `unevaluatedItems`")],
    );
}

#[test]
fn objects() {
    check(
        json!({ "required": ["b", "a"], "properties": { "a": { "type": "string" } } }),
        &[json!({ "a": "", "b": 0 }), json!([])],
        &[(json!({ "a": 1 }), "$.a: must be a string, found an integer; $.b: is required")],
    );
    check(
        json!({ "properties": { "a": {} }, "patternProperties": { "^x-": {} }, "additionalProperties": false }),
        &[json!({ "a": 1, "x-b": 2 })],
        &[(json!({ "c": 1, "0": 1 }), "$.c: is not a known field; $[\"0\"]: is not a known field")],
    );
    check(
        json!({ "minProperties": 1, "maxProperties": 1, "propertyNames": { "maxLength": 2 } }),
        &[json!({ "ab": 1 })],
        &[
            (json!({}), "$: must have at least 1 fields"),
            (json!({ "a": 1, "b": 1 }), "$: must have at most 1 fields"),
            (json!({ "abc": 1 }), "$: does not satisfy `propertyNames`"),
        ],
    );
    check(
        json!({ "dependentRequired": { "a": ["b"] }, "dependentSchemas": { "c": { "required": ["d"] } } }),
        &[json!({ "b": 1 }), json!({ "a": 1, "b": 1 })],
        &[(json!({ "a": 1 }), "$.b: is required"), (json!({ "c": 1 }), "$.d: is required")],
    );
    check(
        json!({ "allOf": [{ "properties": { "a": {} } }], "unevaluatedProperties": false }),
        &[json!({ "a": 1 })],
        &[(json!({ "a": 1, "b": 1 }), "$.b: is not a known field")],
    );
}

#[test]
fn compositions_and_references() {
    let text = json!({ "type": "string" });
    check(
        json!({ "allOf": [text, { "minLength": 1 }] }),
        &[json!("a")],
        &[(json!(""), "$: must have at least 1 characters")],
    );
    check(
        json!({ "anyOf": [text, { "type": "null" }] }),
        &[json!("a"), json!(null)],
        &[(json!(1), "$: fits none of the allowed forms")],
    );
    check(
        json!({ "oneOf": [{ "minimum": 2 }, { "maximum": 3 }] }),
        &[json!(1), json!(4)],
        &[(json!(2), "$: fits more than one of the exclusive forms")],
    );
    check(json!({ "not": text }), &[json!(1)], &[(json!("a"), "$: does not satisfy `not`")]);
    check(
        json!({ "if": text, "then": { "minLength": 1 }, "else": { "minimum": 1 } }),
        &[json!("a"), json!(1)],
        &[(json!(""), "$: must have at least 1 characters"), (json!(0), "$: must be at least 1")],
    );
    check(
        json!({ "$defs": { "a/b": { "type": "integer" } }, "items": { "$ref": "#/$defs/a~1b", "maximum": 5 } }),
        &[json!([5])],
        &[(json!([6, "x"]), "$[0]: must be at most 5; $[1]: must be an integer, found a string")],
    );
    // A format is a remark in this dialect, not a check.
    check(json!({ "format": "email" }), &[json!("no email")], &[]);
}

#[test]
fn mistakes_are_ordered_by_path_and_counted() {
    let schema =
        json!({ "items": { "properties": { "a b": { "type": "string", "minLength": 2 } } } });
    check(
        schema.clone(),
        &[],
        &[(
            json!([{ "a b": "" }, { "a b": 1 }]),
            "$[0][\"a b\"]: must have at least 2 characters; $[1][\"a b\"]: must be a string, found an integer",
        )],
    );
    let compiled = Registry::new().compile(&schema).unwrap();
    let many: Value = (0..200).map(|_| json!({ "a b": 1 })).collect();
    let mistakes = compiled.check(&many).unwrap_err();
    assert_eq!(mistakes.len(), schema::MAX_MISTAKES);
    assert!(mistakes.is_sorted());
    assert_eq!(mistakes[0].pointer, "/0/a b");
    assert_eq!(compiled.check(&many), Err(mistakes), "the same mistakes every time");
}

#[test]
fn defaults_fill_what_is_missing_and_nothing_else() {
    let schema = json!({ "properties": {
        "a": { "default": 1 },
        "b": { "default": {}, "properties": { "c": { "default": [2] } } },
        "d": { "properties": { "e": { "default": 3 } } },
    } });
    let compiled = Registry::new().compile(&schema).unwrap();
    assert_eq!(compiled.filled(json!({})), json!({ "a": 1, "b": { "c": [2] } }));
    assert_eq!(
        compiled.filled(json!({ "a": null, "d": {} })),
        json!({ "a": null, "b": { "c": [2] }, "d": { "e": 3 } })
    );
    assert_eq!(compiled.filled(json!([])), json!([]));
}
