//! How a sandbox ended, and what came of it.
//!
//! The ending is judged by one pure function from what was seen; nothing here looks at the
//! system. Why a program failed *inside* is a different question, answered in `blocked`.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::artifacts::{Artifact, Skipped};
use crate::blocked::Blocked;
use crate::limits::Observed;
use crate::receipt::Receipt;
use crate::sys::wait::Status;

/// Everything that came of one sandbox. By now everything inside is dead.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// The head of standard output.
    pub stdout: Captured,
    /// The head of standard error.
    pub stderr: Captured,
    /// Files the program wrote that match a pattern of the spec, sorted by path.
    pub artifacts: Vec<Artifact>,
    /// Matching entries that were not collected, each with the reason.
    pub skipped: Vec<Skipped>,
    /// The writable layer over the project, and the project, for whoever wants to see all changes;
    /// dropping it frees the memory.
    pub layers: Layers,
    /// What it used.
    pub usage: Usage,
    /// What was in force.
    pub receipt: Receipt,
    /// Which layer stopped it, if it failed and one can be named.
    pub blocked: Option<Blocked>,
}

/// A workspace after the end, as two open folders. The upper layer's content is hostile.
#[derive(Clone, Debug)]
pub struct Layers {
    /// What was written, in the form of an overlay's upper layer with `user.overlay.*` attributes:
    /// deleted entries are character devices 0:0, replaced folders are opaque.
    pub upper: Arc<OwnedFd>,
    /// The project folder that lies below.
    pub lower: Arc<OwnedFd>,
}

/// How a sandbox ended. `Exited(0)` is the only success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub enum End {
    /// The program ended by itself with this code.
    Exited(i32),
    /// The program was ended by this signal, not sent by the supervisor.
    Signalled(i32),
    /// A process was killed because the memory limit was reached, and the program failed.
    OutOfMemory,
    /// A process could not be started because of the limit, and the program failed.
    PidsExceeded,
    /// The total of processor time was used up; everything inside was killed.
    CpuExceeded,
    /// The writable file system was full when the program failed.
    DiskFull,
    /// More output than allowed; everything inside was killed.
    OutputExceeded,
    /// The wall time was over; everything inside was killed.
    TimedOut,
    /// A canceller was used; everything inside was killed.
    Cancelled,
    /// The sandbox itself failed, with the reason. Nothing is known about the program.
    SandboxFailed(String),
}

/// One output stream, up to the limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes, as they came.
    pub bytes: Vec<u8>,
    /// There was more.
    pub truncated: bool,
}

/// What a sandbox used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// From before the first process was made, or from the check-out of a warm slot, until the last
    /// was dead; frozen time is part of it.
    pub wall: Duration,
    /// Processor time in programs, of everything inside.
    pub cpu_user: Duration,
    /// Processor time in the kernel, of everything inside, set-up included.
    pub cpu_system: Duration,
    /// Most memory at one time in bytes: of everything inside where a cgroup counts it, else of
    /// the largest process.
    pub peak_memory: u64,
}

/// Why the supervisor killed everything inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Wall,
    Output,
    Cancelled,
    Memory,
    Tasks,
    Time,
}

/// What was seen of an ending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// The program's own status, if the first process lived to report it.
    pub(crate) status: Option<Status>,
    pub(crate) stop: Option<Stop>,
    pub(crate) observed: Observed,
    pub(crate) disk_full: bool,
}

