//! What our figures are compared with, measured in the same run: one `fdatasync`, one bare exec, `bwrap`.
//! They are bounds and rivals, never targets of their own; who divides by them is the bench of each kind.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::BenchError;
use super::sample::Sample;

/// A program that does nothing.
pub(super) const NOTHING: &str = "/bin/true";
/// Bytes written before each flush: about what one small commit writes.
const PAGE: usize = 4096;

/// `write` and `fdatasync` of one page, appended to one file, as a log does.
pub(super) fn fdatasync(folder: &Path, count: usize) -> Result<Sample, BenchError> {
    let failed = |error: std::io::Error| BenchError::new("measuring fdatasync", error);
    let mut file = File::create(folder.join("fdatasync")).map_err(failed)?;
    let page = [0x5a; PAGE];
    Sample::of(8, count, || {
        file.write_all(&page).map_err(failed)?;
        file.sync_data().map_err(failed)
    })
}

/// One bare process: start, nothing, wait.
pub(super) fn exec() -> Result<(), BenchError> {
    finish("a bare exec", Command::new(NOTHING))
}

/// `bwrap` with every namespace and the whole root read-only, or `None` where it is not installed.
pub(super) fn bwrap() -> Option<impl FnMut() -> Result<(), BenchError>> {
    let found = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join("bwrap").is_file())
    });
    found.then_some(|| {
        let mut command = Command::new("bwrap");
        command.args(["--unshare-all", "--ro-bind", "/", "/", NOTHING]);
        finish("bwrap", command)
    })
}

/// Runs a command that must succeed, and discards what it prints.
pub(super) fn finish(what: &'static str, mut command: Command) -> Result<(), BenchError> {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match quiet.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(BenchError::new(what, status)),
        Err(error) => Err(BenchError::new(what, error)),
    }
}
