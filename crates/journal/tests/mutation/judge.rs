//! Whether what the journal says of a mutated database is true, by the independent reading.
//!
//! Found means: a fault, at a place that differs. Not found is right only where nothing differs.

use std::num::NonZeroUsize;
use std::path::Path;

use journal::{
    FaultReason, FilePlace, Header, Record, Verification, VerifyError, inspect, leaf_of,
    payload_digest_of,
};
use rusqlite::{Connection, OpenFlags};

use crate::damage::{self, Damage};
use crate::dump;
use crate::support::{VIEWS, changes_of};
use crate::victim::{self, Victim};

/// Who looks: the journal, or a control that looks at less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verifier {
    Whole,
    HeadersOnly,
    PagesOnly,
}

pub(crate) enum Judgement {
    Found,
    Harmless,
    Missed(String),
    Misplaced(String),
}

/// What the journal finds in a database; `None` when it verifies.
pub(crate) fn finding(database: &Path, victim: &Victim) -> Option<VerifyError> {
    let signed = victim.signed(database);
    let verification = Verification {
        checkpoints: victim.checkpoints.clone(),
        signed: signed.as_deref().map(<[_]>::to_vec).unwrap_or_default(),
        threads: NonZeroUsize::MIN,
        ..Verification::new(database)
    };
    let is_manifest = |record: &Record| record.header.kind == victim::MANIFEST;
    let fold = |record: &Record| {
        if is_manifest(record) { Vec::new() } else { changes_of(&record.payload) }
    };
    inspect(&verification, VIEWS, fold).err().or_else(|| signed.err().map(VerifyError::Signed))
}

pub(crate) fn judge(
    database: &Path,
    victim: &Victim,
    damage: &Damage,
    verifier: Verifier,
) -> Judgement {
    let found = match verifier {
        Verifier::Whole => finding(database, victim),
        Verifier::HeadersOnly | Verifier::PagesOnly => {
            return control(database, victim, verifier);
        }
    };
    match found {
        Some(error) => match place_is_true(database, victim, damage, &error) {
            Ok(()) => Judgement::Found,
            Err(why) => Judgement::Misplaced(format!("{error}: {why}")),
        },
        None => match untouched(database, victim) {
            Ok(()) if [damage::SEGMENT, damage::SIGNED].contains(&damage.kind) => {
                Judgement::Missed("every byte of it counts".to_owned())
            }
            Ok(()) => Judgement::Harmless,
            Err(why) => Judgement::Missed(why),
        },
    }
}

/// That an independent reading gives exactly what it gave before.
fn untouched(database: &Path, victim: &Victim) -> Result<(), String> {
    let after = dump::dump(database)?;
    let differing = dump::differing(&victim.dump, &after);
    if differing.is_empty() { Ok(()) } else { Err(format!("differs in {differing:?}")) }
}

