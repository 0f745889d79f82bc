//! Tables for people: left-aligned columns, no frames, as wide as the terminal where there is one.
//! Machines get JSON instead; nothing parses these.

use comfy_table::{ColumnConstraint, ContentArrangement, Width, presets};

use super::{Tone, paint, width};

/// Blanks beside the content of a cell.
const PADDING: usize = 2;
/// Width that a column keeps where the words of all do not fit, with the blanks.
const NARROW: usize = 6;

/// A table with a heading.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    tints: Vec<(&'static str, Tone)>,
    spare: Vec<&'static str>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Self { columns, rows: Vec::new(), tints: Vec::new(), spare: Vec::new() }
    }

    /// The same, with these words of the first column in their colour, which has no width.
    pub(crate) fn tinted(mut self, words: impl IntoIterator<Item = (&'static str, Tone)>) -> Self {
        self.tints.extend(words);
        self
    }

    /// The same, with columns that are left out first where the terminal is too narrow for whole words; another command
    /// has what they say.
    pub(crate) fn spare(mut self, columns: impl IntoIterator<Item = &'static str>) -> Self {
        self.spare.extend(columns);
        self
    }

    /// Adds a row.
    pub(crate) fn row<C: ToString>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }

    /// The text, without trailing blanks; on a terminal within its width and without columns that say nothing.
    pub(crate) fn render(&self) -> String {
        let text = self.within(width());
        text.lines().map(|line| self.tint(line)).collect::<Vec<_>>().join("\n")
    }

    fn within(&self, width: Option<u16>) -> String {
        let mut inner = comfy_table::Table::new();
        inner.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        inner.set_header(&self.columns);
        inner.add_rows(&self.rows);
        if let Some(width) = width {
            inner.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            for (index, constraint) in self.constraints(usize::from(width)) {
                inner.column_mut(index).map(|column| column.set_constraint(constraint));
            }
        }
        let text = inner.to_string();
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// Columns that say nothing are left out; the others get what they need, as far as there is room.
    fn constraints(&self, width: usize) -> Vec<(usize, ColumnConstraint)> {
        let said = |index: &usize| {
            self.rows.is_empty()
                || self.rows.iter().any(|row| row.get(*index).is_some_and(|cell| !cell.is_empty()))
        };
        let (mut shown, mut hidden): (Vec<usize>, Vec<usize>) =
            (0..self.columns.len()).partition(said);
        let words =
            |shown: &[usize]| shown.iter().map(|index| self.needs(*index).word).sum::<usize>();
        for name in &self.spare {
            let place = shown
                .iter()
                .position(|index| self.columns.get(*index).is_some_and(|column| column == name));
            if let Some(place) = place.filter(|_| words(&shown) > width) {
                hidden.push(shown.remove(place));
            }
        }
        let columns: Vec<Column> = shown.iter().map(|index| self.needs(*index)).collect();
        let absolute = |(index, given): (usize, usize)| {
            let given = u16::try_from(given).unwrap_or(u16::MAX);
            (index, ColumnConstraint::Absolute(Width::Fixed(given)))
        };
        let hidden = hidden.into_iter().map(|index| (index, ColumnConstraint::Hidden));
        hidden.chain(shown.into_iter().zip(share(&columns, width)).map(absolute)).collect()
    }

    fn needs(&self, index: usize) -> Column {
        let cells =
            || self.rows.iter().filter_map(|row| row.get(index)).chain(self.columns.get(index));
        let most = |texts: &mut dyn Iterator<Item = &str>| {
            texts.map(|text| text.chars().count()).max().unwrap_or(0) + PADDING
        };
        Column {
            word: most(&mut cells().flat_map(|cell| cell.split(' '))),
            whole: most(&mut cells().map(String::as_str)),
        }
    }

    fn tint(&self, line: &str) -> String {
        let tinted = self.tints.iter().find_map(|(word, tone)| {
            let rest = line.strip_prefix(' ')?.strip_prefix(word)?;
            let whole = rest.is_empty() || rest.starts_with(' ');
            whole.then(|| format!(" {}{rest}", paint(word, *tone)))
        });
        tinted.unwrap_or_else(|| line.to_owned())
    }
}

/// What a column needs, in characters with the blanks beside it.
#[derive(Debug, Clone, Copy)]
struct Column {
    /// For its longest word.
    word: usize,
    /// For its longest cell on one line.
    whole: usize,
}

/// The width of each column: first its longest word, from the left, while no other gets less than [`NARROW`] for that;
/// then what is left evenly to those that could use it.
fn share(columns: &[Column], width: usize) -> Vec<usize> {
    let mut given: Vec<usize> = columns.iter().map(|column| column.word.min(NARROW)).collect();
    let mut left = width.saturating_sub(given.iter().sum());
    for (given, column) in given.iter_mut().zip(columns) {
        let more = column.word.saturating_sub(*given);
        if more <= left {
            *given += more;
            left -= more;
        }
    }
    loop {
        let wanting =
            given.iter().zip(columns).filter(|(given, column)| **given < column.whole).count();
        let Some(each) = left.checked_div(wanting).map(|each| each.max(1)) else { return given };
        for (given, column) in given.iter_mut().zip(columns) {
            let more = column.whole.saturating_sub(*given).min(each).min(left);
            *given += more;
            left -= more;
        }
        if left == 0 {
            return given;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["id", "when", "nothing", "what"]);
        table.row(["run_0123456789", "2026-11-21 23:59:59", "", "one two three four five six"]);
        table.row(["run_1", "", "", "seven"]);
        table
    }

    #[test]
    fn a_table_is_as_wide_as_the_terminal_and_breaks_no_word() {
        let table = table();
        let most = |text: &str| text.lines().map(str::len).max().unwrap();
        assert!(most(&table.within(None)) > 60, "the control");
        assert!(table.within(None).contains("nothing"));
        for width in [40, 50, 64] {
            let text = table.within(Some(width));
            assert!(most(&text) <= usize::from(width), "{width}: {text}");
            assert!(!text.contains("nothing"), "{text}");
            for word in ["run_0123456789", "2026-11-21", "23:59:59", "three", "seven"] {
                assert!(text.contains(word), "{word} at {width}:\n{text}");
            }
        }
        // What can be spared goes where words would break, and only there.
        let spare = |width| table.clone().spare(["what"]).within(Some(width));
        assert!(!spare(30).contains("what") && spare(40).contains("what"));
        // Where it fits a row is a line.
        assert_eq!(table.within(Some(200)).lines().count(), 3);
    }

    #[test]
    fn the_width_is_shared_by_need() {
        let check = |columns: &[(usize, usize)], width, expect: &[usize]| {
            let columns: Vec<Column> =
                columns.iter().map(|&(word, whole)| Column { word, whole }).collect();
            assert_eq!(share(&columns, width), expect);
        };
        check(&[(10, 20), (5, 5)], 80, &[20, 5]);
        check(&[(10, 50), (5, 50)], 80, &[43, 37]);
        // The first word fits, the second does not.
        check(&[(32, 32), (20, 20), (9, 9)], 50, &[32, 9, 9]);
        check(&[(30, 30)], 8, &[8]);
        check(&[], 8, &[]);
    }

    #[test]
    fn only_the_word_itself_in_the_first_column_is_tinted() {
        let table = Table::new(&["found"]).tinted([("ok", Tone::Good)]);
        for line in [" ok  x", "ok", " okay", " x ok"] {
            // Nothing is painted in a test, which has no terminal.
            assert_eq!(table.tint(line), line);
        }
    }
}
