//! Tampering: every way to change a record is found, and the first bad record is named.
//! Attacks go through SQLite without its triggers, or straight at the bytes of the file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod support;

use std::path::{Path, PathBuf};

use journal::{
    Checkpoint, Digest, Fault, FaultReason, Header, LogId, Operation, Options,
    PAYLOAD_INLINE_BYTES_MAX, Range, Reader, Verification, Verified, VerifyError, inspect, leaf_of,
    payload_digest_of, rebuild, verify_all,
};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use support::{Place, VIEWS, changes_of, fill, open, operation, place};

/// Row id of sequence 0 of the only log.
const BASE: i64 = 1 << 40;
const RECORDS: u64 = 40;

/// A finished journal of [`RECORDS`] records without the checkpoint file an attacker would remove.
fn victim() -> Place {
    let place = place();
    fill(&place.database, 1, RECORDS);
    std::fs::remove_file(checkpoint_file(&place.database)).unwrap();
    place
}

fn checkpoint_file(database: &Path) -> PathBuf {
    database.with_file_name("journal.db.checkpoint")
}

/// The database as someone with a SQLite shell and no respect for triggers has it.
fn attacker(database: &Path) -> Connection {
    let raw = Connection::open(database).unwrap();
    raw.pragma_update(None, "synchronous", "OFF").unwrap();
    let triggers: Vec<String> = raw
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(!triggers.is_empty());
    triggers.iter().for_each(|name| raw.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
    raw
}

fn whole(database: &Path) -> Result<Verified, VerifyError> {
    Verification::new(database).run()
}

fn fault(result: Result<Verified, VerifyError>) -> Fault {
    match result {
        Err(VerifyError::Fault(fault)) => fault,
        other => panic!("no fault: {other:?}"),
    }
}

/// Runs an attack on a fresh journal and checks which record is named, on one thread and on two.
fn check(
    name: &str,
    attack: impl Fn(&Connection),
    sequence: u64,
    reason: impl Fn(&FaultReason) -> bool,
) {
    let place = victim();
    whole(&place.database).expect("the untouched journal verifies");
    let raw = attacker(&place.database);
    attack(&raw);
    drop(raw);
    for threads in [1, 2] {
        let mut verification = Verification::new(&place.database);
        verification.threads = threads.try_into().unwrap();
        let fault = fault(verification.run());
        assert_eq!(fault.sequence, sequence, "{name}: {fault}");
        assert!(reason(&fault.reason), "{name}: {fault}");
    }
}

fn sql(statements: &'static str) -> impl Fn(&Connection) {
    move |raw| {
        raw.execute_batch(&statements.replace("BASE", &BASE.to_string())).unwrap();
        assert!(raw.total_changes() > 0, "the attack must change something");
    }
}

#[test]
fn rows_changed_with_sql_are_named() {
    use FaultReason as R;
    check(
        "payload",
        sql("UPDATE event SET payload = CAST(x'00' || payload AS BLOB) WHERE id = BASE + 7"),
        7,
        |r| matches!(r, R::Payload),
    );
    check("payload emptied", sql("UPDATE event SET payload = NULL WHERE id = BASE + 7"), 7, |r| {
        matches!(r, R::Payload)
    });
    check(
        "two payloads swapped",
        sql(
            "UPDATE event SET payload = (SELECT payload FROM event WHERE id = BASE + 9) WHERE id = BASE + 8",
        ),
        8,
        |r| matches!(r, R::Payload),
    );
    check(
        "header",
        sql("UPDATE event SET header = CAST(header || x'00' AS BLOB) WHERE id = BASE + 3"),
        3,
        |r| matches!(r, R::Leaf { .. }),
    );
    check(
        "header of the last",
        sql("UPDATE event SET header = substr(header, 1, 20) WHERE id = BASE + 40"),
        40,
        |r| matches!(r, R::Leaf { .. }),
    );
    check("leaf", sql("UPDATE event SET leaf = zeroblob(32) WHERE id = BASE + 12"), 12, |r| {
        matches!(r, R::Leaf { .. })
    });
    check(
        "stream column",
        sql("UPDATE event SET stream = zeroblob(16) WHERE id = BASE + 30"),
        30,
        |r| matches!(r, R::Displaced(_)),
    );
}

#[test]
fn rows_deleted_moved_and_inserted_are_named() {
    use FaultReason as R;
    check("first deleted", sql("DELETE FROM event WHERE id = BASE + 1"), 1, |r| {
        matches!(r, R::Missing)
    });
    check("middle deleted", sql("DELETE FROM event WHERE id = BASE + 20"), 20, |r| {
        matches!(r, R::Missing)
    });
    check(
        "many deleted",
        sql("DELETE FROM event WHERE id BETWEEN BASE + 5 AND BASE + 9"),
        5,
        |r| matches!(r, R::Missing),
    );
    check(
        "deleted and closed up",
        sql(
            "DELETE FROM event WHERE id = BASE + 20; UPDATE event SET id = id - 1 WHERE id > BASE + 20",
        ),
        20,
        |r| matches!(r, R::Displaced(_)),
    );
    check(
        "swapped",
        sql(
            "UPDATE event SET id = -1 WHERE id = BASE + 5; UPDATE event SET id = BASE + 5 WHERE id = BASE + 6; UPDATE event SET id = BASE + 6 WHERE id = -1",
        ),
        5,
        |r| matches!(r, R::Displaced(_)),
    );
    check(
        "moved far",
        sql(
            "UPDATE event SET id = -1 WHERE id = BASE + 5; UPDATE event SET id = BASE + 5 WHERE id = BASE + 30; UPDATE event SET id = BASE + 30 WHERE id = -1",
        ),
        5,
        |r| matches!(r, R::Displaced(_)),
    );
    check(
        "duplicated",
        sql(
            "UPDATE event SET id = -id WHERE id > BASE + 10; UPDATE event SET id = -id + 1 WHERE id < 0; INSERT INTO event SELECT BASE + 11, stream, leaf, header, payload FROM event WHERE id = BASE + 10",
        ),
        10,
        |_| true,
    );
}

/// Rewrites a record consistently: payload, header and leaf all agree with each other.
fn forge(raw: &Connection, sequence: u64, change: impl Fn(&mut Header)) -> Digest {
    let row = BASE + i64::try_from(sequence).unwrap();
    let bytes: Vec<u8> =
        raw.query_row("SELECT header FROM event WHERE id = ?1", [row], |row| row.get(0)).unwrap();
    let mut header = Header::decode(&bytes).unwrap();
    change(&mut header);
    let payload = b"forged";
    header.payload.len = 6;
    header.payload.digest = payload_digest_of(payload);
    let (bytes, leaf) = (header.encode(), leaf_of(&header.encode()));
    raw.execute(
        "UPDATE event SET header = ?2, leaf = ?3, payload = ?4 WHERE id = ?1",
        (row, &bytes, leaf.as_bytes().as_slice(), payload.as_slice()),
    )
    .unwrap();
    leaf
}

#[test]
fn consistent_forgeries_are_named() {
    let replaced = |reason: &FaultReason| matches!(reason, FaultReason::Replaced(_));
    for sequence in [1, 2, 17, 38] {
        check(
            "forged record",
            |raw| {
                forge(raw, sequence, |_| {});
            },
            sequence,
            replaced,
        );
    }
    check(
        "forged link",
        |raw| {
            forge(raw, 9, |it| it.prev_leaf = Digest::of(b"x"));
        },
        9,
        replaced,
    );
    check(
        "first links elsewhere",
        |raw| {
            forge(raw, 1, |it| it.prev_leaf = Digest::of(b"x"));
        },
        1,
        replaced,
    );
    check(
        "forged time",
        |raw| {
            // With the whole rest of the chain rewritten only time is left to tell.
            let mut prev = forge(raw, 30, |it| it.time.micros = 0);
            for sequence in 31..=RECORDS {
                prev = forge(raw, sequence, |it| it.prev_leaf = prev);
            }
        },
        30,
        |reason| matches!(reason, FaultReason::Time),
    );
    check(
        "inserted forgery",
        |raw| {
            raw.execute_batch(&format!(
            "UPDATE event SET id = -id WHERE id > {BASE} + 10; UPDATE event SET id = -id + 1 WHERE id < 0; \
             INSERT INTO event SELECT {BASE} + 11, stream, leaf, header, payload FROM event WHERE id = {BASE} + 10"
        )).unwrap();
            let prev = Digest::new(
                raw.query_row("SELECT leaf FROM event WHERE id = ?1", [BASE + 10], |row| {
                    row.get(0)
                })
                .unwrap(),
            );
            forge(raw, 11, |it| {
                it.sequence = 11;
                it.prev_leaf = prev;
                it.time.counter += 1;
            });
        },
        11,
        replaced,
    );
}

#[test]
fn every_bit_of_every_stored_field_counts() {
    let place = place();
    fill(&place.database, 1, 6);
    std::fs::remove_file(checkpoint_file(&place.database)).unwrap();
    let raw = attacker(&place.database);
    let mut attacks = 0;
    for sequence in 1..=6_u64 {
        let row = BASE + i64::try_from(sequence).unwrap();
        for column in ["header", "payload", "leaf", "stream"] {
            let get = format!("SELECT {column} FROM event WHERE id = {row}");
            let set = format!("UPDATE event SET {column} = ?1 WHERE id = {row}");
            let original: Vec<u8> = raw.query_row(&get, [], |row| row.get(0)).unwrap();
            for at in 0..original.len() {
                let mut changed = original.clone();
                changed[at] ^= 1 << (at % 8);
                raw.execute(&set, [&changed]).unwrap();
                let found = fault(whole(&place.database));
                assert_eq!(found.sequence, sequence, "{column} byte {at}: {found}");
                attacks += 1;
            }
            raw.execute(&set, [&original]).unwrap();
        }
    }
    assert!(attacks > 1500, "{attacks}");
    assert_eq!(whole(&place.database).unwrap().records, 6, "put back, it verifies");
}

#[test]
fn flipped_bytes_of_the_file_never_pass_for_something_else() {
    let place = victim();
    let good = std::fs::read(&place.database).unwrap();
    let records = || -> Option<Vec<journal::Record>> {
        Reader::open(&place.database).ok()?.by_log(&LogId::default(), 0, 1000).ok()
    };
    let expected = records().unwrap();
    let (mut found, mut harmless) = (0, 0);
    // Every 29th byte: coprime to all field sizes, so every kind of field is met.
    for at in (0..good.len()).step_by(29) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x41;
        std::fs::write(&place.database, &bytes).unwrap();
        match whole(&place.database) {
            Err(_) => found += 1,
            Ok(verified) if verified.records == RECORDS => {
                harmless += 1;
                assert!(
                    records().is_none_or(|it| it == expected),
                    "byte {at} changed a record unseen"
                );
            }
            // A tail cut off at page level is what only a checkpoint can show.
            Ok(verified) => assert!(verified.records < RECORDS, "byte {at}"),
        }
    }
    assert!(found > 250, "{found} found, {harmless} harmless");
}

