//! A call that may run once others have approved it: what the rules ask for, and what can be put before a person.
//! Nothing waits here and nobody is asked; the owner makes a request of it, or refuses.

use engine::policy::{Approve, Decision};
use engine::run::{Digest, Guard, StoppedBy};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Admitted, Gate};

/// Longest arguments that can be put before an approver, in bytes of JSON: nobody reads more.
const SHOWN_BYTES_MAX: usize = 64 * 1024;

/// A call that needs a review, in its one form.
#[derive(Debug, Clone, PartialEq)]
pub struct Reviewed {
    /// What runs once it is approved.
    pub admitted: Admitted,
    /// What the rules ask for, all at once.
    pub approve: Approve,
    /// A line for each rule that asks.
    pub reasons: Vec<Box<str>>,
}

impl Reviewed {
    pub(super) fn new(decision: &Decision, admitted: Admitted) -> Self {
        let line = |rule: &str, reason: Option<&str>| match reason {
            Some(reason) => format!("{rule}: {reason}").into(),
            None => rule.into(),
        };
        let why = &decision.reasons;
        Self {
            approve: decision.approve.clone().unwrap_or_default(),
            reasons: why.iter().map(|why| line(&why.rule, why.reason.as_deref())).collect(),
            admitted: Admitted { reviewed: why.clone(), ..admitted },
        }
    }

    /// The call as one that cannot wait for anybody, with its decision.
    #[must_use]
    pub fn unanswered(self) -> (StoppedBy, Value) {
        let detail = format!("{}; this call cannot wait for an approval", self.reasons.join("; "));
        (
            stopped(self.admitted.reviewed.first().map_or("review", |why| &why.rule), detail),
            self.admitted.decision,
        )
    }
}

/// A review that cannot take place.
pub(crate) fn stopped(name: &str, detail: String) -> StoppedBy {
    StoppedBy { kind: Guard::Approval, name: name.into(), detail: detail.into() }
}

impl Gate {
    /// SHA-256 of the definition of the call's tool, where the call can be put before a person.
    ///
    /// # Errors
    /// Why it cannot: then nobody can approve it.
    pub(crate) fn presentable(&self, admitted: &Admitted) -> Result<Digest, StoppedBy> {
        let shown = admitted.arguments.to_string().len();
        if shown > SHOWN_BYTES_MAX {
            let detail = format!(
                "{shown} bytes of arguments are more than the {SHOWN_BYTES_MAX} that can be reviewed"
            );
            return Err(stopped("review", detail));
        }
        let tool = self.catalogue.tool(&admitted.tool);
        let definition = tool.and_then(|tool| serde_json::to_vec(tool).ok());
        let unknown =
            || stopped("review", format!("the definition of `{}` cannot be read", admitted.tool));
        Ok(Digest(Sha256::digest(definition.ok_or_else(unknown)?).into()))
    }
}
