//! One class as one user: a process of its own, with a secret in its environment and memory.
//!
//! Root runs each class twice, the second time as a user without any privilege; an ordinary user
//! runs it once. The process prints a table and ends badly when a case does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use tempfile::TempDir;

use crate::case::{Case, Class};
use crate::cases::of;
use crate::scene::{PLACE, PROGRAM, is_root, publish, random};
use crate::trial::{Report, run as try_case};
use crate::walls::name;

const CLASS: &str = "ESCAPE_CLASS";
/// A secret of the supervisor, as half of it is told to attempts that search for it.
pub const SECRET: &str = "ESCAPE_SECRET";
/// A folder in which root has put things for an ordinary user.
pub const PREPARED: &str = "ESCAPE_PREPARED";
/// What is in the file only root may read, for comparison.
pub const PREPARED_SECRET: &str = "ESCAPE_PREPARED_SECRET";
const NOBODY: u32 = 65534;

/// Trials at one time; they mostly wait. Where descriptors are left open on purpose, one trial must
/// not see those of another.
fn at_once(class: Class) -> usize {
    match class {
        Class::Descriptors | Class::Tty => 1,
        _ => 3,
    }
}

/// A folder, readable for everybody, with the attack program and this one.
pub fn program_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("palisade-attack-").tempdir_in(PLACE).unwrap();
    publish(folder.path());
    copy(Path::new(env!("ATTACK")), &folder.path().join("attack"));
    folder
}

/// Copies a program so that everybody can run it. Another process does the writing: one that this
/// process starts in another thread at the same time would hold the file open, and nobody could
/// run it then.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").args([from, to]).status().unwrap().success());
    publish(to);
}

/// Runs a class as this user and, as root, as an ordinary one.
pub fn run(class: Class) {
    let folder = program_folder();
    // Not where the attack program is, which every sandbox shows.
    let copies = tempfile::Builder::new().prefix("palisade-tests-").tempdir_in(PLACE).unwrap();
    publish(copies.path());
    let own = copies.path().join("tests");
    copy(&std::env::current_exe().unwrap(), &own);
    let mut faults = one(class, &own, &folder, None);
    if is_root() {
        faults.push_str(&one(class, &own, &folder, Some(NOBODY)));
    }
    assert!(faults.is_empty(), "{class}: {faults}");
}

/// Runs a class in a process of its own; returns what is wrong.
fn one(class: Class, own: &Path, folder: &TempDir, user: Option<u32>) -> String {
    let mut command = Command::new(own);
    command
        .args(["--exact", "one_pass", "--nocapture"])
        .current_dir("/")
        .env(CLASS, format!("{class:?}"))
        .env(SECRET, format!("{}-{}", random(), random()))
        .env(PROGRAM, folder.path());
    if let Some(id) = user {
        let (prepared, secret) = prepare(own.with_file_name("prepared"));
        command.uid(id).gid(id).env(PREPARED, prepared).env(PREPARED_SECRET, secret);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{text}");
    if output.status.success() {
        return String::new();
    }
    format!("{text}\n{}\n", String::from_utf8_lossy(&output.stderr))
}

/// What root leaves lying about: programs that would give their caller root's rights, and a secret
/// only root may read.
fn prepare(folder: PathBuf) -> (PathBuf, String) {
    fs::create_dir(&folder).unwrap();
    publish(&folder);
    let secret = format!("{}-{}", random(), random());
    fs::write(folder.join("secret"), &secret).unwrap();
    fs::set_permissions(folder.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    for name in ["set-user-id", "with-capability"] {
        copy(Path::new(env!("ATTACK")), &folder.join(name));
    }
    let special = fs::Permissions::from_mode(0o4755);
    fs::set_permissions(folder.join("set-user-id"), special).unwrap();
    // Version 2, effective, CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH permitted.
    let value: Vec<u8> =
        [0x0200_0001_u32, 0x06, 0, 0, 0].into_iter().flat_map(u32::to_le_bytes).collect();
    let file = folder.join("with-capability");
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&file, "security.capability", &value, flags).unwrap();
    (folder, secret)
}

/// The process [`run`] starts.
pub fn inner() {
    let Ok(wanted) = std::env::var(CLASS) else { return };
    let class = Class::ALL.into_iter().find(|class| format!("{class:?}") == wanted).unwrap();
    let queue = Mutex::new(of(class).iter());
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once(class) {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().next() else { break };
                    let report = try_case(case, std::env::var_os(PREPARED).is_some());
                    reports.lock().unwrap().push((case, report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap();
    reports.sort_by_key(|(case, _)| case.name);
    println!("\n{class}, as user {}", rustix::process::geteuid().as_raw());
    reports.iter().for_each(|(case, report)| show(case, report));
    let faults: Vec<String> = reports
        .iter()
        .flat_map(|(case, report)| {
            report.faults.iter().map(|fault| format!("{}: {fault}", case.name))
        })
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn show(case: &Case, report: &Report) {
    let control = report.control.as_ref().map_or("-", |seen| seen.answer.as_str());
    let alone: Vec<String> = report
        .alone
        .iter()
        .map(|(wall, seen)| format!("{}: {}", name(*wall), seen.answer))
        .collect();
    let only = case.walls.first().filter(|_| case.walls.len() == 1).map(|wall| name(*wall));
    let layers = only.map_or_else(|| alone.join("; "), str::to_owned);
    println!("  {:34} {:18} control: {control:10} {layers}", case.name, report.held.answer);
}
