//! The journal alone under crashes: what was answered, and what is there afterwards.
//!
//! Quicker than the whole world and closer to the commit: it holds the three answers of a commit
//! to their word. Committed is there, not committed is not there, indeterminate may be either but
//! whole. Runs, leases and effects are in `world`.

use super::check::{Rule, Violation, broken, chain};
use super::fault::{Fault, has_struck};
use super::{Control, JOURNAL, placement};
use crate::disk::Disk;
use crate::draw::Draw;
use journal::{
    Access, Change, CommitError, Committed, Digest, Draft, LogId, Operation, Options, Reader,
    Record, Scan, Store, Stream,
};
use std::collections::{BTreeMap, BTreeSet};

/// The views of this simulation.
const VIEWS: &[&str] = &["first", "second"];

/// Keys per view, so that rows are often replaced and removed.
const KEYS: u64 = 12;

/// Commits in one cycle, at most.
const COMMITS_MAX: u64 = 14;

/// Tries to open before the simulation calls it stuck.
const OPENINGS_MAX: u32 = 20;

/// Bytes of a record's body, at most.
const BODY_BYTES_MAX: u64 = 500;

/// One seed's disk and what was answered.
pub(super) struct Appending {
    disk: Disk,
    draw: Draw,
    control: Control,
    operations: u64,
    /// Last sequence and leaf of every acknowledged operation; no leaf where the control lied.
    acknowledged: Vec<(u64, Option<Digest>)>,
    committed: BTreeSet<u64>,
    refused: BTreeSet<u64>,
}

