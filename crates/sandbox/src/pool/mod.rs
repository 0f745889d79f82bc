//! Warm slots: sandboxes built before they are asked for, each for one program.
//!
//! A slot is built for everything of a spec but its program, and is told that when it is checked
//! out; it is never used twice. At check-out everything the slot was built from is looked at
//! again, and any difference means a cold start. A pool never changes what a launch does or
//! refuses, only how long it takes. What is kept is in `shelf`, for whom in `key`, on which
//! conditions in `footing`, and by whom it is made in `attendant`.

mod attendant;
mod footing;
mod key;
mod mounts;
mod shelf;
mod slot;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use self::footing::Footing;
use self::key::Key;
use self::mounts::Mounts;
use self::shelf::Shelf;
pub use self::shelf::{PoolSize, SLOTS_MAX};
use self::slot::{Failed, Order, Slot};
use crate::check::check;
use crate::child::Child;
use crate::host::Host;
use crate::launch::{LaunchError, launch_on};
use crate::spec::Spec;

/// Keeps slots ready and launches from them. May be used from any number of threads. Dropping it
/// ends every slot that still waits, and no running program.
pub struct Pool {
    inner: Arc<Inner>,
    attendant: Option<JoinHandle<()>>,
}

/// What a pool has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// Launches from a slot.
    pub warm: u64,
    /// Launches without one.
    pub cold: u64,
    /// Slots thrown away because something they were built from had changed.
    pub outdated: u64,
    /// Slots that were found dead or did not answer.
    pub lost: u64,
}

/// What the pool shares with its attendant.
struct Inner {
    host: &'static Host,
    mounts: Mounts,
    state: Mutex<State>,
    /// Rung when there is something to do, and when everything is done.
    bell: Condvar,
}

struct State {
    shelf: Shelf<Key, Slot>,
    /// Kinds of which one more slot is wanted, each at most once.
    wanted: VecDeque<(Key, Spec)>,
    /// Slots to be ended, which takes a moment.
    ending: Vec<Slot>,
    counts: PoolCounts,
    busy: bool,
    closing: bool,
}

impl Pool {
    /// A pool without slots, on this host; they are made as specs are launched or prepared. Fails
    /// where no thread can be started or the mounts of the host cannot be watched.
    pub fn new(size: PoolSize) -> io::Result<Self> {
        let inner = Arc::new(Inner {
            host: Host::current(),
            mounts: Mounts::watch()?,
            state: Mutex::new(State {
                shelf: Shelf::new(size),
                wanted: VecDeque::new(),
                ending: Vec::new(),
                counts: PoolCounts::default(),
                busy: false,
                closing: false,
            }),
            bell: Condvar::new(),
        });
        let theirs = Arc::clone(&inner);
        let attendant = thread::Builder::new().name("sandbox pool".to_owned());
        let attendant = attendant.spawn(move || attendant::attend(&theirs))?;
        Ok(Self { inner, attendant: Some(attendant) })
    }

    /// As [`launch`](crate::launch()), from a slot where one waits and nothing it was built from has
    /// changed; [`Receipt::warm`](crate::Receipt) says which it was. The wall time counts from this
    /// call. Afterwards a slot for the next launch of this kind is made in the background.
    pub fn launch(&self, spec: &Spec) -> Result<Child, LaunchError> {
        let started = Instant::now();
        let Some(key) = Key::of(spec) else { return self.cold(spec) };
        let launched = match self.warm(&key, spec, started) {
            Some(launched) => launched,
            None => self.cold(spec),
        };
        if launched.is_ok() {
            self.inner.want(key, spec);
        }
        launched
    }

    /// Makes a slot for specs like this one, unless enough of them wait, and returns when it does.
    /// `false` where this kind of spec is never kept or no slot is wanted.
    pub fn prepare(&self, spec: &Spec) -> Result<bool, LaunchError> {
        let Some(key) = Key::of(spec) else { return Ok(false) };
        if !self.inner.lock().shelf.wants(&key) {
            return Ok(false);
        }
        let made = Slot::make(self.inner.host, &self.inner.mounts, spec)?;
        let Some(slot) = made else { return Ok(false) };
        self.inner.put(key, slot);
        Ok(true)
    }

