//! The journal as a service: many callers, one writer thread, commits in groups without a timer.
//!
//! While one group is being flushed the next one gathers in the `queue`; whatever is waiting when the
//! flush ends becomes the next group. Callers are slowed when the queue is full; nothing is dropped.
//! `thread` is the loop, `housekeeper` keeps the write-ahead log short, `signing` the checkpoints fresh.

mod housekeeper;
mod queue;
mod signing;
mod thread;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

pub use queue::{
    GROUP_BYTES_MAX, GROUP_OPERATIONS_MAX, Lane, QUEUE_BYTES_MAX, QUEUE_OPERATIONS_MAX,
};

use self::housekeeper::Housekeeper;
use self::queue::{Errand, Queue, Ticket};
use crate::artifact::ArtifactStore;
use crate::error::{CommitError, OpenError, Refusal, StorageError};
use crate::operation::{Committed, Operation, Outside, Plan};
use crate::place::Placement;
use crate::reader::{Notice, Reader, Subscription};
use crate::record::LogId;
use crate::store::{Options, Reserve, Stats, Store};
use crate::tlog::{Notary, Signer, reaches};

/// A handle to a running journal. Clones share one writer; it ends when the last one is dropped or
/// [`Journal::close`] is called.
#[derive(Debug, Clone)]
pub struct Journal {
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    board: Arc<Board>,
    writer: Mutex<Option<JoinHandle<Result<(), StorageError>>>>,
    path: PathBuf,
    placement: Placement,
    views: &'static [&'static str],
    artifacts: Option<ArtifactStore>,
    reserve: Option<Reserve>,
    epoch: u64,
}

/// What callers and the writer thread see of each other.
#[derive(Debug, Default)]
struct Board {
    queue: Queue,
    notice: Arc<Notice>,
    stats: Mutex<Stats>,
    /// Why the last records were not signed at closing.
    unsigned: Mutex<Option<String>>,
}

