//! Signed checkpoints and proofs: what strangers are shown is true, and nothing untrue is ever signed.
//! The tree, notes, tiles and keys have their own tests beside their code; here a journal lives.
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
use std::path::{Path, PathBuf};

use journal::tlog::{
    NodeKey, Notary, Note, ProofError, Tree, TreeHead, VerifierKey, Witness, WitnessError,
    verified, verify_proof,
};
use journal::{
    FaultReason, Journal, LogId, OpenError, Operation, Options, Reader, Verification, VerifyError,
    verify_all,
};
use rusqlite::Connection;
use support::{Place, VIEWS, draft, fill, operation, place};

const SEED: [u8; 32] = [7; 32];
/// Enough for two tiles and one level above.
const RECORDS: u64 = 258;

fn notary(database: &Path) -> Notary {
    Notary { key: NodeKey::of(&SEED), folder: tiles(database) }
}

fn tiles(database: &Path) -> PathBuf {
    database.with_file_name("tiles")
}

fn key() -> VerifierKey {
    NodeKey::of(&SEED).verifier()
}

fn open_signing(database: &Path) -> Result<Journal, OpenError> {
    Journal::open_signing(Options::new(database, VIEWS), notary(database))
}

/// Signs what is there; why not, if it was not.
fn sign(database: &Path) -> Option<String> {
    let journal = open_signing(database).unwrap();
    journal.close().unwrap();
    journal.unsigned()
}

fn witness(database: &Path) -> Witness {
    Witness::new(&tiles(database), key())
}

fn head(database: &Path) -> TreeHead {
    witness(database).checkpoint(&Tree::Log(LogId::default())).unwrap().unwrap().1
}

/// Two signatures, the first over 100 records; the first checkpoint is given back.
fn signed() -> (Place, TreeHead) {
    let place = place();
    fill(&place.database, 1, 100);
    assert_eq!(sign(&place.database), None);
    let first = head(&place.database);
    fill(&place.database, 101, RECORDS);
    assert_eq!(sign(&place.database), None);
    (place, first)
}

fn prove(database: &Path, sequence: u64) -> Result<String, WitnessError> {
    let reader = Reader::open(database).unwrap();
    let proved = witness(database).prove(&reader, &LogId::default(), sequence)?;
    Ok(proved.text)
}

/// The database as someone with a SQLite shell and no respect for triggers has it.
fn attacker(database: &Path) -> Connection {
    let raw = Connection::open(database).unwrap();
    let names: Vec<String> = raw
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    names.iter().for_each(|name| raw.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
    raw
}

fn beside(database: &Path) -> PathBuf {
    database.with_file_name("journal.db.checkpoint")
}

#[test]
fn every_record_is_proved_up_to_the_root_of_the_log_of_logs() {
    let (place, _) = signed();
    let reader = Reader::open(&place.database).unwrap();
    for sequence in 1..=RECORDS {
        let shown = verify_proof(&prove(&place.database, sequence).unwrap(), &key()).unwrap();
        let record = reader.get(&LogId::default(), sequence).unwrap().unwrap();
        assert_eq!((shown.header, shown.leaf), (record.header, record.leaf));
        assert_eq!(shown.log.size, RECORDS);
        let logs = shown.logs.unwrap();
        assert_eq!((logs.origin, logs.size), (key().name().to_owned(), 2));
    }
    for (sequence, size) in [(0, RECORDS), (RECORDS + 1, RECORDS), (u64::MAX, RECORDS)] {
        let refused = prove(&place.database, sequence).unwrap_err();
        assert!(matches!(refused, WitnessError::NotCovered { size: found, .. } if found == size));
    }
}

#[test]
fn every_changed_byte_of_a_proof_is_refused() {
    let (place, _) = signed();
    let good = prove(&place.database, 77).unwrap();
    assert!(verify_proof(&good, &key()).is_ok());
    for at in 0..good.len() {
        for flip in [0x01, 0x04, 0x20] {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] ^= flip;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(verify_proof(&text, &key()).is_err(), "byte {at} ^ {flip}");
        }
    }
    // Controls: another node's key, a cut proof, two proofs in one.
    let stranger = NodeKey::of(&[8; 32]).verifier();
    assert!(matches!(verify_proof(&good, &stranger), Err(ProofError::OtherLog { .. })));
    assert!(verify_proof(&good[..good.len() - 1], &key()).is_err());
    assert!(verify_proof(&format!("{good}{good}"), &key()).is_err());
    assert!(verify_proof(&"x".repeat(1 << 20), &key()).is_err());
}

