//! `palisade ticket`: making, narrowing, showing, checking and revoking tickets, and the secrets they are signed with.
//! A ticket's text is printed where one was asked for, and nowhere else: no error, talk or record has it.

use std::io::Read as _;
use std::path::Path;

use runner::history::History;
use runner::tickets::keys::{self, Earlier, Secrets};
use runner::tickets::{
    self, Audience, Book, Claims, Id, KeysError, Narrowing, NotIssued, Question, Refused, Revoke,
    Ticket, Time, Wanted, Withheld,
};
use runner::{Adopt, now};
use serde_json::{Value, json};

use crate::arguments::{Attenuate, Global, Mint, Presented, TicketCommand, VerifyTicket};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, printable};
use crate::session;

/// More than any ticket has, in bytes.
const FILE_BYTES: u64 = 8 * 1024;

pub(crate) fn run(global: &Global, command: TicketCommand) -> Result<Exit, Failure> {
    match command {
        TicketCommand::Mint(wanted) => mint(global, wanted),
        TicketCommand::Attenuate(wanted) => attenuate(global, &wanted),
        TicketCommand::Inspect(ticket) => inspect(global, &needed(&ticket)?),
        TicketCommand::Verify(asked) => verify(global, asked),
        TicketCommand::Revoke { id, .. } => revoke(global, id.as_deref()),
        TicketCommand::Rotate { retire } => rotate(global, retire),
    }
}

/// The ticket that was handed in, where one was.
pub(super) fn presented(given: &Presented) -> Result<Option<Ticket>, Failure> {
    let text = match (&given.ticket, &given.ticket_file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => read(file)?,
        (None, None) => return Ok(None),
    };
    let ticket =
        Ticket::parse(text.trim()).map_err(|error| withheld(&Refused::from(error).into()))?;
    Ok(Some(ticket))
}

fn needed(given: &Presented) -> Result<Ticket, Failure> {
    presented(given)?.ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no ticket")
            .fix("set PALISADE_TICKET, or name a file with `--ticket-file` (- for standard input)")
    })
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let done = if file == Path::new("-") {
        std::io::stdin().take(FILE_BYTES).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(FILE_BYTES).read_to_string(&mut text))
    };
    match done {
        Ok(_) => Ok(text),
        Err(error) => {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let exit = if missing { Exit::NotFound } else { Exit::Usage };
            let what = format!(
                "the ticket cannot be read from {}",
                printable(&file.display().to_string())
            );
            Err(Failure::new(exit, what)
                .because(error.to_string())
                .fix("name a readable file that holds one ticket"))
        }
    }
}

fn mint(global: &Global, wanted: Mint) -> Result<Exit, Failure> {
    let life = wanted.life.as_deref().map(life).transpose()?;
    let wanted = Wanted {
        tools: wanted.tools,
        workflow: wanted.workflow,
        principal: wanted.principal,
        peer: wanted.bounds.peer,
        paths: wanted.bounds.paths,
        hosts: wanted.bounds.hosts,
        scopes: wanted.bounds.scopes,
        this_policy: wanted.this_policy,
        life,
        uses: wanted.uses,
    };
    let (node, _) = session::start(global, Adopt::Nothing)?;
    let issued = node.issuing().mint(&wanted).map_err(|error| not_issued(&error))?;
    tell(global, &issued.ticket)
}

fn attenuate(global: &Global, wanted: &Attenuate) -> Result<Exit, Failure> {
    fn some(list: &[String]) -> Option<Vec<&str>> {
        (!list.is_empty()).then(|| list.iter().map(String::as_str).collect())
    }
    let ticket = needed(&wanted.ticket)?;
    let life = wanted.life.as_deref().map(life).transpose()?;
    let from_now = |life| Time(u64::try_from(now().0).unwrap_or(0)).after(life);
    let salt = tickets::salt().map_err(|error| Failure::new(Exit::Failure, error))?;
    let narrowing = Narrowing {
        salt,
        tools: some(&wanted.tools),
        paths: some(&wanted.bounds.paths),
        hosts: some(&wanted.bounds.hosts),
        scopes: if wanted.no_scopes { Some(Vec::new()) } else { some(&wanted.bounds.scopes) },
        peer: wanted.bounds.peer.as_deref(),
        expires: life.map(from_now),
        uses: wanted.uses,
        ..Narrowing::default()
    };
    let child = tickets::attenuate(&ticket, narrowing).map_err(|error| {
        Failure::of(Exit::Usage, &error).fix(
            "ask only for less than the ticket has; `palisade ticket inspect` says what that is",
        )
    })?;
    tell(global, &child)
}

