//! `policy`, `ticket`, `engine` and `redaction` only compute: time, files, environment and chance come in as values.
//!
//! A crate's dependencies could still do any of that; the crate edges and the few libraries they
//! use are what keeps them out.

use super::Finding;
use crate::tree::{File, numbered};

const PURE: &[&str] =
    &["crates/policy/src/", "crates/ticket/src/", "crates/engine/src/", "crates/redaction/src/"];

/// What a pure crate may not reach for, and what it is.
const IMPURE: &[(&str, &str)] = &[
    ("SystemTime", "reads a clock"),
    ("Instant", "reads a clock"),
    ("std::fs", "touches files"),
    ("std::env", "reads the environment"),
    ("TcpStream", "uses the network"),
    ("TcpListener", "uses the network"),
    ("UdpSocket", "uses the network"),
    ("ToSocketAddrs", "asks a resolver"),
    ("std::os", "knows the system"),
    ("std::process", "starts or ends processes"),
    ("std::thread", "starts threads"),
    ("std::io", "does input or output"),
    ("RandomState", "depends on chance"),
    ("thread_local!", "keeps hidden state"),
    ("static mut", "keeps hidden state"),
    ("println!", "prints"),
    ("eprintln!", "prints"),
    ("async fn", "is asynchronous"),
    (".await", "is asynchronous"),
];

/// Reports impure names in the production code of the pure crates.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let pure =
        |file: &&File| file.is_rust() && PURE.iter().any(|folder| file.path.starts_with(folder));
    files.iter().filter(pure).flat_map(in_file).collect()
}

fn in_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in file.production_code() {
        for (name, what) in IMPURE.iter().filter(|(name, _)| mentions(text, name)) {
            findings.push(Finding::new(&file.path, line, format!("`{name}` {what}")));
        }
    }
    for (line, text) in numbered(&file.views.code) {
        if grouped_import(text) {
            let message = "import from `std` one module per line, so that this rule can read it";
            findings.push(Finding::new(&file.path, line, message));
        }
    }
    findings
}

/// Whether `text` holds `name` as a whole word.
fn mentions(text: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|text| text.chars().next());
        let leading = name.starts_with(word) && before.is_some_and(word);
        let trailing = name.ends_with(word) && after.is_some_and(word);
        !leading && !trailing
    })
}

/// `use std::{fs, env};` would hide the names above.
fn grouped_import(line: &str) -> bool {
    line.trim_start().trim_start_matches("pub ").starts_with("use std::{")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn pure_crates_reach_for_nothing_outside() {
        let text = "fn now() -> i64 { std::time::SystemTime::now() }";
        expect(check, &[("crates/runner/src/clock.rs", text)], 0);
        expect(check, &[("crates/engine/src/a.rs", "// SystemTime\nlet s = \"std::fs\";")], 0);
        expect(check, &[("crates/engine/src/a.rs", "struct Instantiated; f(std::iota);")], 0);
        expect(check, &[("crates/policy/src/a.rs", "use std::net::IpAddr;")], 0);
        let tested = "fn a() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        expect(check, &[("crates/policy/src/a.rs", tested)], 0);
        expect(check, &[("crates/engine/src/clock.rs", text)], 1);
        expect(check, &[("crates/policy/src/a.rs", "use std::fs::read;")], 1);
        expect(check, &[("crates/policy/src/a.rs", "std::env::var(x)")], 1);
        expect(check, &[("crates/engine/src/a.rs", "std::thread::spawn(f)")], 1);
        expect(check, &[("crates/engine/src/a.rs", "use std::{fs, env};")], 1);
    }
}
