//! Starts of a whole sandbox around a program that does nothing, against a bare exec and `bwrap`.
//! Cold starts build every layer anew; warm ones take a slot that was built beforehand and is used once. All kinds
//! take turns in rounds, so that all see the same machine. Many at once are in `crowd`, sizes in `scale`.

mod crowd;
mod scale;

use std::path::Path;

use sandbox::{Child, End, LaunchError, Outcome, Pool, PoolSize, Spec};

use super::sample::{Sample, time};
use super::{BenchError, Measured, baseline, metric, note};

/// Starts of each kind.
const STARTS: usize = 300;
/// Rounds in which the kinds take turns.
const ROUNDS: usize = 10;

pub(super) fn measure(folder: &Path) -> Measured {
    let project = made(folder.join("project"))?;
    let spec = Spec::new(&project, [baseline::NOTHING]);
    let mut metrics = Vec::new();
    let mut notes = vec![note(
        "sandbox",
        format!(
            "{STARTS} starts of {} from launch to outcome, every layer and the self-probe, in {ROUNDS} rounds",
            baseline::NOTHING
        ),
    )];
    let mut measured = Samples::default();
    measured.take(&spec)?;
    measured.report(&mut metrics, &mut notes);
    crowd::measure(&made(folder.join("crowd"))?, &mut metrics, &mut notes)?;
    scale::measure(&made(folder.join("files"))?, &spec, &mut metrics, &mut notes)?;
    Ok(("sandbox", notes, metrics))
}

#[derive(Default)]
struct Samples {
    cold: Sample,
    warm: Sample,
    /// Of warm starts, the part until the program has been executed.
    begun: Sample,
    bare: Sample,
    /// Stays empty where `bwrap` is not installed.
    other: Sample,
    has_other: bool,
}

impl Samples {
    fn take(&mut self, spec: &Spec) -> Result<(), BenchError> {
        let pool = pool()?;
        let mut bwrap = baseline::bwrap();
        self.has_other = bwrap.is_some();
        for _ in 0..ROUNDS {
            self.cold.merge(Sample::of(2, STARTS / ROUNDS, || start(spec))?);
            self.warm(&pool, spec)?;
            self.bare.merge(Sample::of(2, STARTS / ROUNDS, baseline::exec)?);
            if let Some(bwrap) = &mut bwrap {
                self.other.merge(Sample::of(2, STARTS / ROUNDS, bwrap)?);
            }
        }
        Ok(())
    }

    fn warm(&mut self, pool: &Pool, spec: &Spec) -> Result<(), BenchError> {
        for _ in 0..STARTS / ROUNDS {
            // The slot for the next start is made while this one runs, as it is in use; only its end is waited for.
            pool.settle();
            pool.prepare(spec).map_err(failed)?;
            let ((launched, begun), whole) = time(|| {
                let (child, begun) = time(|| pool.launch(spec));
                (child.map_err(failed).and_then(finish), begun)
            });
            if !launched?.receipt.warm {
                return Err(failed("no slot was ready"));
            }
            self.begun.add(begun);
            self.warm.add(whole);
        }
        Ok(())
    }

    fn report(&self, metrics: &mut Vec<super::Metric>, notes: &mut Vec<(String, String)>) {
        let (cold, bare) = (millis(&self.cold, 0.5), millis(&self.bare, 0.5));
        let warm = millis(&self.warm, 0.5);
        metrics.extend([
            metric("sandbox_cold_p50_ms", cold, "ms"),
            metric("sandbox_cold_p99_ms", millis(&self.cold, 0.99), "ms"),
            metric("sandbox_warm_p50_ms", warm, "ms"),
            metric("sandbox_warm_p99_ms", millis(&self.warm, 0.99), "ms"),
            metric("sandbox_warm_launch_p50_ms", millis(&self.begun, 0.5), "ms"),
            metric("exec_p50_ms", bare, "ms"),
            metric("sandbox_warm_over_exec", warm / bare, "ratio"),
        ]);
        notes.push(note(
            "warm",
            "the same from a slot that was built beforehand and is used once; `launch` is the part until the program has been executed, with all that is looked at again",
        ));
        notes.push(note("exec", "the same program started bare"));
        if self.has_other {
            let other = millis(&self.other, 0.5);
            metrics.push(metric("bwrap_p50_ms", other, "ms"));
            metrics.push(metric("sandbox_cold_over_bwrap", cold / other, "ratio"));
            notes.push(note(
                "bwrap",
                "bwrap --unshare-all --ro-bind / / with the same program, in the same rounds",
            ));
        } else {
            notes.push(note(
                "bwrap",
                "not installed, so `sandbox_cold_over_bwrap` was not measured",
            ));
        }
    }
}

fn millis(sample: &Sample, share: f64) -> f64 {
    sample.percentile(share) / 1000.0
}

fn pool() -> Result<Pool, BenchError> {
    Pool::new(PoolSize { per_key: 1, ..PoolSize::default() }).map_err(failed)
}

/// A cold start, to its end.
fn start(spec: &Spec) -> Result<(), BenchError> {
    finish(launch(spec)?).map(drop)
}

fn launch(spec: &Spec) -> Result<Child, BenchError> {
    sandbox::launch(spec).map_err(|error: LaunchError| failed(error))
}

fn finish(child: Child) -> Result<Outcome, BenchError> {
    let outcome = child.wait(&mut |_, _| {});
    match outcome.end {
        End::Exited(0) => Ok(outcome),
        other => Err(failed(format!("{other:?}"))),
    }
}

fn failed(why: impl std::fmt::Display) -> BenchError {
    BenchError::new("a sandbox", why)
}

/// A folder below the scratch folder.
fn made(folder: std::path::PathBuf) -> Result<std::path::PathBuf, BenchError> {
    std::fs::create_dir_all(&folder).map_err(failed)?;
    Ok(folder)
}
