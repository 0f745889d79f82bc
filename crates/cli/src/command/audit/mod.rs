//! `palisade audit`: the journal as an audit log. One file per command.
//! They read stored bytes and need no owner; what counts as a fault is the journal's to say.

mod anchor;
mod checkpoint;
mod disclosure;
mod export;
mod line;
mod proof;
mod search;
mod tail;
mod tiles;
mod verify;

pub(super) use verify::verification_failure;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use runner::Layout;
use runner::audit::{
    self, KeyTextError, NoteError, ProofError, ShelfError, SignedError, TreeHead, VerifierKey,
    WitnessError, verified,
};
use serde_json::{Value, json};

use crate::arguments::{Audit, Global};
use crate::command::created;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session;

pub(crate) fn run(global: &Global, command: Audit) -> Result<Exit, Failure> {
    match command {
        Audit::Tail { count, follow } => tail::run(global, count, follow),
        Audit::Verify { proof: Some(file), key, .. } => {
            proof::verify(global, &file, key.as_deref().unwrap_or_default())
        }
        Audit::Verify { disclosure: Some(file), key, .. } => {
            disclosure::verify(global, &file, key.as_deref().unwrap_or_default())
        }
        Audit::Search(wanted) => search::run(global, &wanted),
        Audit::Export(wanted) => export::run(global, &wanted),
        Audit::Verify {
            tail,
            since,
            checkpoint,
            write_checkpoint,
            key,
            proof: None,
            disclosure: None,
        } => {
            let against = checkpoint.as_deref().map(|file| (file, key.as_deref()));
            let range = verify::range(tail, since.as_deref())?;
            verify::run(global, range, against, write_checkpoint.as_deref())
        }
        Audit::Checkpoint { key: true, .. } => checkpoint::key(global),
        Audit::Checkpoint { output, all, .. } => checkpoint::run(global, output.as_deref(), all),
        Audit::Prove { sequence: Some(sequence), output, .. } => {
            proof::record(global, sequence, output.as_deref())
        }
        Audit::Prove { output, since, .. } => {
            proof::growth(global, &since.unwrap_or_default(), output.as_deref())
        }
        Audit::Disclose { sequence, field, value, output } => {
            let field = field.as_deref();
            disclosure::disclose(global, (sequence, field), value.as_deref(), output.as_deref())
        }
        Audit::Erase { run, .. } => disclosure::erase(global, run.as_deref()),
        Audit::Tiles { folder } => tiles::run(global, &folder),
        Audit::Anchor { file, git, branch } => anchor::run(global, file, git, branch),
    }
}

/// A checkpoint or proof that could not be made.
fn signed_failure(error: &SignedError) -> Failure {
    match error {
        SignedError::Open(open) => session::open_failure(open),
        SignedError::Key(key) => session::key_failure(key),
        SignedError::Unsigned(_) => Failure::of(Exit::Verification, error)
            .fix("`palisade audit verify` says whether the records are the ones that were signed"),
        SignedError::Witness(inner) => witness_failure(inner),
    }
}

pub(super) fn witness_failure(error: &WitnessError) -> Failure {
    match error {
        WitnessError::Unsigned => Failure::of(Exit::NotFound, error)
            .fix("any command that writes the journal signs it: `palisade run FILE`"),
        WitnessError::NotCovered { .. } => Failure::of(Exit::NotFound, error)
            .fix("`palisade audit tail` shows the newest records; a busy journal is signed within a second"),
        WitnessError::Forked { .. } => Failure::of(Exit::Verification, error)
            .because("records were changed, or taken away, after they were signed")
            .fix("keep the files as evidence; `palisade audit verify` says which record it is"),
        WitnessError::Lost { .. } => Failure::of(Exit::Verification, error)
            .because("somebody took it away, or a copy without it was put back")
            .fix("put the folder `tiles` back from a backup, or move it and the node's key away to accept the loss: what goes on is then another log"),
        WitnessError::Entries { .. } => Failure::of(Exit::Verification, error)
            .because("they were changed, or taken away, after they were signed")
            .fix(KEPT),
        WitnessError::Foreign(_) => Failure::of(Exit::Verification, error)
            .fix("keep the file as evidence, and put back the checkpoint from a backup"),
        WitnessError::Published(_) => Failure::of(Exit::Verification, error)
            .fix("put back the checkpoint in `tiles`; one kept elsewhere serves as well"),
        WitnessError::Shelf(shelf) => shelf_failure(shelf),
    }
}

