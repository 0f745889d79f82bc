//! Inputs of a workflow: what is accepted, what defaults fill in, and what each mistake says.
//!
//! Mistakes in the schema itself are load errors and stand in `workflow_errors.rs`, except for
//! those about its size, which are here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

use engine::policy::document::Source;
use engine::workflow::Workflow;
use serde_json::{Value, json};

fn load(schema: &Value) -> Result<Workflow, Vec<String>> {
    let steps = "steps: [{ name: a, run: [ls] }]";
    let source = Source::new("w.yaml", format!("version: 1\nname: w\ninputs: {schema}\n{steps}\n"));
    match Workflow::load(&source, &[]) {
        Ok(loaded) => Ok(loaded.workflow),
        Err(found) => Err(found.into_iter().map(|found| found.message).collect()),
    }
}

/// The accepted inputs, or every mistake as `pointer message (hint)`.
fn inputs(schema: &Value, given: &Value) -> Result<Value, Vec<String>> {
    let workflow = load(schema).unwrap();
    workflow.check_inputs(given).map_err(|errors| {
        let say = |error: engine::workflow::InputError| match error.hint {
            Some(hint) => format!("{} {} ({hint})", error.pointer, error.message),
            None => format!("{} {}", error.pointer, error.message),
        };
        errors.into_iter().map(say).collect()
    })
}

fn check(schema: &Value, given: &Value, expected: Value) {
    assert_eq!(inputs(schema, given), Ok(expected), "{schema} {given}");
}

fn check_errors(schema: &Value, given: &Value, expected: &[&str]) {
    let expected = Err(expected.iter().map(|text| (*text).to_owned()).collect());
    assert_eq!(inputs(schema, given), expected, "{schema} {given}");
}

#[test]
fn defaults_are_filled_in() {
    let schema = json!({
        "required": ["repo"],
        "properties": {
            "repo": { "type": "string" },
            "since": { "type": "string", "default": "1 week ago" },
            "limits": {
                "type": "object",
                "default": {},
                "properties": { "count": { "type": "integer", "default": 5 } },
            },
            "optional": { "properties": { "a": { "default": 1 } } },
        },
    });
    let filled = json!({ "repo": ".", "since": "1 week ago", "limits": { "count": 5 } });
    check(&schema, &json!({ "repo": "." }), filled);
    let given = json!({ "repo": ".", "since": "x", "limits": { "count": 1 }, "optional": {} });
    let filled =
        json!({ "repo": ".", "since": "x", "limits": { "count": 1 }, "optional": { "a": 1 } });
    check(&schema, &given, filled);
}

#[test]
fn every_mistake_is_told_in_order() {
    let schema = json!({
        "required": ["repo", "mode"],
        "properties": {
            "repo": { "type": "string", "minLength": 1 },
            "mode": { "enum": ["fast", "full"] },
            "n": { "type": "integer", "minimum": 1, "maximum": 9 },
            "list": { "type": "array", "items": { "type": "string" }, "maxItems": 2, "uniqueItems": true },
            "name": { "type": ["string", "null"], "pattern": "^[a-z]+$" },
            "nested": { "type": "object", "required": ["x"], "properties": { "a/b": { "const": 1 } } },
        },
    });
    check_errors(&schema, &json!({}), &["/mode is required", "/repo is required"]);
    check_errors(
        &schema,
        &json!({ "rpeo": ".", "other": 1, "mode": "fats", "repo": "" }),
        &[
            "/mode must be one of \"fast\", \"full\"",
            "/other is not a known input (the inputs are list, mode, n, name, nested, repo)",
            "/repo must have at least 1 characters",
            "/rpeo is not a known input (did you mean `repo`?)",
        ],
    );
    check_errors(
        &schema,
        &json!({ "repo": 5, "mode": "fast", "n": 0, "list": ["a", 1, 1], "name": "A",
                 "nested": { "a/b": 2 } }),
        &[
            "/list must have at most 2 items",
            "/list must not have the same item twice",
            "/list/1 must be a string, found an integer",
            "/list/2 must be a string, found an integer",
            "/n must be at least 1",
            "/name must match `^[a-z]+$`",
            "/nested/a~1b must be 1",
            "/nested/x is required",
            "/repo must be a string, found an integer",
        ],
    );
    check_errors(&schema, &json!([]), &[" must be an object, found a list"]);
    check_errors(
        &schema,
        &json!({ "repo": ".", "mode": "fast", "name": 1 }),
        &["/name must be null or a string, found an integer"],
    );
}

