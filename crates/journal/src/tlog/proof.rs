//! Inclusion and consistency proofs of RFC 6962: made from perfect subtrees, checked from hashes alone.
//!
//! Making follows the recursive definition of RFC 6962, section 2.1; checking follows the iterative
//! one of RFC 9162, section 2.1.3.2 and 2.1.4.2, so that one is a test of the other.

use super::tree::node_of;
use crate::digest::Digest;

/// Most hashes a proof can have: one for each level of the largest tree, and one more.
pub(super) const PROOF_HASHES_MAX: usize = 64;

/// Gives the root of the perfect subtree of `2^level` leaves that is number `index` from the left.
pub(super) type Subtrees<'a, E> = dyn FnMut(u8, u64) -> Result<Digest, E> + 'a;

/// The root of the leaves `start..end`, where `start` begins a subtree at least as large.
fn range<E>(subtrees: &mut Subtrees<'_, E>, start: u64, end: u64) -> Result<Digest, E> {
    let length = end - start;
    if length.is_power_of_two() {
        let level = length.trailing_zeros();
        return subtrees(u8::try_from(level).unwrap_or(u8::MAX), start >> level);
    }
    let middle = start + split(length);
    let left = range(subtrees, start, middle)?;
    Ok(node_of(&left, &range(subtrees, middle, end)?))
}

/// The largest power of two smaller than `length`, which is at least 2.
const fn split(length: u64) -> u64 {
    1 << (u64::BITS - 1 - (length - 1).leading_zeros())
}

