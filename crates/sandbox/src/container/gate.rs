//! A pause in the making of a container, while something of ours is put into its network.
//!
//! The OCI runtime calls hooks when the container's namespaces are there and nothing of the image
//! has run. Two programs every host has make a gate of that: one writes down the process the
//! runtime tells it about, one waits until a byte can be read. Without the gate the program could
//! be quicker than we are; with it, it begins when we say so or not at all.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};
use rustix::io::Errno;
use serde_json::json;

use super::error::ContainerError;
use super::place::STAGE;
use super::runtime::in_path;

/// What the runtime says of the container, on the scratch file system.
pub(super) const STATE_FILE: &str = "state";
/// The folder of the hooks, on the scratch file system.
pub(super) const HOOKS: &str = "hooks";
/// Where the last hook waits.
const GATE: &str = "gate";
/// How long it waits, in seconds; should this process die, the container is not made.
const PATIENCE: u32 = 60;

/// Makes the gate in the present folder, which is the scratch file system's.
pub(super) fn build() -> io::Result<()> {
    let program = |name| in_path(name).ok_or_else(|| io::Error::other(format!("no `{name}`")));
    let (writes, waits) = (program("tee")?, program("head")?);
    mknodat(CWD, GATE, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    std::fs::create_dir(HOOKS)?;
    let in_scratch = |name| format!("{STAGE}/{name}");
    let hooks = [
        ("1.json", &writes, vec!["tee".to_owned(), in_scratch(STATE_FILE)]),
        ("2.json", &waits, vec!["head".into(), "-c".into(), "1".into(), in_scratch(GATE)]),
    ];
    for (file, path, args) in hooks {
        let hook = json!({
            "version": "1.0.0",
            "hook": { "path": path, "args": args, "timeout": PATIENCE },
            "when": { "always": true },
            "stages": ["prestart"],
        });
        File::create(Path::new(HOOKS).join(file))?.write_all(hook.to_string().as_bytes())?;
    }
    Ok(())
}

/// Lets the container go on. Opening for both directions never waits for the other side; what is
/// returned has to be kept until the container runs, because an unread byte ends with it.
pub(super) fn open(scratch: &OwnedFd) -> Result<OwnedFd, ContainerError> {
    let at = |errno: Errno| ContainerError::Place { step: "going on", source: errno.into() };
    let how = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let gate = openat(scratch, GATE, how, Mode::empty()).map_err(at)?;
    rustix::io::write(&gate, b"!").map_err(at)?;
    Ok(gate)
}
