//! The control socket: how another process of the same user asks the owner of a project to act.
//!
//! A Unix socket, mode 0600 in the 0700 state folder. The peer's user is checked by `SO_PEERCRED` before a byte is
//! read; a request and its answer are one frame each. It carries requests to the owner's dispatcher and decides
//! nothing itself. Frames are in `frame`.

mod client;
mod frame;
mod listener;

pub use client::{ControlError, ask};
pub use listener::{ListenError, Listener};

use serde::{Deserialize, Serialize};

/// What another process may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Cancel a run; answered once the request is durable.
    Cancel {
        /// The run's full id.
        run: String,
        /// Why, as the person gave it.
        reason: String,
    },
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The request is durable.
    Done,
    /// The request was refused and nothing changed.
    Refused {
        /// Why.
        reason: String,
    },
}
