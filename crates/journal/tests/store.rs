//! The store: what is committed, what is refused alone, what survives, what the triggers refuse.
//! A failing disk is in `failing_disk.rs`; the simulated one, with lost writes, in the test kit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod support;

use journal::{
    Access, CommitError, Digest, LogId, OpenError, Operation, Options, PAYLOAD_INLINE_BYTES_MAX,
    Reader, Refusal, Scan, Store, Timestamp, Verification,
};
use rusqlite::Connection;
use support::{VIEWS, draft, fill, open, operation, place};

fn refused(answer: Result<journal::Committed, CommitError>) -> String {
    match answer {
        Err(CommitError::NotCommitted(Refusal::Invalid(reason))) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_bad_operation_fails_alone_and_leaves_no_gap() {
    let place = place();
    let mut store = open(&place.database);
    let mut bad = operation(2);
    bad.drafts[0].kind = "Not A Kind".into();
    let answers = store.commit_batch(&[operation(1), bad, operation(3)]);
    let [first, second, third] = <[_; 3]>::try_from(answers).unwrap();
    assert_eq!(first.unwrap().last(), 1);
    assert!(refused(second).contains("Not A Kind"));
    let third = third.unwrap();
    assert_eq!((third.first(), third.last()), (2, 2));
    assert_eq!(store.head(&LogId::default()), Some((2, third.leaf())));
    assert_eq!(store.stats().commits, 1, "the group is one flush");
}

#[test]
fn limits_refuse_with_the_field_they_are_about() {
    let place = place();
    let mut store = open(&place.database);
    let mut check = |change: &dyn Fn(&mut Operation), expect: &str| {
        let mut operation = operation(1);
        change(&mut operation);
        let reason = refused(store.commit_batch(&[operation]).pop().unwrap());
        assert!(reason.contains(expect), "{reason}");
    };
    check(&|it| it.drafts.clear(), "no records");
    check(&|it| it.drafts[0].stream.class = "Run".into(), "stream class");
    check(&|it| it.drafts[0].stream.class = "".into(), "stream class");
    check(&|it| it.drafts[0].kind = "a".repeat(97).into(), "event kind");
    check(&|it| it.drafts[0].principal = String::new(), "principal");
    check(&|it| it.drafts[0].principal = "a\nb".into(), "principal");
    check(&|it| it.drafts[0].principal = "a".repeat(256), "principal");
    check(&|it| it.drafts[0].payload = vec![0; journal::PAYLOAD_BYTES_MAX + 1], "payload");
    check(&|it| it.changes[0].view = "other", "`other` is not declared");
    check(&|it| it.changes[0].key = Vec::new(), "key of 0 bytes");
    check(&|it| it.changes[0].key = vec![0; journal::KEY_BYTES_MAX + 1], "key of");
    check(&|it| it.changes[0].value = Some(vec![0; journal::VALUE_BYTES_MAX + 1]), "value of");
    check(&|it| it.drafts = vec![draft(1); journal::DRAFTS_MAX + 1], "records");
    assert_eq!(store.stats().commits, 0);
    assert_eq!(store.head(&LogId::default()), None);
}

#[test]
fn the_chain_goes_on_after_reopening_and_the_epoch_rises() {
    let place = place();
    let mut store = open(&place.database);
    let first = store.commit_batch(&[operation(1)]).pop().unwrap().unwrap();
    let epoch = store.epoch();
    drop(store); // what a crash looks like: no orderly close
    let mut store = open(&place.database);
    assert_eq!(store.epoch(), epoch + 1);
    assert_eq!(store.head(&LogId::default()), Some((1, first.leaf())));
    let second = store.commit_batch(&[operation(2)]).pop().unwrap().unwrap();
    assert_eq!(second.first(), 2);
    let record = Reader::open(&place.database).unwrap().get(&LogId::default(), 2).unwrap().unwrap();
    assert_eq!(record.header.prev_leaf, first.leaf());
    assert_eq!(record.leaf, second.leaf());
    assert_eq!(Verification::new(&place.database).run().unwrap().records, 2);
}

#[test]
fn the_first_record_links_to_zero_and_times_never_go_back() {
    let place = place();
    let mut store = open(&place.database);
    let at = |time_us| {
        let mut operation = operation(1);
        operation.drafts[0].time_us = time_us;
        operation
    };
    let answers = store.commit_batch(&[at(50), at(50), at(10), at(60)]);
    let times: Vec<Timestamp> = answers.into_iter().map(|answer| answer.unwrap().time()).collect();
    let expect =
        [(50, 0), (50, 1), (50, 2), (60, 0)].map(|(micros, counter)| Timestamp { micros, counter });
    assert_eq!(times, expect);
    drop(store);
    let mut store = open(&place.database);
    let answer = store.commit_batch(&[at(20)]).pop().unwrap().unwrap();
    assert_eq!(answer.time(), Timestamp { micros: 60, counter: 1 }, "the clock survives a restart");
    let first = Reader::open(&place.database).unwrap().get(&LogId::default(), 1).unwrap().unwrap();
    assert_eq!(first.header.prev_leaf, Digest::ZERO);
}

#[test]
fn every_tenant_has_a_chain_of_its_own() {
    let place = place();
    let mut store = open(&place.database);
    let (acme, globex) = (LogId::new("acme", 0).unwrap(), LogId::new("globex", 3).unwrap());
    let of = |log: &LogId, number| Operation { log: log.clone(), ..operation(number) };
    let answers = store.commit_batch(&[of(&acme, 1), of(&globex, 2), of(&acme, 3), of(&globex, 4)]);
    let places: Vec<u64> = answers.into_iter().map(|answer| answer.unwrap().first()).collect();
    assert_eq!(places, [1, 1, 2, 2]);
    drop(store);
    let mut store = open(&place.database);
    assert_eq!(store.commit_batch(&[of(&globex, 5)]).pop().unwrap().unwrap().first(), 3);
    let reader = Reader::open(&place.database).unwrap();
    let heads: Vec<_> =
        reader.logs().unwrap().into_iter().map(|it| (it.log, it.sequence)).collect();
    assert_eq!(heads, [(acme.clone(), 2), (globex, 3)]);
    assert_eq!(reader.by_log(&acme, 0, 10).unwrap().len(), 2);
    let verified = journal::verify_all(&Verification::new(&place.database)).unwrap();
    assert_eq!(verified.iter().map(|it| it.records).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn views_change_in_the_same_commit() {
    let place = place();
    let mut store = open(&place.database);
    let change = |key: &[u8], value: Option<&[u8]>| journal::Change {
        view: "queue",
        key: key.to_vec(),
        value: value.map(<[u8]>::to_vec),
    };
    let with = |changes| Operation { changes, ..operation(1) };
    let answers = store.commit_batch(&[
        with(vec![change(b"a1", Some(b"x")), change(b"a2", Some(b"y")), change(b"b", Some(b"z"))]),
        with(vec![change(b"a1", Some(b"new")), change(b"a2", None), change(b"none", None)]),
    ]);
    assert!(answers.iter().all(Result::is_ok));
    let reader = Reader::open(&place.database).unwrap();
    assert_eq!(reader.view_get("queue", b"a1").unwrap().as_deref(), Some(&b"new"[..]));
    assert_eq!(reader.view_get("queue", b"a2").unwrap(), None);
    let all = reader.view_scan("queue", &Scan::default(), 10).unwrap();
    assert_eq!(all, [(b"a1".to_vec(), b"new".to_vec()), (b"b".to_vec(), b"z".to_vec())]);
    assert_eq!(reader.view_len("queue").unwrap(), 2);
    assert!(reader.view_get("nothing", b"a").is_err());
    assert!(reader.view_get("queue; DROP TABLE event", b"a").is_err());
}

#[test]
fn large_payloads_live_in_the_artifact_store() {
    let place = place();
    let mut store = open(&place.database);
    let sized = |bytes| {
        let mut operation = operation(1);
        operation.drafts[0].payload = vec![b'p'; bytes];
        operation
    };
    let answers =
        store.commit_batch(&[sized(PAYLOAD_INLINE_BYTES_MAX), sized(PAYLOAD_INLINE_BYTES_MAX + 1)]);
    assert!(answers.iter().all(Result::is_ok));
    let reader = Reader::open(&place.database).unwrap();
    let records = reader.by_log(&LogId::default(), 0, 10).unwrap();
    assert_eq!(records[0].header.payload.artifact, None);
    let digest = records[1].header.payload.artifact.unwrap();
    assert_eq!(records[1].payload.len(), PAYLOAD_INLINE_BYTES_MAX + 1);
    assert_eq!(store.artifacts().unwrap().list().unwrap().len(), 1);
    assert_eq!(store.artifacts().unwrap().get(digest).unwrap(), records[1].payload);
    assert_eq!(Verification::new(&place.database).run().unwrap().records, 2);
}

#[test]
fn an_artifact_store_that_cannot_be_written_refuses_the_operation_alone() {
    let place = place();
    let mut store = open(&place.database);
    std::fs::write(place.folder.path().join("artifacts"), "not a folder").unwrap();
    let mut large = operation(1);
    large.drafts[0].payload = vec![0; PAYLOAD_INLINE_BYTES_MAX + 1];
    let answers = store.commit_batch(&[large, operation(2)]);
    assert!(matches!(answers[0], Err(CommitError::NotCommitted(Refusal::Artifact(_)))));
    assert!(answers[1].is_ok());
}

#[test]
fn triggers_refuse_changing_and_deleting_records() {
    let place = place();
    fill(&place.database, 1, 3);
    let raw = Connection::open(&place.database).unwrap();
    let check = |sql: &str| {
        let error = raw.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    };
    check("UPDATE event SET payload = x'00'");
    check("UPDATE event SET id = id + 100");
    check("DELETE FROM event");
    check("INSERT OR REPLACE INTO event SELECT * FROM event LIMIT 1");
    check("REPLACE INTO event SELECT * FROM event");
    check(
        "INSERT INTO event SELECT * FROM event WHERE true ON CONFLICT (id) DO UPDATE SET leaf = leaf",
    );
    check("UPDATE log SET tenant = 'other'");
    check("DELETE FROM log");
    check("REPLACE INTO log SELECT * FROM log");
    check("REPLACE INTO log SELECT 9, tenant, shard FROM log");
    // The control: the same connection may write what is not append-only.
    assert_eq!(raw.execute("UPDATE owner SET epoch = epoch", []).unwrap(), 1);
    assert_eq!(Verification::new(&place.database).run().unwrap().records, 3);
}

#[test]
fn files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = place();
    let database = place.folder.path().join("new/deep/journal.db");
    fill(&database, 1, 20);
    let mode = |name: &str| {
        let path = if name.is_empty() { database.clone() } else { database.with_file_name(name) };
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(""), 0o600);
    for name in ["journal.db-wal", "journal.db.lock", "journal.db.checkpoint"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    assert_eq!(mode("."), 0o700);
}

#[test]
fn a_deposed_owner_writes_nothing_more() {
    let place = place();
    let mut store = open(&place.database);
    assert!(store.commit_batch(&[operation(1)])[0].is_ok());
    let raw = Connection::open(&place.database).unwrap();
    raw.execute("UPDATE owner SET epoch = epoch + 1", []).unwrap();
    let answer = store.commit_batch(&[operation(2)]).pop().unwrap();
    assert!(
        matches!(answer, Err(CommitError::NotCommitted(Refusal::Deposed { .. }))),
        "{answer:?}"
    );
    assert!(store.is_stopped());
    let answer = store.commit_batch(&[operation(3)]).pop().unwrap();
    assert!(matches!(answer, Err(CommitError::NotCommitted(Refusal::Stopped))));
    assert_eq!(Reader::open(&place.database).unwrap().size().unwrap().records, 1);
}

#[test]
fn a_closed_store_leaves_an_empty_log_and_reopens_with_new_views() {
    const MORE: &[&str] = &["runs", "queue", "added"];
    let place = place();
    fill(&place.database, 1, 20);
    assert_eq!(Reader::open(&place.database).unwrap().size().unwrap().wal_bytes, 0);
    let options = Options { access: Access::Existing, ..Options::new(&place.database, MORE) };
    let mut store = Store::open(options).unwrap();
    let change = journal::Change { view: "added", key: vec![1], value: Some(vec![2]) };
    assert!(store.commit_batch(&[Operation { changes: vec![change], ..operation(21) }])[0].is_ok());
}

#[test]
fn the_write_ahead_log_starts_over() {
    let place = place();
    let mut store = open(&place.database);
    let mut longest = 0;
    for number in 1..=150 {
        let mut large = operation(number);
        large.drafts[0].payload = vec![b'x'; PAYLOAD_INLINE_BYTES_MAX];
        assert!(store.commit_batch(&vec![large; 4])[0].is_ok());
        longest = longest.max(store.stats().wal_pages);
    }
    assert!(store.stats().checkpoints >= 1);
    assert!(longest < journal::WAL_PAGES_RESTART + 64, "{longest}");
    assert!(store.stats().wal_pages < longest, "it was not reset");
}

#[test]
fn names_of_views_are_checked_before_anything_is_made() {
    let place = place();
    let error = Store::open(Options::new(&place.database, &["bad name"])).unwrap_err();
    assert!(matches!(error, OpenError::ViewName { .. }));
    assert!(!place.database.exists());
    assert_eq!(VIEWS.len(), 2);
}