/// The text of a new ticket, on standard output alone.
fn tell(global: &Global, ticket: &Ticket) -> Result<Exit, Failure> {
    let claims = says(ticket)?;
    if global.json {
        let mut told = told(ticket, &claims);
        if let Some(told) = told.as_object_mut() {
            told.insert("ticket".to_owned(), ticket.text().into());
        }
        output::json(&told);
    } else {
        output::talk(format!("ticket {}: {}", claims.id, line(&claims)));
        output::line(ticket.text());
    }
    Ok(Exit::Ok)
}

fn inspect(global: &Global, ticket: &Ticket) -> Result<Exit, Failure> {
    let claims = says(ticket)?;
    let told = told(ticket, &claims);
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
        output::line(format!("{name}: {text}"));
    }
    output::talk("what it says; `palisade ticket verify` says whether it is valid");
    Ok(Exit::Ok)
}

fn verify(global: &Global, asked: VerifyTicket) -> Result<Exit, Failure> {
    let ticket = needed(&asked.ticket)?;
    let configuration = session::configuration(global)?;
    let layout = session::layout(global, &configuration)?;
    let keyring = Secrets::read(&layout)
        .and_then(|secrets| secrets.keyring())
        .map_err(|error| keys_failure(&error))?;
    let history = History::open(&layout).map_err(|error| session::history_failure(&error))?;
    let book = Book::open(keyring, history.reader(), now()).map_err(|error| {
        Failure::of(Exit::Failure, &error).fix("`palisade journal rebuild` makes the tables anew")
    })?;
    let question = Question {
        tool: asked.tool,
        workflow: asked.workflow,
        principal: asked.principal,
        peer: asked.bounds.peer,
        paths: asked.bounds.paths,
        hosts: asked.bounds.hosts,
        scopes: asked.bounds.scopes,
    };
    book.check(&ticket, &question, now()).map_err(|error| withheld(&error))?;
    let claims = says(&ticket)?;
    if global.json {
        output::json(&json!({ "valid": true, "ticket": told(&ticket, &claims) }));
    } else {
        output::line(format!("valid: ticket {}: {}", claims.id, line(&claims)));
    }
    Ok(Exit::Ok)
}

fn revoke(global: &Global, id: Option<&str>) -> Result<Exit, Failure> {
    let what = match id {
        Some(id) => Revoke::One(id.parse::<Id>().map_err(|error| {
            Failure::of(Exit::Usage, &error)
                .fix("`palisade ticket inspect` and `palisade audit tail` name the ids of tickets")
        })?),
        None => Revoke::All,
    };
    let (node, _) = session::start(global, Adopt::Nothing)?;
    node.issuing().revoke(what).map_err(|error| not_issued(&error))?;
    let told = id.unwrap_or("all");
    if global.json {
        output::json(&json!({ "revoked": told }));
    } else {
        output::talk(format!("revoked: {told}"));
    }
    Ok(Exit::Ok)
}

fn rotate(global: &Global, retire: bool) -> Result<Exit, Failure> {
    let configuration = session::configuration(global)?;
    let layout = session::layout(global, &configuration)?;
    let failed = |error: runner::LayoutError| {
        Failure::of(Exit::Failure, &error).fix("make the folder writable")
    };
    layout.create().map_err(failed)?;
    let earlier = if retire { Earlier::Retired } else { Earlier::Kept };
    let secrets = keys::rotate(&layout, earlier).map_err(|error| keys_failure(&error))?;
    let names: Vec<String> = secrets.names().map(|name| name.to_string()).collect();
    if global.json {
        output::json(&json!({ "accepted": names, "signing": names.last() }));
    } else {
        let (count, newest) = (names.len(), names.last().map_or("", String::as_str));
        output::line(format!("tickets are signed with {newest} from now on; {count} accepted"));
    }
    Ok(Exit::Ok)
}

