//! `palisade policy explain`: one decision with the outcome of each condition, for a call that is described or one
//! that is on record. Nothing is decided anew of a recorded call: the rules that were in force then are asked again.

use runner::Layout;
use runner::gate::{self, Asked, Gate, Principal, Principals, Session};
use runner::history::HistoryError;
use runner::policy::{Explanation, InForce, Layer, Truth, Verdict};
use serde_json::{Map, Value, json};

use crate::arguments::{Explain, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table, Tone, paint};
use crate::session;

/// What the names of rules begin with that are not the policy's own.
const BUILTIN: &str = "builtin:";

pub(super) fn run(global: &Global, command: &Explain) -> Result<Exit, Failure> {
    match (&command.tool, command.record) {
        (Some(tool), None) => described(global, command, tool),
        (None, Some(sequence)) => recorded(global, sequence),
        // The arguments allow one of them.
        (Some(_), Some(_)) | (None, None) => {
            Err(Failure::new(Exit::Usage, "name a tool or a record").fix("`palisade help policy`"))
        }
    }
}

fn recorded(global: &Global, sequence: u64) -> Result<Exit, Failure> {
    let (history, _) = session::history(global)?;
    let told = history.decided(sequence).map_err(|error| match &error {
        HistoryError::NoCall { .. } => Failure::of(Exit::NotFound, &error)
            .fix("`palisade audit search --type call.decided` lists the calls on record"),
        HistoryError::NoPolicy { .. } => {
            Failure::of(Exit::Failure, &error).fix("`palisade audit verify` checks the records")
        }
        _ => session::history_failure(&error),
    })?;
    let explanation = told.policy.explain(&told.decided.call.borrowed());
    let recorded = told.decided.decision.get("verdict").unwrap_or(&Value::Null);
    let same = *recorded == json!(explanation.decision.verdict);
    if global.json {
        output::json(&json!({
            "sequence": sequence,
            "recorded": told.decided,
            "same": same,
            "explanation": explanation,
        }));
    } else {
        let (step, call) = (&told.decided.step, &told.decided.call);
        let line = format!("record {sequence}: `{}` of {}, step {step}", call.tool, call.principal);
        output::line(output::printable(&line));
        if !same {
            let why = "a ticket or the extension had a say besides the rules";
            output::line(format!("decided as {}; {why}", output::printable(&recorded.to_string())));
        }
        print(&explanation, Some(&ticket(&told.decided.decision)));
    }
    Ok(code(&explanation))
}

/// What tickets had to do with a decision on record.
fn ticket(decision: &Value) -> String {
    let text = |name: &str| decision.get(name).and_then(Value::as_str).map(output::printable);
    match (text("ticket"), text(gate::TICKET_REFUSED)) {
        (Some(id), _) => format!("ticket {id} took the place of the rules"),
        (None, Some(why)) => format!("refused: {why}"),
        (None, None) => "none was handed in".to_owned(),
    }
}

fn described(global: &Global, command: &Explain, tool: &str) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let in_force = session::policy(session::policy_file(global, &layout)?.as_deref())?;
    let principal = caller(&session::settings(global)?.principals, command);
    let asked = Asked { tool: tool.to_owned(), arguments: arguments(tool, &command.arguments)? };
    let session = Session { mode: command.mode.as_deref(), state: command.state.as_deref() };
    let gate = gate(&layout, in_force)?;
    let explanation = match gate.explain(&principal, session, asked) {
        Ok(explanation) => explanation,
        Err(why) => return Ok(refused(global, tool, &why)),
    };
    let explanation = match session::history_if_any(&layout)? {
        Some(history) => history
            .weigh(explanation, &principal.id, runner::now())
            .map_err(|error| session::history_failure(&error))?,
        // Nothing has happened yet, so nothing is used.
        None => explanation,
    };
    if global.json {
        output::json(&explanation);
    } else {
        print(&explanation, None);
    }
    Ok(code(&explanation))
}

/// Who calls: this process's user, or whoever is named, with what is registered; what is written instead replaces it.
fn caller(registered: &Principals, command: &Explain) -> Principal {
    let mut principal = match &command.principal {
        Some(id) => registered.named(id),
        None => registered.of_this_process(),
    };
    if !command.role.is_empty() {
        principal.roles.clone_from(&command.role);
    }
    if !command.tag.is_empty() {
        principal.tags.clone_from(&command.tag);
    }
    principal
}

/// The gate a call of this project would meet.
fn gate(layout: &Layout, in_force: InForce) -> Result<Gate, Failure> {
    let failed = |why: String| {
        Failure::new(Exit::Failure, "the gate cannot be made")
            .because(why)
            .fix("`palisade doctor` checks this machine")
    };
    let catalogue = gate::catalogue().map_err(|error| failed(error.to_string()))?;
    let (project, home) = (layout.project().to_path_buf(), etcetera::home_dir().ok());
    let gate = Gate::new(project, home, in_force.policy, catalogue).map_err(failed)?;
    Ok(gate.with_state(layout.state()))
}

