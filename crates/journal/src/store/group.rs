//! Writing one group of operations in one flushed commit, and what a failure of it means.
//!
//! Operations were checked before they came here, so a statement that fails is a failure of storage
//! and ends the group. Before COMMIT it means nothing was written; at COMMIT it means so only when
//! SQLite guarantees it, and otherwise the outcome is unknown and the store stops.

use rusqlite::{CachedStatement, Connection, ErrorCode};

use super::reserve::Reserve;
use super::tips::{Place, Staged, Tip};
use super::wal::WAL_PAGES_MAX;
use super::{Store, view_table};
use crate::digest::{Digest, leaf_of};
use crate::error::{CommitError, Refusal, StorageError};
use crate::operation::{Change, Committed, Operation, Plan};
use crate::record::{Draft, HeaderView, PayloadRef};

/// What goes into a commit besides operations.
type Also<'a> = &'a dyn Fn(&Connection) -> rusqlite::Result<()>;

type Answers = Vec<Result<Committed, CommitError>>;

/// Why a group was not committed.
enum Failure {
    Deposed { found: u64 },
    BeforeCommit(StorageError),
    AtCommit(StorageError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::BeforeCommit(error.into())
    }
}

/// What a group wrote, for the counters.
#[derive(Default)]
struct Tally {
    records: u64,
    bytes: u64,
}

impl Store {
    /// Commits a group of checked operations and answers each, in order.
    pub(crate) fn commit_group(&mut self, group: &[(&Operation, &Plan)]) -> Answers {
        self.commit_with(group, &|_| Ok(()))
    }

    /// Commits a group and, before it in the same commit, what `also` does.
    pub(crate) fn commit_with(&mut self, group: &[(&Operation, &Plan)], also: Also<'_>) -> Answers {
        let refused = |error: &CommitError| group.iter().map(|_| Err(error.clone())).collect();
        if let Err(refusal) = self.ready() {
            return refused(&refusal.into());
        }
        if group.is_empty() {
            return Vec::new();
        }
        let mut staged = self.tips.stage();
        match self.write(group, &mut staged, also) {
            Ok((answers, tally)) => {
                self.tips.adopt(staged);
                self.reserve.iter().for_each(Reserve::renew);
                self.count(answers.len(), &tally);
                self.restart_log_when_due();
                answers
            }
            Err(failure) => {
                let error = self.fail(failure);
                let is_full = matches!(error, CommitError::NotCommitted(Refusal::DiskFull));
                if is_full && self.reserve.as_ref().is_some_and(Reserve::spend) {
                    // Once: the reserve is gone now.
                    return self.commit_with(group, also);
                }
                refused(&error)
            }
        }
    }

    fn ready(&mut self) -> Result<(), Refusal> {
        if self.stopped {
            return Err(Refusal::Stopped);
        }
        if self.wal.pages() < WAL_PAGES_MAX {
            return Ok(());
        }
        let state = self.checkpoint()?;
        if state.checkpointed == state.pages && state.pages > 0 {
            return Ok(());
        }
        Err(Refusal::LogPinned { pages: self.wal.pages() })
    }

