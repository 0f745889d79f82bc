//! Anchoring: the newest checkpoint of the log of logs, put where whoever rewrites this machine cannot reach.
//!
//! What lies there already is read first: the new tree must begin with it, else nothing is written and the log was
//! rewritten or cut. One small checkpoint stands for every record of every tenant.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use journal::tlog::{NoteError, ProofError, Tree, TreeHead, VerifierKey, WitnessError, verified};
use journal::{CommitError, Journal, LogId, Operation};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::git::{self, Branch};
use super::known::{self, Told};
use super::owner::{self, Clerk, Opened, opened};
use super::signed::{Signed, SignedError, close};
use crate::layout::Layout;
use crate::peer::ClientError;
use crate::{cause, clock, record};

/// The kind of a receipt.
pub(super) const RECEIPT_KIND: &str = "audit.anchored";

/// Where checkpoints are kept for this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file, which is replaced.
    File(PathBuf),
    /// A branch of a git repository: a path or an address that `git push` takes.
    Git {
        /// The repository.
        repository: String,
        /// The branch; made when missing.
        branch: String,
    },
}

/// An anchor that was written, and its receipt in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchored {
    /// What was written.
    pub head: TreeHead,
    /// How large the log of logs was in the anchor before; `None` for the first.
    pub before: Option<u64>,
    /// The git commit.
    pub commit: Option<String>,
    /// Sequence of the receipt.
    pub receipt: u64,
}

/// Why nothing was anchored.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// Nothing could be signed.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// The file cannot be used.
    #[error("anchor `{path}` cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Not a repository and branch.
    #[error("`{0}` is not a repository and a branch")]
    Target(String),
    /// Git failed.
    #[error("{0}")]
    Git(String),
    /// What lies at the anchor is not a checkpoint of this node.
    #[error("what is kept there is not a checkpoint of this node")]
    Foreign(#[source] ProofError),
    /// The receipt could not be recorded; the anchor stands.
    #[error("anchor was written, but its receipt not recorded: {0}")]
    Receipt(String),
    /// The process that owns the project did not record it; the anchor stands.
    #[error("anchor was written, but its receipt not recorded")]
    Owner(#[from] ClientError),
}

/// What the journal keeps of an anchor.
#[derive(Debug, Serialize)]
struct Receipt<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    target: String,
    origin: &'a str,
    size: u64,
    root: String,
    commit: Option<&'a str>,
}

/// Signs, writes the checkpoint of the log of logs to `target`, and records the receipt. Where another process owns the
/// project, that one signs and records; the checkpoint is written by this one all the same.
///
/// # Errors
/// See [`AnchorError`]; [`WitnessError::Forked`] inside it when the anchor shows that this log was rewritten.
pub fn anchor(layout: &Layout, target: &Target) -> Result<Anchored, AnchorError> {
    if let Opened::Here(journal) = opened::<AnchorError>(layout, owner::SIGN, || json!({}))? {
        close(&journal)?;
    }
    let signed = Signed::as_it_is(layout)?;
    let (note, head) = signed.checkpoint(&Tree::Logs)?;
    let text = note.to_string();
    let (before, commit) = match target {
        Target::File(path) => (to_file(path, &text, &signed)?, None),
        Target::Git { repository, branch } => {
            let folder = layout.anchors();
            let branch = Branch::fetch(&folder, repository, branch)?;
            let path = format!("{}/checkpoint", head.origin);
            let before = match branch.read(&path)? {
                None => None,
                Some(kept) => Some(grown(&kept, &signed)?),
            };
            (before, Some(branch.write(&path, &text)?))
        }
    };
    let receipt = record_receipt(layout, target, (&text, &head), commit.as_deref())?;
    Ok(Anchored { head, before, commit, receipt })
}

