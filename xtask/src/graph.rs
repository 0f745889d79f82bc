//! The packages this workspace is built from, as cargo resolved them for this machine.
//!
//! It reads cargo's answer and keeps the few facts the rules need; it judges nothing.
//! The rules over it are `tidy/edges.rs` and `tidy/licences.rs`.

use crate::stage::Failure;
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::path::Path;

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Linked into the product or run to build it.
    Product,
    /// Linked into tests only.
    Tests,
}

/// One package.
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its licence as an SPDX expression, when it states one.
    pub(crate) licence: Option<String>,
    /// Where it comes from; nothing for a folder of this repository.
    pub(crate) source: Option<String>,
    /// The packages it asks for.
    pub(crate) dependencies: Vec<(String, Use)>,
}

impl Package {
    /// Whether it is a member of this workspace.
    pub(crate) fn is_ours(&self) -> bool {
        self.source.is_none()
    }
}

/// Asks cargo for the packages of the workspace and everything below them.
///
/// # Errors
/// Cargo cannot resolve the workspace.
pub(crate) fn load(root: &Path) -> Result<Vec<Package>, Failure> {
    // The product is for Linux; without the filter cargo would fetch packages of other systems.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .other_options(vec!["--filter-platform".to_owned(), platform])
        .exec()?;
    let packages = metadata.packages.iter().map(|package| Package {
        name: package.name.to_string(),
        licence: package.license.clone(),
        source: package.source.as_ref().map(ToString::to_string),
        dependencies: package
            .dependencies
            .iter()
            .map(|dependency| (dependency.name.clone(), use_of(dependency.kind)))
            .collect(),
    });
    Ok(packages.collect())
}

fn use_of(kind: DependencyKind) -> Use {
    match kind {
        DependencyKind::Development => Use::Tests,
        _ => Use::Product,
    }
}
