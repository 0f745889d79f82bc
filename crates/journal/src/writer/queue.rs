//! The queue before the writer: two bounded lanes, taken in groups.
//!
//! The high lane goes first; the low lane (logs, progress) has a small share reserved so that it
//! always moves. A full lane blocks its own callers only. Errands are done between two groups, one at a time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::housekeeper::Housekeeper;
use crate::error::CommitError;
use crate::operation::{Committed, Operation, Plan};
use crate::store::Store;

/// Most operations in one group.
pub const GROUP_OPERATIONS_MAX: usize = 1024;

/// A group ends before the operation that would bring it above this many bytes, unless it is alone.
pub const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// Most operations waiting in one lane; more callers wait for room.
pub const QUEUE_OPERATIONS_MAX: usize = 8192;

/// Most bytes waiting in one lane, unless a single operation is larger.
pub const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Operations of a group kept for the low lane while the high one is busy.
const LOW_SHARE_OPERATIONS: usize = 64;

/// Most errands waiting; one more is turned away.
const ERRANDS_MAX: usize = 64;

/// Which operations go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Everything that acts: decisions, transitions, outcomes.
    High,
    /// Logs and progress.
    Low,
}

pub(super) type Reply = Box<dyn FnOnce(Result<Committed, CommitError>) + Send>;

/// An operation on its way, and who wants the answer.
pub(super) struct Ticket {
    pub(super) operation: Operation,
    pub(super) plan: Plan,
    pub(super) reply: Reply,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ticket").field("plan", &self.plan).finish_non_exhaustive()
    }
}

type Doing = Box<dyn FnOnce(&mut Store, &mut Housekeeper) + Send>;

/// Something else the writer does with its store, and answers for itself.
pub(super) struct Errand(pub(super) Doing);

impl fmt::Debug for Errand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Errand").finish_non_exhaustive()
    }
}

/// What the writer takes next.
#[derive(Debug)]
pub(super) enum Work {
    /// Operations for one commit.
    Group(Vec<Ticket>),
    /// One errand.
    Errand(Errand),
}

#[derive(Debug, Default)]
struct Waiting {
    tickets: VecDeque<Ticket>,
    bytes: usize,
}

impl Waiting {
    fn has_room(&self, bytes: usize) -> bool {
        self.tickets.is_empty()
            || (self.tickets.len() < QUEUE_OPERATIONS_MAX && self.bytes + bytes <= QUEUE_BYTES_MAX)
    }

    fn add(&mut self, ticket: Ticket) {
        self.bytes += ticket.plan.bytes;
        self.tickets.push_back(ticket);
    }

    /// Moves tickets to `group` until it has `operations` or the next would exceed its bytes.
    fn drain_into(&mut self, group: &mut Group, operations: usize) {
        while group.tickets.len() < operations {
            let fits = |ticket: &Ticket| {
                group.tickets.is_empty() || group.bytes + ticket.plan.bytes <= GROUP_BYTES_MAX
            };
            if !self.tickets.front().is_some_and(fits) {
                return;
            }
            let Some(ticket) = self.tickets.pop_front() else { return };
            self.bytes -= ticket.plan.bytes;
            group.bytes += ticket.plan.bytes;
            group.tickets.push(ticket);
        }
    }
}

#[derive(Default)]
struct Group {
    tickets: Vec<Ticket>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Lanes {
    high: Waiting,
    low: Waiting,
    errands: VecDeque<Errand>,
    blocked: usize,
    closed: bool,
}

impl Lanes {
    fn lane(&mut self, lane: Lane) -> &mut Waiting {
        match lane {
            Lane::High => &mut self.high,
            Lane::Low => &mut self.low,
        }
    }

    fn is_empty(&self) -> bool {
        self.high.tickets.is_empty() && self.low.tickets.is_empty() && self.errands.is_empty()
    }

    /// Errands first: somebody waits for each of them, and for few at a time.
    fn next_work(&mut self) -> Work {
        self.errands.pop_front().map_or_else(|| Work::Group(self.next_group()), Work::Errand)
    }

