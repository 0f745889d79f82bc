//! Many globs matched against one text at once.
//!
//! Building such a set is most of the cost of loading a policy, so equal ones are shared. Which text is
//! matched, and what a match means, is for the columns to say.

use std::collections::HashMap;
use std::sync::Arc;

use globset::{Candidate, Glob, GlobSet};

use super::bits::{Bits, RowSet};

/// A set of globs and the rows each belongs to.
#[derive(Debug)]
pub(crate) struct Patterns {
    set: Arc<GlobSet>,
    rows: Vec<RowSet>,
}

impl Patterns {
    /// Adds to `hits` the rows of every glob that matches `text`.
    pub(crate) fn add_matches(&self, text: &str, hits: &mut Bits) {
        if self.rows.is_empty() {
            return;
        }
        let mut matched = Vec::new();
        self.set.matches_candidate_into(&Candidate::from_bytes(text), &mut matched);
        for index in matched {
            if let Some(rows) = self.rows.get(index) {
                rows.add_to(hits);
            }
        }
    }
}

/// Sets already built in this compilation. Tools with the same rules share theirs, because building
/// one is most of the cost of loading a policy.
#[derive(Debug, Default)]
pub(crate) struct PatternCache {
    sets: HashMap<Vec<Glob>, Arc<GlobSet>>,
}

impl PatternCache {
    /// The matcher of `globs`, each with the rows it belongs to.
    ///
    /// # Errors
    /// Where the globs together are too large for one automaton.
    pub(crate) fn build(&mut self, globs: Globs, rows: usize) -> Result<Patterns, globset::Error> {
        let (globs, members): (Vec<Glob>, Vec<Vec<u32>>) = globs.entries.into_iter().unzip();
        let members = members.into_iter().map(|members| RowSet::of(rows, members)).collect();
        let set = match self.sets.get(&globs) {
            Some(set) => Arc::clone(set),
            None => {
                let set = Arc::new(GlobSet::new(&globs)?);
                self.sets.insert(globs, Arc::clone(&set));
                set
            }
        };
        Ok(Patterns { set, rows: members })
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
