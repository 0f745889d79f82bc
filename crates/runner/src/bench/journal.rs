//! Appending durable records in groups and one by one, and verifying them.
//! The queue is kept full, so that groups form as they do under load; what a record means plays no part.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use journal::tlog::{NodeKey, Notary, Witness};
use journal::{Journal, Lane, LogId, Operation, Verification};
use serde_json::json;

use super::{BenchError, Measured, Metric, baseline, metric, note, sample};
use crate::{clock, record};

/// Records appended in groups.
const RECORDS: usize = 200_000;
/// Records of one operation.
const PER_OPERATION: usize = 4;
/// Single appends, each waited for; the baseline takes as many.
const SINGLES: usize = 400;
/// Proofs made.
const PROOFS: usize = 200;
/// Passes of the verification.
const PASSES: usize = 5;

pub(super) fn measure(folder: &Path) -> Measured {
    let failed = |error: &dyn std::fmt::Display| BenchError::new("the journal", error);
    let path = folder.join("journal.db");
    let journal =
        Journal::open(journal::Options::new(&path, &[])).map_err(|error| failed(&error))?;
    let journal = Arc::new(journal);
    let took = grouped(&journal)?;
    let (single, bare) = single(&journal, folder)?;
    let flushes = journal.stats().commits;
    journal.close().map_err(|error| failed(&error))?;
    drop(journal);
    let verified = verified(&path)?;
    let (signed, proved) = signed(&folder.join("signed"))?;
    let per_second = |count: usize, took: Duration| {
        #[expect(clippy::cast_precision_loss, reason = "a count of records")]
        let count = count as f64;
        count / took.as_secs_f64()
    };
    let metrics: Vec<Metric> = vec![
        metric("journal_events_per_s", per_second(RECORDS, took), "1/s"),
        metric("journal_append_p50_us", single.percentile(0.5), "us"),
        metric("journal_fdatasync_p50_us", bare.percentile(0.5), "us"),
        metric(
            "journal_append_over_fdatasync",
            single.percentile(0.5) / bare.percentile(0.5),
            "ratio",
        ),
        metric("journal_verify_events_per_s_core", verified, "1/s"),
        metric("journal_signed_events_per_s", per_second(RECORDS, signed), "1/s"),
        metric("journal_prove_p50_us", proved.percentile(0.5), "us"),
        metric("journal_prove_p99_us", proved.percentile(0.99), "us"),
    ];
    let notes = vec![
        note(
            "append",
            format!(
                "{RECORDS} records of about 300 bytes, {PER_OPERATION} an operation, every group flushed before it is acknowledged; {flushes} flushes in all"
            ),
        ),
        note(
            "single append",
            format!(
                "{SINGLES} operations of one record, each waited for, in turn with write and fdatasync of 4 KiB"
            ),
        ),
        note("verify", format!("every record, one thread, from page cache, median of {PASSES}")),
        note(
            "signed",
            format!(
                "as append, with the tree over all records built and signed behind the commits; {PROOFS} proofs of records all over the log, up to the log of logs, from tiles"
            ),
        ),
    ];
    Ok(("journal", notes, metrics))
}

fn operation(records: usize, number: usize) -> Operation {
    let drafts = (0..records)
        .map(|index| {
            let text = "x".repeat(120);
            let body =
                json!({ "type": "bench.event", "number": number, "index": index, "text": text });
            record::node_draft("bench.event", &body, clock::now())
        })
        .collect();
    Operation { log: LogId::default(), drafts, changes: Vec::new() }
}

/// Time to make all records durable, from several submitters' point of view: the queue is always full.
fn grouped(journal: &Journal) -> Result<Duration, BenchError> {
    let operations: Vec<Operation> =
        (0..RECORDS / PER_OPERATION).map(|number| operation(PER_OPERATION, number)).collect();
    let count = operations.len();
    let (done, answers) = channel();
    let (result, took) = sample::time(|| {
        for operation in operations {
            let done = done.clone();
            journal.submit(operation, Lane::High, move |answer| drop(done.send(answer.map(drop))));
        }
        answers.iter().take(count).collect::<Result<Vec<()>, _>>()
    });
    result.map_err(|error| BenchError::new("appending", error))?;
    Ok(took)
}

/// Single appends and bare flushes, in turn, so that both see the same disk.
fn single(
    journal: &Journal,
    folder: &Path,
) -> Result<(sample::Sample, sample::Sample), BenchError> {
    const TURNS: usize = 8;
    let (mut ours, mut bare) = (sample::Sample::default(), sample::Sample::default());
    for turn in 0..TURNS {
        let mut number = turn * SINGLES;
        let appended = sample::Sample::of(4, SINGLES / TURNS, || {
            number += 1;
            journal
                .commit(operation(1, number))
                .map(drop)
                .map_err(|error| BenchError::new("appending", error))
        })?;
        ours.merge(appended);
        bare.merge(baseline::fdatasync(folder, SINGLES / TURNS)?);
    }
    Ok((ours, bare))
}

/// Records verified in a second by one thread.
fn verified(path: &Path) -> Result<f64, BenchError> {
    let verification = Verification { threads: NonZeroUsize::MIN, ..Verification::new(path) };
    let mut rates = Vec::new();
    for _ in 0..PASSES {
        let (result, took) = sample::time(|| verification.run());
        let verified = result.map_err(|error| BenchError::new("verifying", error))?;
        #[expect(clippy::cast_precision_loss, reason = "a count of records")]
        let records = verified.records as f64;
        rates.push(records / took.as_secs_f64());
    }
    Ok(sample::percentile(&mut rates, 0.5))
}

/// Time to append all records while they are signed, and of proofs once they are.
fn signed(folder: &Path) -> Result<(Duration, sample::Sample), BenchError> {
    let failed = |error: &dyn std::fmt::Display| BenchError::new("signing", error);
    let (path, tiles) = (folder.join("journal.db"), folder.join("tiles"));
    let key = NodeKey::of(&[7; 32]);
    let notary = Notary { key: key.clone(), folder: tiles.clone(), known: Vec::new() };
    let options = journal::Options::new(&path, &[]);
    let journal = Journal::open_signing(options, notary).map_err(|error| failed(&error))?;
    let took = grouped(&journal)?;
    journal.close().map_err(|error| failed(&error))?;
    if let Some(why) = journal.unsigned() {
        return Err(failed(&why));
    }
    let reader = journal.reader().map_err(|error| failed(&error))?;
    let witness = Witness::new(&tiles, key.verifier());
    let records = u64::try_from(RECORDS).unwrap_or(u64::MAX);
    let mut sequence = 1;
    // The first one writes the tiles.
    let proved = sample::Sample::of(1, PROOFS, || {
        sequence = (sequence * 7_919) % records + 1;
        witness
            .prove(&reader, &LogId::default(), sequence)
            .map(drop)
            .map_err(|error| failed(&error))
    })?;
    Ok((took, proved))
}
