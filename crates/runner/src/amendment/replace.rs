//! Replacing the policy file in one step: beside it, to the disk, in its place.
//!
//! The file is the old policy or the new one at every moment, whatever happens. It is replaced only where it still
//! holds the policy that was to be replaced.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use engine::policy::document::Source;
use engine::policy::{Catalogue, Policy};
use engine::run::Digest;
use journal::Reader;
use serde_json::Value;

use crate::gate::REPLACES;
use crate::history::{self, HistoryError};
use crate::policy::{self, InForce, PolicyError};
use crate::projection;

/// What the name of the new file ends with until it takes the old one's place.
const BESIDE: &str = ".new";

/// Why the policy file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// There is no file to replace, or it is another than the one that was approved.
    #[error("the policy in force is not in `{0}`")]
    OtherFile(String),
    /// Somebody changed the file by hand, or another change was quicker.
    #[error("`{0}` does not hold the policy any more that was to be replaced")]
    Changed(String),
    /// The new policy is not on record.
    #[error("the text of the new policy is not on record")]
    NoText,
    /// The journal cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A policy cannot be read.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The file cannot be written.
    #[error("`{}` cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What a change is made with.
#[derive(Debug)]
pub struct Replacing {
    /// The file of the policy in force, where there is one.
    pub(crate) file: Option<PathBuf>,
    /// The tools there are, which every policy is read against.
    pub(crate) catalogue: Catalogue,
    /// The journal, which has the text of the new policy.
    pub(crate) journal: PathBuf,
    /// One change at a time looks at the file and replaces it.
    pub(crate) turn: Mutex<()>,
}

impl Replacing {
    /// Makes the change that these arguments are about: the policy that is in force from then on.
    ///
    /// # Errors
    /// [`ReplaceError`]; the file holds what it held.
    pub(crate) fn carry_out(&self, arguments: &Value) -> Result<Arc<Policy>, ReplaceError> {
        let wanted = Wanted::of(arguments);
        let ours = |file: &&Path| file.display().to_string() == wanted.file;
        let file = self.file.as_deref().filter(ours);
        let file = file.ok_or_else(|| ReplaceError::OtherFile(wanted.file.clone()))?;
        let in_force = self.recorded(&wanted)?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // A link stays a link; what it leads to is replaced.
        let target = file.canonicalize().map_err(|source| unwritten(file, source))?;
        let old = policy::read(&target)?;
        if Some(Digest(Policy::digest_of(&old.text, &self.catalogue))) != wanted.replaces {
            return Err(ReplaceError::Changed(wanted.file));
        }
        let new = in_force.source.as_ref().ok_or(ReplaceError::NoText)?;
        replace(&target, new.text.as_bytes(), old.text.as_bytes())
            .map_err(|source| unwritten(&target, source))?;
        Ok(in_force.policy)
    }

    /// The new policy as it was put on record when it was asked for.
    fn recorded(&self, wanted: &Wanted) -> Result<InForce, ReplaceError> {
        let digest = wanted.policy.ok_or(ReplaceError::NoText)?;
        let reader = Reader::open(&self.journal).map_err(HistoryError::from)?;
        let text = history::text(&reader, projection::POLICY, digest)?;
        let text = text.ok_or(ReplaceError::NoText)?;
        let in_force = policy::of(Source { name: wanted.file.clone(), text }, &self.catalogue)?;
        let same = in_force.policy.digest() == digest.0;
        if same { Ok(in_force) } else { Err(ReplaceError::NoText) }
    }
}

/// What the arguments of a change say.
pub(super) struct Wanted {
    pub(super) file: String,
    pub(super) replaces: Option<Digest>,
    pub(super) policy: Option<Digest>,
}

impl Wanted {
    pub(super) fn of(arguments: &Value) -> Self {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        Self {
            file: text("file").to_owned(),
            replaces: text(REPLACES).parse().ok(),
            policy: text("policy").parse().ok(),
        }
    }
}

/// The digest of the policy that a file holds.
pub(super) fn stands(file: &Path, catalogue: &Catalogue) -> Result<Digest, PolicyError> {
    Ok(Digest(Policy::digest_of(&policy::read(file)?.text, catalogue)))
}

fn unwritten(path: &Path, source: io::Error) -> ReplaceError {
    ReplaceError::Write { path: path.to_path_buf(), source }
}

/// Puts `text` in the place of `file`, which holds `old`.
fn replace(file: &Path, text: &[u8], old: &[u8]) -> io::Result<()> {
    let folder = File::open(file.parent().ok_or(io::ErrorKind::NotFound)?)?;
    put(file, text)?;
    folder.sync_all().inspect_err(|_| {
        // What is not on the disk for certain is not in force; were this to fail too, the next start tells.
        drop(put(file, old));
    })
}

/// Puts `text` in the place of `file` in one step, with its owner and its mode.
fn put(file: &Path, text: &[u8]) -> io::Result<()> {
    let folder = file.parent().ok_or(io::ErrorKind::NotFound)?;
    let mut name = OsString::from(".");
    name.push(file.file_name().ok_or(io::ErrorKind::NotFound)?);
    name.push(BESIDE);
    let beside = folder.join(name);
    // What an interrupted change left is nobody's.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let placed =
        write(&beside, text, &fs::metadata(file)?).and_then(|()| fs::rename(&beside, file));
    if placed.is_err() {
        // The old file stands; what is beside it is taken away by the next change, if not now.
        drop(fs::remove_file(&beside));
    }
    placed
}

fn write(beside: &Path, text: &[u8], like: &fs::Metadata) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    file.write_all(text)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        fchown(&file, Some(like.uid()), Some(like.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
    file.sync_all()
}
