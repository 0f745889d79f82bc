//! YAML events to nodes, with limits checked before anything is built.
//!
//! Uses an explicit stack: input depth never becomes call depth. Refused: anchors, aliases and tags
//! (they make text mean something that is not written where it is read), duplicate keys, a second
//! document, and characters YAML does not allow (a NUL would end the text for the scanner).

use std::collections::HashSet;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as EventSpan, StrInput};

use super::diagnostic::Diagnostic;
use super::node::{Key, Node, Source, Span, Yaml};
use super::scalar::resolve;

/// How large a document may be; beyond any of these, reading ends with a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text.
    pub text_bytes: usize,
    /// Maps and lists inside each other.
    pub depth: usize,
    /// Values, keys included.
    pub nodes: usize,
}

impl Limits {
    /// 1 MiB, 64 levels, 100 000 values: what no document written by a person needs.
    pub const DOCUMENT: Limits = Limits { text_bytes: 1 << 20, depth: 64, nodes: 100_000 };
}

/// Reads a document within [`Limits::DOCUMENT`]. A text without any value is [`Yaml::Null`].
///
/// # Errors
/// The first thing that makes the text unusable, with its line and column.
pub fn read(source: &Source) -> Result<Node, Diagnostic> {
    read_within(source, Limits::DOCUMENT)
}

/// Reads a document within given limits.
///
/// # Errors
/// As [`read`].
pub fn read_within(source: &Source, limits: Limits) -> Result<Node, Diagnostic> {
    check_text(source, limits)
        .and_then(|()| Reader::new(&source.text, limits).run())
        .map_err(|diagnostic| diagnostic.in_file(&source.name))
}

fn check_text(source: &Source, limits: Limits) -> Result<(), Diagnostic> {
    let start = Span { line: 1, column: 1, len: 1 };
    if source.text.len() > limits.text_bytes {
        let (found, most) = (source.text.len(), limits.text_bytes);
        return Err(Diagnostic::error(
            start,
            format!("the document has {found} bytes, more than the {most} allowed"),
        ));
    }
    let (mut line, mut column) = (1, 1);
    for letter in source.text.chars() {
        if !is_allowed(letter) {
            let message = format!("character U+{:04X} is not allowed", u32::from(letter));
            return Err(Diagnostic::error(Span { line, column, len: 1 }, message)
                .with_hint("write it as an escape in a double-quoted text"));
        }
        (line, column) = if letter == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    Ok(())
}

/// `c-printable` of YAML 1.2.2 (section 5.1).
fn is_allowed(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | '\u{85}' | ' '..='~' | '\u{a0}'..)
        && !matches!(letter, '\u{fffe}' | '\u{ffff}')
}

/// What the scanner says at its own limit of 255 brackets, which it reaches before the first event
/// where brackets open a line.
const SCANNER_DEPTH: &str = "recursion limit exceeded";

