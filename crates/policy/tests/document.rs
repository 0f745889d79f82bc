//! The document reader on good, bad and hostile text.
//!
//! Every refusal is checked with its line and column, because a message without a place is what
//! the reader exists to avoid. Rendering and scalars have their tables beside their code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

use policy::document::{Fields, Limits, Report, Source, Yaml, read, read_within};
use proptest::prelude::*;
use serde_json::json;

fn refused(text: &str, place: (usize, usize), message: &str) {
    let found = read(&Source::new("f.yaml", text)).expect_err(text);
    let span = found.span.unwrap();
    assert_eq!((span.line, span.column), place, "{text:?}: {}", found.message);
    assert!(found.message.contains(message), "{text:?}: {}", found.message);
    assert_eq!(found.file, "f.yaml");
}

fn accepted(text: &str, expected: &serde_json::Value) {
    let node = read(&Source::new("f.yaml", text)).unwrap_or_else(|found| panic!("{text}: {found}"));
    assert_eq!(&node.to_json(), expected, "{text:?}");
}

#[test]
fn values_by_the_core_schema() {
    for (text, expected) in [
        ("", json!(null)),
        ("# only a comment\n", json!(null)),
        ("---\n...\n", json!(null)),
        ("on: yes\nno: 'null'\n1: 2\n", json!({ "on": "yes", "no": "null", "1": 2 })),
        ("a: [1, {b: ~}, \"x\"]", json!({ "a": [1, { "b": null }, "x"] })),
        ("a: |\n  one\n  two\n", json!({ "a": "one\ntwo\n" })),
        ("a: \"\\u0000\"", json!({ "a": "\u{0}" })),
        ("a: 10MiB\nb: 1.5\n", json!({ "a": "10MiB", "b": 1.5 })),
        ("\u{feff}a: 1\n", json!({ "a": 1 })),
        ("a: 1\r\nb: 2\r\n", json!({ "a": 1, "b": 2 })),
        ("'<<': {a: 1}", json!({ "<<": { "a": 1 } })),
    ] {
        accepted(text, &expected);
    }
}

#[test]
fn places_are_lines_and_columns_in_characters() {
    let source = Source::new("f", "rules:\n  - näme: \"ü\"\n    match: {tool: x}\n");
    let root = read(&source).unwrap();
    let rule = match &root.get("rules").unwrap().value {
        Yaml::List(items) => &items[0],
        other => panic!("{other:?}"),
    };
    let entries = rule.map("rule").unwrap();
    let place = |span: policy::document::Span| (span.line, span.column, span.len);
    assert_eq!((rule.span.line, rule.span.column), (2, 5));
    assert_eq!(place(entries[0].0.span), (2, 5, 4));
    assert_eq!(place(entries[0].1.span), (2, 11, 3));
    assert_eq!((entries[1].1.span.line, entries[1].1.span.column), (3, 12));
    assert_eq!(place(entries[1].1.get("tool").unwrap().span), (3, 19, 1));
}

#[test]
fn surprising_yaml_is_refused_with_its_place() {
    refused("a: &x 1\nb: *x\n", (1, 4), "anchors are not supported");
    refused("a: *x\n", (1, 4), "not valid YAML");
    refused("a: *\n", (1, 4), "not valid YAML");
    refused("a: !!str 1\n", (1, 4), "tags are not supported");
    refused("a: !x {}\n", (1, 4), "tags are not supported");
    refused("a: 1\nb: 2\na: 3\n", (3, 1), "duplicate key `a`, first written on line 1");
    refused("{a: 1, 'a': 2}", (1, 8), "duplicate key `a`");
    refused("a: 1\n---\nb: 2\n", (2, 1), "a file holds one document");
    refused("? [1]\n: 2\n", (1, 3), "a key must be a plain or quoted text");
    refused(": 2\n", (1, 1), "a key must not be empty");
    refused("a:\n\tb: 1\n", (2, 2), "tab");
    refused("a: \"open\n", (1, 4), "not valid YAML");
    refused("a: [1, 2\n", (2, 1), "not valid YAML");
    refused("a: b: c\n", (1, 5), "not valid YAML");
    refused("a: 1\n  b: 2\n", (2, 4), "not valid YAML");
    refused("a: 9223372036854775808", (1, 4), "outside the range of 64 bits");
    refused("a: .inf", (1, 4), "infinite");
}

