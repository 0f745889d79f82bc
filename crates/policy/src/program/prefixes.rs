//! Which of many globs can match a text, by the literal text each glob begins with.
//!
//! Of thousands of globs only those whose beginning is a beginning of the text are looked at, so a match
//! costs about the same for ten globs and for ten thousand. The beginnings are sorted, and each knows the
//! longest other one that it starts with; all beginnings of a text are then on one such chain. What is
//! left of a glob behind its beginning is `globset`'s to match, unless it matches anything.

use std::collections::HashMap;
use std::sync::Arc;

use globset::{Candidate, Glob, GlobSet};

/// Automata already built, by their globs.
///
/// Every tool has the patterns of the built-in rules, for instance: with one automaton for all of them a decision on
/// one tool leaves the next one's in the processor's cache.
#[derive(Debug, Default)]
pub(crate) struct GlobSets {
    built: HashMap<Vec<Glob>, Arc<GlobSet>>,
}

impl GlobSets {
    fn of(&mut self, globs: Vec<Glob>) -> Result<Arc<GlobSet>, globset::Error> {
        if let Some(set) = self.built.get(&globs) {
            return Ok(Arc::clone(set));
        }
        let set = Arc::new(GlobSet::new(&globs)?);
        self.built.insert(globs, Arc::clone(&set));
        Ok(set)
    }
}

/// Globs by their beginning.
#[derive(Debug)]
pub(crate) struct PrefixIndex {
    /// The first bytes of each beginning, close together so that a search touches little memory.
    heads: Box<[u64]>,
    /// In ascending order.
    beginnings: Box<[Beginning]>,
}

/// One literal text that globs begin with.
#[derive(Debug)]
struct Beginning {
    text: Box<str>,
    /// The place of the longest other beginning that this one starts with.
    parent: Option<usize>,
    /// Globs that are this text.
    exact: Box<[usize]>,
    /// Globs that match whatever follows.
    any: Box<[usize]>,
    /// All others, and the places of their globs.
    rest: Option<(Arc<GlobSet>, Box<[usize]>)>,
}

/// What follows the literal beginning of a glob.
enum Rest {
    Nothing,
    Anything,
    Pattern,
}

impl PrefixIndex {
    /// An index over `globs`, which it names by their places.
    ///
    /// # Errors
    /// Where globs of one beginning together are too large for one automaton.
    pub(crate) fn new(globs: &[Glob], sets: &mut GlobSets) -> Result<PrefixIndex, globset::Error> {
        let mut sorted: Vec<(&str, Rest, usize)> = globs.iter().enumerate().map(split).collect();
        sorted.sort_by_key(|(text, _, place)| (*text, *place));
        let mut beginnings: Vec<Beginning> = Vec::new();
        for group in sorted.chunk_by(|(left, ..), (right, ..)| left == right) {
            let Some((text, ..)) = group.first() else { continue };
            let mut parent = beginnings.len().checked_sub(1);
            while let Some(place) = parent {
                match beginnings.get(place) {
                    Some(other) if !text.starts_with(other.text.as_ref()) => parent = other.parent,
                    _ => break,
                }
            }
            beginnings.push(Beginning { parent, ..beginning(text, group, globs, sets)? });
        }
        let heads = beginnings.iter().map(|beginning| head(&beginning.text)).collect();
        Ok(PrefixIndex { heads, beginnings: beginnings.into() })
    }

    /// Calls `found` with the place of every glob that matches `text`.
    pub(crate) fn each_match(&self, text: &str, mut found: impl FnMut(usize)) {
        let mut place = self.last_at_most(text);
        while let Some(beginning) = place.and_then(|place| self.beginnings.get(place)) {
            place = beginning.parent;
            if !text.starts_with(beginning.text.as_ref()) {
                continue;
            }
            beginning.any.iter().for_each(|glob| found(*glob));
            if beginning.text.len() == text.len() {
                beginning.exact.iter().for_each(|glob| found(*glob));
            }
            if let Some((set, globs)) = &beginning.rest {
                let matched = set.matches_candidate(&Candidate::from_bytes(text));
                let matched = matched.into_iter().filter_map(|place| globs.get(place));
                matched.for_each(|glob| found(*glob));
            }
        }
    }

    /// The place of the last beginning that does not come after `text`.
    fn last_at_most(&self, text: &str) -> Option<usize> {
        let wanted = head(text);
        let after = self.heads.partition_point(|head| *head <= wanted);
        let last = after.checked_sub(1)?;
        if self.heads.get(last).is_some_and(|head| *head < wanted) {
            return Some(last);
        }
        // Where the first bytes are the same, the whole texts decide.
        let first = self.heads.partition_point(|head| *head < wanted);
        let alike = self.beginnings.get(first..after).unwrap_or_default();
        (first + alike.partition_point(|other| other.text.as_ref() <= text)).checked_sub(1)
    }
}

/// The first bytes of a text as a number: of two texts in order, so are these.
fn head(text: &str) -> u64 {
    let mut bytes = [0; size_of::<u64>()];
    bytes.iter_mut().zip(text.bytes()).for_each(|(slot, byte)| *slot = byte);
    u64::from_be_bytes(bytes)
}

