//! From the wish to change the policy to the direct call that does it.
//!
//! The node reads the new policy itself and works out itself what would change: nothing of what the one who asks says
//! about it is taken over, only held against it.

use std::path::PathBuf;
use std::sync::mpsc::Sender;

use engine::run::{Digest, Event};
use serde::{Deserialize, Serialize};

use super::replace::stands;
use super::{AmendError, Amendment, RECENT_CALLS};
use crate::call::document;
use crate::gate::Principal;
use crate::history::Calls;
use crate::node::{Accepted, Desk};
use crate::policy::{self, InForce};
use crate::projection::{self, Document};
use crate::{clock, record, tool};

/// A wish to change the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amend {
    /// The file with the new policy, absolute.
    pub file: PathBuf,
    /// What was shown of the change: [`Amendment::shown`].
    pub shown: Digest,
    /// How whoever asks has confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// The agent that asks, where it is not the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// How whoever asks for a change has confirmed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    /// With a plain yes.
    Yes,
    /// By typing this.
    Phrase(String),
}

impl Desk {
    /// Asks in the name of `principal` for a change of the policy, and registers `watcher` for its events.
    ///
    /// # Errors
    /// [`AmendError`]; then nothing is asked of anybody.
    pub fn amend(
        &self,
        principal: &Principal,
        wanted: &Amend,
        watcher: Option<Sender<Event>>,
    ) -> Result<Accepted, AmendError> {
        let file = self.policy_file().ok_or(AmendError::NoFile)?;
        let gate = self.gate();
        if stands(file, gate.catalogue())? != Digest(gate.policy().digest()) {
            return Err(AmendError::ByHand(file.display().to_string()));
        }
        let after = policy::load(Some(&wanted.file))?;
        let calls = Calls { since: None, limit: RECENT_CALLS };
        let history = self.history()?;
        let amendment = Amendment::weigh(gate.policy(), &after, history.calls(calls)?)?;
        if amendment.shown() != wanted.shown {
            return Err(AmendError::Moved);
        }
        let confirmed = confirmed(&amendment, wanted.confirmation.as_ref())?;
        let agent = wanted.agent.as_deref().map(|id| self.agent(id)).transpose()?;
        let (file, name) = (file.display().to_string(), wanted.file.display().to_string());
        let arguments = amendment.arguments(&file, &name, confirmed);
        let mut submission = document::deed(tool::POLICY_UPDATE, arguments)?;
        submission.agent = agent;
        self.is_open()?;
        if history.document(projection::POLICY, amendment.policy)?.is_none() {
            self.propose(principal, &amendment, after)?;
        }
        Ok(self.place(principal, submission, watcher, Vec::new())?)
    }

    /// Puts the text of a new policy on record, so that what is approved is what is written.
    fn propose(
        &self,
        principal: &Principal,
        amendment: &Amendment,
        after: InForce,
    ) -> Result<(), AmendError> {
        let Some(source) = after.source else { return Err(AmendError::NoFile) };
        let document = Document { digest: amendment.policy, name: source.name, text: source.text };
        let mut draft = record::node_draft(projection::PROPOSED_KIND, &document, clock::now());
        draft.principal.clone_from(&principal.id);
        let row = projection::document_row(projection::POLICY, &document);
        Ok(self.record(vec![draft], vec![row])?)
    }
}

/// What is on record of a confirmation; where much breaks, only the right phrase is one.
fn confirmed(
    amendment: &Amendment,
    given: Option<&Confirmation>,
) -> Result<Option<&'static str>, AmendError> {
    let Some(phrase) = amendment.phrase() else { return Ok(given.map(|_| "yes")) };
    match given {
        Some(Confirmation::Phrase(typed)) if *typed == phrase => Ok(Some("phrase")),
        _ => Err(AmendError::Phrase { count: amendment.breaking(), phrase }),
    }
}
