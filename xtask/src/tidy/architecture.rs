//! `ARCHITECTURE.md` stays short and names the crates that exist, no more and no fewer.
//!
//! A crate is named as `crates/NAME`. The edges between crates are `edges.rs`.

use super::Finding;
use crate::tree::{File, numbered};
use std::collections::BTreeSet;

const MAP: &str = "ARCHITECTURE.md";

/// Lines of the map; a longer one is not read.
const LINES: usize = 300;

/// Reports a missing or too long map, and crates it misses or invents.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let Some(map) = files.iter().find(|file| file.path == MAP) else {
        return vec![Finding::new(MAP, 1, "the map of the code is missing")];
    };
    let mut findings = Vec::new();
    let lines = map.text.lines().count();
    if lines > LINES {
        findings.push(Finding::new(MAP, LINES + 1, format!("{lines} lines, {LINES} at most")));
    }
    let named: BTreeSet<&str> = crates_in(&map.text).collect();
    let real: BTreeSet<&str> = files
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"))
        .flat_map(|file| crates_in(&file.path))
        .collect();
    for missing in real.difference(&named) {
        findings.push(Finding::new(MAP, 1, format!("`crates/{missing}` is not on the map")));
    }
    for invented in named.difference(&real) {
        let place = format!("crates/{invented}");
        let line = numbered(&map.text).find(|(_, text)| text.contains(&place));
        let message = format!("`{place}` does not exist");
        findings.push(Finding::new(MAP, line.map_or(1, |(line, _)| line), message));
    }
    findings
}

/// Every NAME in `crates/NAME`.
fn crates_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("crates/").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
        rest.get(..end.unwrap_or(rest.len())).filter(|name| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn the_map_names_exactly_the_crates() {
        let member = ("crates/engine/Cargo.toml", "");
        expect(check, &[("ARCHITECTURE.md", "see `crates/engine/src/run.rs`"), member], 0);
        expect(check, &[member], 1);
        expect(check, &[("ARCHITECTURE.md", "nothing"), member], 1);
        expect(check, &[("ARCHITECTURE.md", "crates/engine and crates/old"), member], 1);
        let long = format!("crates/engine\n{}", "x\n".repeat(300));
        expect(check, &[("ARCHITECTURE.md", &long), member], 1);
    }
}
