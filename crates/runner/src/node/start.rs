//! Starting a node: journal, policy, gate, the runs that go on, the first records.
//! Everything that can be refused is refused before the first record; what runs after that is in `dispatcher`.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use engine::policy::{Policy, document::Source};
use engine::run::{Digest, Event, RunId};
use journal::{Journal, LogId, OpenError, Reader};
use serde_json::json;

use super::dispatcher::{Dispatcher, Message, Unanswered};
use super::{Node, Submission, serve};
use crate::control::{ListenError, Listener};
use crate::executor::{Executor, Real};
use crate::gate::{self, Gate, Principal};
use crate::history::{self, History, HistoryError};
use crate::layout::{Layout, LayoutError};
use crate::owner::{Doing, Moment, Owner, Turn};
use crate::projection::{self, Document, VIEWS};
use crate::{clock, record};

/// Event type of a node's first record.
const STARTED_KIND: &str = "node.started";

/// What a node is started with.
#[derive(Debug)]
pub struct Options {
    /// Where.
    pub layout: Layout,
    /// On whose behalf.
    pub principal: Principal,
    /// The policy in force, with its text where it has one.
    pub policy: (Arc<Policy>, Option<Source>),
    /// The caller's home folder: `~` in mount sources.
    pub home: Option<PathBuf>,
    /// This program itself, which also serves as the egress proxy; without it no step reaches a host.
    pub program: Option<PathBuf>,
    /// Attempts that run at a time.
    pub slots: u32,
    /// The oldest generation of Landlock on which programs run.
    pub landlock_floor: u32,
    /// How attempts are done.
    pub doing: Doing,
    /// Which recorded runs go on.
    pub adopt: Adopt,
    /// Who sees the events of a run from the first on.
    pub watcher: Option<(RunId, Sender<Event>)>,
}

/// Which recorded runs a node takes up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adopt {
    /// None: they stay as they are.
    Nothing,
    /// These, ended or not.
    Runs(Vec<RunId>),
}

/// Why a node cannot start. Nothing was changed but the journal's epoch.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The project folder cannot be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// A run cannot be taken up.
    #[error("run `{run}` cannot be taken up: {reason}")]
    Run {
        /// The run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// A recorded run cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The control socket cannot be opened.
    #[error(transparent)]
    Control(#[from] ListenError),
    /// The machine refuses something every node needs.
    #[error("the node cannot start: {0}")]
    System(String),
}

impl Node {
    /// Becomes the owner of a project and takes up the runs that are to go on.
    ///
    /// # Errors
    /// See [`StartError`]; [`OpenError::Busy`] when another process owns the project.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let Options { layout, principal, policy, home, program, slots, .. } = options;
        let (landlock_floor, doing) = (options.landlock_floor, options.doing);
        let (adopt, watcher) = (options.adopt, options.watcher);
        layout.create()?;
        let journal = Arc::new(Journal::open(journal::Options::new(layout.journal(), VIEWS))?);
        let system = |error: String| StartError::System(error);
        let catalogue = gate::catalogue().map_err(|error| system(error.to_string()))?;
        let (policy, policy_text) = policy;
        let gate =
            Gate::new(layout.project().to_path_buf(), home, policy, catalogue).map_err(system)?;
        let gate = Arc::new(gate);
        let mut owner = Owner::new(Arc::clone(&gate), slots, doing);
        let history = History::open(&layout)?;
        if let Adopt::Runs(runs) = &adopt {
            for run in runs {
                take_up(&mut owner, &history, *run)?;
            }
        }
        let epoch = journal.epoch();
        let mut first = Turn::new(moment().map_err(system)?);
        first_records(&history, &gate, policy_text, epoch, &mut first)?;
        owner
            .recover(u32::try_from(epoch).unwrap_or(u32::MAX), &mut first)
            .map_err(|error| system(error.to_string()))?;
        let executor = match doing {
            Doing::Nothing => Executor::Nothing,
            Doing::Really | Doing::Unsafe => {
                // What cannot be removed now is tried again by the next node; nobody waits for it.
                let _swept = sandbox::sweep();
                let real = Real::new(&layout, Arc::clone(&journal), program, owner.isolation());
                Executor::Real(Arc::new(real.with_landlock_floor(landlock_floor)))
            }
        };
        // Without a bound of its own, because the journal's writer must never block on it. It stays short all the
        // same: an asker waits for its answer, reports are bounded by the slots and answers by the journal's queue.
        let (outbox, inbox) = channel();
        let dispatcher = Dispatcher {
            owner,
            journal: Arc::clone(&journal),
            log: log(),
            executor,
            inbox,
            outbox: outbox.clone(),
            watchers: watcher.into_iter().collect(),
            in_flight: VecDeque::new(),
        };
        let thread = std::thread::Builder::new()
            .name("dispatcher".to_owned())
            .spawn(move || dispatcher.run(first))
            .map_err(|error| system(error.to_string()))?;
        let control = listen(&layout, &outbox)?;
        let mut node = Self {
            layout,
            journal,
            outbox,
            dispatcher: Some(thread),
            principal,
            gate,
            gone_on: Vec::new(),
            control,
        };
        if doing != Doing::Nothing {
            node.gone_on = node.merging().go_on();
        }
        Ok(node)
    }
}

