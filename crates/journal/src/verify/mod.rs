//! Verification: recompute every hash of a log over the stored bytes and name the first bad record.
//!
//! `scan` walks chunks in parallel, `blame` looks around a finding to decide which record it is,
//! `fault` is what is reported. `inspect` looks at the rest of the file too: `header`, `structure` and `views`.
//! Nothing is repaired.

mod blame;
mod fault;
mod header;
mod inspect;
mod scan;
mod structure;
mod views;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

pub use fault::{Fault, FaultReason, VerifyError};
pub use inspect::inspect;
pub use structure::{FilePlace, StructureFault};
pub use views::{Difference, ViewFault};

use self::scan::{Chunk, Scanner, Summary};
use crate::checkpoint::Checkpoint;
use crate::digest::Digest;
use crate::place::Placement;
use crate::reader::Reader;
use crate::record::LogId;
use crate::tlog::TreeHead;

/// Records per chunk, the unit of parallel work.
const CHUNK_RECORDS: u64 = 16_384;

/// Which part of a log to verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// From the first record to the last.
    Whole,
    /// The last so many records, linked to the stored leaf of the record before them.
    Tail(u64),
    /// What came after a checkpoint, which must itself still be true.
    Since(Checkpoint),
}

/// What to verify and how.
#[derive(Debug, Clone)]
pub struct Verification {
    /// The database file.
    pub path: PathBuf,
    /// Where it lives.
    pub placement: Placement,
    /// The log.
    pub log: LogId,
    /// Which part of it.
    pub range: Range,
    /// Checkpoints kept aside; those of other logs are passed over.
    pub checkpoints: Vec<Checkpoint>,
    /// Signed checkpoints kept aside, already verified; those of other logs are passed over.
    pub signed: Vec<TreeHead>,
    /// Threads to use.
    pub threads: NonZeroUsize,
}

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The log.
    pub log: LogId,
    /// First record verified; 0 when there was none.
    pub first: u64,
    /// Last record verified, which is the log's last; 0 for an empty log.
    pub last: u64,
    /// How many records were verified.
    pub records: u64,
    /// The leaf of the last record: keep it aside with `last` as a [`Checkpoint`].
    pub leaf: Digest,
    /// Bytes hashed, headers and payloads.
    pub bytes: u64,
    /// Checkpoints that were compared.
    pub checkpoints: usize,
    /// Signed ones among them that no key was held against, as a caller knows.
    pub unproved: usize,
    /// Artifacts that were compared with their digests: payloads, and what a caller knows records to name.
    pub artifacts: u64,
}