#[test]
fn what_is_signed_only_grows() {
    let (place, first) = signed();
    let reader = Reader::open(&place.database).unwrap();
    let text =
        witness(&place.database).extend(&reader, &Tree::Log(LogId::default()), &first).unwrap();
    assert!(text.starts_with("old 100\n"), "{text}");
    assert!(text.contains(&format!("\n\n{}\n258\n", first.origin)), "{text}");
    // Control: another tree of that size is not the beginning of this one.
    let forked = TreeHead { root: journal::Digest::of(b"other"), ..first.clone() };
    let refused = witness(&place.database).extend(&reader, &Tree::Log(LogId::default()), &forked);
    assert!(matches!(refused, Err(WitnessError::Forked { old: 100, size: 258 })));
    let longer = TreeHead { size: 300, ..first.clone() };
    let refused = witness(&place.database).extend(&reader, &Tree::Log(LogId::default()), &longer);
    assert!(matches!(refused, Err(WitnessError::Forked { .. })));
    // The log of logs names every checkpoint that was entered, and only for what was signed.
    let witness = witness(&place.database);
    let logs = witness.checkpoint(&Tree::Logs).unwrap().unwrap().1;
    let sizes = |heads: Vec<TreeHead>| heads.iter().map(|head| head.size).collect::<Vec<_>>();
    assert_eq!(sizes(witness.heads_of(logs.clone()).unwrap()), [100, 258]);
    assert_eq!(sizes(witness.heads_of(first).unwrap()), [100]);
    let forked = TreeHead { root: journal::Digest::of(b"other"), ..logs.clone() };
    assert!(matches!(witness.heads_of(forked), Err(WitnessError::Forked { .. })));
    witness.extend(&reader, &Tree::Logs, &logs).unwrap();
}

#[test]
fn a_busy_journal_is_signed_while_it_works() {
    let place = place();
    let journal = open_signing(&place.database).unwrap();
    let witness = witness(&place.database);
    let newest = || witness.checkpoint(&Tree::Log(LogId::default())).unwrap();
    let mut number = 0;
    while newest().is_none() {
        number += 1;
        assert!(number < 1_000_000, "never signed");
        let _ = journal.commit(operation(number)).unwrap();
    }
    journal.close().unwrap();
    assert_eq!((journal.unsigned(), newest().unwrap().1.size), (None, number));
}

#[test]
fn a_journal_shorter_than_its_signed_checkpoint_does_not_start() {
    let (place, _) = signed();
    let raw = attacker(&place.database);
    raw.execute("DELETE FROM event WHERE id = (1 << 40) + 258", []).unwrap();
    drop(raw);
    // The file beside the database is what an attacker takes away first; the signature says the same.
    for _ in 0..2 {
        match open_signing(&place.database) {
            Err(OpenError::BehindCheckpoint { found: 257, expected: 258, .. }) => {}
            other => panic!("{other:?}"),
        }
        let _ = fs::remove_file(beside(&place.database));
    }
    // Control: without any of them there is nothing to tell by, but for what is kept elsewhere.
    fs::remove_dir_all(tiles(&place.database)).unwrap();
    assert!(open_signing(&place.database).is_ok());
}

#[test]
fn a_rewritten_journal_is_not_signed() {
    let (place, _) = signed();
    let note = fs::read(tiles(&place.database).join("log/default/0/checkpoint")).unwrap();
    for side in ["", ".checkpoint"] {
        fs::remove_file(format!("{}{side}", place.database.display())).unwrap();
    }
    // Another history of more records, in good order by itself.
    fill(&place.database, 1_001, 1_300);
    fs::remove_file(beside(&place.database)).unwrap();
    let refused = sign(&place.database).unwrap();
    assert!(refused.contains("was signed with 258 entries"), "{refused}");
    let after = fs::read(tiles(&place.database).join("log/default/0/checkpoint")).unwrap();
    assert_eq!(after, note);
    // Control: with the key and the checkpoints away it is another log, and signed as one.
    fs::remove_dir_all(tiles(&place.database)).unwrap();
    assert_eq!(sign(&place.database), None);
}

#[test]
fn a_record_changed_before_it_was_signed_is_not_signed() {
    let place = place();
    fill(&place.database, 1, 50);
    let raw = attacker(&place.database);
    let sql = "UPDATE event SET header = CAST(replace(header, x'73746570', x'73746571') AS BLOB) \
               WHERE id = (1 << 40) + 20";
    assert_eq!(raw.execute(sql, []).unwrap(), 1);
    drop(raw);
    let refused = sign(&place.database).unwrap();
    assert!(refused.contains("record 20"), "{refused}");
    assert!(!tiles(&place.database).join("log/default/0/checkpoint").exists());
}

