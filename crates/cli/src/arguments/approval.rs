//! What can be typed after `palisade approval`.
//! Nothing is interpreted here; `command::approval` does that.

use clap::{Args, Subcommand};

/// `palisade approval`.
#[derive(Debug, Subcommand)]
pub(crate) enum Approval {
    /// Requests that wait for answers
    List {
        /// Also those that have every approval, were denied, expired or became stale
        #[arg(long)]
        all: bool,
    },
    /// Exactly what would run, why it needs a review, and who may answer
    Show {
        /// Approval id, or a unique beginning of an open one
        approval: String,
    },
    /// Let the call run, as far as you are concerned
    Approve(Ruled),
    /// Refuse the call; its step is denied
    Deny(Ruled),
}

/// `palisade approval approve` and `palisade approval deny`.
#[derive(Debug, Args)]
pub(crate) struct Ruled {
    /// Approval id, or a unique beginning of an open one
    pub(crate) approval: String,
    /// Why; kept in the journal
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}
