//! From a piece of a decoded text back to line and column in the document.
//!
//! Quotes, escapes, folding and indentation make the text of a scalar differ from what is
//! written, but mostly in white space. So the two are walked side by side over their visible
//! characters; where even those cannot be matched (rare escapes), the whole scalar is named
//! instead. Only messages depend on this, never a value.

use crate::expression::At;
use policy::document::{Node, Source, Span};
use std::str::Chars;

/// The place of `at`, a piece of `text`, where `text` is the decoded text of `node`.
pub(super) fn locate(source: &Source, node: &Node, text: &str, at: At) -> Span {
    find(source, node, text, at).unwrap_or(node.span)
}

fn find(source: &Source, node: &Node, text: &str, at: At) -> Option<Span> {
    let mut written = Written::at(source, node.span)?;
    let before = text.get(..at.start)?;
    for character in before.chars().filter(|character| !character.is_whitespace()) {
        if written.visible()? != character {
            return None;
        }
    }
    written.skip_blanks();
    let piece = text.get(at.start..at.end()).unwrap_or("");
    let len = piece.split('\n').next().unwrap_or("").trim_end().chars().count().max(1);
    Some(Span { line: written.line, column: written.column, len })
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Plain or block: every visible character stands for itself.
    Open,
    /// Between `'`, where two of them stand for one.
    Single,
    /// Between `"`, with escapes.
    Double,
}

/// A position in the document.
#[derive(Clone)]
struct Written<'s> {
    rest: Chars<'s>,
    line: usize,
    column: usize,
    style: Style,
}

impl<'s> Written<'s> {
    /// The position where the text of the scalar at `span` begins.
    fn at(source: &'s Source, span: Span) -> Option<Self> {
        let lines = source.text.split_inclusive('\n').take(span.line.checked_sub(1)?);
        let (before, from_line) = source.text.split_at_checked(lines.map(str::len).sum())?;
        let start = from_line.char_indices().nth(span.column.checked_sub(1)?)?.0;
        let (indent, text) = from_line.split_at_checked(start)?;
        let style = match text.chars().next()? {
            _ if indent.trim().is_empty() && opens_block(before) => Style::Open,
            '\'' => Style::Single,
            '"' => Style::Double,
            _ => Style::Open,
        };
        let (line, column) = (span.line, span.column);
        let mut written = Self { rest: text.chars(), line, column, style };
        if style != Style::Open {
            written.advance();
        }
        Some(written)
    }

    fn advance(&mut self) -> Option<char> {
        let character = self.rest.next()?;
        if character == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(character)
    }

    /// Moves to the next character that is not white space, written as itself or as an escape.
    fn skip_blanks(&mut self) {
        loop {
            let mut ahead = self.clone();
            let blank = match ahead.advance() {
                Some('\\') if self.style == Style::Double => {
                    matches!(ahead.advance(), Some('n' | 't' | 'r' | ' ' | '\n'))
                }
                character => character.is_some_and(char::is_whitespace),
            };
            if !blank {
                return;
            }
            *self = ahead;
        }
    }

    /// Moves over the next visible character of the text and returns it; nothing where it is
    /// written in a way this does not read.
    fn visible(&mut self) -> Option<char> {
        self.skip_blanks();
        let character = self.advance()?;
        match (self.style, character) {
            (Style::Double, '\\') => self.advance().filter(|code| matches!(code, '"' | '\\' | '/')),
            (Style::Single, '\'') => self.advance().filter(|second| *second == '\''),
            _ => Some(character),
        }
    }
}

/// Whether the last line that is not empty ends with the header of a block scalar, whose place is
/// its first line of text.
fn opens_block(before: &str) -> bool {
    let line = before.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
    let line = line.split_once(" #").map_or(line, |(line, _)| line);
    let header = line.trim_end().trim_end_matches(|c: char| c.is_ascii_digit() || "+-".contains(c));
    header.ends_with(['|', '>'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::document::{Yaml, read};

    /// Finds `HERE` in the text of the only value, and expects the carets beneath it.
    fn check(document: &str) {
        let source = Source::new("f", document);
        let root = read(&source).unwrap();
        let node = root.get("k").unwrap();
        let Yaml::Text(text) = &node.value else { panic!("not a text") };
        let at = At { start: text.find("HERE").unwrap(), len: 4 };
        let span = locate(&source, node, text, at);
        let line = document.lines().nth(span.line - 1).unwrap();
        let found: String = line.chars().skip(span.column - 1).take(span.len).collect();
        assert_eq!(found, "HERE", "{document} {span:?}");
    }

    #[test]
    fn every_style_is_followed() {
        check("k: a HERE b");
        check("k: HERE");
        check("k: 'it''s HERE'");
        check("k: \"a \\\"b\\\" \\n \\t \\\\ HERE\"");
        check("k: \"é HERE\"");
        check("k: |\n  one\n  two HERE\n");
        check("k: |\n\n  one\n    deeper HERE\n");
        check("k: >-\n  one\n  two HERE\n");
        check("k: one\n  two\n  HERE");
        check("k: \"one\n  two\n\n  HERE\"");
        check("k: 'one \n  HERE'");
        check("k: \"one \\\n  HERE\"");
        check("k: |-\n  HERE");
        check("k: |\n  'quoted HERE\n");
        check("k: >+ # why\n\n  one\n\n\n  two HERE\n");
        check("k:\n  one\n  HERE");
    }

    #[test]
    fn a_rare_escape_names_the_whole_scalar() {
        let source = Source::new("f", "k: \"\\x41 HERE\"");
        let root = read(&source).unwrap();
        let node = root.get("k").unwrap();
        assert_eq!(locate(&source, node, "A HERE", At { start: 2, len: 4 }), node.span);
    }
}
