//! Starting a node: journal, policy, gate, the runs that go on, the first records.
//! Everything that can be refused is refused before the first record; what runs after that is in `dispatcher`.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use engine::policy::{Policy, document::Source};
use engine::run::{Digest, Event, RunId};
use journal::tlog::NodeKeyError;
use journal::{Journal, LogId, OpenError, Reader};
use serde_json::json;

use super::desk::Counter;
use super::dispatcher::{Dispatcher, Unanswered};
use super::{Desk, Node, Submission};
use crate::audit::SignedError;
use crate::change::MergeRefused;
use crate::executor::{Executor, Real};
use crate::extension::{Extension, ExtensionError, Settings};
use crate::gate::{self, Gate, Principal, Principals, Standing};
use crate::history::{self, History, HistoryError};
use crate::layout::{Layout, LayoutError};
use crate::owner::{Doing, Moment, Owner, Turn};
use crate::peer::{Door, Patience};
use crate::projection::{self, Document, VIEWS};
use crate::secrecy::{Redaction, Secrecy, SecrecyError};
use crate::storage::Watch;
use crate::tickets::Book;
use crate::tickets::keys::Keys;
use crate::{amendment, audit, clock, record};

/// What a node is started with.
#[derive(Debug)]
pub struct Options {
    /// Where.
    pub layout: Layout,
    /// On whose behalf.
    pub principal: Principal,
    /// Who is registered.
    pub principals: Principals,
    /// The policy in force, with its text where it has one.
    pub policy: (Arc<Policy>, Option<Source>),
    /// The file that policy was read from, which a change of the policy replaces; none where there is no such file.
    pub policy_file: Option<PathBuf>,
    /// The program that is asked after the rules, where there is one.
    pub extension: Option<PathBuf>,
    /// The caller's home folder: `~` in mount sources.
    pub home: Option<PathBuf>,
    /// This program itself, which also serves as the egress proxy; without it no step reaches a host.
    pub program: Option<PathBuf>,
    /// The files of configuration that this process reads where they are, for no program to write.
    pub configuration: Vec<PathBuf>,
    /// Attempts that run at a time.
    pub slots: u32,
    /// The oldest generation of Landlock on which programs run.
    pub landlock_floor: u32,
    /// What is kept out of records.
    pub redaction: Redaction,
    /// Bytes the journal may have before new calls are refused.
    pub journal_most: Option<u64>,
    /// How attempts are done.
    pub doing: Doing,
    /// Which recorded runs go on.
    pub adopt: Adopt,
    /// Who sees the events of a run from the first on.
    pub watcher: Option<(RunId, Sender<Event>)>,
}