    /// Ends slots that have waited too long at `now`, and dead ones; returns how many. The pool does
    /// this by itself as time passes.
    pub fn expire(&self, now: Instant) -> usize {
        let ended = self.inner.lock().ended(now);
        ended.len()
    }

    /// Waits until nothing is left to be done in the background.
    pub fn settle(&self) {
        let mut state = self.inner.lock();
        while !state.closing && (state.busy || !state.wanted.is_empty() || !state.ending.is_empty())
        {
            state = self.inner.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How many slots wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.lock().shelf.len()
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> PoolCounts {
        self.inner.lock().counts
    }

    fn cold(&self, spec: &Spec) -> Result<Child, LaunchError> {
        self.inner.lock().counts.cold += 1;
        launch_on(self.inner.host, spec)
    }

    /// `None` means that a cold start is needed.
    fn warm(&self, key: &Key, spec: &Spec, started: Instant) -> Option<Result<Child, LaunchError>> {
        let mut slot = self.inner.lock().shelf.take(key)?;
        let checked = match check(spec) {
            Ok(checked) => checked,
            Err(error) => {
                self.inner.end(slot, |_| {});
                return Some(Err(error.into()));
            }
        };
        let footing = Footing::of(self.inner.host, &self.inner.mounts, spec, &checked);
        let stands = |slot: &Slot| footing.as_ref().is_some_and(|now| slot.stands_on(now));
        while !(slot.is_waiting() && stands(&slot)) {
            let alive = slot.is_waiting();
            let count = |counts: &mut PoolCounts| match alive {
                true => counts.outdated += 1,
                false => counts.lost += 1,
            };
            self.inner.end(slot, count);
            slot = self.inner.lock().shelf.take(key)?;
        }
        let Some(order) = Order::new(spec, key) else {
            self.inner.put(key.clone(), slot);
            return None;
        };
        match slot.start(order, spec, checked, started) {
            Ok(child) => {
                self.inner.lock().counts.warm += 1;
                Some(Ok(child))
            }
            Err(Failed::Refused(error)) => Some(Err(error)),
            Err(Failed::Lost) => {
                self.inner.lock().counts.lost += 1;
                None
            }
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Pool").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.inner.lock().closing = true;
        self.inner.bell.notify_all();
        if let Some(attendant) = self.attendant.take() {
            // A panic over there has ended the thread, and what it held with it.
            let _ended = attendant.join();
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has one more slot of this kind made, if it would be kept.
    fn want(&self, key: Key, spec: &Spec) {
        let mut state = self.lock();
        state.want(key, || key::blank(spec));
        drop(state);
        self.bell.notify_all();
    }

    /// Has a slot ended in the background.
    fn end(&self, slot: Slot, count: impl FnOnce(&mut PoolCounts)) {
        let mut state = self.lock();
        count(&mut state.counts);
        state.ending.push(slot);
        drop(state);
        self.bell.notify_all();
    }

    /// Keeps a slot; the attendant has to know from when on it has waited too long.
    fn put(&self, key: Key, slot: Slot) {
        let surplus = self.lock().shelf.put(key, slot, Instant::now());
        drop(surplus);
        self.bell.notify_all();
    }
}

impl State {
    fn want(&mut self, key: Key, spec: impl FnOnce() -> Spec) {
        let asked = self.wanted.iter().any(|(other, _)| *other == key);
        if !asked && self.shelf.wants(&key) {
            self.wanted.push_back((key, spec()));
        }
    }

    /// Keeps a new slot, and asks for the next one of its kind.
    fn keep(&mut self, key: Key, spec: Spec, slot: Slot) {
        self.ending.extend(self.shelf.put(key.clone(), slot, Instant::now()));
        self.want(key, || spec);
    }

    /// Takes out what is to be ended.
    fn ended(&mut self, now: Instant) -> Vec<Slot> {
        let weeded = self.shelf.weed(now, |slot| !slot.is_waiting());
        self.counts.lost += weeded.iter().filter(|slot| !slot.is_waiting()).count() as u64;
        let mut ended = std::mem::take(&mut self.ending);
        ended.extend(weeded);
        ended
    }

    fn clear(&mut self) -> Vec<Slot> {
        self.wanted.clear();
        let mut left = std::mem::take(&mut self.ending);
        left.extend(self.shelf.clear());
        left
    }
}
