//! The page `docs/syscalls.md`: each system call's verdict under each profile, as Markdown.
//!
//! Printed from the same table the filters are compiled from; a test compares the checked-in page
//! with it, so the page cannot fall behind.

use std::fmt::Write;

use super::rule::{Case, Condition, Rule, Width};
use super::table::{Verdict, table};
use crate::profile::Profile;

const INTRODUCTION: &str = "\
# System calls by profile

Generated from the lists in `crates/sandbox/src/seccomp/`; do not edit. After changing a list run
`UPDATE_DOCS=1 cargo test -p sandbox --test seccomp page`.

A call is *allowed*, allowed *if* its arguments pass (the tests are listed at the end), or answered
with the error number shown. A number that is not in this table is answered `ENOSYS`, as an older
kernel would. A call of another architecture's table (i386 by `int 0x80`, x32) ends the process with
`SIGSYS`. `-` means that the architecture has no such call. `proxy` is the profile of the egress
proxy's own process; no workflow can name it.

";

/// One call with its verdict under each profile, in the order of [`Profile::ALL`].
type Row = [Verdict; Profile::ALL.len()];

/// The whole page, ending with a line feed.
pub fn conformance_table() -> String {
    let [mut a, mut b, mut c, mut d, mut e] = Profile::ALL.map(table);
    let mut next = || Some([a.next()?, b.next()?, c.next()?, d.next()?, e.next()?]);
    let mut rows: Vec<Row> = std::iter::from_fn(&mut next).collect();
    rows.sort_by_key(|[first, ..]| first.name);
    let mut page = String::from(INTRODUCTION);
    page.push_str("| call | x86_64 | aarch64 |");
    page.extend(Profile::ALL.map(|profile| format!(" {profile} |")));
    page.push_str(" why |\n|---|--:|--:|");
    page.extend(Profile::ALL.map(|_| "---|"));
    page.push_str("---|\n");
    page.extend(rows.iter().map(row));
    page.push_str("\n## Argument tests\n\nArguments are counted from 0.\n\n");
    page.extend(rows.iter().map(tests));
    page
}

fn row(row: &Row) -> String {
    let number = |number: Option<u32>| number.map_or("-".into(), |number| number.to_string());
    let [call, ..] = row;
    let cells: String = row.iter().map(|verdict| format!(" {} |", cell(&verdict.rule))).collect();
    format!(
        "| `{}` | {} | {} |{cells} {} |\n",
        call.name,
        number(call.x86_64),
        number(call.aarch64),
        why(row),
    )
}

fn cell(rule: &Rule) -> String {
    match rule {
        Rule::Allow => "allowed".into(),
        Rule::When(condition) => format!("if, else `{}`", condition.otherwise),
        Rule::Cases(cases) => {
            let tests = cases.iter().flat_map(|case| case.tests.iter().chain([&case.applies]));
            let mut answers: Vec<_> = tests.map(|test| format!("`{}`", test.otherwise)).collect();
            answers.sort_unstable();
            answers.dedup();
            format!("if, else {}", answers.join(" or "))
        }
        Rule::Refuse(errno) => format!("`{errno}`"),
    }
}

/// One reason where the profiles agree, or where only `standard` has one worth reading; then those
/// of the profiles that differ from the one they are made of.
fn why([strict, standard, _, standard_net, proxy]: &Row) -> String {
    let mut text = String::from(standard.why);
    if strict.why != standard.why && !matches!(strict.rule, Rule::Refuse(_)) {
        text = format!("{}; `standard`: {}", strict.why, standard.why);
    }
    // Writing to a string cannot fail.
    if standard_net.why != standard.why {
        let _ = write!(text, "; `strict-net`, `standard-net`: {}", standard_net.why);
    }
    if proxy.why != strict.why {
        let _ = write!(text, "; `proxy`: {}", proxy.why);
    }
    text
}

/// A line for each different test, naming the profiles that have it.
fn tests(row: &Row) -> String {
    let mut lines = String::new();
    for (place, verdict) in row.iter().enumerate() {
        let has = |other: &Verdict| other.rule == verdict.rule;
        let text = match &verdict.rule {
            Rule::Allow | Rule::Refuse(_) => continue,
            _ if row.iter().take(place).any(has) => continue,
            Rule::When(condition) => sentence(condition),
            Rule::Cases(cases) => sentences(cases),
        };
        let profiles: Vec<_> = Profile::ALL
            .into_iter()
            .zip(row)
            .filter(|(_, other)| has(other))
            .map(|(profile, _)| profile.name())
            .collect();
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "- `{}` ({}): {text}", verdict.name, profiles.join(", "));
    }
    lines
}

fn sentences(cases: &[Case]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for case in cases {
        let test = |test: &Condition| format!(", and {} (else `{}`)", passes(test), test.otherwise);
        let tests: String = case.tests.iter().map(test).collect();
        texts.push(format!("where {}{tests}", passes(&case.applies)));
    }
    let otherwise = cases.last().map(|case| format!("`{}`", case.applies.otherwise));
    format!("{}; in every other case {}", texts.join("; "), otherwise.unwrap_or_default())
}

fn sentence(condition: &Condition) -> String {
    format!("{}; otherwise `{}`", passes(condition), condition.otherwise)
}

fn passes(condition: &Condition) -> String {
    let (width, full) = match condition.width {
        Width::Int => ("low 32 bits", u64::from(u32::MAX)),
        Width::Long => ("64 bits", u64::MAX),
    };
    let mask = match condition.mask {
        mask if mask == full => String::new(),
        mask => format!(" under the mask {mask:#x}"),
    };
    let values: Vec<_> =
        condition.values.iter().map(|(name, value)| format!("{name} ({value:#x})")).collect();
    format!("argument {} ({width}){mask} is one of {}", condition.argument, values.join(", "))
}
