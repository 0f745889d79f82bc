//! What was signed, by whichever node and with or without its key, and what else a verification holds records against.
//! Each damage is found by the whole command, told with its place, and told with a remedy that destroys nothing.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::audit::attack;
use crate::support::{POLICY, Project, Ran, set_mode};

const MORE: &str = "  - { name: a, run: [echo, hello] }\n";

/// A project with so many finished runs.
fn lived_in(runs: u32) -> Project {
    let project = Project::new();
    (0..runs).for_each(|_| drop(project.run_steps(MORE).exits(0)));
    project
}

fn inside(project: &Project, name: &str) -> PathBuf {
    project.path().join(".palisade").join(name)
}

fn node_key(project: &Project) -> PathBuf {
    inside(project, "keys/node.ed25519")
}

fn verify(project: &Project, more: &[&str]) -> Ran {
    project.palisade(&[&["audit", "verify"], more].concat())
}

/// Takes the newest records away as somebody does who leaves no other trace in the database.
fn cut(project: &Project) {
    attack(&project.database(), "DELETE FROM event WHERE id > (SELECT max(id) - 5 FROM event)");
    fs::remove_file(inside(project, "palisade.db.checkpoint")).unwrap();
    project.palisade(&["journal", "rebuild"]).exits(0);
    fs::remove_file(inside(project, "palisade.db.checkpoint")).unwrap();
}

#[test]
fn a_restored_backup_goes_on_under_another_key_and_verifies() {
    let old = lived_in(2);
    let copy = old.outside().join("copy");
    old.palisade(&["journal", "backup", &copy.display().to_string()]).exits(0);
    let project = Project::bare();
    fs::rename(&copy, project.path().join(".palisade")).unwrap();
    project.file(".palisade/policy.yaml", POLICY);
    // Without a key everything is compared, and nothing is verified with one.
    let told = verify(&project, &["--json"]).exits(0).json();
    assert!(told["unproved"].as_u64().unwrap() > 0, "{told}");
    for _ in 0..2 {
        project.run_steps(MORE).exits(0);
        let told = verify(&project, &["--json"]).exits(0).json();
        assert!(told["unproved"].as_u64() < told["checkpoints"].as_u64(), "{told}");
    }
    // As for the node before, where its key became known and was moved away.
    fs::remove_file(node_key(&old)).unwrap();
    old.run_steps(MORE).exits(0);
    verify(&old, &[]).exits(0);
    // Controls: what the new node signed must be there, and what the old one signed must fit.
    let newest = inside(&project, "tiles/log/default/0/checkpoint");
    let kept = fs::read(&newest).unwrap();
    fs::remove_file(&newest).unwrap();
    verify(&project, &[]).exits(20).says("was signed, and is not here", "", "");
    fs::write(&newest, kept).unwrap();
    verify(&project, &[]).exits(0);
    fs::remove_file(node_key(&project)).unwrap();
    cut(&project);
    verify(&project, &[]).exits(20).says("first bad sequence", "", "restore a backup");
}

#[test]
fn without_a_key_that_can_be_used_what_was_signed_still_counts() {
    let project = lived_in(2);
    let (key, aside) = (node_key(&project), project.outside().join("key"));
    let good = fs::read(&key).unwrap();
    let write = |bytes: &[u8], mode: u32| {
        fs::write(&key, bytes).unwrap();
        set_mode(&key, mode);
    };
    let ways: [(&str, &dyn Fn()); 6] = [
        ("can be read by others", &|| write(&good, 0o644)),
        ("is damaged", &|| write(b"", 0o600)),
        ("is damaged", &|| write(&good[..20], 0o600)),
        ("is damaged", &|| write(&[&good[..], b"x\n"].concat(), 0o600)),
        ("is not a plain file", &|| {
            fs::remove_file(&key).unwrap();
            fs::create_dir(&key).unwrap();
        }),
        ("", &|| fs::rename(&key, &aside).unwrap()),
    ];
    let back = || {
        drop(fs::remove_dir(&key));
        write(&good, 0o600);
    };
    for cut_off in [false, true] {
        if cut_off {
            cut(&project);
            verify(&project, &[]).exits(20).says("first bad sequence", "", "");
        } else {
            verify(&project, &[]).exits(0);
        }
        for (why, way) in &ways {
            way();
            let ran = verify(&project, &[]);
            match (cut_off, why.is_empty()) {
                (true, _) => drop(ran.exits(20).says("first bad sequence", "", "")),
                (false, true) => {
                    assert!(ran.exits(0).stdout.contains("without the key"), "{why}");
                }
                (false, false) => {
                    let ran = ran.exits(20).says("node.ed25519", "key that signed", "");
                    drop(ran.says(why, "", ""));
                    assert_eq!(verify(&project, &["--json"]).json()["verified"], false);
                }
            }
            back();
        }
    }
}