#[test]
fn truncation_is_found_against_a_checkpoint_kept_aside() {
    let place = victim();
    let head = Reader::open(&place.database).unwrap().head(&LogId::default()).unwrap().unwrap();
    let kept: Checkpoint = head.checkpoint().to_string().parse().unwrap();
    let raw = attacker(&place.database);
    raw.execute("DELETE FROM event WHERE id > ?1", [BASE + 33]).unwrap();
    assert_eq!(
        whole(&place.database).unwrap().last,
        33,
        "the control: the chain alone cannot tell"
    );
    let with = |range, checkpoints| Verification {
        range,
        checkpoints,
        ..Verification::new(&place.database)
    };
    for verification in
        [with(Range::Whole, vec![kept.clone()]), with(Range::Since(kept.clone()), vec![])]
    {
        let fault = fault(verification.run());
        assert_eq!(
            (fault.sequence, fault.reason),
            (34, FaultReason::Truncated { expected: RECORDS })
        );
    }
    // The file beside the database is such a checkpoint.
    std::fs::write(checkpoint_file(&place.database), kept.to_string()).unwrap();
    assert_eq!(fault(whole(&place.database)).sequence, 34);
    // A log that was removed altogether is missed as well.
    raw.execute_batch("DELETE FROM event; DELETE FROM log").unwrap();
    let all = verify_all(&Verification::new(&place.database));
    assert!(matches!(all, Err(VerifyError::Fault(Fault { sequence: 1, .. }))), "{all:?}");
}