/// What helps where entries of the log of logs are not what they were.
const KEPT: &str =
    "keep the file as evidence, and put it back from a backup: nothing can make it again";

/// Tiles or entries that cannot be used.
fn shelf_failure(error: &ShelfError) -> Failure {
    // What cannot be written or read is no evidence of anything.
    let exit = match error {
        ShelfError::Io { .. } => Exit::Failure,
        _ => Exit::Verification,
    };
    let fix = match error {
        ShelfError::Damaged(_) => {
            "remove the folders `tile` in it and repeat; they are made again from the journal"
        }
        ShelfError::Kept(_) => KEPT,
        ShelfError::Io { .. } => {
            "name a folder that can be written and has room, or check its owner and mode"
        }
        ShelfError::Read(_) | ShelfError::Short { .. } => {
            "`palisade audit verify` says which record is damaged or missing"
        }
    };
    Failure::of(exit, error).fix(fix)
}

/// What is said of a tree.
fn tree(head: &TreeHead) -> Value {
    json!({ "origin": head.origin, "size": head.size, "root": head.root.to_string() })
}

/// Prints a text that is a file's contents, or writes the file, which must not exist.
fn hand_out(text: &str, output: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = output else {
        output::data(text.as_bytes());
        return Ok(());
    };
    created::write(path, text.as_bytes())
}

/// Largest file of somebody else's that is read, in bytes: a proof, a checkpoint, a disclosure or a key.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The text of a file, where it is one and no longer than what is read.
fn text_of(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= FILE_BYTES_MAX) {
        return Ok(text);
    }
    Err(std::io::Error::other("it is longer than 16 MiB"))
}

/// Reads a text file that a person named.
fn read(path: &Path, fix: &str) -> Result<String, Failure> {
    text_of(path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let exit = if missing { Exit::NotFound } else { Exit::Failure };
        Failure::new(exit, format!("`{}` cannot be read", path.display()))
            .because(error.to_string())
            .fix(fix)
    })
}

/// As [`read`], a file of the kind whose texts have `mark`: what is of another kind is a mistake of the command line and
/// no evidence of anything.
fn read_kind(path: &Path, mark: &str, fix: &str) -> Result<String, Failure> {
    let text = read(path, fix)?;
    if text.contains(mark) {
        return Ok(text);
    }
    Err(Failure::new(Exit::Usage, format!("`{}` is a file of another kind", path.display()))
        .because("it has nothing of what such a file begins with")
        .fix(fix))
}

/// What is in every signed checkpoint: the end of its text and the beginning of a signature.
const SIGNATURE: &str = "\n\n\u{2014} ";

/// A public key as it was typed, or in the file that was named.
fn key(typed: &str) -> Result<VerifierKey, Failure> {
    let from_file = text_of(Path::new(typed));
    let text = from_file.as_deref().map_or(typed, str::trim);
    text.parse().map_err(|error: KeyTextError| {
        Failure::of(Exit::Usage, &error)
            .fix("`palisade audit checkpoint --key` prints the key of a project")
    })
}

/// The tree head in a signed checkpoint, verified with a key, or with this project's own.
fn signed(
    layout: &Layout,
    text: &str,
    typed: Option<&str>,
) -> Result<(VerifierKey, TreeHead), Failure> {
    let key = match typed {
        Some(typed) => key(typed)?,
        None => audit::public_key(layout).map_err(|error| signed_failure(&error))?,
    };
    let note = text.parse().map_err(|error: NoteError| not_proved(&error.into()))?;
    let head = verified(&note, &key).map_err(|error| not_proved(&error))?;
    Ok((key, head))
}

/// A proof or checkpoint that does not hold.
fn not_proved(error: &ProofError) -> Failure {
    Failure::of(Exit::Verification, error)
        .fix("ask for the file again, and for the key on another way; believe nothing in it")
        .detail("verified", false)
}

fn unreadable(error: &audit::ReadError) -> Failure {
    Failure::of(Exit::Verification, error)
        .fix("`palisade audit verify` says which record is damaged")
}
