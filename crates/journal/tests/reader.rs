//! Reading: pages, streams, filters, scans of views, and following a log.
//! Tampering as such is in `verify.rs`; here only that a reader never hands out what it cannot trust.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod support;

use journal::{Filter, LogId, Operation, Order, ReadError, Reader, Record, Scan};
use rusqlite::Connection;
use support::{draft, fill, open, operation, place};

fn sequences(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.header.sequence).collect()
}

#[test]
fn pages_continue_from_a_cursor() {
    let place = place();
    fill(&place.database, 1, 25);
    let reader = Reader::open(&place.database).unwrap();
    let log = LogId::default();
    let mut seen = Vec::new();
    loop {
        let page = reader.by_log(&log, seen.len() as u64, 10).unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(sequences(&seen), (1..=25).collect::<Vec<_>>());
    for (record, number) in seen.iter().zip(1..) {
        let draft = draft(number);
        assert_eq!(record.payload, draft.payload);
        assert_eq!(record.header.stream, draft.stream.id);
        assert_eq!(record.header.kind, draft.kind);
        assert_eq!(record.header.correlation, draft.correlation);
        assert_eq!(record.header.time.micros, draft.time_us);
    }
    assert_eq!(reader.by_log(&log, 25, 10).unwrap(), []);
    assert_eq!(reader.by_log(&log, u64::MAX, 10).unwrap(), []);
    assert_eq!(reader.by_log(&LogId::new("nobody", 0).unwrap(), 0, 10).unwrap(), []);
    assert_eq!(reader.get(&log, 0).unwrap(), None);
    assert_eq!(reader.get(&log, 26).unwrap(), None);
    assert_eq!(reader.get(&log, 7).unwrap().unwrap(), seen[6]);
}

#[test]
fn a_stream_is_read_by_its_id() {
    let place = place();
    fill(&place.database, 1, 30);
    let reader = Reader::open(&place.database).unwrap();
    let id = draft(9).stream.id;
    let of = |after| sequences(&reader.by_stream(&LogId::default(), &id, after, 10).unwrap());
    assert_eq!(of(0), [9, 10, 11]);
    assert_eq!(of(9), [10, 11]);
    assert_eq!(of(11), Vec::<u64>::new());
}

#[test]
fn filters_select() {
    let place = place();
    fill(&place.database, 1, 30);
    let reader = Reader::open(&place.database).unwrap();
    let check = |filter: Filter, limit: usize, expect: &[u64]| {
        let found = reader.filter(&LogId::default(), &filter, limit).unwrap();
        assert_eq!(sequences(&found), expect, "{filter:?}");
    };
    let all = Filter::default;
    check(all(), 3, &[1, 2, 3]);
    check(all(), 0, &[]);
    check(Filter { order: Order::NewestFirst, ..all() }, 3, &[30, 29, 28]);
    check(Filter { after: 28, ..all() }, 9, &[29, 30]);
    check(Filter { before: Some(3), ..all() }, 9, &[1, 2]);
    check(Filter { before: Some(3), order: Order::NewestFirst, ..all() }, 9, &[2, 1]);
    check(Filter { kind_prefix: "step.st".into(), ..all() }, 3, &[2, 4, 6]);
    check(Filter { kind_prefix: "nothing".into(), ..all() }, 3, &[]);
    check(Filter { principal: Some("user:2".into()), ..all() }, 3, &[2, 7, 12]);
    check(Filter { stream: Some(draft(9).stream.id), ..all() }, 9, &[9, 10, 11]);
    check(Filter { from_us: Some(28_500), ..all() }, 9, &[29, 30]);
    check(Filter { from_us: Some(10_000), until_us: Some(12_000), ..all() }, 9, &[10, 11]);
    check(Filter { until_us: Some(0), ..all() }, 9, &[]);
    check(Filter { from_us: Some(99_000), ..all() }, 9, &[]);
    check(Filter { after: u64::MAX, ..all() }, 9, &[]);
}

#[test]
fn views_are_scanned_in_both_directions_and_by_prefix() {
    let place = place();
    let mut store = open(&place.database);
    let keys = [&b"a"[..], b"a\x00", b"a\xff", b"b", b"b1", b"\xff"];
    let changes = keys
        .iter()
        .map(|key| journal::Change { view: "queue", key: key.to_vec(), value: Some(key.to_vec()) })
        .collect();
    assert!(store.commit_batch(&[Operation { changes, ..operation(1) }])[0].is_ok());
    let reader = Reader::open(&place.database).unwrap();
    let check = |prefix: &[u8], after: Option<&[u8]>, order, expect: &[&[u8]]| {
        let scan = Scan { prefix: prefix.to_vec(), after: after.map(<[u8]>::to_vec), order };
        let found = reader.view_scan("queue", &scan, 100).unwrap();
        assert_eq!(
            found.iter().map(|(key, _)| key.as_slice()).collect::<Vec<_>>(),
            expect,
            "{scan:?}"
        );
    };
    use Order::{NewestFirst, OldestFirst};
    check(b"", None, OldestFirst, &keys);
    check(b"a", None, OldestFirst, &keys[..3]);
    check(b"a", Some(b"a"), OldestFirst, &keys[1..3]);
    check(b"a", Some(b"a\xff"), OldestFirst, &[]);
    check(b"b", Some(b"a"), OldestFirst, &keys[3..5]);
    check(b"\xff", None, OldestFirst, &keys[5..]);
    check(b"a", None, NewestFirst, &[b"a\xff", b"a\x00", b"a"]);
    check(b"a", Some(b"a\xff"), NewestFirst, &[b"a\x00", b"a"]);
    check(b"", Some(b"b"), NewestFirst, &[b"a\xff", b"a\x00", b"a"]);
    check(b"a", Some(b"b1"), NewestFirst, &[b"a\xff", b"a\x00", b"a"]);
    assert_eq!(reader.view_scan("queue", &Scan::default(), 2).unwrap().len(), 2);
}

#[test]
fn following_a_log_misses_and_repeats_nothing() {
    let place = place();
    let mut store = open(&place.database);
    assert!(store.commit_batch(&[operation(1), operation(2)]).iter().all(Result::is_ok));
    let mut follower = Reader::open(&place.database).unwrap().subscribe(LogId::default(), 0);
    let mut seen = Vec::new();
    // Commits fall between every pair of looks, with pages too small to keep up at once.
    for number in 3..60 {
        assert!(store.commit_batch(&[operation(number)])[0].is_ok());
        if number % 3 == 0 {
            seen.extend(follower.poll(2).unwrap());
        }
    }
    loop {
        let page = follower.poll(5).unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(sequences(&seen), (1..60).collect::<Vec<_>>());
    assert_eq!(follower.cursor(), 59);
    assert_eq!(follower.poll(5).unwrap(), []);
    assert!(store.commit_batch(&[operation(60)])[0].is_ok());
    assert_eq!(sequences(&follower.poll(5).unwrap()), [60]);
}

#[test]
fn following_stops_at_a_gap_instead_of_skipping_it() {
    let place = place();
    fill(&place.database, 1, 5);
    let raw = Connection::open(&place.database).unwrap();
    raw.execute_batch("DROP TRIGGER event_is_not_deleted; DELETE FROM event WHERE id & 255 = 3")
        .unwrap();
    let mut follower = Reader::open(&place.database).unwrap().subscribe(LogId::default(), 1);
    let error = follower.poll(10).unwrap_err();
    assert!(matches!(error, ReadError::Gap { sequence: 3, .. }), "{error}");
    assert_eq!(follower.cursor(), 1);
}

#[test]
fn tampered_records_are_not_handed_out() {
    let place = place();
    fill(&place.database, 1, 5);
    let raw = Connection::open(&place.database).unwrap();
    raw.execute_batch("DROP TRIGGER event_is_not_changed").unwrap();
    let reader = Reader::open(&place.database).unwrap();
    raw.execute("UPDATE event SET payload = x'00' WHERE id & 255 = 2", []).unwrap();
    assert!(matches!(
        reader.get(&LogId::default(), 2),
        Err(ReadError::Payload { sequence: 2, .. })
    ));
    raw.execute("UPDATE event SET header = x'00' WHERE id & 255 = 4", []).unwrap();
    assert!(matches!(reader.get(&LogId::default(), 4), Err(ReadError::Header { sequence: 4, .. })));
    assert!(reader.get(&LogId::default(), 3).is_ok());
}

#[test]
fn several_reads_can_see_one_state() {
    let place = place();
    let mut store = open(&place.database);
    assert!(store.commit_batch(&[operation(1)])[0].is_ok());
    let reader = Reader::open(&place.database).unwrap();
    let head =
        |reader: &Reader| Ok::<u64, ReadError>(reader.head(&LogId::default())?.unwrap().sequence);
    let (before, after) = reader
        .consistent(|reader| {
            let before = head(reader)?;
            assert!(store.commit_batch(&[operation(2)])[0].is_ok());
            Ok((before, head(reader)?))
        })
        .unwrap();
    assert_eq!((before, after), (1, 1));
    assert_eq!(head(&reader).unwrap(), 2);
}
