//! Times both engines on the same rules and calls, in turn, and prints how they compare.
//!
//! `cargo run --release -p oracle`, with `--json` for a program. Every call is first held against both, so
//! that nothing is timed that they do not agree on. Figures are printed, never judged.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use oracle::{Asked, Cedar, OracleError, Ours, Prepared, Unknown, asked, rules, tools};
use serde_json::json;

const TOOLS: usize = 50;
const CALLS: usize = 200;
/// Rounds over all calls, the engines in turn.
const ROUNDS: usize = 10;
/// Decisions of ours timed together, because one is too short for the clock.
const BATCH: usize = 50;

/// The times of one engine, in microseconds for a decision.
struct Times(Vec<f64>);

impl Times {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a rank among few values"
    )]
    fn percentile(&mut self, share: f64) -> f64 {
        self.0.sort_by(f64::total_cmp);
        let rank = (share * self.0.len() as f64).ceil().max(1.0) as usize - 1;
        self.0.get(rank).copied().unwrap_or(0.0)
    }
}

/// What one size of policy gives.
struct Row {
    rules: usize,
    ours: Times,
    cedar: Times,
    cedar_from_json: Times,
}

fn main() -> ExitCode {
    let as_json = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--json" => true,
        _ => {
            eprintln!("usage: cargo run --release -p oracle [-- --json]");
            return ExitCode::from(2);
        }
    };
    match [100, 1_000].into_iter().map(measure).collect::<Result<Vec<_>, _>>() {
        Ok(rows) => {
            print(rows, as_json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(count: usize) -> Result<Row, OracleError> {
    let rules = rules(count, TOOLS);
    let ours = Ours::load(&rules, tools(TOOLS))?;
    let cedar = Cedar::load(&rules, Unknown::Kept)?;
    let calls: Vec<Asked> = (0..CALLS).map(|number| asked(number, count, TOOLS)).collect();
    let prepared = calls.iter().map(Prepared::new).collect::<Result<Vec<_>, _>>()?;
    for (asked, prepared) in calls.iter().zip(&prepared) {
        let (mine, theirs) = (ours.decide(asked), cedar.decide(prepared)?);
        if mine != theirs {
            return Err(OracleError::Cedar(format!("{mine:?} is not {theirs:?} for {asked:?}")));
        }
    }
    let mut row = Row {
        rules: count,
        ours: Times(vec![]),
        cedar: Times(vec![]),
        cedar_from_json: Times(vec![]),
    };
    for _ in 0..ROUNDS {
        for batch in calls.chunks(BATCH) {
            time(&mut row.ours, BATCH, || {
                batch.iter().for_each(|asked| drop(black_box(ours.decide(asked))));
                Ok(())
            })?;
        }
        for (asked, prepared) in calls.iter().zip(&prepared) {
            time(&mut row.cedar, 1, || cedar.decide(prepared).map(|found| drop(black_box(found))))?;
            time(&mut row.cedar_from_json, 1, || {
                cedar.decide(&Prepared::new(asked)?).map(|found| drop(black_box(found)))
            })?;
        }
    }
    Ok(row)
}

#[expect(clippy::cast_precision_loss, reason = "a small number of decisions")]
fn time(
    times: &mut Times,
    decisions: usize,
    mut act: impl FnMut() -> Result<(), OracleError>,
) -> Result<(), OracleError> {
    let start = Instant::now();
    act()?;
    times.0.push(start.elapsed().as_secs_f64() * 1e6 / decisions as f64);
    Ok(())
}

fn print(rows: Vec<Row>, as_json: bool) {
    if !as_json {
        println!(
            "{TOOLS} tools, {CALLS} calls, {ROUNDS} rounds, microseconds for a decision; ours reads the arguments\n\
             from JSON, Cedar is timed with its request made beforehand and, beside it, made from JSON\n\n\
             rules   ours p50   ours p99   Cedar p50   Cedar p99   from JSON p50   Cedar / ours"
        );
    }
    let mut lines = Vec::new();
    for Row { rules, mut ours, mut cedar, mut cedar_from_json } in rows {
        let (mine, theirs) = (ours.percentile(0.5), cedar.percentile(0.5));
        let whole = cedar_from_json.percentile(0.5);
        let (mine_p99, theirs_p99) = (ours.percentile(0.99), cedar.percentile(0.99));
        let ratio = theirs / mine;
        if as_json {
            lines.push(json!({
                "rules": rules, "tools": TOOLS, "ours_p50_us": mine, "ours_p99_us": mine_p99,
                "cedar_p50_us": theirs, "cedar_p99_us": theirs_p99,
                "cedar_from_json_p50_us": whole, "cedar_to_ours_p50": ratio,
            }));
        } else {
            println!(
                "{rules:>5} {mine:>10.3} {mine_p99:>10.3} {theirs:>11.1} {theirs_p99:>11.1} {whole:>15.1} {ratio:>13.0}x"
            );
        }
    }
    if as_json {
        println!("{}", json!(lines));
    }
}
