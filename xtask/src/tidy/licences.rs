//! Everything we build from is permissively licensed and comes from crates.io.
//!
//! This holds without any tool installed; `deny.toml` says the same to cargo-deny, which also
//! knows advisories. Licence expressions are SPDX, with the old `/` for `OR`.

use super::Finding;
use crate::graph::Package;

/// Licences that ask for no more than a notice.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Packages we do not build with, and why.
const BANNED: &[(&str, &str)] = &[
    ("sqlx", "links a second SQLite beside rusqlite's"),
    ("openssl-sys", "needs a C library of the machine"),
    ("native-tls", "needs a C library of the machine"),
];

/// Reports packages with another licence, from another place, or on the banned list.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(problems).collect()
}

fn problems(package: &Package) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |message: String| {
        findings.push(Finding::new("Cargo.lock", 1, format!("`{}` {message}", package.name)));
    };
    match &package.licence {
        None => report("states no licence".to_owned()),
        Some(licence) if !is_permissive(licence) => {
            report(format!("is under `{licence}`, which is not on the permissive list"));
        }
        Some(_) => {}
    }
    if package.source.as_ref().is_some_and(|source| source != REGISTRY) {
        report("does not come from crates.io".to_owned());
    }
    if let Some((_, why)) = BANNED.iter().find(|(name, _)| *name == package.name) {
        report((*why).to_owned());
    }
    findings
}

/// Whether an expression can be met with permissive licences alone.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    match any_of(&words) {
        Some((met, [])) => met,
        _ => false,
    }
}

/// `a OR b …`: met when one side is; nothing for what is not an expression.
fn any_of<'a, 'b>(words: &'b [&'a str]) -> Option<(bool, &'b [&'a str])> {
    let (mut met, mut rest) = all_of(words)?;
    while let ["OR", tail @ ..] = rest {
        let (other, after) = all_of(tail)?;
        met |= other;
        rest = after;
    }
    Some((met, rest))
}

/// `a AND b …`: met when both sides are.
fn all_of<'a, 'b>(words: &'b [&'a str]) -> Option<(bool, &'b [&'a str])> {
    let (mut met, mut rest) = one(words)?;
    while let ["AND", tail @ ..] = rest {
        let (other, after) = one(tail)?;
        met &= other;
        rest = after;
    }
    Some((met, rest))
}

/// One licence, with its exception where it has one, or a parenthesis.
fn one<'a, 'b>(words: &'b [&'a str]) -> Option<(bool, &'b [&'a str])> {
    match words {
        ["(", inside @ ..] => match any_of(inside)? {
            (met, [")", rest @ ..]) => Some((met, rest)),
            _ => None,
        },
        [licence, "WITH", exception, rest @ ..] => {
            let whole = format!("{licence} WITH {exception}");
            Some((PERMISSIVE.contains(&whole.as_str()), rest))
        }
        [licence, rest @ ..] => Some((PERMISSIVE.contains(licence), rest)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{REGISTRY, check, is_permissive};
    use crate::graph::Package;

    fn expect(licence: &str, permissive: bool) {
        assert_eq!(is_permissive(licence), permissive, "{licence}");
    }

    #[test]
    fn an_expression_is_met_by_permissive_licences() {
        expect("MIT", true);
        expect("MIT/Apache-2.0", true);
        expect("MIT OR GPL-3.0-only", true);
        expect("(MIT OR Apache-2.0) AND Unicode-3.0", true);
        expect("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true);
        expect("GPL-3.0-only", false);
        expect("MIT AND GPL-3.0-only", false);
        expect("(MIT AND MPL-2.0) OR GPL-2.0", false);
        expect("Apache-2.0 WITH Other-exception", false);
        expect("(MIT", false);
        expect("MIT Apache-2.0", false);
        expect("", false);
    }

    fn findings(name: &str, licence: Option<&str>, source: &str) -> usize {
        let package = Package {
            name: name.to_owned(),
            licence: licence.map(str::to_owned),
            source: Some(source.to_owned()),
            dependencies: Vec::new(),
        };
        check(&[package]).len()
    }

    #[test]
    fn licence_place_and_name_are_each_held() {
        assert_eq!(findings("serde", Some("MIT"), REGISTRY), 0);
        assert_eq!(findings("serde", None, REGISTRY), 1);
        assert_eq!(findings("serde", Some("AGPL-3.0-only"), REGISTRY), 1);
        assert_eq!(findings("serde", Some("MIT"), "git+https://example.com/serde"), 1);
        assert_eq!(findings("sqlx", Some("MIT"), REGISTRY), 1);
    }
}
