//! The files a search may look into: decided one by one, as the call itself was.
//! Paths are relative to the project; opening them beneath it is the tool's.

use std::sync::Arc;

use engine::policy::{Extended, Verdict};
use serde_json::Value;

use super::{Admitted, Gate, Principal, call};

/// Which files one admitted call may look into: a search is decided for its folder, and again for each file in it.
#[derive(Debug, Clone)]
pub struct FileFilter {
    gate: Arc<Gate>,
    principal: Arc<Principal>,
    tool: String,
    arguments: Value,
    /// Rules whose review the call passed: they need not be asked again for each file.
    reviewed: Vec<Arc<str>>,
    /// A ticket allowed the folder and everything in it; only the built-in rules are asked again.
    by_ticket: bool,
}

impl FileFilter {
    /// The filter of a call.
    #[must_use]
    pub fn new(gate: Arc<Gate>, principal: Arc<Principal>, admitted: &Admitted) -> Self {
        let (tool, arguments) = (admitted.tool.clone(), admitted.arguments.clone());
        let (reviewed, by_ticket) = (admitted.reviewed.clone(), admitted.by_ticket.is_some());
        Self { gate, principal, tool, arguments, reviewed, by_ticket }
    }

    /// Whether the call would be allowed for this file, relative to the project.
    pub fn allows(&mut self, file: &str) -> bool {
        if let Some(slot) = self.arguments.get_mut("path") {
            *slot = Value::String(file.to_owned());
        }
        let call = call(&self.principal, &self.tool, &self.arguments);
        let decision = match self.by_ticket {
            true => self.gate.policy().authorize(&call, true, &mut |_| Extended::Pass),
            false => self.gate.authorize(&call),
        };
        match decision.verdict {
            Verdict::Allow => true,
            Verdict::RequireReview => {
                decision.reasons.iter().all(|reason| self.reviewed.contains(&reason.rule))
            }
            Verdict::Deny => false,
        }
    }
}
