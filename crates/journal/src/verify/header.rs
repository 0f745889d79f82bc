//! The first hundred bytes of a database file: the fields that never differ in a journal, and of which SQLite ignores a
//! change or makes something else.
//!
//! Counters and what follows from other pages are not held against anything here; `structure` has SQLite walk those. The
//! layout is that of SQLite's file format.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::structure::{FilePlace, StructureFault};
use crate::place::beside;

/// Bytes of the header.
const HEADER_BYTES: usize = 100;

/// A field that has one value, or is still zero where page 1 was written to the write-ahead log only.
struct Field {
    name: &'static str,
    at: Range<usize>,
    value: &'static [u8],
}

const FIELDS: [Field; 7] = [
    Field { name: "reserved space", at: 20..21, value: &[0] },
    Field { name: "payload fractions", at: 21..24, value: &[64, 32, 32] },
    Field { name: "schema format", at: 44..48, value: &[0, 0, 0, 4] },
    Field { name: "cache size and largest root page", at: 48..56, value: &[0; 8] },
    Field { name: "text encoding", at: 56..60, value: &[0, 0, 0, 1] },
    Field { name: "incremental vacuum", at: 64..68, value: &[0; 4] },
    Field { name: "room for later versions", at: 72..92, value: &[0; 20] },
];

/// Versions for writing and reading: a rollback journal, or a write-ahead log.
const MODES: [[u8; 2]; 2] = [[1, 1], [2, 2]];

/// Descriptors of databases that were looked at. Closing one would drop the locks that SQLite has on the same file in this
/// process, so none is closed while its file has a name.
static OPENED: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// The first field that is not what it always is; nothing for a file that is still shorter than its header.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn check(database: &Path) -> io::Result<Option<StructureFault>> {
    let Some(bytes) = read(database)? else { return Ok(None) };
    let log = std::fs::metadata(beside(database, "-wal"));
    let is_young = log.is_ok_and(|log| log.len() > 0);
    Ok(differing(&bytes, is_young).map(|name| StructureFault {
        place: FilePlace::Page(1),
        detail: format!("its header has another {name} than a journal's"),
        records_verified: true,
    }))
}

fn differing(bytes: &[u8; HEADER_BYTES], is_young: bool) -> Option<&'static str> {
    if !MODES.iter().any(|mode| bytes.get(18..20) == Some(mode)) {
        return Some("file format version");
    }
    let is_good = |field: &&Field| {
        let found = bytes.get(field.at.clone()).unwrap_or_default();
        found != field.value && !(is_young && found.iter().all(|byte| *byte == 0))
    };
    FIELDS.iter().find(is_good).map(|field| field.name)
}

fn read(database: &Path) -> io::Result<Option<[u8; HEADER_BYTES]>> {
    let named = std::fs::metadata(database)?;
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    opened.retain(|file| file.metadata().is_ok_and(|found| found.nlink() > 0));
    let is_it = |file: &File| {
        let found = file.metadata();
        found.is_ok_and(|found| (found.dev(), found.ino()) == (named.dev(), named.ino()))
    };
    if !opened.iter().any(is_it) {
        opened.push(File::open(database)?);
    }
    let mut bytes = [0; HEADER_BYTES];
    match opened.iter().find(|file| is_it(file)).map(|file| file.read_exact_at(&mut bytes, 0)) {
        Some(Ok(())) => Ok(Some(bytes)),
        Some(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[18..24].copy_from_slice(&[2, 2, 0, 64, 32, 32]);
        (bytes[47], bytes[59]) = (4, 1);
        bytes
    }

    #[test]
    fn every_flipped_bit_of_a_fixed_field_is_told_with_its_name() {
        assert_eq!(differing(&good(), false), None);
        let modes = Field { name: "file format version", at: 18..20, value: &[2, 2] };
        for field in FIELDS.iter().chain([&modes]) {
            for (at, bit) in field.at.clone().flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut bytes = good();
                bytes[at] ^= 1 << bit;
                assert_eq!(differing(&bytes, false), Some(field.name), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn what_is_in_the_write_ahead_log_only_is_still_zero_here() {
        let mut young = good();
        (young[47], young[59]) = (0, 0);
        assert_eq!(differing(&young, true), None);
        assert_eq!(differing(&young, false), Some("schema format"));
        young[58] = 1;
        assert_eq!(differing(&young, true), Some("text encoding"));
    }

    #[test]
    fn looking_drops_no_lock_and_keeps_one_descriptor_for_a_file() {
        let place = tempfile::tempdir().unwrap();
        let database = place.path().join("locked.db");
        let owner = rusqlite::Connection::open(&database).unwrap();
        owner.execute_batch("CREATE TABLE a (b); BEGIN EXCLUSIVE").unwrap();
        let is_ours =
            |file: &File| file.metadata().unwrap().ino() == database.metadata().unwrap().ino();
        for _ in 0..3 {
            assert!(read(&database).unwrap().is_some());
            let opened = OPENED.lock().unwrap();
            assert_eq!(opened.iter().filter(|file| is_ours(file)).count(), 1);
        }
        // Another process sees the locks: this one's own requests never conflict with them.
        let mut probe = std::process::Command::new("sh");
        let locks = probe.args(["-c", "cat /proc/locks"]).output().unwrap();
        let inode = format!(":{} ", database.metadata().unwrap().ino());
        let held = String::from_utf8(locks.stdout).unwrap();
        assert!(held.lines().any(|line| line.contains(&inode)), "{held}");
        // Control: a descriptor that is closed takes the locks with it.
        drop(File::open(&database).unwrap());
        let held = std::fs::read_to_string("/proc/locks").unwrap();
        assert!(!held.lines().any(|line| line.contains(&inode)), "{held}");
    }
}
