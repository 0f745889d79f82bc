//! Direct calls: one use of one tool without a workflow file.
//!
//! A direct call is a run of one step that is written here (`document`), so that its decision, intent, sandbox,
//! outcome and everything a restart needs are those of any other step. `listing` says which tools there are.

pub(crate) mod document;
mod listing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use engine::expression::{Scope, Status};
use engine::run::{Event, Plan, RunId, RunView, State, StepState, StepView, StoppedBy};
use engine::workflow::{Workflow, resolve};
use serde::Serialize;
use serde_json::{Map, Value};
use ticket::Ticket;

use crate::executor::Stream;
use crate::gate::{Asked, Principal};
use crate::history::{History, HistoryError};
use crate::node::{Desk, Submission, Unanswered};
use crate::{owner, tool};

pub use listing::{Described, tools};

/// Most of each output stream that is part of an answer, in bytes; all of it is in the journal.
pub const STREAM_BYTES: usize = 64 * 1024;
/// Longest text of arguments, in bytes.
const ARGUMENTS_BYTES: usize = 1024 * 1024;
/// Deepest nesting of arguments, themselves included; the gate allows no more.
const ARGUMENTS_DEPTH: usize = 12;
/// How often a wait without news looks whether it is still wanted.
const PAUSE: Duration = Duration::from_millis(100);

/// A call as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The tool's name.
    pub tool: String,
    /// Its arguments, as [`tools`] describes them.
    pub args: Map<String, Value>,
}

/// Why a call is not placed; nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no such tool.
    #[error("there is no tool `{name}`")]
    Unknown {
        /// As given.
        name: String,
        /// The one that was probably meant.
        near: Option<String>,
    },
    /// The tool is asked for by a command of its own.
    #[error("tool `{0}` cannot be called directly{by}", by = asked_by(.0))]
    NotCallable(String),
    /// The arguments are not those of the tool.
    #[error("the arguments do not fit tool `{tool}`: {}", mistakes.join("; "))]
    Arguments {
        /// The tool.
        tool: String,
        /// Everything that is wrong, as `place: message`.
        mistakes: Vec<String>,
    },
    /// The node did not take it.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// The journal cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
}

fn asked_by(tool: &str) -> String {
    tool::command(tool).map_or_else(String::new, |command| format!("; `{command}` does"))
}

impl Call {
    /// The run that the call is.
    ///
    /// # Errors
    /// What is wrong with the call.
    pub fn submission(&self) -> Result<Submission, CallError> {
        let (workflow, inputs) = document::of(self)?;
        let name = document::name(&self.tool);
        Ok(Submission { workflow, name, inputs, key: None, agent: None })
    }

    /// The call as the gate is asked about it.
    ///
    /// # Errors
    /// What is wrong with the call.
    pub(crate) fn asked(&self) -> Result<Asked, CallError> {
        let (workflow, inputs) = document::of(self)?;
        let wrong = |mistakes| CallError::Arguments { tool: self.tool.clone(), mistakes };
        let told = |error: &dyn std::fmt::Display| wrong(vec![error.to_string()]);
        let inputs = workflow
            .check_inputs(&inputs)
            .map_err(|errors| wrong(errors.iter().map(ToString::to_string).collect()))?;
        let values = Scope {
            inputs: &inputs,
            steps: &BTreeMap::new(),
            run_id: "",
            workflow: &workflow.name,
            status: Status::Success,
        };
        let step = workflow.steps.first().ok_or_else(|| told(&"it is no call"))?;
        let call = resolve(step, &values).map_err(|error| told(&error))?;
        Ok(Asked { tool: call.tool, arguments: call.args })
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// The run it is.
    pub run: RunId,
    /// The tool.
    pub tool: String,
    /// How it stands or ended.
    pub state: StepState,
    /// The tool's result; empty for programs and where there is none.
    pub outputs: Map<String, Value>,
    /// The program's exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// One line for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// What stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<StoppedBy>,
    /// What the program wrote, its first [`STREAM_BYTES`]; what is no text is replaced.
    pub stdout: String,
    /// The same of standard error.
    pub stderr: String,
}

/// A call that is placed and followed.
#[derive(Debug)]
pub struct Direct {
    run: RunId,
    tool: String,
    events: Receiver<Event>,
    state: State,
}

impl Direct {
    /// Submits `call` in the name of `principal`; returns when that is durable.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn place(desk: &Desk, principal: &Principal, call: &Call) -> Result<Self, CallError> {
        Self::place_with(desk, principal, call, Vec::new())
    }

    /// As [`Direct::place`], with tickets that the call is held against, as the calls of any run are.
    ///
    /// # Errors
    /// As [`Direct::place`].
    pub fn place_with(
        desk: &Desk,
        principal: &Principal,
        call: &Call,
        tickets: Vec<Ticket>,
    ) -> Result<Self, CallError> {
        let submission = call.submission()?;
        let state = state(&submission.workflow);
        let (watcher, events) = channel();
        let run = desk.submit_with(principal, submission, Some(watcher), tickets)?.run;
        Ok(Self { run, tool: call.tool.clone(), events, state })
    }

