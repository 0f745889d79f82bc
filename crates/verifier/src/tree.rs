//! The Merkle tree of RFC 6962, grown leaf by leaf, and the walk up an inclusion proof.
//! Section 2.1 has the hashes of leaves and nodes.

use sha2::{Digest as _, Sha256};

/// A SHA-256 value.
pub(crate) type Hash = [u8; 32];

/// SHA-256 of several pieces.
pub(crate) fn hash(pieces: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    pieces.iter().for_each(|piece| hasher.update(piece));
    hasher.finalize().into()
}

/// The leaf of an entry.
pub(crate) fn leaf(entry: &[u8]) -> Hash {
    hash(&[&[0], entry])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[1], left, right])
}

/// A tree that only knows what it needs to go on.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Roots of perfect subtrees with the logarithm of their size, falling.
    parts: Vec<(u32, Hash)>,
    pub(crate) size: u64,
}

impl Tree {
    pub(crate) fn push(&mut self, leaf: Hash) {
        let (mut height, mut root) = (0, leaf);
        while let Some((_, left)) = self.parts.pop_if(|(last, _)| *last == height) {
            root = node(&left, &root);
            height += 1;
        }
        self.parts.push((height, root));
        self.size += 1;
    }

    pub(crate) fn root(&self) -> Hash {
        let mut parts = self.parts.iter().rev().map(|(_, root)| *root);
        parts
            .next()
            .map_or_else(|| hash(&[]), |last| parts.fold(last, |right, left| node(&left, &right)))
    }
}

impl FromIterator<Hash> for Tree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut tree = Self::default();
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }
}

/// The root that the leaf number `index` of `size` leads to, by halving the tree as RFC 6962 defines it.
pub(crate) fn climb(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    let Some((sibling, below)) = path.split_last() else {
        return (size == 1 && index == 0).then_some(leaf);
    };
    if index >= size || size < 2 {
        return None;
    }
    let half = 1_u64 << (63 - (size - 1).leading_zeros());
    if index < half {
        Some(node(&climb(leaf, index, half, below)?, sibling))
    } else {
        Some(node(sibling, &climb(leaf, index - half, size - half, below)?))
    }
}
