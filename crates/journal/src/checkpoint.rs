//! A checkpoint: how long a log was and what its last leaf was, as a few lines of text.
//!
//! Kept aside (by a person, another host, or in the file beside the database) it makes truncation
//! and rewriting of history visible, which no chain can do alone. This is the form for whoever trusts
//! the file it is in; what is signed and shown to others is `tlog::TreeHead`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::digest::Digest;
use crate::record::{LogId, SEQUENCE_MAX};
use crate::tlog::Frontier;

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
    /// What follows the four lines in the file beside a database is not the log's tree.
    #[error("after the four lines there is not a tree with its hashes")]
    Tree,
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
    /// This is the file beside a database; the trees it may hold are passed over.
    ///
    /// # Errors
    /// When any of them is not a checkpoint.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, CheckpointError> {
        Ok(Kept::parse_all(text)?.into_iter().map(|kept| kept.checkpoint).collect())
    }
}

/// An entry of the file beside a database: where the log ended, and the tree as far as it was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) checkpoint: Checkpoint,
    /// Never larger than the log; nothing is signed that is not the beginning of it or grown from it.
    pub(crate) tree: Frontier,
}

impl Kept {
    pub(crate) fn parse_all(text: &str) -> Result<Vec<Self>, CheckpointError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        body.split("\n\n").map(Self::parse).collect()
    }

    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let (four, tree) = text.split_once("\ntree ").unwrap_or((text, "0"));
        let checkpoint: Checkpoint = format!("{four}\n").parse()?;
        let mut lines = tree.split('\n');
        let size = lines.next().and_then(|size| size.parse().ok()).ok_or(CheckpointError::Tree)?;
        let peaks = lines.map(str::parse).collect::<Result<Vec<Digest>, _>>();
        let tree = peaks.ok().and_then(|peaks| Frontier::of(size, peaks));
        let tree = tree.filter(|tree| tree.size() <= checkpoint.sequence);
        Ok(Self { checkpoint, tree: tree.ok_or(CheckpointError::Tree)? })
    }

    pub(crate) fn write_all(entries: &[Self]) -> String {
        entries.iter().map(Self::to_string).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.checkpoint)?;
        if self.tree.size() == 0 {
            return Ok(());
        }
        writeln!(formatter, "tree {}", self.tree.size())?;
        self.tree.peaks().iter().try_for_each(|peak| writeln!(formatter, "{peak}"))
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
        let kept = |sequence, leaves: u64| Kept {
            checkpoint: sample(sequence),
            tree: (0..leaves).map(|leaf| Digest::of(&leaf.to_be_bytes())).collect(),
        };
        for all in [vec![], vec![kept(1, 0)], vec![kept(1, 1), kept(9, 7), kept(3, 0), kept(8, 8)]]
        {
            let text = Kept::write_all(&all);
            let checkpoints = all.iter().map(|kept| kept.checkpoint.clone()).collect();
            assert_eq!(Kept::parse_all(&text), Ok(all));
            assert_eq!(Checkpoint::parse_all(&text), Ok(checkpoints));
        }
    }

    #[test]
    fn a_damaged_tree_is_refused() {
        let tree: Frontier =
            [Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c")].into_iter().collect();
        let good = Kept { checkpoint: sample(3), tree }.to_string();
        assert!(Kept::parse_all(&good).is_ok());
        for bad in [
            good.replace("tree 3", "tree 2"),
            good.replace("tree 3", "tree 5").replace("\n3\n", "\n4\n"),
            good.replace("tree 3", "tree 3x"),
            good.replace("tree 3", "tree 12"),
            good.lines().take(6).map(|line| format!("{line}\n")).collect(),
        ] {
            assert_eq!(Kept::parse_all(&bad), Err(CheckpointError::Tree), "{bad}");
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
