//! `palisade runs watch`: a run's events as they become durable, whichever process makes them.
//! It takes no part in the run and can be stopped at any time.

use std::time::Duration;

use runner::history::{History, HistoryError};
use runner::{Event, Fact, RunId, owner, record};

use crate::arguments::Global;
use crate::command::ending;
use crate::command::follow::{self, Followed};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::session;

/// Longest wait for the next record before the display is redrawn.
const PATIENCE: Duration = Duration::from_millis(200);
/// Records read at a time.
const PAGE: usize = 1_000;

pub(super) fn run(global: &Global, run: Option<&str>) -> Result<Exit, Failure> {
    let (history, layout) = session::history(global)?;
    let id = session::run(&history, run)?;
    let told = history.run(id).map_err(|error| session::history_failure(&error))?;
    session::warn_of(&told);
    let mut progress = Progress::of(&follow::outline(&told)?, global.json);
    let begin = before(&history, id)?;
    let log = history.log().clone();
    let mut records = history.into_reader().subscribe(log, begin);
    let mut ended = false;
    loop {
        let page =
            records.wait(PAGE, PATIENCE).map_err(|error| Failure::of(Exit::Failure, &error))?;
        let events = page.iter().filter(|record| record.header.stream == id.0);
        for event in events.filter_map(record::event_of) {
            progress.show(&event);
            ended = owner::ends_run(&event) || (ended && !restarts(&event));
        }
        // A run that ended may have been retried since: what is recorded is read to its end first.
        let rest = page.len() == PAGE;
        let left = !ended && page.is_empty() && !session::owned(&layout);
        if (ended && !rest) || left || output::closed() {
            progress.finish();
            return ending::tell(global, &layout, id, Followed::Ended);
        }
        progress.tick();
    }
}

/// The sequence before the run's first record: nothing older is about it.
fn before(history: &History, run: RunId) -> Result<u64, Failure> {
    let first = history.reader().by_stream(history.log(), &run.0, 0, 1);
    let first = first.map_err(|error| session::history_failure(&HistoryError::from(error)))?;
    Ok(first.first().map_or(0, |record| record.header.sequence.saturating_sub(1)))
}

fn restarts(event: &Event) -> bool {
    matches!(event.fact, Fact::RunRetried { .. })
}
