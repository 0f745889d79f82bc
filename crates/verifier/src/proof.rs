//! Proofs of one record: C2SP tlog-proof, with the record's header as `extra`.
//! What a proof says beyond that is not believed.

use crate::folder::Header;
use crate::note::{Checkpoint, Key, checkpoint, number};
use crate::tree::{Hash, climb, leaf};
use crate::{Checked, base64, invalid};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// What a proof has shown: the record, its log, and the log of logs when the proof goes so far.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) sequence: u64,
    /// The event type in the record's header.
    pub(crate) kind: String,
    /// The digest of its payload.
    pub(crate) payload: Hash,
    pub(crate) log: Checkpoint,
    pub(crate) logs: Option<Checkpoint>,
}

struct Parts<'a> {
    extra: Vec<u8>,
    index: u64,
    path: Vec<Hash>,
    note: &'a str,
}

/// Verifies a proof text.
pub(crate) fn verify(text: &str, key: &Key) -> Checked<Shown> {
    let outer = parse(text)?;
    let inner = String::from_utf8(outer.extra.clone()).ok().filter(|it| it.starts_with(FIRST_LINE));
    let Some(inner) = inner else {
        return record(&outer, key);
    };
    let inner = parse(&inner)?;
    let logs = included(&outer, inner.note.as_bytes(), key)?;
    Ok(Shown { logs: Some(logs), ..record(&inner, key)? })
}

fn record(parts: &Parts<'_>, key: &Key) -> Checked<Shown> {
    let log = included(parts, &parts.extra, key)?;
    let header = Header::parse(&parts.extra)?;
    let named = log.origin.ends_with(&format!("/{}", header.log));
    if header.sequence != parts.index + 1 || !named {
        return Err(invalid("the record names another place or log than it was found in"));
    }
    let Header { sequence, kind, payload, .. } = header;
    Ok(Shown { sequence, kind, payload, log, logs: None })
}

fn included(parts: &Parts<'_>, entry: &[u8], key: &Key) -> Checked<Checkpoint> {
    let found = checkpoint(parts.note, key)?;
    if climb(leaf(entry), parts.index, found.size, &parts.path) == Some(found.root) {
        return Ok(found);
    }
    let why = format!("entry {} is not in the signed tree of {}", parts.index, found.size);
    Err(invalid(why))
}

fn parse(text: &str) -> Checked<Parts<'_>> {
    let (head, note) =
        text.split_once("\n\n").ok_or_else(|| invalid("the proof has no empty line"))?;
    let mut lines = head.split('\n');
    if lines.next() != Some(FIRST_LINE) {
        return Err(invalid(format!("the first line is not `{FIRST_LINE}`")));
    }
    let extra = lines.next().and_then(|line| base64::decode(line.strip_prefix("extra ")?));
    let extra = extra.ok_or_else(|| invalid("the second line is not `extra` and base64"))?;
    let index = lines.next().and_then(|line| number(line.strip_prefix("index ")?));
    let index = index.ok_or_else(|| invalid("the third line is not `index` and a number"))?;
    let hash = |line| base64::decode(line)?.try_into().ok();
    let path: Option<Vec<Hash>> = lines.map(hash).collect();
    let path = path.filter(|path| path.len() <= 64);
    let path = path.ok_or_else(|| invalid("the lines after `index` are not up to 64 hashes"))?;
    Ok(Parts { extra, index, path, note })
}
