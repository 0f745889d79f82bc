//! Many sandboxes with a network in a row leave no descriptor, and so no network, behind.
//!
//! In a binary of its own, because it counts what this whole process has.
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

use std::os::fd::OwnedFd;
use std::sync::Arc;

use sandbox::{Network, Profile, launch};
use support::Project;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_hundred_with_a_listener_and_descriptors_leave_nothing() {
    let project = Project::new();
    let mut spec = project.sh("true");
    (spec.profile, spec.network) = (Profile::StandardNet, Network::Proxy);
    let null: Arc<OwnedFd> = Arc::new(std::fs::File::open("/dev/null").unwrap().into());
    spec.handed = vec![null; 4];
    let one = |take: bool| {
        let mut child = launch(&spec).unwrap();
        let kept = take.then(|| child.take_listener().unwrap());
        child.wait(&mut |_, _| {});
        kept
    };
    drop(one(true));
    let before = descriptors();
    let kept = one(true);
    assert_eq!(descriptors(), before + 1, "control: a listener that is kept is seen");
    drop(kept);
    for round in 0..100 {
        drop(one(round % 2 == 0));
    }
    // Dropped without being waited for, and refused.
    drop(launch(&spec).unwrap());
    spec.cwd = "/missing".into();
    assert!(launch(&spec).is_err());
    assert_eq!(descriptors(), before);
}