/// The proof that leaf `index` (from 0) is in the tree of `size` leaves, lowest sibling first.
///
/// # Errors
/// As `subtrees`; the caller sees to `index < size`.
pub(super) fn inclusion<E>(
    subtrees: &mut Subtrees<'_, E>,
    index: u64,
    size: u64,
) -> Result<Vec<Digest>, E> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range(subtrees, middle, end)?);
            end = middle;
        } else {
            path.push(range(subtrees, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `old` leaves is the beginning of the tree of `new` leaves.
///
/// Empty when `old` is 0 or `new`. The caller sees to `old <= new`.
///
/// # Errors
/// As `subtrees`.
pub(super) fn consistency<E>(
    subtrees: &mut Subtrees<'_, E>,
    old: u64,
    new: u64,
) -> Result<Vec<Digest>, E> {
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, new);
    let mut path = Vec::new();
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(range(subtrees, middle, end)?);
            end = middle;
        } else {
            path.push(range(subtrees, start, middle)?);
            start = middle;
        }
    }
    if start > 0 {
        path.push(range(subtrees, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// The root that `leaf` at `index` and a path lead to; `None` when the path has another length than
/// a tree of `size` leaves gives it.
pub(super) fn root_from(leaf: Digest, index: u64, size: u64, path: &[Digest]) -> Option<Digest> {
    let mut last = size.checked_sub(1).filter(|last| index <= *last)?;
    let (mut node, mut root) = (index, leaf);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            root = node_of(sibling, &root);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            root = node_of(&root, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

/// Whether a path shows that the tree of `old` is the beginning of the tree of `new`.
pub(super) fn is_consistent(old: (u64, Digest), new: (u64, Digest), path: &[Digest]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == new_size {
        return path.is_empty() && old_root == new_root;
    }
    if old_size == 0 {
        return path.is_empty() && old_root == Digest::of(b"");
    }
    let walked = || {
        // A perfect old tree is its own first hash.
        let (first, rest) =
            if old_size.is_power_of_two() { (&old_root, path) } else { path.split_first()? };
        walk((old_size, new_size), *first, rest)
    };
    old_size < new_size && walked() == Some((old_root, new_root))
}

/// The two roots that a consistency path leads to.
fn walk((old, new): (u64, u64), first: Digest, rest: &[Digest]) -> Option<(Digest, Digest)> {
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_root, mut new_root) = (first, first);
    for hash in rest {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            old_root = node_of(hash, &old_root);
            new_root = node_of(hash, &new_root);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_root = node_of(&new_root, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some((old_root, new_root))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::digest::leaf_of;
    use crate::tlog::Frontier;

    const LARGEST: u64 = 300;

    fn leaves() -> Vec<Digest> {
        (0..LARGEST).map(|i| leaf_of(&i.to_be_bytes())).collect()
    }

    /// Every root of `leaves[..size]`, and a source of perfect subtrees.
    fn perfect(leaves: &[Digest], level: u8, index: u64) -> Result<Digest, Infallible> {
        let width = 1_usize << level;
        let start = usize::try_from(index).unwrap() * width;
        Ok(leaves[start..start + width].iter().copied().collect::<Frontier>().root())
    }

    fn roots(leaves: &[Digest]) -> Vec<Digest> {
        let mut tree = Frontier::default();
        let mut roots = vec![tree.root()];
        for leaf in leaves {
            tree.push(*leaf);
            roots.push(tree.root());
        }
        roots
    }

    #[test]
    fn every_leaf_of_every_tree_is_proved_and_nothing_else_is() {
        let leaves = leaves();
        let roots = roots(&leaves);
        for size in 1..=LARGEST {
            let root = roots[usize::try_from(size).unwrap()];
            for index in 0..size {
                let path =
                    inclusion(&mut |level, at| perfect(&leaves, level, at), index, size).unwrap();
                assert!(path.len() <= PROOF_HASHES_MAX);
                let leaf = leaves[usize::try_from(index).unwrap()];
                assert_eq!(root_from(leaf, index, size, &path), Some(root), "{index}/{size}");
                // Controls: another leaf, place, size, length or hash proves nothing.
                let other = leaves[usize::try_from((index + 1) % LARGEST).unwrap()];
                assert_ne!(root_from(other, index, size, &path), Some(root));
                if size > 1 {
                    assert_ne!(root_from(leaf, (index + 1) % size, size, &path), Some(root));
                }
                assert_eq!(root_from(leaf, size, size, &path), None);
                let longer = [path.as_slice(), &[leaf]].concat();
                assert_eq!(root_from(leaf, index, size, &longer), None);
                if let Some((_, shorter)) = path.split_last() {
                    assert_eq!(root_from(leaf, index, size, shorter), None);
                    let mut changed = path.clone();
                    changed[path.len() / 2] = leaf_of(b"changed");
                    assert_ne!(root_from(leaf, index, size, &changed), Some(root));
                }
            }
        }
    }

    #[test]
    fn every_tree_is_the_beginning_of_every_later_one_and_of_no_other() {
        let leaves = leaves();
        let roots = roots(&leaves);
        for new in 0..=LARGEST {
            let new_root = roots[usize::try_from(new).unwrap()];
            for old in 0..=new {
                let old_root = roots[usize::try_from(old).unwrap()];
                let path =
                    consistency(&mut |level, at| perfect(&leaves, level, at), old, new).unwrap();
                let holds = |old, new| is_consistent(old, new, &path);
                assert!(holds((old, old_root), (new, new_root)), "{old} of {new}");
                // Controls: another root on either side, another order, another path.
                assert!(!holds((old, leaf_of(b"another")), (new, new_root)));
                if old != 0 {
                    assert!(!holds((old, old_root), (new, leaf_of(b"another"))));
                }
                if old != new {
                    assert!(!holds((new, new_root), (old, old_root)));
                }
                let longer = [path.as_slice(), &[new_root]].concat();
                assert!(!is_consistent((old, old_root), (new, new_root), &longer));
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!is_consistent((old, old_root), (new, new_root), shorter));
                }
                for place in 0..path.len() {
                    let mut changed = path.clone();
                    changed[place] = leaf_of(b"changed");
                    assert!(!is_consistent((old, old_root), (new, new_root), &changed));
                }
            }
        }
    }
}
