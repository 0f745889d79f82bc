//! The bytes of a segment file: blocks of records, each block one Zstandard frame.
//!
//! Described in `FORMAT.md`. Headers and payloads are the stored bytes; nothing is parsed and written again.
//! Whether a record is genuine is known from its header in the database, not from here.

use std::io::{self, Read, Seek, SeekFrom, Write};

use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::record::PAYLOAD_INLINE_BYTES_MAX;

/// What every segment begins with.
pub(super) const FIRST_LINE: &[u8] = b"PALISADE SEGMENT 1\n";

/// A block ends with the record that brings it to this many bytes before compression.
const BLOCK_BYTES: usize = 256 * 1024;

/// Most bytes of a block before compression: the last record may exceed the bound by itself.
const BLOCK_BYTES_MAX: u64 = 256 * 1024 + 2 * PAYLOAD_INLINE_BYTES_MAX as u64;

/// Bytes before each block: first sequence, number of records, length of the frame.
const BLOCK_HEADER_BYTES: usize = 16;

/// Writes a segment, hashing what it writes.
pub(super) struct SegmentWriter<W: Write> {
    target: W,
    hasher: Sha256,
    written: u64,
    block: Vec<u8>,
    first: u64,
    records: u32,
}

impl<W: Write> SegmentWriter<W> {
    pub(super) fn new(target: W, first: u64) -> io::Result<Self> {
        let mut writer = Self {
            target,
            hasher: Sha256::new(),
            written: 0,
            block: Vec::with_capacity(BLOCK_BYTES * 2),
            first,
            records: 0,
        };
        writer.put(FIRST_LINE)?;
        Ok(writer)
    }

    /// Adds the next record; a payload that is kept elsewhere is empty here.
    pub(super) fn add(&mut self, header: &[u8], payload: &[u8]) -> io::Result<()> {
        for bytes in [header, payload] {
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            self.block.extend_from_slice(&length.to_be_bytes());
            self.block.extend_from_slice(bytes);
        }
        self.records += 1;
        if self.block.len() >= BLOCK_BYTES { self.end_block() } else { Ok(()) }
    }

    /// Ends the file; its digest, its length and the target.
    pub(super) fn finish(mut self) -> io::Result<(Digest, u64, W)> {
        self.end_block()?;
        self.put(&[0; BLOCK_HEADER_BYTES])?;
        Ok((Digest::new(self.hasher.finalize().into()), self.written, self.target))
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.records == 0 {
            return Ok(());
        }
        let frame = compress_to_vec(self.block.as_slice(), CompressionLevel::Fastest);
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        self.put(&self.first.to_be_bytes())?;
        self.put(&self.records.to_be_bytes())?;
        self.put(&length.to_be_bytes())?;
        self.put(&frame)?;
        self.first += u64::from(self.records);
        self.records = 0;
        self.block.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.written += u64::try_from(bytes.len()).unwrap_or(0);
        self.target.write_all(bytes)
    }
}

/// A record as a segment has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archived {
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

/// Some consecutive records of a segment.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) first: u64,
    pub(super) records: Vec<Archived>,
}

impl Block {
    pub(super) fn get(&self, sequence: u64) -> Option<&Archived> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.records.get(index)
    }

    /// The sequence after its last record.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.records.len()).unwrap_or(0))
    }
}

/// The block at the place where `file` stands, unless it ends before `sequence`; `None` after the last.
///
/// `Err` says what is wrong with the bytes, or that they could not be read.
pub(super) fn next_block(
    file: &mut (impl Read + Seek),
    sequence: u64,
) -> Result<Option<Block>, BlockError> {
    loop {
        let mut header = [0; BLOCK_HEADER_BYTES];
        file.read_exact(&mut header)?;
        let [first, rest] = [header.first_chunk::<8>(), header.last_chunk::<8>()];
        let (Some(first), Some(rest)) = (first, rest) else { return Ok(None) };
        let first = u64::from_be_bytes(*first);
        let rest = u64::from_be_bytes(*rest);
        let (records, length) = (rest >> 32, rest & 0xffff_ffff);
        if records == 0 {
            return Ok(None);
        }
        if length > 2 * BLOCK_BYTES_MAX {
            return Err(BlockError::Bytes("a block is too long"));
        }
        if first.saturating_add(records) <= sequence {
            file.seek(SeekFrom::Current(i64::try_from(length).unwrap_or(i64::MAX)))?;
            continue;
        }
        let mut frame = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact(&mut frame)?;
        return Ok(Some(Block { first, records: decode(&frame, records)? }));
    }
}

