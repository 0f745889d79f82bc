//! Making a write-ahead log durable as it reads, before anything is appended to it.
//!
//! When a flush fails, Linux keeps the pages in its cache and calls them clean. The next process
//! then recovers frames that are on no disk, appends behind them and acknowledges; a loss of power
//! takes the frames away, and recovery stops at the hole. Writing the same bytes again makes the
//! pages dirty, so that a flush means what it says. Checkpointing instead is not enough, because
//! power can be lost in the middle of it. Whether the log may be touched is decided in `open`.
//!
//! The database file needs nothing of the kind. It is written by checkpoints only, from frames that
//! are durable; when its flush fails the checkpoint does not count, and the log, which stays whole,
//! is read before the file and copied into it again from where the last good checkpoint ended.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::plain;

/// Bytes in memory at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// Writes every byte of the file at `path` in its place again and flushes the file.
///
/// A file that is missing or empty is left alone. Nobody else may write to it meanwhile; who reads
/// it sees no change. A loss of power in the middle leaves each sector as it was or as it read.
///
/// # Errors
/// When the file cannot be read, written or flushed; then nothing may be appended to it.
pub(crate) fn rewrite(path: &Path) -> io::Result<()> {
    let file = match plain::open(OpenOptions::new().read(true).write(true), path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    loop {
        let count = file.read_at(&mut chunk, offset)?;
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        file.write_all_at(bytes, offset)?;
        offset += bytes.len() as u64;
    }
    if offset == 0 { Ok(()) } else { file.sync_data() }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::time::SystemTime;

    use super::{CHUNK_BYTES, rewrite};

    #[test]
    fn every_byte_is_written_again_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for length in [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 5] {
            let bytes: Vec<u8> = (0_u8..251).cycle().take(length).collect();
            fs::write(&path, &bytes).unwrap();
            // An age that only a write can change shows that there was one.
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(SystemTime::UNIX_EPOCH)
                .unwrap();
            rewrite(&path).unwrap();
            assert!(fs::metadata(&path).unwrap().modified().unwrap() > SystemTime::UNIX_EPOCH);
            assert!(fs::read(&path).unwrap() == bytes, "{length} bytes were changed");
        }
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        rewrite(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "").unwrap();
        rewrite(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    }

    #[test]
    fn a_device_that_takes_no_bytes_is_an_error() {
        assert!(rewrite(Path::new("/dev/full")).is_err());
    }
}
