//! Patterns of tools and principals: `*` stands for any text, dots included; all else is literal.
//!
//! Names are compared in Unicode NFC. There are no classes and no `?`, so no name needs escaping.

use super::{PATTERN_BYTES_MAX, PatternError};
use crate::identifier;

/// A name, or a pattern of names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NamePattern {
    text: String,
}

impl NamePattern {
    /// Reads a pattern; runs of `*` are one.
    pub(crate) fn parse(text: &str) -> Result<NamePattern, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong);
        }
        let mut text = identifier::normal(text).into_owned();
        while text.contains("**") {
            text = text.replace("**", "*");
        }
        Ok(NamePattern { text })
    }

    /// The pattern as read.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it names exactly one thing.
    pub(crate) fn is_exact(&self) -> bool {
        !self.text.contains('*')
    }

    /// Whether it matches every name.
    pub(crate) fn is_any(&self) -> bool {
        self.text == "*"
    }

    /// The same pattern in glob syntax, where `*` is to cross everything.
    pub(crate) fn glob(&self) -> String {
        let literals: Vec<String> = self.text.split('*').map(globset::escape).collect();
        literals.join("*")
    }

    /// Whether `name`, in NFC, matches. Linear in the name for each star.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.text.split_once('*') else { return self.text == name };
        let Some(mut left) = name.strip_prefix(first) else { return false };
        let mut literals = rest.split('*').peekable();
        while let Some(literal) = literals.next() {
            if literals.peek().is_none() {
                return left.ends_with(literal);
            }
            match left.split_once(literal) {
                Some((_, after)) => left = after,
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::NamePattern;

    fn check(pattern: &str, name: &str, expected: bool) {
        let pattern = NamePattern::parse(pattern).unwrap();
        assert_eq!(pattern.matches(name), expected, "{pattern:?} {name}");
        let glob = globset::Glob::new(&pattern.glob()).unwrap().compile_matcher();
        assert_eq!(glob.is_match(name), expected, "{pattern:?} {name} as a glob");
    }

    #[test]
    fn a_star_crosses_dots_and_nothing_else_is_special() {
        check("fs.read", "fs.read", true);
        check("fs.read", "fs.reader", false);
        check("fs.*", "fs.read", true);
        check("fs.*", "fs.read.deep", true);
        check("fs.*", "fs.", true);
        check("fs.*", "fs", false);
        check("*", "anything.at/all", true);
        check("**", "a.b", true);
        check("*.read", "fs.read", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-b", false);
        check("a*a", "a", false);
        check("a*ab", "aab", true);
        check("a?c", "abc", false);
        check("a?c", "a?c", true);
        check("a[b]{c}", "a[b]{c}", true);
        check("!x", "!x", true);
        check("planner-*", "planner-\u{e9}", true);
        check("cafe\u{301}", "caf\u{e9}", true);
    }
}
