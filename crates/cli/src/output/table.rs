//! Tables for people: left-aligned columns, no frames.
//! Machines get JSON instead; nothing parses these.

use comfy_table::{ContentArrangement, presets};

/// A table with a heading.
#[derive(Debug)]
pub(crate) struct Table {
    inner: comfy_table::Table,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        inner.set_header(columns.to_vec());
        Self { inner }
    }

    /// Adds a row.
    pub(crate) fn row<C: ToString>(&mut self, cells: impl IntoIterator<Item = C>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.to_string()).collect();
        self.inner.add_row(cells);
    }

    /// The text, without trailing blanks.
    pub(crate) fn render(&self) -> String {
        let text = self.inner.to_string();
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}
