//! The page `docs/flags.md`: which names are flagged, how, and why, as Markdown.
//!
//! Printed from the table the flags come from; a test compares the checked-in page with it.

use std::fmt::Write as _;

use super::FlagKind;
use super::rule::RULES;

const INTRODUCTION: &str = "\
# Files that are flagged before a merge

Generated from the table in `crates/workspace/src/flags/rule.rs`; do not edit. After changing it run
`UPDATE_DOCS=1 cargo test -p workspace --test flags`.

A changed, added or deleted path that matches is flagged, and a change with a flag never merges
without a person. What **executes later** runs on a person's machine or a server, outside the
sandbox, when somebody does something else: commits, enters the folder, opens the editor, pushes,
installs. What is **sensitive** holds secrets, decides what is trusted, or runs when somebody builds,
tests or starts it on purpose. That forbids nothing; it makes a person look.

A pattern matches at the end of a path, in any folder unless it begins with `^`; `*` stands for
anything in one name, `/**` for everything below. Case does not count, nor does the way letters are
composed. The first row that matches counts. A link is flagged as what it leads to, too.

Whatever its name, a file is also *sensitive* when it can be executed and could not before
(`executable`), when it begins with `#!` (`script`), and when it is a compiled program (`program`).

| rule | kind | names | why |
|---|---|---|---|
";

/// The whole page, ending with a line feed.
#[must_use]
pub fn flags_page() -> String {
    let mut page = String::from(INTRODUCTION);
    for rule in RULES {
        let kind = match rule.kind {
            FlagKind::ExecutesLater => "executes later",
            FlagKind::Sensitive => "sensitive",
        };
        let names: Vec<String> = rule.patterns.iter().map(|name| format!("`{name}`")).collect();
        let names = names.join(", ");
        // Writing to a string does not fail.
        let _ = writeln!(page, "| {} | {kind} | {names} | {} |", rule.name, rule.why);
    }
    page
}
