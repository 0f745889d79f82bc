//! Texts written to break the expression language: any of them gives a value or a fault.
//!
//! Properties over random texts and random trees, and tables of deep, long and large ones. A
//! panic, a stack overflow or memory without bound fails these tests; what the results are is
//! tested in `expression.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

use engine::expression::{
    Expression, Fault, Kinds, MAX_DEPTH, MAX_SOURCE_BYTES, MAX_TEXT_BYTES, Names, Place, Scope,
    Shape, Sight, Status, Template,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn evaluate_with(inputs: &Value, text: &str) -> Result<Value, Fault> {
    let steps = BTreeMap::new();
    let (run_id, workflow, status) = ("run_0", "w", Status::Success);
    let scope = Scope { inputs, steps: &steps, run_id, workflow, status };
    Expression::parse(text)?.evaluate(&scope)
}

fn message(result: Result<Value, Fault>) -> String {
    result.expect_err("this should be a fault").message
}

#[test]
fn depth_is_bounded_and_does_not_use_up_the_stack() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("{}1{}", open.repeat(depth), close.repeat(depth))
    };
    for (open, close) in [("(", ")"), ("[", "]"), ("-(", ")"), ("size([", "])"), ("1?1:(", ")")] {
        let text = nested(open, close, 1000);
        let message = Expression::parse(&text).expect_err(open).message;
        let long = text.len() > MAX_SOURCE_BYTES;
        let expected = if long { "longer than 4 KiB" } else { "nests deeper than 32 levels" };
        assert!(message.contains(expected), "{open}: {message}");
    }
    for text in ["!".repeat(2000), "- ".repeat(2000), "inputs[".repeat(500), "1?".repeat(2000)] {
        let message = Expression::parse(&text).expect_err(&text).message;
        assert!(message.contains("nests deeper"), "{message}");
    }
    assert!(Expression::parse(&nested("(", ")", MAX_DEPTH - 1)).is_ok());
    assert!(Expression::parse(&nested("(", ")", MAX_DEPTH)).is_err());
}

#[test]
fn length_is_bounded() {
    let inputs = json!({});
    let sum = vec!["1"; 1000].join(" + ");
    assert_eq!(evaluate_with(&inputs, &sum), Ok(json!(1000)));
    let chain = vec!["true"; 500].join(" && ");
    assert_eq!(evaluate_with(&inputs, &chain), Ok(json!(true)));
    let long = vec!["1"; 2000].join(" + ");
    assert_eq!(message(evaluate_with(&inputs, &long)), "expression is longer than 4 KiB");
    let spaces = format!("{}1", " ".repeat(MAX_SOURCE_BYTES + 1));
    assert_eq!(message(evaluate_with(&inputs, &spaces)), "expression is longer than 4 KiB");
    let name = format!("inputs.{}", "a".repeat(100_000));
    assert_eq!(message(evaluate_with(&inputs, &name)), "expression is longer than 4 KiB");
}

#[test]
fn memory_is_bounded() {
    let inputs = json!({ "x": "a".repeat(1_000_000), "l": vec!["abc"; 100_000] });
    let limit = "expression builds more than 16 MiB";
    let text = vec!["inputs.x"; 300].join(" + ");
    assert_eq!(message(evaluate_with(&inputs, &text)), limit);
    let text = format!("[{}]", vec!["inputs.x"; 300].join(", "));
    assert_eq!(message(evaluate_with(&inputs, &text)), limit);
    let text = format!("size({})", vec!["inputs.l"; 300].join(" + "));
    assert_eq!(message(evaluate_with(&inputs, &text)), limit);
    let text = "inputs.x + inputs.x";
    assert_eq!(evaluate_with(&inputs, text).unwrap().as_str().unwrap().len(), 2_000_000);
}

