//! The real programs the tests work with, and installing them where that is possible.
//!
//! The sandbox shows a program only the system's own folders, so a part counts when it is there;
//! one in somebody's home does not. Nothing is installed without being root.

use crate::stage::{Failure, check, in_ci};
use std::path::Path;
use std::process::Command;

/// A program, the Debian package that brings it, and who needs it.
struct Part {
    program: &'static str,
    package: &'static str,
    purpose: Purpose,
}

enum Purpose {
    /// Tests fail without it.
    Needed,
    /// Only `palisade bench sandbox` compares itself with it.
    Compared,
}

const PARTS: &[Part] = &[
    Part { program: "git", package: "git", purpose: Purpose::Needed },
    Part { program: "python3", package: "python3", purpose: Purpose::Needed },
    Part { program: "podman", package: "podman", purpose: Purpose::Needed },
    Part { program: "busybox", package: "busybox-static", purpose: Purpose::Needed },
    Part { program: "bwrap", package: "bubblewrap", purpose: Purpose::Compared },
];

/// Folders a sandboxed program can see.
pub(super) const SYSTEM_FOLDERS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// Checks every part, and installs what is missing as root.
///
/// # Errors
/// In CI: a needed part is missing and cannot be installed. Elsewhere that is only said, and the
/// tests that need the part will fail and name it.
pub(super) fn provide() -> Result<(), Failure> {
    let mut missing = Vec::new();
    for part in PARTS {
        match (place(part.program), &part.purpose) {
            (Some(place), _) => println!("    {}: {place}", part.program),
            (None, Purpose::Needed) => missing.push(part),
            (None, Purpose::Compared) => {
                println!("    {}: not here; only benchmarks compare with it", part.program);
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|part| part.package).collect();
    if super::ordinary::is_root() && place("apt-get").is_some() {
        install(&packages)?;
    }
    missing.retain(|part| place(part.program).is_none());
    report(&missing)
}

fn report(missing: &[&Part]) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|part| part.package).collect();
    let message = format!(
        "missing from the system's folders: {}; install with: apt-get install -y {}",
        missing.iter().map(|part| part.program).collect::<Vec<_>>().join(", "),
        packages.join(" "),
    );
    if in_ci() {
        return Err(message.into());
    }
    println!("    WARNING: {message}");
    println!("    WARNING: tests that need them will fail.");
    Ok(())
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    check(apt().args(["update", "-qq"]))?;
    check(apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
}

/// Where a program is, among the system's folders.
fn place(program: &str) -> Option<String> {
    let mut places = SYSTEM_FOLDERS.iter().map(|folder| format!("{folder}/{program}"));
    places.find(|place| Path::new(place).exists())
}
