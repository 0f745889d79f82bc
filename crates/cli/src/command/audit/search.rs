//! `palisade audit search`: the records that match, the newest first.
//! What counts as a match is `runner`'s; what one looks like is in `line`.

use runner::audit::{Order, Search};

use super::{line, unreadable};
use crate::arguments::{self, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session;

pub(super) fn run(global: &Global, wanted: &arguments::Search) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let run = wanted.run.as_deref();
    let search = Search {
        kind: wanted.kind.clone().unwrap_or_default(),
        principal: wanted.principal.clone(),
        run: run.map(|run| session::run(&history, Some(run))).transpose()?,
        since_us: wanted.period.since.map(|moment| moment.0),
        until_us: wanted.period.until.map(|moment| moment.0),
        text: wanted.text.clone(),
        after: 0,
        order: Order::NewestFirst,
    };
    let mut left = wanted.limit;
    let searched = search.pages(history.reader(), history.log(), |page| {
        for record in page.iter().take(left) {
            line::print(record, global.json);
        }
        left = left.saturating_sub(page.len());
        left > 0 && !output::closed()
    });
    searched.map_err(|error| unreadable(&error))?;
    Ok(Exit::Ok)
}
