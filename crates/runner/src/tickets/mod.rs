//! Tickets that people hand in: the keys they are signed with, what is known of their use, and issuing them.
//!
//! [`keys`] reads and makes the project's keys, `ledger` turns use, issue and revocation into records and rows,
//! `book` is what a running node knows and holds a ticket against a call or the start of a workflow with, `wanted` is
//! what somebody asks for, `issue` the call that makes or revokes one, and `question` answers what one is good for. What a ticket is and when it holds
//! is the crate `ticket`'s; whether one may be issued is the policy's.

mod book;
mod issue;
pub mod keys;
pub(crate) mod ledger;
mod question;
mod wanted;

use engine::run::Micros;

pub use ::ticket::action::{Denied, TICKETS_MAX};
pub use ::ticket::{
    Audience, Claims, Id, KeyError, Malformed, MintError, Narrowing, Refused, Ticket, Time,
    attenuate, attenuate_signed, unverified,
};
pub(crate) use book::Held;
pub use book::{Book, Shut, Unstarted, Withheld};
pub use issue::{Issued, Issuing, NotIssued, Revoke};
pub use keys::KeysError;
pub use ledger::Redemption;
pub use question::{Offline, PublicKeys, Question};
pub use wanted::{Life, Wanted};

/// A length of time as people write it, such as `30s`.
///
/// # Errors
/// What is wrong with it.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    engine::policy::units::duration(text).map_err(|error| error.to_string())
}

/// Randomness that tells apart tickets narrowed alike.
///
/// # Errors
/// When the kernel has none to give.
pub fn salt() -> Result<u64, String> {
    crate::clock::entropy().map_err(|error| error.to_string())
}

pub(crate) fn time(now: Micros) -> ::ticket::Time {
    ::ticket::Time(u64::try_from(now.0).unwrap_or(0))
}