#[test]
fn a_rewritten_history_is_found_against_a_checkpoint() {
    let place = victim();
    let head = Reader::open(&place.database).unwrap().head(&LogId::default()).unwrap().unwrap();
    let raw = attacker(&place.database);
    let mut prev = forge(&raw, 39, |_| {});
    prev = forge(&raw, 40, |it| it.prev_leaf = prev);
    assert_eq!(whole(&place.database).unwrap().leaf, prev, "the control: the chain is consistent");
    let checkpoints = vec![head.checkpoint()];
    let found = fault(Verification { checkpoints, ..Verification::new(&place.database) }.run());
    assert_eq!(found.sequence, 40, "{found}");
    assert!(matches!(found.reason, FaultReason::Replaced(_)));
}

#[test]
fn a_tail_is_linked_to_its_predecessor_and_no_further() {
    let place = victim();
    let tail = |records| {
        Verification { range: Range::Tail(records), ..Verification::new(&place.database) }.run()
    };
    let verified = tail(10).unwrap();
    assert_eq!((verified.first, verified.last, verified.records), (31, 40, 10));
    assert_eq!(tail(1000).unwrap().records, RECORDS);
    assert_eq!(tail(0).unwrap().records, 0);
    let raw = attacker(&place.database);
    raw.execute("UPDATE event SET payload = x'00' WHERE id = ?1", [BASE + 30]).unwrap();
    assert!(tail(10).is_ok(), "the payload before the slice is outside of it");
    assert_eq!(fault(tail(11)).sequence, 30);
    forge(&raw, 30, |_| {});
    assert_eq!(fault(tail(10)).sequence, 30, "its leaf is not");
}

