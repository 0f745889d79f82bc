//! The epochs that nodes recorded when they started. Each owner of a project raises the epoch, and fences begin with it: an
//! epoch that comes again is a fence that comes again.
//!
//! Whether a fence is a late one is the engine's to say; what a node does with its epoch is in `node`.

use engine::run::Fence;
use journal::{
    Fault, FaultReason, Filter, LogId, OpenError, Order, ReadError, Reader, Record, StructureFault,
    VerifyError,
};
use serde::Deserialize;

use crate::record::{NODE_STREAM_ID, STARTED_KIND};

/// An epoch and the record that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    log: LogId,
    sequence: u64,
    epoch: u64,
}

impl Named {
    fn of(record: &Record) -> Option<Self> {
        #[derive(Deserialize)]
        struct Started {
            epoch: u64,
        }
        if record.header.kind != STARTED_KIND {
            return None;
        }
        let Started { epoch } = serde_json::from_slice(&record.payload).ok()?;
        Some(Self { log: record.header.log.clone(), sequence: record.header.sequence, epoch })
    }

    fn words(&self) -> String {
        format!("record {} of `{}` names epoch {}", self.sequence, self.log, self.epoch)
    }
}

/// The newest epoch of the records passed by so far, and the first that did not rise.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    newest: Option<Named>,
    fault: Option<Fault>,
}

impl Epochs {
    /// Takes down what one record says; records come in the order they were committed in.
    pub(super) fn take(&mut self, record: &Record) {
        let Some(found) = Named::of(record) else { return };
        match &self.newest {
            Some(newest) if found.epoch <= newest.epoch => {
                let why = format!("epoch {} comes again, {}", found.epoch, newest.words());
                let Named { log, sequence, .. } = found;
                let reason = FaultReason::Contradicts(why);
                self.fault.get_or_insert(Fault { log, sequence, reason });
            }
            _ => self.newest = Some(found),
        }
    }

    /// Holds them against each other and against the owner's row, which is read after them: it only rises.
    ///
    /// # Errors
    /// [`VerifyError::Fault`] names the first record whose epoch is none above those before it,
    /// [`VerifyError::Structure`] the owner's row where its epoch is below one of theirs.
    pub(super) fn check(self, reader: &Reader) -> Result<(), VerifyError> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        let epoch = reader.epoch()?;
        match self.newest.filter(|newest| epoch < newest.epoch) {
            None => Ok(()),
            Some(newest) => {
                let detail = format!("it has epoch {epoch}, but {}", newest.words());
                Err(StructureFault::object("owner", detail).into())
            }
        }
    }
}

/// Refuses an epoch that is not above the one the newest node's first record names: its fences were given out before.
///
/// # Errors
/// [`OpenError::Corrupt`] then, and when that record cannot be read.
pub(crate) fn rises(reader: &Reader, log: &LogId, epoch: u64) -> Result<(), OpenError> {
    let corrupt = |detail: String| OpenError::Corrupt { detail };
    let newest = newest(reader, log).map_err(|error| corrupt(error.to_string()))?;
    match newest.filter(|newest| epoch <= newest.epoch) {
        None => Ok(()),
        Some(newest) => {
            let first = Fence::new(u32::try_from(epoch).unwrap_or(u32::MAX), 1);
            let words = newest.words();
            Err(corrupt(format!(
                "its owner's row says epoch {epoch}, but {words}: fence {first} was given out"
            )))
        }
    }
}

/// The newest record of a node's start: found by the index over streams, past what the node recorded of itself since.
fn newest(reader: &Reader, log: &LogId) -> Result<Option<Named>, ReadError> {
    let wanted = Filter {
        kind_prefix: STARTED_KIND.to_owned(),
        stream: Some(NODE_STREAM_ID),
        order: Order::NewestFirst,
        ..Filter::default()
    };
    Ok(reader.filter(log, &wanted, 1)?.first().and_then(Named::of))
}

#[cfg(test)]
mod tests {
    use engine::run::Micros;
    use journal::{Operation, Options, Store};
    use serde_json::json;

    use super::*;
    use crate::projection::VIEWS;
    use crate::record;

    /// The reader of a journal of which nodes with these epochs recorded their start, opened so many times.
    fn started(epochs: &[u64], owner: u64) -> (tempfile::TempDir, Reader) {
        let place = tempfile::tempdir().unwrap();
        let options = Options::new(place.path().join("journal.db"), VIEWS);
        (1..owner).for_each(|_| Store::open(options.clone()).unwrap().close().unwrap());
        let mut store = Store::open(options.clone()).unwrap();
        assert_eq!(store.epoch(), owner);
        for epoch in epochs {
            let body = json!({ "type": STARTED_KIND, "epoch": epoch });
            let draft = |kind| record::node_draft(kind, &body, Micros(1));
            let drafts = vec![draft(STARTED_KIND), draft("other"), draft("node.other")];
            let operation = Operation { log: LogId::default(), drafts, changes: Vec::new() };
            let _ = store.commit_batch(&[operation]).pop().unwrap().unwrap();
        }
        store.close().unwrap();
        (place, Reader::open(options.path).unwrap())
    }

    fn checked(reader: &Reader) -> Result<(), String> {
        let mut epochs = Epochs::default();
        let records = reader.by_log(&LogId::default(), 0, 100).unwrap();
        records.iter().for_each(|record| epochs.take(record));
        epochs.check(reader).map_err(|error| error.to_string())
    }

    #[test]
    fn epochs_of_records_rise_and_the_owner_is_not_behind_them() {
        let again = |epoch: u64, at: u64, newest: u64, by: u64| {
            Err(format!(
                "record {at} of `default/0`: it contradicts an earlier record: epoch {epoch} comes \
                 again, record {by} of `default/0` names epoch {newest}"
            ))
        };
        let behind = "`owner`: it has epoch 2, but record 7 of `default/0` names epoch 3";
        let table: [(&[u64], u64, Result<(), String>); 7] = [
            (&[], 1, Ok(())),
            (&[1], 1, Ok(())),
            (&[1, 2, 5], 9, Ok(())),
            (&[1, 2, 3], 2, Err(behind.to_owned())),
            (&[1, 1], 2, again(1, 4, 1, 1)),
            (&[5, 2, 6], 9, again(2, 4, 5, 1)),
            // The first is named, whatever follows.
            (&[2, 4, 3, 3], 9, again(3, 7, 4, 4)),
        ];
        for (epochs, owner, expected) in table {
            let (_place, reader) = started(epochs, owner);
            assert_eq!(checked(&reader), expected, "{epochs:?} {owner}");
        }
    }

    #[test]
    fn an_epoch_whose_fences_were_given_out_is_refused() {
        let (_place, reader) = started(&[2, 7], 1);
        for (epoch, is_good) in [(1, false), (7, false), (8, true), (u64::MAX, true)] {
            let found = rises(&reader, &LogId::default(), epoch);
            assert_eq!(found.is_ok(), is_good, "{epoch}: {found:?}");
        }
        let told = rises(&reader, &LogId::default(), 7).unwrap_err().to_string();
        assert!(told.contains("fence 7-1 was given out"), "{told}");
        // Control: before the first start there is nothing to be above.
        let (_place, reader) = started(&[], 1);
        assert!(rises(&reader, &LogId::default(), 0).is_ok());
    }
}
