//! What a run did beside its steps' states: how each was held, what it reached, what it changed, what was merged.
//! Part of `runs show`; everything here is read from records.

use runner::change::{ChangeKind, Told};
use runner::history::{MergeTold, Reached, RunHistory};
use runner::{ArtifactStore, Layout};
use serde_json::Value;

use crate::command::ending::bytes;
use crate::output::{self, Table, Tone, printable};

/// Changed files shown for one step.
const SHOWN: usize = 20;

/// Tells everything there is.
pub(super) fn tell(told: &RunHistory, layout: &Layout) {
    held(told);
    reached(&told.recorded.reached);
    let store = ArtifactStore::beside(&layout.journal());
    for changes in &told.recorded.changes {
        changed(changes, &store);
    }
    merged(&told.recorded.merges);
}

/// How each step was held, a line each; the whole receipt is `--receipt`'s.
fn held(told: &RunHistory) {
    if told.recorded.receipts.is_empty() {
        return;
    }
    output::line("\nheld by");
    let mut alike: Vec<(Vec<String>, String, String)> = Vec::new();
    for ((step, attempt), receipt) in &told.recorded.receipts {
        let count = |name: &str| receipt.get(name).and_then(Value::as_array).map_or(0, Vec::len);
        let mut parts = vec![
            held_by(receipt),
            format!("{} layers", count("layers")),
            format!("network {}", network(receipt)),
        ];
        if count("gaps") > 0 {
            parts.push(format!("without {}", gaps(receipt)));
        }
        let name = if *attempt > 1 { format!("{step} ({attempt})") } else { step.clone() };
        let (how, limits) = (parts.join(", "), limits(receipt));
        match alike.iter_mut().find(|(_, one, two)| *one == how && *two == limits) {
            Some((names, ..)) => names.push(name),
            None => alike.push((vec![name], how, limits)),
        }
    }
    for (names, how, limits) in &alike {
        output::line(format!("  {}: {}", printable(&names.join(", ")), printable(how)));
        output::line(format!("    limits: {}", printable(limits)));
    }
}

/// Driver and profile, or that there was nothing of the kind.
fn held_by(receipt: &Value) -> String {
    let text = |name: &str| receipt.get(name).and_then(Value::as_str).unwrap_or("?");
    if receipt.get("unsafe").and_then(Value::as_bool) == Some(true) {
        return "nothing (UNSAFE)".to_owned();
    }
    format!("{}, {}", text("driver"), text("profile"))
}

fn network(receipt: &Value) -> String {
    match receipt.get("network") {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Object(map)) => {
            map.get("kind").and_then(Value::as_str).unwrap_or("of its own").to_owned()
        }
        _ => "none".to_owned(),
    }
}

fn gaps(receipt: &Value) -> String {
    let gaps = receipt.get("gaps").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> = gaps.filter_map(|gap| gap.get("name").and_then(Value::as_str)).collect();
    names.join(" and ")
}

/// Every limit with who keeps it.
fn limits(receipt: &Value) -> String {
    let limits = receipt.get("limits").and_then(Value::as_array).into_iter().flatten();
    let words: Vec<String> = limits
        .filter_map(|limit| {
            let name = limit.get("name")?.as_str()?;
            let by = limit.get("by").or_else(|| limit.get("mechanism")).and_then(Value::as_str);
            let value = limit.get("value").map(|value| match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => shown(name, number.as_u64().unwrap_or_default()),
                other => other.to_string(),
            });
            Some(format!("{name} {} ({})", value.unwrap_or_default(), by.unwrap_or("?")))
        })
        .collect();
    words.join(", ")
}

/// A limit's number in the unit of its name.
fn shown(name: &str, number: u64) -> String {
    const MICROS: u64 = 1_000;
    match name {
        "memory" | "process_memory" | "workspace" | "file" | "output" | "artifacts" => {
            bytes(number)
        }
        "wall" => output::elapsed(i64::try_from(number * MICROS).unwrap_or(i64::MAX)),
        "cpu" => format!("{number}/1000"),
        _ => number.to_string(),
    }
}

/// What was asked of the egress proxies, request by request.
fn reached(all: &[Reached]) {
    if all.is_empty() {
        return;
    }
    output::line("\negress");
    let columns = ["decision", "step", "host", "by", "address", "sent", "received"];
    let tints = [("allowed", Tone::Good), ("denied", Tone::Bad)];
    let mut table = Table::new(&columns).tinted(tints);
    for one in all {
        let allowed = one.verdict == "allow";
        let by = match &one.rule {
            Some(rule) if allowed => rule.clone(),
            _ => one.detail.clone(),
        };
        let host =
            if one.host.is_empty() { "?".to_owned() } else { format!("{}:{}", one.host, one.port) };
        table.row([
            if allowed { "allowed" } else { "denied" }.to_owned(),
            one.step.clone(),
            printable(&host),
            printable(&by),
            one.address.clone().unwrap_or_default(),
            one.sent.map(bytes).unwrap_or_default(),
            one.received.map(bytes).unwrap_or_default(),
        ]);
    }
    output::line(table.render());
}

/// The files a step changed.
fn changed(told: &Told, store: &ArtifactStore) {
    let (step, total) = (&told.step, told.counts.total());
    if let Some(why) = &told.refused {
        output::line(format!("\nchanges of {step} are not kept: {}", printable(why)));
        return;
    }
    output::line(format!("\nchanges of {step} ({total}, kept: {})", told.kept.name()));
    match told.list(store) {
        Ok(list) => {
            for entry in list.entries().iter().take(SHOWN) {
                let flag = told.flags.iter().find(|flag| flag.path == entry.path.as_str());
                let flag = flag.map(|flag| format!("  flagged: {}", flag.why)).unwrap_or_default();
                let letter = letter(entry.kind());
                output::line(format!(
                    "  {letter} {}{}",
                    printable(entry.path.as_str()),
                    printable(&flag)
                ));
            }
            if list.entries().len() > SHOWN {
                let more = list.entries().len() - SHOWN;
                output::line(format!("  and {more} more; `palisade workspace diff` lists all"));
            }
        }
        Err(error) => output::line(format!("  {}", printable(&error.to_string()))),
    }
}

/// The letter of a kind of change, as version control writes it.
pub(crate) fn letter(kind: ChangeKind) -> char {
    match kind {
        ChangeKind::Added => 'A',
        ChangeKind::Modified => 'M',
        ChangeKind::Deleted => 'D',
        ChangeKind::Mode => 'X',
        ChangeKind::Replaced => 'T',
        ChangeKind::Renamed => 'R',
    }
}

fn merged(all: &[MergeTold]) {
    if all.is_empty() {
        return;
    }
    output::line("\nmerges");
    for one in all {
        let why = one.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let line = format!("  {}: {} by {}{why}", one.step, one.outcome, one.principal);
        output::line(printable(&line));
    }
}
