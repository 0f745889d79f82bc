//! Whoever lists a folder hears of what cannot be read: an entry that is skipped is a key, a link or a rule overlooked.
//!
//! A file that lists folders may therefore not drop errors of anything it walks through. What may is named here.

use super::Finding;
use crate::tree::{File, numbered};

/// What lists a folder.
const LISTS: &str = "read_dir(";
/// What drops errors on the way.
const DROPS: [&str; 4] = [".flatten()", "(Result::ok)", "entry.ok()", "read_dir(folder).ok()"];
/// Files that may, with the reason.
const MAY: &[(&str, &str)] = &[
    ("crates/sandbox/src/limits/census.rs", "processes end while they are counted"),
    (
        "crates/sandbox/src/limits/sweep.rs",
        "groups end while they are swept, and what stays is told",
    ),
    ("crates/sandbox/src/container/held.rs", "what stays in a group keeps it from being removed"),
    (
        "crates/journal/src/tlog/logs.rs",
        "tiles that are out of date and stay are removed with the next",
    ),
];

/// Reports what drops errors in a file of the product that lists folders.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter(|file| is_held(file)).flat_map(in_file).collect()
}

fn is_held(file: &File) -> bool {
    let product = file.path.starts_with("crates/") && file.path.contains("/src/") && file.is_rust();
    product && file.views.code.contains(LISTS) && !MAY.iter().any(|(path, _)| *path == file.path)
}

fn in_file(file: &File) -> Vec<Finding> {
    let dropped = |line: &str| DROPS.iter().find(|drops| line.contains(**drops));
    numbered(&file.views.code)
        .filter_map(|(line, text)| dropped(text).map(|drops| (line, drops)))
        .map(|(line, drops)| {
            let why = "an entry that cannot be read is an error; collect into a `Result`";
            Finding::new(&file.path, line, format!("`{drops}` beside `read_dir`: {why}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{MAY, check};
    use crate::tidy::expect;

    #[test]
    fn no_entry_of_a_folder_is_passed_over() {
        let place = "crates/a/src/a.rs";
        let bad = [
            "for e in fs::read_dir(p)?.flatten() {}",
            "let l = fs::read_dir(p)?;\nlet all = l.filter_map(Result::ok);",
            "fs::read_dir(p)?.filter_map(|entry| entry.ok())",
            "let l = fs::read_dir(folder).ok()?;",
        ];
        for text in bad {
            expect(check, &[(place, text)], 1);
            expect(check, &[("crates/a/tests/a.rs", text)], 0);
            expect(check, &[(MAY[0].0, text)], 0);
        }
        expect(check, &[(place, "fs::read_dir(p)?.collect::<io::Result<Vec<_>>>()")], 0);
        expect(check, &[(place, "let all = lists.into_iter().flatten();")], 0);
    }
}
