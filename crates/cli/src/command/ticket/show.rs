//! `ticket inspect` and `ticket verify`: what a ticket says, and whether it is good for something.
//! With a file of public keys neither needs the project; then nobody knows what was used or revoked.

use std::path::Path;

use runner::history::History;
use runner::now;
use runner::tickets::keys::Keys;
use runner::tickets::{Book, Offline, PublicKeys, Question, Refused, Ticket};
use serde_json::{Value, json};

use super::failed::{keys_failure, no_public_key, withheld};
use super::{needed, read, told};
use crate::arguments::{Global, InspectTicket, VerifyTicket};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, printable};
use crate::session;

pub(super) fn inspect(global: &Global, asked: &InspectTicket) -> Result<Exit, Failure> {
    let ticket = needed(&asked.ticket)?;
    let claims = told::says(&ticket)?;
    let told = told::told(&ticket, &claims);
    if let Some(file) = &asked.key
        && !public_keys(file)?.signed(&ticket)
    {
        return Err(withheld(&Refused::Signature.into()));
    }
    if global.json {
        output::json(&told);
        return Ok(Exit::Ok);
    }
    for (name, value) in told.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => printable(text),
            Value::Array(list) => {
                let texts = list.iter().filter_map(Value::as_str).map(printable);
                texts.collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        match (name.strip_suffix("_us"), value.as_i64()) {
            (Some(name), Some(micros)) => {
                output::line(format!("{name}: {}", output::instant(micros)));
            }
            _ => output::line(format!("{name}: {text}")),
        }
    }
    output::talk(match asked.key {
        Some(_) => {
            "what it says, under one of these keys; `ticket verify --key` looks at its times"
        }
        None => "what it says; `palisade ticket verify` says whether it is valid",
    });
    Ok(Exit::Ok)
}

pub(super) fn verify(global: &Global, asked: VerifyTicket) -> Result<Exit, Failure> {
    let ticket = needed(&asked.ticket)?;
    let question = Question {
        tool: asked.tool,
        workflow: asked.workflow,
        principal: asked.principal,
        paths: asked.bounds.paths,
        hosts: asked.bounds.hosts,
        scopes: asked.bounds.scopes,
    };
    match asked.key {
        Some(file) => offline(global, &ticket, &question, &file),
        None => here(global, &ticket, &question),
    }
}

/// By the keys and the journal of this project.
fn here(global: &Global, ticket: &Ticket, question: &Question) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let keyring = Keys::read(&layout)
        .and_then(|keys| keys.keyring())
        .map_err(|error| keys_failure(&error))?;
    let history = History::open(&layout).map_err(|error| session::history_failure(&error))?;
    let book = Book::open(Ok(keyring), history.reader(), now()).map_err(|error| {
        Failure::of(Exit::Failure, &error).fix("`palisade journal rebuild` makes the tables anew")
    })?;
    book.check(ticket, question, now()).map_err(|error| withheld(&error))?;
    let claims = told::says(ticket)?;
    if global.json {
        output::json(&json!({ "valid": true, "ticket": told::told(ticket, &claims) }));
    } else {
        output::line(format!("valid: ticket {}: {}", claims.id, told::line(&claims)));
    }
    Ok(Exit::Ok)
}

/// By public keys alone.
fn offline(
    global: &Global,
    ticket: &Ticket,
    question: &Question,
    file: &Path,
) -> Result<Exit, Failure> {
    let checked = public_keys(file)?.check(ticket, question, now());
    let Offline = checked.map_err(|error| withheld(&error.into()))?;
    let claims = told::says(ticket)?;
    if global.json {
        let unknown = ["tenant", "epoch", "uses", "revocation"];
        let ticket = told::told(ticket, &claims);
        output::json(&json!({ "holds": true, "unknown": unknown, "ticket": ticket }));
    } else {
        output::line(format!("signed and in time: ticket {}: {}", claims.id, told::line(&claims)));
        output::talk("whether it was used or revoked, only its node knows");
    }
    Ok(Exit::Ok)
}

fn public_keys(file: &Path) -> Result<PublicKeys, Failure> {
    let name = printable(&file.display().to_string());
    PublicKeys::read(&read(file)?).map_err(|error| no_public_key(&name, &error))
}
