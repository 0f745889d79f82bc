//! The beginning of a file, bounded by what a tool reads and by what the decision allows.
//! It is judged by what was read, not by what the file said before: it may grow meanwhile.

use std::fs::File;
use std::io::{self, Read};

use super::TEXT_BYTES;

/// What was read of a file.
pub(super) enum Beginning {
    /// Its first [`TEXT_BYTES`].
    Read {
        /// The bytes.
        bytes: Vec<u8>,
        /// Whether there are more.
        cut: bool,
    },
    /// It has more bytes than may be read.
    TooLarge,
}

/// Reads at most [`TEXT_BYTES`] of `file`, which may have at most `largest` bytes.
pub(super) fn of(file: File, largest: u64) -> io::Result<Beginning> {
    if file.metadata()?.len() > largest {
        return Ok(Beginning::TooLarge);
    }
    let most = TEXT_BYTES.min(largest);
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    let more = bytes.len() as u64 > most;
    if more && most == largest {
        return Ok(Beginning::TooLarge);
    }
    bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(Beginning::Read { bytes, cut: more })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the kernel says that it has no bytes, and has some: as one that grows after it was asked.
    #[test]
    fn a_file_that_grows_while_it_is_read_is_held_to_its_limit() {
        let read = |largest| of(File::open("/proc/self/status").unwrap(), largest).unwrap();
        assert!(matches!(read(10), Beginning::TooLarge));
        let Beginning::Read { bytes, cut: false } = read(u64::MAX) else { panic!("cut") };
        assert!(bytes.len() > 10, "control: it is longer");
        let exactly = u64::try_from(bytes.len()).unwrap() + 64;
        assert!(matches!(read(exactly), Beginning::Read { cut: false, .. }));
    }
}
