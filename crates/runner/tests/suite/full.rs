//! A node on a full disk. The disk is a real one of 24 MiB, in memory, in a mount namespace of its own: the test
//! starts itself again there.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::support::{Project, submission, to_the_end};
use runner::{Adopt, Doing, Unanswered};

const CHILD: &str = "PALISADE_TEST_FULL_DISK";
const NAME: &str = "full::a_submission_that_finds_no_room_is_refused_and_the_node_goes_on";
const SMALL: &str = "version: 1\nname: small\nsteps:\n  - { name: a, run: [\"true\"] }\n";

#[test]
fn a_submission_that_finds_no_room_is_refused_and_the_node_goes_on() {
    if let Some(disk) = std::env::var_os(CHILD) {
        return child(Path::new(&disk));
    }
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=24m,mode=0700 tmpfs \"$0\" && exec \"$@\"";
    let ran = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", mount])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(CHILD, folder.path())
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("the disk was full"), "{ran:?}");
}

fn child(disk: &Path) {
    let project = Project::new();
    let node = project.node(Doing::Nothing, Adopt::Nothing);
    let large = format!("{SMALL}#{}\n", "x".repeat(100_000));
    // What a node records as it starts is durable by then, so that nothing spends the reserve meanwhile.
    to_the_end(&node, SMALL);
    let ballast = disk.join("ballast");
    let mut file = File::create(&ballast).unwrap();
    for size in [65_536, 4096, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    // An open file keeps its room after it was removed.
    drop(file);
    println!("the disk was full");
    let refused = node.submit(submission(&large, None), None);
    assert!(matches!(refused, Err(Unanswered::Full)), "{refused:?}");
    // The control: with room it is taken by the same node, whose reserve was not touched.
    fs::remove_file(&ballast).unwrap();
    to_the_end(&node, &large);
    node.stop().unwrap();
}
