//! `palisade audit verify`: every hash of the journal, computed again over the stored bytes.
//! The first bad record is named; nothing is repaired.

use std::path::Path;

use runner::Layout;
use runner::audit::{self, Checkpoint, LogId, NodeKeyError, Range, Scope};
use serde_json::json;

use crate::arguments::Global;
use crate::command::created;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session;

pub(super) fn run(
    global: &Global,
    range: Range,
    against: Option<(&Path, Option<&str>)>,
    write: Option<&Path>,
) -> Result<Exit, Failure> {
    write.map_or(Ok(()), created::vacant)?;
    let layout = session::layout(global)?;
    let mut scope = match against {
        Some((file, key)) => kept(&layout, file, key)?,
        None => Scope::whole(),
    };
    scope.range = range;
    let found = match audit::verify(&layout, scope) {
        Ok(found) => found,
        Err(error) => return Err(verification_failure(&error)),
    };
    if let Some(path) = write {
        let kept = Checkpoint { log: found.log.clone(), sequence: found.last, leaf: found.leaf };
        created::write(path, kept.to_string().as_bytes())?;
    }
    if global.json {
        output::json(&json!({
            "verified": true,
            "records": found.records,
            "first": found.first,
            "last": found.last,
            "leaf": found.leaf.to_string(),
            "checkpoints": found.checkpoints,
            "unproved": found.unproved,
            "artifacts": found.artifacts,
        }));
    } else {
        output::line(format!(
            "{} and {} verified, sequence {} to {}",
            output::count(found.records, "record"),
            output::count(found.artifacts, "artifact"),
            found.first,
            found.last
        ));
        output::line(format!("leaf {}", found.leaf));
        let without = match found.unproved {
            0 => String::new(),
            unproved => format!(", {unproved} of them without the key that signed them"),
        };
        let compared = output::count(found.checkpoints, "checkpoint");
        output::line(format!("{compared} compared{without}"));
    }
    Ok(Exit::Ok)
}

/// Which records are looked at.
pub(super) fn range(tail: Option<u64>, since: Option<&Path>) -> Result<Range, Failure> {
    const FIX: &str = "name a file written by `palisade audit verify --write-checkpoint FILE`";
    let Some(file) = since else { return Ok(tail.map_or(Range::Whole, Range::Tail)) };
    let wrong = |why: String| {
        Failure::new(Exit::Usage, format!("`{}` does not say since when", file.display()))
            .because(why)
            .fix(FIX)
    };
    let kept = Checkpoint::parse_all(&super::read(file, FIX)?);
    let mut kept = kept.map_err(|error| wrong(error.to_string()))?.into_iter();
    let found = kept.find(|kept| kept.log == LogId::default());
    found.map(Range::Since).ok_or_else(|| wrong("it has no checkpoint of this log".to_owned()))
}

/// A journal that does not verify: the first bad record, or why nothing could be found out.
pub(in crate::command) fn verification_failure(error: &audit::VerifyError) -> Failure {
    match error {
        audit::VerifyError::Fault(fault) => {
            let what =
                format!("the journal does not verify: first bad sequence {}", fault.sequence);
            Failure::new(Exit::Verification, what)
                .because(fault.reason.to_string())
                .fix("keep the file as evidence and restore a backup; records before this one are intact")
                .detail("verified", false)
                .detail("first_bad_sequence", fault.sequence)
        }
        audit::VerifyError::Structure(fault) => {
            let what = format!("the journal does not verify: {}", fault.place);
            let records = if fault.records_verified {
                "the records were not at fault"
            } else {
                "not every record could be looked at"
            };
            Failure::new(Exit::Verification, what)
                .because(fault.detail.clone())
                .fix(format!("keep the file as evidence and restore a backup; {records}"))
                .detail("verified", false)
                .detail("records_verified", fault.records_verified)
                .detail("place", fault.place.to_string())
        }
        audit::VerifyError::View(fault) => {
            let what = "the records verify, but a view made of them does not".to_owned();
            Failure::new(Exit::Verification, what)
                .because(fault.to_string())
                .fix("`palisade journal rebuild` makes every view anew from the records")
                .detail("verified", false)
                .detail("view", fault.view.clone())
        }
        audit::VerifyError::Signed(error) => {
            super::witness_failure(error).detail("verified", false)
        }
        audit::VerifyError::Key(key) => unproved(key).detail("verified", false),
        audit::VerifyError::Open(open) => session::open_failure(open),
        other => Failure::of(Exit::Failure, other)
            .fix("repeat it; nothing is known about the records yet"),
    }
}

/// Records that verify, where what was signed cannot be held against the key that signed it.
fn unproved(error: &NodeKeyError) -> Failure {
    let failure = Failure::of(Exit::Verification, error);
    match error {
        NodeKeyError::Missing(_) => failure
            .because("records tell of signed checkpoints, and none is here with or without its key")
            .fix("put the key back, and `tiles` from a backup; without them what goes on is another log"),
        _ => failure
            .because("checkpoints cannot be held against the key that signed them; the records were not at fault")
            .fix(error.hint()),
    }
}

/// What a file with a checkpoint, signed or not, says there must be.
fn kept(layout: &Layout, file: &Path, key: Option<&str>) -> Result<Scope, Failure> {
    let fix =
        "name a file written by `palisade audit checkpoint -o FILE` or `audit anchor --file FILE`";
    let text = super::read(file, fix)?;
    if text.contains(super::SIGNATURE) {
        let (key, head) = super::signed(layout, &text, key)?;
        return Ok(if head.origin == key.name() {
            Scope { logs: vec![(key, head)], ..Scope::whole() }
        } else {
            Scope { signed: vec![head], ..Scope::whole() }
        });
    }
    if key.is_some() {
        return Err(Failure::new(
            Exit::Usage,
            format!("checkpoint `{}` is not signed", file.display()),
        )
        .because("a key says nothing about it")
        .fix("leave `--key` away, or name a signed checkpoint (`palisade audit checkpoint`)"));
    }
    let checkpoints = Checkpoint::parse_all(&text).map_err(|error| {
        let named = format!("in `{}`", file.display());
        Failure::of(Exit::Usage, &error).because(named).fix(fix)
    })?;
    Ok(Scope { checkpoints, ..Scope::whole() })
}