#[test]
fn with_the_key_and_all_that_was_signed_gone_the_records_tell_of_it() {
    let project = lived_in(2);
    fs::rename(node_key(&project), project.outside().join("key")).unwrap();
    fs::rename(inside(&project, "tiles"), project.outside().join("tiles")).unwrap();
    let ran = verify(&project, &[]).exits(20);
    ran.says("there is no key at", "records tell", "another log");
    // The remedy: what goes on is another log.
    project.run_steps(MORE).exits(0);
    verify(&project, &[]).exits(0);
    // Control: a project that never signed anything has nothing to miss.
    let young = Project::new();
    young.run_steps(MORE).exits(0);
    fs::remove_file(node_key(&young)).unwrap();
    fs::remove_dir_all(inside(&young, "tiles")).unwrap();
    verify(&young, &[]).exits(0);
}

#[test]
fn another_nodes_longer_checkpoint_stops_the_start() {
    let project = lived_in(2);
    for name in ["palisade.db", "palisade.db.checkpoint", "keys/node.ed25519"] {
        fs::remove_file(inside(&project, name)).unwrap();
    }
    let note = inside(&project, "tiles/log/default/0/checkpoint");
    let signed = fs::read(&note).unwrap();
    let ran = project.run_steps(MORE).exits(20);
    ran.says(
        "its checkpoint says",
        "",
        "move the checkpoint file, `tiles` and the node's key away",
    );
    assert_eq!(fs::read(&note).unwrap(), signed);
    // Control: the remedy.
    fs::rename(inside(&project, "tiles"), project.outside().join("tiles")).unwrap();
    drop(fs::remove_file(node_key(&project)));
    project.run_steps(MORE).exits(0);
    verify(&project, &[]).exits(0);
}

#[test]
fn an_epoch_below_one_that_a_record_names_is_found_and_no_fence_is_given_twice() {
    let project = lived_in(4);
    let raw = Connection::open(project.database()).unwrap();
    let epoch: i64 = raw.query_row("SELECT epoch FROM owner", [], |row| row.get(0)).unwrap();
    raw.execute("UPDATE owner SET epoch = 1", []).unwrap();
    verify(&project, &[]).exits(20).says("`owner`", "epoch 1", "restore a backup");
    let before = project.palisade(&["runs", "list", "--json"]).exits(0).json();
    project.run_steps(MORE).exits(20).says("epoch 2", "", "audit verify");
    assert_eq!(project.palisade(&["runs", "list", "--json"]).exits(0).json(), before);
    // Control: as it was.
    raw.execute("UPDATE owner SET epoch = ?1", [epoch]).unwrap();
    drop(raw);
    verify(&project, &[]).exits(0);
    project.run_steps(MORE).exits(0);
    verify(&project, &[]).exits(0);
}

/// The newest bundle of entries of the log of logs.
fn entries(project: &Project) -> PathBuf {
    let folder = inside(project, "tiles/server/kept/tile/entries/000.p");
    let mut found = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    found.next().unwrap()
}

/// Requires that `change` of a file is told with the words given, and puts the file back.
fn changed(
    project: &Project,
    file: &Path,
    change: impl Fn(&mut Vec<u8>),
    told: [&str; 3],
    more: &[&str],
) {
    let good = fs::read(file).unwrap();
    let mut bytes = good.clone();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
    let ran = verify(project, more).exits(20).says(told[0], told[1], told[2]);
    assert!(!ran.stderr.contains("remove the folders"), "{}", ran.stderr);
    fs::write(file, good).unwrap();
}

#[test]
fn what_cannot_be_made_again_is_named_and_not_to_be_removed() {
    let project = lived_in(3);
    let all = project.outside().join("all").display().to_string();
    project.palisade(&["audit", "checkpoint", "--all", "-o", &all]).exits(0);
    let bundle = entries(&project);
    let name = bundle.file_name().unwrap().to_str().unwrap().to_owned();
    let file = format!("kept/tile/entries/000.p/{name}");
    for more in [&[][..], &["--checkpoint", &all]] {
        let appended = |bytes: &mut Vec<u8>| bytes.extend(b"x");
        changed(&project, &bundle, appended, [&file, "", "from a backup"], more);
        // A byte of the first entry's root, and one of its signature.
        for at in [60, 150] {
            let flipped = |bytes: &mut Vec<u8>| bytes[at] ^= 1;
            let told = [&*file, "", "keep the file as evidence"];
            changed(&project, &bundle, flipped, told, more);
            changed(&project, &bundle, flipped, ["entry at index 0", "", ""], more);
        }
        verify(&project, more).exits(0);
    }
    // Control: tiles do follow from the rest, and the remedy for them is another.
    let folder = project.outside().join("tiles").display().to_string();
    lived_in(1).palisade(&["audit", "tiles", &folder]).exits(0);
    let ran = lived_in(1).palisade(&["audit", "tiles", &folder]).exits(20);
    ran.says("are not those of the log", "", "remove the folders `tile`");
}

