//! Finds what only moved: one deleted and one added file that alone have the same content.
//!
//! Anything less certain stays a deletion and an addition; nothing is guessed by likeness.

use std::collections::HashMap;

use crate::changeset::{Entry, Node};
use crate::digest::Digest;
use crate::path::RelPath;

/// What has one content: the deleted and the added files.
#[derive(Default)]
struct Same {
    deleted: Vec<RelPath>,
    added: usize,
}

/// Marks every added file that certainly is a deleted one. Empty files are never the same file.
pub(super) fn mark(entries: &mut [Entry]) {
    let mut contents: HashMap<Digest, Same> = HashMap::new();
    for entry in entries.iter() {
        match (content(entry.before.as_ref()), content(entry.after.as_ref())) {
            (Some(digest), None) if entry.after.is_none() => {
                contents.entry(digest).or_default().deleted.push(entry.path.clone());
            }
            (None, Some(digest)) if entry.before.is_none() => {
                contents.entry(digest).or_default().added += 1;
            }
            _ => {}
        }
    }
    for entry in entries.iter_mut().filter(|entry| entry.before.is_none()) {
        let same = content(entry.after.as_ref()).and_then(|digest| contents.get(&digest));
        if let Some(Same { deleted, added: 1 }) = same
            && let [only] = deleted.as_slice()
        {
            entry.renamed_from = Some(only.clone());
        }
    }
}

fn content(node: Option<&Node>) -> Option<Digest> {
    match node {
        Some(Node::File { digest, size: 1.., .. }) => Some(*digest),
        _ => None,
    }
}
