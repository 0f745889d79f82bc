//! Whether memory ran out in a container, told by the kernel and not by asking the runtime.
//!
//! The limit is that of our own group, above the runtime's. With version 2 its counters include
//! what happened below and are read like the local driver's. With version 1 they do not, but the
//! kernel adds one to a counter for every time the group was out of memory, if asked to before.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::event::{EventfdFlags, eventfd};

/// A counter of the times a version 1 group was out of memory.
#[derive(Debug)]
pub(super) struct OomCount(OwnedFd);

impl OomCount {
    /// Asks the kernel to count for this group; `None` where it is not a version 1 memory group.
    pub(super) fn new(group: &Path) -> io::Result<Option<Self>> {
        let control = group.join("cgroup.event_control");
        if !control.exists() || !group.join("memory.oom_control").exists() {
            return Ok(None);
        }
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let source = File::open(group.join("memory.oom_control"))?;
        fs::write(control, format!("{} {}", counter.as_raw_fd(), source.as_raw_fd()))?;
        Ok(Some(Self(counter)))
    }

    /// How often since the last time; to be read before the group is removed, which counts too.
    pub(super) fn take(&self) -> u64 {
        let mut count = [0_u8; 8];
        match rustix::io::read(&self.0, &mut count) {
            Ok(8) => u64::from_ne_bytes(count),
            _ => 0,
        }
    }
}
