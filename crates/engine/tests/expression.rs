//! The expression language: what every form evaluates to, and what every mistake says.
//!
//! Tables of text and result over one fixed scope. Where mistakes stand in a document is tested
//! in `workflow_errors.rs`; hostile texts in `expression_hostile.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

use engine::expression::{ArtifactFacts, Expression, Outcome, Scope, Status, StepFacts, Template};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn with_scope<T>(status: Status, use_it: impl FnOnce(&Scope<'_>) -> T) -> T {
    let inputs = json!({
        "repo": "/src/app", "n": 7, "ratio": 1.5, "whole": 3.0, "big": 18_446_744_073_709_551_615_u64,
        "flag": true, "nothing": null, "tags": ["a", "b"], "nested": { "k": [1, { "x": "deep" }] },
    });
    let mut log = StepFacts::bare(Outcome::Succeeded);
    log.exit_code = Some(0);
    log.outputs.insert("text".to_owned(), json!("one\ntwo"));
    log.outputs.insert("data".to_owned(), json!({ "count": 2, "list": [10, 20] }));
    let artifact = ArtifactFacts { digest: "ab12".to_owned(), size: 9 };
    log.artifacts.insert("notes/a.md".to_owned(), artifact);
    let steps = BTreeMap::from([
        ("log".to_owned(), log),
        ("git-tag".to_owned(), StepFacts::bare(Outcome::Skipped)),
    ]);
    let scope =
        Scope { inputs: &inputs, steps: &steps, run_id: "run_0", workflow: "notes", status };
    use_it(&scope)
}

/// Evaluates one expression; an error is given as `message @ start+len`.
fn evaluate(text: &str) -> Result<Value, String> {
    let say = |fault: engine::expression::Fault| {
        format!("{} @ {}+{}", fault.message, fault.at.start, fault.at.len)
    };
    let expression = Expression::parse(text).map_err(say)?;
    with_scope(Status::Success, |scope| expression.evaluate(scope)).map_err(say)
}

fn check(table: &[(&str, Value)]) {
    for (text, expected) in table {
        assert_eq!(evaluate(text).as_ref(), Ok(expected), "{text}");
    }
}

fn check_faults(table: &[(&str, &str)]) {
    for (text, expected) in table {
        let found = evaluate(text).expect_err(text);
        assert_eq!(found, *expected, "{text}");
    }
}

#[test]
fn literals() {
    check(&[
        ("1", json!(1)),
        ("9223372036854775807", json!(i64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("true", json!(true)),
        ("null", json!(null)),
        (r#""a\"b\\\n\t\r\'""#, json!("a\"b\\\n\t\r'")),
        (r#"'it\'s "é" \u00e9'"#, json!("it's \"é\" é")),
        ("[]", json!([])),
        ("[1, 'a', [null]]", json!([1, "a", [null]])),
    ]);
}

#[test]
fn references() {
    check(&[
        ("inputs.repo", json!("/src/app")),
        ("inputs['repo']", json!("/src/app")),
        ("inputs.absent", json!(null)),
        ("inputs.nested.k[1].x", json!("deep")),
        ("inputs.nested['k'][0]", json!(1)),
        ("inputs.tags[size(inputs.tags) - 1]", json!("b")),
        ("steps.log.outputs.text", json!("one\ntwo")),
        ("steps.log.outputs.data.list[1]", json!(20)),
        (
            "steps.log.outputs",
            json!({ "text": "one\ntwo", "data": { "count": 2, "list": [10, 20] } }),
        ),
        ("steps.log.outputs.absent", json!(null)),
        ("steps.log.outcome", json!("succeeded")),
        ("steps.log.exit_code", json!(0)),
        ("steps['git-tag'].outcome", json!("skipped")),
        ("steps['git-tag'].exit_code", json!(null)),
        ("steps.never.outcome", json!(null)),
        ("steps.log.artifacts['notes/a.md'].digest", json!("ab12")),
        ("steps.log.artifacts['notes/a.md'].size", json!(9)),
        ("'notes/a.md' in steps.log.artifacts", json!(true)),
        ("run.id", json!("run_0")),
        ("run.workflow + '!'", json!("notes!")),
    ]);
}

#[test]
fn operators_and_precedence() {
    check(&[
        ("1 + 2 * 3", json!(7)),
        ("(1 + 2) * 3", json!(9)),
        ("10 - 2 - 3", json!(5)),
        ("-7 / 2", json!(-3)),
        ("-7 % 3", json!(-1)),
        ("- -1", json!(1)),
        ("-inputs.n", json!(-7)),
        ("!true || true", json!(true)),
        ("!(true || true)", json!(false)),
        ("true || false && false", json!(true)),
        ("1 < 2 && 2 <= 2 && 3 > 2 && 2 >= 2", json!(true)),
        ("'a' < 'b'", json!(true)),
        ("'B' < 'a'", json!(true)),
    ]);
    check(&[
        ("inputs.whole == 3", json!(true)),
        ("inputs.whole + 1", json!(4)),
        ("inputs.ratio > 1", json!(true)),
        ("inputs.big > 9223372036854775807", json!(true)),
        ("1 == 'a'", json!(false)),
        ("null == null", json!(true)),
        ("inputs.nothing != null", json!(false)),
        ("[1, 2] == [1, 2]", json!(true)),
        ("[1, [2]] == [1, [3]]", json!(false)),
        ("'b' in inputs.tags", json!(true)),
        ("'k' in inputs.nested", json!(true)),
    ]);
    check(&[
        ("'a' + 'b' + 'c'", json!("abc")),
        ("[1] + [2]", json!([1, 2])),
        ("true ? 1 : 2", json!(1)),
        ("false ? 1 : true ? 2 : 3", json!(2)),
        ("inputs.absent != null ? inputs.absent : 'main'", json!("main")),
    ]);
}

#[test]
fn logic_evaluates_only_what_it_needs() {
    check(&[
        ("false && 1 / 0 == 0", json!(false)),
        ("true || 1 / 0 == 0", json!(true)),
        ("true ? 1 : 1 / 0", json!(1)),
    ]);
    check_faults(&[("true && 1 / 0 == 0", "division by zero @ 8+5")]);
}

#[test]
fn functions() {
    check(&[
        ("size('aé')", json!(2)),
        ("size(inputs.tags)", json!(2)),
        ("inputs.nested.size()", json!(1)),
        ("string(7) + string(true) + string('x')", json!("7truex")),
        ("string(inputs.ratio)", json!("1.5")),
        ("int('-42')", json!(-42)),
        ("int(inputs.whole)", json!(3)),
        ("inputs.repo.contains('src')", json!(true)),
        ("inputs.repo.startsWith('/src')", json!(true)),
        ("'a.md'.endsWith('.md') && !'a.md'.endsWith('x')", json!(true)),
        ("success() && always() && !failure() && !cancelled()", json!(true)),
    ]);
}

#[test]
fn status_functions_follow_the_status() {
    let expression = Expression::parse("[success(), failure(), cancelled(), always()]").unwrap();
    for (status, expected) in [
        (Status::Success, json!([true, false, false, true])),
        (Status::Failure, json!([false, true, false, true])),
        (Status::Cancelled, json!([false, false, true, true])),
    ] {
        assert_eq!(with_scope(status, |scope| expression.evaluate(scope)), Ok(expected));
    }
    for (text, expected) in [
        ("true", false),
        ("inputs.flag && size(inputs.tags) > 0", false),
        ("inputs.flag && (1 > 2 || failure())", true),
        ("inputs.tags[always() ? 0 : 1] == 'a'", true),
        ("[!cancelled()] == [true]", true),
    ] {
        assert_eq!(Expression::parse(text).unwrap().asks_status(), expected, "{text}");
    }
}

#[test]
fn mistakes_in_values_are_faults() {
    check_faults(&[
        ("9223372036854775807 + 1", "result does not fit in 64 bits @ 0+23"),
        ("-9223372036854775808 - 1", "result does not fit in 64 bits @ 0+24"),
        ("9223372036854775807 * 2", "result does not fit in 64 bits @ 0+23"),
        ("(-9223372036854775808) / -1", "result does not fit in 64 bits @ 0+27"),
        ("-(-9223372036854775808)", "result does not fit in 64 bits @ 0+23"),
        ("1 / 0", "division by zero @ 0+5"),
        ("1 % 0", "division by zero @ 0+5"),
        ("inputs.ratio + 1", "`+` cannot take a fraction and an integer @ 0+16"),
        ("1 + 'a'", "`+` cannot take an integer and a string @ 0+7"),
        ("inputs.tags > 1", "`>` cannot take a list and an integer @ 0+15"),
        ("'a' in 'abc'", "`in` cannot take a string and a string @ 0+12"),
        ("!1", "a boolean is needed here, and this is an integer @ 1+1"),
        ("1 && true", "a boolean is needed here, and this is an integer @ 0+1"),
        ("null ? 1 : 2", "a boolean is needed here, and this is null @ 0+4"),
        ("inputs.tags[2]", "index 2 is outside the list of 2 items @ 12+1"),
        ("inputs.tags[-1]", "index -1 is outside the list of 2 items @ 12+2"),
        ("inputs.tags['a']", "a list has no field `a` @ 12+3"),
        ("inputs.nested[0]", "a map cannot be indexed by an integer @ 14+1"),
        ("inputs.nested.absent", "the map has no field `absent` @ 14+6"),
        ("inputs.repo.x", "a string has no field `x` @ 12+1"),
        ("inputs.absent.x", "null has no field `x` @ 14+1"),
        ("size(1)", "`size` cannot take an integer @ 0+7"),
        ("string(null)", "`string` cannot take null @ 0+12"),
        ("int('1.5')", "`1.5` is not a 64-bit integer @ 0+10"),
        ("int(inputs.big)", "`18446744073709551615` is not a 64-bit integer @ 0+15"),
        ("inputs.n.contains('7')", "`contains` cannot take an integer and a string @ 0+22"),
    ]);
}

#[test]
fn mistakes_in_the_text_are_faults() {
    check_faults(&[
        ("", "expression is empty @ 0+1"),
        ("  ", "expression is empty @ 2+1"),
        ("1 +", "expression ends where a value is expected @ 3+1"),
        ("1 2", "expected an operator or the end of the expression, found `2` @ 2+1"),
        ("(1", "expression ends where `)` is expected @ 2+1"),
        ("[1,", "expression ends where a value is expected @ 3+1"),
        ("1 ? 2", "expression ends where `:` is expected @ 5+1"),
        ("a = 1", "unexpected `=` @ 2+1"),
        ("a & b", "unexpected character `&` @ 2+1"),
        ("1.5", "`1.` is not an integer @ 0+1"),
        ("1e3", "`1e3` is not a number @ 0+3"),
        ("9223372036854775808", "number does not fit in 64 bits @ 0+19"),
        ("99999999999999999999", "`99999999999999999999` does not fit in 64 bits @ 0+20"),
        ("'a", "string is not closed @ 0+1"),
        (r"'\x'", "unknown escape in a string @ 1+2"),
        (r"'\ud800'", "`\\ud800` is not a character @ 1+2"),
        (r"'\u+123'", "`\\u+123` is not a character @ 1+2"),
        ("secrets.TOKEN", "unknown name `secrets` @ 0+7"),
        ("event.type", "`event` has no value: triggers are not part of this version @ 0+5"),
        ("run.secret", "unknown field of `run` `secret` @ 4+6"),
        ("run", "run is not a value by itself @ 0+3"),
        ("steps.log", "a step is not a value by itself @ 0+9"),
        ("steps[inputs.n].outcome", "steps is asked by a literal name only @ 6+8"),
        ("steps.log.secrets", "unknown field of a step `secrets` @ 10+7"),
        ("exec('ls')", "unknown function `exec` @ 0+4"),
        ("contains('a', 'b')", "`contains` is called on a text @ 0+8"),
        ("'a'.success()", "`success` is not called on a value @ 4+7"),
        ("size()", "`size` takes one argument, not 0 @ 0+4"),
        ("'a'.contains()", "`contains` takes one argument, not 0 @ 4+8"),
        ("'a'.size().x", "the result of `size` has no fields @ 10+1"),
        ("true }} ", "`}}` without `${{` @ 5+2"),
        ("inputs.", "expression ends where a field name is expected @ 7+1"),
        ("in", "expected a value, found `in` @ 0+2"),
    ]);
}

#[test]
fn templates_keep_types_or_make_text() {
    let check = |text: &str, expected: Result<Value, &str>| {
        let template = Template::parse(text).unwrap();
        let found = with_scope(Status::Success, |scope| template.value(scope));
        let found = found.map_err(|fault| fault.message);
        assert_eq!(found, expected.map_err(str::to_owned), "{text}");
    };
    check("plain $ {{ }} text", Ok(json!("plain $ {{ }} text")));
    check("", Ok(json!("")));
    check("${{ inputs.n }}", Ok(json!(7)));
    check("${{inputs.tags}}", Ok(json!(["a", "b"])));
    check(" ${{ inputs.n }}", Ok(json!(" 7")));
    check("a-${{ inputs.n }}-${{ inputs.flag }}", Ok(json!("a-7-true")));
    check("${{ inputs.n }}${{ inputs.n }}", Ok(json!("77")));
    check("x=${{ inputs.tags }} y=${{ inputs.nested }}", {
        Ok(json!(r#"x=["a","b"] y={"k":[1,{"x":"deep"}]}"#))
    });
    check("${{ '}}' }}", Ok(json!("}}")));
    check("$${{ inputs.n }}", Ok(json!("${{ inputs.n }}")));
    check("cost $${{ a ${{ inputs.n }}", Ok(json!("cost ${{ a 7")));
    check("${{ inputs.nothing }}", Ok(json!(null)));
    check("a ${{ inputs.nothing }}", Err("value is null, which has no text"));
    check("${{ inputs.ratio }}!", Ok(json!("1.5!")));
}

#[test]
fn a_value_is_never_read_again() {
    let inputs = json!({ "evil": "${{ run.id }} $(rm -rf /) `x` ; \" '" });
    let steps = BTreeMap::new();
    let scope = Scope {
        inputs: &inputs,
        steps: &steps,
        run_id: "run_0",
        workflow: "w",
        status: Status::Success,
    };
    let template = Template::parse("${{ inputs.evil }}").unwrap();
    assert_eq!(template.text(&scope).unwrap(), inputs["evil"]);
    let template = Template::parse("<${{ inputs.evil }}>").unwrap();
    assert_eq!(template.text(&scope).unwrap(), format!("<{}>", inputs["evil"].as_str().unwrap()));
}