/// Why there is no block.
#[derive(Debug)]
pub(super) enum BlockError {
    Io(io::Error),
    Bytes(&'static str),
}

impl From<io::Error> for BlockError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Bytes("it ends early"),
            _ => Self::Io(error),
        }
    }
}

fn decode(frame: &[u8], records: u64) -> Result<Vec<Archived>, BlockError> {
    let bad = || BlockError::Bytes("a block is not compressed as it should be");
    let mut raw = Vec::new();
    let decoder = StreamingDecoder::new(frame).map_err(|_| bad())?;
    decoder.take(BLOCK_BYTES_MAX + 1).read_to_end(&mut raw).map_err(|_| bad())?;
    if u64::try_from(raw.len()).is_ok_and(|length| length > BLOCK_BYTES_MAX) {
        return Err(bad());
    }
    let mut rest = raw.as_slice();
    let mut field = || -> Option<Vec<u8>> {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (bytes, after) = after.split_at_checked(length)?;
        rest = after;
        Some(bytes.to_vec())
    };
    let mut found = Vec::new();
    for _ in 0..records {
        let record = field().zip(field());
        let (header, payload) = record.ok_or(BlockError::Bytes("a block ends early"))?;
        found.push(Archived { header, payload });
    }
    if rest.is_empty() { Ok(found) } else { Err(BlockError::Bytes("a block ends late")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn sample(records: u64) -> Vec<u8> {
        let mut writer = SegmentWriter::new(Vec::new(), 7).unwrap();
        for number in 0..records {
            let payload = vec![b'p'; usize::try_from(number * 37 % 9000).unwrap()];
            writer.add(format!("header {number}").as_bytes(), &payload).unwrap();
        }
        let (digest, length, bytes) = writer.finish().unwrap();
        assert_eq!(digest, Digest::of(&bytes));
        assert_eq!(length, u64::try_from(bytes.len()).unwrap());
        bytes
    }

    fn walk(bytes: &[u8]) -> Result<u64, BlockError> {
        let mut file = Cursor::new(bytes.get(FIRST_LINE.len()..).unwrap_or_default());
        let mut next = 7;
        while let Some(block) = next_block(&mut file, next)? {
            assert_eq!(block.first, next);
            next = block.end();
        }
        Ok(next)
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(walk(&sample(1000)).unwrap(), 1007);
        assert_eq!(walk(&sample(0)).unwrap(), 7);
        let bytes = sample(1000);
        for sequence in [7, 8, 500, 1006] {
            let mut file = Cursor::new(&bytes[FIRST_LINE.len()..]);
            let block = next_block(&mut file, sequence).unwrap().unwrap();
            let found = block.get(sequence).unwrap();
            assert_eq!(found.header, format!("header {}", sequence - 7).into_bytes());
            assert_eq!(u64::try_from(found.payload.len()).unwrap(), (sequence - 7) * 37 % 9000);
        }
    }

    #[test]
    fn damaged_bytes_are_an_error_and_never_a_panic() {
        let bytes = sample(40);
        for cut in [0, 1, 20, 40, bytes.len() / 2, bytes.len() - 17, bytes.len() - 1] {
            assert!(walk(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            // Some changes give other text, which the header's digest finds; none may do worse.
            let _ = std::panic::catch_unwind(|| walk(&changed).is_ok()).is_ok();
        }
    }

    /// Compressed with another implementation's frames in mind: the magic number of RFC 8878.
    #[test]
    fn a_block_is_a_frame_other_programs_can_read() {
        let bytes = sample(3);
        let frame = &bytes[FIRST_LINE.len() + BLOCK_HEADER_BYTES..];
        assert_eq!(frame[..4], [0x28, 0xb5, 0x2f, 0xfd]);
    }
}