impl Journal {
    /// Opens the database for writing, becomes its owner and starts the writer.
    ///
    /// # Errors
    /// As [`Store::open`]; also when a thread cannot be started.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let store = Store::open(options.clone())?;
        Self::start(store, options, None)
    }

    /// As [`Journal::open`], with checkpoints that are signed: one second after a record at the latest,
    /// sooner when 1 000 have come, ten times a second at most, and at closing.
    ///
    /// # Errors
    /// As [`Journal::open`]; also when the journal does not reach what its node has signed. On a
    /// simulated disk nothing is signed.
    pub fn open_signing(options: Options, notary: Notary) -> Result<Self, OpenError> {
        let store = Store::open(options.clone())?;
        reaches(&notary, &store.checkpoints())?;
        let signer = match options.placement.checkpoint_path(store.path()) {
            None => None,
            Some(file) => {
                let reader = Reader::open_at(store.path(), &options.placement);
                Some(Signer::new(notary, reader?, &file, store.trees().clone()))
            }
        };
        Self::start(store, options, signer)
    }

    fn start(store: Store, options: Options, signer: Option<Signer>) -> Result<Self, OpenError> {
        let board = Arc::new(Board::default());
        let running = Running {
            path: store.path().to_owned(),
            placement: options.placement,
            views: options.views,
            artifacts: store.artifacts().cloned(),
            reserve: store.outside().reserve.cloned(),
            epoch: store.epoch(),
            writer: Mutex::new(None),
            board: Arc::clone(&board),
        };
        let writer = thread::start(store, &running.placement, signer, board)?;
        *running.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
        Ok(Self { running: Arc::new(running) })
    }

    /// Queues an operation; `reply` is called exactly once, with the answer.
    ///
    /// Blocks while the lane is full. `reply` runs on the writer thread (on the caller's when the
    /// operation is refused at once): it must be short, must not block, and must not submit.
    pub fn submit(
        &self,
        operation: Operation,
        lane: Lane,
        reply: impl FnOnce(Result<Committed, CommitError>) + Send + 'static,
    ) {
        match Plan::new(&operation, self.running.views, self.running.outside()) {
            Err(refusal) => reply(Err(refusal.into())),
            Ok(plan) => {
                let ticket = Ticket { operation, plan, reply: Box::new(reply) };
                if let Err(ticket) = self.running.board.queue.push(ticket, lane) {
                    (ticket.reply)(Err(Refusal::Closed.into()));
                }
            }
        }
    }

    /// Commits an operation in the high lane and waits for the answer.
    ///
    /// # Errors
    /// When it was not committed or the outcome is unknown.
    pub fn commit(&self, operation: Operation) -> Result<Committed, CommitError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(operation, Lane::High, move |answer| {
            // The receiver waits below and cannot be gone.
            let _ = sender.send(answer);
        });
        let lost = || CommitError::Indeterminate(rusqlite::Error::UnwindingPanic.into());
        receiver.recv().unwrap_or_else(|_| Err(lost()))
    }

    /// Lets the writer do something with its store between two groups, and waits for it. What is committed meanwhile
    /// waits as well, so it should be short. `None` where the journal has ended or too many wait for the same.
    pub fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.send(move |store, _| {
            // The receiver waits below and cannot be gone.
            let _ = sender.send(work(store));
        });
        receiver.recv().ok()
    }

    /// Signs everything that is committed now, the log of logs too, and waits for it.
    ///
    /// # Errors
    /// Why it was not signed, in words.
    pub fn sign(&self) -> Result<(), String> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.send(move |_, housekeeper| housekeeper.sign(sender));
        receiver
            .recv()
            .unwrap_or_else(|_| Err("the journal is not signed, or has ended".to_owned()))
    }

    /// Whether it is taken or not, the errand is gone when nobody is left who does it.
    fn send(&self, errand: impl FnOnce(&mut Store, &mut Housekeeper) + Send + 'static) {
        let _ = self.running.board.queue.send(Errand(Box::new(errand)));
    }

    /// Opens a reader of the same database.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn reader(&self) -> Result<Reader, OpenError> {
        Reader::open_at(&self.running.path, &self.running.placement)
    }

    /// Follows a log from after `cursor`; woken by commits instead of polling.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn subscribe(&self, log: LogId, cursor: u64) -> Result<Subscription, OpenError> {
        let notice = Arc::clone(&self.running.board.notice);
        self.reader().map(|reader| reader.subscribe(log, cursor).with_notice(notice))
    }

    /// The fence of this opening; see [`Store::epoch`].
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.running.epoch
    }

    /// What the writer has done so far; never behind an answer already given.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let stats = *self.running.board.stats.lock().unwrap_or_else(PoisonError::into_inner);
        // A payload outside of the database can have spent it since.
        let reserve_spent = self.running.reserve.as_ref().is_some_and(Reserve::is_spent);
        Stats { reserve_spent, ..stats }
    }

    /// Why the last records were left unsigned when the journal was closed; `None` when they were not.
    #[must_use]
    pub fn unsigned(&self) -> Option<String> {
        self.running.board.unsigned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.running.path
    }

    /// The artifact store beside the database; `None` on a simulated disk.
    #[must_use]
    pub fn artifacts(&self) -> Option<&ArtifactStore> {
        self.running.artifacts.as_ref()
    }

    /// Commits what is queued, refuses everything later, and closes the database in good order.
    ///
    /// # Errors
    /// When closing fails; everything acknowledged is durable all the same.
    pub fn close(&self) -> Result<(), StorageError> {
        self.running.close()
    }
}

impl Running {
    const fn outside(&self) -> Outside<'_> {
        Outside { artifacts: self.artifacts.as_ref(), reserve: self.reserve.as_ref() }
    }

    fn close(&self) -> Result<(), StorageError> {
        self.board.queue.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match writer {
            // The last handle can be dropped inside a reply; the writer then ends by itself.
            Some(writer) if writer.thread().id() != std::thread::current().id() => {
                writer.join().unwrap_or_else(|_| Err(rusqlite::Error::UnwindingPanic.into()))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Errors of closing lose nothing acknowledged; `close` reports them to who asks.
        let _ = self.close();
    }
}
