//! `palisade approval`: what waits for somebody's approval, and answering it.
//!
//! Through the owning process where there is one, otherwise as the owner for a moment, in which nothing begins. Who
//! may answer is the engine's to say; this file shows and asks, and `requests` knows where.

mod requests;

use runner::history::{ApprovalState, ApprovalTold};
use runner::peer::ClientError;
use runner::{Ruling, Unanswered};
use serde_json::{Value, json};

use crate::arguments::{Approval, Global, Ruled};
use crate::command::run::unanswered;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table, Tone, elapsed, instant, paint, printable};
use crate::session;

/// The argument of a change of the policy that has what changes.
const LINES: &str = "lines";

pub(crate) fn run(global: &Global, command: &Approval) -> Result<Exit, Failure> {
    match command {
        Approval::List { all } => list(global, *all),
        Approval::Show { approval } => show(global, approval),
        Approval::Approve(ruled) => rule(global, ruled, Ruling::Approve),
        Approval::Deny(ruled) => rule(global, ruled, Ruling::Deny),
    }
}

fn list(global: &Global, all: bool) -> Result<Exit, Failure> {
    let told = requests::open(global)?.0.list(all)?;
    let now = runner::now();
    if global.json {
        output::json(&told);
        return Ok(Exit::Ok);
    }
    if told.is_empty() {
        output::talk("nothing waits for an approval");
        return Ok(Exit::Ok);
    }
    let mut table =
        Table::new(&["approval", "state", "tool", "step", "asked by", "given", "expires in"])
            .spare(["given", "step"]);
    for one in &told {
        let (subject, terms) = (&one.request.subject, &one.request.terms);
        let left = terms.expires.0 - now.0;
        let open = matches!(one.state, ApprovalState::Open | ApprovalState::Approved);
        table.row([
            one.request.id.to_string(),
            one.state.name().to_owned(),
            printable(&subject.tool),
            subject.step.to_string(),
            printable(&subject.principal),
            format!("{} of {}", given(one), terms.count),
            if open { elapsed(left) } else { String::new() },
        ]);
    }
    output::line(table.render());
    Ok(Exit::Ok)
}

fn given(told: &ApprovalTold) -> usize {
    told.answers.iter().filter(|answer| answer.approved).count()
}

fn show(global: &Global, written: &str) -> Result<Exit, Failure> {
    let told = requests::open(global)?.0.find(written)?;
    if global.json {
        output::json(&told);
        return Ok(Exit::Ok);
    }
    print(&told);
    if told.state == ApprovalState::Open {
        let (command, id) = (session::again(global), told.request.id);
        output::talk(format!(
            "\n{command} approval approve {id}   lets it run\n{command} approval deny {id} --reason WHY   refuses it"
        ));
    }
    Ok(Exit::Ok)
}

/// Everything that is bound, so that nothing runs that was not shown.
fn print(told: &ApprovalTold) {
    let (request, subject) = (&told.request, &told.request.subject);
    let tone = match told.state {
        ApprovalState::Open | ApprovalState::Approved => Tone::Busy,
        ApprovalState::Consumed => Tone::Good,
        ApprovalState::Denied | ApprovalState::Expired | ApprovalState::Stale => Tone::Bad,
    };
    let line = |name: &str, value: &str| output::line(format!("{name:<10} {value}"));
    line("approval", &request.id.to_string());
    line("state", &paint(told.state.name(), tone));
    if let Some(why) = &told.why {
        line("because", &printable(why));
    }
    line("run", &format!("{}, step {}", subject.run, subject.step));
    let behalf = subject.started_by.as_deref().map(|by| format!(", started by {by}"));
    let asks = format!("{}{}", subject.principal, behalf.unwrap_or_default());
    line("asked by", &format!("{} at {}", printable(&asks), instant(told.requested.0)));
    line("project", &printable(&subject.target));
    line("tool", &format!("{} (sha256:{})", printable(&subject.tool), subject.definition));
    let arguments = subject.arguments.as_object().into_iter().flatten();
    for (name, value) in arguments {
        argument(name, value);
    }
    line("call", &format!("sha256:{}", subject.call));
    line("policy", &format!("sha256:{}", subject.policy));
    for reason in &request.reasons {
        line("because", &printable(reason));
    }
    line("approvers", &format!("{} of {}", request.terms.count, printable(&request.terms.who())));
    line("expires", &instant(request.terms.expires.0));
    line("digest", &format!("sha256:{}", request.digest));
    for answer in &told.answers {
        let word = if answer.approved { "approved" } else { "denied" };
        let colon = if answer.reason.is_empty() { "" } else { ": " };
        let said = format!("by {} at {}{colon}{}", answer.by, instant(answer.at.0), answer.reason);
        line(word, &printable(&said));
    }
}

