//! The policy extension: a program of the user's, in a sandbox of its own, that is asked after the rules.
//!
//! It is started once and asked over one socket; what it may answer and the bytes are the policy crate's. Nothing it
//! does can let more through by failing: an answer that is late, odd or missing denies the call and ends the process.
//! It is started again once; after a second failure within half a minute it stays off until that time has passed,
//! and every call that would need it is denied. `life` is one process of it.

mod life;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::policy::extension::ANSWER_WITHIN;
use engine::policy::{Call, Extended, ExtensionFault};
use serde_json::{Map, Value};

use life::Life;

/// How long the first answer may take: an interpreter has to start.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Failures closer together than this are one restart apart and no more.
const PATIENCE: Duration = Duration::from_secs(30);
/// The tool of the first question; the answer does not matter, as long as it is one.
const READY: &str = "extension.ready";

/// How an extension is started.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file to execute: a program, or a script with its interpreter in the first line.
    pub program: PathBuf,
    /// An empty folder, shown as its project.
    pub empty: PathBuf,
    /// The oldest generation of Landlock on which it runs.
    pub landlock_floor: u32,
}

/// Why an extension cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ExtensionError {
    /// Its file cannot be found.
    #[error("extension `{}` cannot be read", path.display())]
    Program {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No socket, folder or thread for it.
    #[error("the extension cannot be prepared")]
    System(#[source] std::io::Error),
    /// Its sandbox cannot be built.
    #[error("the extension cannot be started")]
    Launch(#[source] Box<sandbox::LaunchError>),
    /// It runs and does not answer as it should.
    #[error("the extension is no extension: {0}")]
    Answer(ExtensionFault),
}

/// A policy extension in its sandbox.
#[derive(Debug)]
pub struct Extension {
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    life: Option<Life>,
    failures: Failures,
    /// Questions asked so far.
    number: u64,
}

/// The last two failures, the newer one first, by a clock that nobody sets.
#[derive(Debug, Default)]
struct Failures([Option<Instant>; 2]);

impl Failures {
    /// Whether there were too many to start it again.
    fn exhausted(&self, now: Instant) -> bool {
        let recent = |failed: &Instant| now.saturating_duration_since(*failed) < PATIENCE;
        self.0.iter().all(|failed| failed.as_ref().is_some_and(recent))
    }

    fn note(&mut self, now: Instant) {
        self.0 = [Some(now), self.0[0]];
    }
}

impl Extension {
    /// Starts it and waits until it has answered a first question.
    ///
    /// # Errors
    /// [`ExtensionError`]; nothing of it runs then.
    pub fn start(settings: Settings) -> Result<Self, ExtensionError> {
        let program = settings
            .program
            .canonicalize()
            .map_err(|source| ExtensionError::Program { path: settings.program.clone(), source })?;
        let settings = Settings { program, ..settings };
        let life = ready(&settings)?;
        let state = State { life: Some(life), failures: Failures::default(), number: 1 };
        Ok(Self { settings, state: Mutex::new(state) })
    }

    /// What it says of a call. Takes its time limit at most, and that of one start where it has to be started.
    #[must_use]
    pub fn ask(&self, call: &Call<'_>) -> Extended {
        // A panic while asking leaves at worst a process that is asked again.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ask(&self.settings, call, Instant::now())
    }
}

impl State {
    fn ask(&mut self, settings: &Settings, call: &Call<'_>, now: Instant) -> Extended {
        if self.life.is_none() {
            if self.failures.exhausted(now) {
                return Extended::Failed(ExtensionFault::Unavailable);
            }
            match ready(settings) {
                Ok(life) => self.life = Some(life),
                Err(_) => return self.fail(ExtensionFault::Unavailable, now),
            }
        }
        let Some(life) = self.life.as_mut() else {
            return Extended::Failed(ExtensionFault::Unavailable);
        };
        self.number = self.number.wrapping_add(1);
        match life.ask(self.number, call, ANSWER_WITHIN) {
            Ok(answer) => answer,
            // Nothing was sent, so nothing can come.
            Err(ExtensionFault::TooLarge) => Extended::Failed(ExtensionFault::TooLarge),
            Err(fault) => self.fail(fault, now),
        }
    }

    /// Ends the process: whatever it still sends would be taken for the answer to another question.
    fn fail(&mut self, fault: ExtensionFault, now: Instant) -> Extended {
        self.life = None;
        self.failures.note(now);
        Extended::Failed(fault)
    }
}

/// Starts a process of it and asks the first question.
fn ready(settings: &Settings) -> Result<Life, ExtensionError> {
    let args = Value::Object(Map::new());
    let call = Call {
        tool: READY,
        principal: "system:palisade",
        roles: &[],
        tags: &[],
        mode: None,
        state: None,
        args: &args,
    };
    let mut life = Life::start(settings)?;
    life.ask(1, &call, READY_WITHIN).map_err(ExtensionError::Answer)?;
    Ok(life)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_failures_rest_it_for_half_a_minute_whatever_the_clock_on_the_wall_says() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let check = |failed: &[u64], now: u64, exhausted: bool| {
            let mut failures = Failures::default();
            failed.iter().for_each(|seconds| failures.note(at(*seconds)));
            assert_eq!(failures.exhausted(at(now)), exhausted, "{failed:?} at {now}");
        };
        check(&[], 0, false);
        check(&[1], 1, false);
        check(&[1, 2], 2, true);
        check(&[1, 2], 30, true);
        check(&[1, 2], 31, false);
        check(&[1, 20], 31, false);
        check(&[1, 20, 31], 49, true);
        check(&[1, 20, 31], 50, false);
    }
}