#[test]
fn since_a_checkpoint_verifies_what_came_after_it() {
    let place = place();
    fill(&place.database, 1, 20);
    let kept = Reader::open(&place.database)
        .unwrap()
        .head(&LogId::default())
        .unwrap()
        .unwrap()
        .checkpoint();
    fill(&place.database, 21, 30);
    std::fs::remove_file(checkpoint_file(&place.database)).unwrap();
    let since = || {
        Verification { range: Range::Since(kept.clone()), ..Verification::new(&place.database) }
            .run()
    };
    let verified = since().unwrap();
    assert_eq!(
        (verified.first, verified.last, verified.records, verified.checkpoints),
        (21, 30, 10, 1)
    );
    let raw = attacker(&place.database);
    raw.execute("UPDATE event SET payload = x'00' WHERE id = ?1", [BASE + 25]).unwrap();
    assert_eq!(fault(since()).sequence, 25);
    forge(&raw, 20, |_| {});
    assert_eq!(fault(since()).sequence, 20);
}

#[test]
fn external_payloads_are_part_of_the_record() {
    let place = place();
    let mut store = open(&place.database);
    let mut large = operation(2);
    large.drafts[0].payload = vec![b'p'; PAYLOAD_INLINE_BYTES_MAX * 2];
    assert!(store.commit_batch(&[operation(1), large, operation(3)]).iter().all(Result::is_ok));
    let artifacts = store.artifacts().unwrap().clone();
    store.close().unwrap();
    let path = artifacts.path(artifacts.list().unwrap()[0].digest);
    let content = std::fs::read(&path).unwrap();
    std::fs::write(&path, &content[1..]).unwrap();
    assert_eq!(fault(whole(&place.database)).sequence, 2);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(fault(whole(&place.database)).sequence, 2);
    std::fs::write(&path, &content).unwrap();
    assert_eq!(whole(&place.database).unwrap().records, 3);
}

#[test]
fn records_outside_every_log_are_found() {
    let place = victim();
    let raw = attacker(&place.database);
    assert!(verify_all(&Verification::new(&place.database)).is_ok());
    for row in [5_i64, -3, (7 << 40) + 1, BASE] {
        raw.execute(
            "INSERT INTO event SELECT ?1, stream, leaf, header, payload FROM event WHERE id = ?2",
            [row, BASE + 1],
        )
        .unwrap();
        let all = verify_all(&Verification::new(&place.database));
        assert!(
            matches!(&all, Err(VerifyError::Fault(Fault { reason: FaultReason::Stray, .. }))),
            "{row}: {all:?}"
        );
        raw.execute("DELETE FROM event WHERE id = ?1", [row]).unwrap();
    }
}

