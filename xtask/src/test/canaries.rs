//! Whether any secret of the tests is left on disk once the whole suite has run.
//!
//! The suite writes into a folder of its own and keeps the projects that had secrets; a test of the command line, which
//! knows the canaries and their encodings, then looks through that folder and the others tests write to. Programs are
//! not looked through: canaries are made when the tests run and stand in no program.

use crate::stage::{Failure, cargo, check, has_cargo_command};
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The test that looks.
const SEARCH: &str = "secret::no_canary_is_left_in_what_the_suite_wrote";

/// Where a run of the suite writes, and what its canaries are made of.
pub(super) struct Scratch {
    folder: PathBuf,
    seed: String,
}

impl Scratch {
    /// Makes the folder.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn create() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("palisade-{}", std::process::id()));
        std::fs::create_dir(&folder)?;
        // As any folder for temporary files: tests also run programs of other users.
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o1777))?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Self { folder, seed: since.subsec_nanos().to_string() })
    }

    /// The same command, whose tests write here.
    pub(super) fn within<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("TMPDIR", &self.folder)
            .env("PALISADE_TEST_KEEP", "1")
            .env("PALISADE_CANARY_SEED", &self.seed)
    }

    /// Looks for canaries in everything that tests have written.
    ///
    /// # Errors
    /// One was found; the test's output says where and in which form.
    pub(super) fn search(&self, root: &Path) -> Result<(), Failure> {
        let target = root.join("target");
        let folders = [
            self.folder.clone(),
            target.join("tmp"),
            target.join("nextest"),
            root.join(".palisade"),
            PathBuf::from("/dev/shm"),
        ];
        if !std::fs::read_dir(&self.folder)?.any(|entry| entry.is_ok()) {
            return Err("the tests of secrets kept nothing that could be looked through".into());
        }
        let named: OsString =
            std::env::join_paths(folders.iter().filter(|folder| folder.is_dir()))?;
        let mut command = match has_cargo_command(root, "nextest") {
            true => cargo(root, &["nextest", "run", "--package", "cli", SEARCH]),
            false => cargo(root, &["test", "--package", "cli", SEARCH]),
        };
        command.env("PALISADE_CANARY_SEED", &self.seed).env("PALISADE_CANARY_FOLDERS", named);
        check(&mut command)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            println!("    {} stays: {error}", self.folder.display());
        }
    }
}