/// The log of this build: one tenant, one shard.
pub(crate) fn log() -> LogId {
    LogId::default()
}

fn moment() -> Result<Moment, String> {
    Ok(Moment { now: clock::now(), entropy: clock::entropy().map_err(|error| error.to_string())? })
}

fn take_up(owner: &mut Owner, history: &History, run: RunId) -> Result<(), StartError> {
    let recorded = history.recorded(run)?;
    let principal = Principal::recorded(&recorded.submission.principal);
    owner
        .adopt(&recorded.document, principal, &recorded.events)
        .map_err(|reason| StartError::Run { run, reason })
}

/// That this node started, and its policy where the journal does not have it yet.
fn first_records(
    history: &History,
    gate: &Gate,
    policy_text: Option<Source>,
    epoch: u64,
    turn: &mut Turn,
) -> Result<(), StartError> {
    let now = turn.now();
    let digest = Digest(gate.policy().digest());
    let body = json!({
        "type": STARTED_KIND,
        "version": env!("CARGO_PKG_VERSION"),
        "epoch": epoch,
        "process": std::process::id(),
        "policy": digest,
    });
    turn.draft(record::node_draft(STARTED_KIND, &body, now));
    if let Some(source) = policy_text
        && history.document(projection::POLICY, digest)?.is_none()
    {
        let document = Document { digest, name: source.name, text: source.text };
        turn.draft(record::node_draft(projection::POLICY_KIND, &document, now));
        turn.change(projection::document_row(projection::POLICY, &document));
    }
    Ok(())
}

/// The control socket; a project so deep that its path is too long for a socket goes without.
fn listen(layout: &Layout, outbox: &Sender<Message>) -> Result<Option<Listener>, StartError> {
    const SOCKET_PATH_BYTES: usize = 107;
    let path = layout.control();
    if path.as_os_str().len() > SOCKET_PATH_BYTES {
        return Ok(None);
    }
    let outbox = outbox.clone();
    Ok(Some(Listener::open(path, move |peer, request| serve(&outbox, peer, request))?))
}

/// What the journal knows of a submission already.
pub(super) struct Known {
    pub(super) first_seen: bool,
    pub(super) holder: Option<history::Holder>,
}

pub(super) fn known(
    reader: &Reader,
    submission: &Submission,
    principal: &Principal,
) -> Result<Known, Unanswered> {
    let failed = |error: HistoryError| Unanswered::Journal(error.to_string());
    let digest = Digest(submission.workflow.digest);
    let first_seen = history::text(reader, projection::WORKFLOW, digest).map_err(failed)?.is_none();
    let holder = match &submission.key {
        Some(key) => history::holder(reader, &principal.id, key).map_err(failed)?,
        None => None,
    };
    Ok(Known { first_seen, holder })
}
