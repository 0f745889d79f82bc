//! Everything signed that lies in a folder, by whichever node: what must still be there, and what records are held against.
//!
//! With a key every signature of its node is verified, and what that node signed must be there or outgrown. What another
//! node has signed is evidence, as all of it is where there is no key: nobody vouches for it, but a log that contradicts
//! it is not the one it was made of.

use std::path::{Path, PathBuf};

use super::head::TreeHead;
use super::logs::LogOfLogs;
use super::note::VerifierKey;
use super::published::{self, Published};
use super::witness::WitnessError;

/// What was found to have been signed of logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// How large each log was and what its root was, each once.
    pub heads: Vec<TreeHead>,
    /// How many of these no key could be held against.
    pub unproved: usize,
    /// Checkpoints that lie in the folder.
    pub lying: usize,
}

/// A checkpoint as it lies in a folder.
struct Lying {
    folder: PathBuf,
    head: TreeHead,
}

/// Looks through `folder` for everything signed: the newest checkpoints, and all the log of logs has entered.
///
/// What is `known` besides, for instance from records, is added. What was signed by the node of `key`, or without a key by
/// the one whose checkpoint of the log of logs lies there, must be there or be outgrown.
///
/// # Errors
/// [`WitnessError::Lost`] or [`WitnessError::Foreign`] where something of this node is missing,
/// [`WitnessError::Entries`] where the log of logs is not the one that was signed.
pub fn inventory(
    folder: &Path,
    key: Option<&VerifierKey>,
    known: &[TreeHead],
) -> Result<Inventory, WitnessError> {
    let published = Published::at(folder);
    let lying = lying(&published, key)?;
    let newest = lying.iter().find(|one| one.folder == published.of_logs());
    let node = key.map(VerifierKey::name).or(newest.map(|one| one.head.origin.as_str()));
    let is_own = |head: &TreeHead| node.is_some_and(|node| is_below(node, &head.origin));
    let mut told = entered(&published, newest.map(|one| &one.head), key)?;
    for head in known.iter().filter(|head| Some(head.origin.as_str()) == node) {
        told.extend(entered(&published, Some(head), key)?);
        told.push(head.clone());
    }
    let has_entered = told.iter().any(is_own);
    told.extend(known.iter().filter(|head| head.log().is_some()).cloned());
    let own: Vec<&TreeHead> = told.iter().filter(|head| is_own(head)).collect();
    // A node that has signed nothing yet finds what another has signed.
    let is_replaced = |one: &&Lying| {
        let is_of =
            |head: &&TreeHead| head.log().is_some_and(|log| published.of_log(&log) == one.folder);
        let is_logs = one.folder == published.of_logs();
        !is_own(&one.head) && if is_logs { has_entered } else { own.iter().any(is_of) }
    };
    if let Some(one) = lying.iter().filter(|_| key.is_some()).find(is_replaced) {
        return Err(WitnessError::Foreign(published::file(&one.folder)));
    }
    for head in own {
        // Without a key any node may have signed it on.
        let is_same = |one: &TreeHead| match (key, head.log()) {
            (None, Some(log)) => one.log() == Some(log),
            _ => one.origin == head.origin,
        };
        if !lying.iter().any(|one| is_same(&one.head) && one.head.size >= head.size) {
            return Err(WitnessError::Lost { origin: head.origin.clone(), size: head.size });
        }
    }
    let mut heads: Vec<TreeHead> = lying.iter().map(|one| one.head.clone()).chain(told).collect();
    heads.retain(|head| head.log().is_some());
    heads.sort_unstable_by(|a, b| (&a.origin, a.size, a.root).cmp(&(&b.origin, b.size, b.root)));
    heads.dedup();
    let unproved = heads.iter().filter(|head| key.is_none() || !is_own(head)).count();
    Ok(Inventory { heads, unproved, lying: lying.len() })
}

/// Whether an origin is a node's log of logs or one of its logs.
fn is_below(node: &str, origin: &str) -> bool {
    origin.strip_prefix(node).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The newest checkpoints, the log of logs first: what it has entered was signed before, also by an owner who signs
/// meanwhile.
fn lying(published: &Published, key: Option<&VerifierKey>) -> Result<Vec<Lying>, WitnessError> {
    let mut all = Vec::new();
    for folder in [published.of_logs()].into_iter().chain(published.logs()?) {
        let head = published::lying(&folder, key)?;
        all.extend(head.map(|head| Lying { folder, head }));
    }
    Ok(all)
}

/// What the log of logs had entered when it was signed last; all it has entered where it never was.
///
/// # Errors
/// [`WitnessError::Lost`] where there are fewer entries, [`WitnessError::Entries`] where they are others.
pub(super) fn entered(
    published: &Published,
    signed: Option<&TreeHead>,
    key: Option<&VerifierKey>,
) -> Result<Vec<TreeHead>, WitnessError> {
    let all = LogOfLogs::open(published.of_logs())?;
    let size = signed.map_or(all.size(), |head| head.size);
    if let Some(head) = signed.filter(|head| head.size > all.size()) {
        return Err(WitnessError::Lost { origin: head.origin.clone(), size });
    }
    let found = match signed {
        Some(head) => all.heads(head)?,
        None => all.readable()?,
    };
    match found {
        Some(heads) => Ok(heads),
        None => {
            let (file, entry) = all.first_bad(size, key)?;
            Err(WitnessError::Entries { file, entry, size })
        }
    }
}
