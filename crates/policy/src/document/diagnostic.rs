//! What is wrong in a document, where, and how it looks on a terminal.
//!
//! A diagnostic is data first (`--json` prints it) and text second. It is not an error of a running
//! program; those are enums beside their operations. `Report` collects the diagnostics of one
//! document, so that a person repairs five mistakes in one go instead of in five.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::node::{Source, Span};

/// Characters of a source line shown around the caret; a longer line is cut on both sides.
const LINE_CHARS_MAX: usize = 120;

/// Diagnostics kept for one document; what is found beyond them is counted, not kept.
const DIAGNOSTICS_MAX: usize = 100;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document is not usable.
    Error,
    /// The document is usable but probably does not say what its author meant.
    Warning,
}

/// One thing wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Whether the document can still be used.
    pub severity: Severity,
    /// What is wrong: a lower-case fragment without a full stop.
    pub message: String,
    /// Where; absent for the document as a whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub span: Option<Span>,
    /// The remedy, where one is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
    /// The name of the document.
    pub file: String,
}

impl Diagnostic {
    /// An error at `span`; the file name is filled in by the [`Report`] or [`Diagnostic::in_file`].
    pub fn error(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, span, message.into())
    }

    /// A warning at `span`.
    pub fn warning(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, span, message.into())
    }

    fn new(severity: Severity, span: Span, message: String) -> Diagnostic {
        Diagnostic { severity, message, span: Some(span), hint: None, file: String::new() }
    }

    /// The same diagnostic with a remedy.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    /// The same diagnostic with "did you mean", where there is a suggestion.
    #[must_use]
    pub fn with_suggestion(self, suggestion: Option<String>) -> Diagnostic {
        match suggestion {
            Some(name) => self.with_hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// The same diagnostic, of the document named `file`.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Diagnostic {
        file.clone_into(&mut self.file);
        self
    }

    /// The diagnostic with the line it is about and a caret under the place; ends with a newline.
    ///
    /// Tabs are shown as one space and control characters as `·`, so that the caret stays beneath
    /// its character and a document cannot write to the terminal.
    #[must_use]
    pub fn render(&self, source: &Source) -> String {
        let mut text = format!("{}: {}\n", self.severity, printable(&self.message));
        let margin = match self.span {
            None => {
                text.push_str(&format!("  --> {}\n", printable(&self.file)));
                " ".to_owned()
            }
            Some(span) => {
                let number = span.line.to_string();
                let margin = " ".repeat(number.len() + 1);
                let place =
                    format!("{}:{}:{}", printable(&self.file), span.line, span.column.max(1));
                let (line, indent, carets) = excerpt(source, span);
                text.push_str(&format!("{margin}--> {place}\n{margin} |\n {number} | {line}\n"));
                let caret = format!("{}{}", " ".repeat(indent), "^".repeat(carets));
                text.push_str(&format!("{margin} | {caret}\n"));
                margin
            }
        };
        if let Some(hint) = &self.hint {
            text.push_str(&format!("{margin} = help: {}\n", printable(hint)));
        }
        text
    }
}

/// The line of `span` cut to a readable width, the characters before the caret, and its length.
fn excerpt(source: &Source, span: Span) -> (String, usize, usize) {
    let line = source.text.split('\n').nth(span.line.saturating_sub(1)).unwrap_or_default();
    let length = line.chars().count();
    let column = span.column.saturating_sub(1).min(length);
    let skip = if length <= LINE_CHARS_MAX { 0 } else { column.saturating_sub(LINE_CHARS_MAX / 2) };
    let shown: String = line.chars().skip(skip).take(LINE_CHARS_MAX).collect();
    let indent = column - skip;
    let carets = span.len.clamp(1, LINE_CHARS_MAX.saturating_sub(indent).max(1));
    let carets = carets.min(length.saturating_sub(column).max(1));
    (printable(shown.trim_end()), indent, carets)
}

