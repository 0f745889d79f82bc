//! `palisade tool`: which tools there are, and one use of one of them.
//!
//! A call goes to the process that owns the project where there is one, and to a node of this process otherwise. What
//! came of it is told from the journal, in both cases the same.

use std::cell::Cell;
use std::time::Duration;

use runner::call::{self, Call, CallError, Described, Direct, Told};
use runner::history::History;
use runner::peer::{Client, ClientError};
use runner::tickets::Ticket;
use runner::{Adopt, Guard, Layout, RunId, StepState};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::run::unanswered;
use super::stopped::Stopped;
use super::{inputs, ticket};
use crate::arguments::{Global, Tool, ToolCall};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::{interrupt, session};

/// How long one wait for a call is; there is always another.
const WAIT: Duration = Duration::from_secs(60);

pub(crate) fn run(global: &Global, command: &Tool) -> Result<Exit, Failure> {
    match command {
        Tool::List => list(global),
        Tool::Show { name } => show(global, name),
        Tool::Call(wanted) => place(global, wanted),
    }
}

fn list(global: &Global) -> Result<Exit, Failure> {
    let tools = call::tools();
    if global.json {
        output::json(tools);
        return Ok(Exit::Ok);
    }
    let mut rows = Table::new(&["tool", "effect", "called by"]);
    for tool in tools {
        let by = if tool.arguments.is_some() {
            "steps, direct calls"
        } else {
            runner::tool::command(&tool.name).unwrap_or_default()
        };
        rows.row([tool.name.as_str(), effect(tool), by]);
    }
    output::line(rows.render());
    Ok(Exit::Ok)
}

fn effect(tool: &Described) -> &'static str {
    use runner::policy::Effect;
    match tool.effect {
        Effect::Read => "read",
        Effect::Write => "write",
        Effect::Exec => "exec",
        Effect::Net => "net",
    }
}

fn show(global: &Global, name: &str) -> Result<Exit, Failure> {
    let tools = call::tools();
    let Some(tool) = tools.iter().find(|tool| tool.name == name) else {
        return Err(Failure::new(Exit::NotFound, format!("there is no tool `{name}`"))
            .fix("`palisade tool list` lists the tools"));
    };
    if global.json {
        output::json(tool);
        return Ok(Exit::Ok);
    }
    output::line(format!("tool       {}", tool.name));
    output::line(format!("effect     {}", effect(tool)));
    output::line(format!("tags       {}", tool.tags.join(", ")));
    let in_rules = Some(&tool.in_rules);
    let arguments = tool.arguments.as_ref();
    for (title, schema, without) in [
        ("arguments", arguments, runner::tool::command(name).unwrap_or("none")),
        ("in rules", in_rules.filter(|schema| arguments != Some(schema)), "the same"),
        ("result", tool.result.as_ref(), "none"),
    ] {
        match schema {
            Some(schema) => output::line(format!("{title:<10} {schema:#}")),
            None => output::line(format!("{title:<10} {without}")),
        }
    }
    Ok(Exit::Ok)
}

fn place(global: &Global, wanted: &ToolCall) -> Result<Exit, Failure> {
    let call = Call {
        tool: wanted.name.clone(),
        args: arguments(&wanted.name, wanted.args.as_deref(), &wanted.arguments)?,
    };
    // A typing mistake should leave no trace.
    call.submission().map_err(|error| refused(&error))?;
    let tickets = ticket::presented(&wanted.ticket)?;
    let layout = session::layout(global)?;
    let (run, interrupted) = match Client::connect(&layout.peer()) {
        Ok(client) => (with_owner(global, client, &call, &tickets)?, false),
        Err(ClientError::NoOwner) => embedded(global, &call, tickets)?,
        Err(error) => return Err(unasked(&error)),
    };
    tell(global, &layout, run, interrupted)
}

/// The arguments of a direct call of `tool`: an object, overlaid by single ones.
pub(super) fn arguments(
    tool: &str,
    object: Option<&str>,
    single: &[String],
) -> Result<Map<String, Value>, Failure> {
    let mut all = match object {
        Some(text) => call::read_arguments(text).map_err(|why| {
            Failure::new(Exit::Usage, "`--args` cannot be read")
                .because(why)
                .fix("write one JSON object, such as `--args '{\"path\":\"README.md\"}'`")
        })?,
        None => Map::new(),
    };
    let tools = call::tools();
    let schema = tools.iter().find(|known| known.name == tool);
    let read = |name: &str, text: &str| read_text(schema, name, text);
    if let Value::Object(given) = inputs::of(None, ("-a", single), read)? {
        all.extend(given);
    }
    Ok(all)
}

/// As text where the argument is one; as JSON, where it is any, otherwise.
fn read_text(tool: Option<&Described>, name: &str, text: &str) -> Value {
    let schema = tool.and_then(|tool| tool.arguments.as_ref());
    let kind = schema.and_then(|schema| schema.pointer(&format!("/properties/{name}/type")));
    let structured = kind.is_some_and(|kind| kind != "string");
    let json = || serde_json::from_str(text).ok();
    structured.then(json).flatten().unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Through the process that owns the project; its policy and settings apply.
fn with_owner(
    global: &Global,
    mut client: Client,
    call: &Call,
    tickets: &[Ticket],
) -> Result<RunId, Failure> {
    if global.without_sandbox || global.policy.is_some() {
        return Err(Failure::new(Exit::Conflict, "another process owns this project")
            .because("its own policy and settings apply to the call")
            .fix("leave `--unsafe` and `--policy` away, or stop that process first"));
    }
    let wait = u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX);
    let mut asked = json!({ "tool": call.tool, "args": call.args, "wait_ms": wait });
    if let Some(asked) = asked.as_object_mut().filter(|_| !tickets.is_empty()) {
        asked.insert("tickets".to_owned(), tickets.iter().map(Ticket::text).collect());
    }
    let answer = client.request("tool.call", asked).map_err(|error| unasked(&error))?;
    let run = answer.get("run").and_then(Value::as_str).and_then(|run| run.parse().ok());
    let run = run.ok_or_else(|| unasked(&ClientError::Answer))?;
    if is_moving(answer.get("state")) {
        until_still(&mut client, run)?;
    }
    Ok(run)
}

