//! Which record is to blame when two records contradict each other.
//!
//! A chain shows that something is wrong between two neighbours, not which of them was touched. The
//! record after them decides: whichever neighbour the rest of the chain still agrees with is genuine.
//! Where nothing decides, the earlier one is named, so that everything before it is certain.

use super::fault::FaultReason;
use super::scan::Scanner;

/// A row whose header names another sequence.
///
/// A record that says it is the one before its row was pushed back by an insertion there.
pub(super) fn elsewhere(row: u64, header: u64) -> (u64, FaultReason) {
    if header.checked_add(1) == Some(row) && header > 0 {
        (header, FaultReason::Replaced("another record claims this place, one row later"))
    } else {
        (row, FaultReason::Displaced("the header names another sequence"))
    }
}

/// A record that is consistent in itself but does not link to the one before it.
pub(super) fn unlinked(scanner: &Scanner, sequence: u64) -> (u64, FaultReason) {
    let own = scanner.leaf(sequence).ok();
    let next = scanner.prev_leaf(sequence.saturating_add(1));
    if sequence == 1 {
        return (1, FaultReason::Replaced("it links to something before the first record"));
    }
    match (own, next) {
        (Some(own), Some(next)) if own != next => {
            (sequence, FaultReason::Replaced("neither neighbour links with it"))
        }
        _ => (sequence - 1, FaultReason::Replaced("the record after it links to another")),
    }
}
