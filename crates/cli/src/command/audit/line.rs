//! One record as a line: for people, and for machines.
//! Which records are shown is the commands' choice.

use runner::audit::{self, Record};
use serde_json::Value;

use crate::output::{self, instant, stamp};

pub(super) fn print(record: &Record, as_json_line: bool) {
    if as_json_line {
        let mut line = Vec::new();
        audit::line(record, &stamp(record.header.time.micros), &mut line);
        return output::data(&line);
    }
    let header = &record.header;
    let what = serde_json::from_slice::<Value>(&record.payload).ok();
    let step =
        what.as_ref().and_then(|body| body.get("step")).and_then(Value::as_str).unwrap_or_default();
    let line = format!(
        "{:>8}  {}  {:<22} {:<16} {}",
        header.sequence,
        instant(header.time.micros),
        output::printable(&header.kind),
        output::printable(&header.principal),
        output::printable(step),
    );
    output::line(line.trim_end());
}
