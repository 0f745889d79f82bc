//! Looks at a sandbox again and again, and kills everything inside when it has had too much.
//!
//! For what the kernel does not bound by itself: memory and processes where no cgroup is delegated,
//! and a total of processor time anywhere. It has a thread of its own, so that a caller who does
//! not wait, or takes its time over output, does not switch it off. Between two looks a limit can
//! be passed; what is used then is bounded by [`LOOK_MAX`], and the ending is typed all the same.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::census::{self, Census};
use super::group::keyed;
use crate::child::Shared;
use crate::outcome::Stop;
use crate::wait::readable;

/// Shortest and longest time between two looks at the processes.
const LOOK_MIN: Duration = Duration::from_millis(20);
const LOOK_MAX: Duration = Duration::from_millis(100);
/// A look costs at most one part in so many of a processor, up to [`LOOK_MAX`].
const SHARE: u32 = 5;
/// Longest time between two looks at a clock that the kernel keeps.
const CLOCK_MAX: Duration = Duration::from_secs(1);

/// What to watch; nothing in it, and there is nothing to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    /// Memory of everything inside together, in bytes.
    pub(super) memory: Option<u64>,
    pub(super) tasks: Option<Tasks>,
    pub(super) time: Option<Budget>,
}

/// A limit on processes and threads, the first process included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tasks {
    pub(super) limit: u64,
    /// The kernel refuses what is beyond; all that is left to do is to notice that it was reached.
    pub(super) refused: bool,
}

/// A limit on processor time, and who counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) limit: Duration,
    pub(super) clock: Option<Clock>,
}

/// A file in which the kernel counts processor time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// `cpu.stat` of cgroup v2, in microseconds.
    Micros(PathBuf),
    /// `cpuacct.usage` of cgroup v1, in nanoseconds.
    Nanos(PathBuf),
}

impl Clock {
    fn read(&self) -> Option<Duration> {
        match self {
            Self::Micros(path) => {
                let text = fs::read_to_string(path).ok()?;
                keyed(&text, "usage_usec").map(Duration::from_micros)
            }
            Self::Nanos(path) => {
                fs::read_to_string(path).ok()?.trim().parse().ok().map(Duration::from_nanos)
            }
        }
    }
}

impl Watch {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether processes have to be counted, not only a clock read.
    fn counts(&self) -> bool {
        self.memory.is_some()
            || self.tasks.is_some()
            || self.time.as_ref().is_some_and(|budget| budget.clock.is_none())
    }
}

/// A thread that watches one sandbox until it is dead.
#[derive(Debug)]
pub(crate) struct Watchdog {
    thread: Option<JoinHandle<()>>,
    noticed: Arc<Noticed>,
}

/// What was seen on the way.
#[derive(Debug, Default)]
struct Noticed {
    memory: AtomicU64,
    tasks_at_limit: AtomicBool,
}

impl Watchdog {
    /// Takes a first look at a sandbox, and goes on on a thread of its own. Fails where the
    /// sandbox's processes cannot be seen: nothing is watched blindly.
    pub(crate) fn start(watch: Watch, shared: &Arc<Shared>, places: Places) -> io::Result<Self> {
        let noticed = Arc::new(Noticed::default());
        let mut round = Round {
            nameless: nameless_device()?,
            noticed: Arc::clone(&noticed),
            spent: Spent::default(),
            watch,
            places,
        };
        if round.watch.counts() {
            census::take(round.places.pid)?;
        }
        let shared = Arc::clone(shared);
        let thread = std::thread::Builder::new().name("watchdog".to_owned());
        let thread = thread.spawn(move || round.until_death(&shared))?;
        Ok(Self { thread: Some(thread), noticed })
    }

