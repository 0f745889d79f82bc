//! Checkpoints, proofs, tiles and anchors by the command line: what a stranger gets, and what an attacker cannot keep up.
//! The bytes are the journal's own tests' concern.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

use crate::support::{Project, Ran, run, set_mode};

fn lived_in() -> Project {
    let project = Project::new();
    project.run_steps("  - { name: a, run: [echo, hello] }\n").exits(0);
    project
}

fn outside(project: &Project, name: &str) -> String {
    project.outside().join(name).display().to_string()
}

fn key(project: &Project) -> String {
    project.palisade(&["audit", "checkpoint", "--key"]).exits(0).stdout.trim().to_owned()
}

/// Takes the last records away as somebody with a SQLite shell does.
fn cut(project: &Project) {
    let raw = Connection::open(project.database()).unwrap();
    let triggers: Vec<(String, String)> = raw
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (name, _) in &triggers {
        raw.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    raw.execute("DELETE FROM event WHERE id > (SELECT max(id) - 2 FROM event)", []).unwrap();
    // A missing trigger would be found by itself.
    triggers.iter().for_each(|(_, sql)| raw.execute_batch(sql).unwrap());
}

#[test]
fn a_proof_is_checked_with_nothing_but_the_key() {
    let project = lived_in();
    let (proof, key) = (outside(&project, "one.tlog-proof"), key(&project));
    project.palisade(&["audit", "prove", "3", "-o", &proof]).exits(0);
    // Somebody else, without a project.
    let stranger = Project::bare();
    let verify = |more: &[&str]| -> Ran {
        stranger.palisade(&[&["audit", "verify", "--proof", &proof], more].concat())
    };
    let told = verify(&["--key", &key, "--json"]).exits(0).json();
    assert_eq!((&told["verified"], &told["sequence"]), (&true.into(), &3.into()));
    let export = project.palisade(&["audit", "export"]).exits(0).json_lines();
    assert_eq!(told["payload_digest"], export[2]["payload_digest"]);
    assert_eq!(told["leaf"], export[2]["leaf"]);
    assert_eq!(told["logs"]["origin"], key.split('+').next().unwrap());
    let file = outside(&project, "key");
    fs::write(&file, format!("{key}\n")).unwrap();
    assert!(verify(&["--key", &file]).exits(0).stdout.contains("record 3 of palisade/"));
    // Controls: a changed proof, another key, no key.
    let text = fs::read_to_string(&proof).unwrap();
    fs::write(&proof, text.replace("index 0", "index 1")).unwrap();
    verify(&["--key", &key]).exits(20).says("is not in the tree", "", "believe nothing in it");
    fs::write(&proof, text).unwrap();
    let other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    verify(&["--key", other]).exits(20);
    verify(&["--key", "nonsense"]).exits(2).says("not a public key", "", "audit checkpoint --key");
    verify(&[]).exits(2);
    project.palisade(&["audit", "prove", "9999"]).exits(3).says(
        "is not covered yet",
        "",
        "audit tail",
    );
}

#[test]
fn a_signed_checkpoint_kept_elsewhere_finds_a_cut_and_a_forgery() {
    let project = lived_in();
    let (one, all) = (outside(&project, "one"), outside(&project, "all"));
    project.palisade(&["audit", "checkpoint", "-o", &one]).exits(0);
    project.palisade(&["audit", "checkpoint", "--all", "-o", &all]).exits(0);
    let key = key(&project);
    for file in [&one, &all] {
        project.palisade(&["audit", "verify", "--checkpoint", file]).exits(0);
        project.palisade(&["audit", "verify", "--checkpoint", file, "--key", &key]).exits(0);
    }
    let text = fs::read_to_string(&one).unwrap();
    fs::write(
        outside(&project, "forged"),
        text.replacen("\u{2014} palisade", "\u{2014} palisbde", 1),
    )
    .unwrap();
    project.palisade(&["audit", "verify", "--checkpoint", &outside(&project, "forged")]).exits(20);
    cut(&project);
    drop(fs::remove_file(format!("{}.checkpoint", project.database().display())));
    // What was signed is here still; without it no record is missing, and only a view tells of them.
    project.palisade(&["audit", "verify", "--tail", "3"]).exits(0);
    let ran = project.palisade(&["audit", "verify"]).exits(20);
    assert!(ran.stderr.contains("first bad sequence"), "{ran:?}");
    let (tiles, aside) = (project.path().join(".palisade/tiles"), project.outside().join("aside"));
    fs::rename(&tiles, &aside).unwrap();
    let ran = project.palisade(&["audit", "verify"]).exits(20);
    ran.says("a view made of them does not", "", "journal rebuild");
    fs::rename(&aside, &tiles).unwrap();
    for file in [&one, &all] {
        let told = project.palisade(&["audit", "verify", "--checkpoint", file]).exits(20);
        assert!(told.stderr.contains("first bad sequence"), "{told:?}");
    }
    // Nor does it go on: the node's own signature is longer.
    let ran = project.run_steps("  - { name: b, run: [echo, more] }\n").exits(20);
    assert!(ran.stderr.contains("its checkpoint says"), "{ran:?}");
}

#[test]
fn a_signed_checkpoint_that_was_taken_away_is_told() {
    let project = lived_in();
    // The second node's first record names what the first one signed.
    project.run_steps("  - { name: b, run: [echo, more] }\n").exits(0);
    project.palisade(&["audit", "verify"]).exits(0);
    let checkpoint = project.path().join(".palisade/tiles/log/default/0/checkpoint");
    let kept = fs::read(&checkpoint).unwrap();
    fs::remove_file(&checkpoint).unwrap();
    let ran = project.palisade(&["audit", "verify"]).exits(20);
    ran.says("was signed, and is not here", "", "put the folder `tiles` back");
    // Nor does a key that cannot be used hide it.
    let key = project.path().join(".palisade/keys/node.ed25519");
    set_mode(&key, 0o644);
    let ran = project.palisade(&["audit", "verify"]).exits(20);
    ran.says("was signed, and is not here", "", "");
    set_mode(&key, 0o600);
    fs::remove_dir_all(project.path().join(".palisade/tiles")).unwrap();
    let ran = project.palisade(&["audit", "verify"]).exits(20);
    ran.says("was signed, and is not here", "", "");
    // The log itself is signed again, being the one it was; that of the logs cannot be made again, and every run says so.
    let ran = project.run_steps("  - { name: c, run: [echo, more] }\n").exits(20);
    ran.says("was signed, and is not here", "", "and the node's key away");
    assert_ne!(fs::read(&checkpoint).unwrap(), kept);
    let ran = project.palisade(&["audit", "checkpoint"]).exits(20);
    assert!(ran.stderr.contains("that are not the ones there now"), "{ran:?}");
    // A backup has what was signed.
    let other = lived_in();
    let copy = other.outside().join("copy");
    other.palisade(&["journal", "backup", &copy.display().to_string()]).exits(0);
    assert!(copy.join("tiles/server/kept/tile/entries/000.p").is_dir());
    assert!(copy.join("tiles/log/default/0/checkpoint").exists());
}

#[test]
fn a_log_is_shown_to_have_only_grown() {
    let project = lived_in();
    let kept = outside(&project, "kept");
    project.palisade(&["audit", "checkpoint", "-o", &kept]).exits(0);
    project.run_steps("  - { name: b, run: [echo, more] }\n").exits(0);
    let told = project.palisade(&["audit", "prove", "--since", &kept]).exits(0).stdout;
    assert!(told.starts_with("old ") && told.contains("\n\u{2014} palisade/"), "{told}");
}

#[test]
fn a_key_that_others_can_read_signs_nothing() {
    let project = lived_in();
    let key = project.path().join(".palisade/keys/node.ed25519");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let told = project.palisade(&["audit", "checkpoint"]).exits(1);
    told.says("can be read by others", "", "treat it as known");
    project.run_steps("  - { name: b, run: [echo, more] }\n").exits(1);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    project.palisade(&["audit", "checkpoint"]).exits(0);
}

#[test]
fn tiles_are_written_once_and_again_for_more() {
    let project = lived_in();
    let folder = outside(&project, "tiles");
    for _ in 0..2 {
        let told = project.palisade(&["audit", "tiles", &folder, "--json"]).exits(0).json();
        assert_eq!(told.as_array().unwrap().len(), 2);
    }
    for name in ["log/default/0/checkpoint", "server/checkpoint", "server/tile/0/000.p/1"] {
        let path = Path::new(&folder).join(name);
        assert!(path.exists(), "{name}");
        // A web server of another user can read all of it.
        for folder in path.ancestors().skip(1).take_while(|path| path.starts_with(&folder)) {
            assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o7777, 0o755);
        }
    }
    let own = project.path().join(".palisade/tiles");
    assert_eq!(fs::metadata(own).unwrap().permissions().mode() & 0o7777, 0o700);
    project.run_steps("  - { name: b, run: [echo, more] }\n").exits(0);
    project.palisade(&["audit", "tiles", &folder]).exits(0);
    // Another project's tiles are not continued.
    let refused = lived_in().palisade(&["audit", "tiles", &folder]).exits(20);
    assert!(refused.stderr.contains("are not those of the log"), "{refused:?}");
}

