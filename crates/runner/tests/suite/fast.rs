//! The read-only tools: what they answer, and that nothing outside the project can be reached through them.
//! Each refusal has a control that shows the file could be read without the rule.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use runner::executor::fast::{self, Allowed, FastError, OpenError, TEXT_BYTES};
use serde_json::{Value, json};

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("docs/deep")).unwrap();
    fs::create_dir_all(root.join(".palisade")).unwrap();
    fs::write(root.join(".palisade/palisade.db"), "needle").unwrap();
    fs::write(root.join("docs/a.md"), "first\nneedle one\n").unwrap();
    fs::write(root.join("docs/deep/b.md"), "needle two\nneedle three").unwrap();
    fs::write(root.join("binary"), [0xff, 0xfe, 0]).unwrap();
    folder
}

fn call(root: &Path, tool: &str, arguments: &Value) -> Result<Value, FastError> {
    fast::call(root, tool, arguments, Allowed { file: &mut |_| true, largest: None })
}

fn ask(root: &Path, tool: &str, arguments: Value) -> Value {
    call(root, tool, &arguments).unwrap()
}

#[test]
fn each_tool_answers() {
    let folder = project();
    let root = folder.path();
    let read = ask(root, "fs.read", json!({ "path": "docs/a.md" }));
    assert_eq!(read, json!({ "text": "first\nneedle one\n", "size": 17, "truncated": false }));
    let listed = ask(root, "fs.list", json!({ "path": "docs" }));
    assert_eq!(
        listed["entries"],
        json!([{ "name": "a.md", "kind": "file" }, { "name": "deep", "kind": "folder" }])
    );
    assert_eq!(ask(root, "fs.exists", json!({ "path": "docs" }))["kind"], "folder");
    assert_eq!(ask(root, "fs.exists", json!({ "path": "nothing" })), json!({ "exists": false }));
    let globbed = ask(root, "search.glob", json!({ "pattern": "docs/**/*.md" }));
    assert_eq!(globbed["paths"], json!(["docs/a.md", "docs/deep/b.md"]));
    let found = ask(root, "search.grep", json!({ "pattern": "needle", "path": "." }));
    assert_eq!(found["matches"], 3, "the state folder is not searched: {found}");
    assert_eq!(found["lines"][0], json!({ "file": "docs/a.md", "line": 2, "text": "needle one" }));
    let text = ask(root, "search.grep", json!({ "pattern": ".", "text": "a\n\nb\n" }));
    assert_eq!(text["matches"], 2);
}

#[test]
fn a_link_out_of_the_project_is_not_followed() {
    let folder = project();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("key"), "secret").unwrap();
    symlink(outside.path(), folder.path().join("way-out")).unwrap();
    symlink(outside.path().join("key"), folder.path().join("key")).unwrap();
    for path in ["way-out/key", "key", "docs/../../key"] {
        let refused = call(folder.path(), "fs.read", &json!({ "path": path }));
        assert!(
            matches!(refused, Err(FastError::Open(OpenError::Escapes(_)))),
            "{path}: {refused:?}"
        );
    }
    let found = ask(folder.path(), "search.grep", json!({ "pattern": "secret", "path": "." }));
    assert_eq!(found["matches"], 0);
    // The control: the same file read without the rule is there.
    assert_eq!(fs::read_to_string(folder.path().join("way-out/key")).unwrap(), "secret");
}

#[test]
fn what_cannot_be_read_as_text_says_so_and_does_not_hang() {
    let folder = project();
    let root = folder.path();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let refused = |path: &str| call(root, "fs.read", &json!({ "path": path })).unwrap_err();
    assert!(matches!(refused("pipe"), FastError::Kind { wanted: "file", .. }));
    assert!(matches!(refused("docs"), FastError::Kind { wanted: "file", .. }));
    assert!(matches!(refused("binary"), FastError::Binary(_)));
    assert!(matches!(refused("absent"), FastError::Open(OpenError::Missing(_))));
    let pattern = call(root, "search.grep", &json!({ "pattern": "(", "path": "." })).unwrap_err();
    assert!(matches!(pattern, FastError::Pattern { .. }));
}

#[test]
fn a_long_file_is_cut_at_a_character_and_said_so() {
    let folder = project();
    let length = usize::try_from(TEXT_BYTES).unwrap();
    fs::write(folder.path().join("long"), format!("x{}", "é".repeat(length))).unwrap();
    let read = ask(folder.path(), "fs.read", json!({ "path": "long" }));
    assert_eq!(read["truncated"], true);
    assert_eq!(read["text"].as_str().unwrap().len(), length - 1);
}

#[test]
fn a_search_looks_only_into_files_it_may_read() {
    let folder = project();
    let mut filter = |path: &str| !path.contains("deep");
    let allowed = Allowed { file: &mut filter, largest: None };
    let arguments = json!({ "pattern": "needle", "path": "." });
    let found = fast::call(folder.path(), "search.grep", &arguments, allowed).unwrap();
    assert_eq!(found["matches"], 1, "{found}");
}

#[test]
fn a_file_larger_than_the_decision_allows_is_not_read() {
    let folder = project();
    let read = |largest| {
        let allowed = Allowed { file: &mut |_| true, largest: Some(largest) };
        fast::call(folder.path(), "fs.read", &json!({ "path": "docs/a.md" }), allowed)
    };
    assert!(matches!(read(16), Err(FastError::TooLarge { size: 17, largest: 16, .. })));
    assert!(read(17).is_ok());
}
