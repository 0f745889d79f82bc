//! Every numbered promise of `SPECIFICATION.md` names a test that exists.
//!
//! A promise is a list item `- **P12** text`; what follows up to the next item or heading is
//! part of it. Numbers grow. Whether the test keeps the promise is the reviewer's to judge.

use super::Finding;
use super::reference::{Reference, problem, references};
use crate::tree::{File, numbered};

const PAGE: &str = "SPECIFICATION.md";

struct Promise {
    number: u32,
    line: usize,
    text: String,
}

/// Reports promises without a test, with a test that does not exist, or out of order.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else {
        return vec![Finding::new(PAGE, 1, "the page of promises is missing")];
    };
    let promises = read(&page.text);
    let mut findings = Vec::new();
    if promises.is_empty() {
        findings.push(Finding::new(PAGE, 1, "it promises nothing"));
    }
    let mut last = 0;
    for promise in &promises {
        let Promise { number, line, text } = promise;
        if *number <= last {
            findings.push(Finding::new(PAGE, *line, format!("P{number} stands after P{last}")));
        }
        last = *number;
        if !references(text).any(|reference| matches!(reference, Reference::Test(..))) {
            findings.push(Finding::new(PAGE, *line, format!("P{number} names no test")));
        }
        for problem in references(text).filter_map(|reference| problem(reference, files)) {
            findings.push(Finding::new(PAGE, *line, format!("P{number}: {problem}")));
        }
    }
    findings
}

fn read(text: &str) -> Vec<Promise> {
    let mut promises: Vec<Promise> = Vec::new();
    let mut open = false;
    for (line, text) in numbered(text) {
        if let Some(number) = number_of(text) {
            promises.push(Promise { number, line, text: String::new() });
            open = true;
        } else if text.starts_with('#') || text.starts_with("- ") {
            open = false;
        }
        if let Some(promise) = promises.last_mut().filter(|_| open) {
            promise.text.push_str(text);
            promise.text.push('\n');
        }
    }
    promises
}

fn number_of(line: &str) -> Option<u32> {
    line.strip_prefix("- **P")?.split_once("**")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn promises_name_real_tests() {
        let tests = ("crates/a/tests/b.rs", "#[test]\nfn it_holds() {}\n");
        let page = |text| [("SPECIFICATION.md", text), tests];
        expect(check, &page("- **P1** yes.\n  `crates/a/tests/b.rs: it_holds`\n"), 0);
        expect(check, &[tests], 1);
        expect(check, &page("nothing\n"), 1);
        expect(check, &page("- **P1** yes.\n"), 1);
        expect(check, &page("- **P1** yes `crates/a/tests/b.rs: it_breaks`\n"), 1);
        expect(check, &page("- **P1** yes `crates/a/tests/c.rs: it_holds`\n"), 1);
        let twice =
            "- **P1** `crates/a/tests/b.rs: it_holds`\n- **P1** `crates/a/tests/b.rs: it_holds`\n";
        expect(check, &page(twice), 1);
        let next = "- **P1** yes.\n- **P2** `crates/a/tests/b.rs: it_holds`\n";
        expect(check, &page(next), 1);
    }
}