    fn write(
        &self,
        group: &[(&Operation, &Plan)],
        staged: &mut Staged,
        also: Also<'_>,
    ) -> Result<(Answers, Tally), Failure> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.check_owner()?;
        also(&self.connection)?;
        let mut pen = Pen::new(&self.connection, self.views)?;
        let mut answers = Vec::with_capacity(group.len());
        for (operation, plan) in group {
            let place = staged.place(&self.tips, &operation.log, operation.drafts.len());
            answers.push(match place {
                Ok(place) => Ok(pen.write(operation, plan, place, staged)?),
                Err(refusal) => Err(refusal.into()),
            });
        }
        let tally = pen.tally;
        let mut commit = self.connection.prepare_cached("COMMIT")?;
        commit.execute([]).map_err(|error| Failure::AtCommit(error.into()))?;
        Ok((answers, tally))
    }

    fn check_owner(&self) -> Result<(), Failure> {
        let sql = "SELECT epoch FROM owner WHERE only_row = 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let epoch: i64 = statement.query_row([], |row| row.get(0))?;
        let found = epoch.cast_unsigned();
        if found == self.epoch { Ok(()) } else { Err(Failure::Deposed { found }) }
    }

    fn count(&mut self, operations: usize, tally: &Tally) {
        self.stats.commits += 1;
        self.stats.operations += u64::try_from(operations).unwrap_or(0);
        self.stats.records += tally.records;
        self.stats.bytes += tally.bytes;
    }

    fn restart_log_when_due(&mut self) {
        if self.wal.restart_is_due() {
            // The group is durable whatever happens here; a failure stops the store for the next one.
            let _ = self.checkpoint();
        }
    }

    fn fail(&mut self, failure: Failure) -> CommitError {
        let was_open = !self.connection.is_autocommit();
        let rolled_back = !was_open || self.connection.execute_batch("ROLLBACK").is_ok();
        let passing = |error: &StorageError| match error.primary() {
            Some(ErrorCode::DiskFull) if rolled_back => Some(Refusal::DiskFull),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) if rolled_back => {
                Some(Refusal::Locked)
            }
            _ => None,
        };
        match failure {
            Failure::Deposed { found } => {
                self.stopped = true;
                Refusal::Deposed { own: self.epoch, found }.into()
            }
            Failure::BeforeCommit(error) => passing(&error)
                .unwrap_or_else(|| {
                    self.stopped = true;
                    Refusal::Storage(error)
                })
                .into(),
            // A full disk leaves the commit frame unwritten and SQLite has rolled back by itself. A
            // lock refused before anything was written leaves the transaction open.
            Failure::AtCommit(error) => match passing(&error) {
                Some(refusal @ Refusal::DiskFull) => refusal.into(),
                Some(refusal @ Refusal::Locked) if was_open => refusal.into(),
                _ => {
                    self.stopped = true;
                    CommitError::Indeterminate(error)
                }
            },
        }
    }
}

/// The prepared statements of one group.
struct Pen<'c> {
    connection: &'c Connection,
    append: CachedStatement<'c>,
    views: Vec<ViewPen<'c>>,
    header: Vec<u8>,
    tally: Tally,
}

struct ViewPen<'c> {
    name: &'static str,
    put: Option<CachedStatement<'c>>,
    remove: Option<CachedStatement<'c>>,
}