fn git(folder: &Path, words: &[&str]) -> String {
    let ran = Command::new("git").args(words).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn anchors_in_git_and_files_grow_with_a_receipt_each_and_refuse_another_history() {
    let project = lived_in();
    let (bare, file) = (project.outside().join("anchors"), outside(&project, "anchor"));
    fs::create_dir(&bare).unwrap();
    git(&bare, &["init", "--quiet", "--bare"]);
    let bare_path = bare.display().to_string();
    let places: [&[&str]; 2] = [&["--git", &bare_path], &["--file", &file]];
    for place in places {
        let anchor = || project.palisade(&[&["audit", "anchor", "--json"], place].concat());
        let first = anchor().exits(0).json();
        assert_eq!(first["before"], serde_json::Value::Null);
        let second = anchor().exits(0).json();
        assert_eq!(second["before"], first["size"]);
        let receipt = second["receipt"].as_u64().unwrap();
        let records = project.palisade(&["audit", "export", "--from", &receipt.to_string()]);
        let record = &records.exits(0).json_lines()[0];
        assert_eq!(record["kind"], "audit.anchored");
        assert_eq!(record["payload"]["root"], second["root"]);
        assert_eq!(record["payload"]["commit"], second["commit"]);
    }
    let branch = "refs/heads/checkpoints";
    assert_eq!(git(&bare, &["rev-list", "--count", branch]).trim(), "2");
    let name = key(&project).split('+').next().unwrap().to_owned();
    let kept = git(&bare, &["show", &format!("{branch}:{name}/checkpoint")]);
    assert!(kept.starts_with(&name), "{kept}");
    project.palisade(&["audit", "verify", "--checkpoint", &file]).exits(0);
    // The log of logs written anew: the same key, another history.
    fs::remove_dir_all(project.path().join(".palisade/tiles")).unwrap();
    for place in places {
        let refused = project.palisade(&[&["audit", "anchor"], place].concat()).exits(20);
        assert!(refused.stderr.contains("that are not the ones there now"), "{refused:?}");
    }
    assert_eq!(git(&bare, &["rev-list", "--count", branch]).trim(), "2");
}

#[test]
fn what_opens_an_anchors_repository_is_neither_recorded_nor_told() {
    const TOKEN: &str = "tOkEn-0f-ThE-bOt";
    let project = lived_in();
    let bare = project.outside().join("anchors");
    fs::create_dir(&bare).unwrap();
    git(&bare, &["init", "--quiet", "--bare"]);
    let address = format!("file://bot:{TOKEN}@localhost{}", bare.display());
    let anchored = project.palisade(&["audit", "anchor", "--git", &address]).exits(0);
    // A program that git starts repeats whom it was given; git by itself lets that be seen.
    let elsewhere = format!("ssh://{TOKEN}@localhost/x");
    let repeats = |command: &mut Command| {
        command.env("GIT_SSH_COMMAND", "sh -c 'echo \"$0: denied\" >&2; exit 255'");
        run(command.env("GIT_SSH_VARIANT", "simple"))
    };
    let words = ["audit", "anchor", "--git", &elsewhere];
    let refused = repeats(&mut project.command(&words)).exits(1);
    assert!(refused.stderr.contains("localhost: denied"), "{refused:?}");
    let control = repeats(Command::new("git").args(["ls-remote", &elsewhere]));
    assert!(control.stderr.contains(TOKEN), "{control:?}");
    let records = project.palisade(&["audit", "export"]).exits(0);
    let receipts = records.json_lines();
    let receipt = receipts.iter().rfind(|record| record["kind"] == "audit.anchored").unwrap();
    let target = format!("file://localhost{} checkpoints", bare.display());
    assert_eq!(receipt["payload"]["target"], target);
    for text in [anchored.all(), refused.all(), records.all()] {
        assert!(!text.contains(TOKEN), "{text}");
    }
    let database = fs::read(project.database()).unwrap();
    assert!(!database.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()));
}

