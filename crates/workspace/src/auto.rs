//! Whether a change may be merged without a person looking at it.
//!
//! A pure rule over what is known; whether anybody may merge at all is decided elsewhere.

use serde::Serialize;

use crate::changeset::Changeset;
use crate::flags::{Flag, FlagKind};
use crate::patch::Patch;
use crate::path::RelPath;

/// Changed lines, added and removed, that are merged without a person.
pub const AUTO_LINES_MAX: u64 = 500;

/// Why a person must look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// Tests failed, or there were none.
    #[error("no tests have passed on this change")]
    TestsNotPassed,
    /// A file that runs later or is sensitive.
    #[error("`{path}`: {why}")]
    Flagged {
        /// Which entry.
        path: RelPath,
        /// How grave.
        kind: FlagKind,
        /// Which rule.
        rule: &'static str,
        /// What it means.
        why: &'static str,
    },
    /// Too much to be merged unseen.
    #[error("{lines} lines are changed, {AUTO_LINES_MAX} at most without a person")]
    TooManyLines {
        /// Added and removed.
        lines: u64,
    },
    /// A file whose change cannot be shown as lines, so its size says nothing.
    #[error("`{path}` is binary or too large to compare")]
    NotShown {
        /// Which entry.
        path: RelPath,
    },
    /// The project's file changed while the program ran.
    #[error("`{path}` changed in the project while the program ran")]
    Stale {
        /// Which entry.
        path: RelPath,
    },
}

/// Says yes only if tests passed, nothing is flagged, every change can be shown, and no more than
/// [`AUTO_LINES_MAX`] lines differ. Otherwise every reason, not only the first.
pub fn auto(
    changes: &Changeset,
    patch: &Patch,
    flags: &[Flag],
    tests_passed: bool,
) -> Result<(), Vec<Reason>> {
    let mut reasons = Vec::new();
    if !tests_passed {
        reasons.push(Reason::TestsNotPassed);
    }
    reasons.extend(flags.iter().map(|flag| Reason::Flagged {
        path: flag.path.clone(),
        kind: flag.kind,
        rule: flag.rule,
        why: flag.why,
    }));
    let lines = patch.added.saturating_add(patch.removed);
    if lines > AUTO_LINES_MAX {
        reasons.push(Reason::TooManyLines { lines });
    }
    reasons.extend(patch.not_shown.iter().cloned().map(|path| Reason::NotShown { path }));
    let stale = changes.entries().iter().filter(|entry| entry.stale);
    reasons.extend(stale.map(|entry| Reason::Stale { path: entry.path.clone() }));
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

#[cfg(test)]
mod tests {
    use super::{AUTO_LINES_MAX, Reason, auto};
    use crate::changeset::{Changeset, Entry, Node};
    use crate::digest::Digest;
    use crate::flags::{Flag, FlagKind};
    use crate::patch::Patch;
    use crate::path::RelPath;

    #[test]
    fn every_reason_is_named_and_without_one_it_is_yes() {
        let path = RelPath::new("a").unwrap();
        let node = |text: &[u8]| {
            Some(Node::File { digest: Digest::of(text), size: text.len() as u64, mode: 0o644 })
        };
        let entry = Entry::new(path.clone(), node(b"1"), node(b"2"));
        let calm = Changeset::new(vec![entry.clone()]).unwrap();
        let stale = Changeset::new(vec![Entry { stale: true, ..entry }]).unwrap();
        let patch = |added| Patch { text: Vec::new(), added, removed: 250, not_shown: Vec::new() };
        let hidden = Patch { not_shown: vec![path.clone()], ..patch(0) };
        let (kind, rule, why) = (FlagKind::Sensitive, "rule", "why");
        let flag = Flag { path: path.clone(), kind, rule, why };
        let at_limit = patch(AUTO_LINES_MAX - 250);
        let lines = AUTO_LINES_MAX + 1;

        assert_eq!(auto(&calm, &at_limit, &[], true), Ok(()));
        let check = |changes: &Changeset, patch: &Patch, flags: &[Flag], passed, expect| {
            assert_eq!(auto(changes, patch, flags, passed), Err(vec![expect]));
        };
        check(&calm, &at_limit, &[], false, Reason::TestsNotPassed);
        let flagged = Reason::Flagged { path: path.clone(), kind, rule, why };
        check(&calm, &at_limit, &[flag], true, flagged);
        check(&calm, &patch(lines - 250), &[], true, Reason::TooManyLines { lines });
        check(&calm, &hidden, &[], true, Reason::NotShown { path: path.clone() });
        check(&stale, &at_limit, &[], true, Reason::Stale { path });
    }
}
