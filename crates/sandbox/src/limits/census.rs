//! Counts what runs in a sandbox, from outside, through `/proc`.
//!
//! Every process inside descends from the first one, and orphans come back to it, so the tree of
//! children is all there is. What a count leads to is decided in `watchdog`.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::group::keyed;

/// Ticks per second of the times in `/proc`; part of the kernel's interface to programs.
const TICKS: u64 = 100;
/// Processes looked at in one census; more are a breach of any limit on processes by themselves.
const PROCESSES_MAX: usize = 1 << 15;

/// What one look has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) processes: Vec<i32>,
    /// Processes and threads, dead ones that nobody has buried included.
    pub(super) tasks: u64,
    /// Pages in memory, those shared with others counted again and again, in bytes.
    pub(super) resident: u64,
    /// Processor time of what lives and of the children it has buried.
    pub(super) time: Duration,
    /// Processor time of each living process alone.
    pub(super) own_times: HashMap<i32, Duration>,
}

/// Walks the tree below and including `first`. Fails only where `first` itself cannot be seen.
pub(super) fn take(first: i32) -> io::Result<Census> {
    let page = rustix::param::page_size() as u64;
    let mut census = Census::default();
    let mut waiting = vec![first];
    while let Some(pid) = waiting.pop()
        && census.processes.len() < PROCESSES_MAX
    {
        let looked = look(pid, page, &mut waiting);
        match looked {
            Err(error) if pid == first => return Err(error),
            Err(_) => {}
            Ok(one) => {
                census.processes.push(pid);
                census.tasks += one.threads;
                census.resident += one.resident;
                census.time += one.time + one.buried;
                census.own_times.insert(pid, one.time);
            }
        }
    }
    Ok(census)
}

/// One process.
#[derive(Debug, PartialEq, Eq)]
struct One {
    threads: u64,
    resident: u64,
    time: Duration,
    buried: Duration,
}

fn look(pid: i32, page: u64, waiting: &mut Vec<i32>) -> io::Result<One> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let one = One::parse(&stat, page).ok_or(io::ErrorKind::InvalidData)?;
    if one.threads > 1 {
        for thread in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
            let children = fs::read_to_string(thread.path().join("children"));
            numbers(&children.unwrap_or_default(), waiting);
        }
    } else {
        numbers(&fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?, waiting);
    }
    Ok(one)
}

fn numbers(text: &str, into: &mut Vec<i32>) {
    into.extend(text.split_ascii_whitespace().filter_map(|word| word.parse::<i32>().ok()));
}

impl One {
    /// Fields as in proc_pid_stat(5), counted from after the name, which may hold anything.
    fn parse(stat: &str, page: u64) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<i64>().ok()?.try_into().ok();
        let time = |at: usize| Some(ticks(u64::saturating_add(number(at)?, number(at + 1)?)));
        Some(Self {
            threads: number(17)?.max(1),
            resident: number(21)?.saturating_mul(page),
            time: time(11)?,
            buried: time(13)?,
        })
    }
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count.saturating_mul(1000 / TICKS))
}

/// Memory of processes that is not the content of files, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Heap and stacks; what several share is divided among them.
    pub(super) private: u64,
    /// Mapped shared memory, divided likewise.
    pub(super) shared: u64,
}

/// Weighs every process; slower than a census by far. One that has just died weighs nothing.
pub(super) fn weigh(census: &Census) -> Memory {
    let mut total = Memory::default();
    for pid in &census.processes {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let kilobytes = |key| keyed(&text, key).map_or(0, |count| count.saturating_mul(1024));
        total.private += kilobytes("Pss_Anon:");
        total.shared += kilobytes("Pss_Shmem:");
    }
    total
}

/// Files without a name that live in memory and that a descriptor keeps, in bytes. `device` is the
/// number the kernel gives to all of them.
pub(super) fn nameless(census: &Census, device: u64) -> u64 {
    let mut known = HashSet::new();
    let mut bytes = 0;
    for pid in &census.processes {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            if let Ok(found) = fs::metadata(entry.path())
                && found.dev() == device
                && known.insert(found.ino())
            {
                bytes += found.blocks().saturating_mul(512);
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "812 (a) R 1 (x) S 1 812 812 0 -1 4194560 106 0 3 0 150 50 20 10 20 0 4 0 \
                        9035 7319552 25 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0";

    #[test]
    fn a_process_is_read_whatever_it_calls_itself() {
        let one = One::parse(STAT, 4096).unwrap();
        let expect = One {
            threads: 4,
            resident: 25 * 4096,
            time: Duration::from_secs(2),
            buried: Duration::from_millis(300),
        };
        assert_eq!(one, expect);
        assert_eq!(One::parse("812 (a) S 1 2", 4096), None);
        assert_eq!(One::parse("", 4096), None);
    }

    #[test]
    fn the_tree_of_this_process_is_counted() {
        let own = std::process::id().cast_signed();
        let alone = take(own).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let together = take(own).unwrap();
        let pid = child.id().cast_signed();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(together.processes.contains(&pid) && !alone.processes.contains(&pid));
        assert!(together.tasks >= 2 && together.resident > 0);
        assert!(take(i32::MAX).is_err());
    }

    #[test]
    fn a_file_in_memory_is_found_once_by_its_descriptors() {
        use std::io::Write as _;
        let memory = rustix::fs::memfd_create(c"x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let mut file = fs::File::from(memory);
        let device = file.metadata().unwrap().dev();
        let census = take(std::process::id().cast_signed()).unwrap();
        let before = nameless(&census, device);
        file.write_all(&vec![1; 1 << 20]).unwrap();
        let _second = file.try_clone().unwrap();
        let grown = nameless(&census, device) - before;
        assert!((1 << 20..2 << 20).contains(&grown), "{grown}");
        assert!(weigh(&census).private > 0);
    }
}