#[test]
fn a_repository_for_anchors_that_came_with_a_project_runs_nothing() {
    let project = lived_in();
    let (bare, told) = (project.outside().join("anchors"), project.outside().join("told"));
    fs::create_dir(&bare).unwrap();
    git(&bare, &["init", "--quiet", "--bare"]);
    let planted = project.path().join(".palisade/anchors.git");
    fs::create_dir(&planted).unwrap();
    git(&planted, &["init", "--quiet", "--bare"]);
    let hook = planted.join("hooks/reference-transaction");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\ntouch '{}'\n", told.display())).unwrap();
    set_mode(&hook, 0o755);
    // Control: git itself runs it.
    git(&planted, &["symbolic-ref", "HEAD", "refs/heads/x"]);
    let blob = git(&planted, &["hash-object", "-w", "-t", "tree", "/dev/null"]);
    let commit =
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", blob.trim(), "-m", "x"];
    let commit = git(&planted, &commit);
    git(&planted, &["update-ref", "refs/heads/x", commit.trim()]);
    fs::remove_file(&told).unwrap();
    project.palisade(&["audit", "anchor", "--git", bare.to_str().unwrap()]).exits(0);
    assert!(!told.exists());
    assert_eq!(git(&bare, &["rev-list", "--count", "refs/heads/checkpoints"]).trim(), "1");
}

#[test]
fn an_anchor_that_cannot_be_is_refused_with_its_reason() {
    let project = lived_in();
    let check = |words: &[&str], code: i32, what: &str| {
        let ran = project.palisade(&[&["audit", "anchor"], words].concat()).exits(code);
        assert!(ran.stderr.contains(what), "{ran:?}");
    };
    check(&[], 2, "--file");
    check(&["--git", "/nowhere/at/all"], 1, "git ls-remote");
    check(&["--git", "x", "--branch", "a b"], 2, "is not a repository and a branch");
    check(&["--git=--upload-pack=x"], 2, "is not a repository and a branch");
    check(&["--file", "/nowhere/at/all"], 1, "cannot be used");
    let foreign = outside(&project, "foreign");
    fs::write(&foreign, "hello\n").unwrap();
    check(&["--file", &foreign], 20, "not a checkpoint of this node");
    assert_eq!(fs::read_to_string(foreign).unwrap(), "hello\n");
}
