//! The verifier against the journal's vectors, which are all the two have in common.
//! Everything true is confirmed; every changed byte of every file is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../journal/vectors/tlog-v1")
}

fn key() -> String {
    fs::read_to_string(vectors().join("key")).unwrap().trim().to_owned()
}

/// Exit code, standard output and standard error.
fn verify(words: &[&str]) -> (i32, String, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_palisade-verify")).args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ran.status.code().unwrap(), text(ran.stdout), text(ran.stderr))
}

fn check(words: &[&str], code: i32, told: &str) {
    let key = key();
    let (found, out, error) = verify(&[words, &["--key", &key]].concat());
    assert_eq!(found, code, "{words:?}: {out}{error}");
    let text = if code == 0 { out } else { error };
    assert!(text.contains(told), "{words:?}: {text}");
}

fn path(name: &str) -> String {
    vectors().join(name).display().to_string()
}

#[test]
fn everything_true_is_confirmed() {
    let log = path("log/default/0");
    check(&["checkpoint", &path("older")], 0, "/default/0, size 100, root Vg9ZUJnTML");
    check(&["checkpoint", &path("server/checkpoint")], 0, "size 2, root ");
    check(&["proof", &path("record-77.tlog-proof")], 0, "record 77 is in palisade/");
    check(&["proof", &path("record-1.tlog-proof")], 0, "\nwhich is in palisade/");
    check(&["proof", &path("record-258.tlog-proof")], 0, "record 258");
    check(&["tiles", &log], 0, "all of palisade/");
    check(&["tiles", &path("server")], 0, "size 2");
    check(&["grown", &path("older"), &log], 0, "begins with its first 100");
}

