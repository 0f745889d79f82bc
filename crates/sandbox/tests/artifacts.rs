//! Files come out of a hostile workspace: only regular ones, only from within, only so many.
//! The tree is made by the program itself, as a hostile one would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly"
)]

mod support;

use sandbox::{End, Outcome, SkipReason, Spec};
use support::{Project, run};

fn collect(project: &Project, script: &str, patterns: &[&str]) -> Outcome {
    run(&spec(project, script, patterns))
}

fn spec(project: &Project, script: &str, patterns: &[&str]) -> Spec {
    let mut spec = project.sh(script);
    spec.artifacts = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    spec
}

fn paths(outcome: &Outcome) -> Vec<&str> {
    outcome.artifacts.iter().map(|artifact| artifact.path.to_str().unwrap()).collect()
}

fn skipped(outcome: &Outcome) -> Vec<(&str, SkipReason)> {
    outcome.skipped.iter().map(|skipped| (skipped.path.as_str(), skipped.reason)).collect()
}

#[test]
fn matching_files_that_were_written_are_offered() {
    let project = Project::new();
    project.file("notes/old.md", "old\n");
    let script = "mkdir -p notes/deep; echo new > notes/new.md; echo d > notes/deep/d.md; \
                  echo t > notes/t.txt; chmod 640 notes/new.md";
    let outcome = collect(&project, script, &["notes/*.md"]);
    assert_eq!(paths(&outcome), ["notes/new.md"], "not the old one, not the deep one");
    let artifact = &outcome.artifacts[0];
    assert_eq!((artifact.size, artifact.mode), (4, 0o640));
    assert_eq!(artifact.read().unwrap(), b"new\n");
    let all = collect(&project, script, &["**"]);
    assert_eq!(paths(&all), ["notes/deep/d.md", "notes/new.md", "notes/t.txt"]);
    assert_eq!(paths(&collect(&project, script, &[])), Vec::<&str>::new());
}

#[test]
fn artifacts_of_a_failed_program_are_offered_too() {
    let outcome = collect(&Project::new(), "echo log > run.log; exit 3", &["*.log"]);
    assert_eq!((outcome.end.clone(), paths(&outcome)), (End::Exited(3), vec!["run.log"]));
}

#[test]
fn links_and_special_files_are_not_followed() {
    let project = Project::new();
    let script = "ln -s /etc/passwd out.txt; ln -s / root; mkfifo pipe.txt; \
                  ln -s kept.txt near.txt; ln -s loop.txt loop.txt; mkdir d; ln -s ../.. d/up; \
                  perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0); bind(S,sockaddr_un(\"s.txt\"))'";
    let outcome = collect(&project, script, &["**"]);
    assert_eq!(paths(&outcome), Vec::<&str>::new());
    let mut found = skipped(&outcome);
    found.sort_by_key(|(path, _)| *path);
    let link = SkipReason::SymbolicLink;
    assert_eq!(
        found,
        [
            ("d/up", link),
            ("loop.txt", link),
            ("near.txt", link),
            ("out.txt", link),
            ("pipe.txt", SkipReason::NotAFile),
            ("root", link),
            ("s.txt", SkipReason::NotAFile),
        ]
    );
}

#[test]
fn odd_names_are_reported_in_plain_text() {
    let script = r"perl -e 'for (qq(a\nb), qq(c\xffd), qq(e f)) { open(F, q(>), $_); print F 1 }'";
    let outcome = collect(&Project::new(), script, &["**"]);
    assert_eq!(paths(&outcome), ["e f"]);
    let odd = SkipReason::OddName;
    assert_eq!(skipped(&outcome), [("a\\nb", odd), ("c\\xffd", odd)]);
}

#[test]
fn count_and_size_are_bounded() {
    let project = Project::new();
    let script = "for f in a b c d; do head -c 1000 /dev/zero > $f; done";
    let mut few = spec(&project, script, &["**"]);
    few.limits.artifact_count = 2;
    let outcome = run(&few);
    assert_eq!(paths(&outcome), ["a", "b"]);
    let many = SkipReason::TooMany;
    assert_eq!(skipped(&outcome), [("c", many), ("d", many)]);
    let mut small = spec(&project, "head -c 3000 /dev/zero > a; echo x > b", &["**"]);
    small.limits.artifact_bytes = 1000;
    let outcome = run(&small);
    assert_eq!(paths(&outcome), ["b"]);
    assert_eq!(skipped(&outcome), [("a", SkipReason::TooLarge)]);
}

#[test]
fn a_hostile_tree_is_walked_to_an_end() {
    let script = "i=0; while [ $i -lt 120 ]; do mkdir d && cd d || exit; i=$((i+1)); done; \
                  echo deep > deep.txt; cd /workspace; ln -s . self; mkdir locked; \
                  echo x > locked/x; chmod 000 locked";
    let outcome = collect(&Project::new(), script, &["**"]);
    assert_eq!(outcome.end, End::Exited(0));
    assert!(outcome.skipped.iter().any(|skipped| skipped.reason == SkipReason::TooDeep));
    let readable = paths(&outcome).contains(&"locked/x");
    assert_eq!(readable, support::is_root(), "what was locked stays locked for ordinary users");
}

#[test]
fn an_artifact_outlives_the_sandbox_and_the_project() {
    let project = Project::new();
    let outcome = collect(&project, "head -c 100000 /dev/zero > a", &["a"]);
    drop(project);
    assert_eq!(outcome.artifacts[0].read().unwrap().len(), 100_000);
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
