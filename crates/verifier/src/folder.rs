//! A folder of tiles: C2SP tlog-tiles, every file of it, and the chain of the records inside.
//! It writes nothing.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::note::{Checkpoint, Key, checkpoint};
use crate::tree::{Hash, Tree, leaf};
use crate::{Checked, Refusal, invalid};

const WIDTH: u64 = 256;

/// What a record's header says, as far as a stranger needs it.
pub(crate) struct Header {
    pub(crate) sequence: u64,
    pub(crate) payload: Hash,
    pub(crate) kind: String,
    prev_leaf: Hash,
    /// `tenant/shard`.
    pub(crate) log: String,
}

impl Header {
    pub(crate) fn parse(bytes: &[u8]) -> Checked<Self> {
        Self::read(bytes).ok_or_else(|| invalid("an entry is not a record's header of version 1"))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let fixed = |at: usize, length: usize| bytes.get(at..at + length);
        let [1, flags] = *fixed(0, 2)? else { return None };
        let shard = u16::from_be_bytes(fixed(2, 2)?.try_into().ok()?);
        let sequence = u64::from_be_bytes(fixed(4, 8)?.try_into().ok()?);
        let payload = fixed(32, 32)?.try_into().ok()?;
        let prev_leaf = fixed(64, 32)?.try_into().ok()?;
        let optional = [(1, 16), (2, 16), (4, 16), (8, 32)];
        let skipped: usize =
            optional.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, length)| length).sum();
        if flags > 15 {
            return None;
        }
        let mut rest = bytes.get(144 + skipped..)?;
        let mut texts = Vec::new();
        for _ in ["tenant", "class", "kind", "principal"] {
            let (length, after) = rest.split_first()?;
            let (text, after) = after.split_at_checked(usize::from(*length))?;
            texts.push(std::str::from_utf8(text).ok().filter(|text| !text.is_empty())?);
            rest = after;
        }
        let [tenant, _, kind, _] = texts.as_slice() else { return None };
        let (log, kind) = (format!("{tenant}/{shard}"), (*kind).to_owned());
        rest.is_empty().then_some(Self { sequence, payload, kind, prev_leaf, log })
    }
}

/// Largest file that is read, in bytes: the longest bundle has 256 entries of 64 KiB.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// Reads a file, with its name in the refusal.
pub(crate) fn read(path: &Path) -> Checked<Vec<u8>> {
    let unreadable =
        |why: &dyn fmt::Display| Refusal::Unreadable(format!("`{}`: {why}", path.display()));
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    let read = read.map_err(|error| unreadable(&error))?;
    if u64::try_from(read).is_ok_and(|read| read <= FILE_BYTES_MAX) {
        return Ok(bytes);
    }
    Err(unreadable(&"it is longer than 32 MiB, and nothing to be checked is"))
}

/// Reads a text file.
pub(crate) fn read_text(path: &Path) -> Checked<String> {
    let text = String::from_utf8(read(path)?);
    text.map_err(|_| invalid(format!("`{}` is not text", path.display())))
}

/// The path of a tile or bundle, for a tree with `count` hashes or entries at its level.
fn name(kind: &str, index: u64, count: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    let width = (count - index * WIDTH).min(WIDTH);
    if width < WIDTH {
        format!("tile/{kind}/{path}.p/{width}")
    } else {
        format!("tile/{kind}/{path}")
    }
}

/// All hashes of one level of tiles, whose number follows from the size of the tree.
fn level(folder: &Path, level: u32, count: u64) -> Checked<Vec<Hash>> {
    let mut hashes = Vec::new();
    for index in 0..count.div_ceil(WIDTH) {
        let path = name(&level.to_string(), index, count);
        let bytes = read(&folder.join(&path))?;
        let (found, rest) = bytes.as_chunks::<32>();
        let wanted = (count - index * WIDTH).min(WIDTH);
        if !rest.is_empty() || u64::try_from(found.len()) != Ok(wanted) {
            return Err(invalid(format!("`{path}` has not {wanted} hashes")));
        }
        hashes.extend_from_slice(found);
    }
    Ok(hashes)
}

