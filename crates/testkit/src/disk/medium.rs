//! The state of one simulated disk: files, names, faults in waiting, and the trace.
//!
//! Names are durable apart from contents: a new name survives a power loss once its file was
//! synced, a deleted one stays away once the directory was. A power cut ends a *generation*:
//! handles opened before it can only fail, as the process that held them no longer exists.
//! The C side is in `vfs` and `file`.

use super::content::Content;
use super::lock::Lock;
use super::shm::Shm;
use super::{Counts, EPOCH_MICROS, Honesty, Survival};
use crate::draw::Draw;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Weak;

/// Bytes per write of `Medium::rewrite`, so that a power cut can come in the middle.
const REWRITE_BYTES: usize = 16 * 1024;

/// Why an operation did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The power is off, or the handle is from before the last power cut.
    Dead,
    /// The device reported an error.
    Device,
    /// The disk is full.
    Full,
    /// There is no such file.
    Missing,
}

/// A file as the disk knows it; names point to it.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) lock: Lock,
    pub(super) shm: Weak<Shm>,
}

/// A change of the directory that a power loss may undo.
#[derive(Debug)]
struct Renaming {
    name: String,
    node: Option<usize>,
}

/// What will go wrong, counted down in operations from the moment it was asked for.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) cut: Option<u64>,
    pub(super) sync: Option<u64>,
    pub(super) capacity: Option<usize>,
    pub(super) honesty: Honesty,
}

impl Faults {
    /// Nothing more goes wrong; honesty is a property of the device and stays.
    pub(super) const fn heal(&mut self) {
        self.cut = None;
        self.sync = None;
        self.capacity = None;
    }
}

/// One disk.
#[derive(Debug)]
pub(super) struct Medium {
    nodes: Vec<Node>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    renamings: Vec<Renaming>,
    pub(super) faults: Faults,
    pub(super) generation: u64,
    powered: bool,
    handles: u64,
    pub(super) now: i64,
    pub(super) counts: Counts,
    faults_draw: Draw,
    pub(super) entropy: Draw,
    trace: Sha256,
}

/// The operations that the trace tells apart.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Read = 1,
    Write = 2,
    Resize = 3,
    Sync = 4,
    Delete = 5,
    Open = 6,
    Restart = 7,
}

impl Medium {
    pub(super) fn new(seed: u64) -> Self {
        let mut faults_draw = Draw::new(seed);
        let entropy = faults_draw.fork();
        Self {
            nodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renamings: Vec::new(),
            faults: Faults::default(),
            generation: 0,
            powered: true,
            handles: 0,
            now: EPOCH_MICROS,
            counts: Counts::default(),
            faults_draw,
            entropy,
            trace: Sha256::new(),
        }
    }

    /// False from a power cut until `crash`.
    pub(super) const fn powered(&self) -> bool {
        self.powered
    }

    /// The digest of every operation so far, in order, with the bytes written.
    pub(super) fn trace(&self) -> [u8; 32] {
        self.trace.clone().finalize().into()
    }

    /// Settles what survives, ends the generation and turns the power on again.
    pub(super) fn crash(&mut self, survival: Survival) {
        let mut kept = 0;
        while kept < self.renamings.len() && survival.keeps(&mut self.faults_draw) {
            kept += 1;
        }
        self.settle_names(kept);
        self.renamings.clear();
        self.names.clone_from(&self.durable_names);
        for (index, node) in self.nodes.iter_mut().enumerate() {
            if !self.names.values().any(|named| *named == index) {
                node.content = Content::default();
            }
            node.content.crash(survival, &mut self.faults_draw);
        }
        self.faults.cut = None;
        self.faults.sync = None;
        self.powered = true;
        self.counts.crashes += 1;
        self.restart();
    }

    /// Ends the generation: handles, locks and shared memory go with the process.
    pub(super) fn restart(&mut self) {
        for node in &mut self.nodes {
            node.lock = Lock::default();
            node.shm = Weak::new();
        }
        self.generation += 1;
        self.note(Step::Restart, 0, 0, &self.generation.to_le_bytes());
    }

    /// Opens `name`, or a nameless file; gives the node and a number for the handle.
    pub(super) fn open(
        &mut self,
        name: Option<&str>,
        create: bool,
    ) -> Result<(usize, u64), Failure> {
        if !self.powered {
            return Err(Failure::Dead);
        }
        let known = name.and_then(|name| self.names.get(name).copied());
        let node = match (known, create) {
            (Some(node), _) => node,
            (None, true) => self.create(name)?,
            (None, false) => return Err(Failure::Missing),
        };
        self.handles += 1;
        self.note(Step::Open, node, 0, name.unwrap_or_default().as_bytes());
        Ok((node, self.handles))
    }

