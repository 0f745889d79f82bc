//! Many globs matched against one text at once.
//!
//! Building such a set is most of the cost of loading a policy, so equal ones are shared. Which text is
//! matched, and what a match means, is for the columns to say.

use std::collections::HashMap;
use std::sync::Arc;

use globset::Glob;

use super::bits::{Bits, RowSet};
use super::prefixes::{GlobSets, PrefixIndex};

/// A set of globs and the rows each belongs to.
#[derive(Debug)]
pub(crate) struct Patterns {
    index: Arc<PrefixIndex>,
    rows: Box<[RowSet]>,
}

impl Patterns {
    /// Adds to `hits` the rows of every glob that matches `text`.
    pub(crate) fn add_matches(&self, text: &str, hits: &mut Bits) {
        self.index.each_match(text, |glob| {
            if let Some(rows) = self.rows.get(glob) {
                rows.add_to(hits);
            }
        });
    }
}

/// Indexes already built in this compilation. Tools with the same rules share theirs, because building
/// one is most of the cost of loading a policy.
#[derive(Debug, Default)]
pub(crate) struct PatternCache {
    indexes: HashMap<Vec<Glob>, Arc<PrefixIndex>>,
    sets: GlobSets,
}

impl PatternCache {
    /// The matcher of `globs`, each with the rows it belongs to.
    ///
    /// # Errors
    /// Where the globs together are too large for one automaton.
    pub(crate) fn build(&mut self, globs: Globs, rows: usize) -> Result<Patterns, globset::Error> {
        let (globs, members): (Vec<Glob>, Vec<Vec<u32>>) = globs.entries.into_iter().unzip();
        let members = members.into_iter().map(|members| RowSet::of(rows, members)).collect();
        let index = match self.indexes.get(&globs) {
            Some(index) => Arc::clone(index),
            None => {
                let index = Arc::new(PrefixIndex::new(&globs, &mut self.sets)?);
                self.indexes.insert(globs, Arc::clone(&index));
                index
            }
        };
        Ok(Patterns { index, rows: members })
    }
}

/// Globs being collected, each once.
#[derive(Debug, Default)]
pub(crate) struct Globs {
    entries: Vec<(Glob, Vec<u32>)>,
    places: HashMap<Glob, usize>,
}

impl Globs {
    pub(crate) fn add(&mut self, glob: &Glob, row: u32) {
        let place = *self.places.entry(glob.clone()).or_insert_with(|| {
            self.entries.push((glob.clone(), Vec::new()));
            self.entries.len() - 1
        });
        match self.entries.get_mut(place) {
            Some((_, rows)) if rows.last() != Some(&row) => rows.push(row),
            _ => {}
        }
    }
}