impl<'c> Pen<'c> {
    fn new(connection: &'c Connection, views: &[&'static str]) -> rusqlite::Result<Self> {
        let append = connection.prepare_cached(
            "INSERT INTO event (id, stream, leaf, header, payload) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let views = views.iter().map(|name| ViewPen { name, put: None, remove: None }).collect();
        let header = Vec::with_capacity(512);
        Ok(Self { connection, append, views, header, tally: Tally::default() })
    }

    fn write(
        &mut self,
        operation: &Operation,
        plan: &Plan,
        place: Place,
        staged: &mut Staged,
    ) -> rusqlite::Result<Committed> {
        let log = &operation.log;
        let mut tip = match place {
            Place::Known(tip) => tip,
            Place::New(tip) => {
                let sql = "INSERT INTO log (id, tenant, shard) VALUES (?1, ?2, ?3)";
                let mut register = self.connection.prepare_cached(sql)?;
                register.execute((tip.number.0, log.tenant(), log.shard()))?;
                tip
            }
        };
        let first = tip.sequence + 1;
        for (draft, payload) in operation.drafts.iter().zip(&plan.payloads) {
            staged.clock = staged.clock.next(draft.time_us);
            tip = self.append(operation, draft, *payload, (tip, staged))?;
            self.tally.records += 1;
            self.tally.bytes += u64::try_from(self.header.len()).unwrap_or(0) + payload.len;
        }
        for change in &operation.changes {
            self.change(change)?;
        }
        staged.set(log, tip);
        Ok(Committed::new(log.clone(), first, tip.sequence, tip.leaf, staged.clock))
    }

    /// Appends one record after `tip` at the staged clock and returns the new tip.
    fn append(
        &mut self,
        operation: &Operation,
        draft: &Draft,
        payload: PayloadRef,
        (tip, staged): (Tip, &Staged),
    ) -> rusqlite::Result<Tip> {
        let sequence = tip.sequence + 1;
        let view = HeaderView {
            tenant: operation.log.tenant(),
            shard: operation.log.shard(),
            sequence,
            time: staged.clock,
            class: &draft.stream.class,
            stream: &draft.stream.id,
            kind: &draft.kind,
            principal: &draft.principal,
            correlation: draft.correlation.as_ref(),
            causation: draft.causation.as_ref(),
            trace: draft.trace.as_ref(),
            schema: draft.schema,
            payload,
            prev_leaf: tip.leaf,
        };
        self.header.clear();
        view.encode_into(&mut self.header);
        let leaf: Digest = leaf_of(&self.header);
        let inline = payload.artifact.is_none().then_some(draft.payload.as_slice());
        self.append.execute((
            tip.number.row(sequence),
            draft.stream.id.as_slice(),
            leaf.as_bytes().as_slice(),
            self.header.as_slice(),
            inline,
        ))?;
        Ok(Tip { number: tip.number, sequence, leaf })
    }

    fn change(&mut self, change: &Change) -> rusqlite::Result<()> {
        let Some(pen) = self.views.iter_mut().find(|pen| pen.name == change.view) else {
            // Undeclared views were refused when the operation was planned.
            return Err(rusqlite::Error::InvalidQuery);
        };
        let table = || view_table(pen.name);
        match &change.value {
            Some(value) => {
                let statement = match &mut pen.put {
                    Some(statement) => statement,
                    empty => {
                        let sql = format!(
                            "INSERT OR REPLACE INTO {} (key, value) VALUES (?1, ?2)",
                            table()
                        );
                        empty.insert(self.connection.prepare_cached(&sql)?)
                    }
                };
                statement.execute((change.key.as_slice(), value.as_slice())).map(|_| ())
            }
            None => {
                let statement = match &mut pen.remove {
                    Some(statement) => statement,
                    empty => {
                        let sql = format!("DELETE FROM {} WHERE key = ?1", table());
                        empty.insert(self.connection.prepare_cached(&sql)?)
                    }
                };
                statement.execute([change.key.as_slice()]).map(|_| ())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::record::{LogId, Stream};
    use crate::store::Options;

    fn operation(bytes: usize) -> Operation {
        let draft = Draft {
            stream: Stream { class: "run".into(), id: [1; 16] },
            kind: "step.started".into(),
            time_us: 1,
            principal: "user".to_owned(),
            correlation: None,
            causation: None,
            trace: None,
            schema: Digest::ZERO,
            payload: vec![b'x'; bytes],
        };
        Operation { log: LogId::default(), drafts: vec![draft], changes: Vec::new() }
    }

    #[test]
    fn a_full_disk_refuses_the_group_and_heals() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(Options::new(folder.path().join("j.db"), &[])).unwrap();
        assert!(store.commit_batch(&[operation(10)])[0].is_ok());
        let head = store.head(&LogId::default());
        store.connection.pragma_update_and_check(None, "max_page_count", 20, |_| Ok(())).unwrap();
        let answers = store.commit_batch(&vec![operation(16_000); 20]);
        for answer in answers {
            assert!(
                matches!(answer, Err(CommitError::NotCommitted(Refusal::DiskFull))),
                "{answer:?}"
            );
        }
        assert!(!store.is_stopped());
        assert_eq!(store.head(&LogId::default()), head, "the chain stands where it stood");
        let small = store.commit_batch(&[operation(10)]).pop().unwrap();
        assert_eq!(small.unwrap().first(), 2, "what fits is still accepted");
        store.connection.pragma_update_and_check(None, "max_page_count", 9999, |_| Ok(())).unwrap();
        let answers = store.commit_batch(&vec![operation(16_000); 20]);
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(store.head(&LogId::default()).map(|(sequence, _)| sequence), Some(22));
    }

    #[test]
    fn a_foreign_lock_refuses_the_group_and_heals() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.db");
        let mut store = Store::open(Options::new(&path, &[])).unwrap();
        store.connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        let raw = Connection::open(&path).unwrap();
        raw.execute_batch("BEGIN IMMEDIATE").unwrap();
        let answer = store.commit_batch(&[operation(1)]).pop().unwrap();
        assert!(matches!(answer, Err(CommitError::NotCommitted(Refusal::Locked))), "{answer:?}");
        raw.execute_batch("ROLLBACK").unwrap();
        assert!(store.commit_batch(&[operation(1)])[0].is_ok());
    }

    #[test]
    fn a_foreign_record_in_the_next_place_stops_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.db");
        let mut store = Store::open(Options::new(&path, &[])).unwrap();
        assert!(store.commit_batch(&[operation(1)])[0].is_ok());
        let raw = Connection::open(&path).unwrap();
        raw.execute_batch(
            "INSERT INTO event SELECT id + 1, stream, leaf, header, payload FROM event",
        )
        .unwrap();
        let answer = store.commit_batch(&[operation(1)]).pop().unwrap();
        assert!(
            matches!(answer, Err(CommitError::NotCommitted(Refusal::Storage(_)))),
            "{answer:?}"
        );
        assert!(store.is_stopped());
    }
}
