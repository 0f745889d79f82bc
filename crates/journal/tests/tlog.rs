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
use std::time::{Duration, Instant};

use journal::tlog::{
    Inventory, NodeKey, Notary, Note, ProofError, Tree, TreeHead, VerifierKey, Witness,
    WitnessError, inventory, verified, verify_proof,
};
use journal::{
    FaultReason, Journal, LogId, OpenError, Operation, Options, Reader, Verification, VerifyError,
    WAL_PAGES_SOFT, backup, verify_all,
};
use rusqlite::Connection;
use support::{Place, VIEWS, draft, fill, operation, place};

const SEED: [u8; 32] = [7; 32];
/// Enough for two tiles and one level above.
const RECORDS: u64 = 258;

fn notary(database: &Path) -> Notary {
    Notary { key: NodeKey::of(&SEED), folder: tiles(database), known: Vec::new() }
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
    sign_after(database, &[])
}

/// The same where something is known to have been signed.
fn sign_after(database: &Path, known: &[TreeHead]) -> Option<String> {
    let notary = Notary { known: known.to_vec(), ..notary(database) };
    let journal = Journal::open_signing(Options::new(database, VIEWS), notary).unwrap();
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
    assert!(matches!(refused, Err(WitnessError::Forked { old: 100, size: 258, .. })));
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
    let refused = witness.heads_of(forked);
    assert!(matches!(refused, Err(WitnessError::Entries { entry: None, size: 2, .. })));
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
    // Entries that a crash left unsigned are signed next time; what it left of writing them is nothing.
    fill(&place.database, 259, 260);
    assert_eq!(sign(&place.database), None);
    let server = tiles(&place.database).join("server");
    let before = fs::read(server.join("checkpoint")).unwrap();
    fill(&place.database, 261, 262);
    assert_eq!(sign(&place.database), None);
    fs::write(server.join("checkpoint"), before).unwrap();
    fs::write(server.join("kept/tile/entries/000.p/5.new-7"), "palisade/").unwrap();
    fill(&place.database, 263, 264);
    assert_eq!(sign(&place.database), None);
    let shown = verify_proof(&prove(&place.database, 264).unwrap(), &key()).unwrap();
    assert_eq!(shown.logs.unwrap().size, 5);
    // Control: entries that were signed and are gone end the signing of their log.
    fs::remove_dir_all(server.join("kept")).unwrap();
    fill(&place.database, 265, 265);
    let refused = sign(&place.database).unwrap();
    assert!(refused.contains("was signed with 5 entries"), "{refused}");
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

/// Everything this node has signed, as an auditor asks for it.
fn all_signed(database: &Path, known: &[TreeHead]) -> Result<Vec<u64>, WitnessError> {
    let found = witness(database).signed(known)?;
    Ok(found.iter().map(|head| head.size).collect())
}

#[test]
fn everything_signed_is_compared_and_what_is_missing_is_told() {
    let (place, first) = signed();
    let folder = tiles(&place.database);
    let known = witness(&place.database).newest().unwrap();
    assert_eq!(known.len(), 2);
    assert_eq!(all_signed(&place.database, &known).unwrap(), [100, 258]);
    assert_eq!(all_signed(&place.database, &[first]).unwrap(), [100, 258]);
    let with = |name: &str, change: &dyn Fn(&Path)| {
        let (file, aside) = (folder.join(name), place.folder.path().join("aside"));
        let bytes = fs::read(&file).unwrap();
        change(&file);
        let error = all_signed(&place.database, &known).unwrap_err();
        fs::write(&file, bytes).unwrap();
        let _ = fs::remove_file(aside);
        error
    };
    let remove = |file: &Path| fs::remove_file(file).unwrap();
    for name in
        ["log/default/0/checkpoint", "server/checkpoint", "server/kept/tile/entries/000.p/2"]
    {
        let error = with(name, &remove);
        assert!(matches!(error, WitnessError::Lost { .. }), "{name}: {error}");
    }
    let foreign = |file: &Path| {
        let text = fs::read_to_string(file).unwrap();
        fs::write(file, text.replacen("palisade/", "palisode/", 1)).unwrap();
    };
    for name in ["log/default/0/checkpoint", "server/checkpoint"] {
        let error = with(name, &foreign);
        assert!(matches!(error, WitnessError::Foreign(_)), "{name}: {error}");
    }
    let changed = |file: &Path| {
        let mut bytes = fs::read(file).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        fs::write(file, bytes).unwrap();
    };
    let error = with("server/kept/tile/entries/000.p/2", &changed);
    assert!(matches!(error, WitnessError::Entries { entry: Some(1), size: 2, .. }), "{error}");
    // The log's own checkpoint and the log of logs know of each other; without both only records know.
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(all_signed(&place.database, &[]).unwrap(), [0_u64; 0]);
    let error = all_signed(&place.database, &known).unwrap_err();
    assert!(matches!(error, WitnessError::Lost { .. }), "{error}");
    // Control: what another node has signed is nothing of this one's.
    let strangers: Vec<TreeHead> = known
        .into_iter()
        .map(|head| TreeHead { origin: "palisade/x".to_owned(), ..head })
        .collect();
    assert_eq!(all_signed(&place.database, &strangers).unwrap(), [0_u64; 0]);
}

/// Another node's key over the same folder.
fn other_node() -> NodeKey {
    NodeKey::of(&[9; 32])
}

/// Opens and closes under another node's key; why the journal was not signed, if it was not.
fn sign_as_another(database: &Path) -> Result<Option<String>, OpenError> {
    let notary = Notary { key: other_node(), ..notary(database) };
    let journal = Journal::open_signing(Options::new(database, VIEWS), notary)?;
    journal.close().unwrap();
    Ok(journal.unsigned())
}

/// What was found without a key, or with that of a node: sizes, and how many of them nobody vouches for.
fn found(
    database: &Path,
    key: Option<&VerifierKey>,
    known: &[TreeHead],
) -> Result<(Vec<u64>, usize), WitnessError> {
    let Inventory { heads, unproved, .. } = inventory(&tiles(database), key, known)?;
    let mut sizes: Vec<u64> = heads.iter().map(|head| head.size).collect();
    sizes.sort_unstable();
    Ok((sizes, unproved))
}

#[test]
fn what_another_node_signed_is_compared_and_need_not_be_there() {
    let (place, _) = signed();
    let database = &place.database;
    let before = witness(database).newest().unwrap();
    let key = other_node().verifier();
    // Before the other node signs for the first time everything is the former one's.
    assert_eq!(found(database, Some(&key), &before).unwrap(), (vec![100, 258], 2));
    assert_eq!(found(database, None, &before).unwrap(), (vec![100, 258], 2));
    fill(database, 259, 300);
    assert_eq!(sign_as_another(database).unwrap(), None);
    let known = Witness::new(&tiles(database), key.clone()).newest().unwrap();
    let both = [&before[..], &known[..]].concat();
    assert_eq!(found(database, Some(&key), &both).unwrap(), (vec![100, 258, 300], 2));
    // Without a key it is the node whose log of logs lies there.
    assert_eq!(found(database, None, &both).unwrap(), (vec![100, 258, 300], 3));
    // Controls: what this node signed must be there, with the key or without it.
    let checkpoint = tiles(database).join("log/default/0/checkpoint");
    let kept = fs::read(&checkpoint).unwrap();
    fs::remove_file(&checkpoint).unwrap();
    for key in [Some(&key), None] {
        let error = found(database, key, &both).unwrap_err();
        assert!(matches!(error, WitnessError::Lost { size: 300, .. }), "{error}");
    }
    fs::write(&checkpoint, kept).unwrap();
    let bundle = tiles(database).join("server/kept/tile/entries/000.p/3");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[60] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let error = found(database, None, &[]).unwrap_err();
    assert!(matches!(error, WitnessError::Entries { .. }), "{error}");
}

#[test]
fn another_nodes_checkpoint_is_replaced_only_by_a_log_that_grew_from_it() {
    let (place, _) = signed();
    let forget = || {
        for side in ["", ".checkpoint"] {
            fs::remove_file(format!("{}{side}", place.database.display())).unwrap();
        }
    };
    // A shorter one.
    forget();
    fill(&place.database, 1, 200);
    match sign_as_another(&place.database) {
        Err(OpenError::BehindCheckpoint { found: 200, expected: 258, .. }) => {}
        other => panic!("{other:?}"),
    }
    // A longer one that is another.
    forget();
    fill(&place.database, 1_001, 1_300);
    fs::remove_file(beside(&place.database)).unwrap();
    let refused = sign_as_another(&place.database).unwrap().unwrap();
    assert!(refused.contains("was signed with 258 entries"), "{refused}");
    assert_eq!(head(&place.database).size, RECORDS);
    // Control: with what the former node signed away it is another log.
    fs::remove_dir_all(tiles(&place.database)).unwrap();
    assert_eq!(sign_as_another(&place.database).unwrap(), None);
}

#[test]
fn a_fork_is_not_signed_although_the_folder_is_gone() {
    let (place, _) = signed();
    let known = witness(&place.database).newest().unwrap();
    let forget = || {
        fs::remove_dir_all(tiles(&place.database)).unwrap();
        fs::remove_file(beside(&place.database)).unwrap();
    };
    // The folder alone: the logs are signed again, and the log of logs, which nobody can make again, is not.
    forget();
    let refused = sign_after(&place.database, &known).unwrap();
    assert!(refused.contains("was signed with 2 entries"), "{refused}");
    assert_eq!(head(&place.database), known[0]);
    // A journal that is shorter does not start.
    let longer = TreeHead { size: 259, ..known[0].clone() };
    let notary = Notary { known: vec![longer], ..notary(&place.database) };
    let opened = Journal::open_signing(Options::new(&place.database, VIEWS), notary);
    assert!(matches!(opened, Err(OpenError::BehindCheckpoint { expected: 259, .. })), "{opened:?}");
    // Another history with the folder gone is not signed.
    forget();
    fs::remove_file(&place.database).unwrap();
    fill(&place.database, 1_001, 1_300);
    fs::remove_file(beside(&place.database)).unwrap();
    let refused = sign_after(&place.database, &known).unwrap();
    assert!(refused.contains("was signed with 258 entries"), "{refused}");
    assert!(!tiles(&place.database).join("log/default/0/checkpoint").exists());
    // Control: where nothing is known it is another log.
    assert_eq!(sign(&place.database), None);
}

#[test]
fn a_kept_tree_beyond_what_was_signed_is_no_witness() {
    let (place, first) = signed();
    let other = support::place();
    fill(&other.database, 1_001, 1_300);
    assert_eq!(sign(&other.database), None);
    // Another history with its own tree, and the checkpoint that was signed.
    for side in ["", ".checkpoint"] {
        let (from, to) = (&other.database, &place.database);
        let (from, to) = (format!("{}{side}", from.display()), format!("{}{side}", to.display()));
        fs::copy(from, to).unwrap();
    }
    let refused = sign(&place.database).unwrap();
    assert!(refused.contains("was signed with 258 entries"), "{refused}");
    assert_ne!(head(&place.database), first);
    assert_eq!(head(&place.database).size, RECORDS);
}

#[test]
fn a_backup_has_what_was_signed_and_goes_on_from_it() {
    let (place, _) = signed();
    let folder = place.folder.path().join("copy");
    let copied = backup(&place.database, Some(&tiles(&place.database)), &folder).unwrap();
    let known = witness(&place.database).newest().unwrap();
    assert_eq!(all_signed(&copied.database, &known).unwrap(), [100, 258]);
    fill(&copied.database, 259, 300);
    assert_eq!(sign_after(&copied.database, &known), None);
    assert_eq!(all_signed(&copied.database, &known).unwrap(), [100, 258, 300]);
    // Control: without it the log of logs cannot be gone on with.
    let folder = place.folder.path().join("bare");
    let copied = backup(&place.database, None, &folder).unwrap();
    let refused = sign_after(&copied.database, &known).unwrap();
    assert!(refused.contains("was signed with 2 entries"), "{refused}");
}

#[test]
fn a_signature_that_waits_delays_no_checkpoint_of_the_write_ahead_log() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let place = place();
    let folder = tiles(&place.database).join("log/default/0");
    fs::create_dir_all(&folder).unwrap();
    // What is written aside is a pipe that nobody reads: opening it waits.
    let pipe = folder.join(format!("checkpoint.new-{}", std::process::id()));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let journal = open_signing(&place.database).unwrap();
    let mut many = operation(1);
    many.drafts = (1..=1_000).map(draft).collect();
    let _ = journal.commit(many).unwrap();
    // The tree is kept right before that file is opened.
    while !fs::read_to_string(beside(&place.database)).is_ok_and(|text| text.contains("tree")) {
        std::thread::yield_now();
    }
    let mut large = operation(2);
    large.drafts[0].payload = vec![b'x'; 16_000];
    while journal.stats().wal_pages < WAL_PAGES_SOFT {
        let _ = journal.commit(large.clone()).unwrap();
    }
    // What was copied from the log is in the database's own file.
    let (patience, bytes) = (Instant::now() + Duration::from_secs(60), 1 << 20);
    let copied = || fs::metadata(&place.database).unwrap().len() > bytes;
    while !copied() && Instant::now() < patience {
        std::thread::yield_now();
    }
    let (copied, waits) = (copied(), !folder.join("checkpoint").exists());
    // Only now the signature goes on, and the journal can end whatever was found.
    let read = fs::read_to_string(&pipe).unwrap();
    assert!(copied && waits && journal.stats().checkpoints == 0, "{copied} {waits}");
    assert!(read.starts_with(key().name()), "{read}");
    fs::remove_file(&pipe).unwrap();
    journal.close().unwrap();
    assert_eq!(journal.unsigned(), None);
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
