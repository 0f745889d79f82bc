//! A merge's log in a folder: a file of lines, and the contents that were replaced.
//!
//! Each line carries a hash over itself and everything before it, so a line that was cut off by a
//! crash is known and dropped, and one that was changed is an error. The folder belongs to one
//! merge; whoever named it keeps other users out.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, fsync, openat, renameat, unlinkat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::log::{MergeLog, Record};
use crate::changeset::{FILE_BYTES_MAX, JSON_BYTES_MAX};
use crate::digest::{Digest, Hashing};

const LINES: &str = "merge.log";
const INCOMING: &str = "incoming";
/// Bytes of a log that is read: a changeset and a line per step.
const LOG_BYTES_MAX: u64 = 2 * JSON_BYTES_MAX as u64;
const HASH_DIGITS: usize = 64;
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A [`MergeLog`] in files of one folder.
#[derive(Debug)]
pub struct LogFolder {
    folder: OwnedFd,
    lines: File,
    records: Vec<Record>,
    hash: String,
    /// Bytes of whole lines.
    end: u64,
}

impl LogFolder {
    /// Opens the log in a folder, or begins one. An unfinished last line is cut off. Only one
    /// process at a time can have it open; a second one is told `WouldBlock`.
    pub fn open(folder: OwnedFd) -> io::Result<Self> {
        let how = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lines = File::from(openat(&folder, LINES, how | OFlags::NONBLOCK, MODE)?);
        if !lines.metadata()?.is_file() {
            return Err(senseless());
        }
        flock(&lines, FlockOperation::NonBlockingLockExclusive)?;
        fsync(&folder)?;
        if lines.metadata()?.len() > LOG_BYTES_MAX {
            return Err(senseless());
        }
        let mut text = Vec::new();
        (&lines).take(LOG_BYTES_MAX).read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        text.truncate(whole);
        lines.set_len(whole as u64)?;
        let (records, hash, end) = (Vec::new(), String::new(), whole as u64);
        let mut log = Self { folder, lines, records, hash, end };
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            log.take_line(line)?;
        }
        Ok(log)
    }

    fn take_line(&mut self, line: &[u8]) -> io::Result<()> {
        let (hash, rest) = line.split_at_checked(HASH_DIGITS).ok_or_else(senseless)?;
        let json = rest
            .strip_prefix(b" ")
            .and_then(|rest| rest.strip_suffix(b"\n"))
            .ok_or_else(senseless)?;
        let expected = chained(&self.hash, json);
        if hash != expected.as_bytes() {
            return Err(senseless());
        }
        let record = serde_json::from_slice(json)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.records.push(record);
        self.hash = expected;
        Ok(())
    }
}

/// Closing alone would not let go while a process that is just being started still has a copy.
impl Drop for LogFolder {
    fn drop(&mut self) {
        let _ = flock(&self.lines, FlockOperation::Unlock);
    }
}

impl MergeLog for LogFolder {
    fn records(&self) -> io::Result<Vec<Record>> {
        Ok(self.records.clone())
    }

    fn append(&mut self, record: &Record) -> io::Result<()> {
        let json = serde_json::to_vec(record)?;
        let hash = chained(&self.hash, &json);
        let line = [hash.as_bytes(), b" ", &json, b"\n"].concat();
        // After a failure the next record is written over what the failed one left.
        self.lines.write_all_at(&line, self.end)?;
        self.lines.sync_data()?;
        self.end += line.len() as u64;
        self.records.push(record.clone());
        self.hash = hash;
        Ok(())
    }

    fn keep(&mut self, content: &mut dyn Read) -> io::Result<Digest> {
        match unlinkat(&self.folder, INCOMING, AtFlags::empty()) {
            Err(errno) if errno != Errno::NOENT => return Err(errno.into()),
            _ => {}
        }
        let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = openat(&self.folder, INCOMING, how | OFlags::CLOEXEC, MODE)?;
        let mut file = File::from(file);
        let mut content = Hashing::new(content.take(FILE_BYTES_MAX.saturating_add(1)));
        io::copy(&mut content, &mut file)?;
        file.flush()?;
        file.sync_data()?;
        let (_, digest) = content.finish();
        renameat(&self.folder, INCOMING, &self.folder, digest.to_string())?;
        fsync(self.folder.as_fd())?;
        Ok(digest)
    }

    fn kept(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.folder, digest.to_string(), how, Mode::empty())?;
        Ok(Box::new(File::from(file)))
    }
}

/// The hash of a line and of everything before it.
fn chained(previous: &str, json: &[u8]) -> String {
    let hash = Sha256::new().chain_update(previous).chain_update(json).finalize();
    Digest::from_bytes(hash.into()).to_string()
}

fn senseless() -> io::Error {
    let message = "the merge's log was changed by somebody else, or is none";
    io::Error::new(io::ErrorKind::InvalidData, message)
}
