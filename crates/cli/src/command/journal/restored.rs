//! `palisade journal restore`: a backup becomes the journal of a project that has none.
//! How the former journal is kept apart from it is `runner`'s; here is what a person has to know of it.

use std::path::Path;

use runner::Layout;
use runner::audit::{self, BackupError, OpenError, RestoreError, RestoreFailure};
use serde_json::json;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session;

/// What is in no backup, and what follows from that.
const WITHOUT_KEYS: &str = "\
note: a backup has no keys, and no secrets of the vault
      checkpoints are signed by another node from now on: give its key to whoever checks them (`palisade audit checkpoint --key`)
      tickets from before are refused, secrets have to be set again, and what opens commitments is not here";

pub(super) fn run(global: &Global, layout: &Layout, backup: &Path) -> Result<Exit, Failure> {
    let restored = audit::restore(layout, backup).map_err(|error| failure(&error, backup))?;
    let audit::Restored { records, artifacts, before, epoch, receipt } = restored;
    if global.json {
        output::json(&json!({
            "folder": layout.state(),
            "records": records,
            "artifacts": artifacts,
            "before": before,
            "epoch": epoch,
            "receipt": receipt,
        }));
        return Ok(Exit::Ok);
    }
    let (from, to) = (backup.display(), layout.state().display());
    let (records, artifacts) =
        (output::count(records, "record"), output::count(artifacts, "artifact"));
    output::line(format!("{records} and {artifacts} restored from {from} to {to}"));
    output::line(format!(
        "epoch {epoch} follows on {before}, out of reach of the journal it was taken from"
    ));
    output::line(format!("receipt is record {receipt}"));
    output::talk(WITHOUT_KEYS);
    Ok(Exit::Ok)
}

fn failure(error: &RestoreError, backup: &Path) -> Failure {
    match error {
        RestoreError::Layout(inner) => Failure::of(Exit::Failure, error).fix(inner.hint()),
        RestoreError::Unsound(inner) => {
            let found = super::verification_failure(inner);
            found.because(NOT_VERIFIED).fix(UNSOUND)
        }
        RestoreError::System(_) => {
            Failure::of(Exit::Failure, error).fix("`palisade doctor` checks this machine")
        }
        RestoreError::Journal(inner) => refused(inner, backup),
    }
}

fn refused(error: &RestoreFailure, backup: &Path) -> Failure {
    let with = |exit, fix: &str| Failure::of(exit, error).fix(fix);
    match error {
        RestoreFailure::Occupied { .. } => with(Exit::Conflict, OCCUPIED),
        RestoreFailure::NoExchange { .. } => with(
            Exit::Failure,
            "move what is in the folder aside, remove the folder and repeat it; put the policy back afterwards",
        ),
        RestoreFailure::Epoch { .. } => {
            with(Exit::Failure, "begin a new journal, and keep the backup to be read and verified")
        }
        RestoreFailure::Copy(BackupError::Exists { .. }) => with(
            Exit::Conflict,
            "what is called `.unfinished` is left of one that was interrupted: it is no journal and can go",
        ),
        RestoreFailure::Copy(BackupError::Open(OpenError::Missing { .. })) => {
            Failure::new(Exit::NotFound, format!("`{}` is not a backup", backup.display()))
                .because("there is no palisade.db in it")
                .fix("name a folder written by `palisade journal backup`")
        }
        RestoreFailure::Copy(BackupError::Open(inner @ OpenError::Newer { .. })) => {
            session::open_failure(inner)
        }
        RestoreFailure::Copy(BackupError::Io { .. })
        | RestoreFailure::Open(_)
        | RestoreFailure::Storage(_)
        | RestoreFailure::Commit(_)
        | RestoreFailure::Io { .. } => with(
            Exit::Failure,
            "make room where the state folder is, and check that it can be written",
        ),
        RestoreFailure::Copy(
            BackupError::Open(_)
            | BackupError::Read(_)
            | BackupError::Artifact(_)
            | BackupError::Signed(_)
            | BackupError::Archive(_),
        ) => with(Exit::Verification, UNSOUND).because(NOT_VERIFIED),
    }
}

const NOT_VERIFIED: &str = "the backup does not verify";
const UNSOUND: &str = "restore an earlier backup; nothing of this one was kept";
const OCCUPIED: &str =
    "move the state folder aside first, whole, and keep it as evidence; its policy.yaml may stay";
