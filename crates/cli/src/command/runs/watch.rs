//! `palisade runs watch`: a run's events as they become durable, whichever process makes them.

use std::time::Duration;

use runner::{Event, record};

use crate::arguments::Global;
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
    let mut progress = Progress::of(&follow::outline(&told)?, global.json);
    let log = history.log().clone();
    let mut records = history.into_reader().subscribe(log, 0);
    loop {
        let page = records.wait(PAGE, PATIENCE).map_err(|error| Failure::of(Exit::Failure, &error))?;
        let idle = page.is_empty();
        let events = page.iter().filter(|record| record.header.stream == id.0).filter_map(record::event_of);
        let mut ended = false;
        for event in events {
            progress.show(&event);
            ended = runner::owner::ends_run(&event) || (ended && !restarts(&event));
        }
        if ended {
            progress.finish();
            return follow::tell(&layout, id, Followed::Ended, global.json);
        }
        progress.tick();
        if idle && nobody_works(&layout) {
            progress.finish();
            output::talk(format!("interrupted: no process works on it; `palisade runs resume {id}` goes on"));
            return Ok(Exit::RunFailed);
        }
    }
}

fn restarts(event: &Event) -> bool {
    matches!(event.fact, runner::Fact::RunRetried { .. })
}

fn nobody_works(layout: &runner::Layout) -> bool {
    std::os::unix::net::UnixStream::connect(layout.control()).is_err()
}