    /// Most memory seen at one time in bytes, if it was weighed.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        Some(self.noticed.memory.load(Ordering::Relaxed)).filter(|peak| *peak > 0)
    }

    /// Whether as many processes were seen as are allowed.
    pub(crate) fn tasks_at_limit(&self) -> bool {
        self.noticed.tasks_at_limit.load(Ordering::Relaxed)
    }

    /// Waits for the thread; the sandbox has to be dead.
    pub(crate) fn finish(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Where a sandbox uses memory.
#[derive(Debug)]
pub(crate) struct Places {
    /// Its first process.
    pub(crate) pid: i32,
    /// A folder of the file system everything written goes to.
    pub(crate) scratch: Arc<OwnedFd>,
    /// The list of its shared memory segments, where it can have any.
    pub(crate) segments: Option<OwnedFd>,
}

impl Places {
    /// Bytes that belong to no process: on the file system, and in segments.
    fn kept(&self) -> u64 {
        let written = rustix::fs::fstatvfs(&self.scratch).map_or(0, |found| {
            found.f_blocks.saturating_sub(found.f_bfree).saturating_mul(found.f_frsize)
        });
        written.saturating_add(self.segments.as_ref().map_or(0, segments))
    }
}

/// Bytes in memory of all segments of a list in the form of `/proc/sysvipc/shm`.
fn segments(list: &OwnedFd) -> u64 {
    const RESIDENT: usize = 14;
    let mut text = String::new();
    let read = list.try_clone().map(fs::File::from).and_then(|mut list| {
        list.rewind()?;
        list.read_to_string(&mut text)
    });
    let of = |line: &str| line.split_ascii_whitespace().nth(RESIDENT)?.parse::<u64>().ok();
    read.map_or(0, |_| text.lines().skip(1).filter_map(of).fold(0, u64::saturating_add))
}

/// All files in memory without a name are on one file system of the kernel's own.
fn nameless_device() -> io::Result<u64> {
    let memory = rustix::fs::memfd_create(c"palisade", rustix::fs::MemfdFlags::CLOEXEC)?;
    Ok(fs::File::from(memory).metadata()?.dev())
}

struct Round {
    watch: Watch,
    places: Places,
    nameless: u64,
    noticed: Arc<Noticed>,
    spent: Spent,
}

impl Round {
    fn until_death(&mut self, shared: &Shared) {
        loop {
            let begun = Instant::now();
            let (stop, wait) = self.look();
            if let Some(stop) = stop {
                shared.condemn(stop);
                return;
            }
            let rest = if self.watch.counts() {
                (begun.elapsed() * SHARE).clamp(LOOK_MIN, LOOK_MAX)
            } else {
                wait.clamp(LOOK_MIN, CLOCK_MAX)
            };
            if readable(shared.pidfd(), Instant::now() + rest).is_ok() {
                return;
            }
        }
    }

    /// Whether there is too much of something, and how long the processor time lasts at least.
    fn look(&mut self) -> (Option<Stop>, Duration) {
        let census = if self.watch.counts() { census::take(self.places.pid).ok() } else { None };
        let mut stop = None;
        if let Some(census) = &census {
            self.spent.count(census);
            if self.has_too_many(census) {
                stop = Some(Stop::Tasks);
            } else if self.is_too_heavy(census) {
                stop = Some(Stop::Memory);
            }
        }
        let Some(budget) = &self.watch.time else { return (stop, CLOCK_MAX) };
        let used = match &budget.clock {
            Some(clock) => clock.read().unwrap_or_default(),
            None => self.spent.total(),
        };
        let left = budget.limit.saturating_sub(used);
        if left.is_zero() {
            stop = stop.or(Some(Stop::Time));
        }
        (stop, left / processors())
    }

    fn has_too_many(&self, census: &Census) -> bool {
        let Some(Tasks { limit, refused }) = self.watch.tasks else { return false };
        if census.tasks >= limit && refused {
            self.noticed.tasks_at_limit.store(true, Ordering::Relaxed);
        }
        census.tasks > limit && !refused
    }

    /// Weighs only what could be too heavy: the cheap sum is never below the right one.
    fn is_too_heavy(&self, census: &Census) -> bool {
        let Some(limit) = self.watch.memory else { return false };
        let files = census::nameless(census, self.nameless).saturating_add(self.places.kept());
        let mut used = census.resident.saturating_add(files);
        if used > limit {
            let memory = census::weigh(census);
            // A file in memory that is also mapped is counted in both; the larger holds.
            used = memory.private.saturating_add(memory.shared.max(files));
        }
        self.noticed.memory.fetch_max(used, Ordering::Relaxed);
        used > limit
    }
}

/// How many processors can spend time at once.
fn processors() -> u32 {
    let count = std::thread::available_parallelism().map_or(64, std::num::NonZero::get);
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Processor time over several looks. A parent that ignores the death of its children loses their
/// time for the kernel's sums, so what was seen of each process by itself is summed up as well.
#[derive(Debug, Default)]
struct Spent {
    alive: HashMap<i32, Duration>,
    gone: Duration,
    most: Duration,
}

impl Spent {
    fn count(&mut self, census: &Census) {
        for (pid, time) in &self.alive {
            let ended = census.own_times.get(pid).is_none_or(|now| now < time);
            if ended {
                self.gone += *time;
            }
        }
        self.alive.clone_from(&census.own_times);
        self.most = self.most.max(census.time);
    }

    fn total(&self) -> Duration {
        self.most.max(self.gone + self.alive.values().sum::<Duration>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(time: u64, own: &[(i32, u64)]) -> Census {
        Census {
            time: Duration::from_secs(time),
            own_times: own.iter().map(|(pid, time)| (*pid, Duration::from_secs(*time))).collect(),
            ..Census::default()
        }
    }

    #[test]
    fn time_is_not_lost_with_those_who_spent_it() {
        let check = |looks: &[Census], expect: u64| {
            let mut spent = Spent::default();
            looks.iter().for_each(|look| spent.count(look));
            assert_eq!(spent.total(), Duration::from_secs(expect), "{looks:?}");
        };
        check(&[], 0);
        check(&[census(3, &[(1, 1), (2, 2)])], 3);
        // Buried by a parent that counts: the sum stays.
        check(&[census(3, &[(1, 1), (2, 2)]), census(4, &[(1, 2)])], 4);
        // Dead without anybody who counts: what was seen of it stays.
        check(&[census(3, &[(1, 1), (2, 2)]), census(1, &[(1, 1)])], 3);
        // An id that comes back is somebody else.
        check(&[census(3, &[(1, 1), (2, 2)]), census(2, &[(1, 1), (2, 1)])], 4);
    }

    #[test]
    fn clocks_of_both_hierarchies_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let unified = file("cpu.stat", "usage_usec 2500000\nuser_usec 1\n");
        assert_eq!(Clock::Micros(unified).read(), Some(Duration::from_millis(2500)));
        let legacy = file("cpuacct.usage", "1500000000\n");
        assert_eq!(Clock::Nanos(legacy).read(), Some(Duration::from_millis(1500)));
        assert_eq!(Clock::Nanos(folder.path().join("none")).read(), None);
    }

    #[test]
    fn only_what_nobody_else_counts_is_counted() {
        let clock = Some(Clock::Nanos(PathBuf::new()));
        let time = |clock| Some(Budget { limit: Duration::from_secs(1), clock });
        let watch = Watch::default();
        assert!(watch.is_empty() && !watch.counts());
        assert!(!Watch { time: time(clock), ..watch.clone() }.counts());
        assert!(Watch { time: time(None), ..watch.clone() }.counts());
        assert!(Watch { memory: Some(1), ..watch }.counts());
    }
}
