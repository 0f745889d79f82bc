//! Looking for every rule at once in one area of a text.
//!
//! A find reaches over the line of its keyword, at most some bytes to each side. Finds that overlap are replaced as
//! one. Marks that stand there already are left alone, and an area is looked at again until nothing more is found, so
//! that redacting twice changes nothing. What cannot be looked at is withheld.

use std::collections::BTreeMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};
use memchr::{memchr, memrchr};

use super::lines::Area;
use super::pack::{self, MOST_RULES, RuleError};
use super::rule::Rule;
use crate::mark::{self, Tagger};

/// How far from its keyword a find can begin, and at first end.
const BEFORE: usize = 128;
const AFTER: usize = 16 * 1024;
/// Most finds in one area; more are withheld with it.
const MOST_FINDS: usize = 8192;
/// How often an area is looked at before it is withheld.
const ROUNDS: usize = 8;

/// Rules, ready to be looked for.
#[derive(Debug)]
pub struct Patterns {
    rules: Vec<Rule>,
    keywords: AhoCorasick,
    /// For each keyword the rules that have it.
    having: Vec<Vec<usize>>,
    /// Rules without a keyword, tried on every line.
    always: Vec<usize>,
}

/// A secret in an area.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Find {
    range: Range<usize>,
    rule: usize,
}

/// An area that cannot be looked at.
struct Unreadable;

impl Patterns {
    /// The built-in rules, and those of `files`, each a name and the text.
    ///
    /// # Errors
    /// [`RuleError`] for the first thing that is wrong in a file.
    pub fn new<'f>(files: impl IntoIterator<Item = (&'f str, &'f str)>) -> Result<Self, RuleError> {
        let mut rules = pack::built_in()?;
        for (name, text) in files {
            rules.extend(pack::given(name, text)?);
        }
        if rules.len() > MOST_RULES {
            return Err(RuleError::Many);
        }
        let mut words: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, rule) in rules.iter().enumerate() {
            for word in rule.keywords.iter().filter(|word| !word.is_empty()) {
                words.entry(word).or_default().push(place);
            }
        }
        let always = rules.iter().enumerate().filter(|(_, rule)| rule.keywords.is_empty());
        let always = always.map(|(place, _)| place).collect();
        let keywords = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(words.keys())
            .map_err(|_| RuleError::Many)?;
        let having = words.into_values().collect();
        Ok(Self { rules, keywords, having, always })
    }

    /// How many rules there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rules.len()
    }

    /// Appends `area` to `out` without what looks like a credential.
    pub(crate) fn redact(&self, area: Area<'_>, tagger: &Tagger, out: &mut Vec<u8>) {
        let (text, block) = match area {
            Area::Lines(text) => (text, false),
            Area::Block(text) => (text, true),
        };
        let first = match self.finds(text, block) {
            Ok(finds) if finds.is_empty() => return out.extend_from_slice(text),
            Ok(finds) => self.replaced(text, &finds, tagger),
            Err(Unreadable) => return withhold(text, tagger, out),
        };
        let mut text_now = first;
        for _ in 1..ROUNDS {
            match self.finds(&text_now, block) {
                Ok(finds) if finds.is_empty() => return out.extend_from_slice(&text_now),
                Ok(finds) => text_now = self.replaced(&text_now, &finds, tagger),
                Err(Unreadable) => break,
            }
        }
        withhold(text, tagger, out);
    }

    fn replaced(&self, text: &[u8], finds: &[Find], tagger: &Tagger) -> Vec<u8> {
        let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
        for find in finds {
            let name = self.rules.get(find.rule).map_or("", |rule| &rule.name);
            let secret = text.get(find.range.clone()).unwrap_or_default();
            out.extend_from_slice(text.get(at..find.range.start).unwrap_or_default());
            out.extend_from_slice(tagger.mark(name, secret).as_bytes());
            at = find.range.end;
        }
        out.extend_from_slice(text.get(at..).unwrap_or_default());
        out
    }

    /// Every secret, in order, without overlaps.
    fn finds(&self, text: &[u8], block: bool) -> Result<Vec<Find>, Unreadable> {
        let mut look = Look { patterns: self, text, block, seen: Vec::new(), finds: Vec::new() };
        for hit in self.keywords.find_overlapping_iter(text) {
            let rules = self.having.get(hit.pattern().as_usize()).map_or(&[][..], Vec::as_slice);
            for rule in rules {
                look.around(*rule, hit.start())?;
            }
        }
        for rule in &self.always {
            look.everywhere(*rule)?;
        }
        Ok(joined(look.finds, &mark::marks(text)))
    }
}