    fn create(&mut self, name: Option<&str>) -> Result<usize, Failure> {
        self.spend()?;
        let node = self.nodes.len();
        self.nodes.push(Node::default());
        if let Some(name) = name {
            self.names.insert(name.to_owned(), node);
            self.renamings.push(Renaming { name: name.to_owned(), node: Some(node) });
        }
        Ok(node)
    }

    /// Removes a name; with `sync` the removal is durable at once.
    pub(super) fn delete(&mut self, name: &str, sync: bool) -> Result<(), Failure> {
        self.spend()?;
        if self.names.remove(name).is_none() {
            return Err(Failure::Missing);
        }
        self.note(Step::Delete, 0, usize::from(sync), name.as_bytes());
        self.renamings.push(Renaming { name: name.to_owned(), node: None });
        if sync && self.faults.honesty == Honesty::Honest {
            self.settle_names(self.renamings.len());
        }
        Ok(())
    }

    /// Whether `name` exists and has content.
    pub(super) fn exists(&self, name: &str) -> bool {
        let node = self.names.get(name).and_then(|node| self.nodes.get(*node));
        self.powered && node.is_some_and(|node| node.content.len() > 0)
    }

    /// The node of a handle that was opened in `generation`.
    pub(super) fn node(&mut self, generation: u64, node: usize) -> Result<&mut Node, Failure> {
        if generation != self.generation || !self.powered {
            return Err(Failure::Dead);
        }
        self.nodes.get_mut(node).ok_or(Failure::Missing)
    }

    /// Copies what exists at `offset` to `out`; gives the number of bytes.
    pub(super) fn read(&mut self, at: Place, out: &mut [u8]) -> Result<usize, Failure> {
        let node = self.node(at.generation, at.node)?;
        let bytes = node.content.read(at.offset, out.len());
        let count = bytes.len();
        if let Some(target) = out.get_mut(..count) {
            target.copy_from_slice(bytes);
        }
        self.note(Step::Read, at.node, at.offset, &count.to_le_bytes());
        Ok(count)
    }

    /// Writes `bytes` to the cache.
    pub(super) fn write(&mut self, at: Place, bytes: &[u8]) -> Result<(), Failure> {
        let length = self.node(at.generation, at.node)?.content.len();
        self.spend()?;
        let end = at.offset.checked_add(bytes.len()).ok_or(Failure::Full)?;
        if end > length
            && self.faults.capacity.is_some_and(|limit| self.used() + end - length > limit)
        {
            return Err(Failure::Full);
        }
        self.note(Step::Write, at.node, at.offset, bytes);
        self.counts.writes += 1;
        self.node(at.generation, at.node)?.content.write(at.offset, bytes);
        Ok(())
    }

    /// Sets the length, in the cache.
    pub(super) fn resize(&mut self, at: Place) -> Result<(), Failure> {
        self.node(at.generation, at.node)?;
        self.spend()?;
        self.note(Step::Resize, at.node, at.offset, &[]);
        self.node(at.generation, at.node)?.content.resize(at.offset);
        Ok(())
    }

    /// Makes a file and its name durable, unless a fault says otherwise.
    pub(super) fn sync(&mut self, at: Place) -> Result<(), Failure> {
        self.node(at.generation, at.node)?;
        self.spend()?;
        self.note(Step::Sync, at.node, 0, &[]);
        self.counts.syncs += 1;
        if strikes(&mut self.faults.sync) {
            self.counts.failed_syncs += 1;
            self.node(at.generation, at.node)?.content.fail_sync();
            return Err(Failure::Device);
        }
        if self.faults.honesty == Honesty::Lying {
            return Ok(());
        }
        self.node(at.generation, at.node)?.content.sync();
        let last = self.renamings.iter().rposition(|renaming| renaming.node == Some(at.node));
        self.settle_names(last.map_or(0, |last| last + 1));
        Ok(())
    }

    /// Writes every byte of `name` in its place again and syncs it; a missing file is left alone.
    pub(super) fn rewrite(&mut self, name: &str) -> Result<(), Failure> {
        let (node, _) = match self.open(Some(name), false) {
            Err(Failure::Missing) => return Ok(()),
            opened => opened?,
        };
        let mut at = Place { generation: self.generation, node, offset: 0 };
        let mut piece = vec![0; REWRITE_BYTES];
        loop {
            let count = self.read(at, &mut piece)?;
            let Some(bytes) = piece.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            self.write(at, bytes)?;
            at.offset += count;
        }
        if at.offset == 0 { Ok(()) } else { self.sync(at) }
    }

