//! What a change of the policy changes, line by line, as whoever approves it reads it.
//! What moved most dangerously comes first of each kind; where there is more than anybody reads, it says how much.

use engine::policy::Verdict;

use super::Amendment;
use crate::policy::{Changed, Shift};

/// Most lines of one kind.
const LINES_EACH: usize = 40;
/// Longest line, in characters.
const LINE_CHARS: usize = 160;

/// Every line, in the order of the kinds.
pub(super) fn of(amendment: &Amendment) -> Vec<String> {
    let recorded =
        |wanted: Shift| amendment.recorded.changed.iter().filter(move |line| line.shift == wanted);
    let mut all = Vec::new();
    some(recorded(Shift::Breaking).map(|line| text("BREAKING", line)), &mut all);
    some(recorded(Shift::Widening).map(|line| text("WIDENING", line)), &mut all);
    some(amendment.made_up.iter().map(|line| text("WIDENING (made up)", line)), &mut all);
    if amendment.widens() && amendment.widening() == 0 {
        all.push("WIDENING cannot be ruled out: a rule that allows is new or changed, or one that denies is gone or changed".to_owned());
    }
    some(recorded(Shift::Narrowing).map(|line| text("narrowing", line)), &mut all);
    all
}

fn some(mut lines: impl Iterator<Item = String>, all: &mut Vec<String>) {
    all.extend(lines.by_ref().take(LINES_EACH));
    let more = lines.count();
    if more > 0 {
        all.push(format!("and {more} more like these"));
    }
}

fn text(word: &str, line: &Changed) -> String {
    let Changed { call, times, before, after, .. } = line;
    let verdict = |verdict: Verdict| match verdict {
        Verdict::Allow => "allow",
        Verdict::RequireReview => "require_review",
        Verdict::Deny => "deny",
    };
    let (from, to) = (verdict(before.verdict), verdict(after.verdict));
    let times = if *times > 1 { format!(" {times}×") } else { String::new() };
    let text =
        format!("{word}{times} {from} → {to}: {} by {} {}", call.tool, call.principal, call.args);
    match text.char_indices().nth(LINE_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