/// The beginning of all globs of `group`, without its place among others.
fn beginning(
    text: &str,
    group: &[(&str, Rest, usize)],
    globs: &[Glob],
    sets: &mut GlobSets,
) -> Result<Beginning, globset::Error> {
    let (mut exact, mut any, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for (_, kind, place) in group {
        match kind {
            Rest::Nothing => exact.push(*place),
            Rest::Anything => any.push(*place),
            Rest::Pattern => rest.push(*place),
        }
    }
    let rest = if rest.is_empty() {
        None
    } else {
        let patterns = rest.iter().filter_map(|place| globs.get(*place)).cloned().collect();
        Some((sets.of(patterns)?, rest.into()))
    };
    Ok(Beginning { text: text.into(), parent: None, exact: exact.into(), any: any.into(), rest })
}

/// The literal beginning of a glob, which every text that it matches starts with.
fn split((place, glob): (usize, &Glob)) -> (&str, Rest, usize) {
    let pattern = glob.glob();
    let end = pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(pattern.len());
    let (text, rest) = pattern.split_at(end);
    let rest = match rest {
        "" => Rest::Nothing,
        // Below a folder, however deep.
        "**" if text.ends_with('/') => Rest::Anything,
        // A last star, unless it stays within a segment.
        "*" if !text.is_empty() && glob.regex().ends_with(".*$") => Rest::Anything,
        _ => Rest::Pattern,
    };
    (text, rest, place)
}

#[cfg(test)]
mod tests {
    use globset::{Glob, GlobBuilder, GlobSet};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::{GlobSets, PrefixIndex};

    const PARTS: [&str; 16] = [
        "a", "ab", "b", "/", "/", "*", "**", "/**", "**/", "?", "[ab]", "{a,b/}", "\\*", ".", "*",
        "c",
    ];

    fn glob(parts: &[&str], within: bool) -> Option<Glob> {
        GlobBuilder::new(&parts.concat()).literal_separator(within).build().ok()
    }

    fn matches(globs: &[Glob], text: &str) -> Vec<usize> {
        let mut found = Vec::new();
        PrefixIndex::new(globs, &mut GlobSets::default())
            .unwrap()
            .each_match(text, |place| found.push(place));
        found.sort_unstable();
        found
    }

    proptest! {
        /// Each glob by itself is the judge.
        #[test]
        fn an_index_finds_what_each_glob_matches(
            patterns in vec((vec(select(&PARTS[..]), 1..6), any::<bool>()), 0..12),
            text in vec(select(&["a", "ab", "b", "/", "*", "c", ".c"][..]), 0..7),
        ) {
            let text = text.concat();
            let globs: Vec<Glob> = patterns.iter().filter_map(|(parts, within)| glob(parts, *within)).collect();
            let alone = |glob: &Glob| regex_of(glob).is_match(&text);
            let expected: Vec<usize> =
                globs.iter().enumerate().filter(|(_, glob)| alone(glob)).map(|(place, _)| place).collect();
            prop_assert_eq!(matches(&globs, &text), expected, "{:?} {}", globs, text);
        }
    }

    fn regex_of(glob: &Glob) -> GlobSet {
        GlobSet::new([glob]).unwrap()
    }

    #[test]
    fn equal_globs_are_one_automaton() {
        let globs = |texts: [&str; 2]| texts.map(|text| glob(&[text], true).unwrap()).to_vec();
        let mut sets = GlobSets::default();
        let first = sets.of(globs(["**/a", "**/*.b"])).unwrap();
        assert!(std::sync::Arc::ptr_eq(&first, &sets.of(globs(["**/a", "**/*.b"])).unwrap()));
        assert!(!std::sync::Arc::ptr_eq(&first, &sets.of(globs(["**/*.b", "**/a"])).unwrap()));
    }

    #[test]
    fn every_beginning_of_a_text_is_looked_at() {
        let patterns = ["a/**", "a/b/**", "a/b/c", "a/b/*", "**", "a/c/**", "ab/**", "a/*"];
        let globs: Vec<Glob> =
            patterns.iter().map(|pattern| glob(&[pattern], true).unwrap()).collect();
        assert_eq!(matches(&globs, "a/b/c"), [0, 1, 2, 3, 4]);
        assert_eq!(matches(&globs, "a/z"), [0, 4, 7]);
        assert_eq!(matches(&globs, "a"), [4]);
        assert_eq!(matches(&globs, "zz"), [4]);
        // Alike in their first bytes, and one that ends among them.
        let long = ["documents/a/**", "documents/b/**", "document", "documents/**"];
        let globs: Vec<Glob> = long.iter().map(|text| glob(&[text], true).unwrap()).collect();
        assert_eq!(matches(&globs, "documents/b/x"), [1, 3]);
        assert_eq!(matches(&globs, "document"), [2]);
        assert!(matches(&globs, "documentary").is_empty() && matches(&globs, "doc").is_empty());
        assert!(matches(&[], "a").is_empty());
    }
}
