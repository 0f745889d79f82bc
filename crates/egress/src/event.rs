//! What the proxy tells its supervisor: each decision, and how each allowed connection ended.
//!
//! Events are values to be recorded; making them durable is the supervisor's. How they travel is
//! in `wire`.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One event of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A request was decided. An allowed one waits for
    /// [`Session::acknowledge`](crate::Session::acknowledge) before anything is dialled.
    Decision(Decision),
    /// An allowed connection has ended. Nothing more comes of its id.
    Closed(Closed),
}

/// What was asked for and what was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Counts from one in the life of a proxy.
    pub id: u64,
    /// How the host was asked for.
    pub access: Access,
    /// The host in its one spelling; empty when the request named none that can be read.
    pub host: String,
    /// The port; zero when the request named none that can be read.
    pub port: u16,
    /// What was decided.
    pub verdict: Verdict,
    /// The name of the grant's entry that allowed it; `None` where no entry did.
    pub rule: Option<String>,
    /// Why.
    pub reason: Reason,
    /// The reason in a sentence for people, at most a few hundred bytes, without control
    /// characters.
    pub detail: String,
    /// Every address the name stood for, each checked; empty where nothing was resolved.
    pub addresses: Vec<IpAddr>,
    /// The address that is dialled first, when allowed.
    pub address: Option<IpAddr>,
}

/// How an allowed connection ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// The decision it belongs to.
    pub id: u64,
    /// The address that was reached, if one was.
    pub address: Option<IpAddr>,
    /// Bytes sent to the host.
    pub sent: u64,
    /// Bytes received from it.
    pub received: u64,
    /// Why it ended.
    pub why: Ending,
}

/// The way a request asks for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// A tunnel for TLS (`CONNECT`).
    Tunnel,
    /// A plain request that reads (`GET`, `HEAD`, `OPTIONS`).
    Read,
    /// Any other plain request.
    Write,
    /// A plain request to become a WebSocket.
    Upgrade,
    /// Nothing that can be read.
    Unknown,
}

/// Allowed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Dialled once acknowledged.
    Allow,
    /// Nothing was and will be dialled.
    Deny,
}

/// Why a request was decided as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An entry of the grant names it and every check passed.
    Granted,
    /// No entry of the grant names host and port.
    NotGranted,
    /// An address of the host is special and the grant does not open it.
    Address,
    /// The name has no address, or none in time.
    Unresolved,
    /// The bytes of its entry are used up.
    Budget,
    /// Not a request this proxy reads.
    Malformed,
    /// Readable, but asked for in a way the proxy does not offer.
    Unsupported,
    /// The host is named differently in different places of one request.
    Mismatch,
    /// What came inside the tunnel is not an open TLS greeting.
    Greeting,
    /// A limit of the proxy was reached: head, time, look-ups or decisions.
    Limit,
}

/// Why an allowed connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Both sides were done.
    Done,
    /// The sandbox's side went away first.
    Client,
    /// The host went away in the middle.
    Host,
    /// No address could be reached.
    Unreachable,
    /// The supervisor did not acknowledge in time.
    Unacknowledged,
    /// The bytes of its entry were used up.
    Budget,
    /// Silent for too long.
    Idle,
    /// The host's or the sandbox's bytes broke the rules of HTTP.
    Malformed,
    /// The proxy ended.
    Stopped,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Granted => "granted",
            Self::NotGranted => "not-granted",
            Self::Address => "address",
            Self::Unresolved => "unresolved",
            Self::Budget => "budget",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Mismatch => "mismatch",
            Self::Greeting => "greeting",
            Self::Limit => "limit",
        })
    }
}
