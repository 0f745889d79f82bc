//! What is mounted on the host beneath a folder, without reading the whole table each time.
//!
//! A slot has a copy of the mounts of its time; a launch after it must show those of now. The
//! kernel tells changes to whoever has `mountinfo` open (proc_pid_mountinfo(5)), so the table is
//! read again only after one. Mounts elsewhere, such as those of containers, do not matter.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The mounts of the host, as they are now.
pub(super) struct Mounts(Mutex<Watched>);

struct Watched {
    file: File,
    entries: Vec<Entry>,
    is_stale: bool,
}

/// One mount: its place, and what tells it from another one at the same place.
struct Entry {
    place: PathBuf,
    identity: String,
}

impl Mounts {
    pub(super) fn watch() -> io::Result<Self> {
        let file = File::open("/proc/self/mountinfo")?;
        Ok(Self(Mutex::new(Watched { file, entries: Vec::new(), is_stale: true })))
    }

    /// The identities of everything mounted on or beneath one of `roots`, in a fixed order.
    pub(super) fn beneath(&self, roots: &[&Path]) -> io::Result<Vec<String>> {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.refresh()?;
        let entries = watched.entries.iter();
        let within = |entry: &&Entry| roots.iter().any(|root| entry.place.starts_with(root));
        Ok(entries.filter(within).map(|entry| entry.identity.clone()).collect())
    }
}

impl Watched {
    /// A change is told once, so it is remembered until the table has been read.
    fn refresh(&mut self) -> io::Result<()> {
        let mut fds = [PollFd::new(&self.file, PollFlags::PRI)];
        self.is_stale |= poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? != 0;
        if self.is_stale {
            let mut text = String::new();
            self.file.rewind()?;
            self.file.read_to_string(&mut text)?;
            self.entries = text.lines().filter_map(Entry::parse).collect();
            self.is_stale = false;
        }
        Ok(())
    }
}

impl Entry {
    /// The first five fields say which mount it is and where; later ones may change in passing.
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(' ').take(5).collect();
        let place = PathBuf::from(unescape(fields.get(4)?));
        Some(Self { place, identity: fields.join(" ") })
    }
}

/// Blanks and the like are written as `\040`, three octal digits.
fn unescape(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, escaped) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_identities_are_read() {
        let line = "61 25 8:1 /a /mnt/with\\040blank rw,relatime shared:1 - ext4 /dev/sda1 rw";
        let entry = Entry::parse(line).unwrap();
        assert_eq!(entry.place, PathBuf::from("/mnt/with blank"));
        assert_eq!(entry.identity, "61 25 8:1 /a /mnt/with\\040blank");
        assert!(Entry::parse("61 25 8:1").is_none());
        assert_eq!(unescape("a\\134b\\"), OsString::from("a\\b\\"));
    }

    #[test]
    fn the_mounts_of_this_host_are_found() {
        let mounts = Mounts::watch().unwrap();
        let all = mounts.beneath(&[Path::new("/")]).unwrap();
        assert!(all.iter().any(|identity| identity.ends_with(" /proc")), "{all:?}");
        assert_eq!(mounts.beneath(&[Path::new("/no/such/place")]).unwrap(), [""; 0]);
        assert_eq!(mounts.beneath(&[Path::new("/proc")]).unwrap().len(), {
            let within = |identity: &&String| identity.rsplit(' ').next().is_some_and(is_proc);
            all.iter().filter(within).count()
        });
    }

    fn is_proc(place: &str) -> bool {
        Path::new(place).starts_with("/proc")
    }
}