fn place_is_true(
    database: &Path,
    victim: &Victim,
    damage: &Damage,
    error: &VerifyError,
) -> Result<(), String> {
    let differing = || {
        let after = dump::dump(database).ok()?;
        Some(dump::differing(&victim.dump, &after))
    };
    match error {
        VerifyError::Fault(fault) if damage.kind == damage::SEGMENT => {
            let is_archive = matches!(fault.reason, FaultReason::Archive(_));
            is_archive.then_some(()).ok_or_else(|| "no word of the segment".to_owned())
        }
        VerifyError::Signed(error) => {
            let is_signed = damage.kind == damage::SIGNED;
            is_signed.then_some(()).ok_or_else(|| format!("nothing signed was mutated: {error}"))
        }
        VerifyError::Fault(fault) => first_bad(database, victim, fault),
        VerifyError::View(fault) => {
            let table = format!("view_{}", fault.view);
            let said = differing().ok_or("the dump cannot be read")?;
            let keys = said.get(&table).ok_or("that view is as it was")?;
            let key = format!("Blob({:?})", fault.key);
            keys.contains(&key).then_some(()).ok_or_else(|| format!("not {key} but {keys:?}"))
        }
        VerifyError::Structure(fault) => match &fault.place {
            FilePlace::Page(page) => {
                let near = |page: &u32| victim.pages.get(page).map_or(&[][..], |(_, up)| up);
                let mine = damage.pages.iter().any(|own| own == page || near(own).contains(page));
                // A mutation by SQL has no page of its own, but page 1 holds what it says of the file.
                let is_marked = damage.pages.is_empty() && *page == 1;
                // Where page 1 and the file's length contradict each other, both are named.
                let is_marked = is_marked
                    || (fault.detail.contains("page 1 says") && damage.pages.contains(&1))
                    // Page 1 says where the list of free pages begins.
                    || (fault.detail.contains("Freelist") && damage.pages.contains(&1));
                let children = near(page).iter().any(|up| damage.pages.contains(up));
                (mine || is_marked || children)
                    .then_some(())
                    .ok_or_else(|| format!("{:?} were mutated", damage.pages))
            }
            FilePlace::Object(name) => {
                // An index and its table contradict each other: which of them was changed is not known.
                let table = match name.strip_prefix("sqlite_autoindex_") {
                    Some(table) => table.trim_end_matches("_1"),
                    None if name == "event_stream" => "event",
                    None => name,
                };
                let is_of = |page: &u32| {
                    victim.pages.get(page).is_some_and(|(owner, _)| {
                        owner == name
                            || owner == table
                            || (table == "event" && owner == "event_stream")
                    })
                };
                let mine = damage.pages.contains(&1) || damage.pages.iter().any(is_of);
                let said = differing().unwrap_or_default();
                let schema = said.get("sqlite_schema").into_iter().flatten();
                let by_row = said.contains_key(name)
                    || said.contains_key(table)
                    || (table == "event" && said.contains_key("event_stream"))
                    || schema.into_iter().any(|row| row.contains(&format!("\"{name}\"")));
                (mine || by_row).then_some(()).ok_or_else(|| format!("{said:?} differ"))
            }
        },
        other => Err(format!("is no place: {other:?}")),
    }
}

/// Everything before the named record is as it was, and it or the one after it is not.
fn first_bad(database: &Path, victim: &Victim, fault: &journal::Fault) -> Result<(), String> {
    let log = victim.number(&fault.log);
    let id = (log << 40) + i64::try_from(fault.sequence).unwrap();
    let first = dump::first_bad(database, &victim.dump, log);
    let after = dump::dump(database).unwrap_or_default();
    // A log that is listed under another name is bad from its first record on.
    let renamed = after.get("log") != victim.dump.get("log") && fault.sequence == 1;
    // A segment that is listed for other records than it has: the first of its range is named.
    let relisted = after.get("segment") != victim.dump.get("segment")
        && matches!(fault.reason, FaultReason::Archive(_) | FaultReason::Payload);
    let is_true = first.iter().any(|bad| *bad == id || *bad == id + 1) || renamed || relisted;
    is_true.then_some(()).ok_or_else(|| format!("the first that differs is one of {first:?}"))
}

/// A verifier that leaves something out: what it does not see although it changed is missed.
fn control(database: &Path, victim: &Victim, verifier: Verifier) -> Judgement {
    let sound = match verifier {
        Verifier::PagesOnly => pages_are_sound(database),
        _ => headers_are_sound(database),
    };
    match (sound, untouched(database, victim)) {
        (false, _) => Judgement::Found,
        (true, Ok(())) => Judgement::Harmless,
        (true, Err(why)) => Judgement::Missed(why),
    }
}

fn pages_are_sound(database: &Path) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let says = |connection: Connection| {
        connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))
    };
    Connection::open_with_flags(database, flags).and_then(says).is_ok_and(|said| said == "ok")
}

/// The chain of headers, without the payloads' digests.
fn headers_are_sound(database: &Path) -> bool {
    let walk = || -> rusqlite::Result<bool> {
        let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut statement =
            connection.prepare("SELECT id, header, payload FROM event ORDER BY id")?;
        let mut rows = statement.query([])?;
        let mut before = None;
        while let Some(row) = rows.next()? {
            let (id, bytes, payload): (i64, Vec<u8>, Option<Vec<u8>>) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let Ok(header) = Header::decode(&bytes) else { return Ok(false) };
            let _not_compared = payload.map(|bytes| payload_digest_of(&bytes));
            let links = id & ((1 << 40) - 1) == 1 || before == Some(header.prev_leaf);
            if !links {
                return Ok(false);
            }
            before = Some(leaf_of(&bytes));
        }
        Ok(true)
    };
    walk().unwrap_or(false)
}