#[test]
fn a_crash_between_keeping_and_signing_loses_nothing() {
    let (place, first) = signed();
    let path = tiles(&place.database).join("log/default/0/checkpoint");
    let newest = fs::read(&path).unwrap();
    // The tree was kept, the checkpoint not yet written: the old one is still there, or none.
    fs::remove_file(&path).unwrap();
    assert_eq!(sign(&place.database), None);
    assert_eq!(fs::read(&path).unwrap(), newest);
    let reader = Reader::open(&place.database).unwrap();
    witness(&place.database).extend(&reader, &Tree::Log(LogId::default()), &first).unwrap();
    // An entry of the log of logs cut off by a crash was not signed and is written again.
    fill(&place.database, 259, 260);
    assert_eq!(sign(&place.database), None);
    let entries = tiles(&place.database).join("server/entries");
    let bytes = fs::read(&entries).unwrap();
    fs::write(&entries, [bytes.as_slice(), b"\x01\x00pal"].concat()).unwrap();
    fill(&place.database, 261, 262);
    assert_eq!(sign(&place.database), None);
    let shown = verify_proof(&prove(&place.database, 262).unwrap(), &key()).unwrap();
    assert_eq!(shown.logs.unwrap().size, 4);
    // Control: entries that were signed and are gone end the signing of their log.
    fs::write(&entries, &bytes[..10]).unwrap();
    fill(&place.database, 263, 263);
    let refused = sign(&place.database).unwrap();
    assert!(refused.contains("was signed with 4 entries"), "{refused}");
}

#[test]
fn every_tenant_is_below_one_root() {
    let place = place();
    let journal = open_signing(&place.database).unwrap();
    let logs: Vec<LogId> =
        ["a", "b", "c"].into_iter().map(|tenant| LogId::new(tenant, 1).unwrap()).collect();
    for log in &logs {
        let operation =
            Operation { log: log.clone(), drafts: vec![draft(1), draft(2)], changes: Vec::new() };
        let _ = journal.commit(operation).unwrap();
    }
    journal.close().unwrap();
    assert_eq!(journal.unsigned(), None);
    let reader = Reader::open(&place.database).unwrap();
    let witness = witness(&place.database);
    let root = witness.checkpoint(&Tree::Logs).unwrap().unwrap().1;
    for log in &logs {
        let proved = witness.prove(&reader, log, 2).unwrap();
        let shown = verify_proof(&proved.text, &key()).unwrap();
        assert_eq!((shown.logs.as_ref(), shown.log.log()), (Some(&root), Some(log.clone())));
        // The proof of one tenant names no other.
        for other in logs.iter().filter(|other| *other != log) {
            assert!(!proved.text.contains(&other.to_string()));
        }
    }
}

#[test]
fn verification_holds_the_records_against_what_was_signed() {
    let (place, first) = signed();
    let check = |signed: Vec<TreeHead>| {
        let verification = Verification { signed, ..Verification::new(&place.database) };
        match verify_all(&verification) {
            Ok(found) => Ok(found[0].checkpoints),
            Err(VerifyError::Fault(fault)) => Err((fault.sequence, fault.reason)),
            Err(other) => panic!("{other}"),
        }
    };
    // The checkpoint and the tree beside the journal, and the one given.
    assert_eq!(check(vec![first.clone()]), Ok(3));
    let longer = TreeHead { size: 300, ..first.clone() };
    assert_eq!(check(vec![longer]), Err((259, FaultReason::Truncated { expected: 300 })));
    let other = TreeHead { root: journal::Digest::of(b"other"), ..first };
    assert!(matches!(check(vec![other]), Err((100, FaultReason::Replaced(_)))));
}

/// Every file below a folder, with its path.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let name = entry.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read(entry).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// `vectors/tlog-v1` is what another implementation can be tested against.
#[test]
fn the_vectors_are_what_this_journal_exports() {
    let (place, first) = signed();
    let reader = Reader::open(&place.database).unwrap();
    let target = place.folder.path().join("vectors");
    let witness = witness(&place.database);
    for _ in 0..2 {
        assert_eq!(witness.export(&reader, &target).unwrap().len(), 2);
    }
    fs::write(target.join("key"), format!("{}\n", key())).unwrap();
    for sequence in [1, 77, RECORDS] {
        let name = format!("record-{sequence}.tlog-proof");
        fs::write(target.join(name), prove(&place.database, sequence).unwrap()).unwrap();
    }
    let (place, older) = (support::place(), target.join("older"));
    fill(&place.database, 1, 100);
    assert_eq!(sign(&place.database), None);
    assert_eq!(head(&place.database), first);
    fs::copy(tiles(&place.database).join("log/default/0/checkpoint"), older).unwrap();
    let kept = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/tlog-v1"));
    let made = files(&target);
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&made), names(&kept));
    for ((name, made), (_, kept)) in made.iter().zip(&kept) {
        assert!(made == kept, "{name}");
    }
}

#[path = "../../../fuzz/checks/tlog.rs"]
mod fuzzed;
#[path = "../../../fuzz/checks/seeds.rs"]
mod seeds;

#[test]
fn the_seeds_of_the_fuzz_target_and_what_is_near_them_hold() {
    assert!(seeds::replay("tlog", &|data| fuzzed::check(data)) > 3_000);
}
