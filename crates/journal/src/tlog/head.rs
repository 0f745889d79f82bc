//! Checkpoints of C2SP (`c2sp.org/tlog-checkpoint`): what a signed note says of a tree.
//!
//! Three lines: the origin, which names the log; its size; the root of its tree. Extension lines are
//! refused, because nothing here writes any and an unknown one might qualify what it extends.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use super::note::is_name;
use crate::digest::Digest;
use crate::record::{LogId, SEQUENCE_MAX};

/// How large a tree was and what its root was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeHead {
    /// The log's name, unique in the world: `node/tenant/shard`, or `node` for the log of logs.
    pub origin: String,
    /// Number of leaves. For a log this is its last sequence.
    pub size: u64,
    /// Root of the tree of RFC 6962.
    pub root: Digest,
}

/// The text is not a checkpoint of C2SP.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a checkpoint: {0}")]
pub struct TreeHeadError(&'static str);

impl TreeHead {
    /// The log of a journal that the origin names; `None` for the log of logs and for foreign ones.
    #[must_use]
    pub fn log(&self) -> Option<LogId> {
        let (node, shard) = self.origin.rsplit_once('/')?;
        let (_, tenant) = node.rsplit_once('/')?;
        LogId::new(tenant, shard.parse().ok()?).ok()
    }
}

/// A hash as the lines of C2SP have it.
pub(super) fn encode(digest: &Digest) -> String {
    STANDARD.encode(digest.as_bytes())
}

/// The inverse of [`encode`].
pub(super) fn decode(text: &str) -> Option<Digest> {
    let bytes = STANDARD.decode(text).ok()?;
    Some(Digest::new(bytes.try_into().ok()?))
}

/// A number without sign and leading zeros, up to `most`.
pub(super) fn number(text: &str, most: u64) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten().filter(|number| *number <= most)
}

impl fmt::Display for TreeHead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root } = self;
        write!(formatter, "{origin}\n{size}\n{}\n", encode(root))
    }
}

impl FromStr for TreeHead {
    type Err = TreeHeadError;

    fn from_str(text: &str) -> Result<Self, TreeHeadError> {
        let body = text.strip_suffix('\n').ok_or(TreeHeadError("the last line is not ended"))?;
        let lines: Vec<&str> = body.split('\n').take(4).collect();
        let [origin, size, root] = lines.as_slice() else {
            return Err(TreeHeadError("it has not exactly three lines"));
        };
        if !is_name(origin) {
            return Err(TreeHeadError("the first line is not a name"));
        }
        let size =
            number(size, SEQUENCE_MAX).ok_or(TreeHeadError("the second line is not a size"))?;
        let root = decode(root).ok_or(TreeHeadError("the third line is not a hash in base64"))?;
        Ok(Self { origin: (*origin).to_owned(), size, root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_example_of_the_specification_round_trips() {
        let head: TreeHead = TEXT.parse().unwrap();
        assert_eq!((head.size, head.log()), (20_852_163, None));
        assert_eq!(head.to_string(), TEXT);
        let ours = TreeHead { origin: "palisade/ab/team-a/3".to_owned(), ..head };
        assert_eq!(ours.log().map(|log| log.to_string()), Some("team-a/3".to_owned()));
    }

    #[test]
    fn other_text_is_refused_with_its_reason() {
        let check = |text: String, expect: &str| {
            let error = text.parse::<TreeHead>().unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(String::new(), "not ended");
        check(TEXT.trim_end().to_owned(), "not ended");
        check(format!("{TEXT}extension\n"), "three lines");
        check(TEXT.replace("example.com/", "example com/"), "a name");
        check(TEXT.replace("2085", "02085"), "a size");
        check(TEXT.replace("2085", "+2085"), "a size");
        check(TEXT.replace("20852163", "1099511627776"), "a size");
        check(TEXT.replace("q2I=", "q2J="), "a hash");
        check(TEXT.replace("q2I=", "q2I"), "a hash");
    }
}
