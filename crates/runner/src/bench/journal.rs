//! Appending durable records in groups and one by one, and verifying them.
//! The queue is kept full, so that groups form as they do under load; what a record means plays no part.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

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
