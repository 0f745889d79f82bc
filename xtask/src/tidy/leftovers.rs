//! What is not built does not exist: no notes to self, no stubs, no ignored tests, no sleeping.
//!
//! Literals are not looked at, so a test may hand `sleep 10` to a shell.

use super::Finding;
use crate::tree::{File, numbered};

/// Words no comment may hold, in Rust, shell or configuration.
const NOTES: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// Code no file may hold, with the reason.
const CODE: &[(&str, &str)] = &[
    ("todo!", "a stub; what is not built does not exist"),
    ("unimplemented!", "a stub; what is not built does not exist"),
    ("#[ignore", "an ignored test protects nothing"),
    ("thread::sleep", "waiting by the clock; wait for the event instead"),
    ("time::sleep", "waiting by the clock; wait for the event instead"),
];

/// Reports notes in comments and stubs, ignored tests and sleeps in code.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().flat_map(in_file).collect()
}

fn in_file(file: &File) -> Vec<Finding> {
    if file.is_rust() {
        let mut findings = notes(file, &file.views.comments);
        findings.extend(stubs(file));
        return findings;
    }
    let commented = [".toml", ".yaml", ".yml", ".sh"].iter().any(|end| file.path.ends_with(end))
        || file.path.starts_with(".ci/");
    if commented { notes(file, &file.text) } else { Vec::new() }
}

fn notes(file: &File, text: &str) -> Vec<Finding> {
    let words = |line: &str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric());
        words.find_map(|word| NOTES.iter().copied().find(|note| *note == word))
    };
    numbered(text)
        .filter_map(|(line, text)| words(text).map(|word| (line, word)))
        .map(|(line, word)| {
            Finding::new(&file.path, line, format!("`{word}`: open an issue or do it"))
        })
        .collect()
}

fn stubs(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in numbered(&file.views.code) {
        for (code, why) in CODE.iter().filter(|(code, _)| text.contains(code)) {
            findings.push(Finding::new(&file.path, line, format!("`{code}`: {why}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn nothing_is_left_for_later() {
        expect(check, &[("a.rs", "// done\nrun(\"sleep 1; # TODO\");")], 0);
        expect(check, &[("docs/a.md", "the word TODO")], 0);
        expect(check, &[("a.rs", "// TODO: more")], 1);
        expect(check, &[("a.rs", "/* FIXME */ f()")], 1);
        expect(check, &[("Cargo.toml", "# XXX why")], 1);
        expect(check, &[("a.rs", "fn f() { todo!() }")], 1);
        expect(check, &[("a.rs", "fn f() { unimplemented!() }")], 1);
        expect(check, &[("tests/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}")], 1);
        expect(check, &[("tests/a.rs", "std::thread::sleep(d);")], 1);
    }
}