/// The text with tabs as spaces, and a dot for each character that could drive a terminal or
/// reorder the line.
fn printable(text: &str) -> String {
    let show = |letter: char| match letter {
        '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '·',
        letter if letter.is_control() => '·',
        letter => letter,
    };
    text.chars().map(show).collect()
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// One line: `file:line:column: severity: message`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.span {
            Some(span) => write!(out, "{}:{}:{}: ", self.file, span.line, span.column)?,
            None => write!(out, "{}: ", self.file)?,
        }
        write!(out, "{}: {}", self.severity, self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// The diagnostics of one document while it is being decoded.
#[derive(Debug)]
pub struct Report {
    file: String,
    found: Vec<Diagnostic>,
    errors: usize,
    dropped: usize,
}

impl Report {
    /// An empty report on `source`.
    #[must_use]
    pub fn new(source: &Source) -> Report {
        Report { file: source.name.clone(), found: Vec::new(), errors: 0, dropped: 0 }
    }

    /// Adds a diagnostic. Beyond 100 only their number is kept; errors still count as errors.
    pub fn add(&mut self, diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        if self.found.len() < DIAGNOSTICS_MAX {
            self.found.push(diagnostic.in_file(&self.file));
        } else {
            self.dropped += 1;
        }
    }

    /// Adds several diagnostics.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        diagnostics.into_iter().for_each(|diagnostic| self.add(diagnostic));
    }

    /// The value, or nothing with its diagnostic kept: the way to go on after a mistake.
    pub fn take<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|diagnostic| self.add(diagnostic)).ok()
    }

    /// Whether any error was added.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The warnings, or everything where there was an error; in the order of the document.
    ///
    /// # Errors
    /// All diagnostics, warnings included, if at least one is an error.
    pub fn finish(mut self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        self.found.sort_by_key(|found| found.span.map(|span| (span.line, span.column)));
        if self.dropped > 0 {
            let severity = if self.errors > 0 { Severity::Error } else { Severity::Warning };
            self.found.push(Diagnostic {
                severity,
                message: format!("{} more problems are not shown", self.dropped),
                span: None,
                hint: None,
                file: self.file.clone(),
            });
        }
        if self.errors > 0 { Err(self.found) } else { Ok(self.found) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::{Source, Span};
    use super::{DIAGNOSTICS_MAX, Diagnostic, Report};

    fn check(text: &str, span: Span, expected: &str) {
        let source = Source::new("file.yaml", text);
        let found = Diagnostic::error(span, "unknown key `nmae`")
            .with_suggestion(Some("name".to_owned()))
            .in_file("file.yaml");
        assert_eq!(found.render(&source), expected);
    }

    #[test]
    fn caret_stands_beneath_its_text() {
        check(
            "a: 1\n  nmae: x\n",
            Span { line: 2, column: 3, len: 4 },
            "error: unknown key `nmae`\n  --> file.yaml:2:3\n   |\n 2 |   nmae: x\n   |   ^^^^\n   \
             = help: did you mean `name`?\n",
        );
    }

    #[test]
    fn tabs_and_control_characters_do_not_move_the_caret() {
        check(
            "\t\u{1b}x",
            Span { line: 1, column: 3, len: 9 },
            "error: unknown key `nmae`\n  --> file.yaml:1:3\n   |\n 1 |  ·x\n   |   ^\n   \
             = help: did you mean `name`?\n",
        );
    }

    #[test]
    fn a_place_past_the_end_is_still_drawn() {
        check(
            "a",
            Span { line: 9, column: 70, len: 0 },
            "error: unknown key `nmae`\n  --> file.yaml:9:70\n   |\n 9 | \n   | ^\n   \
             = help: did you mean `name`?\n",
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let source = Source::new("f", format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000)));
        let span = Span { line: 1, column: 5001, len: 4 };
        let text = Diagnostic::error(span, "m").in_file("f").render(&source);
        let lines: Vec<&str> = text.lines().collect();
        assert!(text.len() < 600, "{text}");
        assert_eq!(lines[3].find("HERE"), lines[4].find("^^^^"));
    }

    #[test]
    fn a_report_is_bounded_sorted_and_complete() {
        let source = Source::new("f", "");
        let mut report = Report::new(&source);
        for line in (1..=DIAGNOSTICS_MAX + 5).rev() {
            report.add(Diagnostic::error(Span { line, column: 1, len: 1 }, "m"));
        }
        assert!(report.has_errors());
        let found = report.finish().unwrap_err();
        assert_eq!(found.len(), DIAGNOSTICS_MAX + 1);
        assert_eq!(found[0].span.unwrap().line, 6);
        assert_eq!(found.last().unwrap().message, "5 more problems are not shown");

        let mut report = Report::new(&source);
        report.add(Diagnostic::warning(Span::default(), "m"));
        assert_eq!(report.finish().unwrap().len(), 1);
    }
}
