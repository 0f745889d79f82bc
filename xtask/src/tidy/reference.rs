//! A reference from a document to a file, or to a test in a file, and whether it leads anywhere.
//!
//! In text it stands between backticks: `path/from/root.rs` or `path/from/root.rs: test_name`.
//! `promises.rs` and `coverage.rs` decide where references must stand.

use super::links;
use crate::tree::File;

/// What a document points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    /// A file or folder.
    Path(&'a str),
    /// A test function in a file.
    Test(&'a str, &'a str),
}

/// Every reference in a piece of Markdown; code that is neither path nor test is passed over.
pub(super) fn references(text: &str) -> impl Iterator<Item = Reference<'_>> {
    text.split('`').skip(1).step_by(2).filter_map(parse)
}

fn parse(span: &str) -> Option<Reference<'_>> {
    if let Some((path, test)) = span.split_once(".rs: ") {
        let path = span.get(..path.len() + ".rs".len())?;
        return Some(Reference::Test(path, test.trim()));
    }
    const ROOTS: &[&str] = &[
        "crates/",
        "docs/",
        "examples/",
        "xtask/",
        ".ci/",
        ".cargo/",
        "fuzz/",
        "oracle/",
        "tests/",
    ];
    let rooted = ROOTS.iter().any(|root| span.starts_with(root));
    let top = [".md", ".toml"].iter().any(|end| span.ends_with(end)) && !span.contains([' ', '/']);
    (rooted || top).then_some(Reference::Path(span))
}

/// Why a reference leads nowhere, when it does.
pub(super) fn problem(reference: Reference<'_>, files: &[File]) -> Option<String> {
    match reference {
        Reference::Path(path) if links::exists(path, files) => None,
        Reference::Path(path) => Some(format!("`{path}` does not exist")),
        Reference::Test(path, test) => match files.iter().find(|file| file.path == path) {
            None => Some(format!("`{path}` does not exist")),
            Some(file) if has_test(&file.views.code, test) => None,
            Some(_) => Some(format!("`{path}` has no test `{test}`")),
        },
    }
}

/// Whether the code holds a test of that name: `fn name` after `#[test]`, or a macro's argument.
fn has_test(code: &str, name: &str) -> bool {
    let mut marked = false;
    for line in code.lines() {
        marked |= line.contains("#[test]");
        if let Some(function) = function_name(line) {
            if marked && function == name {
                return true;
            }
            marked = false;
        }
    }
    let generates = code.contains("macro_rules!") && code.contains("fn $");
    generates && words(code).any(|word| word == name)
}

fn function_name(line: &str) -> Option<&str> {
    let mut words = words(line).skip_while(|word| *word != "fn");
    words.next()?;
    words.next()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Reference, problem, references};
    use crate::tree::File;

    #[test]
    fn references_stand_between_backticks() {
        let text = "see `crates/a/src/b.rs`, `crates/a/tests/c.rs: it_holds`, `x = 1`, `deny.toml`";
        let found: Vec<Reference<'_>> = references(text).collect();
        let expect = [
            Reference::Path("crates/a/src/b.rs"),
            Reference::Test("crates/a/tests/c.rs", "it_holds"),
            Reference::Path("deny.toml"),
        ];
        assert_eq!(found, expect);
    }

    fn check(text: &str, name: &str, found: bool) {
        let files = [File::new("crates/a/tests/c.rs", text)];
        let reference = Reference::Test("crates/a/tests/c.rs", name);
        assert_eq!(problem(reference, &files).is_none(), found, "{name} in {text:?}");
    }

    #[test]
    fn a_named_test_must_be_a_test() {
        check("#[test]\nfn it_holds() {}", "it_holds", true);
        check("#[test]\n#[cfg(x)]\nfn it_holds() {}", "it_holds", true);
        check("fn it_holds() {}", "it_holds", false);
        check("#[test]\nfn other() {}\nfn it_holds() {}", "it_holds", false);
        check("// #[test]\n// fn it_holds() {}", "it_holds", false);
        check(
            "macro_rules! c { ($n:ident) => { #[test] fn $n() {} } }\nc!(it_holds);",
            "it_holds",
            true,
        );
        check("#[test]\nfn it_holds_too() {}", "it_holds", false);
    }

    #[test]
    fn a_named_path_must_exist() {
        let files = [File::new("crates/a/src/b.rs", "")];
        assert_eq!(problem(Reference::Path("crates/a/src"), &files), None);
        assert!(problem(Reference::Path("crates/b"), &files).is_some());
        assert!(problem(Reference::Path("crates/a/src/b"), &files).is_some());
    }
}
