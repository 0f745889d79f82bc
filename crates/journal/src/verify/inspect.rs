//! Everything a database file says, checked: its records, the file around them, the views made of them.
//!
//! Whatever is wrong has a place: a record, else a page or an object of the schema, else a row of a view.
//! Reads only. Bytes nothing is read from, such as the free room of a page, are not looked at, nor are the counters in the
//! header of the first.

use std::io;

use rusqlite::ErrorCode;

use super::fault::{FaultReason, VerifyError};
use super::structure::{self, StructureFault};
use super::{Verification, Verified, header, verify_all, views};
use crate::error::{OpenError, ReadError};
use crate::operation::Change;
use crate::place::Placement;
use crate::reader::Reader;
use crate::record::Record;
use crate::store::{configure_reader, reading_flags};

/// Verifies every log of the database as [`verify_all`] does, then its structure and its views.
///
/// `views` and `projector` are those of [`rebuild`](crate::rebuild()). A fault in the records is reported
/// before one around them, because it says more.
///
/// # Errors
/// The first fault; [`VerifyError::Open`] and [`VerifyError::Read`] say nothing about the database.
pub fn inspect(
    template: &Verification,
    views: &'static [&'static str],
    mut projector: impl FnMut(&Record) -> Vec<Change>,
) -> Result<Vec<Verified>, VerifyError> {
    let verified = verify_all(template).map_err(|error| before_records(placed(template, error)))?;
    let reader = Reader::open_at(&template.path, &template.placement)?;
    if let Placement::Disk = template.placement
        && let Some(fault) = header::check(reader.path()).map_err(|error| unread(&reader, error))?
    {
        return Err(VerifyError::Structure(fault));
    }
    let structure = structure::check(&reader, views).map_err(VerifyError::from);
    structure.map_err(|error| placed(template, error))?.map_err(VerifyError::Structure)?;
    views::check(&reader, views, &mut projector).map_err(|error| placed(template, error))?;
    Ok(verified)
}

fn unread(reader: &Reader, source: io::Error) -> VerifyError {
    VerifyError::Open(OpenError::Io { path: reader.path().to_owned(), source })
}

/// What was found while the records were looked at says nothing for those that were not.
fn before_records(error: VerifyError) -> VerifyError {
    match error {
        VerifyError::Structure(fault) => {
            VerifyError::Structure(StructureFault { records_verified: false, ..fault })
        }
        other => other,
    }
}

/// Gives damage that SQLite met on its way a place; what is no damage stays what it is.
fn placed(template: &Verification, error: VerifyError) -> VerifyError {
    let detail = match &error {
        // Records are also missing when a page above them is bad, which then says more.
        VerifyError::Fault(fault) if seems_missing(&fault.reason) => {
            return walked(template).map_or(error, VerifyError::Structure);
        }
        VerifyError::Open(OpenError::NotAPalisadeDatabase { .. } | OpenError::Corrupt { .. })
        | VerifyError::Open(OpenError::Newer { .. }) => error.to_string(),
        VerifyError::Open(OpenError::Storage(storage))
        | VerifyError::Read(ReadError::Storage(storage))
            if speaks_of_the_file(storage.primary()) =>
        {
            error.to_string()
        }
        VerifyError::Open(OpenError::Missing { path }) if path.exists() => {
            "the file is empty".to_owned()
        }
        VerifyError::Read(ReadError::Header { .. } | ReadError::Payload { .. }) => {
            error.to_string()
        }
        _ => return error,
    };
    let found = structure::cut_off(&template.path).or_else(|| walked(template));
    VerifyError::Structure(found.unwrap_or_else(|| StructureFault::reported(&detail)))
}

const fn seems_missing(reason: &FaultReason) -> bool {
    matches!(
        reason,
        FaultReason::Missing
            | FaultReason::Truncated { .. }
            | FaultReason::Stray
            | FaultReason::Displaced(_)
    )
}

/// Whether a failure is about what the file says, not about reading it now.
const fn speaks_of_the_file(code: Option<ErrorCode>) -> bool {
    !matches!(
        code,
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
                | ErrorCode::PermissionDenied
                | ErrorCode::CannotOpen
                | ErrorCode::SystemIoFailure
        )
    )
}

/// What SQLite's walk over the pages says, where it gets that far.
fn walked(template: &Verification) -> Option<StructureFault> {
    let connection = template.placement.connect(&template.path, reading_flags()).ok()?;
    configure_reader(&connection, &template.placement).ok()?;
    structure::walk(&connection)
}