impl Verification {
    /// The whole default log of a database on disk, with the checkpoint file beside it if there is
    /// one, on one thread.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            placement: Placement::Disk,
            log: LogId::default(),
            range: Range::Whole,
            checkpoints: Vec::new(),
            signed: Vec::new(),
            threads: NonZeroUsize::MIN,
        }
    }

    /// Verifies, reading only. Records appended meanwhile are not looked at.
    ///
    /// # Errors
    /// [`VerifyError::Fault`] names the first bad record; the others mean that nothing was found out.
    pub fn run(&self) -> Result<Verified, VerifyError> {
        let scanner = Scanner::open(self)?;
        // What is kept beside the log is read before its end, which a writer may move meanwhile.
        let roots = self.roots(&scanner)?;
        let mut checkpoints: Vec<Checkpoint> = self.checkpoints.clone();
        if let Range::Since(checkpoint) = &self.range {
            checkpoints.push(checkpoint.clone());
        }
        checkpoints.extend(scanner.kept_aside()?);
        checkpoints.retain(|checkpoint| checkpoint.log == self.log);
        let last = scanner.last()?;
        let first = match &self.range {
            Range::Whole => 1,
            Range::Tail(records) => last.saturating_sub(*records).saturating_add(1),
            Range::Since(checkpoint) => checkpoint.sequence.saturating_add(1),
        };
        let outcome = self.scan(&scanner, first, last);
        // A fault in the records comes before one that only the end of the log shows.
        let summary = outcome.map_err(|finding| finding.blamed(&scanner))?;
        for checkpoint in &checkpoints {
            scanner.compare(checkpoint, last)?;
        }
        scanner.compare_roots(&roots, last)?;
        let empty = summary.records == 0;
        Ok(Verified {
            log: self.log.clone(),
            first: if empty { 0 } else { first },
            last,
            records: summary.records,
            leaf: scanner.leaf(last)?,
            bytes: summary.bytes,
            checkpoints: checkpoints.len() + roots.len(),
            unproved: 0,
            artifacts: summary.artifacts,
        })
    }

    /// Sizes and roots the log's tree must have had: those signed, and for a whole log those kept beside it.
    fn roots(&self, scanner: &Scanner) -> Result<Vec<(u64, Digest)>, VerifyError> {
        let signed = self.signed.iter().filter(|head| head.log().as_ref() == Some(&self.log));
        let mut roots: Vec<(u64, Digest)> = signed.map(|head| (head.size, head.root)).collect();
        if self.range == Range::Whole {
            roots.extend(scanner.kept_tree()?.map(|tree| (tree.size(), tree.root())));
        }
        roots.sort_unstable();
        Ok(roots)
    }

    /// Verifies `first..=last` in chunks and checks that they follow on each other.
    fn scan(&self, scanner: &Scanner, first: u64, last: u64) -> Result<Summary, fault::Finding> {
        if first > last {
            return Ok(Summary::default());
        }
        let seed = scanner.leaf(first.saturating_sub(1))?;
        let chunks = last.saturating_sub(first) / CHUNK_RECORDS + 1;
        let board =
            Board { next: AtomicU64::new(0), stop: AtomicU64::new(chunks), done: Mutex::default() };
        let chunk_at = |index: u64| {
            let from = first + index * CHUNK_RECORDS;
            (from, last.min(from.saturating_add(CHUNK_RECORDS - 1)))
        };
        std::thread::scope(|scope| {
            for _ in 1..self.threads.get() {
                scope.spawn(|| {
                    // One that cannot start leaves its share to the others.
                    if let Ok(own) = Scanner::open(self) {
                        board.work(&own, &chunk_at);
                    }
                });
            }
            board.work(scanner, &chunk_at);
        });
        let mut done = board.done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(index, _)| *index);
        scan::join(seed, done.into_iter().map(|(_, chunk)| chunk))
    }
}

/// Which chunk is next, which ones need not be done, and the results.
struct Board {
    next: AtomicU64,
    stop: AtomicU64,
    done: Mutex<Vec<(u64, Chunk)>>,
}

impl Board {
    fn work(&self, scanner: &Scanner, chunk_at: &(impl Fn(u64) -> (u64, u64) + Sync)) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.stop.load(Ordering::Relaxed) {
                return;
            }
            let (from, to) = chunk_at(index);
            let chunk = scanner.chunk(from, to);
            if chunk.finding.is_some() {
                // Later chunks cannot hold the first fault.
                self.stop.fetch_min(index + 1, Ordering::Relaxed);
            }
            self.done.lock().unwrap_or_else(PoisonError::into_inner).push((index, chunk));
        }
    }
}

/// Verifies every log of the database whole, and that no record lies outside of them.
///
/// `template.log` and `template.range` are not used.
///
/// # Errors
/// As [`Verification::run`], for the first log that has a fault.
pub fn verify_all(template: &Verification) -> Result<Vec<Verified>, VerifyError> {
    let reader = Reader::open_at(&template.path, &template.placement)?;
    scan::check_strays(&reader)?;
    let mut logs = scan::registered(&reader)?;
    let kept = scan::kept_aside(&reader, &template.placement)?;
    // A log that only a checkpoint remembers was removed as a whole.
    let named = template.checkpoints.iter().chain(&kept).map(|checkpoint| checkpoint.log.clone());
    for log in named.chain(template.signed.iter().filter_map(TreeHead::log)) {
        if !logs.contains(&log) {
            logs.push(log);
        }
    }
    let whole =
        |log: &LogId| Verification { log: log.clone(), range: Range::Whole, ..template.clone() };
    let verified = logs.iter().map(|log| whole(log).run()).collect::<Result<_, _>>()?;
    scan::check_segments(&reader, &logs)?;
    Ok(verified)
}
