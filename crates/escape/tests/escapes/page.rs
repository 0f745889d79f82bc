//! The page `docs/escapes.md`: every case, what is tried, and what stops it.
//!
//! Printed from the cases; a test compares the checked-in page with it.

use std::fmt::Write as _;

use crate::case::{Case, Class, Control, Who};
use crate::cases::{cases, of};
use crate::walls::name;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/escapes.md");
const UPDATE: &str = "UPDATE_DOCS";

const INTRODUCTION: &str = "\
# Ways out of a sandbox that are tried

Generated from the cases in `crates/escape/tests/escapes/cases/`; do not edit. After changing a case
run `UPDATE_DOCS=1 cargo test -p escape --test escapes page`.

Each attempt is made by a small static program, as root and as an ordinary user. It counts as an
escape when a random token proves its effect outside: a secret was read, or a mark was left. In a
whole sandbox it must be held, with the answer named here. In the control it must escape, or the
case proves nothing:

- *without*: the same sandbox without the walls named. Where several are named, each of them alone
  is shown to hold as well; walls in brackets are down in all those runs and nothing is claimed of
  them.
- *higher limit*: the same sandbox with more.
- *outside*: without any sandbox, where one of the walls cannot be taken down. Then the walls named
  are only shown to hold together with that one.

Controls marked *root* are made only as root, who has something of the host an ordinary user cannot
have; those marked *ordinary user* only as one, because the kernel keeps root's own processes apart
from a sandbox by their capabilities. Cases marked *where memory is counted* hold where a control
group counts the memory of all processes; elsewhere the receipt says that each is limited by itself.

";

fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    writeln!(page, "{} cases.", cases().count()).unwrap();
    for class in Class::ALL {
        writeln!(page, "\n## {class}\n\n| case | tries to | stopped by | answer | control |")
            .unwrap();
        page.push_str("|---|---|---|---|---|\n");
        for case in of(class) {
            let Case { name, tries, .. } = case;
            let (walls, answer) = (walls(case), case.answer.join("`, `"));
            writeln!(page, "| {name} | {tries} | {walls} | `{answer}` | {} |", control(case))
                .unwrap();
        }
    }
    page
}

fn walls(case: &Case) -> String {
    let mut walls: Vec<&str> = case.walls.iter().map(|wall| name(*wall)).collect();
    if !case.fixed.is_empty() {
        walls.push(case.fixed);
    }
    let mut text = walls.join(", ");
    if !case.besides.is_empty() {
        let besides: Vec<&str> = case.besides.iter().map(|wall| name(*wall)).collect();
        write!(text, " [{}]", besides.join(", ")).unwrap();
    }
    text
}

fn control(case: &Case) -> String {
    let how = match case.control {
        Control::Without => "without",
        Control::Looser(_) => "higher limit",
        Control::Outside => "outside",
    };
    match case.who {
        Who::Anyone => how.to_owned(),
        Who::Root => format!("{how}, root"),
        Who::Ordinary => format!("{how}, ordinary user"),
        Who::Counted => format!("{how}, where memory is counted"),
        Who::Prepared => format!("{how}, prepared by root"),
    }
}

/// Compares the page with the cases, or writes it when asked to.
pub fn check() {
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(PAGE, page()).unwrap();
    }
    let checked_in = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(checked_in == page(), "out of date: run with {UPDATE}=1");
}
