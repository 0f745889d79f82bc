//! Files on their way to where they are kept: one that holds a secret is refused, whole.
//!
//! A file that was silently changed would be worse than one that is missing, so nothing is replaced here.

use std::io::{self, Read};

use workspace::{Blobs, Digest};

use super::Cover;

/// A reader that fails before it hands out a piece in which a secret is complete.
pub(crate) struct Watched<'a> {
    content: &'a mut dyn Read,
    cover: &'a Cover,
    /// The end of what was handed out, shorter than the longest form of a secret.
    tail: Vec<u8>,
    found: Option<String>,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(content: &'a mut dyn Read, cover: &'a Cover) -> Self {
        Self { content, cover, tail: Vec::new(), found: None }
    }

    /// The secret it holds.
    pub(crate) fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let known = self.cover.values().known();
        let read = self.content.read(piece)?;
        if known.is_empty() {
            return Ok(read);
        }
        self.tail.extend(piece.iter().take(read));
        if let Some(name) = known.first_in(&self.tail) {
            self.found = Some(name.to_owned());
            piece.fill(0);
            return Err(io::Error::other(format!("it holds the secret `{name}`")));
        }
        let kept = self.tail.len().min(known.longest().saturating_sub(1));
        self.tail.drain(..self.tail.len() - kept);
        Ok(read)
    }
}

/// Contents of changed files that pass a [`Watched`] reader first.
pub(crate) struct Guarded<'a> {
    pub(crate) blobs: &'a mut dyn Blobs,
    pub(crate) cover: &'a Cover,
}

impl Blobs for Guarded<'_> {
    fn put(&mut self, content: &mut dyn Read) -> io::Result<Digest> {
        self.blobs.put(&mut Watched::new(content, self.cover))
    }

    fn get(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        self.blobs.get(digest)
    }
}
