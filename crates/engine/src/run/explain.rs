//! Why a run waits, from the same code that makes it wait.
//!
//! Every unfinished step is asked what holds it, by the function that `decide` asks before it lets
//! a step start. Nothing is guessed from logs. Where nothing holds a step, only its turn does.

use super::decide::Site;
use super::id::RunId;
use super::progress::{Phase, RunState};
use super::schedule::{Hold, hold};
use super::state::State;
use super::time::Micros;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why a run is where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The run.
    pub run: RunId,
    /// Its state.
    pub state: RunState,
    /// One line why it ended as it did; none while it has not or where it ended well.
    pub failure: Option<Box<str>>,
    /// Every step that has not ended, in the order of the document.
    pub steps: Vec<Waiting>,
}

/// Why one step has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The step.
    pub step: Arc<str>,
    /// What holds it; none when it is next as soon as those before it are taken up.
    pub hold: Option<Hold>,
    /// One line for people.
    pub line: String,
    /// How its last attempt ended, where it had one.
    pub last: Option<String>,
}

impl State {
    /// Why the run is where it is at `now`; none for an unknown run.
    pub fn explain(&self, run: &RunId, now: Micros) -> Option<Explanation> {
        let run = self.run(run)?;
        let open = run.steps().filter(|(_, _, step)| step.outcome().is_none());
        let sites = open.map(|(place, node, step)| Site { run, place, node, step });
        Some(Explanation {
            run: run.id,
            state: run.state(),
            failure: run.conclusion().and_then(|conclusion| conclusion.failure.clone()),
            steps: sites.map(|site| self.waiting(site, now)).collect(),
        })
    }

    fn waiting(&self, site: Site<'_>, now: Micros) -> Waiting {
        let hold = hold(site, now).or_else(|| self.slots_hold());
        let line = match &hold {
            Some(hold) => hold.to_string(),
            None => "ready: waits for its turn".to_owned(),
        };
        let running = matches!(site.step.phase, Phase::Running(_));
        let last = if running { None } else { site.step.line() };
        Waiting { step: site.name(), hold, line, last }
    }
}