/// Finds without overlaps, and without those that touch a mark.
fn joined(mut finds: Vec<Find>, marks: &[Range<usize>]) -> Vec<Find> {
    finds.retain(|find| {
        let before = marks.partition_point(|mark| mark.end <= find.range.start);
        marks.get(before).is_none_or(|mark| mark.start >= find.range.end)
    });
    finds.sort_by_key(|find| (find.range.start, std::cmp::Reverse(find.range.end), find.rule));
    let mut joined: Vec<Find> = Vec::with_capacity(finds.len());
    for find in finds {
        match joined.last_mut() {
            Some(last) if find.range.start < last.range.end => {
                last.range.end = last.range.end.max(find.range.end);
            }
            _ => joined.push(find),
        }
    }
    joined
}

/// One pass over an area.
struct Look<'a> {
    patterns: &'a Patterns,
    text: &'a [u8],
    /// Whether the area is one thing, lines and all.
    block: bool,
    /// For each rule that was tried, how far.
    seen: Vec<(usize, usize)>,
    finds: Vec<Find>,
}

impl Look<'_> {
    /// Tries a rule around a keyword of its.
    fn around(&mut self, rule: usize, hit: usize) -> Result<(), Unreadable> {
        let known = self.seen.iter().position(|(seen, _)| *seen == rule);
        let until = known.and_then(|place| self.seen.get(place)).map_or(0, |(_, until)| *until);
        if hit < until {
            return Ok(());
        }
        let line = self.line(hit);
        let start = hit.saturating_sub(BEFORE).max(line.start);
        let end = hit.saturating_add(AFTER).min(line.end);
        match known.and_then(|place| self.seen.get_mut(place)) {
            Some((_, until)) => *until = end,
            None => self.seen.push((rule, end)),
        }
        self.attempt(rule, start..end, &line)
    }

    fn everywhere(&mut self, rule: usize) -> Result<(), Unreadable> {
        let mut start = 0;
        while start < self.text.len() {
            let line = self.line(start);
            start = line.end.max(start) + 1;
            self.attempt(rule, line.clone(), &line)?;
        }
        Ok(())
    }

    fn attempt(
        &mut self,
        rule: usize,
        window: Range<usize>,
        line: &Range<usize>,
    ) -> Result<(), Unreadable> {
        let Some(rule_of) = self.patterns.rules.get(rule) else { return Ok(()) };
        let pattern = rule_of.pattern.get().map_err(|_| Unreadable)?;
        let text = self.text.get(window.clone()).unwrap_or_default();
        let whole_line = self.text.get(line.clone()).unwrap_or_default();
        for found in pattern.captures_iter(text) {
            let whole = found.get(0).map_or(&[][..], |whole| whole.as_bytes());
            let Some((start, end)) = rule_of.secret(&found) else { continue };
            let touches_end = end == text.len() && window.end < line.end;
            let secret = text.get(start..end).unwrap_or_default();
            if !touches_end && !rule_of.holds(secret, whole, whole_line) {
                continue;
            }
            // What reaches the end of the window may go on: all of the line is looked at then.
            if touches_end {
                let from = window.start..line.end;
                return self.attempt(rule, from, line);
            }
            self.finds.push(Find { range: window.start + start..window.start + end, rule });
            if self.finds.len() > MOST_FINDS {
                return Err(Unreadable);
            }
        }
        Ok(())
    }

    /// The line around a place, without its end.
    fn line(&self, at: usize) -> Range<usize> {
        if self.block {
            return 0..self.text.len();
        }
        let (before, after) = (self.text.get(..at), self.text.get(at..));
        let start =
            before.and_then(|before| memrchr(b'\n', before)).map_or(0, |newline| newline + 1);
        let end = after.and_then(|after| memchr(b'\n', after));
        start..end.map_or(self.text.len(), |newline| at + newline)
    }
}

/// The length and a digest, and the end of the line where there was one.
fn withhold(text: &[u8], tagger: &Tagger, out: &mut Vec<u8>) {
    out.extend_from_slice(tagger.withheld(text).as_bytes());
    if text.ends_with(b"\n") {
        out.push(b'\n');
    }
}
