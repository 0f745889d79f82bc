//! What a start costs with a project of many files, and from a supervisor with much memory.
//! Neither should matter: the project is a mount, and memory is only copied page table by page table.

use std::path::Path;

use sandbox::Spec;

use super::super::sample::Sample;
use super::super::{BenchError, Metric, metric, note};
use super::{ROUNDS, failed, made, millis, start};

/// Starts of each kind.
const STARTS: usize = 100;
/// Folders of the large project, and files in each.
const FOLDERS: usize = 100;
const FILES: usize = 100;
/// Memory of the large supervisor, in bytes, every page written to.
const MEMORY: usize = 512 * 1024 * 1024;

pub(super) fn measure(
    folder: &Path,
    small: &Spec,
    metrics: &mut Vec<Metric>,
    notes: &mut Vec<(String, String)>,
) -> Result<(), BenchError> {
    fill(folder)?;
    let many = Spec { workspace: Spec::new(folder, [""]).workspace, ..small.clone() };
    let (mut few, mut files, mut large) = (Sample::default(), Sample::default(), Sample::default());
    for _ in 0..ROUNDS {
        few.merge(Sample::of(2, STARTS / ROUNDS, || start(small))?);
        files.merge(Sample::of(2, STARTS / ROUNDS, || start(&many))?);
        let memory = std::hint::black_box(vec![1_u8; MEMORY]);
        large.merge(Sample::of(2, STARTS / ROUNDS, || start(small))?);
        drop(std::hint::black_box(memory));
    }
    metrics.extend([
        metric("sandbox_cold_10000_files_p50_ms", millis(&files, 0.5), "ms"),
        metric("sandbox_cold_512_mib_p50_ms", millis(&large, 0.5), "ms"),
        metric(
            "sandbox_cold_10000_files_over_empty",
            files.percentile(0.5) / few.percentile(0.5),
            "ratio",
        ),
        metric(
            "sandbox_cold_512_mib_over_small",
            large.percentile(0.5) / few.percentile(0.5),
            "ratio",
        ),
    ]);
    notes.push(note(
        "scale",
        format!(
            "{STARTS} cold starts with a project of {} files, and from a supervisor that holds 512 MiB, in turn with the small ones",
            FOLDERS * FILES
        ),
    ));
    Ok(())
}

fn fill(folder: &Path) -> Result<(), BenchError> {
    for outer in 0..FOLDERS {
        let folder = made(folder.join(outer.to_string()))?;
        for inner in 0..FILES {
            std::fs::write(folder.join(inner.to_string()), b"x").map_err(failed)?;
        }
    }
    Ok(())
}
