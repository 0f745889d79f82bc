//! The journal as a service: groups, many callers, closing, and waiting for records.
//! Order and grouping are forced with channels, never with time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod support;

use std::sync::mpsc;
use std::time::Duration;

use journal::{CommitError, Journal, Lane, LogId, Options, Reader, Refusal, Verification};
use rusqlite::Connection;
use support::{VIEWS, operation, place};

/// Long enough for any machine; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_waits_during_a_flush_becomes_one_group() {
    let place = place();
    let journal = Journal::open(Options::new(&place.database, VIEWS)).unwrap();
    let before = journal.stats().commits;
    // The first reply holds the writer while the others queue up behind it.
    let (entered, has_entered) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    journal.submit(operation(1), Lane::High, move |answer| {
        let _ = answer.unwrap();
        entered.send(()).unwrap();
        released.recv().unwrap();
    });
    has_entered.recv().unwrap();
    let (sender, answers) = mpsc::channel();
    for number in 2..=101 {
        let sender = sender.clone();
        let lane = if number % 2 == 0 { Lane::High } else { Lane::Low };
        journal.submit(operation(number), lane, move |answer| sender.send(answer).unwrap());
    }
    release.send(()).unwrap();
    let mut places: Vec<u64> =
        (0..100).map(|_| answers.recv_timeout(PATIENCE).unwrap().unwrap().first()).collect();
    places.sort_unstable();
    assert_eq!(places, (2..=101).collect::<Vec<_>>());
    let stats = journal.stats();
    assert_eq!(stats.commits - before, 2, "one flush per group");
    assert_eq!((stats.operations, stats.records), (101, 101));
}

#[test]
fn a_failing_operation_is_answered_and_the_others_go_on() {
    let place = place();
    let journal = Journal::open(Options::new(&place.database, VIEWS)).unwrap();
    let mut bad = operation(1);
    bad.drafts.clear();
    let refused = journal.commit(bad);
    assert!(matches!(refused, Err(CommitError::NotCommitted(Refusal::Invalid(_)))), "{refused:?}");
    assert_eq!(journal.commit(operation(2)).unwrap().first(), 1);
}

#[test]
fn many_callers_get_every_sequence_once() {
    let place = place();
    let journal = Journal::open(Options::new(&place.database, VIEWS)).unwrap();
    let mut all: Vec<u64> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let journal = journal.clone();
                let commit =
                    move |n: u64| journal.commit(operation(caller * 1000 + n)).unwrap().first();
                scope.spawn(move || (0..50).map(commit).collect::<Vec<u64>>())
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    all.sort_unstable();
    assert_eq!(all, (1..=400).collect::<Vec<_>>());
    journal.close().unwrap();
    assert_eq!(Verification::new(&place.database).run().unwrap().records, 400);
}

#[test]
fn closing_commits_what_is_queued_and_refuses_the_rest() {
    let place = place();
    let journal = Journal::open(Options::new(&place.database, VIEWS)).unwrap();
    let (sender, answers) = mpsc::channel();
    for number in 1..=500 {
        let sender = sender.clone();
        journal.submit(operation(number), Lane::Low, move |answer| {
            sender.send(answer.is_ok()).unwrap();
        });
    }
    journal.close().unwrap();
    assert_eq!(answers.try_iter().filter(|committed| *committed).count(), 500);
    let late = journal.commit(operation(501));
    assert!(matches!(late, Err(CommitError::NotCommitted(Refusal::Closed))), "{late:?}");
    drop(journal);
    let reopened = Journal::open(Options::new(&place.database, VIEWS)).unwrap();
    assert_eq!(reopened.epoch(), 2);
    assert_eq!(Reader::open(&place.database).unwrap().size().unwrap().records, 500);
    let text = std::fs::read_to_string(place.database.with_file_name("journal.db.checkpoint"));
    assert!(text.unwrap().contains("\n500\n"));
}

#[test]
fn the_last_handle_may_go_away_inside_a_reply() {
    let place = place();
    let journal = Journal::open(Options::new(&place.database, VIEWS)).unwrap();
    let (sender, answers) = mpsc::channel();
    let held = journal.clone();
    journal.submit(operation(1), Lane::High, move |answer| {
        let _ = answer.unwrap();
        drop(held);
        sender.send(()).unwrap();
    });
    drop(journal);
    answers.recv_timeout(PATIENCE).unwrap();
    assert_eq!(Reader::open(&place.database).unwrap().size().unwrap().records, 1);
}

#[test]
fn a_panicking_reply_harms_nobody_else() {
    let place = place();
    let journal = Journal::open(Options::new(&place.database, VIEWS)).unwrap();
    journal.submit(operation(1), Lane::High, |_| std::panic::resume_unwind(Box::new("reply")));
    assert_eq!(journal.commit(operation(2)).unwrap().first(), 2);
}

#[test]
fn a_stopped_journal_says_so_to_everyone() {
    let place = place();
    let journal = Journal::open(Options::new(&place.database, VIEWS)).unwrap();
    let _ = journal.commit(operation(1)).unwrap();
    let raw = Connection::open(&place.database).unwrap();
    raw.execute("UPDATE owner SET epoch = epoch + 1", []).unwrap();
    let first = journal.commit(operation(2));
    assert!(matches!(first, Err(CommitError::NotCommitted(Refusal::Deposed { .. }))), "{first:?}");
    let second = journal.commit(operation(3));
    assert!(matches!(second, Err(CommitError::NotCommitted(Refusal::Stopped))), "{second:?}");
    journal.close().unwrap();
}

#[test]
fn a_subscriber_is_woken_and_sees_everything_once() {
    let place = place();
    let journal = Journal::open(Options::new(&place.database, VIEWS)).unwrap();
    let mut subscription = journal.subscribe(LogId::default(), 0).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=200 {
                let _ = journal.commit(operation(number)).unwrap();
            }
        });
        let mut expected = 1;
        while expected <= 200 {
            for record in subscription.wait(7, PATIENCE).unwrap() {
                assert_eq!(record.header.sequence, expected);
                expected += 1;
            }
        }
    });
    assert_eq!(subscription.wait(7, Duration::ZERO).unwrap(), []);
}
