//! A host without a layer is refused, with the fix; this host is described layer by layer.
//! Missing layers are played by changing the facts, never the host.
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

use sandbox::probe::{Facts, Trial, judge};
use sandbox::{Host, LaunchError, Layer, Mechanism, Probe, launch_on, probe};
use support::Project;

fn good() -> Facts {
    Facts {
        kernel: "6.18.44-test".to_owned(),
        landlock: Some(7),
        trial: Trial::Passed,
        memory: Some(Mechanism::CgroupV2),
        processes: Some(Mechanism::CgroupV2),
    }
}

fn layer<'a>(probe: &'a Probe, name: &str) -> &'a sandbox::LayerStatus {
    probe.layers.iter().find(|layer| layer.name == name).unwrap()
}

#[test]
fn this_host_is_usable_and_every_layer_is_named() {
    let found = probe();
    assert!(found.is_usable(), "{found:#?}");
    for name in ["kernel", "user namespace", "landlock", "seccomp", "workspace overlay"] {
        assert!(layer(&found, name).available);
    }
    assert!(serde_json::to_string(&found).unwrap().contains("\"name\":\"kernel\""));
}

#[test]
fn what_is_missing_is_named_with_a_fix() {
    assert!(judge(&good()).is_usable());
    let old = judge(&Facts { kernel: "5.10.0-21-amd64".to_owned(), ..good() });
    assert!(!old.is_usable() && layer(&old, "kernel").fix.is_some());
    let bare = judge(&Facts { landlock: None, ..good() });
    assert!(!bare.is_usable());
    assert!(layer(&bare, "landlock").fix.as_ref().unwrap().contains("lsm="));
    let each = judge(&Facts { memory: Some(Mechanism::Rlimit), ..good() });
    assert!(each.is_usable());
    assert!(layer(&each, "memory limit").detail.contains("each process by itself"));
    let failed = judge(&Facts { trial: Trial::Failed("no".to_owned()), ..good() });
    assert!(!failed.is_usable());
}

#[test]
fn kernel_versions_are_compared_as_numbers() {
    for (kernel, usable) in [
        ("5.13.0", true),
        ("5.9.16", false),
        ("6.1.0-18-amd64", true),
        ("10.0", true),
        ("x", false),
    ] {
        let found = judge(&Facts { kernel: kernel.to_owned(), ..good() });
        assert_eq!(found.is_usable(), usable, "{kernel}");
    }
}

#[test]
fn without_landlock_nothing_is_launched() {
    let project = Project::new();
    let mut host = Host::current().clone();
    host.landlock = None;
    let Err(LaunchError::Unsupported(refusal)) = launch_on(&host, &project.sh("true")) else {
        panic!("launched without Landlock")
    };
    assert_eq!(refusal.layer, Layer::Landlock);
    assert!(refusal.fix.contains("5.13"));
    host.landlock = Some(1);
    let child = launch_on(&host, &project.sh("true")).expect("control: the oldest generation");
    assert_eq!(child.receipt().landlock.abi, 1);
    assert!(!child.receipt().landlock.tcp_denied);
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
