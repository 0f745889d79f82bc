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
use sandbox::surroundings::{Container, Groups, Surroundings};
use sandbox::{Host, LaunchError, Layer, Mechanism, Probe, Refusal, launch_on, probe};
use support::Project;

fn good() -> Facts {
    Facts {
        kernel: "6.18.44-test".to_owned(),
        landlock: Some(7),
        landlock_floor: 1,
        trial: Trial::Passed,
        memory: Some(Mechanism::CgroupV2),
        processes: Some(Mechanism::CgroupV2),
        cpu: Some(Mechanism::CgroupV2),
        surroundings: Surroundings::default(),
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
    let each = judge(&Facts { memory: Some(Mechanism::Watchdog), ..good() });
    assert!(each.is_usable());
    assert!(layer(&each, "memory limit").detail.contains("by a watchdog"));
    assert!(layer(&each, "memory limit").fix.is_some());
    let failed = judge(&Facts { trial: Trial::Failed("no".to_owned()), ..good() });
    assert!(!failed.is_usable());
}

/// One fact that differs from a good host, the row that tells of it, and what it says.
#[test]
fn every_kind_of_host_is_explained() {
    let around = |surroundings| Facts { surroundings, ..good() };
    let none = Surroundings::default;
    let refused = |layer, text: &str| {
        Trial::Refused(Refusal { layer, reason: text.to_owned(), fix: format!("allow {text}") })
    };
    let unified = Surroundings { groups: Groups::Unified, ..none() };
    let podman = Some(Container::Podman);
    for (facts, row, usable, says) in [
        (Facts { kernel: "5.4.0".to_owned(), ..good() }, "kernel", false, "`openat2`"),
        (Facts { kernel: "5.12.9".to_owned(), ..good() }, "kernel", false, "too old for landlock"),
        (Facts { landlock_floor: 8, ..good() }, "landlock", false, "generation 7 and 8"),
        (Facts { landlock: Some(3), ..good() }, "landlock", true, "files only"),
        (
            Facts { trial: refused(Layer::UserNamespace, "userns"), ..good() },
            "user namespace",
            false,
            "allow userns",
        ),
        (
            Facts { trial: refused(Layer::UserNamespace, "userns"), ..good() },
            "seccomp",
            false,
            "not tried: the user namespace is missing",
        ),
        (
            Facts { memory: None, trial: refused(Layer::Landlock, "lsm"), ..good() },
            "memory limit",
            false,
            "not tried",
        ),
        (Facts { cpu: None, surroundings: unified, ..good() }, "cpu limit", true, "Delegate=yes"),
        (around(Surroundings { container: podman, ..none() }), "container", true, "Podman"),
        (
            around(Surroundings { proc_hides: Some("2".to_owned()), ..none() }),
            "proc",
            true,
            "without `hidepid`",
        ),
        (
            around(Surroundings { tmp_options: vec!["noexec".to_owned()], ..none() }),
            "temporary folder",
            true,
            "remount `/tmp`",
        ),
    ] {
        let found = judge(&facts);
        assert_eq!(found.is_usable(), usable, "{row}");
        let row = layer(&found, row);
        let text = format!("{} {}", row.detail, row.fix.clone().unwrap_or_default());
        assert!(text.contains(says), "{row:?} should say {says}");
    }
    let names = |facts: &Facts| -> Vec<&str> {
        judge(facts).layers.iter().map(|layer| layer.name).collect()
    };
    let nosuid = Surroundings { tmp_options: vec!["nosuid".to_owned()], root: true, ..none() };
    let quiet = Surroundings { proc_hides: Some("2".to_owned()), ..nosuid };
    assert_eq!(names(&around(quiet)), names(&good()), "what does not matter is not told");
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
