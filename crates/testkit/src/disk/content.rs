//! One simulated file: what readers see, what a power loss would leave, and the writes between.
//!
//! The unit that survives or vanishes whole is a sector of 512 bytes. Writes to the same sector
//! stay in order, writes to different sectors may be lost independently. Names of files are not
//! here but in `medium`.

use super::Survival;
use crate::draw::Draw;

/// Bytes that a power loss keeps or loses together.
const SECTOR_BYTES: usize = 512;

/// A change that was made since the last sync.
#[derive(Debug)]
enum Change {
    Bytes { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

/// A file's content in its two states.
#[derive(Debug, Default)]
pub(super) struct Content {
    cached: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

impl Content {
    /// Length as readers see it, in bytes.
    pub(super) fn len(&self) -> usize {
        self.cached.len()
    }

    /// The bytes at `offset` that exist, at most `wanted` of them.
    pub(super) fn read(&self, offset: usize, wanted: usize) -> &[u8] {
        let end = offset.saturating_add(wanted).min(self.cached.len());
        self.cached.get(offset..end).unwrap_or(&[])
    }

    /// Writes to the cache; the durable state follows at the next sync.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        place(&mut self.cached, offset, bytes);
        self.pending.push(Change::Bytes { offset, bytes: bytes.to_vec() });
    }

    /// Cuts or extends with zeros, in the cache.
    pub(super) fn resize(&mut self, length: usize) {
        self.cached.resize(length, 0);
        self.pending.push(Change::Length(length));
    }

    /// Makes every pending change durable.
    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, &change);
        }
    }

    /// What Linux does when a sync fails: the pages are marked clean although they were not
    /// written, so readers still see them, and no later sync writes them.
    pub(super) fn fail_sync(&mut self) {
        self.pending.clear();
    }

    /// Power loss: each pending sector is kept or lost, then the cache is what the disk holds.
    pub(super) fn crash(&mut self, survival: Survival, draw: &mut Draw) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Length(length) => {
                    if survival.keeps(draw) {
                        self.durable.resize(length, 0);
                    }
                }
                Change::Bytes { offset, bytes } => {
                    keep_sectors(&mut self.durable, offset, &bytes, || survival.keeps(draw));
                }
            }
        }
        self.cached.clone_from(&self.durable);
    }
}

/// Writes those pieces of `bytes`, cut at sector borders, that `keep` decides to keep.
fn keep_sectors(
    file: &mut Vec<u8>,
    offset: usize,
    mut bytes: &[u8],
    mut keep: impl FnMut() -> bool,
) {
    let mut at = offset;
    while !bytes.is_empty() {
        let room = SECTOR_BYTES - at % SECTOR_BYTES;
        let (piece, rest) = bytes.split_at(room.min(bytes.len()));
        if keep() {
            place(file, at, piece);
        }
        at += piece.len();
        bytes = rest;
    }
}

fn apply(file: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Bytes { offset, bytes } => place(file, *offset, bytes),
        Change::Length(length) => file.resize(*length, 0),
    }
}

/// Copies `bytes` to `offset`, with zeros in a gap before it.
fn place(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if offset == file.len() {
        // Appending is the usual case, and much quicker than filling with zeros first.
        file.extend_from_slice(bytes);
        return;
    }
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    if let Some(target) = file.get_mut(offset..end) {
        target.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, SECTOR_BYTES, Survival};
    use crate::draw::Draw;

    /// Two synced sectors of `a`, then `b` over both without a sync.
    fn written() -> Content {
        let mut content = Content::default();
        content.write(0, &[b'a'; 2 * SECTOR_BYTES]);
        content.sync();
        content.write(0, &[b'b'; 2 * SECTOR_BYTES]);
        content
    }

    #[test]
    fn unsynced_bytes_live_and_die_by_the_survival() {
        for (survival, left) in [(Survival::Nothing, b'a'), (Survival::Everything, b'b')] {
            let mut content = written();
            assert_eq!(content.read(0, 1), b"b");
            content.crash(survival, &mut Draw::new(1));
            assert_eq!(content.read(0, 1), [left]);
            assert_eq!(content.len(), 2 * SECTOR_BYTES);
        }
    }

    #[test]
    fn a_write_tears_at_sector_borders_only() {
        let mut torn = 0;
        for seed in 0..64 {
            let mut content = written();
            content.crash(Survival::Half, &mut Draw::new(seed));
            let (first, second) =
                (content.read(0, SECTOR_BYTES), content.read(SECTOR_BYTES, SECTOR_BYTES));
            for sector in [first, second] {
                assert!(sector.iter().all(|byte| Some(byte) == sector.first()));
            }
            torn += usize::from(first.first() != second.first());
        }
        assert!(torn > 10, "only {torn} of 64 writes were torn");
    }

    #[test]
    fn a_failed_sync_keeps_the_cache_and_forgets_the_writes() {
        let mut content = written();
        content.fail_sync();
        content.sync();
        assert_eq!(content.read(0, 1), b"b");
        content.crash(Survival::Everything, &mut Draw::new(1));
        assert_eq!(content.read(0, 1), b"a");
    }

    #[test]
    fn an_unsynced_truncation_can_be_undone() {
        let mut content = written();
        content.sync();
        content.resize(1);
        assert_eq!(content.len(), 1);
        content.crash(Survival::Nothing, &mut Draw::new(1));
        assert_eq!(content.len(), 2 * SECTOR_BYTES);
    }
}
