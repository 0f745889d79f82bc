//! The mutations: bytes and pages of both files, and rows by someone with SQL whom no trigger stops.
//!
//! Everything follows from a seed, which a failure prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use journal::leaf_of;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::dump;
use crate::victim::Victim;

/// Bytes of a page, as SQLite makes them by default.
const PAGE: usize = 4096;
/// Bytes of the write-ahead log's header and of the one before each page in it.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The kind of a mutation of an archived range's file.
pub(crate) const SEGMENT: &str = "segment";

/// The kind of a mutation of what was signed.
pub(crate) const SIGNED: &str = "signed";

/// A mutation that was done.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) kind: &'static str,
    /// What exactly, for a person.
    pub(crate) what: String,
    /// The pages whose bytes changed, for a mutation of bytes.
    pub(crate) pages: BTreeSet<u32>,
}

/// A sequence of numbers that follows from a seed (SplitMix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// Mutates the copy at `database` in some way.
pub(crate) fn inflict(database: &Path, victim: &Victim, chance: &mut Chance) -> Damage {
    let log = PathBuf::from(format!("{}-wal", database.display()));
    let has_log = fs::metadata(&log).is_ok_and(|found| found.len() > 0);
    // Most pages beneath a write-ahead log are not read, because the log has newer ones.
    let damage = match chance.below(10) {
        0..=3 if has_log => log_bytes(&log, chance),
        0..=1 if victim.segment(database).is_some() => {
            segment_bytes(&victim.segment(database).unwrap(), chance)
        }
        0..=1 if !victim.signed_files(database).is_empty() => {
            signed_bytes(&victim.signed_files(database), chance)
        }
        0..=3 => bytes(database, chance),
        4..=6 => page(database, chance),
        _ => row(database, victim, chance),
    };
    assert!(!damage.what.is_empty());
    damage
}

fn bytes(database: &Path, chance: &mut Chance) -> Damage {
    let mut content = fs::read(database).unwrap();
    let length = [1, 1, 1, 2, 4, 16][chance.below(6)];
    // One in eight goes to the first page, which holds the file's header and the schema.
    let room = if chance.below(8) == 0 { 200 } else { content.len() };
    let at = chance.below(room - length);
    let what = change(&mut content, at, length, chance);
    fs::write(database, &content).unwrap();
    let pages = (at / PAGE..=(at + length - 1) / PAGE).map(number).collect();
    Damage { kind: "bytes", what, pages }
}

fn number(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap()
}

/// Changes `length` bytes, at least one of them for sure.
fn change(content: &mut [u8], at: usize, length: usize, chance: &mut Chance) -> String {
    let before = content[at..at + length].to_vec();
    while content[at..at + length] == before[..] {
        for byte in &mut content[at..at + length] {
            *byte = match chance.below(3) {
                0 => *byte ^ (1 << chance.below(8)),
                1 => 0,
                _ => u8::try_from(chance.below(256)).unwrap(),
            };
        }
    }
    format!("offset {at}: {before:?} → {:?}", &content[at..at + length])
}

fn page(database: &Path, chance: &mut Chance) -> Damage {
    let mut content = fs::read(database).unwrap();
    let count = content.len() / PAGE;
    let (one, two) = (chance.below(count), chance.below(count));
    let at = |index: usize| index * PAGE..(index + 1) * PAGE;
    let (what, pages): (String, Vec<usize>) = match chance.below(5) {
        0 => {
            content[at(one)].fill(0);
            (format!("page {} zeroed", number(one)), vec![one])
        }
        1 => {
            let (first, second) = (content[at(one)].to_vec(), content[at(two)].to_vec());
            content[at(one)].copy_from_slice(&second);
            content[at(two)].copy_from_slice(&first);
            (format!("pages {} and {} swapped", number(one), number(two)), vec![one, two])
        }
        2 => {
            content.copy_within(at(one), two * PAGE);
            (format!("page {} copied over {}", number(one), number(two)), vec![one, two])
        }
        3 => {
            content[at(one)].iter_mut().for_each(|byte| *byte = chance.next().to_be_bytes()[0]);
            (format!("page {} filled with noise", number(one)), vec![one])
        }
        _ => {
            content.truncate(one * PAGE);
            (format!("cut off before page {}", number(one)), (one..count).collect())
        }
    };
    fs::write(database, &content).unwrap();
    Damage { kind: "page", what, pages: pages.into_iter().map(number).collect() }
}

