//! Where the contents of changed files go: into the artifact store, or nowhere but their beginning.
//! Which of them are wanted is decided in `capture`.

use std::collections::BTreeMap;
use std::io::{self, Read};

use journal::{ArtifactError, ArtifactStore};
use sha2::{Digest as _, Sha256};
use workspace::{Blobs, Digest};

/// Bytes of a content that are kept to know what kind of file it is.
const HEAD: usize = 4;
/// Bytes of one content that is kept for a diff; what is larger is only named there.
const HELD_EACH: usize = 1 << 20;
/// Bytes of all contents that are kept for a diff.
const HELD_ALL: usize = 64 << 20;

/// Contents as artifacts, durable and for good.
pub(super) struct Stored<'a>(pub(super) &'a ArtifactStore);

impl Blobs for Stored<'_> {
    fn put(&mut self, content: &mut dyn Read) -> io::Result<Digest> {
        let stored = self.0.put_reader(content, workspace::FILE_BYTES_MAX).map_err(refused)?;
        Ok(Digest::from_bytes(*stored.digest.as_bytes()))
    }

    fn get(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        let file = self.0.open(journal::Digest::new(*digest.as_bytes())).map_err(refused)?;
        Ok(Box::new(file))
    }
}

fn refused(error: ArtifactError) -> io::Error {
    match error {
        ArtifactError::Missing(_) => io::Error::new(io::ErrorKind::NotFound, error),
        other => io::Error::other(other),
    }
}

/// Contents in memory for as long as a diff takes, or only their beginnings.
#[derive(Default)]
pub(super) struct Held {
    contents: BTreeMap<Digest, Vec<u8>>,
    bytes: usize,
    limits: (usize, usize),
}

impl Held {
    /// Enough of every content for a diff, within bounds.
    pub(super) fn for_diff() -> Self {
        Self { limits: (HELD_EACH, HELD_ALL), ..Self::default() }
    }

    /// The beginning of every content.
    pub(super) fn heads() -> Self {
        Self { limits: (HEAD, usize::MAX), ..Self::default() }
    }
}

impl Blobs for Held {
    fn put(&mut self, content: &mut dyn Read) -> io::Result<Digest> {
        const PIECE: usize = 64 * 1024;
        let (each, all) = self.limits;
        let room = each.min(all.saturating_sub(self.bytes)).max(HEAD);
        let (mut hash, mut kept, mut whole) = (Sha256::new(), Vec::new(), 0_usize);
        let mut piece = vec![0; PIECE];
        loop {
            let read = content.read(&mut piece)?;
            let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            hash.update(bytes);
            whole = whole.saturating_add(read);
            let wanted = room.saturating_sub(kept.len()).min(read);
            kept.extend(bytes.iter().take(wanted));
        }
        if whole > room {
            kept.truncate(HEAD);
        }
        let digest = Digest::from_bytes(hash.finalize().into());
        self.bytes = self.bytes.saturating_add(kept.len());
        self.contents.insert(digest, kept);
        Ok(digest)
    }

    fn get(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        match self.contents.get(digest) {
            Some(bytes) => Ok(Box::new(bytes.as_slice())),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_content_is_whole_within_the_bounds_and_a_beginning_beyond_them() {
        let check = |mut held: Held, content: &[u8], expect: &[u8]| {
            let digest = held.put(&mut &content[..]).unwrap();
            assert_eq!(digest, Digest::of(content));
            let mut read = Vec::new();
            held.get(&digest).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, expect);
        };
        check(Held::for_diff(), b"#!/bin/sh\n", b"#!/bin/sh\n");
        check(Held::heads(), b"#!/bin/sh\n", b"#!/b");
        check(Held::for_diff(), &[7; HELD_EACH + 1], &[7; HEAD]);
        let mut full = Held::for_diff();
        full.bytes = HELD_ALL;
        check(full, b"content", b"cont");
    }
}
