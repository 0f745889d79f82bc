//! A checkpoint: how long a log was and what its last leaf was, as a few lines of text.
//!
//! Kept aside (by a person, another host, or in the file beside the database) it makes truncation
//! and rewriting of history visible, which no chain can do alone. It is not signed here.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::digest::Digest;
use crate::record::{LogId, SEQUENCE_MAX};

const FIRST_LINE: &str = "palisade journal checkpoint 1";

/// The state of a log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub log: LogId,
    /// How many records it had, which is the last one's sequence; at least 1.
    pub sequence: u64,
    /// The leaf of that record.
    pub leaf: Digest,
}

impl fmt::Display for Checkpoint {
    /// Four lines, each ending in a line feed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log, sequence, leaf } = self;
        write!(formatter, "{FIRST_LINE}\n{log}\n{sequence}\n{leaf}\n")
    }
}

/// Why text is not a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// The first line is another.
    #[error("first line is not `{FIRST_LINE}`")]
    FirstLine,
    /// The second line names no log.
    #[error("second line is not a log as `tenant/shard`")]
    Log,
    /// The third line is not a sequence.
    #[error("third line is not a sequence from 1")]
    Sequence,
    /// The fourth line is not a leaf.
    #[error("fourth line is not a digest")]
    Leaf,
    /// There is more or less than four lines.
    #[error("a checkpoint has four lines, each ended")]
    Lines,
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let lines: Vec<&str> = body.split('\n').take(5).collect();
        let [first, log, sequence, leaf] = lines.as_slice() else {
            return Err(CheckpointError::Lines);
        };
        if *first != FIRST_LINE {
            return Err(CheckpointError::FirstLine);
        }
        let sequence = sequence.parse().map_err(|_| CheckpointError::Sequence)?;
        if !(1..=SEQUENCE_MAX).contains(&sequence) {
            return Err(CheckpointError::Sequence);
        }
        Ok(Self {
            log: log.parse().map_err(|_| CheckpointError::Log)?,
            sequence,
            leaf: leaf.parse().map_err(|_| CheckpointError::Leaf)?,
        })
    }
}

impl Checkpoint {
    /// Reads several checkpoints, separated by empty lines; empty text holds none.
    ///
    /// # Errors
    /// When any of them is not a checkpoint.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, CheckpointError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        body.split("\n\n").map(|part| format!("{part}\n").parse()).collect()
    }

    /// Writes several checkpoints in the form [`Checkpoint::parse_all`] reads.
    #[must_use]
    pub fn write_all(checkpoints: &[Self]) -> String {
        checkpoints.iter().map(Self::to_string).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sequence: u64) -> Checkpoint {
        Checkpoint { log: LogId::default(), sequence, leaf: Digest::of(b"leaf") }
    }

    #[test]
    fn text_round_trips() {
        assert_eq!(sample(7).to_string().parse(), Ok(sample(7)));
        for all in [vec![], vec![sample(1)], vec![sample(1), sample(2), sample(3)]] {
            assert_eq!(Checkpoint::parse_all(&Checkpoint::write_all(&all)), Ok(all));
        }
    }

    #[test]
    fn damaged_text_is_refused() {
        let good = sample(7).to_string();
        let check = |text: String, expect: CheckpointError| {
            assert_eq!(text.parse::<Checkpoint>(), Err(expect), "{text}");
        };
        check(String::new(), CheckpointError::Lines);
        check(good.trim_end().to_owned(), CheckpointError::Lines);
        check(format!("{good}more\n"), CheckpointError::Lines);
        check(good.replace("checkpoint 1", "checkpoint 2"), CheckpointError::FirstLine);
        check(good.replace("default/0", "default"), CheckpointError::Log);
        check(good.replace("\n7\n", "\n0\n"), CheckpointError::Sequence);
        check(good.replace("\n7\n", "\n-7\n"), CheckpointError::Sequence);
        check(good.replace("\n7\n", "\n7\nx"), CheckpointError::Leaf);
    }
}