/// A map or list whose end has not been seen.
enum Open {
    List { span: Span, items: Vec<Node> },
    Map { span: Span, entries: Vec<(Key, Node)>, seen: HashSet<String>, key: Option<Key> },
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    limits: Limits,
    stack: Vec<Open>,
    nodes: usize,
    root: Option<Node>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, limits: Limits) -> Reader<'t> {
        let events = Parser::new_from_str(text);
        Reader { events, limits, stack: Vec::new(), nodes: 0, root: None }
    }

    fn run(mut self) -> Result<Node, Diagnostic> {
        while let Some(event) = self.events.next_event() {
            let (event, span) = event.map_err(|error| not_yaml(&error))?;
            if matches!(event, Event::StreamEnd) {
                break;
            }
            self.handle(event, span)?;
        }
        let empty = Node { span: Span { line: 1, column: 1, len: 0 }, value: Yaml::Null };
        Ok(self.root.unwrap_or(empty))
    }

    fn handle(&mut self, event: Event<'_>, span: EventSpan) -> Result<(), Diagnostic> {
        let place = place(span);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Diagnostic::error(place, "a file holds one document"))
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Alias(_) => Err(Diagnostic::error(place, "aliases are not supported")
                .with_hint("write the value where it is used")),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_properties(anchor, tag.is_some(), place)?;
                self.scalar(&text, style, place)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_properties(anchor, tag.is_some(), place)?;
                self.open(place, Open::List { span: place, items: Vec::new() })
            }
            Event::MappingStart(anchor, tag) => {
                refuse_properties(anchor, tag.is_some(), place)?;
                let (entries, seen) = (Vec::new(), HashSet::new());
                self.open(place, Open::Map { span: place, entries, seen, key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Open::List { span, items }) => {
                    self.value(Node { span, value: Yaml::List(items) });
                    Ok(())
                }
                Some(Open::Map { span, entries, .. }) => {
                    self.value(Node { span, value: Yaml::Map(entries) });
                    Ok(())
                }
                None => Err(Diagnostic::error(place, "not valid YAML: an end without a start")),
            },
        }
    }

    fn count(&mut self, span: Span) -> Result<(), Diagnostic> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let most = self.limits.nodes;
            return Err(Diagnostic::error(
                span,
                format!("the document has more than the {most} values allowed"),
            ));
        }
        Ok(())
    }

    fn open(&mut self, span: Span, open: Open) -> Result<(), Diagnostic> {
        self.count(span)?;
        if matches!(self.stack.last(), Some(Open::Map { key: None, .. })) {
            return Err(Diagnostic::error(span, "a key must be a plain or quoted text"));
        }
        if self.stack.len() >= self.limits.depth {
            let most = self.limits.depth;
            return Err(Diagnostic::error(
                span,
                format!("the document is nested deeper than the {most} levels allowed"),
            ));
        }
        self.stack.push(open);
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Result<(), Diagnostic> {
        self.count(span)?;
        if let Some(Open::Map { entries, seen, key: key @ None, .. }) = self.stack.last_mut() {
            if text.is_empty() && style == ScalarStyle::Plain {
                return Err(Diagnostic::error(span, "a key must not be empty"));
            }
            if !seen.insert(text.to_owned()) {
                let first = entries.iter().find(|(key, _)| key.name == text);
                let line = first.map_or(0, |(key, _)| key.span.line);
                return Err(Diagnostic::error(
                    span,
                    format!("duplicate key `{text}`, first written on line {line}"),
                ));
            }
            *key = Some(Key { name: text.to_owned(), span });
            return Ok(());
        }
        let value = match style {
            ScalarStyle::Plain => resolve(text).map_err(|error| {
                Diagnostic::error(span, error.to_string())
                    .with_hint("quote the value to make it a text")
            })?,
            _ => Yaml::Text(text.to_owned()),
        };
        self.value(Node { span, value });
        Ok(())
    }

    fn value(&mut self, node: Node) {
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => {
                if let Some(key) = key.take() {
                    entries.push((key, node));
                }
            }
        }
    }
}

fn refuse_properties(anchor: usize, tagged: bool, span: Span) -> Result<(), Diagnostic> {
    if anchor != 0 {
        return Err(Diagnostic::error(span, "anchors are not supported"));
    }
    if tagged {
        return Err(Diagnostic::error(span, "tags are not supported")
            .with_hint("a text that starts with `!` must be quoted"));
    }
    Ok(())
}

fn place(span: EventSpan) -> Span {
    let len = if span.end.line() == span.start.line() {
        span.end.col().saturating_sub(span.start.col())
    } else {
        1
    };
    Span { len, ..start(span.start) }
}

fn start(marker: Marker) -> Span {
    Span { line: marker.line().max(1), column: marker.col() + 1, len: 1 }
}

fn not_yaml(error: &ScanError) -> Diagnostic {
    let (place, info) = (start(*error.marker()), error.info());
    if info == SCANNER_DEPTH {
        return Diagnostic::error(place, "the document is nested deeper than allowed");
    }
    let found = Diagnostic::error(place, format!("not valid YAML: {info}"));
    if info.contains("tab") {
        found.with_hint("indent with spaces")
    } else if info.contains("alias") || info.contains("anchor") {
        found.with_hint("a text that starts with `*` or `&` must be quoted")
    } else {
        found
    }
}
