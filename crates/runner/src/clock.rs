//! The one place that reads the clock and the kernel's randomness; everything else receives them as values.
//! Nothing is decided here; the simulator has no use for this file.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::run::{Micros, RunId};

/// Now, in microseconds since the Unix epoch, UTC. A clock before 1970 reads as zero.
#[must_use]
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Now, as file systems stamp it.
pub(crate) fn stamp() -> SystemTime {
    SystemTime::now()
}

/// 64 bits from the kernel.
///
/// # Errors
/// When the kernel has no randomness to give, which on Linux means a broken sandbox around us.
pub(crate) fn entropy() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}

/// A fresh id of a ticket.
///
/// # Errors
/// As [`entropy`].
pub(crate) fn ticket_id() -> Result<[u8; 16], getrandom::Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(id)
}

/// A salt, or the seed of a new key, from the kernel.
///
/// # Errors
/// When the kernel has no randomness to give.
pub(crate) fn seed() -> Result<[u8; 32], getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}

/// A new run id: UUIDv7 of `now` and kernel randomness (RFC 9562, section 5.7).
///
/// # Errors
/// As [`entropy`].
pub(crate) fn run_id(now: Micros) -> Result<RunId, getrandom::Error> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    let millis = u64::try_from(now.0 / 1000).unwrap_or(0);
    Ok(RunId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().into_bytes()))
}
