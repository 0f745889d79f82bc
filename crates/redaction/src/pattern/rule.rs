//! One rule: keywords, an expression that is compiled when first needed, and what speaks against a find.
//! Where it is looked for, and in what order, is `scan`.

use std::sync::OnceLock;

use regex::bytes::{Captures, Regex, RegexBuilder};

/// Most memory one compiled expression may take, in bytes.
const COMPILED_BYTES: usize = 4 << 20;

/// Something a credential of one kind looks like.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    /// One of them stands near every find; in lower case.
    pub(super) keywords: Vec<String>,
    pub(super) pattern: Pattern,
    /// Which group of the expression is the secret; the first where none is named.
    pub(super) group: Option<usize>,
    /// Fewest bits of entropy for each byte of the secret.
    pub(super) entropy: f64,
    pub(super) allowed: Vec<Allowed>,
}

/// What speaks against a find.
#[derive(Debug)]
pub(super) struct Allowed {
    pub(super) target: Target,
    pub(super) patterns: Vec<Regex>,
    /// In lower case.
    pub(super) words: Vec<String>,
    /// Whether every one of the two kinds has to speak against it.
    pub(super) all: bool,
}

/// What an allowance looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Secret,
    Match,
    Line,
}

/// An expression and, once it was needed, what it was compiled to.
#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    compiled: OnceLock<Result<Regex, String>>,
}

impl Pattern {
    pub(super) fn new(text: String) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    /// The compiled expression.
    ///
    /// # Errors
    /// What the compiler said.
    pub(super) fn get(&self) -> Result<&Regex, String> {
        self.compiled.get_or_init(|| compile(&self.text)).as_ref().map_err(Clone::clone)
    }
}

/// Over bytes, without Unicode classes: a fraction of the time and memory, and linear as every one of them.
///
/// # Errors
/// What the compiler said.
pub(super) fn compile(text: &str) -> Result<Regex, String> {
    let builder = RegexBuilder::new(text).unicode(false).size_limit(COMPILED_BYTES).build();
    builder.map_err(|error| error.to_string())
}

impl Rule {
    /// Where the secret of a find is, in the text that was searched.
    pub(super) fn secret(&self, found: &Captures<'_>) -> Option<(usize, usize)> {
        let group = match self.group {
            Some(group) => found.get(group),
            None => found.iter().skip(1).flatten().find(|group| !group.is_empty()),
        };
        let group = group.or_else(|| found.get(0)).filter(|group| !group.is_empty())?;
        Some((group.start(), group.end()))
    }

    /// Whether `secret`, found as `whole` in `line`, is one after all that speaks against it.
    pub(super) fn holds(&self, secret: &[u8], whole: &[u8], line: &[u8]) -> bool {
        (self.entropy <= 0.0 || entropy(secret) >= self.entropy)
            && !self.allowed.iter().any(|allowed| allowed.speaks(secret, whole, line))
    }
}

impl Allowed {
    fn speaks(&self, secret: &[u8], whole: &[u8], line: &[u8]) -> bool {
        let text = match self.target {
            Target::Secret => secret,
            Target::Match => whole,
            Target::Line => line,
        };
        let by_pattern = self.patterns.iter().any(|pattern| pattern.is_match(text));
        let lower = secret.to_ascii_lowercase();
        let holds = |word: &String| memchr::memmem::find(&lower, word.as_bytes()).is_some();
        let by_word = self.words.iter().any(holds);
        match (self.all, self.patterns.is_empty(), self.words.is_empty()) {
            (true, false, false) => by_pattern && by_word,
            _ => by_pattern || by_word,
        }
    }
}

/// Shannon entropy in bits for each byte.
fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let all = text.len().max(1) as f64;
    let share = |count: &u32| f64::from(*count) / all;
    -counts
        .iter()
        .filter(|count| **count > 0)
        .map(share)
        .map(|part| part * part.log2())
        .sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_that_of_shannon() {
        let check = |text: &[u8], expect: f64| assert!((entropy(text) - expect).abs() < 1e-9);
        check(b"aaaaaaaa", 0.0);
        check(b"abababab", 1.0);
        check(b"abcdefgh", 3.0);
        check(b"", 0.0);
    }
}
