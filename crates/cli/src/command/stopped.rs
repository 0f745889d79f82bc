//! How one call is told that did not do what was asked: what, why and what helps, as every failure is.
//! What stopped it was found out by the gate or the sandbox; nothing is judged here.

use runner::{Guard, RunId, StepState, StoppedBy};

use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{guard, printable};
use crate::session;

/// A call of a tool that did not succeed.
pub(super) struct Stopped<'a> {
    /// The tool.
    pub(super) tool: &'a str,
    /// The run it is.
    pub(super) run: RunId,
    /// How it stands or ended.
    pub(super) state: StepState,
    /// What stopped it, where something did.
    pub(super) by: Option<&'a StoppedBy>,
    /// One line for people, which may begin with the state.
    pub(super) line: Option<&'a str>,
}

impl Stopped<'_> {
    /// As a failure; its exit code is the caller's to say.
    pub(super) fn failure(&self, global: &Global) -> Failure {
        let (again, run, tool) = (session::again(global), self.run, printable(self.tool));
        let became = match self.state {
            StepState::Denied => "was denied",
            StepState::AwaitingApproval => "waits for an approval",
            StepState::Cancelled => "was cancelled",
            StepState::TimedOut => "took too long",
            StepState::Unknown => "was interrupted, and whether it took effect is unknown",
            _ => "failed",
        };
        let fix = match (self.state, self.by.map(|by| by.kind)) {
            (StepState::Denied, Some(Guard::Policy)) => self.allowing(&again, &tool),
            (StepState::AwaitingApproval, _) => {
                format!("`{again} approval list` says whose, and for how long")
            }
            _ => format!("`{again} runs show {run}` says how it was held and what stopped it"),
        };
        let failure = Failure::new(Exit::RunFailed, format!("the call of `{tool}` {became}"));
        self.why().into_iter().fold(failure, Failure::because).fix(fix)
    }

    /// What helps where policy denied it.
    fn allowing(&self, again: &str, tool: &str) -> String {
        let by = self.by.map_or(("", ""), |by| (by.name.as_ref(), by.detail.as_ref()));
        match by {
            (name, _) if name.starts_with("builtin:") => {
                "no rule lifts a built-in one: leave away what it is about".to_owned()
            }
            (_, why) if why.starts_with("no ticket, which is required by") => format!(
                "hand in a ticket: `{again} ticket mint --tool {tool}` makes one, where a rule allows `ticket.mint`"
            ),
            _ => format!(
                "the policy has to allow it: `{again} policy explain {tool} -a NAME=VALUE` says what each rule wants"
            ),
        }
    }

    fn why(&self) -> Option<String> {
        if let Some(by) = self.by {
            return Some(guard(by));
        }
        let line = printable(self.line?);
        let said = line.strip_prefix(self.state.name()).unwrap_or(&line).trim_start_matches(": ");
        (!said.is_empty()).then(|| said.to_owned())
    }
}