/// A call that no rule would be asked about.
fn refused(global: &Global, tool: &str, why: &str) -> Exit {
    if global.json {
        output::json(&json!({ "refused": why, "tool": tool }));
        return Exit::Denied;
    }
    let mark = paint("refused", Tone::Bad);
    output::line(format!("{mark}: at validation, before any rule: {}", output::printable(why)));
    if runner::call::tools().iter().any(|known| known.name == tool) {
        output::line(format!("`palisade tool show {tool}` has the arguments that rules see"));
    }
    Exit::Denied
}

fn code(explanation: &Explanation) -> Exit {
    match explanation.outcome() {
        Verdict::Allow => Exit::Ok,
        Verdict::Deny | Verdict::RequireReview => Exit::Denied,
    }
}

/// `name=value` pairs as an object; a value that is JSON is taken as JSON, but where the argument is a text.
fn arguments(tool: &str, pairs: &[String]) -> Result<Value, Failure> {
    let tool = runner::call::tools().iter().find(|known| known.name == tool);
    let is_text = |name: &str| {
        let kind = tool.and_then(|tool| tool.in_rules.pointer(&format!("/properties/{name}/type")));
        kind.is_some_and(|kind| kind == "string")
    };
    let read = |name: &str, text: &str| {
        let json = if is_text(name) { None } else { serde_json::from_str(text).ok() };
        json.unwrap_or_else(|| Value::String(text.to_owned()))
    };
    let mut all = Map::new();
    for pair in pairs {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            Failure::new(Exit::Usage, format!("argument `{pair}` has no `=`"))
                .fix("write it as `--arg name=value`")
        })?;
        all.insert(name.to_owned(), read(name, value));
    }
    Ok(Value::Object(all))
}

/// A text that can be seen, also where it is empty.
fn text(text: &str) -> String {
    if text.is_empty() { "\"\"".to_owned() } else { output::printable(text) }
}

fn truth(outcome: Truth) -> &'static str {
    match outcome {
        Truth::True => "true",
        Truth::False => "false",
        Truth::Unknown => "unknown",
    }
}

/// What the call is held to, and what each layer makes of it.
fn asked(explanation: &Explanation, ticket: Option<&str>) {
    let decision = &explanation.decision;
    if !decision.constraints.is_empty() {
        output::line(format!("  constraints: {}", decision.constraints));
    }
    for limit in &explanation.limits {
        let amount = limit.amount.map_or_else(|| "an unknown amount".to_owned(), |a| a.to_string());
        let used = limit.used.map_or_else(String::new, |used| format!(", {used} used"));
        let over = if limit.fits == Some(false) { ", which is over it" } else { "" };
        output::line(format!(
            "  limit {} of `{}`: {}; this call takes {amount}{used}{over}",
            limit.limit, limit.rule, limit.wanted
        ));
    }
    if let Some(approve) = &decision.approve {
        output::line(format!("  approval: {approve}"));
    }
    for layer in &explanation.layers {
        if let (Layer::Ticket, Some(ticket)) = (layer.layer, ticket) {
            output::line(format!("  ticket: {ticket}"));
            continue;
        }
        let verdict = layer.verdict.map_or("nothing", verdict);
        output::line(format!("  {}: {verdict} ({})", layer.layer, layer.note));
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
        Verdict::RequireReview => "require_review",
    }
}

/// The explanation of a call; `ticket` is what tickets had to do with it, where that is on record.
fn print(explanation: &Explanation, ticket: Option<&str>) {
    let decision = &explanation.decision;
    let outcome = explanation.outcome();
    let tone = match outcome {
        Verdict::Allow => Tone::Good,
        Verdict::Deny => Tone::Bad,
        Verdict::RequireReview => Tone::Busy,
    };
    let over = if outcome == decision.verdict { "" } else { ", but over a limit" };
    output::line(format!("{}: {decision}{over}", paint(verdict(outcome), tone)));
    for reach in &explanation.hosts {
        output::line(format!("  host {}: {}", output::printable(&reach.host), reach.decision));
    }
    asked(explanation, ticket);
    let mut table = Table::new(&["rule", "condition", "wanted", "found", "outcome"]);
    let mut rows = 0;
    for candidate in &explanation.candidates {
        // What every call is spared says nothing about this one.
        let built_in = candidate.rule.starts_with(BUILTIN);
        let said = candidate.conditions.iter();
        let own = said.filter(|condition| !(built_in && condition.outcome == Truth::False));
        let own = own.map(|condition| (candidate.rule.to_string(), condition));
        let excepts = candidate.except.iter().flat_map(|except| {
            let part = format!("{}: except {}", candidate.rule, except.item);
            except.conditions.iter().map(move |condition| (part.clone(), condition))
        });
        for (part, condition) in own.chain(excepts) {
            rows += 1;
            table.row([
                part,
                condition.field.clone(),
                text(&condition.wanted),
                text(&condition.found),
                truth(condition.outcome).to_owned(),
            ]);
        }
    }
    if rows > 0 {
        output::line(format!("\n{}", table.render()));
    }
    for miss in &explanation.nearest {
        output::line(output::near(miss));
    }
}