#[test]
fn undeclared_inputs_are_refused_unless_the_schema_speaks_of_them() {
    let given = json!({ "x": 1 });
    check_errors(&json!(null), &given, &["/x is not a known input (the workflow has no inputs)"]);
    let nested = json!({ "properties": { "x": { "additionalProperties": false } } });
    check_errors(
        &nested,
        &json!({ "x": { "b": 1, "a": 2 } }),
        &["/x/a is not a known input", "/x/b is not a known input"],
    );
    check_errors(&json!({}), &given, &["/x is not a known input (the workflow has no inputs)"]);
    check(&json!({ "additionalProperties": true }), &given, given.clone());
    check(&json!({ "additionalProperties": { "type": "integer" } }), &given, given.clone());
    check(&json!({ "patternProperties": { "^x$": {} } }), &given, given.clone());
}

#[test]
fn references_reach_definitions() {
    let schema = json!({
        "$defs": { "port": { "type": "integer", "maximum": 65535 } },
        "properties": { "from": { "$ref": "#/$defs/port" }, "to": { "$ref": "#/$defs/port" } },
    });
    check(&schema, &json!({ "from": 1, "to": 2 }), json!({ "from": 1, "to": 2 }));
    let given = json!({ "from": 70000, "to": "x" });
    let expected = ["/from must be at most 65535", "/to must be an integer, found a string"];
    check_errors(&schema, &given, &expected);
}

#[test]
fn schemas_are_bounded() {
    // Each level refers twice to the next one: 2^20 parts when written out.
    let mut definitions = serde_json::Map::new();
    for level in 0..20 {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        definitions.insert(format!("d{level}"), json!({ "allOf": [next, next] }));
    }
    definitions.insert("d20".to_owned(), json!({}));
    let schema = json!({ "$defs": definitions, "properties": { "x": { "$ref": "#/$defs/d0" } } });
    assert_eq!(load(&schema).unwrap_err(), ["schema has more than 10000 parts"]);

    let circle = json!({ "$ref": "#/$defs/a" });
    let schema = json!({ "$defs": { "a": circle }, "properties": { "x": circle } });
    assert_eq!(load(&schema).unwrap_err(), ["`$ref` to `#/$defs/a` goes round in a circle"]);

    let missing = json!({ "properties": { "x": { "$ref": "#/$defs/b" } } });
    assert_eq!(load(&missing).unwrap_err(), ["this schema has no schema at `#/$defs/b`"]);

    let huge =
        json!({ "properties": { "x": { "type": "string", "pattern": "(\\w{1000}){1000}" } } });
    assert_eq!(load(&huge).unwrap_err().len(), 1);
    // Control: the same forms in a sensible size.
    assert!(load(&json!({ "properties": { "x": { "pattern": "(\\w{10}){10}" } } })).is_ok());
}

#[test]
fn a_pattern_takes_linear_time() {
    let schema = json!({ "properties": { "x": { "type": "string", "pattern": "^(a+)+$" } } });
    let given = json!({ "x": format!("{}!", "a".repeat(50_000)) });
    check_errors(&schema, &given, &["/x must match `^(a+)+$`"]);
}