#[test]
fn a_template_cannot_grow_without_bound() {
    let inputs = json!({ "x": "a".repeat(600_000) });
    let steps = BTreeMap::new();
    let (run_id, workflow, status) = ("run_0", "w", Status::Success);
    let scope = Scope { inputs: &inputs, steps: &steps, run_id, workflow, status };
    let once = Template::parse("<${{ inputs.x }}").unwrap();
    assert!(once.text(&scope).unwrap().len() < MAX_TEXT_BYTES);
    let twice = Template::parse("${{ inputs.x }}${{ inputs.x }}").unwrap();
    assert_eq!(twice.text(&scope).unwrap_err().message, "text grows beyond 1 MiB");
    let many = "${{ 1 }}".repeat(100_000);
    let message = Template::parse(&many).unwrap_err().message;
    assert_eq!(message, "text has more than 256 expressions");
    assert!(Template::parse(&"${{ 1 }}".repeat(256)).is_ok());
    assert!(Template::parse(&"${{ 1 }}".repeat(257)).is_err());
}

#[test]
fn errors_about_long_values_are_short() {
    let inputs = json!({ "x": "9".repeat(100_000) });
    assert!(message(evaluate_with(&inputs, "int(inputs.x)")).len() < 200);
}

/// Texts made of the language's own words reach further than random characters.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "inputs",
        "steps",
        "run",
        ".",
        "a",
        "[",
        "]",
        "(",
        ")",
        "1",
        "9223372036854775807",
        "'t'",
        "\"",
        "'",
        "+",
        "-",
        "*",
        "/",
        "%",
        "<",
        "<=",
        "==",
        "!=",
        "!",
        "in",
        "&&",
        "||",
        "?",
        ":",
        ",",
        "size",
        "string",
        "int",
        "contains",
        "success",
        "null",
        "true",
        "${{",
        "}}",
        "$",
        " ",
        "\n",
        "é",
        "\\",
        "\\u00",
        "outputs",
        "outcome",
        "=",
        "&",
        "{",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

/// Well-formed expressions of every operator, evaluated for the totality of evaluation.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "0",
        "1",
        "-1",
        "9223372036854775807",
        "'a'",
        "''",
        "true",
        "false",
        "null",
        "[]",
        "[1, 'a']",
        "inputs",
        "inputs.n",
        "inputs.f",
        "inputs.t",
        "inputs.l",
        "inputs.m",
        "inputs.none",
        "run.id",
        "success()",
        "steps.a.outcome",
        "steps.a.outputs.x",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "&&", "||", "in",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            inner.clone().prop_map(|a| format!("!{a}")),
            inner.clone().prop_map(|a| format!("-({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            inner.clone().prop_map(|a| format!("({a}).k")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            inner.clone().prop_map(|a| format!("size({a})")),
            inner.clone().prop_map(|a| format!("int(string({a}))")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a}).contains({b})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn reading_any_text_ends(text in ".{0,300}") {
        let _ = Expression::parse(&text);
        let _ = Template::parse(&text);
        let _ = Template::parse(&format!("${{{{ {text}"));
    }

    #[test]
    fn reading_any_words_ends_with_a_place_in_the_text(text in words()) {
        if let Err(fault) = Template::parse(&text) {
            prop_assert!(fault.at.start <= text.len());
        }
        if let Err(fault) = Expression::parse(&text) {
            prop_assert!(fault.at.start <= text.len());
        }
    }

    #[test]
    fn a_text_without_expressions_stays_as_it_is(text in "[^$]{0,200}") {
        let template = Template::parse(&text).unwrap();
        prop_assert_eq!(template.literal(), Some(text.as_str()));
    }

    #[test]
    fn evaluation_is_total_and_the_checker_knows_the_kinds(text in expressions()) {
        let inputs = json!({
            "n": 3, "f": 0.5, "t": "text", "l": [1, "k", { "k": true }], "m": { "k": [0] },
        });
        let Ok(expression) = Expression::parse(&text) else { return Ok(()) };
        let steps = BTreeMap::new();
        let (run_id, workflow, status) = ("run_0", "w", Status::Success);
        let scope = Scope { inputs: &inputs, steps: &steps, run_id, workflow, status };
        let value = expression.evaluate(&scope);

        let names = Names {
            inputs: &Shape::any(),
            steps: &BTreeMap::new(),
            sight: &|_| Sight::Over,
            place: Place::Condition,
        };
        let (kinds, faults) = expression.check(&names);
        if let Ok(value) = value && faults.is_empty() {
            let found = Kinds::of(&value);
            prop_assert!(kinds.meets(found), "{} gives {} but the checker says {}", text, found, kinds);
        }
    }
}
