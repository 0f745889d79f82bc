//! Where `palisade approval` reads requests and hands in answers.
//!
//! One's own project is read from its journal. Root in somebody else's opens no file of theirs, because whoever may
//! change a folder can put a link there; it asks the process that owns the project, which hears from the kernel who
//! asks.

use runner::history::{ApprovalTold, History};
use runner::peer::{Client, ClientError, Code};
use runner::{Layout, LayoutError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session;

/// The requests of a project.
pub(super) enum Requests {
    /// In the journal of this user's own project.
    Recorded(Box<History>),
    /// At the process that owns somebody else's project; this user is root.
    Asked(Client),
}

/// Opens the requests of the project.
pub(super) fn open(global: &Global) -> Result<(Requests, Layout), Failure> {
    let layout = session::located(global)?;
    let requests = match layout.check() {
        Err(LayoutError::Foreign { owner, .. }) if rustix::process::geteuid().is_root() => {
            Requests::Asked(client(&layout, owner)?)
        }
        Err(error) => return Err(Failure::of(Exit::Failure, &error).fix(error.hint())),
        Ok(()) => Requests::Recorded(Box::new(
            History::open(&layout).map_err(|error| session::history_failure(&error))?,
        )),
    };
    Ok((requests, layout))
}

impl Requests {
    /// The open ones, or all of them, oldest first.
    pub(super) fn list(&mut self, all: bool) -> Result<Vec<ApprovalTold>, Failure> {
        match self {
            Self::Recorded(history) => {
                let told = history.approvals(all, runner::now());
                told.map_err(|error| session::history_failure(&error))
            }
            Self::Asked(client) => ask(client, "approval.list", json!({ "all": all })),
        }
    }

    /// The one whose id is `written`, or the open one whose id begins so.
    pub(super) fn find(&mut self, written: &str) -> Result<ApprovalTold, Failure> {
        match self {
            Self::Recorded(history) => {
                let told = history.approval(written, runner::now());
                told.map_err(|error| session::history_failure(&error))
            }
            Self::Asked(client) => ask(client, "approval.get", json!({ "approval": written })),
        }
    }

    /// Hands an answer to the process that owns the project.
    pub(super) fn rule(&mut self, layout: &Layout, answer: Value) -> Result<Value, ClientError> {
        match self {
            Self::Recorded(_) => Client::connect(&layout.peer())?.request("approval.rule", answer),
            Self::Asked(client) => client.request("approval.rule", answer),
        }
    }
}

fn client(layout: &Layout, owner: u32) -> Result<Client, Failure> {
    Client::connect_to_user(&layout.peer(), owner).map_err(|error| {
        let failure = Failure::of(Exit::Conflict, &error).because(format!(
            "the project belongs to user #{owner}, and root opens no file in its state folder"
        ));
        failure.fix("have that user start `palisade serve` in it, then repeat the command")
    })
}

fn ask<T: DeserializeOwned>(client: &mut Client, method: &str, what: Value) -> Result<T, Failure> {
    let answer = client.request(method, what).map_err(|error| match &error {
        ClientError::Refused(fault) if fault.code == Code::NotFound => {
            Failure::of(Exit::NotFound, &error).fix(session::FIND_APPROVAL)
        }
        _ => Failure::of(Exit::Failure, &error).fix("repeat the command; nothing was changed"),
    })?;
    serde_json::from_value(answer).map_err(|error| {
        Failure::of(Exit::Failure, &ClientError::Answer)
            .because(error.to_string())
            .fix("use the same version of palisade as the process that owns the project")
    })
}