fn to_file(path: &Path, text: &str, signed: &Signed) -> Result<Option<u64>, AnchorError> {
    let failed = |source| AnchorError::File { path: path.to_owned(), source };
    let before = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
        Ok(kept) => Some(grown(&kept, signed)?),
    };
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let written = || -> std::io::Result<()> {
        fs::write(&aside, text)?;
        fs::File::open(&aside)?.sync_all()?;
        fs::rename(&aside, path)
    };
    written().map_err(failed)?;
    Ok(before)
}

/// The size of the checkpoint that was kept, after showing that the log of logs has only grown since.
fn grown(kept: &str, signed: &Signed) -> Result<u64, AnchorError> {
    let old = parsed(kept, signed.key()).map_err(AnchorError::Foreign)?;
    signed.extend(&Tree::Logs, &old)?;
    Ok(old.size)
}

fn parsed(text: &str, key: &VerifierKey) -> Result<TreeHead, ProofError> {
    let note = text.parse().map_err(|error: NoteError| ProofError::Note(error))?;
    let head = verified(&note, key)?;
    if head.origin == key.name() {
        return Ok(head);
    }
    Err(ProofError::OtherLog { origin: head.origin, key: key.name().to_owned() })
}

/// Has the receipt recorded, here or by the process that owns the project.
fn record_receipt(
    layout: &Layout,
    target: &Target,
    (text, head): (&str, &TreeHead),
    commit: Option<&str>,
) -> Result<u64, AnchorError> {
    let failed = |error: &dyn std::error::Error| AnchorError::Receipt(cause::line(error));
    let target = match target {
        Target::File(path) => path.display().to_string(),
        Target::Git { repository, branch } => format!("{} {branch}", git::named(repository)),
    };
    let asked = || json!({ "target": target, "commit": commit, "checkpoint": text });
    let journal = match opened::<AnchorError>(layout, owner::ANCHORED, asked) {
        Ok(Opened::Here(journal)) => journal,
        Ok(Opened::There(answer)) => {
            let answer: Noted = owner::read(answer)?;
            return Ok(answer.receipt);
        }
        Err(AnchorError::Owner(error)) => return Err(AnchorError::Owner(error)),
        Err(error) => return Err(failed(&error)),
    };
    let receipt = receipt(&journal, (&target, commit), head).map_err(|error| failed(&error))?;
    close(&journal).map_err(|error| failed(&error))?;
    Ok(receipt)
}

/// What the owner answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Noted {
    /// Sequence of the receipt.
    pub(crate) receipt: u64,
}

fn receipt(
    journal: &Journal,
    (target, commit): (&str, Option<&str>),
    head: &TreeHead,
) -> Result<u64, CommitError> {
    let TreeHead { origin, size, root } = head;
    let (target, size, root) = (target.to_owned(), *size, root.to_string());
    let body = Receipt { kind: RECEIPT_KIND, target, origin, size, root, commit };
    let drafts = vec![record::node_draft(RECEIPT_KIND, &body, clock::now())];
    let changes = known::rows(&[Told::from(head)]);
    let operation = Operation { log: LogId::default(), drafts, changes };
    journal.commit(operation).map(|committed| committed.last())
}

impl Clerk<'_> {
    /// Records that `checkpoint` was written to `target`; it must be one that this node has signed of its log of logs.
    ///
    /// # Errors
    /// See [`AnchorError`]; nothing is recorded of a checkpoint that is not this node's.
    pub(crate) fn anchored(
        &self,
        target: &str,
        commit: Option<&str>,
        checkpoint: &str,
    ) -> Result<Noted, AnchorError> {
        let key = super::public_key(self.layout)?;
        let head = parsed(checkpoint, &key).map_err(AnchorError::Foreign)?;
        let receipt = receipt(self.journal, (target, commit), &head);
        let receipt = receipt.map_err(|error| AnchorError::Receipt(cause::line(&error)))?;
        Ok(Noted { receipt })
    }
}

impl AnchorError {
    /// Whether the anchor shows that this log is not the one it was.
    #[must_use]
    pub const fn is_rewritten(&self) -> bool {
        matches!(self, Self::Signed(SignedError::Witness(WitnessError::Forked { .. })))
    }
}