/// Whether a state in an answer is one that a step leaves by itself.
fn is_moving(state: Option<&Value>) -> bool {
    state.and_then(|state| StepState::deserialize(state).ok()).is_some_and(StepState::moves)
}

/// Waits until the one step of a run ended or waits for a person.
pub(super) fn until_still(client: &mut Client, run: RunId) -> Result<(), Failure> {
    let wait = u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX);
    loop {
        let asked = json!({ "run": run, "wait_ms": wait });
        let view = client.request("run.get", asked).map_err(|error| unasked(&error))?;
        if !is_moving(view.pointer("/steps/0/state")) {
            return Ok(());
        }
    }
}

/// On a node of this process; whether the person interrupted it.
fn embedded(global: &Global, call: &Call, tickets: Vec<Ticket>) -> Result<(RunId, bool), Failure> {
    let interrupts = interrupt::listen().map_err(|error| {
        Failure::new(Exit::Failure, "signals cannot be handled")
            .because(error.to_string())
            .fix("`palisade doctor` checks this machine")
    })?;
    let (node, _) = session::start(global, Adopt::Nothing)?;
    let principal = session::settings(global)?.principals.of_this_process();
    let placed = Direct::place_with(node.desk(), &principal, call, tickets);
    let mut direct = placed.map_err(|error| refused(&error))?;
    let interrupted = Cell::new(false);
    let leaving = || {
        interrupted.set(interrupted.get() || interrupts.try_recv().is_ok());
        interrupted.get()
    };
    while direct.wait(WAIT, &leaving) && !interrupted.get() {}
    if interrupted.get() {
        // A run that ended meanwhile cannot be cancelled, and need not be.
        drop(node.cancel(direct.run(), "interrupted from the keyboard"));
        direct.wait(WAIT, &|| false);
    }
    node.stop().map_err(|error| {
        Failure::new(Exit::Failure, "the journal cannot be written")
            .because(error)
            .fix("make room for the journal; `palisade runs list` says what was begun")
    })?;
    Ok((direct.run(), interrupted.get()))
}

fn tell(global: &Global, layout: &Layout, run: RunId, interrupted: bool) -> Result<Exit, Failure> {
    let failed = |error| session::history_failure(&error);
    let history = History::open(layout).map_err(failed)?;
    let told = call::recorded(&history, run).map_err(failed)?;
    if global.json {
        output::json(&told);
    } else {
        print(global, &history, &told)?;
    }
    Ok(match told.state {
        _ if interrupted => Exit::Interrupted,
        StepState::Succeeded => Exit::Ok,
        StepState::Denied => Exit::Denied,
        StepState::Cancelled => Exit::RunCancelled,
        _ => Exit::RunFailed,
    })
}

/// What it printed or found on standard output; how it ended otherwise on standard error.
fn print(global: &Global, history: &History, told: &Told) -> Result<(), Failure> {
    for piece in history.logs(told.run, None) {
        let piece = piece.map_err(|error| session::history_failure(&error))?;
        match piece.stream {
            runner::executor::Stream::Stdout => output::stream(&piece.bytes()),
            runner::executor::Stream::Stderr => output::error_stream(&piece.bytes()),
        }
    }
    match told.outputs.get("text").and_then(Value::as_str) {
        Some(text) => output::stream(text.as_bytes()),
        None if told.outputs.is_empty() => {}
        None => output::json(&told.outputs),
    }
    if told.outputs.get("truncated") == Some(&Value::Bool(true)) {
        output::talk("warning: this is the beginning only; the rest is over the tool's limit");
    }
    if told.state != StepState::Succeeded {
        let (tool, run, state) = (told.tool.as_str(), told.run, told.state);
        let (by, line) = (told.stopped_by.as_ref(), told.line.as_deref());
        let stopped = Stopped { tool, run, state, by, line };
        output::failure(&stopped.failure(global), false);
        let again = session::again(global);
        let by_policy = by.is_some_and(|by| by.kind == Guard::Policy);
        for missed in history.missed(run).iter().filter(|_| by_policy) {
            output::missed(missed, &again).into_iter().for_each(output::talk);
        }
    }
    Ok(())
}

fn refused(error: &CallError) -> Failure {
    let list = "`palisade tool list` lists the tools";
    match error {
        CallError::Unknown { near, .. } => {
            let near = near.as_ref().map(|near| format!("did you mean `{near}`? {list}"));
            Failure::of(Exit::NotFound, error).fix(near.unwrap_or_else(|| list.to_owned()))
        }
        CallError::NotCallable(_) => Failure::of(Exit::Usage, error).fix(list),
        CallError::Arguments { tool, .. } => Failure::of(Exit::Usage, error)
            .fix(format!("`palisade tool show {tool}` says what it takes")),
        CallError::Unanswered(error) => unanswered(error),
        CallError::History(error) => session::history_failure(error),
    }
}

/// The owner could not be asked, or refused.
pub(super) fn unasked(error: &ClientError) -> Failure {
    Failure::of(error.into(), error).fix("`palisade runs list` says whether it was begun")
}