#[test]
fn characters_that_hide_text_are_refused() {
    refused("a: 1\nb: \u{0}x\n", (2, 4), "U+0000");
    refused("a: \u{1b}[2J", (1, 4), "U+001B");
    refused("a: \u{ffff}", (1, 4), "U+FFFF");
    let found = Source::from_bytes("f", b"a: 1\nb: \xff".to_vec()).unwrap_err();
    let span = found.span.unwrap();
    assert_eq!((span.line, span.column), (2, 4));
    assert!(Source::from_bytes("f", "ä".into()).is_ok());
}

/// Each hostile text must end in a diagnostic, quickly and on a small stack.
#[test]
fn hostile_sizes_are_refused_without_recursion() {
    let deep = 100_000;
    let lists = format!("{}\n", "- ".repeat(deep));
    let maps: String = (0..500).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let texts = [
        ("[".repeat(deep), "nested deeper"),
        ("{a: ".repeat(deep), "nested deeper"),
        (format!("{}1", "- ".repeat(deep)), "nested deeper"),
        (lists, "nested deeper"),
        (maps, "nested deeper"),
        ("? ".repeat(deep), "key"),
        ("- 1\n".repeat(deep + 1), "more than the 100000 values"),
        ("x".repeat((1 << 20) + 1), "more than the 1048576 allowed"),
        (format!("a: &a [x]\nb: [{}]", "*a,".repeat(1000)), "anchors"),
    ];
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
        for (text, message) in texts {
            let found = read(&Source::new("f", text)).unwrap_err();
            assert!(found.message.contains(message), "{}", found.message);
            assert!(found.span.is_some());
        }
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn limits_hold_at_their_edges() {
    let limits = Limits { text_bytes: 12, depth: 2, nodes: 3 };
    let within = |text: &str| read_within(&Source::new("f", text), limits).is_ok();
    assert!(within("[[1]]"));
    assert!(!within("[[[]]]"));
    assert!(within("[1, 2]"));
    assert!(!within("[1, 2, 3]"));
    assert!(within("xxxxxxxxxxxx"));
    assert!(!within("xxxxxxxxxxxxx"));
}

#[test]
fn fields_report_everything_at_once() {
    let source = Source::new("f", "nmae: x\nmatch: 3\nzzz: 1\n");
    let root = read(&source).unwrap();
    let mut report = Report::new(&source);
    let fields = report.take(Fields::of(&root, "rule 3")).unwrap();
    report.take(fields.required("name"));
    report.take(fields.required("match").and_then(|node| node.map("match")));
    report.extend(fields.finish(&["name", "match", "action"]));
    let found: Vec<String> = report.finish().unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "f:1:1: error: rule 3: missing required field \"name\"",
            "f:1:1: error: rule 3: unknown key `nmae`",
            "f:2:8: error: match must be a map, found a whole number",
            "f:3:1: error: rule 3: unknown key `zzz`",
        ]
    );
    assert!(Fields::of(root.get("zzz").unwrap(), "rule 3").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Text made of YAML's own signs reaches the scanner's corners; none may panic.
    #[test]
    fn any_text_gives_a_value_or_a_place(text in "[-?:,\\[\\]{}#&*!|>'\"%@` \\n\\tab01.~\u{e9}\u{feff}]{0,60}") {
        let source = Source::new("f", text);
        match read(&source) {
            Ok(node) => drop(node.to_json()),
            Err(found) => {
                prop_assert!(found.span.is_some());
                drop(found.render(&source));
            }
        }
    }
}
