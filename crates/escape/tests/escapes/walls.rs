//! Walls by name, and the proof that a launch without one is noticed.
//! What a wall is made of is in the sandbox.

use weakened::LaunchError;
use weakened::weaken::{Wall, launch_without};

use crate::scene::Scene;

/// The name used in the table and on the page.
pub fn name(wall: Wall) -> &'static str {
    match wall {
        Wall::PrivateRoot => "private root",
        Wall::ReadOnly => "read-only mounts",
        Wall::Inert => "`nosuid`, `nodev`",
        Wall::Overlay => "workspace overlay",
        Wall::HiddenPaths => "hidden paths",
        Wall::ProcView => "read-only `/proc`, masks",
        Wall::Quotas => "own quotas",
        Wall::Links => "no links at set-up",
        Wall::PidNamespace => "pid namespace",
        Wall::IpcNamespace => "ipc namespace",
        Wall::UtsNamespace => "uts namespace",
        Wall::NetworkNamespace => "network namespace",
        Wall::Capabilities => "capabilities",
        Wall::Landlock => "landlock",
        Wall::Seccomp => "seccomp",
        Wall::Descriptors => "closed descriptors",
        Wall::Undumpable => "closed first process",
        Wall::Environment => "own environment",
        Wall::SealedInput => "sealed input",
        Wall::Proof => "self-probe",
    }
}

/// Walls whose absence the self-probe sees before anything is executed.
const PROVED: [Wall; 9] = [
    Wall::ReadOnly,
    Wall::Overlay,
    Wall::PidNamespace,
    Wall::IpcNamespace,
    Wall::UtsNamespace,
    Wall::NetworkNamespace,
    Wall::Capabilities,
    Wall::Landlock,
    Wall::Seccomp,
];

/// The self-probe is up, one wall is down: nothing is executed.
pub fn each_is_missed() {
    let folder = crate::pass::program_folder();
    let spec = || {
        let mut scene = Scene::new();
        scene.spec.mounts[0].source = folder.path().to_owned();
        scene.leave(&["stay", "0"]);
        scene
    };
    assert!(launch_without(&spec().spec, &[]).is_ok(), "control: a whole sandbox starts");
    for wall in PROVED.into_iter().chain([Wall::Undumpable]) {
        match launch_without(&spec().spec, &[wall]) {
            Err(LaunchError::Unproved { check }) => println!("without {}: {check}", name(wall)),
            Err(other) => panic!("without {}: {other}", name(wall)),
            Ok(_) => panic!("launched without {}", name(wall)),
        }
    }
}
