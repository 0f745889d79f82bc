//! Programs that tests need and a fresh machine does not have: installs them, or stops loudly.
//!
//! Only for tests, only as root on Debian and its kin. Uses nothing but the standard library, so
//! that a crate below this one can include the file by its path.

#![allow(clippy::panic, reason = "a test without its program should stop loudly")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Where a program may be; the folders of the system, so that a wrapper in a home folder is not
/// taken for the program.
const FOLDERS: [&str; 6] =
    ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The path of `program`, installed from `packages` first if it is not there.
///
/// # Panics
/// When it is not there and cannot be installed: a test that needs it has nothing to say then.
pub fn installed(program: &str, packages: &[&str]) -> PathBuf {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = find(program) {
        return found;
    }
    apt(&["update", "-qq"]);
    let quiet = ["install", "-y", "-qq", "--no-install-recommends"];
    apt(&[&quiet[..], packages].concat());
    find(program).unwrap_or_else(|| panic!("`{program}` is not there after {packages:?}"))
}

/// Where `program` is, if it is there.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists())
}

/// Waits for others that install something at the same time.
fn apt(arguments: &[&str]) {
    let status = Command::new("apt-get")
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => {}
        other => panic!(
            "`apt-get {}` failed ({other:?}); install by hand, or run as root on Debian",
            arguments.join(" ")
        ),
    }
}