impl Options {
    /// The files that decide how such a node starts.
    fn startup(&self) -> Vec<PathBuf> {
        let own = [&self.policy_file, &self.extension, &self.program];
        own.into_iter().flatten().chain(&self.configuration).cloned().collect()
    }
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
    /// The key that signs checkpoints cannot be used.
    #[error(transparent)]
    Key(#[from] NodeKeyError),
    /// A run cannot be taken up.
    #[error("run `{run}` cannot be taken up: {reason}")]
    Run {
        /// The run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// The policy extension cannot be used.
    #[error(transparent)]
    Extension(#[from] ExtensionError),
    /// A recorded run cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Secrets cannot be kept out of records.
    #[error(transparent)]
    Secrecy(#[from] SecrecyError),
    /// It cannot be seen which merges were interrupted.
    #[error("merges that were interrupted cannot be looked for")]
    Merge(#[from] MergeRefused),
    /// The rows of what calls have used do not follow from each other.
    #[error("what is used of limits is not known: {0}")]
    Limits(String),
    /// The machine refuses something every node needs.
    #[error("the node cannot start: {0}")]
    System(String),
}

impl From<SignedError> for StartError {
    fn from(error: SignedError) -> Self {
        match error {
            SignedError::Key(error) => Self::Key(error),
            SignedError::Open(error) => Self::Journal(error),
            other => Self::System(other.to_string()),
        }
    }
}

impl Node {
    /// Becomes the owner of a project and takes up the runs that are to go on.
    ///
    /// # Errors
    /// See [`StartError`]; [`OpenError::Busy`] when another process owns the project.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let startup = options.startup();
        let Options { layout, principal, policy, home, program, slots, redaction, .. } = options;
        let (landlock_floor, doing, file) =
            (options.landlock_floor, options.doing, options.policy_file);
        let (adopt, watcher, principals) = (options.adopt, options.watcher, options.principals);
        let journal_most = options.journal_most;
        layout.create()?;
        let extension = extension(options.extension, &layout, landlock_floor)?;
        let notary = audit::notary(&layout)?;
        let signed = audit::found(&notary);
        let options = journal::Options::new(layout.journal(), VIEWS);
        let journal = Arc::new(Journal::open_signing(options, notary)?);
        unchanged(file.as_deref(), policy.1.as_ref())?;
        // Only the owner draws a key: of two that drew one at the same time, one would go on with a key that is lost.
        let secrecy = Arc::new(Secrecy::open(&layout, &redaction)?);
        let (policy, policy_text) = policy;
        let history = history(&layout, &journal)?;
        let asked = (extension, secrecy.tagger());
        let gate = Arc::new(gate((&layout, home), policy, &history, asked)?.with_startup(startup));
        let mut owner = Owner::new(Arc::clone(&gate), slots, doing);
        let adopt = amendment::also(adopt, &history)?;
        take_up_all(&mut owner, &history, &principals, &adopt)?;
        let mut first = Turn::new(moment().map_err(StartError::System)?);
        first_records(&history, &gate, policy_text, (journal.epoch(), signed), &mut first)?;
        let watch = watch((&layout, journal_most), &history, &mut first)?;
        let in_doubt = take_over(&mut owner, journal.epoch(), file.as_deref(), &mut first)?;
        let executor = executor(doing, || {
            let own = (program, owner.isolation());
            Real::new(&layout, Arc::clone(&journal), own, Arc::clone(&secrecy), &gate)
                .with_policy_file(file.clone())
                .with_landlock_floor(landlock_floor)
        });
        // Without a bound of its own, because the journal's writer must never block on it. It stays short all the
        // same: an asker waits for its answer, reports are bounded by the slots and answers by the journal's queue.
        let (outbox, inbox) = channel();
        let standing = Arc::new(Standing::new(gate));
        let dispatcher = Dispatcher {
            owner,
            standing: Arc::clone(&standing),
            journal: Arc::clone(&journal),
            log: log(),
            executor,
            inbox,
            outbox: outbox.clone(),
            watch,
            watchers: watcher.into_iter().collect(),
            in_flight: VecDeque::new(),
        };
        let thread = spawned(dispatcher, first)?;
        let stood = (Arc::clone(&standing), Arc::clone(&secrecy));
        let counter = Counter::new(file, stood, principals, journal_most);
        let desk = Desk::new(layout.clone(), Arc::clone(&journal), outbox.clone(), counter);
        let door = Door::open(&layout.peer(), desk.clone(), Patience::default());
        let mut node = Self {
            layout,
            journal,
            outbox,
            dispatcher: Some(thread),
            principal,
            standing,
            secrecy,
            gone_on: Vec::new(),
            in_doubt,
            desk,
            door: Some(door),
        };
        if doing != Doing::Nothing {
            node.gone_on = node.merging().go_on()?;
        }
        Ok(node)
    }
}

/// What happened so far, under epochs that are all below this owner's.
fn history(layout: &Layout, journal: &Journal) -> Result<History, StartError> {
    let history = History::open(layout)?;
    audit::rises(history.reader(), history.log(), journal.epoch())?;
    Ok(history)
}

/// What carries out attempts.
fn executor(doing: Doing, real: impl FnOnce() -> Real) -> Executor {
    match doing {
        Doing::Nothing => Executor::Nothing,
        Doing::Really | Doing::Unsafe => {
            // What cannot be removed now is tried again by the next node; nobody waits for it.
            let _swept = sandbox::sweep();
            Executor::Real(Arc::new(real()))
        }
    }
}

/// What keeps an eye on storage, and what was crossed since it was last said.
fn watch(
    (layout, most): (&Layout, Option<u64>),
    history: &History,
    turn: &mut Turn,
) -> Result<Watch, HistoryError> {
    let mut watch = Watch::new(layout.clone(), most, history.reader())?;
    for (draft, change) in watch.look(turn.now()) {
        turn.draft(draft);
        turn.change(change);
    }
    Ok(watch)
}

/// The extension, answering, where there is one.
fn extension(
    program: Option<PathBuf>,
    layout: &Layout,
    landlock_floor: u32,
) -> Result<Option<Arc<Extension>>, ExtensionError> {
    let Some(program) = program else { return Ok(None) };
    let settings = Settings { program, empty: layout.empty(), landlock_floor };
    Extension::start(settings).map(|extension| Some(Arc::new(extension)))
}

/// Makes the project this node's, and settles what the one before it left in doubt, as far as that can be told. The
/// runs of which it cannot.
fn take_over(
    owner: &mut Owner,
    epoch: u64,
    policy_file: Option<&Path>,
    turn: &mut Turn,
) -> Result<Vec<RunId>, StartError> {
    let epoch = u32::try_from(epoch).unwrap_or(u32::MAX);
    owner.recover(epoch, turn).map_err(|error| StartError::System(error.to_string()))?;
    amendment::settle(owner, policy_file, turn).map_err(StartError::System)
}

/// The dispatcher on a thread of its own, which begins with `first`.
fn spawned(
    dispatcher: Dispatcher,
    first: Turn,
) -> Result<JoinHandle<Result<(), String>>, StartError> {
    std::thread::Builder::new()
        .name("dispatcher".to_owned())
        .spawn(move || dispatcher.run(first))
        .map_err(|error| StartError::System(error.to_string()))
}

/// That the file still holds the policy that was read from it: the owner before this one may have replaced it since.
fn unchanged(file: Option<&Path>, read: Option<&Source>) -> Result<(), StartError> {
    let (Some(file), Some(read)) = (file, read) else { return Ok(()) };
    match std::fs::read(file) {
        Ok(bytes) if bytes == read.text.as_bytes() => Ok(()),
        _ => Err(StartError::System(format!(
            "the policy in `{}` was changed while this process started; start it again",
            file.display()
        ))),
    }
}

/// The gate of a project, with everything that is asked.
fn gate(
    (layout, home): (&Layout, Option<PathBuf>),
    policy: Arc<Policy>,
    history: &History,
    (extension, tagger): (Option<Arc<Extension>>, redaction::Tagger),
) -> Result<Gate, StartError> {
    let catalogue = gate::catalogue().map_err(|error| StartError::System(error.to_string()))?;
    let gate = Gate::new(layout.project().to_path_buf(), home, policy, catalogue);
    let book = book(layout, history.reader())?;
    let gate = gate.map_err(StartError::System)?.with_extension(extension);
    let gate = gate.with_state(layout.state());
    Ok(gate.with_book(book).with_tagger(tagger))
}

/// What is known of tickets.
fn book(layout: &Layout, reader: &Reader) -> Result<Book, StartError> {
    let keys = Keys::read(layout).and_then(|keys| keys.keyring());
    Book::open(keys, reader, clock::now())
        .map_err(|error| StartError::System(format!("tickets cannot be read back: {error}")))
}

/// The log of this build: one tenant, one shard.
pub(crate) fn log() -> LogId {
    LogId::default()
}

fn moment() -> Result<Moment, String> {
    Ok(Moment { now: clock::now(), entropy: clock::entropy().map_err(|error| error.to_string())? })
}

/// Brings back what is used of limits, and the runs that go on.
fn take_up_all(
    owner: &mut Owner,
    history: &History,
    principals: &Principals,
    adopt: &Adopt,
) -> Result<(), StartError> {
    let Adopt::Runs(runs) = adopt else { return recall(owner, history, &[]) };
    recall(owner, history, runs)?;
    runs.iter().try_for_each(|run| take_up(owner, history, principals, *run))
}

fn recall(owner: &mut Owner, history: &History, runs: &[RunId]) -> Result<(), StartError> {
    let mut live: BTreeSet<RunId> = history.open_runs()?.into_iter().collect();
    live.extend(runs);
    owner.recall(history.charges()?, &live).map_err(StartError::Limits)
}

fn take_up(
    owner: &mut Owner,
    history: &History,
    principals: &Principals,
    run: RunId,
) -> Result<(), StartError> {
    let recorded = history.recorded(run)?;
    let principal = principals.named(&recorded.submission.principal);
    owner
        .adopt(&recorded.document, principal, &recorded.events)
        .map_err(|reason| StartError::Run { run, reason })
}

/// That this node started, and its policy where the journal does not have it yet.
fn first_records(
    history: &History,
    gate: &Gate,
    policy_text: Option<Source>,
    (epoch, signed): (u64, Vec<audit::Told>),
    turn: &mut Turn,
) -> Result<(), StartError> {
    let now = turn.now();
    let digest = Digest(gate.policy().digest());
    let body = json!({
        "type": record::STARTED_KIND,
        "version": env!("CARGO_PKG_VERSION"),
        "epoch": epoch,
        "process": std::process::id(),
        "policy": digest,
        "signed": signed,
    });
    turn.draft(record::node_draft(record::STARTED_KIND, &body, now));
    audit::signed_rows(&signed).into_iter().for_each(|row| turn.change(row));
    if let Some(source) = policy_text
        && history.document(projection::POLICY, digest)?.is_none()
    {
        let document = Document { digest, name: source.name, text: source.text };
        turn.draft(record::node_draft(projection::POLICY_KIND, &document, now));
        turn.change(projection::document_row(projection::POLICY, &document));
    }
    Ok(())
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
