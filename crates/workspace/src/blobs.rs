//! Where file contents are kept while a change waits: by digest, outside the project.
//!
//! Nothing is ever unpacked. An artifact that is an archive is bytes like any other.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::digest::Digest;

/// Keeps contents by their digest. What it gives back is not trusted: every reader checks size and
/// digest before it uses the bytes for anything that lasts.
pub trait Blobs {
    /// Stores everything `content` gives and returns its SHA-256. Storing twice is storing once.
    fn put(&mut self, content: &mut dyn Read) -> io::Result<Digest>;

    /// Opens a content; `NotFound` if it was never stored.
    fn get(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>>;
}

/// Contents in memory, for small changes and for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryBlobs(BTreeMap<Digest, Vec<u8>>);

impl MemoryBlobs {
    /// Whether the content is there.
    #[must_use]
    pub fn holds(&self, digest: &Digest) -> bool {
        self.0.contains_key(digest)
    }

    /// Says that `content` has this digest, true or not. A store may be damaged; this is how to
    /// show what happens then.
    pub fn claim(&mut self, digest: Digest, content: Vec<u8>) {
        self.0.insert(digest, content);
    }
}

impl Blobs for MemoryBlobs {
    fn put(&mut self, content: &mut dyn Read) -> io::Result<Digest> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        let digest = Digest::of(&bytes);
        self.0.insert(digest, bytes);
        Ok(digest)
    }

    fn get(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        match self.0.get(digest) {
            Some(bytes) => Ok(Box::new(bytes.as_slice())),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("no blob {digest}"))),
        }
    }
}

/// Reads a whole content, which must be exactly what digest and size say.
pub(crate) fn read(blobs: &dyn Blobs, digest: &Digest, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    blobs.get(digest)?.take(size.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != size || Digest::of(&bytes) != *digest {
        return Err(damaged(digest));
    }
    Ok(bytes)
}

/// The error of a content that is not what it should be.
pub(crate) fn damaged(digest: &Digest) -> io::Error {
    let message = format!("the stored content is not the one of {digest}; run the step again");
    io::Error::new(io::ErrorKind::InvalidData, message)
}
