//! `palisade policy apply`: another policy in the place of the one in force.
//!
//! Shows what would change (`shown`), has it confirmed (`confirm`) and asks for the call that does it: the process that
//! owns the project where there is one, a node of this process otherwise. The node works out for itself what would
//! change; what was shown here is only held against that.

mod confirm;
mod shown;

use std::path::Path;

use runner::amendment::{Amend, AmendError, Amendment, RECENT_CALLS};
use runner::history::{ApprovalState, ApprovalTold, Calls, History};
use runner::peer::{Client, ClientError};
use runner::policy::InForce;
use runner::{Adopt, Layout, RunId};
use serde_json::{Value, json};

use super::load;
use crate::arguments::{Apply, Global};
use crate::command::{follow, run, tool};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::session;

pub(super) fn apply(global: &Global, command: &Apply) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    if let Some(id) = &command.agent {
        session::agent(global, id)?;
    }
    let file = session::policy_file(global, &layout)?
        .ok_or_else(|| refused(&AmendError::NoFile, &command.file))?;
    let (before, after) = (load(&file)?, load(&command.file)?);
    warnings(&after);
    let weighed = Amendment::weigh(&before.policy, &after, recent(&layout)?);
    let amendment = match weighed {
        Err(AmendError::Same) => return Ok(shown::same(global, &file)),
        weighed => weighed.map_err(|error| refused(&error, &command.file))?,
    };
    if !global.json {
        shown::change(&amendment);
        shown::needs(&amendment, command);
    }
    if command.dry_run {
        if global.json {
            output::json(&shown::told(&amendment, command, None));
        }
        return Ok(Exit::Ok);
    }
    first_time(&layout, &amendment, &whose(global, command)?)?;
    let confirmation = Some(confirm::confirmation(&amendment, command)?);
    let wanted = Amend {
        file: std::path::absolute(&command.file).unwrap_or_else(|_| command.file.clone()),
        shown: amendment.shown(),
        confirmation,
        agent: command.agent.clone(),
    };
    let run = match Client::connect(&layout.peer()) {
        Ok(client) => with_owner(global, client, &wanted)?,
        Err(ClientError::NoOwner) => embedded(global, command, &wanted)?,
        Err(error) => return Err(tool::unasked(&error)),
    };
    shown::outcome(global, (&amendment, command), &layout, run)
}

/// Who asks: this user, or the agent that is named.
fn whose(global: &Global, command: &Apply) -> Result<String, Failure> {
    let settings = session::settings(global)?;
    Ok(command.agent.clone().unwrap_or_else(|| settings.principals.of_this_process().id))
}

/// Refuses to ask for a change that `principal` asks for already: it would only wait a second time.
fn first_time(layout: &Layout, amendment: &Amendment, principal: &str) -> Result<(), Failure> {
    let open = History::open(layout).and_then(|history| history.approvals(false, runner::now()));
    let (replaces, policy) = (json!(amendment.replaces), json!(amendment.policy));
    let same = |one: &ApprovalTold| {
        let (subject, arguments) = (&one.request.subject, &one.request.subject.arguments);
        *subject.principal == *principal
            && *subject.tool == *"policy.update"
            && (&arguments["replaces"], &arguments["policy"]) == (&replaces, &policy)
            && matches!(one.state, ApprovalState::Open | ApprovalState::Approved)
    };
    // Where nothing can be read nothing waits, or the call itself says so.
    let Some(one) = open.unwrap_or_default().into_iter().find(same) else { return Ok(()) };
    let (id, run) = (one.request.id, one.request.subject.run);
    Err(Failure::new(Exit::Conflict, format!("this change waits for approval `{id}` already"))
        .because("asking again would only open another request for the same")
        .fix(format!(
            "somebody else answers it: `palisade approval show {id}`; `palisade runs resume {run}` waits for that, \
             `palisade runs cancel {run}` takes it back"
        )))
}

fn warnings(after: &InForce) {
    if let Some(source) = &after.source {
        for warning in &after.warnings {
            output::talk(output::tame(warning.render(source).trim_end()));
        }
    }
}

/// The calls that are decided again; none where nothing has happened yet.
fn recent(layout: &Layout) -> Result<Vec<runner::record::DecidedCall>, Failure> {
    let Some(history) = session::history_if_any(layout)? else { return Ok(Vec::new()) };
    let calls = history.calls(Calls { since: None, limit: RECENT_CALLS });
    calls.map_err(|error| session::history_failure(&error))
}

