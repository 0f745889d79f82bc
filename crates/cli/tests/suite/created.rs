//! Files that commands are handed and that they make: what is there is never overwritten, and what is of another kind
//! is a mistake of the command line and no evidence of anything.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Project, workflow};

/// A project with a finished run, a proof, a signed and an unsigned checkpoint, and the key, by name.
fn project() -> Project {
    let project = Project::new();
    project.file("good.yaml", workflow("  - { name: a, run: [echo, x] }\n"));
    project.palisade(&["run", "good.yaml"]).exits(0);
    for words in [
        &["audit", "prove", "3", "-o", "proof"][..],
        &["audit", "checkpoint", "-o", "signed"],
        &["audit", "verify", "--write-checkpoint", "unsigned"],
    ] {
        project.palisade(words).exits(0);
    }
    let key = project.palisade(&["audit", "checkpoint", "--key"]).exits(0).stdout;
    project.file("key", key);
    project
}

#[test]
fn no_command_overwrites_a_file_it_is_to_make() {
    let project = project();
    let before = fs::read(project.path().join("good.yaml")).unwrap();
    let check = |words: &[&str]| {
        project.palisade(&[words, &["good.yaml"]].concat()).exits(5).says(
            "`good.yaml` exists",
            "nothing is overwritten",
            "name a file that does not exist",
        );
        assert_eq!(fs::read(project.path().join("good.yaml")).unwrap(), before, "{words:?}");
    };
    check(&["audit", "checkpoint", "-o"]);
    check(&["audit", "checkpoint", "--all", "-o"]);
    check(&["audit", "prove", "3", "-o"]);
    check(&["audit", "prove", "--since", "signed", "-o"]);
    check(&["audit", "verify", "--write-checkpoint"]);
    check(&["audit", "export", "-o"]);
    // The control: under a new name each is made, for its owner alone.
    for (name, words) in [
        ("one", &["audit", "checkpoint", "-o"][..]),
        ("two", &["audit", "prove", "3", "-o"]),
        ("three", &["audit", "prove", "--since", "signed", "-o"]),
        ("four", &["audit", "verify", "--write-checkpoint"]),
    ] {
        project.palisade(&[words, &[name]].concat()).exits(0);
        let made = fs::metadata(project.path().join(name)).unwrap();
        assert_eq!((made.permissions().mode() & 0o777, made.len() > 0), (0o600, true), "{name}");
    }
}

#[test]
fn a_key_is_used_or_refused_and_a_tail_has_records() {
    let project = project();
    let verify = |more: &[&str]| project.palisade(&[&["audit", "verify"], more].concat());
    verify(&["--key", "nope"]).exits(2).says("is missing", "", "palisade audit verify --help");
    verify(&["--checkpoint", "signed", "--key", "nope"]).exits(2).says("not a public key", "", "");
    verify(&["--checkpoint", "signed", "--key", "key"]).exits(0);
    let unsigned = verify(&["--checkpoint", "unsigned", "--key", "key"]).exits(2);
    unsigned.says("is not signed", "a key says nothing about it", "leave `--key` away");
    verify(&["--checkpoint", "unsigned"]).exits(0);
    verify(&["--tail", "0"]).exits(2).says("`0` cannot be", "from 1 on", "");
    assert!(verify(&["--tail", "1"]).exits(0).stdout.starts_with("1 record and"));
}

#[test]
fn a_file_of_another_kind_is_a_mistake_and_a_changed_one_is_evidence() {
    let project = project();
    for words in [
        &["audit", "verify", "--key", "key", "--proof", "signed"][..],
        &["audit", "verify", "--key", "key", "--disclosure", "proof"],
        &["audit", "verify", "--checkpoint", "proof.txt"],
        &["audit", "prove", "--since", "unsigned"],
    ] {
        project.file("proof.txt", "nothing of the kind\n");
        let ran = project.palisade(words).exits(2);
        assert!(ran.stderr.contains("fix: name a file written by"), "{words:?}: {ran:?}");
    }
    // The control: what was changed is of the kind, and does not verify.
    let proof = fs::read_to_string(project.path().join("proof")).unwrap();
    let verify = ["audit", "verify", "--key", "key", "--proof", "changed"];
    project.file("changed", &proof);
    project.palisade(&verify).exits(0);
    let (head, rest) = proof.split_at(proof.len() / 2);
    let at = rest.find('A').unwrap();
    project.file("changed", format!("{head}{}B{}", &rest[..at], &rest[at + 1..]));
    project.palisade(&verify).exits(20);
    // A place that cannot be written is no failed verification either.
    project.palisade(&["audit", "tiles", "/proc/x"]).exits(1).says("", "", "can be written");
}