/// One argument; a list of lines line by line.
fn argument(name: &str, value: &Value) {
    let Some(lines) = value.as_array().filter(|_| name == LINES) else {
        output::line(format!("  {name}: {}", printable(&value.to_string())));
        return;
    };
    output::line(format!("  {name}:"));
    for line in lines {
        let text = line.as_str().map_or_else(|| line.to_string(), str::to_owned);
        output::line(format!("    {}", printable(&text)));
    }
}

fn rule(global: &Global, ruled: &Ruled, ruling: Ruling) -> Result<Exit, Failure> {
    let (mut requests, layout) = requests::open(global)?;
    let told = requests.find(&ruled.approval)?;
    let (approval, reason) = (told.request.id, ruled.reason.clone());
    let refused = |exit: Exit, why: String| {
        Failure::new(exit, format!("approval `{approval}` cannot be answered")).because(why).fix(
            format!(
                "`{} approval show {approval}` says how it stands and who may answer",
                session::again(global)
            ),
        )
    };
    if !matches!(told.state, ApprovalState::Open | ApprovalState::Approved) {
        return Err(refused(Exit::Conflict, format!("it is {}", told.state.name())));
    }
    if told.state == ApprovalState::Approved && ruling == Ruling::Approve {
        return Err(enough(global, &told));
    }
    if told.state == ApprovalState::Approved && ruling == Ruling::Approve {
        return Err(enough(global, &told));
    }
    let asked = json!({ "approval": approval, "ruling": ruling, "reason": reason });
    match requests.rule(&layout, asked) {
        Ok(_) => {}
        Err(ClientError::Refused(fault)) => return Err(refused(fault.code.into(), fault.message)),
        Err(ClientError::NoOwner) => {
            let answered = as_owner(global, &told, ruling, &ruled.reason)?;
            answered.map_err(|why| refused(Exit::Conflict, why))?;
        }
        Err(error) => {
            return Err(Failure::of((&error).into(), &error)
                .fix(format!("`palisade approval show {approval}` says whether it took effect")));
        }
    }
    // By its whole id: a beginning means only what is open.
    tell(global, &requests.find(&approval.to_string())?, session::owned(&layout))
}

/// One more approval than are needed.
fn enough(global: &Global, told: &ApprovalTold) -> Failure {
    let (id, run) = (told.request.id, told.request.subject.run);
    Failure::new(Exit::Conflict, format!("approval `{id}` cannot be answered"))
        .because("it has every approval that it needs")
        .fix(format!(
            "`{again} runs resume {run}` lets its step begin where no process works on it, `{again} approval deny {id}` \
             still refuses it",
            again = session::again(global)
        ))
}

/// Nobody works on the run: take it up only to answer. Nothing of it begins here. Gives why the answer is refused.
fn as_owner(
    global: &Global,
    told: &ApprovalTold,
    ruling: Ruling,
    reason: &str,
) -> Result<Result<(), String>, Failure> {
    let node = session::start_idle(global, told.request.subject.run)?;
    let answered = node.rule(told.request.id, ruling, reason);
    let stopped = node.stop();
    match answered {
        Err(Unanswered::Refused(refusing)) => Ok(Err(refusing.to_string())),
        Err(error) => Err(unanswered(&error)),
        Ok(()) => stopped.map(Ok).map_err(|why| {
            Failure::new(Exit::Failure, "the journal cannot be closed")
                .because(why)
                .fix("make room for the journal; the answer itself is durable")
        }),
    }
}

/// How it stands after the answer.
fn tell(global: &Global, told: &ApprovalTold, owned: bool) -> Result<Exit, Failure> {
    if global.json {
        output::json(told);
        return Ok(Exit::Ok);
    }
    let (id, run) = (told.request.id, told.request.subject.run);
    let (given, needed) = (given(told), told.request.terms.count);
    output::line(format!("approval {id}: {} ({given} of {needed})", told.state.name()));
    if told.state == ApprovalState::Approved && !owned {
        output::talk(format!("next: {} runs resume {run}", session::again(global)));
    }
    Ok(Exit::Ok)
}
