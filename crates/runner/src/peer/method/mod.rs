//! The methods: one row each, one file each. To add one, write its file and its row.
//!
//! Parameters are read strictly into the method's own type. Every request but a ping is recorded with who asked and
//! what came of it; what a method leads to is recorded by the gate and the engine as for any other door.

mod approval;
mod audit;
mod ping;
mod policy;
mod run;
mod ticket;
mod tool;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::identity::Peer;
use super::message::{Code, Fault, Message};
use super::room::Room;
use crate::gate::Principal;
use crate::history::HistoryError;
use crate::node::{Desk, Unanswered};

/// Event type of a request by a peer, with what came of it.
pub const REQUEST_KIND: &str = "peer.request";
/// What is recorded as the method of a request for one that does not exist.
const UNKNOWN: &str = "unknown";
/// Most characters that are told and recorded of a name that no method has.
const NAME_CHARACTERS: usize = 64;

/// A method.
struct Method {
    name: &'static str,
    /// Whether its requests are recorded.
    recorded: bool,
    answer: fn(&Asked<'_>, Value) -> Result<Value, Fault>,
}

const METHODS: &[Method] = &[
    Method { name: "approval.get", recorded: true, answer: approval::get },
    Method { name: "approval.list", recorded: true, answer: approval::list },
    Method { name: "approval.rule", recorded: true, answer: approval::rule },
    Method { name: "audit.anchored", recorded: true, answer: audit::anchored },
    Method { name: "audit.disclose", recorded: true, answer: audit::disclose },
    Method { name: "audit.erase", recorded: true, answer: audit::erase },
    Method { name: "audit.sign", recorded: true, answer: audit::sign },
    Method { name: "journal.archive", recorded: true, answer: audit::archive },
    Method { name: "ping", recorded: false, answer: ping::answer },
    Method { name: "policy.apply", recorded: true, answer: policy::apply },
    Method { name: "run.cancel", recorded: true, answer: run::cancel },
    Method { name: "run.get", recorded: true, answer: run::get },
    Method { name: "ticket.mint", recorded: true, answer: ticket::mint },
    Method { name: "ticket.revoke", recorded: true, answer: ticket::revoke },
    Method { name: "ticket.rotate", recorded: true, answer: ticket::rotate },
    Method { name: "tool.call", recorded: true, answer: tool::call },
    Method { name: "tool.list", recorded: true, answer: tool::list },
];

/// A request, with what a method may use to answer it.
pub(super) struct Asked<'a> {
    pub(super) peer: Peer,
    pub(super) desk: &'a Desk,
    pub(super) room: &'a Room,
}

/// What is recorded of a request.
#[derive(Serialize)]
struct Noted<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    method: &'static str,
    /// The beginning of what was asked for where no method has that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    peer: u32,
    user: u32,
    /// Absent where it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Code>,
}

impl Asked<'_> {
    /// Answers one request.
    pub(super) fn answer(&self, request: &Message) -> Result<Value, Fault> {
        let asked = request.method.as_deref().unwrap_or_default();
        let Some(method) = METHODS.iter().find(|method| method.name == asked) else {
            return Err(self.unknown(asked));
        };
        let answer = (method.answer)(self, request.params.clone().unwrap_or_default());
        if method.recorded {
            self.note(method.name, None, answer.as_ref().err().map(|fault| fault.code));
        }
        answer
    }

    /// Refuses a request for a method that does not exist.
    fn unknown(&self, asked: &str) -> Fault {
        let names: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
        let shown: String =
            asked.chars().take(NAME_CHARACTERS).flat_map(char::escape_debug).collect();
        let message = format!("no method `{shown}`; methods are {}", names.join(", "));
        let fault = Fault::new(Code::UnknownMethod, message);
        self.note(UNKNOWN, Some(&shown), Some(fault.code));
        fault
    }

    /// Records a request and what came of it.
    fn note(&self, method: &'static str, name: Option<&str>, refused: Option<Code>) {
        let Peer { pid: peer, uid: user, .. } = self.peer;
        let noted = Noted { kind: REQUEST_KIND, method, name, peer, user, refused };
        self.desk.note(REQUEST_KIND, &self.principal(), &noted);
    }

    /// Who asks.
    fn principal(&self) -> Principal {
        self.desk.principal_of(self.peer.uid)
    }
}

/// The parameters of a method; absent ones count as an empty object.
fn params<P: DeserializeOwned>(params: Value) -> Result<P, Fault> {
    Message::read_params(Some(params))
}

fn unanswered(error: &Unanswered) -> Fault {
    let code = match error {
        Unanswered::Refused(_) => Code::Conflict,
        Unanswered::Journal(_) => Code::Internal,
        Unanswered::Ending | Unanswered::Full | Unanswered::AtSize => Code::Busy,
    };
    Fault::new(code, error.to_string())
}

fn unread(error: &HistoryError) -> Fault {
    let code = match error {
        HistoryError::NoRun(_)
        | HistoryError::NoApproval(_)
        | HistoryError::NoTicket(_)
        | HistoryError::Ambiguous { .. } => Code::NotFound,
        HistoryError::Open(_)
        | HistoryError::Read(_)
        | HistoryError::Charge(_)
        | HistoryError::NoCall { .. }
        | HistoryError::NoPolicy { .. }
        | HistoryError::Broken { .. } => Code::Internal,
    };
    Fault::new(code, error.to_string())
}

/// A result of ours as JSON.
fn told(result: &impl Serialize) -> Result<Value, Fault> {
    serde_json::to_value(result).map_err(|error| Fault::new(Code::Internal, error.to_string()))
}
