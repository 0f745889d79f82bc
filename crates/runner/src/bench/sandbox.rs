//! Cold starts of a whole sandbox around a program that does nothing, against a bare exec and `bwrap`.
//! Nothing is pooled or kept warm: every start builds every layer anew.

use std::path::Path;

use sandbox::{End, Spec};

use super::{BenchError, Measured, baseline, metric, note, sample::Sample};

/// Starts of each kind.
const STARTS: usize = 300;
/// Rounds in which the kinds take turns, so that all see the same machine.
const ROUNDS: usize = 10;

pub(super) fn measure(folder: &Path) -> Measured {
    let spec = Spec::new(folder, [baseline::NOTHING]);
    let (mut ours, mut bare, mut other) = (Sample::default(), Sample::default(), Sample::default());
    let mut bwrap = baseline::bwrap();
    for _ in 0..ROUNDS {
        ours.merge(Sample::of(2, STARTS / ROUNDS, || start(&spec))?);
        bare.merge(Sample::of(2, STARTS / ROUNDS, baseline::exec)?);
        if let Some(bwrap) = &mut bwrap {
            other.merge(Sample::of(2, STARTS / ROUNDS, bwrap)?);
        }
    }
    let millis = |sample: &Sample, share| sample.percentile(share) / 1000.0;
    let mut metrics = vec![
        metric("sandbox_cold_p50_ms", millis(&ours, 0.5), "ms"),
        metric("sandbox_cold_p99_ms", millis(&ours, 0.99), "ms"),
        metric("exec_p50_ms", millis(&bare, 0.5), "ms"),
    ];
    let mut notes = vec![
        note(
            "sandbox",
            format!(
                "{STARTS} starts of {} from launch to outcome, every layer and the self-probe, in {ROUNDS} rounds",
                baseline::NOTHING
            ),
        ),
        note("exec", "the same program started bare"),
    ];
    if bwrap.is_some() {
        metrics.push(metric("bwrap_p50_ms", millis(&other, 0.5), "ms"));
        metrics.push(metric(
            "sandbox_cold_over_bwrap",
            millis(&ours, 0.5) / millis(&other, 0.5),
            "ratio",
        ));
        notes.push(note(
            "bwrap",
            "bwrap --unshare-all --ro-bind / / with the same program, in the same rounds",
        ));
    } else {
        notes.push(note("bwrap", "not installed, so `sandbox_cold_over_bwrap` was not measured"));
    }
    Ok(("sandbox", notes, metrics))
}

fn start(spec: &Spec) -> Result<(), BenchError> {
    let failed = |why: &dyn std::fmt::Display| BenchError::new("a sandbox", why);
    let child = sandbox::launch(spec).map_err(|error| failed(&error))?;
    match child.wait(&mut |_, _| {}).end {
        End::Exited(0) => Ok(()),
        other => Err(failed(&format!("{other:?}"))),
    }
}
