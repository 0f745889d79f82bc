//! The live board: a row per step in the order of the graph, indented by depth, and a line with the count.
//!
//! Where the terminal has fewer lines than the workflow has steps, the rows that tell most are drawn. When the run
//! is over the board is taken away and printed once more as ordinary lines, which stay.

use runner::{Event, Outline};

use super::became::{self, Standing};
use super::row::{Row, clip};
use super::screen::Screen;
use crate::output::{self, elapsed};

/// Lines kept free for what stands above and below.
const LINES_FREE: usize = 3;
/// Most rows that stay on the screen when all is over; of more steps only those that did not end well stay.
const ROWS_KEPT: usize = 60;
/// Size of a terminal that does not tell.
const USUAL: (usize, usize) = (24, 100);

/// A live board.
#[derive(Debug)]
pub(crate) struct Board {
    screen: Screen,
    rows: Vec<Row>,
    /// When the board was put up, in µs.
    since: i64,
    /// Times drawn.
    frame: usize,
    /// A line for the person.
    note: String,
}

impl Board {
    pub(super) fn new(outline: &Outline) -> Self {
        let rows = outline.steps.iter().map(Row::new).collect();
        let mut board = Self {
            screen: Screen::default(),
            rows,
            since: runner::now().0,
            frame: 0,
            note: String::new(),
        };
        board.draw();
        board
    }

    pub(super) fn show(&mut self, event: &Event) {
        let Some((step, became)) = became::of(&event.fact) else { return };
        for row in &mut self.rows {
            if row.name == step {
                row.take(event, &became);
            } else if became.standing.is_end() {
                row.other_ended(step);
            }
        }
        self.draw();
    }

    /// Shows a line for the person below the steps.
    pub(super) fn note(&mut self, text: &str) {
        text.clone_into(&mut self.note);
        self.draw();
    }

    /// Moves what moves with time.
    pub(super) fn tick(&mut self) {
        self.frame += 1;
        self.draw();
    }

    /// Takes the board away and leaves its last state as ordinary lines.
    pub(super) fn finish(&mut self) {
        self.screen.clear();
        let all = self.rows.len() <= ROWS_KEPT;
        let kept = self.rows.iter().filter(|row| all || row.standing != Standing::Good);
        for line in self.lines(kept, usize::MAX) {
            output::talk(line);
        }
    }

    fn draw(&mut self) {
        let (lines, columns) = size();
        let room = lines.saturating_sub(LINES_FREE).max(1);
        let mut drawn = self.lines(pick(&self.rows, room).into_iter(), columns.saturating_sub(1));
        drawn.push(clip(&self.footer(), columns.saturating_sub(1)));
        self.screen.draw(&drawn);
    }

    fn lines<'a>(&self, rows: impl Iterator<Item = &'a Row>, columns: usize) -> Vec<String> {
        let width = self.rows.iter().map(Row::width).max().unwrap_or(0);
        let now = runner::now().0;
        rows.map(|row| row.draw(now, self.frame, (width, columns))).collect()
    }

    fn footer(&self) -> String {
        let ended = self.rows.iter().filter(|row| row.standing.is_end()).count();
        let time = elapsed((runner::now().0 - self.since).max(100_000));
        let note = if self.note.is_empty() { String::new() } else { format!("  {}", self.note) };
        format!("  {ended} of {} ended, {time}{note}", self.rows.len())
    }
}

/// The rows that tell most, at most `room` of them, in the order they have: running ones, bad ones, those that come
/// next, then the rest.
fn pick(rows: &[Row], room: usize) -> Vec<&Row> {
    let weight = |row: &Row| match row.standing {
        Standing::Runs => 0,
        Standing::Bad => 1,
        Standing::Waits => 2,
        Standing::Good | Standing::Left => 3,
    };
    let mut ranked: Vec<(usize, &Row)> = rows.iter().enumerate().collect();
    ranked.sort_by_key(|(place, row)| (weight(row), *place));
    ranked.truncate(room);
    ranked.sort_by_key(|(place, _)| *place);
    ranked.into_iter().map(|(_, row)| row).collect()
}

/// Lines and columns of the terminal.
fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
            (usize::from(size.ws_row), usize::from(size.ws_col))
        }
        _ => USUAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runner::OutlineStep;

    #[test]
    fn rows_that_tell_most_are_drawn_where_not_all_fit() {
        let standings =
            [Standing::Good, Standing::Bad, Standing::Waits, Standing::Runs, Standing::Waits];
        let rows: Vec<Row> = standings
            .iter()
            .enumerate()
            .map(|(place, standing)| {
                let step = OutlineStep {
                    name: place.to_string(),
                    needs: Vec::new(),
                    depth: 0,
                    finally: false,
                };
                let mut row = Row::new(&step);
                row.standing = *standing;
                row
            })
            .collect();
        let check = |room, expect: &[&str]| {
            let names: Vec<&str> = pick(&rows, room).iter().map(|row| row.name.as_str()).collect();
            assert_eq!(names, expect);
        };
        check(1, &["3"]);
        check(3, &["1", "2", "3"]);
        check(9, &["0", "1", "2", "3", "4"]);
    }
}
