//! One step as one row of the live board: what is known of it, and how that is drawn at a moment. Pure.
//! When it is drawn is the board's business.

use runner::{Event, Fact, OutlineStep};

use super::became::{Became, Standing};
use crate::output::{elapsed, paint};

/// Pictures of a running step, one after the other.
const SPIN: [&str; 4] = ["◐", "◓", "◑", "◒"];

/// A step on the board.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: String,
    /// How deep it lies in the graph.
    depth: usize,
    /// The steps it needs that have not ended.
    needs: Vec<String>,
    /// Whether it comes after every other step.
    finally: bool,
    pub(super) standing: Standing,
    /// The word and reason of the last event.
    text: String,
    /// When its attempt began, in µs; what it took, once it ended; when the next begins.
    time: Time,
}

/// The time shown beside a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    None,
    Since(i64),
    Took(i64),
    Due(i64),
}

impl Row {
    pub(super) fn new(step: &OutlineStep) -> Self {
        Self {
            name: step.name.clone(),
            depth: step.depth,
            needs: step.needs.clone(),
            finally: step.finally,
            standing: Standing::Waits,
            text: String::new(),
            time: Time::None,
        }
    }

    /// Columns taken by indentation, mark and name.
    pub(super) fn width(&self) -> usize {
        self.depth * 2 + 2 + self.name.chars().count()
    }

    /// Takes in what became of this step.
    pub(super) fn take(&mut self, event: &Event, became: &Became) {
        self.time = match (&event.fact, self.time) {
            (Fact::StepStarted { .. }, _) => Time::Since(event.at.0),
            (Fact::StepRetryScheduled { due, .. }, _) => Time::Due(due.0),
            (_, Time::Since(from)) => Time::Took(event.at.0 - from),
            (_, Time::Due(_)) => Time::None,
            (_, time) => time,
        };
        // The reason of the failure stays beside the countdown to the next attempt.
        if !matches!(event.fact, Fact::StepRetryScheduled { .. }) {
            self.text = match became.standing {
                Standing::Good | Standing::Runs => became.why.trim_start_matches(": ").to_owned(),
                _ => format!("{}{}", became.word, became.why),
            };
        }
        self.standing = became.standing;
    }

    /// Takes in that another step ended.
    pub(super) fn other_ended(&mut self, name: &str) {
        self.needs.retain(|need| need != name);
    }

    /// The row at `now`, the name padded to `width` columns, nothing past `columns`.
    pub(super) fn draw(&self, now: i64, frame: usize, (width, columns): (usize, usize)) -> String {
        let mark = match self.standing {
            Standing::Waits => "○",
            Standing::Runs => SPIN.get(frame % SPIN.len()).copied().unwrap_or("◐"),
            Standing::Good => "●",
            Standing::Bad => "✗",
            Standing::Left => "–",
        };
        let time = match self.time {
            Time::None => String::new(),
            Time::Since(from) => elapsed(now - from),
            Time::Took(took) => elapsed(took),
            Time::Due(due) => format!("in {}", elapsed(due - now)),
        };
        let indent = "  ".repeat(self.depth + 1);
        let pad = " ".repeat(width.saturating_sub(self.width()));
        let left = format!("{}{pad} {time:>10}", self.name);
        let taken = indent.chars().count() + 2 + left.chars().count() + 2;
        let text = clip(&self.text(), columns.saturating_sub(taken));
        let tone = self.standing.tone();
        let line = format!("{indent}{} {left}  {}", paint(mark, tone), paint(&text, tone));
        line.trim_end().to_owned()
    }

    fn text(&self) -> String {
        if self.standing != Standing::Waits || !self.text.is_empty() {
            return self.text.clone();
        }
        if self.needs.is_empty() {
            return if self.finally { "after the others" } else { "ready" }.to_owned();
        }
        format!("needs {}", self.needs.join(", "))
    }
}

/// `text` in at most `columns` characters, with a mark where it was cut.
pub(super) fn clip(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(columns.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::super::became;
    use super::*;
    use serde_json::{Value, json};

    fn row() -> Row {
        let needs = vec!["a".to_owned(), "b".to_owned()];
        Row::new(&OutlineStep { name: "step".to_owned(), needs, depth: 1, finally: false })
    }

    fn take(row: &mut Row, at: i64, fact: Value) {
        let mut body = fact;
        body["step"] = json!("step");
        body["run"] = json!(runner::RunId([7; 16]));
        body["at"] = json!(at);
        let event: Event = serde_json::from_value(body).unwrap();
        let (_, became) = became::of(&event.fact).unwrap();
        row.take(&event, &became);
    }

    fn started(attempt: u32) -> Value {
        json!({ "type": "step.started", "attempt": attempt, "fence": "1-1", "deadline": 9,
                "grant": { "tool": "exec.run", "call": "0".repeat(64), "key": "k" } })
    }

    fn failed(retrying: bool) -> Value {
        json!({ "type": "step.finished", "attempt": 1, "fence": "1-1", "retrying": retrying,
                "result": { "outcome": "failed", "exit": 3 } })
    }

    #[test]
    fn a_row_tells_what_a_step_waits_for_and_how_it_goes() {
        let mut row = row();
        let check = |row: &Row, now, expect: &str| assert_eq!(row.draw(now, 0, (10, 60)), expect);
        check(&row, 0, "    ○ step               needs a, b");
        row.other_ended("a");
        check(&row, 0, "    ○ step               needs b");
        row.other_ended("b");
        check(&row, 0, "    ○ step               ready");
        take(&mut row, 1_000_000, started(1));
        check(&row, 2_500_000, "    ◐ step        1.5 s");
        take(&mut row, 3_000_000, failed(true));
        take(
            &mut row,
            3_000_000,
            json!({ "type": "step.retry_scheduled", "attempt": 2, "due": 5_000_000 }),
        );
        check(&row, 3_500_000, "    ○ step     in 1.5 s  failed: exit code 3; will be tried…");
        take(&mut row, 5_000_000, started(2));
        check(&row, 5_020_000, "    ◐ step        20 ms  attempt 2");
        take(&mut row, 7_000_000, failed(false));
        check(&row, 9_000_000, "    ✗ step        2.0 s  failed: exit code 3");
        take(
            &mut row,
            7_000_000,
            json!({ "type": "step.retry_scheduled", "attempt": 3, "due": 8_000_000 }),
        );
        take(&mut row, 7_500_000, json!({ "type": "step.cancelled" }));
        check(&row, 9_000_000, "    – step               cancelled");
    }
}