#[test]
fn chunks_join_over_many_records_and_threads() {
    let place = place();
    let mut store = open(&place.database);
    for group in 0..40_u64 {
        let drafts = (1..=1000).map(|number| support::draft(group * 1000 + number)).collect();
        let operation = Operation { log: LogId::default(), drafts, changes: Vec::new() };
        assert!(store.commit_batch(&[operation])[0].is_ok());
    }
    store.close().unwrap();
    let verify = |threads: usize| {
        Verification { threads: threads.try_into().unwrap(), ..Verification::new(&place.database) }
            .run()
    };
    let one = verify(1).unwrap();
    assert_eq!((one.records, one.last), (40_000, 40_000));
    assert_eq!(verify(3).unwrap(), one);
    let raw = attacker(&place.database);
    // At a chunk's border, and a second fault later that must not be the one named.
    forge(&raw, 16_384, |_| {});
    raw.execute("UPDATE event SET payload = x'00' WHERE id = ?1", [BASE + 39_000]).unwrap();
    for threads in [1, 2, 3] {
        assert_eq!(fault(verify(threads)).sequence, 16_384);
    }
    raw.execute("DELETE FROM event WHERE id = ?1", [BASE + 16_385]).unwrap();
    assert_eq!(
        fault(verify(2)).sequence,
        16_385,
        "a missing record is certain, its neighbour is not"
    );
}

#[test]
fn a_renamed_log_is_found() {
    let place = victim();
    attacker(&place.database).execute("UPDATE log SET tenant = 'other'", []).unwrap();
    let all = verify_all(&Verification::new(&place.database));
    assert!(
        matches!(
            &all,
            Err(VerifyError::Fault(Fault { sequence: 1, reason: FaultReason::Displaced(_), .. }))
        ),
        "{all:?}"
    );
}

/// Opens the schema for writing, as a SQLite shell does.
fn respelled(database: &Path, old: &str, new: &str) -> usize {
    let raw = Connection::open(database).unwrap();
    raw.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
    raw.pragma_update(None, "writable_schema", true).unwrap();
    let sql = "UPDATE sqlite_schema SET sql = replace(sql, ?1, ?2) WHERE instr(sql, ?1) > 0";
    raw.execute(sql, (old, new)).unwrap()
}

#[test]
fn triggers_that_were_disabled_by_quotes_are_found() {
    let inspected = |database: &Path| {
        inspect(&Verification::new(database), VIEWS, |record| changes_of(&record.payload))
    };
    let raise = "RAISE(ABORT, 'the event table is append-only')";
    let quoted = format!("\"{raise}\"");
    let place = victim();
    // A rebuild leaves quotes around the names of views, which are no fault.
    rebuild(Options::new(&place.database, VIEWS), |record| changes_of(&record.payload)).unwrap();
    assert!(inspected(&place.database).is_ok());
    assert_eq!(respelled(&place.database, raise, &quoted), 3);
    let raw = Connection::open(&place.database).unwrap();
    for setting in [DbConfig::SQLITE_DBCONFIG_DQS_DML, DbConfig::SQLITE_DBCONFIG_DQS_DDL] {
        raw.set_db_config(setting, true).unwrap();
    }
    let changed = "UPDATE event SET stream = stream";
    assert!(raw.execute(changed, []).is_ok(), "the attack works");
    drop(raw);
    let found = inspected(&place.database);
    assert!(
        matches!(&found, Err(VerifyError::Structure(fault)) if fault.detail.contains("definition")),
        "{found:?}"
    );
    // To our own connections a text in quotes is a name that is not there: nothing is written past the trigger.
    let mut store = open(&place.database);
    assert!(store.commit_batch(&[operation(41)])[0].is_err());
    drop(store);
    assert_eq!(respelled(&place.database, &quoted, raise), 3);
    assert!(inspected(&place.database).is_ok());
    // Quotes around the name of another table are none of a rebuild's.
    assert_eq!(respelled(&place.database, "CREATE TABLE log", "CREATE TABLE \"log\""), 1);
    assert!(matches!(inspected(&place.database), Err(VerifyError::Structure(_))));
}

#[test]
fn an_empty_journal_verifies_as_empty() {
    let place = place();
    open(&place.database).close().unwrap();
    let verified = whole(&place.database).unwrap();
    assert_eq!((verified.first, verified.last, verified.records), (0, 0, 0));
    assert_eq!(verify_all(&Verification::new(&place.database)).unwrap(), []);
}
