//! What the writer does between two groups: signing when asked, sealing, giving room back, while commits go on.
//! That the journal commits, reads and verifies as before is the control of each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod support;

use std::fs;

use journal::tlog::{NodeKey, Notary, Tree, Witness};
use journal::{
    Journal, LogId, Operation, Options, Sealing, Segment, Store, Verification, verify_all,
};
use support::{Place, VIEWS, draft, operation, place};

const SEED: [u8; 32] = [7; 32];

fn opened() -> (Place, Journal, Witness) {
    let place = place();
    let folder = place.database.with_file_name("tiles");
    let notary = Notary { key: NodeKey::of(&SEED), folder: folder.clone(), known: Vec::new() };
    let journal = Journal::open_signing(Options::new(&place.database, VIEWS), notary).unwrap();
    (place, journal, Witness::new(&folder, NodeKey::of(&SEED).verifier()))
}

fn commit(journal: &Journal, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let large = Operation { drafts: vec![draft(number); 4], ..operation(number) };
        assert!(journal.commit(large).is_ok());
    }
}

#[test]
fn all_that_is_committed_is_signed_when_somebody_asks() {
    let (_place, journal, witness) = opened();
    let size = |tree: &Tree| witness.checkpoint(tree).unwrap().map_or(0, |(_, head)| head.size);
    for round in 1..=3 {
        commit(&journal, round..=round);
        journal.sign().unwrap();
        assert_eq!(size(&Tree::Log(LogId::default())), round * 4);
        // The log of logs too, which else waits for an hour.
        assert_eq!(size(&Tree::Logs), round);
    }
    // Nothing new is nothing to sign, and no failure.
    journal.sign().unwrap();
    assert_eq!(size(&Tree::Logs), 3);
    journal.close().unwrap();
    assert!(journal.sign().unwrap_err().contains("has ended"));
    let place = place();
    let unsigned = Journal::open(Options::new(&place.database, VIEWS)).unwrap();
    assert!(unsigned.sign().unwrap_err().contains("is not signed"));
}

fn manifest(segment: &Segment) -> journal::Draft {
    journal::Draft { kind: "journal.archived".into(), ..draft(segment.last) }
}

#[test]
fn a_journal_is_sealed_and_compacted_while_it_takes_commits() {
    let (place, journal, _) = opened();
    commit(&journal, 1..=500);
    let bytes = || fs::metadata(&place.database).unwrap().len();
    let seal = |store: &mut Store| {
        let sealing = Sealing { log: LogId::default(), before_us: i64::MAX };
        store.seal(&sealing, manifest).unwrap().map(|segment| segment.last)
    };
    let reader = journal.reader().unwrap();
    let (before, last) = std::thread::scope(|scope| {
        let other = journal.clone();
        let busy = scope.spawn(move || commit(&other, 501..=700));
        let last = journal.with_store(seal).unwrap();
        let before = bytes();
        journal.with_store(Store::compact).unwrap().unwrap();
        busy.join().unwrap();
        (before, last)
    });
    assert!(last >= Some(2000), "{last:?}");
    commit(&journal, 701..=702);
    // Somebody who reads meanwhile sees what was there.
    assert_eq!(reader.get(&LogId::default(), 1).unwrap().unwrap().header.sequence, 1);
    assert_eq!(reader.segments().unwrap().len(), 1);
    drop(reader);
    journal.with_store(Store::compact).unwrap().unwrap();
    assert!(bytes() < before.max(1) * 2, "room was given back");
    assert_eq!(journal.stats().records, 702 * 4 + 1, "errands are counted");
    journal.close().unwrap();
    assert_eq!(journal.with_store(|_| ()), None, "a journal that has ended does nothing");
    let verified = verify_all(&Verification::new(&place.database)).unwrap();
    assert_eq!(verified[0].records, 702 * 4 + 1);
}

#[test]
fn an_errand_that_panics_ends_nothing() {
    let (place, journal, _) = opened();
    commit(&journal, 1..=1);
    assert_eq!(journal.with_store(|_| -> u32 { panic!("told by the panic hook") }), None);
    commit(&journal, 2..=2);
    assert_eq!(journal.with_store(|store| store.head(&LogId::default()).unwrap().0), Some(8));
    journal.close().unwrap();
    assert_eq!(Verification::new(&place.database).run().unwrap().records, 8);
}
