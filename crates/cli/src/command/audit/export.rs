//! `palisade audit export`: every record for another program, as NDJSON or as events of OCSF.
//! One page of records is in memory at a time.

use std::io::Write as _;

use runner::audit::{self, Record, Search};

use super::unreadable;
use crate::arguments::{Export, Format, Global};
use crate::command::created::{create, unwritten};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, stamp};
use crate::session;

pub(super) fn run(global: &Global, wanted: &Export) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let search = Search {
        after: wanted.from.saturating_sub(1),
        since_us: wanted.period.since.map(|moment| moment.0),
        until_us: wanted.period.until.map(|moment| moment.0),
        ..Search::default()
    };
    let mut file = wanted.output.as_deref().map(|path| create(path).map(|file| (path, file)));
    let mut file = file.take().transpose()?;
    let (mut lines, mut failed) = (Vec::new(), None);
    let searched = search.pages(history.reader(), history.log(), |page| {
        lines.clear();
        page.iter().for_each(|record| write(wanted.format, record, &mut lines));
        match &mut file {
            None => output::data(&lines),
            Some((path, file)) => {
                failed = file.write_all(&lines).err().map(|error| unwritten(path, &error));
            }
        }
        failed.is_none() && !output::closed()
    });
    searched.map_err(|error| unreadable(&error))?;
    if let Some((path, file)) = &file {
        file.sync_all().map_err(|error| unwritten(path, &error))?;
    }
    failed.map_or(Ok(Exit::Ok), Err)
}

fn write(format: Format, record: &Record, lines: &mut Vec<u8>) {
    match format {
        Format::Ndjson => audit::line(record, &stamp(record.header.time.micros), lines),
        Format::Ocsf => {
            // A tree of strings and numbers: nothing that could fail to serialise.
            lines.extend(serde_json::to_vec(&audit::event(record)).unwrap_or_default());
            lines.push(b'\n');
        }
    }
}