#[test]
fn a_checkpoint_kept_elsewhere_says_which_tree_it_is_of_after_the_records_were_looked_at() {
    let project = lived_in(3);
    let anchor = project.outside().join("anchor").display().to_string();
    project.palisade(&["audit", "anchor", "--file", &anchor]).exits(0);
    let key = project.palisade(&["audit", "checkpoint", "--key"]).exits(0).stdout.trim().to_owned();
    let node = key.split('+').next().unwrap();
    let against = ["--checkpoint", &anchor, "--key", &key];
    verify(&project, &against).exits(0);
    let server = inside(&project, "tiles/server");
    fs::rename(&server, project.outside().join("server")).unwrap();
    let ran = verify(&project, &against).exits(20);
    ran.says(&format!("checkpoint of `{node}` with"), "", "");
    // A record that was changed says more, and is looked for first.
    attack(
        &project.database(),
        "UPDATE event SET payload = CAST(payload || ' ' AS BLOB) WHERE id = BASE + 5",
    );
    verify(&project, &against).exits(20).says("first bad sequence 5", "", "restore a backup");
}

/// A change of the bytes of a database file.
type Damage = dyn Fn(&mut Vec<u8>);

#[test]
fn damage_of_the_first_page_is_damage_of_the_journal() {
    let project = lived_in(1);
    let good = fs::read(project.database()).unwrap();
    let noise = |bytes: &mut Vec<u8>| bytes[..4096].fill(0x5a);
    let flip = |at: usize, bit: u8| move |bytes: &mut Vec<u8>| bytes[at] ^= bit;
    let damages: [&Damage; 7] = [
        &noise,
        &flip(3, 1),
        &flip(71, 4),
        &flip(61, 32),
        // What SQLite does not look at, or makes something else of.
        &flip(18, 4),
        &flip(56, 1),
        &flip(80, 1),
    ];
    for damage in damages {
        let mut bytes = good.clone();
        damage(&mut bytes);
        fs::write(project.database(), &bytes).unwrap();
        assert_eq!(verify(&project, &["--json"]).exits(20).json()["verified"], false);
        let ran = verify(&project, &[]).exits(20);
        ran.says("does not verify: page 1", "", "restore a backup");
    }
    fs::write(project.database(), &good).unwrap();
    verify(&project, &[]).exits(0);
    // Control: where nothing says that it is a journal it is something else.
    let mut bytes = good;
    noise(&mut bytes);
    fs::write(project.database(), bytes).unwrap();
    fs::remove_file(inside(&project, "palisade.db.checkpoint")).unwrap();
    fs::remove_dir_all(inside(&project, "tiles")).unwrap();
    verify(&project, &[]).exits(1).says("is not a Palisade database", "", "the file is unchanged");
}

#[test]
fn whether_the_records_were_looked_at_is_told() {
    let project = lived_in(1);
    let good = fs::read(project.database()).unwrap();
    let check = |harm: &dyn Fn(), records: bool| {
        harm();
        let ran = verify(&project, &["--json"]).exits(20);
        assert_eq!(ran.json()["records_verified"] == true, records, "{ran:?}");
        assert_eq!(ran.stdout.contains("the records were not at fault"), records, "{ran:?}");
        for side in ["-wal", "-shm"] {
            drop(fs::remove_file(format!("{}{side}", project.database().display())));
        }
        fs::write(project.database(), &good).unwrap();
    };
    check(&|| fs::write(project.database(), &good[..good.len() / 2]).unwrap(), false);
    check(&|| fs::write(project.database(), &good[..4096]).unwrap(), false);
    // Control: what stands around records that verify.
    let raw = |sql: &str| Connection::open(project.database()).unwrap().execute_batch(sql).unwrap();
    check(&|| raw("DROP INDEX event_stream"), true);
    check(&|| raw("CREATE TABLE stowaway (a)"), true);
    verify(&project, &[]).exits(0);
}
