//! The writer thread: take a group, commit it, answer everyone, again; between two groups an errand.
//!
//! It owns the store. A reply that panics is contained, because the thread must outlive its callers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::Board;
use super::housekeeper::{Ending, Housekeeper};
use super::queue::{Errand, Ticket, Work};
use crate::error::{OpenError, StorageError};
use crate::operation::{Operation, Plan};
use crate::place::Placement;
use crate::store::Store;
use crate::tlog::Signer;

/// Starts the writer and its housekeeper.
pub(super) fn start(
    store: Store,
    placement: &Placement,
    signer: Option<Signer>,
    board: Arc<Board>,
) -> Result<JoinHandle<Result<(), StorageError>>, OpenError> {
    let housekeeper = Housekeeper::start(&store, placement, signer)?;
    let path = store.path().to_owned();
    Builder::new()
        .name("journal-writer".to_owned())
        .spawn(move || run(store, &board, housekeeper))
        .map_err(|source| OpenError::Io { path, source })
}

fn run(mut store: Store, board: &Board, mut housekeeper: Housekeeper) -> Result<(), StorageError> {
    while let Some(work) = board.queue.take() {
        if housekeeper.has_failed() {
            store.stop();
        }
        match work {
            Work::Group(tickets) => commit(&mut store, board, tickets),
            Work::Errand(errand) => go(&mut store, board, &mut housekeeper, errand),
        }
        housekeeper.after_commit(&store);
    }
    let ending = if store.is_stopped() || housekeeper.has_failed() {
        Ending::Abrupt
    } else {
        Ending::Orderly
    };
    if let Some(trees) = housekeeper.stop(ending) {
        store.keep_trees(trees);
    }
    *board.unsigned.lock().unwrap_or_else(PoisonError::into_inner) = housekeeper.unsigned();
    store.close()
}

/// Does an errand, which may have committed something.
fn go(store: &mut Store, board: &Board, housekeeper: &mut Housekeeper, Errand(errand): Errand) {
    // The panic hook has already reported it; whoever waits is told that there is no answer.
    let _ = catch_unwind(AssertUnwindSafe(|| errand(store, housekeeper)));
    *board.stats.lock().unwrap_or_else(PoisonError::into_inner) = store.stats();
    board.notice.post();
}

fn commit(store: &mut Store, board: &Board, tickets: Vec<Ticket>) {
    let group: Vec<(&Operation, &Plan)> =
        tickets.iter().map(|ticket| (&ticket.operation, &ticket.plan)).collect();
    let answers = store.commit_group(&group);
    *board.stats.lock().unwrap_or_else(PoisonError::into_inner) = store.stats();
    board.notice.post();
    for (ticket, answer) in tickets.into_iter().zip(answers) {
        // The panic hook has already reported it, and the operation's outcome stands.
        let _ = catch_unwind(AssertUnwindSafe(|| (ticket.reply)(answer)));
    }
}