impl Appending {
    pub(super) fn new(seed: u64, control: Control) -> Self {
        let disk = Disk::new(seed);
        disk.set_honesty(control.honesty());
        Self {
            disk,
            draw: Draw::new(seed),
            control,
            operations: 0,
            acknowledged: Vec::new(),
            committed: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Runs `cycles` crash cycles, judging after each recovery; gives the acknowledged operations.
    pub(super) fn run(&mut self, cycles: u32) -> Result<u64, Violation> {
        for _ in 0..cycles {
            let store = self.open()?;
            self.judge()?;
            let fault = Fault::drawn(&mut self.draw);
            fault.arm(&self.disk);
            self.work(store, fault);
        }
        drop(self.open()?);
        self.judge()?;
        Ok(self.acknowledged.len() as u64)
    }

    pub(super) const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Opens the journal, sometimes through a power cut or a failed sync in the middle of opening.
    fn open(&mut self) -> Result<Store, Violation> {
        let mut last = String::new();
        for _ in 0..OPENINGS_MAX {
            let (fault, failed) =
                (Fault::of_opening(&mut self.draw), self.disk.counts().failed_syncs);
            if let Some(fault) = fault {
                fault.arm(&self.disk);
            }
            match (Store::open(self.options()), fault) {
                (Ok(store), _) => {
                    self.disk.heal();
                    return Ok(store);
                }
                (Err(error), Some(fault)) if has_struck(&self.disk, failed) => {
                    last = error.to_string();
                    fault.settle(&self.disk, &mut self.draw);
                }
                (Err(error), _) => {
                    return Err(broken(Rule::Progress, format!("cannot open: {error:?}")));
                }
            }
        }
        Err(broken(Rule::Progress, format!("never opened: {last}")))
    }

    fn options(&self) -> Options {
        Options {
            path: JOURNAL.into(),
            access: Access::Create,
            placement: placement(self.control),
            views: VIEWS,
        }
    }

    /// Commits until something fails or enough was done, then lets the fault have its way.
    fn work(&mut self, mut store: Store, fault: Fault) {
        for _ in 0..self.draw.below(COMMITS_MAX) {
            let first = self.operations;
            let batch: Vec<Operation> =
                (0..self.draw.between(1, 4)).map(|_| self.operation()).collect();
            if self.control == Control::EarlyAcknowledgement {
                self.acknowledge_early(&store, &batch);
            }
            let answers = store.commit_batch(&batch);
            for (id, answer) in (first..).zip(answers) {
                self.note(id, answer);
            }
            match self.draw.below(20) {
                0 => drop(store.checkpoint()),
                _ if store.is_stopped() => break,
                _ => {}
            }
        }
        if fault == Fault::ProcessDeath && self.draw.chance(50) {
            // A good end instead of a bad one; what it could not do, the next opening does.
            drop(store.close());
            fault.settle(&self.disk, &mut self.draw);
            return;
        }
        fault.settle(&self.disk, &mut self.draw);
    }

    fn acknowledge_early(&mut self, store: &Store, batch: &[Operation]) {
        let mut sequence = store.head(&LogId::default()).map_or(0, |(sequence, _)| sequence);
        for operation in batch {
            sequence += operation.drafts.len() as u64;
            self.acknowledged.push((sequence, None));
        }
    }

    fn note(&mut self, id: u64, answer: Result<Committed, CommitError>) {
        match answer {
            Ok(token) => {
                self.acknowledged.push((token.last(), Some(token.leaf())));
                self.committed.insert(id);
            }
            Err(CommitError::NotCommitted(_)) => {
                self.refused.insert(id);
            }
            Err(CommitError::Indeterminate(_)) => {}
        }
    }

    /// An operation of one to three records, each with the change of a row that it stands for.
    fn operation(&mut self) -> Operation {
        let id = self.operations;
        self.operations += 1;
        let count = self.draw.between(1, 3);
        let (drafts, changes) = (0..count).map(|_| self.record(id, count)).unzip();
        Operation { log: LogId::default(), drafts, changes }
    }

    fn record(&mut self, id: u64, of: u64) -> (Draft, Change) {
        let view = *self.draw.pick(VIEWS).unwrap_or(&"first");
        let key = self.draw.below(KEYS).to_be_bytes().to_vec();
        let mut body = vec![0; usize::try_from(self.draw.below(BODY_BYTES_MAX)).unwrap_or(0)];
        self.draw.fill(&mut body);
        let value = self.draw.chance(80).then_some(body);
        let change = Change { view, key, value };
        let draft = Draft {
            stream: Stream { class: "run".into(), id: self.draw.id() },
            kind: "row.changed".into(),
            time_us: i64::try_from(self.draw.below(1 << 40)).unwrap_or(0),
            principal: "simulator".into(),
            correlation: None,
            causation: None,
            trace: None,
            schema: Digest::ZERO,
            payload: payload(id, of, &change),
        };
        (draft, change)
    }

    /// Holds the journal against every answer given so far.
    fn judge(&self) -> Result<(), Violation> {
        let unreadable = |error: String| broken(Rule::Chain, error);
        let reader = Reader::open_at(JOURNAL, &placement(self.control))
            .map_err(|error| unreadable(error.to_string()))?;
        let records = chain::read(&reader, &LogId::default())?;
        chain::judge(&records)?;
        chain::verified(self.control, &records)?;
        for (sequence, leaf) in &self.acknowledged {
            chain::present(&records, *sequence, *leaf)?;
        }
        self.answers_hold(&records)?;
        views_follow(&reader, &records)
    }

    /// Committed operations are there, refused ones are not, and none is there in part.
    fn answers_hold(&self, records: &[Record]) -> Result<(), Violation> {
        let mut found: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for row in records.iter().filter_map(|record| Row::of(&record.payload)) {
            let (count, of) = found.entry(row.id).or_insert((0, row.of));
            (*count, *of) = (*count + 1, row.of);
        }
        if let Some(id) = self.committed.iter().find(|id| !found.contains_key(id)) {
            return Err(broken(Rule::Durable, format!("operation {id} was committed and is gone")));
        }
        if let Some(id) = self.refused.iter().find(|id| found.contains_key(id)) {
            return Err(broken(Rule::Durable, format!("operation {id} was refused and is there")));
        }
        match found.iter().find(|(_, (count, of))| count != of) {
            Some((id, (count, of))) => {
                Err(broken(Rule::Durable, format!("operation {id} has {count} of {of} records")))
            }
            None => Ok(()),
        }
    }
}

/// What a record's payload says: its operation, and the row it stands for.
struct Row<'a> {
    id: u64,
    of: u64,
    view: &'a str,
    key: &'a [u8],
    value: Option<&'a [u8]>,
}

fn payload(id: u64, of: u64, change: &Change) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend(of.to_be_bytes());
    bytes.extend(&change.key);
    bytes.push(u8::from(change.view == "second"));
    bytes.push(u8::from(change.value.is_some()));
    bytes.extend(change.value.iter().flatten());
    bytes
}

impl<'a> Row<'a> {
    fn of(payload: &'a [u8]) -> Option<Self> {
        let (id, rest) = payload.split_first_chunk()?;
        let (of, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk::<8>()?;
        let ([view, kept], value) = rest.split_first_chunk()?;
        let view = VIEWS.get(usize::from(*view))?;
        let value = (*kept == 1).then_some(value);
        Some(Self { id: u64::from_be_bytes(*id), of: u64::from_be_bytes(*of), view, key, value })
    }
}

/// The rows that follow from the records are the rows that are stored.
fn views_follow(reader: &Reader, records: &[Record]) -> Result<(), Violation> {
    let mut rows: BTreeMap<&str, BTreeMap<Vec<u8>, Vec<u8>>> = BTreeMap::new();
    for row in records.iter().filter_map(|record| Row::of(&record.payload)) {
        let view = rows.entry(row.view).or_default();
        match row.value {
            Some(value) => view.insert(row.key.to_vec(), value.to_vec()),
            None => view.remove(row.key),
        };
    }
    for view in VIEWS {
        let stored = reader
            .view_scan(view, &Scan::default(), journal::PAGE_RECORDS_MAX)
            .map_err(|error| broken(Rule::Fold, error.to_string()))?;
        if stored != rows.remove(view).unwrap_or_default().into_iter().collect::<Vec<_>>() {
            return Err(broken(
                Rule::Fold,
                format!("view `{view}` does not follow from the records"),
            ));
        }
    }
    Ok(())
}
