//! Which policy is in force, and loading it against the registered tools.
//!
//! A policy set by a flag, the user or the system is the policy; a project's own counts only where none is set, so a
//! project cannot loosen what somebody set for it. With no policy at all the built-in rules remain and everything
//! else is denied.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::policy::document::{Diagnostic, Source};
use engine::policy::{Catalogue, Policy, compare, witnesses};

use crate::gate;
use crate::layout::Layout;
use crate::record::DecidedCall;

pub use engine::policy::{
    Changed, Comparison, Coverage, Decision, Effect, Explanation, Layer, Mutation, MutationError,
    NearMiss, Shift, TestResult, Truth, Verdict,
};

/// Largest policy file, in bytes: what the rule language itself takes.
const POLICY_BYTES: u64 = 8 << 20;

/// A policy that can be put in force.
#[derive(Debug, Clone)]
pub struct InForce {
    /// Compiled.
    pub policy: Arc<Policy>,
    /// Its text; none for the built-in rules alone.
    pub source: Option<Source>,
    /// What its author should know.
    pub warnings: Vec<Diagnostic>,
}

/// Why a policy cannot be used. A policy that was in force stays in force.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("policy file `{}` cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The project's own file, or its folder, is a symbolic link.
    #[error("`{}` is a symbolic link, and a project's own policy is no file a link leads to", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The file is longer than a policy may be.
    #[error("policy file `{}` is longer than {POLICY_BYTES} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The text is not a valid policy.
    #[error("policy `{}` has {} error{}", text.name, findings.len(), if findings.len() == 1 { "" } else { "s" })]
    Invalid {
        /// The text.
        text: Source,
        /// Everything wrong with it.
        findings: Vec<Diagnostic>,
    },
    /// This build's own registry is broken.
    #[error("the tool registry is broken: {0}")]
    Catalogue(String),
}

/// The file that holds the policy in force; `None` when there is none.
///
/// # Errors
/// [`PolicyError::Link`] for a project's own that is a symbolic link: what it leads to is not protected as the state
/// folder is, and may not be the project's. One that was set may be a link.
pub fn chosen(layout: &Layout, set: Option<&Path>) -> Result<Option<PathBuf>, PolicyError> {
    if let Some(path) = set {
        return Ok(Some(layout.project().join(path)));
    }
    let path = layout.policy();
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    match path.ancestors().take(2).find(|part| is_link(part)) {
        Some(link) => Err(PolicyError::Link { path: link.to_path_buf() }),
        None => Ok(Some(path).filter(|path| path.exists())),
    }
}

/// Loads the policy in `path`, or the built-in rules alone.
///
/// # Errors
/// See [`PolicyError`]; nothing falls back to a looser policy.
pub fn load(path: Option<&Path>) -> Result<InForce, PolicyError> {
    let catalogue = gate::catalogue().map_err(|error| PolicyError::Catalogue(error.to_string()))?;
    let Some(path) = path else {
        let policy = Arc::new(Policy::empty(&catalogue));
        return Ok(InForce { policy, source: None, warnings: Vec::new() });
    };
    of(read(path)?, &catalogue)
}

/// Reads a policy from its text.
///
/// # Errors
/// As [`load`].
pub(crate) fn of(source: Source, catalogue: &Catalogue) -> Result<InForce, PolicyError> {
    match Policy::load(&source, catalogue) {
        Ok(loaded) => Ok(InForce {
            policy: Arc::new(loaded.policy),
            source: Some(source),
            warnings: loaded.warnings,
        }),
        Err(findings) => Err(PolicyError::Invalid { text: source, findings }),
    }
}

pub(crate) fn read(path: &Path) -> Result<Source, PolicyError> {
    let failed = |source| PolicyError::Read { path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(POLICY_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > POLICY_BYTES {
        return Err(PolicyError::TooLong { path: path.to_path_buf() });
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        failed(std::io::Error::new(std::io::ErrorKind::InvalidData, "not UTF-8 text"))
    })?;
    Ok(Source { name: path.display().to_string(), text })
}

/// Runs the tests a policy carries; those marked strict are held to the schemas of the registered tools.
#[must_use]
pub fn test(policy: &Policy) -> Vec<TestResult> {
    policy.run_tests(gate::fits)
}

/// What one policy would decide differently from another, over the calls of the tests of both and over calls made
/// from their conditions.
#[must_use]
pub fn diff(before: &Policy, after: &Policy) -> Comparison {
    let tests = before.test_calls().chain(after.test_calls()).cloned();
    compare(before, after, tests.chain(witnesses(before, after)))
}

/// What one policy would decide differently from another, over calls on record.
#[must_use]
pub fn replay(before: &Policy, after: &Policy, calls: Vec<DecidedCall>) -> Comparison {
    compare(before, after, calls.into_iter().map(|decided| decided.call))
}

/// Changes each rule of a policy in every small way and runs the tests it carries against each change.
///
/// # Errors
/// A test that fails as it is, or tools that are no longer what the policy was loaded against.
pub fn mutate(policy: &InForce) -> Result<Mutation, MutationError> {
    let none = Source { name: String::new(), text: String::new() };
    let source = policy.source.as_ref().unwrap_or(&none);
    Mutation::of(source, policy.policy.catalogue(), gate::fits)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_projects_own_policy_is_no_link_and_one_that_was_set_may_be() {
        let (project, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let layout = Layout::of(project.path()).unwrap();
        assert_eq!(chosen(&layout, None).unwrap(), None);
        let file = elsewhere.path().join("policy.yaml");
        fs::write(&file, "version: 1\nname: other\n").unwrap();
        // The folder, then the file.
        symlink(elsewhere.path(), layout.state()).unwrap();
        assert!(matches!(chosen(&layout, None), Err(PolicyError::Link { .. })));
        fs::remove_file(layout.state()).unwrap();
        fs::create_dir(layout.state()).unwrap();
        for target in [file.as_path(), Path::new("/nowhere"), Path::new("../inside.yaml")] {
            symlink(target, layout.policy()).unwrap();
            let found = chosen(&layout, None);
            assert!(matches!(found, Err(PolicyError::Link { .. })), "{found:?}");
            let set = chosen(&layout, Some(&layout.policy())).unwrap();
            assert_eq!(set, Some(layout.policy()));
            fs::remove_file(layout.policy()).unwrap();
        }
        // An ordinary file is the project's own, as git brings it.
        fs::copy(&file, layout.policy()).unwrap();
        assert_eq!(chosen(&layout, None).unwrap(), Some(layout.policy()));
    }
}
