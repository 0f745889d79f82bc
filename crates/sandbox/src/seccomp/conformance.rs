//! The page `docs/syscalls.md`: each system call's verdict under each profile, as Markdown.
//!
//! Printed from the same table the filters are compiled from; a test compares the checked-in page
//! with it, so the page cannot fall behind.

use std::fmt::Write;

use super::rule::{Condition, Rule, Width};
use super::table::{Verdict, table};
use crate::profile::Profile;

const INTRODUCTION: &str = "\
# System calls by profile

Generated from the lists in `crates/sandbox/src/seccomp/`; do not edit. After changing a list run
`UPDATE_DOCS=1 cargo test -p sandbox --test seccomp page`.

A call is *allowed*, allowed *if* one of its arguments passes (the tests are listed at the end), or
answered with the error number shown. A number that is not in this table is answered `ENOSYS`, as an
older kernel would. A call of another architecture's table (i386 by `int 0x80`, x32) ends the
process with `SIGSYS`. `-` means that the architecture has no such call.

";

/// The whole page, ending with a line feed.
pub fn conformance_table() -> String {
    let mut rows: Vec<_> = table(Profile::Strict).zip(table(Profile::Standard)).collect();
    rows.sort_by_key(|(strict, _)| strict.name);
    let mut page = String::from(INTRODUCTION);
    page.push_str("| call | x86_64 | aarch64 | strict | standard | why |\n");
    page.push_str("|---|--:|--:|---|---|---|\n");
    for (strict, standard) in &rows {
        page.push_str(&row(strict, standard));
    }
    page.push_str("\n## Argument tests\n\nArguments are counted from 0.\n\n");
    for (strict, standard) in &rows {
        page.push_str(&tests(strict, standard));
    }
    page
}

fn row(strict: &Verdict, standard: &Verdict) -> String {
    let number = |number: Option<u32>| number.map_or("-".into(), |number| number.to_string());
    format!(
        "| `{}` | {} | {} | {} | {} | {} |\n",
        strict.name,
        number(strict.x86_64),
        number(strict.aarch64),
        cell(&strict.rule),
        cell(&standard.rule),
        why(strict, standard),
    )
}

fn cell(rule: &Rule) -> String {
    match rule {
        Rule::Allow => "allowed".into(),
        Rule::When(condition) => format!("if, else `{}`", condition.otherwise),
        Rule::Refuse(errno) => format!("`{errno}`"),
    }
}

/// One reason where the profiles agree, or where only `standard` has one worth reading.
fn why(strict: &Verdict, standard: &Verdict) -> String {
    if strict.why == standard.why || matches!(strict.rule, Rule::Refuse(_)) {
        standard.why.into()
    } else {
        format!("{}; `standard`: {}", strict.why, standard.why)
    }
}

fn tests(strict: &Verdict, standard: &Verdict) -> String {
    let mut lines = String::new();
    let same = strict.rule == standard.rule;
    let both = if same { "both" } else { "strict" };
    let shown = [(both, strict), ("standard", standard)];
    for (profiles, verdict) in shown.iter().take(if same { 1 } else { 2 }) {
        if let Rule::When(condition) = &verdict.rule {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "- `{}` ({profiles}): {}", verdict.name, sentence(condition));
        }
    }
    lines
}

fn sentence(condition: &Condition) -> String {
    let width = match condition.width {
        Width::Int => "low 32 bits",
        Width::Long => "64 bits",
    };
    let full = match condition.width {
        Width::Int => u64::from(u32::MAX),
        Width::Long => u64::MAX,
    };
    let mask = match condition.mask {
        mask if mask == full => String::new(),
        mask => format!(" under the mask {mask:#x}"),
    };
    let values: Vec<_> =
        condition.values.iter().map(|(name, value)| format!("{name} ({value:#x})")).collect();
    format!(
        "argument {} ({width}){mask} is one of {}; otherwise `{}`",
        condition.argument,
        values.join(", "),
        condition.otherwise,
    )
}
