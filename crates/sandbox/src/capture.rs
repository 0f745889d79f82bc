//! Output of a program, kept up to a limit over both streams together.
//!
//! What is beyond the limit is dropped as it arrives, so a program that writes without end costs
//! no memory in the time it takes to kill it.

use crate::outcome::Captured;

/// One of the two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The heads of both streams, and how much more may come.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
    left: u64,
}

impl Capture {
    pub(crate) fn new(limit: u64) -> Self {
        Self { stdout: Captured::default(), stderr: Captured::default(), left: limit }
    }

    /// Keeps what fits and returns it; the second value says whether everything fitted.
    pub(crate) fn keep<'a>(&mut self, stream: Stream, bytes: &'a [u8]) -> (&'a [u8], bool) {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX);
        let (kept, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.left = self.left.saturating_sub(kept.len() as u64);
        let captured = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        captured.bytes.extend_from_slice(kept);
        captured.truncated |= !rest.is_empty();
        (kept, rest.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_share_the_limit_and_keep_their_heads() {
        let mut capture = Capture::new(5);
        assert_eq!(capture.keep(Stream::Stdout, b"abc"), (&b"abc"[..], true));
        assert_eq!(capture.keep(Stream::Stderr, b"xyz"), (&b"xy"[..], false));
        assert_eq!(capture.keep(Stream::Stdout, b"d"), (&b""[..], false));
        assert_eq!(capture.keep(Stream::Stdout, b""), (&b""[..], true));
        assert_eq!(capture.stdout, Captured { bytes: b"abc".to_vec(), truncated: true });
        assert_eq!(capture.stderr, Captured { bytes: b"xy".to_vec(), truncated: true });
    }

    #[test]
    fn exactly_the_limit_is_not_too_much() {
        let mut capture = Capture::new(3);
        assert!(capture.keep(Stream::Stdout, b"abc").1);
        assert!(!capture.stdout.truncated);
    }
}
