//! What the journal's own records say was signed: kept as a view, so that it outlives the folder of checkpoints.
//!
//! A node's first record names the checkpoints it found, a receipt the one that was anchored. Whoever takes the folder
//! away has to rewrite these records as well, and cannot rewrite an anchor.

use journal::tlog::TreeHead;
use journal::{Change, Digest, OpenError, ReadError, Reader, Scan};
use serde::{Deserialize, Serialize};

use super::anchor::RECEIPT_KIND;
use crate::layout::Layout;
use crate::projection::SIGNED;
use crate::record::STARTED_KIND;

/// Most logs of one node that are read back; the engine of this build has one.
const LOGS_MOST: usize = 4096;

/// A signed checkpoint as a record tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    origin: String,
    size: u64,
    root: String,
}

impl From<&TreeHead> for Told {
    fn from(head: &TreeHead) -> Self {
        Self { origin: head.origin.clone(), size: head.size, root: head.root.to_string() }
    }
}

impl Told {
    fn head(self) -> Option<TreeHead> {
        let root: Digest = self.root.parse().ok()?;
        Some(TreeHead { origin: self.origin, size: self.size, root })
    }

    fn row(&self) -> Change {
        let value = Some(serde_json::to_vec(self).unwrap_or_default());
        Change { view: SIGNED, key: self.origin.as_bytes().to_vec(), value }
    }
}

/// The rows of checkpoints that a record is about to name.
pub(crate) fn rows(told: &[Told]) -> Vec<Change> {
    told.iter().map(Told::row).collect()
}

/// The rows that follow from a record; none from one that names no checkpoint.
pub(crate) fn changes(kind: &str, payload: &[u8]) -> Vec<Change> {
    #[derive(Deserialize)]
    struct Started {
        #[serde(default)]
        signed: Vec<Told>,
    }
    match kind {
        STARTED_KIND => serde_json::from_slice(payload)
            .map(|started: Started| rows(&started.signed))
            .unwrap_or_default(),
        RECEIPT_KIND => {
            serde_json::from_slice(payload).map(|told: Told| rows(&[told])).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// What is known to have been signed; nothing where there is no journal yet.
///
/// # Errors
/// When the journal cannot be read, or a row is not what a record tells of.
pub(crate) fn known(layout: &Layout) -> Result<Vec<TreeHead>, OpenError> {
    match Reader::open(layout.journal()) {
        Ok(reader) => told(&reader),
        // What cannot be opened at all is told by whoever opens it for what it is.
        Err(OpenError::Missing { .. } | OpenError::Io { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The same of a journal that is read already.
///
/// # Errors
/// As [`known`].
pub(crate) fn told(reader: &Reader) -> Result<Vec<TreeHead>, OpenError> {
    let rows = match reader.view_scan(SIGNED, &Scan::default(), LOGS_MOST) {
        Ok(rows) => rows,
        // A journal from before this has no such view until it is opened for writing.
        Err(ReadError::NoSuchView(_)) => return Ok(Vec::new()),
        Err(error) => return Err(OpenError::Corrupt { detail: error.to_string() }),
    };
    let head = |value: &[u8]| serde_json::from_slice::<Told>(value).ok()?.head();
    let heads = rows.iter().map(|(origin, value)| {
        head(value).ok_or_else(|| {
            let origin = String::from_utf8_lossy(origin);
            let detail = format!("what view `{SIGNED}` says of `{origin}` is no checkpoint");
            OpenError::Corrupt { detail }
        })
    });
    heads.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_follow_from_the_records_that_name_checkpoints() {
        let head = TreeHead { origin: "palisade/a".to_owned(), size: 3, root: Digest::of(b"root") };
        let told = Told::from(&head);
        let row = rows(std::slice::from_ref(&told));
        let started = json!({ "type": STARTED_KIND, "epoch": 1, "signed": [told] }).to_string();
        assert_eq!(changes(STARTED_KIND, started.as_bytes()), row);
        let receipt = json!({ "type": RECEIPT_KIND, "target": "x", "origin": head.origin,
            "size": 3, "root": head.root.to_string(), "commit": null });
        assert_eq!(changes(RECEIPT_KIND, receipt.to_string().as_bytes()), row);
        assert_eq!(told.head(), Some(head));
        for (kind, payload) in [(STARTED_KIND, "{}"), (RECEIPT_KIND, "{}"), ("run.started", "{}")] {
            assert_eq!(changes(kind, payload.as_bytes()), Vec::new(), "{kind}");
        }
    }
}