#[test]
fn wrong_commands_keys_and_files_have_their_own_codes() {
    check(&["checkpoint"], 2, "no such command");
    check(&["everything", &path("older")], 2, "palisade-verify tiles FOLDER");
    check(&["checkpoint", &path("nothing")], 3, "nothing`: No such file");
    check(&["proof", "/dev/zero"], 3, "longer than 32 MiB");
    // A key may be in a file.
    let older = path("older");
    assert_eq!(verify(&["checkpoint", &older, "--key", &path("key")]).0, 0);
    assert_eq!(verify(&["checkpoint", &older, "--key", &path("older")]).0, 2);
    check(&["tiles", &path("log")], 3, "log/checkpoint`");
    check(&["checkpoint", &path("record-1.tlog-proof")], 1, "has not exactly three lines");
    check(&["proof", &path("older")], 1, "the first line is not `c2sp.org/tlog-proof@v1`");
    // The other way round, and another log.
    check(
        &["grown", &path("log/default/0/checkpoint"), &path("server")],
        1,
        "cannot be the beginning",
    );
    let (good, other) = (key(), key().replacen("palisade/f", "palisade/e", 1));
    for bad in ["x", "a+b", "a+b+c", &good.replace("+A", "+B"), &other, &good[..good.len() - 1]] {
        let (code, _, error) = verify(&["checkpoint", &path("older"), "--key", bad]);
        assert_eq!(code, 2, "{bad}: {error}");
        assert!(error.contains("is not a public key"), "{error}");
    }
    // A right key of somebody else; the id is of the name and the key.
    let stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let (code, _, error) = verify(&["checkpoint", &path("older"), "--key", stranger]);
    assert_eq!(code, 1);
    assert!(error.contains("does not speak"), "{error}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Changes bytes of a file one by one, `step` apart, and expects every change to be refused.
fn flip(file: &Path, step: usize, words: &[&str]) {
    let good = fs::read(file).unwrap();
    let key = key();
    let words = [words, &["--key", &key]].concat();
    assert_eq!(verify(&words).0, 0, "control: {words:?}");
    for at in (0..good.len()).step_by(step).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(file, bad).unwrap();
        assert_eq!(verify(&words).0, 1, "{} byte {at}", file.display());
    }
    fs::write(file, &good[..good.len() - 1]).unwrap();
    assert_eq!(verify(&words).0, 1, "{} cut", file.display());
    fs::write(file, [good.as_slice(), b"\0"].concat()).unwrap();
    assert_eq!(verify(&words).0, 1, "{} longer", file.display());
    fs::write(file, good).unwrap();
    assert_eq!(verify(&words).0, 0, "control: {words:?}");
}

#[test]
fn every_changed_byte_of_a_proof_or_checkpoint_is_refused() {
    let place = tempfile::tempdir().unwrap();
    copy(&vectors(), place.path());
    for (name, word) in [("older", "checkpoint"), ("record-77.tlog-proof", "proof")] {
        let file = place.path().join(name);
        flip(&file, 1, &[word, file.to_str().unwrap()]);
    }
}

#[test]
fn every_file_of_a_tile_folder_counts() {
    let place = tempfile::tempdir().unwrap();
    copy(&vectors(), place.path());
    let log = place.path().join("log/default/0");
    let words = ["tiles", log.to_str().unwrap()];
    for (name, step) in [
        ("checkpoint", 7),
        ("tile/0/000", 509),
        ("tile/0/001.p/2", 9),
        ("tile/1/000.p/1", 9),
        ("tile/entries/000", 2_003),
        ("tile/entries/001.p/2", 41),
    ] {
        flip(&log.join(name), step, &words);
    }
    let logs = place.path().join("server");
    flip(&logs.join("tile/entries/000.p/2"), 41, &["tiles", logs.to_str().unwrap()]);
    fs::remove_file(log.join("tile/entries/000")).unwrap();
    check(&words, 3, "tile/entries/000`");
}

#[test]
fn a_log_that_was_rewritten_is_told_from_one_that_grew() {
    let place = tempfile::tempdir().unwrap();
    copy(&vectors(), place.path());
    let log = place.path().join("log/default/0");
    let older = path("older");
    let words = ["grown", &older, log.to_str().unwrap()];
    flip(&log.join("tile/0/000"), 509, &words);
    // A younger checkpoint is not the beginning of an older one.
    fs::copy(&older, log.join("checkpoint")).unwrap();
    check(&["grown", &path("log/default/0/checkpoint"), log.to_str().unwrap()], 1, "cannot be");
}

#[test]
fn every_changed_part_of_a_disclosure_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let vectors = vectors().with_file_name("disclosure-v1");
    let key = fs::read_to_string(vectors.join("key")).unwrap().trim().to_owned();
    let good = fs::read_to_string(vectors.join("one.json")).unwrap();
    let file = place.path().join("one.json");
    let check = |text: &[u8]| {
        fs::write(&file, text).unwrap();
        verify(&["disclosure", file.to_str().unwrap(), "--key", &key])
    };
    let (code, out, error) = check(good.as_bytes());
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("has committed to this at /outputs/out:\n\\\"token=ghp_A1b2"), "{out}");
    for at in 0..good.len() {
        let mut bad = good.clone().into_bytes();
        bad[at] ^= 1;
        let (code, ..) = check(&bad);
        assert_ne!(code, 0, "byte {at}");
    }
    for (from, to, why) in [
        ("\"value\": \"\\\"token", "\"value\": \"\\\"taken", "is not the one committed to"),
        ("\"field\": \"/outputs/out", "\"field\": \"/outputs/err", "no commitment to"),
        ("step\\\":\\\"one", "step\\\":\\\"two", "not the one that is proved"),
        ("disclosure 1", "disclosure 2", "format is not"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        let (code, _, error) = check(bad.as_bytes());
        assert!(code == 1 && error.contains(why), "{from}: {error}");
    }
    // Control: another node's key.
    fs::write(&file, &good).unwrap();
    let (code, _, error) = verify(&["disclosure", file.to_str().unwrap(), "--key", &self::key()]);
    assert!(code == 1 && error.contains("does not speak"), "{error}");
}
