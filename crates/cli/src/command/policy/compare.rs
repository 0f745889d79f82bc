//! `palisade policy diff` and `replay`: what another policy would decide differently.
//! Neither changes anything; both end well whatever they find.

use std::path::Path;

use runner::Micros;

use runner::history::Calls;
use runner::policy::{self, Changed, Comparison, Shift, Verdict};

use super::{load, wanted};
use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::moment::Moment;
use crate::output::{self, Table, Tone};
use crate::session;

/// Longest text of the arguments in a line, in characters.
const ARGUMENTS_SHOWN: usize = 80;

/// Two files against each other.
pub(super) fn diff(global: &Global, before: &Path, after: &Path) -> Result<Exit, Failure> {
    let (before, after) = (load(before)?, load(after)?);
    show(global, &policy::diff(&before.policy, &after.policy), "calls made from both files");
    Ok(Exit::Ok)
}

/// A file against the policy in force, over calls on record.
pub(super) fn replay(
    global: &Global,
    file: &Path,
    since: Option<Moment>,
    limit: usize,
) -> Result<Exit, Failure> {
    let since = since.map(|moment| Micros(moment.0));
    let (in_force, candidate) = (load(&wanted(global, None)?)?, load(file)?);
    let (history, _) = session::history(global)?;
    let calls = history.calls(Calls { since, limit });
    let calls = calls.map_err(|error| session::history_failure(&error))?;
    show(global, &policy::replay(&in_force.policy, &candidate.policy, calls), "recorded calls");
    Ok(Exit::Ok)
}

fn show(global: &Global, found: &Comparison, over: &str) {
    if global.json {
        output::json(found);
        return;
    }
    if !found.changed.is_empty() {
        let mut table = table();
        for line in &found.changed {
            table.row(row(line));
        }
        output::line(table.render());
    }
    let count = |shift| found.count(shift);
    output::line(format!(
        "{} {over}: {} decided differently ({} breaking, {} widening, {} narrowing)",
        found.compared,
        found.changed.len(),
        count(Shift::Breaking),
        count(Shift::Widening),
        count(Shift::Narrowing),
    ));
}

/// A table of such rows, the mark of each in its colour.
pub(super) fn table() -> Table {
    let shifts = [Shift::Breaking, Shift::Widening, Shift::Narrowing];
    let columns = ["change", "times", "call", "before", "after", "decided by"];
    Table::new(&columns).tinted(shifts.map(mark))
}

fn mark(shift: Shift) -> (&'static str, Tone) {
    match shift {
        Shift::Breaking => ("BREAKING", Tone::Bad),
        Shift::Widening => ("WIDENING", Tone::Busy),
        Shift::Narrowing => ("narrowing", Tone::Quiet),
    }
}

pub(super) fn row(line: &Changed) -> [String; 6] {
    let (word, _) = mark(line.shift);
    let call = &line.call;
    let mut arguments = call.args.to_string();
    if let Some((cut, _)) = arguments.char_indices().nth(ARGUMENTS_SHOWN) {
        arguments.truncate(cut);
        arguments.push('…');
    }
    let who = if call.roles.is_empty() {
        call.principal.clone()
    } else {
        format!("{} ({})", call.principal, call.roles.join(", "))
    };
    let call = output::printable(&format!("{} {arguments} by {who}", call.tool));
    [
        word.to_owned(),
        line.times.to_string(),
        call,
        verdict(line.before.verdict).to_owned(),
        verdict(line.after.verdict).to_owned(),
        output::printable(&line.after.to_string()),
    ]
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::RequireReview => "require_review",
        Verdict::Deny => "deny",
    }
}