    /// Its run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Waits until it ended or waits for a person, at most `patience` and only while nobody is `leaving`. Whether it
    /// still moves by itself.
    pub fn wait(&mut self, patience: Duration, leaving: &dyn Fn() -> bool) -> bool {
        let (state, run) = (&mut self.state, self.run);
        let heard = until_still(&self.events, patience, leaving, &mut |event| match event {
            Some(event) => {
                // What was committed folds; were it not to, the next look at the journal would say so.
                drop(state.apply(event));
                owner::ends_run(event)
            }
            None => state.run(&run).is_some_and(|run| !goes_on(&run.view())),
        });
        heard && self.state.run(&run).is_none_or(|run| goes_on(&run.view()))
    }

    /// How it stands, as far as it was waited for.
    ///
    /// # Errors
    /// When what its program printed cannot be read.
    pub fn told(&self, desk: &Desk) -> Result<Told, HistoryError> {
        let view = self.state.run(&self.run).map(engine::run::Run::view);
        let step = view.as_ref().and_then(|view| view.steps.first());
        // It is durable since it was placed, but nothing of it may have been heard yet.
        let Some(step) = step else { return recorded(&desk.history()?, self.run) };
        let printed = step
            .result
            .as_ref()
            .is_some_and(|result| result.stdout.is_some() || result.stderr.is_some());
        let streams =
            if printed { streams(&desk.history()?, self.run)? } else { Default::default() };
        Ok(told(self.run, &self.tool, step, streams))
    }
}

/// What came of the call that `run` is, as recorded.
///
/// # Errors
/// When the journal cannot be read, or the run is no call.
pub fn recorded(history: &History, run: RunId) -> Result<Told, HistoryError> {
    let view = history.run(run)?.view;
    let none = || HistoryError::NoRun(run.to_string());
    let tool = document::tool(&view.summary.workflow).ok_or_else(none)?;
    let step = view.steps.first().ok_or_else(none)?;
    Ok(told(run, tool, step, streams(history, run)?))
}

/// Reads arguments from a text: one JSON object, without duplicate keys, within the limits of a call.
///
/// # Errors
/// What is wrong with the text.
pub fn read_arguments(text: &str) -> Result<Map<String, Value>, String> {
    let limits = schema::ReadLimits { bytes: ARGUMENTS_BYTES, depth: ARGUMENTS_DEPTH };
    match schema::read(text.as_bytes(), limits).map_err(|error| error.to_string())? {
        Value::Object(arguments) => Ok(arguments),
        _ => Err("it is JSON, but not an object".to_owned()),
    }
}

/// Whether a run that has not ended moves by itself; otherwise it waits for a person.
#[must_use]
pub fn goes_on(view: &RunView) -> bool {
    let moving = view.steps.iter().any(|step| step.state.moves());
    !view.summary.state.is_final() && moving
}

/// Takes events until `still` says so, asked with each event and, without one, now and then. Whether more may come.
pub(crate) fn until_still(
    events: &Receiver<Event>,
    patience: Duration,
    leaving: &dyn Fn() -> bool,
    still: &mut dyn FnMut(Option<&Event>) -> bool,
) -> bool {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let over = match events.recv_timeout(left.min(PAUSE)) {
            Ok(event) => still(Some(&event)),
            Err(RecvTimeoutError::Timeout) => left.is_zero() || leaving() || still(None),
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        if over {
            return true;
        }
    }
}

fn state(workflow: &Arc<Workflow>) -> State {
    let mut state = State::new(u32::MAX);
    state.know(Arc::new(Plan::new(Arc::clone(workflow))));
    state
}

fn told(run: RunId, tool: &str, step: &StepView, [stdout, stderr]: [String; 2]) -> Told {
    let result = step.result.as_ref();
    Told {
        run,
        tool: tool.to_owned(),
        state: step.state,
        outputs: result.map(|result| result.outputs.clone()).unwrap_or_default(),
        exit: result.and_then(|result| result.exit),
        line: step.line.clone(),
        stopped_by: step.stopped_by.clone(),
        stdout,
        stderr,
    }
}

/// The beginning of what a run's program printed.
fn streams(history: &History, run: RunId) -> Result<[String; 2], HistoryError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for piece in history.logs(run, None) {
        let piece = piece?;
        let kept: &mut Vec<u8> = match piece.stream {
            Stream::Stdout => &mut stdout,
            Stream::Stderr => &mut stderr,
        };
        let room = STREAM_BYTES.saturating_sub(kept.len());
        kept.extend(piece.bytes().into_iter().take(room));
        if stdout.len() == STREAM_BYTES && stderr.len() == STREAM_BYTES {
            break;
        }
    }
    Ok([stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