fn log_bytes(log: &Path, chance: &mut Chance) -> Damage {
    let mut content = fs::read(log).unwrap();
    let frame = FRAME_HEADER + PAGE;
    let frames = (content.len() - LOG_HEADER) / frame;
    let (one, two) = (chance.below(frames), chance.below(frames));
    let at = |index: usize| LOG_HEADER + index * frame..LOG_HEADER + (index + 1) * frame;
    let what = match chance.below(5) {
        0 => {
            content.truncate(chance.below(content.len()));
            format!("log cut off at {}", content.len())
        }
        1 => {
            content.copy_within(at(one), at(two).start);
            format!("frame {one} copied over {two}")
        }
        2 => {
            content[at(one)].fill(0);
            format!("frame {one} zeroed")
        }
        _ => {
            let room = content.len() - 16;
            let (offset, length) = (chance.below(room), 1 + chance.below(4));
            change(&mut content, offset, length, chance)
        }
    };
    fs::write(log, &content).unwrap();
    // A frame that is not genuine ends the log: any page of it may now be an older one.
    Damage { kind: "write-ahead log", what, pages: (0..1000).map(number).collect() }
}

fn segment_bytes(segment: &Path, chance: &mut Chance) -> Damage {
    let mut content = fs::read(segment).unwrap();
    let what = if chance.below(8) == 0 {
        content.truncate(chance.below(content.len()));
        format!("segment cut off at {}", content.len())
    } else {
        let room = content.len() - 4;
        let (at, length) = (chance.below(room), 1 + chance.below(4));
        change(&mut content, at, length, chance)
    };
    fs::write(segment, &content).unwrap();
    Damage { kind: SEGMENT, what, pages: BTreeSet::new() }
}

fn signed_bytes(files: &[PathBuf], chance: &mut Chance) -> Damage {
    let file = &files[chance.below(files.len())];
    let other = &files[chance.below(files.len())];
    let mut content = fs::read(file).unwrap();
    let name = file.display();
    let what = match chance.below(8) {
        0 => {
            fs::remove_file(file).unwrap();
            format!("{name} removed")
        }
        1 if other != file => {
            fs::copy(other, file).unwrap();
            format!("{} copied over {name}", other.display())
        }
        2 => {
            content.truncate(chance.below(content.len()));
            fs::write(file, &content).unwrap();
            format!("{name} cut off at {}", content.len())
        }
        _ => {
            let room = content.len() - 4;
            let (at, length) = (chance.below(room), 1 + chance.below(4));
            let what = change(&mut content, at, length, chance);
            fs::write(file, &content).unwrap();
            format!("{name}: {what}")
        }
    };
    Damage { kind: SIGNED, what, pages: BTreeSet::new() }
}