#[test]
fn schemas_from_elsewhere_are_refused() {
    for (schema, expected) in [
        (json!({ "$anchor": "a" }), "schema keyword `$anchor` is not supported"),
        (json!({ "$dynamicRef": "#a" }), "schema keyword `$dynamicRef` is not supported"),
        (json!({ "$ref": "file:///etc/passwd" }), "`$ref` can only reach a place in this schema"),
        (json!({ "$ref": "#" }), "`$ref` to `#` goes round in a circle"),
        (
            json!({ "$schema": "http://json-schema.org/draft-07/schema#" }),
            "input schemas are JSON Schema 2020-12",
        ),
        (json!({ "type": "array" }), "`inputs` must have the type `object`"),
    ] {
        assert_eq!(load(&schema).unwrap_err(), [expected], "{schema}");
    }
    let dialect = "https://json-schema.org/draft/2020-12/schema";
    assert!(load(&json!({ "$schema": dialect, "$id": "https://example.com/a" })).is_ok());
}

#[test]
fn long_inputs_are_refused_before_validation() {
    let schema = json!({ "properties": { "x": { "type": "string" } } });
    check_errors(&schema, &json!({ "x": "a".repeat(1024 * 1024) }), &[" is longer than 1 MiB"]);
}

#[test]
fn at_most_fifty_mistakes_are_reported() {
    let schema = json!({ "properties": { "x": { "items": { "type": "string" } } } });
    let found = inputs(&schema, &json!({ "x": vec![1; 1000] })).unwrap_err();
    assert_eq!(found.len(), 50);
    assert_eq!(found[0], "/x/0 must be a string, found an integer");
}

#[test]
fn arguments_of_the_command_line_are_read_as_the_schema_wants_them() {
    let schema = json!({ "properties": {
        "text": { "type": "string" }, "n": { "type": "integer" }, "flag": { "type": "boolean" },
        "list": { "type": "array" }, "any": {}, "maybe": { "type": ["integer", "string"] },
    } });
    let workflow = load(&schema).unwrap();
    for (name, text, expected) in [
        ("text", "5", json!("5")),
        ("n", "5", json!(5)),
        ("n", "five", json!("five")),
        ("flag", "true", json!(true)),
        ("list", "[1, 2]", json!([1, 2])),
        ("any", "5", json!("5")),
        ("maybe", "5", json!("5")),
        ("unknown", "5", json!("5")),
    ] {
        assert_eq!(workflow.inputs.read_text(name, text), expected, "{name}={text}");
    }
}

#[test]
fn a_field_that_is_marked_as_sensitive_is_refused_and_points_to_secrets() {
    let field = |schema: Value| json!({ "properties": { "token": schema } });
    for schema in [
        json!({ "type": "string", "x-sensitivity": "secret" }),
        json!({ "type": "string", "x-sensitivity": "pii" }),
        json!({ "items": { "x-sensitivity": "internal" } }),
    ] {
        let found = load(&field(schema)).unwrap_err();
        assert_eq!(
            found,
            [
                "`x-sensitivity` cannot be kept: inputs and outputs are on record, because a run needs them to go on"
            ]
        );
    }
    let text = |schema: &str| {
        let step = format!(
            "{{ name: a, run: [ls], outputs: {{ o: {{ from: stdout, schema: {schema} }} }} }}"
        );
        Workflow::load(
            &Source::new("w.yaml", format!("version: 1\nname: w\nsteps: [{step}]\n")),
            &[],
        )
    };
    let found = text("{ type: string, x-sensitivity: secret }").unwrap_err();
    let hint = found[0].hint.as_ref().unwrap();
    assert!(hint.contains("palisade secret set"), "{found:?}");
    // Control: another remark of one's own means nothing, and neither does a field of that name.
    assert!(load(&field(json!({ "type": "string", "x-note": "secret" }))).is_ok());
    assert!(load(&json!({ "properties": { "x-sensitivity": { "type": "string" } } })).is_ok());
    assert!(text("{ type: string }").is_ok());
}