    /// Bytes of all files together.
    pub(super) fn used(&self) -> usize {
        self.nodes.iter().map(|node| node.content.len()).sum()
    }

    /// Counts one changing operation; the power goes off when its turn has come.
    fn spend(&mut self) -> Result<(), Failure> {
        if !self.powered {
            return Err(Failure::Dead);
        }
        self.counts.operations += 1;
        if strikes(&mut self.faults.cut) {
            self.powered = false;
            return Err(Failure::Dead);
        }
        Ok(())
    }

    /// Makes the first `count` changes of the directory durable; they reach the disk in order,
    /// as in a journalling file system.
    fn settle_names(&mut self, count: usize) {
        for renaming in self.renamings.drain(..count) {
            match renaming.node {
                Some(node) => self.durable_names.insert(renaming.name, node),
                None => self.durable_names.remove(&renaming.name),
            };
        }
    }

    fn note(&mut self, step: Step, node: usize, offset: usize, bytes: &[u8]) {
        let mut head = [step as u8; 25];
        let numbers = [node, offset, bytes.len()].map(usize::to_le_bytes);
        for (to, from) in head.iter_mut().skip(1).zip(numbers.as_flattened()) {
            *to = *from;
        }
        self.trace.update(head);
        self.trace.update(bytes);
    }
}

/// A position in a file, as a handle of one generation sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) generation: u64,
    pub(super) node: usize,
    pub(super) offset: usize,
}

/// Counts down; true once, when the count reaches zero.
fn strikes(countdown: &mut Option<u64>) -> bool {
    match countdown {
        Some(0) => {
            *countdown = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Medium, Place, REWRITE_BYTES, Survival};

    fn create(medium: &mut Medium, name: &str, bytes: &[u8]) -> Place {
        let (node, _) = medium.open(Some(name), true).unwrap();
        let place = Place { generation: medium.generation, node, offset: 0 };
        medium.write(place, bytes).unwrap();
        place
    }

    #[test]
    fn a_name_is_durable_once_its_file_was_synced() {
        for (synced, survives) in [(false, false), (true, true)] {
            let mut medium = Medium::new(1);
            let place = create(&mut medium, "new", b"x");
            if synced {
                medium.sync(place).unwrap();
            }
            medium.crash(Survival::Nothing);
            assert_eq!(medium.exists("new"), survives);
        }
    }

    #[test]
    fn a_deletion_is_durable_once_the_directory_was_synced() {
        for (synced, returns) in [(false, true), (true, false)] {
            let mut medium = Medium::new(1);
            let place = create(&mut medium, "old", b"x");
            medium.sync(place).unwrap();
            medium.delete("old", synced).unwrap();
            assert!(!medium.exists("old"));
            medium.crash(Survival::Nothing);
            assert_eq!(medium.exists("old"), returns);
        }
    }

    #[test]
    fn rewriting_makes_durable_what_a_failed_sync_left_in_the_cache() {
        for (mend, left) in [(false, b'a'), (true, b'b')] {
            let mut medium = Medium::new(1);
            let place = create(&mut medium, "log", &vec![b'a'; 2 * REWRITE_BYTES + 1]);
            medium.sync(place).unwrap();
            medium.write(place, &vec![b'b'; 2 * REWRITE_BYTES + 1]).unwrap();
            medium.faults.sync = Some(0);
            assert_eq!(medium.sync(place), Err(Failure::Device));
            if mend {
                medium.rewrite("log").unwrap();
            }
            medium.sync(place).unwrap();
            medium.crash(Survival::Nothing);
            let place = Place { generation: medium.generation, ..place };
            let mut bytes = vec![0; 3 * REWRITE_BYTES];
            assert_eq!(medium.read(place, &mut bytes), Ok(2 * REWRITE_BYTES + 1));
            assert!(bytes.iter().take(2 * REWRITE_BYTES + 1).all(|byte| *byte == left));
        }
        assert_eq!(Medium::new(1).rewrite("missing"), Ok(()));
    }

    #[test]
    fn the_power_goes_off_at_the_operation_asked_for() {
        let mut medium = Medium::new(1);
        let place = create(&mut medium, "file", b"x");
        medium.faults.cut = Some(1);
        assert_eq!(medium.write(place, b"y"), Ok(()));
        assert_eq!(medium.sync(place), Err(Failure::Dead));
        assert_eq!(medium.read(place, &mut [0]), Err(Failure::Dead));
        medium.crash(Survival::Nothing);
        assert_eq!(medium.write(place, b"y"), Err(Failure::Dead));
    }
}