/// Judges an ending. A status that was reported wins over a kill that came too late, except that
/// output beyond the limit is always said; limits explain a failure and never turn a success.
pub(crate) fn judge(seen: &Seen) -> End {
    const FILE_TOO_LARGE: i32 = libc::SIGXFSZ;
    const SHELL_FILE_TOO_LARGE: i32 = 128 + FILE_TOO_LARGE;
    match (seen.status, seen.stop) {
        (_, Some(Stop::Output)) => End::OutputExceeded,
        (None, Some(Stop::Wall)) => End::TimedOut,
        (None, Some(Stop::Cancelled)) => End::Cancelled,
        (None, Some(Stop::Memory)) => End::OutOfMemory,
        (None, Some(Stop::Tasks)) => End::PidsExceeded,
        (None, Some(Stop::Time)) => End::CpuExceeded,
        (None, None) if seen.observed.oom_kills > 0 => End::OutOfMemory,
        (None, None) => End::SandboxFailed("the first process ended without a report".to_owned()),
        (Some(status), _) => match (status.code(), status.signal()) {
            (Some(0), _) => End::Exited(0),
            _ if seen.observed.oom_kills > 0 => End::OutOfMemory,
            _ if seen.observed.forks_refused > 0 => End::PidsExceeded,
            (_, Some(FILE_TOO_LARGE)) | (Some(SHELL_FILE_TOO_LARGE), _) => End::DiskFull,
            _ if seen.disk_full => End::DiskFull,
            (Some(code), _) => End::Exited(code),
            (None, Some(signal)) => End::Signalled(signal),
            (None, None) => End::SandboxFailed(format!("unknown wait status {}", status.0)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXITED_0: Option<Status> = Some(Status(0));
    const EXITED_3: Option<Status> = Some(Status(3 << 8));
    const KILLED: Option<Status> = Some(Status(libc::SIGKILL));
    const TOO_LARGE: Option<Status> = Some(Status(libc::SIGXFSZ));
    const QUIET: Observed = Observed { oom_kills: 0, forks_refused: 0, peak_memory: None };
    const OOM: Observed = Observed { oom_kills: 1, ..QUIET };
    const FORKS: Observed = Observed { forks_refused: 9, ..QUIET };

    fn check(status: Option<Status>, stop: Option<Stop>, observed: Observed, expect: &End) {
        let full = |disk_full| judge(&Seen { status, stop, observed, disk_full });
        assert_eq!(&full(false), expect, "{status:?} {stop:?} {observed:?}");
    }

    #[test]
    fn endings_are_judged_by_the_strongest_evidence() {
        check(EXITED_0, None, QUIET, &End::Exited(0));
        check(EXITED_0, None, OOM, &End::Exited(0));
        check(EXITED_0, Some(Stop::Wall), QUIET, &End::Exited(0));
        check(EXITED_0, Some(Stop::Output), QUIET, &End::OutputExceeded);
        check(EXITED_3, None, QUIET, &End::Exited(3));
        check(EXITED_3, Some(Stop::Cancelled), QUIET, &End::Exited(3));
        check(EXITED_3, None, FORKS, &End::PidsExceeded);
        check(EXITED_3, None, OOM, &End::OutOfMemory);
        check(KILLED, None, QUIET, &End::Signalled(9));
        check(KILLED, None, OOM, &End::OutOfMemory);
        check(TOO_LARGE, None, QUIET, &End::DiskFull);
        check(Some(Status(153 << 8)), None, QUIET, &End::DiskFull);
        check(None, Some(Stop::Wall), OOM, &End::TimedOut);
        check(None, Some(Stop::Cancelled), QUIET, &End::Cancelled);
        check(None, Some(Stop::Memory), QUIET, &End::OutOfMemory);
        check(None, Some(Stop::Tasks), QUIET, &End::PidsExceeded);
        check(None, Some(Stop::Time), OOM, &End::CpuExceeded);
        check(EXITED_0, Some(Stop::Memory), QUIET, &End::Exited(0));
        check(EXITED_3, Some(Stop::Time), QUIET, &End::Exited(3));
        check(None, None, OOM, &End::OutOfMemory);
    }

    #[test]
    fn a_full_disk_explains_a_failure_only() {
        let end = |status| judge(&Seen { status, stop: None, observed: QUIET, disk_full: true });
        assert_eq!(end(EXITED_3), End::DiskFull);
        assert_eq!(end(EXITED_0), End::Exited(0));
    }

    #[test]
    fn a_silent_death_is_not_called_anything_else() {
        let end = judge(&Seen { status: None, stop: None, observed: QUIET, disk_full: false });
        assert!(matches!(end, End::SandboxFailed(_)));
    }
}