    fn next_group(&mut self) -> Vec<Ticket> {
        let mut group = Group::default();
        let kept = self.low.tickets.len().min(LOW_SHARE_OPERATIONS);
        self.high.drain_into(&mut group, GROUP_OPERATIONS_MAX - kept);
        self.low.drain_into(&mut group, GROUP_OPERATIONS_MAX);
        group.tickets
    }
}

/// The two lanes and their bells.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: Mutex<Lanes>,
    filled: Condvar,
    drained: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a ticket, waiting for room; gives it back when the queue is closed.
    pub(super) fn push(&self, ticket: Ticket, lane: Lane) -> Result<(), Ticket> {
        let mut lanes = self.lock();
        while !lanes.closed && !lanes.lane(lane).has_room(ticket.plan.bytes) {
            lanes.blocked += 1;
            lanes = self.drained.wait(lanes).unwrap_or_else(PoisonError::into_inner);
            lanes.blocked -= 1;
        }
        if lanes.closed {
            return Err(ticket);
        }
        let was_empty = lanes.is_empty();
        lanes.lane(lane).add(ticket);
        drop(lanes);
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Adds an errand; whether it was taken.
    pub(super) fn send(&self, errand: Errand) -> bool {
        let mut lanes = self.lock();
        if lanes.closed || lanes.errands.len() >= ERRANDS_MAX {
            return false;
        }
        lanes.errands.push_back(errand);
        drop(lanes);
        self.filled.notify_one();
        true
    }

    /// What is next, waiting for it; `None` when the queue is closed and empty.
    pub(super) fn take(&self) -> Option<Work> {
        let mut lanes = self.lock();
        while lanes.is_empty() {
            if lanes.closed {
                return None;
            }
            lanes = self.filled.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
        let work = lanes.next_work();
        let blocked = lanes.blocked;
        drop(lanes);
        if blocked > 0 {
            self.drained.notify_all();
        }
        Some(work)
    }

    /// Lets no more tickets in; those waiting are still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::LogId;

    fn ticket(bytes: usize, name: &str) -> Ticket {
        let log = LogId::new(name, 0).unwrap();
        let operation = Operation { log, drafts: Vec::new(), changes: Vec::new() };
        Ticket { operation, plan: Plan { payloads: Vec::new(), bytes }, reply: Box::new(|_| {}) }
    }

    fn taken(queue: &Queue) -> Option<Vec<Ticket>> {
        match queue.take()? {
            Work::Group(group) => Some(group),
            Work::Errand(_) => panic!("an errand"),
        }
    }

    fn check(high: &[usize], low: &[usize], expect: (usize, usize)) {
        let queue = Queue::default();
        for (sizes, lane, name) in [(high, Lane::High, "high"), (low, Lane::Low, "low")] {
            sizes.iter().for_each(|bytes| queue.push(ticket(*bytes, name), lane).unwrap());
        }
        let group = taken(&queue).unwrap();
        let count = |name| group.iter().filter(|t| t.operation.log.tenant() == name).count();
        assert_eq!((count("high"), count("low")), expect);
    }

    #[test]
    fn groups_respect_lanes_and_limits() {
        check(&[10; 3], &[10; 2], (3, 2));
        check(&[10; 2000], &[], (GROUP_OPERATIONS_MAX, 0));
        check(&[10; 2000], &[10; 100], (GROUP_OPERATIONS_MAX - 64, 64));
        check(&[10; 2000], &[10; 5], (GROUP_OPERATIONS_MAX - 5, 5));
        check(&[GROUP_BYTES_MAX * 2, 10], &[], (1, 0));
        check(&[GROUP_BYTES_MAX / 2; 3], &[], (2, 0));
        check(&[], &[10; 3], (0, 3));
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_no_more() {
        let queue = Queue::default();
        queue.push(ticket(1, "a"), Lane::High).unwrap();
        queue.close();
        assert!(queue.push(ticket(1, "b"), Lane::High).is_err());
        assert_eq!(taken(&queue).map(|group| group.len()), Some(1));
        assert!(queue.take().is_none());
    }

    #[test]
    fn errands_go_first_and_are_bounded() {
        let (queue, errand) = (Queue::default(), || Errand(Box::new(|_, _| {})));
        queue.push(ticket(1, "a"), Lane::High).unwrap();
        let sent = (0..ERRANDS_MAX + 3).filter(|_| queue.send(errand())).count();
        assert_eq!(sent, ERRANDS_MAX);
        for _ in 0..sent {
            assert!(matches!(queue.take(), Some(Work::Errand(_))));
        }
        assert_eq!(taken(&queue).map(|group| group.len()), Some(1));
        queue.close();
        assert!(!queue.send(errand()) && queue.take().is_none());
    }

    #[test]
    fn a_full_lane_blocks_until_a_group_is_taken_and_leaves_the_other_lane_open() {
        let queue = Queue::default();
        for _ in 0..QUEUE_OPERATIONS_MAX {
            queue.push(ticket(1, "a"), Lane::Low).unwrap();
        }
        queue.push(ticket(1, "b"), Lane::High).unwrap();
        std::thread::scope(|scope| {
            let blocked = scope.spawn(|| queue.push(ticket(1, "c"), Lane::Low).is_ok());
            while queue.lock().blocked == 0 {
                assert!(!blocked.is_finished(), "push must block");
                std::thread::yield_now();
            }
            assert_eq!(taken(&queue).map(|group| group.len()), Some(GROUP_OPERATIONS_MAX));
            assert!(blocked.join().unwrap());
        });
    }
}
