//! The Merkle tree of RFC 6962 over leaves that are hashed already.
//!
//! A [`Frontier`] is all that is needed to go on: the roots of the perfect subtrees, at most 40 hashes
//! for the longest log. Proofs are in `proof`; nothing here reads or keeps leaves.

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// `SHA-256(0x01 ‖ left ‖ right)`: an interior node of the tree.
pub(super) fn node_of(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = Sha256::new_with_prefix([0x01]);
    hasher.update(left.as_bytes());
    hasher.update(right.as_bytes());
    Digest::new(hasher.finalize().into())
}

/// The right edge of a tree: its size and the roots of its perfect subtrees, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// A frontier as it was written down; `None` when `peaks` are not as many as `size` asks for.
    #[must_use]
    pub fn of(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        let wanted = usize::try_from(size.count_ones()).ok()?;
        (peaks.len() == wanted).then_some(Self { size, peaks })
    }

    /// Adds the next leaf: one hash on average, at most one for each level.
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        let mut rest = self.size;
        while rest & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = node_of(&left, &hash);
            }
            rest >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// How many leaves the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// The root of the tree; SHA-256 of nothing for an empty one.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut rest = self.peaks.iter().rev();
        let Some(last) = rest.next() else { return Digest::of(b"") };
        rest.fold(*last, |right, left| node_of(left, &right))
    }
}

impl FromIterator<Digest> for Frontier {
    fn from_iter<I: IntoIterator<Item = Digest>>(leaves: I) -> Self {
        let mut tree = Self::default();
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::leaf_of;

    /// The definition of RFC 6962, section 2.1, word for word.
    fn defined(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [only] => *only,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_of(&defined(left), &defined(right))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_rfc_6962() {
        let leaves: Vec<Digest> = (0..300_u32).map(|i| leaf_of(&i.to_be_bytes())).collect();
        let mut tree = Frontier::default();
        for (size, leaf) in (0..).zip(&leaves) {
            assert_eq!(tree.root(), defined(leaves.get(..size).unwrap()), "{size}");
            assert_eq!(Frontier::of(tree.size(), tree.peaks().to_vec()), Some(tree.clone()));
            tree.push(*leaf);
        }
        assert_eq!(Frontier::of(3, vec![Digest::ZERO]), None);
    }

    /// The tree of the reference implementation of Certificate Transparency.
    #[test]
    fn the_known_tree_has_the_known_root() {
        let entries: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let tree: Frontier = entries.into_iter().map(leaf_of).collect();
        let expect = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";
        assert_eq!(tree.root().to_string(), expect);
    }
}