fn life(text: &str) -> Result<std::time::Duration, Failure> {
    tickets::duration(text).map_err(|why| {
        Failure::new(Exit::Usage, format!("`--life {}` is no length of time", printable(text)))
            .because(why)
            .fix("write a number and ms, s, m, h or d, such as `30s`")
    })
}

fn says(ticket: &Ticket) -> Result<Claims<'_>, Failure> {
    tickets::unverified(ticket).map_err(|error| withheld(&Refused::from(error).into()))
}

/// What a ticket says, for machines.
fn told(ticket: &Ticket, claims: &Claims<'_>) -> Value {
    let (tools, workflow) = match &claims.audience {
        Audience::Tools(tools) => (Some(tools), None),
        Audience::Workflow(workflow) => (None, Some(workflow)),
    };
    let hex =
        |digest: &[u8; 32]| -> String { digest.iter().map(|byte| format!("{byte:02x}")).collect() };
    json!({
        "id": claims.id.to_string(),
        "key": ticket.key().to_string(),
        "narrowed": ticket.depth(),
        "tenant": claims.tenant,
        "project": claims.project,
        "principal": claims.principal,
        "peer": claims.peer,
        "tools": tools,
        "workflow": workflow,
        "arguments": claims.arguments.as_ref().map(hex),
        "paths": claims.paths,
        "hosts": claims.hosts,
        "scopes": claims.scopes,
        "profile": claims.profile.as_ref().map(hex),
        "policy": claims.policy.as_ref().map(hex),
        "not_before_us": claims.not_before.0,
        "expires_us": claims.expires.0,
        "uses": claims.uses,
        "nonce": claims.nonce,
        "epoch": claims.epoch,
    })
}

/// The same in a line, for people.
fn line(claims: &Claims<'_>) -> String {
    let what = match &claims.audience {
        Audience::Tools(tools) => tools.join(", "),
        Audience::Workflow(workflow) => (*workflow).to_owned(),
    };
    let left = claims.expires.0.saturating_sub(u64::try_from(now().0).unwrap_or(0)) / 1_000_000;
    let uses = if claims.uses == 1 { "once".to_owned() } else { format!("{} times", claims.uses) };
    printable(&format!("{what} by {}, {uses}, {left} s left", claims.principal))
}

/// A ticket that does not hold.
fn withheld(error: &Withheld) -> Failure {
    let (exit, fix) = match error {
        Withheld::Refused(refused @ Refused::Malformed(_)) => (Exit::Usage, refused.fix()),
        Withheld::Refused(refused) => (Exit::Denied, refused.fix()),
        Withheld::Spent(spent) => (Exit::Denied, spent.fix()),
    };
    Failure::of(exit, error).fix(fix)
}

fn keys_failure(error: &KeysError) -> Failure {
    let exit = if matches!(error, KeysError::None) { Exit::NotFound } else { Exit::Failure };
    Failure::of(exit, error).fix(error.fix())
}

fn not_issued(error: &NotIssued) -> Failure {
    match error {
        NotIssued::Invalid(_) | NotIssued::Mint(_) => Failure::of(Exit::Usage, error)
            .fix("`palisade help ticket mint` says what a ticket can be for"),
        NotIssued::Stopped(_) => Failure::of(Exit::Denied, error)
            .fix("allow `ticket.mint` or `ticket.revoke` to this principal in the policy"),
        NotIssued::Keys(keys) => keys_failure(keys),
        NotIssued::Read(_) | NotIssued::Journal(_) | NotIssued::System(_) => {
            Failure::of(Exit::Failure, error).fix("`palisade doctor` checks this machine")
        }
    }
}
