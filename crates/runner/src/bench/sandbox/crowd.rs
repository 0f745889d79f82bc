//! One hundred sandboxes that all run at the same time.
//! Each program waits at one gate, which is opened when the last of them has been executed.

use std::path::Path;
use std::sync::Mutex;

use rustix::fs::{CWD, Mode, mkfifoat};
use sandbox::{Access, Mount, Spec};

use super::super::sample::time;
use super::super::{BenchError, Metric, metric, note};
use super::{failed, finish, launch};

/// Sandboxes at one time.
const CROWD: usize = 100;
/// Threads that launch them.
const THREADS: usize = 8;

pub(super) fn measure(
    folder: &Path,
    metrics: &mut Vec<Metric>,
    notes: &mut Vec<(String, String)>,
) -> Result<(), BenchError> {
    let source = folder.canonicalize().map_err(failed)?;
    let gate = source.join("gate");
    mkfifoat(CWD, &gate, Mode::RWXU).map_err(failed)?;
    let mut spec = Spec::new(folder, ["sh", "-c", "read line < /up/gate"]);
    spec.mounts.push(Mount { source, target: "/up".into(), access: Access::Write });
    let children = Mutex::new(Vec::with_capacity(CROWD));
    let (launched, until_last) = time(|| {
        std::thread::scope(|scope| {
            let launching: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (spec, children) = (&spec, &children);
                    scope.spawn(move || crew(thread, spec, children))
                })
                .collect();
            launching.into_iter().try_for_each(|crew| {
                crew.join().unwrap_or_else(|_| Err(failed("a launching thread ended")))
            })
        })
    });
    launched?;
    let children = children.into_inner().map_err(failed)?;
    let count = children.len();
    let (succeeded, until_end) = time(|| {
        // Each shell takes one byte, which is a line; the gate stays open until all have ended.
        let gate = std::fs::OpenOptions::new().read(true).write(true).open(&gate);
        let told = gate.and_then(|mut gate| {
            std::io::Write::write_all(&mut gate, "\n".repeat(count).as_bytes())?;
            Ok(gate)
        });
        let ended = children.into_iter().filter_map(|child| finish(child).ok()).count();
        told.map(|_gate| ended)
    });
    #[expect(clippy::cast_precision_loss, reason = "a hundred")]
    let succeeded = succeeded.map_err(failed)? as f64;
    metrics.extend([
        metric("sandbox_100_at_once_ms", (until_last + until_end).as_secs_f64() * 1000.0, "ms"),
        metric("sandbox_100_launched_ms", until_last.as_secs_f64() * 1000.0, "ms"),
        metric("sandbox_100_succeeded", succeeded, "count"),
    ]);
    notes.push(note(
        "100 at once",
        format!(
            "{CROWD} shells launched cold by {THREADS} threads; each waits until the last is running and then reads one line"
        ),
    ));
    Ok(())
}

fn crew(
    thread: usize,
    spec: &Spec,
    children: &Mutex<Vec<sandbox::Child>>,
) -> Result<(), BenchError> {
    for _ in (thread..CROWD).step_by(THREADS) {
        let child = launch(spec)?;
        children.lock().map_err(failed)?.push(child);
    }
    Ok(())
}