/// Checks every file of a folder against its checkpoint; gives the checkpoint.
pub(crate) fn verify(folder: &Path, key: &Key) -> Checked<Checkpoint> {
    let found = checkpoint(&read_text(&folder.join("checkpoint"))?, key)?;
    let mut hashes = entries(folder, &found, key)?;
    let mut tiles = 0;
    loop {
        let count = u64::try_from(hashes.len()).unwrap_or(u64::MAX);
        if level(folder, tiles, count)? != hashes {
            return Err(invalid(format!(
                "the tiles of level {tiles} are not those of the entries"
            )));
        }
        if tiles == 0 && hashes.iter().copied().collect::<Tree>().root() != found.root {
            return Err(invalid("the entries are not those of the signed tree"));
        }
        let (full, _) = hashes.as_chunks::<256>();
        hashes = full.iter().map(|tile| tile.iter().copied().collect::<Tree>().root()).collect();
        if hashes.is_empty() {
            return Ok(found);
        }
        tiles += 1;
    }
}

/// The leaves of all entries, each entry checked for what it is.
fn entries(folder: &Path, found: &Checkpoint, key: &Key) -> Checked<Vec<Hash>> {
    let mut leaves: Vec<Hash> = Vec::new();
    for index in 0..found.size.div_ceil(WIDTH) {
        let path = name("entries", index, found.size);
        let bytes = read(&folder.join(&path))?;
        let wanted = (found.size - index * WIDTH).min(WIDTH);
        let mut rest = bytes.as_slice();
        for place in 0..wanted {
            let cut = || invalid(format!("`{path}` ends inside an entry"));
            let (length, after) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (entry, after) = after.split_at_checked(length).ok_or_else(cut)?;
            let last = leaves.last().copied().unwrap_or_default();
            one(entry, (index * WIDTH + place + 1, last), found, key)?;
            leaves.push(leaf(entry));
            rest = after;
        }
        if !rest.is_empty() {
            return Err(invalid(format!("`{path}` has more than {wanted} entries")));
        }
    }
    Ok(leaves)
}

/// An entry is a record of the log, linked to the one before; in the log of logs a checkpoint.
fn one(entry: &[u8], expected: (u64, Hash), found: &Checkpoint, key: &Key) -> Checked<()> {
    let (sequence, prev_leaf) = expected;
    // A record begins with its version, a checkpoint with a name.
    if entry.first() != Some(&1) {
        let text = std::str::from_utf8(entry).map_err(|_| invalid("an entry is not text"))?;
        let of_log = checkpoint(text, key)?.origin;
        let below = of_log.strip_prefix(&found.origin).is_some_and(|rest| rest.starts_with('/'));
        let why = || invalid(format!("entry {sequence} is not of a log below `{}`", found.origin));
        return below.then_some(()).ok_or_else(why);
    }
    let header = Header::parse(entry)?;
    if !found.origin.ends_with(&format!("/{}", header.log)) || header.sequence != sequence {
        return Err(invalid(format!("entry {sequence} is not record {sequence} of this log")));
    }
    if header.prev_leaf != prev_leaf {
        return Err(invalid(format!("record {sequence} is not linked to the one before it")));
    }
    Ok(())
}

/// Checks that the tree of a folder begins with that of an older checkpoint.
pub(crate) fn consistent(old: &Checkpoint, folder: &Path, key: &Key) -> Checked<Checkpoint> {
    let new = checkpoint(&read_text(&folder.join("checkpoint"))?, key)?;
    if old.origin != new.origin || old.size > new.size {
        let (old, new) = (
            format!("{} of `{}`", old.size, old.origin),
            format!("{} of `{}`", new.size, new.origin),
        );
        return Err(invalid(format!("{old} cannot be the beginning of {new}")));
    }
    let mut tree = Tree::default();
    let mut begins = old.size == 0 && tree.root() == old.root;
    for leaf in level(folder, 0, new.size)? {
        tree.push(leaf);
        begins |= tree.size == old.size && tree.root() == old.root;
    }
    if tree.root() != new.root {
        return Err(invalid("the tiles are not those of the signed tree"));
    }
    if !begins {
        return Err(invalid(format!(
            "the log was rewritten: it does not begin with the {} entries of the older checkpoint",
            old.size
        )));
    }
    Ok(new)
}