/// Through the process that owns the project; its policy file is the one that is replaced.
fn with_owner(global: &Global, mut client: Client, wanted: &Amend) -> Result<RunId, Failure> {
    if global.policy.is_some() {
        return Err(Failure::new(Exit::Conflict, "another process owns this project")
            .because("the policy that it decides by is the one that changes")
            .fix("leave `--policy` away, or stop that process first"));
    }
    let asked = serde_json::to_value(wanted).unwrap_or_default();
    let answer = client.request("policy.apply", asked).map_err(|error| match error {
        ClientError::Refused(fault) => Failure::new(fault.code.into(), "the change is refused")
            .because(fault.message)
            .fix("the policy in force stays; repeat the command to look again"),
        error => tool::unasked(&error),
    })?;
    let run = answer.get("run").and_then(Value::as_str).and_then(|run| run.parse().ok());
    let run = run.ok_or_else(|| tool::unasked(&ClientError::Answer))?;
    tool::until_still(&mut client, run)?;
    Ok(run)
}

/// On a node of this process, which waits for whoever has to approve it.
fn embedded(global: &Global, command: &Apply, wanted: &Amend) -> Result<RunId, Failure> {
    let (node, layout) = session::start(global, Adopt::Nothing)?;
    let principal = session::settings(global)?.principals.of_this_process();
    let (watcher, events) = follow::events();
    let accepted = node.desk().amend(&principal, wanted, Some(watcher));
    let run = accepted.map_err(|error| refused(&error, &command.file))?.run;
    let (_, told) = follow::told(&layout, run)?;
    let progress =
        if global.json { Progress::Quiet } else { Progress::of(&follow::outline(&told)?, false) };
    let until = if command.detach { follow::Until::Waits } else { follow::Until::Ends };
    follow::Following { node, layout: &layout, run, events }.follow_until(until, progress)?;
    Ok(run)
}

/// Why the policy stays as it is, and what to do about it.
fn refused(error: &AmendError, file: &Path) -> Failure {
    let shown = output::printable(&file.display().to_string());
    match error {
        AmendError::Policy(error) => session::policy_failure(error),
        AmendError::Tests(failed) => {
            let line = |test: &runner::policy::TestResult| {
                let why = test.failure.as_deref().unwrap_or_default();
                format!("{}:{}: {}: {why}", shown, test.span.line, test.name)
            };
            failed
                .iter()
                .fold(Failure::of(Exit::Failure, error), |failure, test| {
                    failure.because(line(test))
                })
                .fix("correct the rules or the tests; the policy in force stays")
        }
        AmendError::NoFile => Failure::of(Exit::NotFound, error)
            .because("there is nothing that decides and could be replaced")
            .fix("`palisade init` writes a policy to start from"),
        AmendError::Same => Failure::of(Exit::Conflict, error),
        AmendError::ByHand(_) => Failure::of(Exit::Conflict, error)
            .because("what would change cannot be told from a policy that nobody put in force")
            .fix("put the file back, or start the process that owns the project again to use it as it is"),
        AmendError::Moved => Failure::of(Exit::Conflict, error)
            .because("the file, the policy in force or the recorded calls changed meanwhile")
            .fix("look at it again: repeat the command"),
        AmendError::Phrase { phrase, .. } => {
            Failure::of(Exit::Usage, error).fix(format!("add `--phrase \"{phrase}\"`"))
        }
        AmendError::Agent(_) => Failure::of(Exit::Usage, error).fix("write `--as agent:NAME`"),
        AmendError::Unanswered(error) => run::unanswered(error),
        AmendError::History(error) => session::history_failure(error),
        AmendError::Call(_) | AmendError::Journal(_) => Failure::of(Exit::Failure, error)
            .fix("`palisade audit verify` checks the journal; the policy in force stays"),
    }
}

/// What scripts are told: the change, what it needs, and how the call stands.
fn value(amendment: &Amendment, needs: &str, stands: Option<Value>) -> Value {
    let mut told = json!({
        "amendment": amendment,
        "breaking": amendment.breaking(),
        "widening": amendment.widening(),
        "needs": needs,
        "phrase": amendment.phrase(),
        "run": null,
        "state": null,
        "approval": null,
    });
    if let (Some(told), Some(Value::Object(stands))) = (told.as_object_mut(), stands) {
        told.extend(stands);
    }
    told
}

/// The path as it was typed, for people.
fn name(file: &Path) -> String {
    output::printable(&file.display().to_string())
}
