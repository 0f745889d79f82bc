//! Every row of `docs/coverage.md` says what answers a requirement, and what it names exists.
//!
//! A row has three cells: requirement, answer, test. An answer is a path, `planned`, or
//! `not taken` with its reason; a test is a test or a path, `planned`, `by reading` beside a path
//! only a person can judge, or a dash beside an answer that was not taken.

use super::Finding;
use super::reference::{problem, references};
use crate::tree::{File, numbered};

const PAGE: &str = "docs/coverage.md";

/// Reports rows without an answer or test, and rows that name what does not exist.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else {
        return vec![Finding::new(PAGE, 1, "the page of requirements is missing")];
    };
    let mut findings = Vec::new();
    for (line, row) in numbered(&page.text).filter(|(_, line)| is_row(line)) {
        let problems = problems(row, files);
        findings.extend(problems.into_iter().map(|problem| Finding::new(PAGE, line, problem)));
    }
    findings
}

/// A table line that is neither a heading nor the rule below it.
fn is_row(line: &str) -> bool {
    line.starts_with('|') && !line.starts_with("|--") && !line.starts_with("| requirement |")
}

fn problems(row: &str, files: &[File]) -> Vec<String> {
    let cells: Vec<&str> = row.trim().trim_matches('|').split('|').map(str::trim).collect();
    let [requirement, answer, test] = cells.as_slice() else {
        return vec![format!("{} cells instead of requirement, answer and test", cells.len())];
    };
    let mut problems = Vec::new();
    if requirement.is_empty() {
        problems.push("no requirement".to_owned());
    }
    let not_taken = answer.starts_with("not taken: ");
    if !not_taken && !answers(answer) {
        problems.push("the answer is neither a path, `planned` nor `not taken: why`".to_owned());
    }
    let nothing_to_test = match *test {
        "—" => not_taken,
        "by reading" => references(answer).next().is_some(),
        _ => false,
    };
    if !nothing_to_test && !answers(test) {
        problems.push("the test is neither a test, a path nor `planned`".to_owned());
    }
    let named = references(answer).chain(references(test));
    problems.extend(named.filter_map(|reference| problem(reference, files)));
    problems
}

fn answers(cell: &str) -> bool {
    cell.contains("planned") || references(cell).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn rows_name_what_exists_or_say_planned() {
        let code = ("crates/a/src/b.rs", "#[test]\nfn it_holds() {}\n");
        let page = |row| [("docs/coverage.md", row), code];
        expect(check, &page("| requirement | answer | test |\n|---|---|---|\n"), 0);
        expect(check, &page("| a | `crates/a/src/b.rs` | `crates/a/src/b.rs: it_holds` |\n"), 0);
        expect(check, &page("| a | planned | planned |\n"), 0);
        expect(check, &page("| a | not taken: because | — |\n"), 0);
        expect(check, &page("| a | `crates/a/src/b.rs` | by reading |\n"), 0);
        expect(check, &page("| a | planned | by reading |\n"), 1);
        expect(check, &[code], 1);
        expect(check, &page("| a | `crates/a/src/b.rs` | — |\n"), 1);
        expect(check, &page("| a | some day | planned |\n"), 1);
        expect(check, &page("| a | `crates/a/src/c.rs` | planned |\n"), 1);
        expect(check, &page("| a | `crates/a/src/b.rs` | `crates/a/src/b.rs: it_breaks` |\n"), 1);
        expect(check, &page("| a | planned |\n"), 1);
    }
}
