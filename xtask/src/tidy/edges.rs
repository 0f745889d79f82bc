//! Which crate may know which: the layers of the architecture, against the real dependencies.
//!
//! Tests may use `testkit` as well. A crate that is not listed may depend on none of ours.

use super::Finding;
use crate::graph::{Package, Use};

/// The allowed edges between the product's crates.
const EDGES: &[(&str, &[&str])] = &[
    ("cli", &["server", "client", "runner"]),
    ("server", &["client", "runner", "engine"]),
    (
        "runner",
        &[
            "engine",
            "ticket",
            "schema",
            "journal",
            "sandbox",
            "egress",
            "workspace",
            "redaction",
            "vault",
            "plugins",
            "agent",
        ],
    ),
    ("engine", &["policy", "schema"]),
];

/// May depend on anything, and no product crate on it.
const TEST_CRATE: &str = "testkit";

/// Reports dependencies between our crates that no layer allows.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let ours = |name: &str| packages.iter().any(|one| one.is_ours() && one.name == name);
    let mut findings = Vec::new();
    for package in packages.iter().filter(|package| package.is_ours()) {
        for (to, purpose) in package.dependencies.iter().filter(|(to, _)| ours(to)) {
            if !allowed(&package.name, to, *purpose) {
                let path = format!("crates/{}/Cargo.toml", package.name);
                let message = format!("`{}` may not depend on `{to}`", package.name);
                findings.push(Finding::new(&path, 1, message));
            }
        }
    }
    findings
}

fn allowed(from: &str, to: &str, purpose: Use) -> bool {
    let layer = EDGES.iter().find(|(name, _)| *name == from).map_or(&[][..], |(_, below)| below);
    match (from, to, purpose) {
        (TEST_CRATE, _, _) | (_, TEST_CRATE, Use::Tests) => true,
        _ => layer.contains(&to),
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::graph::{Package, Use};

    fn package(name: &str, dependencies: &[(&str, Use)]) -> Package {
        Package {
            name: name.to_owned(),
            licence: None,
            source: None,
            dependencies: dependencies.iter().map(|(to, on)| ((*to).to_owned(), *on)).collect(),
        }
    }

    fn expect(from: &str, to: &str, purpose: Use, findings: usize) {
        let packages = [package(from, &[(to, purpose)]), package(to, &[])];
        assert_eq!(check(&packages).len(), findings, "{from} -> {to} for {purpose:?}");
    }

    #[test]
    fn layers_know_only_what_is_below() {
        expect("cli", "runner", Use::Product, 0);
        expect("runner", "sandbox", Use::Product, 0);
        expect("engine", "policy", Use::Product, 0);
        expect("testkit", "journal", Use::Product, 0);
        expect("journal", "testkit", Use::Tests, 0);
        expect("cli", "journal", Use::Product, 1);
        expect("cli", "journal", Use::Tests, 1);
        expect("policy", "engine", Use::Product, 1);
        expect("journal", "sandbox", Use::Product, 1);
        expect("runner", "testkit", Use::Product, 1);
        expect("runner", "cli", Use::Product, 1);
        expect("xtask", "policy", Use::Product, 1);
    }

    #[test]
    fn packages_of_others_are_not_our_layers() {
        let mut outside = package("journal", &[]);
        outside.source = Some("registry+https://github.com/rust-lang/crates.io-index".to_owned());
        assert!(check(&[package("cli", &[("journal", Use::Product)]), outside]).is_empty());
    }
}
