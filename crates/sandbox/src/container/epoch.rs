//! The life of one supervisor, as a name that no other life on any host shares.
//!
//! A process number alone comes back; with the start time and the boot it does not. The name is
//! written on every container, so that a sweep can tell the dead from the living.

use std::fmt;
use std::fs;

/// One life of one supervising process: `<boot>-<pid>-<start>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch {
    boot: String,
    pid: u32,
    /// In clock ticks after boot.
    start: u64,
}

/// Characters of the boot's identity that are kept.
const BOOT_CHARS: usize = 12;

impl Epoch {
    /// This process's.
    #[must_use]
    pub fn own() -> Self {
        let pid = std::process::id();
        Self { boot: boot(), pid, start: start(pid).unwrap_or(0) }
    }

    /// Reads a label; `None` for what is no epoch.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let boot = parts.next().filter(|boot| boot.len() == BOOT_CHARS)?.to_owned();
        Some(Self { boot, pid: parts.next()?.parse().ok()?, start: parts.next()?.parse().ok()? })
    }

    /// Whether this process still lives on this host, in this boot.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.boot == boot() && start(self.pid) == Some(self.start)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}-{}", self.boot, self.pid, self.start)
    }
}

fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let letters = text.chars().filter(char::is_ascii_hexdigit);
    let kept: String = letters.take(BOOT_CHARS).collect();
    format!("{kept:0>BOOT_CHARS$}")
}

/// The start time is the 22nd field; the second may hold blanks and parentheses. A zombie has
/// ended, although it is still listed.
fn start(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_read_as_it_is_written_and_ends_with_its_process() {
        let own = Epoch::own();
        assert_eq!(Epoch::parse(&own.to_string()), Some(own.clone()));
        assert!(own.is_alive());
        assert!(!Epoch { start: own.start + 1, ..own.clone() }.is_alive(), "a number came back");
        assert!(!Epoch { boot: "0".repeat(BOOT_CHARS), ..own }.is_alive(), "another boot");
        assert_eq!(Epoch::parse("x"), None);
        assert_eq!(Epoch::parse(""), None);
    }
}