fn row(database: &Path, victim: &Victim, chance: &mut Chance) -> Damage {
    let connection = Connection::open(database).unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    connection
        .execute_batch(
            "PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON",
        )
        .unwrap();
    let ids = dump::event_ids(&victim.dump);
    let (one, two) = (ids[chance.below(ids.len())], ids[chance.below(ids.len())]);
    let sql = match chance.below(12) {
        0 => blob(&connection, "event", "payload", &format!("id = {one}"), chance),
        1 => blob(&connection, "event", "header", &format!("id = {one}"), chance),
        2 => blob(&connection, "event", "leaf", &format!("id = {one}"), chance),
        3 => blob(&connection, "event", "stream", &format!("id = {one}"), chance),
        4 => format!("DELETE FROM event WHERE id = {one}"),
        5 => format!(
            "DELETE FROM event WHERE id = {two} AND {one} <> {two}; \
             UPDATE event SET id = {two} WHERE id = {one}"
        ),
        6 => format!(
            "INSERT OR REPLACE INTO event SELECT {}, stream, leaf, header, payload \
             FROM event WHERE id = {one}",
            two + 1 + i64::try_from(chance.below(50)).unwrap()
        ),
        7 => forged(&connection, one),
        8 => view_row(&connection, chance),
        9 => around(chance).to_owned(),
        10 => swapped(one, two),
        _ => format!("UPDATE event SET payload = NULL WHERE id = {one}"),
    };
    // What SQLite itself refuses, as a key that is there already, is a mutation that did not happen.
    let _ = connection.execute_batch(&sql);
    Damage { kind: "row", what: sql, pages: BTreeSet::new() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Changes bytes of one column, keeping its length.
fn blob(
    connection: &Connection,
    table: &str,
    column: &str,
    of: &str,
    chance: &mut Chance,
) -> String {
    // An archived payload is not there: then one appears.
    let sql = format!("SELECT coalesce({column}, x'') FROM {table} WHERE {of}");
    let mut bytes: Vec<u8> = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
    if bytes.is_empty() {
        bytes.push(1);
    } else {
        let at = chance.below(bytes.len());
        change(&mut bytes, at, 1, chance);
    }
    format!("UPDATE {table} SET {column} = x'{}' WHERE {of}", hex(&bytes))
}

/// A record rewritten with care: payload, digest in the header and leaf agree with each other.
fn forged(connection: &Connection, id: i64) -> String {
    let sql = format!("SELECT header, payload FROM event WHERE id = {id}");
    let (mut header, payload): (Vec<u8>, Option<Vec<u8>>) =
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut payload = payload.unwrap_or_else(|| b"{\"number\":1}".to_vec());
    let last = payload.len() - 2;
    payload[last] = if payload[last] == b'7' { b'8' } else { b'7' };
    header[32..64].copy_from_slice(journal::payload_digest_of(&payload).as_bytes());
    let leaf = leaf_of(&header);
    format!(
        "UPDATE event SET header = x'{}', payload = x'{}', leaf = x'{}' WHERE id = {id}",
        hex(&header),
        hex(&payload),
        hex(leaf.as_bytes())
    )
}

fn swapped(one: i64, two: i64) -> String {
    format!(
        "UPDATE event SET id = -1 WHERE id = {one}; UPDATE event SET id = {one} WHERE id = {two}; \
         UPDATE event SET id = {two} WHERE id = -1"
    )
}

fn view_row(connection: &Connection, chance: &mut Chance) -> String {
    let keys: Vec<Vec<u8>> = connection
        .prepare("SELECT key FROM view_runs")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let of = format!("key = x'{}'", hex(&keys[chance.below(keys.len())]));
    match chance.below(4) {
        0 => format!("DELETE FROM view_runs WHERE {of}"),
        1 => blob(connection, "view_runs", "value", &of, chance),
        2 => format!("UPDATE view_runs SET key = key || x'00' WHERE {of}"),
        _ => format!("INSERT INTO view_queue VALUES (x'{:016x}', x'')", chance.next()),
    }
}

/// What stands around the records.
fn around(chance: &mut Chance) -> &'static str {
    const ALL: [&str; 28] = [
        "UPDATE segment SET last = last + 1",
        "UPDATE segment SET first = first + 1",
        "UPDATE segment SET digest = zeroblob(32)",
        "DELETE FROM segment",
        "INSERT INTO segment VALUES ((1 << 40) + 40, (1 << 40) + 45, zeroblob(32))",
        "DROP TRIGGER segment_is_not_changed",
        "DROP TRIGGER event_is_not_changed",
        "DROP TRIGGER event_is_not_deleted",
        "DROP TRIGGER event_is_not_replaced",
        "DROP TRIGGER log_is_not_deleted",
        "DROP INDEX event_stream",
        "DROP TABLE view_runs",
        "CREATE TABLE stowaway (a)",
        "CREATE TRIGGER quiet AFTER INSERT ON event BEGIN DELETE FROM view_runs; END",
        "CREATE VIEW other AS SELECT * FROM event",
        "CREATE INDEX other ON event (leaf)",
        "UPDATE log SET tenant = 'stranger' WHERE id = 1",
        "UPDATE log SET shard = shard + 1 WHERE id = 2",
        "UPDATE log SET id = 3 WHERE id = 2",
        "DELETE FROM log WHERE id = 2",
        "INSERT INTO log VALUES (3, 'ghost', 0)",
        "UPDATE migration SET checksum = x'00'",
        "UPDATE migration SET name = 'other'",
        "INSERT INTO migration VALUES (99, 'later', x'')",
        "DELETE FROM migration",
        "PRAGMA user_version = 0",
        "PRAGMA application_id = 7",
        "UPDATE owner SET epoch = epoch + 5",
    ];
    ALL[chance.below(ALL.len())]
}
