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
            (StepState::Denied, Some(Guard::Policy)) => format!(
                "the policy has to allow it: `{again} policy explain {tool} -a NAME=VALUE` says what each rule wants"
            ),
            (StepState::AwaitingApproval, _) => {
                format!("`{again} approval list` says whose, and for how long")
            }
            _ => format!("`{again} runs show {run}` says how it was held and what stopped it"),
        };
        let failure = Failure::new(Exit::RunFailed, format!("the call of `{tool}` {became}"));
        self.why().into_iter().fold(failure, Failure::because).fix(fix)
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
