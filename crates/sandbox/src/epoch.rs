//! Which supervisor a group or a container belongs to, told from a name or a label alone.
//!
//! An epoch is one life of one supervisor: process id, start time and pid namespace. A process id
//! comes back, a start time with it does not; and an id of another pid namespace says nothing
//! here. What is done with what a dead one left is in `limits::sweep` and `container::sweep`.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Groups are called `palisade-<epoch>-<number>`.
pub(crate) const PREFIX: &str = "palisade-";

/// One life of one supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    pid: u32,
    /// Clock ticks since the host was started.
    started: u64,
    /// Inode of the pid namespace in which `pid` counts.
    namespace: u64,
}

/// What became of a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It lives, or nobody here can tell.
    Lives,
    /// It is dead and can never come back.
    Dead,
}

impl Epoch {
    /// The epoch of this process.
    #[must_use]
    pub fn own() -> Self {
        static NAMESPACE: OnceLock<u64> = OnceLock::new();
        let namespace = || fs::metadata("/proc/self/ns/pid").map_or(0, |found| found.ino());
        let pid = std::process::id();
        let started = Life::of(pid).map_or(0, |life| life.started);
        Self { pid, started, namespace: *NAMESPACE.get_or_init(namespace) }
    }

    /// The epoch in the name of a group; `None` for a name that is not one of ours.
    pub(crate) fn of_group(name: &str) -> Option<Self> {
        let (epoch, number) = name.strip_prefix(PREFIX)?.rsplit_once('-')?;
        number.parse::<u64>().ok()?;
        Self::parse(epoch)
    }

    /// Reads an epoch as it is displayed; `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (pid, started, namespace) = (number()?, number()?, number()?);
        let pid = u32::try_from(pid).ok().filter(|pid| *pid > 0)?;
        parts.next().is_none().then_some(Self { pid, started, namespace })
    }

    /// Whether this supervisor is known to be dead, as seen from `own`.
    pub(crate) fn fate(self, own: Self) -> Fate {
        let strangers = self.namespace != own.namespace || own.namespace == 0;
        if strangers || self == own || self.started == 0 {
            return Fate::Lives;
        }
        match Life::of(self.pid) {
            Some(life) if life.started != self.started || life.is_over => Fate::Dead,
            Some(_) => Fate::Lives,
            None if is_absent(self.pid) => Fate::Dead,
            None => Fate::Lives,
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}-{}", self.pid, self.started, self.namespace)
    }
}

/// `/proc` may hide a living process; the kernel itself does not.
fn is_absent(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_none_or(|pid| pidfd_open(pid, PidfdFlags::empty()).err() == Some(Errno::SRCH))
}

/// What `/proc/<pid>/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    started: u64,
    /// It is a zombie without threads: dead, and only its parent has not noticed.
    is_over: bool,
}

impl Life {
    fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Fields as in proc_pid_stat(5), counted from after the name, which may hold anything.
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let threads: u64 = fields.get(17)?.parse().ok()?;
        let gone = matches!(*fields.first()?, "Z" | "X");
        Some(Self { started: fields.get(19)?.parse().ok()?, is_over: gone && threads <= 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_and_nothing_else_is() {
        let epoch = Epoch { pid: 7, started: 1234, namespace: 4_026_531_836 };
        assert_eq!(Epoch::of_group(&format!("{PREFIX}{epoch}-12")), Some(epoch));
        for name in [
            "palisade-7-1234-4026531836",
            "palisade-7-1234-4026531836-1-2",
            "palisade-0-1234-4026531836-1",
            "palisade-7-1234-x-1",
            "palisade--1-2-3-4",
            "palisade-supervisor",
            "user.slice",
            "",
        ] {
            assert_eq!(Epoch::of_group(name), None, "{name}");
        }
    }

    #[test]
    fn only_a_supervisor_that_cannot_come_back_is_dead() {
        let own = Epoch::own();
        assert_ne!((own.started, own.namespace), (0, 0));
        let parent = std::os::unix::process::parent_id();
        let life = Life::of(parent).unwrap();
        let living = Epoch { pid: parent, started: life.started, ..own };
        let reused = Epoch { started: life.started - 1, ..living };
        let absent = Epoch { pid: 4_194_305, started: 1, ..own };
        for (epoch, expect) in [
            (own, Fate::Lives),
            (living, Fate::Lives),
            (reused, Fate::Dead),
            (absent, Fate::Dead),
            (Epoch { namespace: own.namespace + 1, ..absent }, Fate::Lives),
            (Epoch { started: 0, ..absent }, Fate::Lives),
        ] {
            assert_eq!(epoch.fate(own), expect, "{epoch}");
        }
        assert_eq!(absent.fate(Epoch { namespace: 0, ..own }), Fate::Lives);
    }

    #[test]
    fn a_zombie_is_over_and_a_dead_leader_with_threads_is_not() {
        let stat = |state: &str, threads: u32| {
            format!("9 (a) b)) {state} 1 9 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 5151 0 0")
        };
        let check = |state: &str, threads, expect| {
            let life = Life::parse(&stat(state, threads)).unwrap();
            assert_eq!((life.started, life.is_over), (5151, expect), "{state} {threads}");
        };
        check("S", 1, false);
        check("Z", 1, true);
        check("Z", 0, true);
        check("Z", 4, false);
        assert_eq!(Life::parse("9 (a) Z 1"), None);
    }
}
