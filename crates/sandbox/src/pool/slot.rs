//! A slot: a sandbox that is finished but for its program, and used at most once.
//!
//! Everything `launch` puts in force is in force already; the inside waits in `inside::order`.
//! Until its program is executed a slot's memory is a copy of the supervisor's, like that of every
//! sandbox's first process; it is closed to others, holds no program, and the order it was told is
//! erased from it again.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::SendFlags;

use super::footing::Footing;
use super::key::{Key, blank};
use super::mounts::Mounts;
use crate::check::{Checked, check};
use crate::child::Child;
use crate::host::Host;
use crate::inside::report::Message;
use crate::launch::{Begun, Failure, LaunchError, SET_UP_MAX, begin, receive};
use crate::limits::{self, Watch};
use crate::plan::{Plan, Text, empty_input, fill};
use crate::spec::Spec;
use crate::sys::letter;

/// A sandbox that waits for its program.
pub(super) struct Slot {
    child: Child,
    plan: Plan,
    watch: Option<(Watch, Option<OwnedFd>)>,
    stdin: OwnedFd,
    footing: Footing,
}

/// What a slot is to run, prepared before one is taken.
pub(super) struct Order {
    text: Text,
    letter: Vec<u8>,
}

impl Order {
    /// `None` for a program that no slot can be told, because its text is too long.
    pub(super) fn new(spec: &Spec, key: &Key) -> Option<Self> {
        let text = Text::new(spec).ok()?;
        let folder = if key.is_told_its_folder() { text.folder.as_c_str() } else { c"" };
        let has_input = !spec.stdin.is_empty();
        let (arguments, environment) = (&text.arguments, &text.environment);
        let letter = letter::write(has_input, folder, &text.candidates, arguments, environment)?;
        Some(Self { text, letter })
    }
}

/// How long a slot may take to answer; it takes microseconds, so one that takes this long has been
/// stopped by somebody.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Why a slot did not become a running program.
pub(super) enum Failed {
    /// It did not take the order, and is dead now; nothing was executed, so a cold start may follow.
    Lost,
    /// The program cannot be started, and could not be in any other sandbox.
    Refused(LaunchError),
}

impl Slot {
    /// Builds a slot of a kind. `Ok(None)` where the host changed in the meantime.
    pub(super) fn make(
        host: &Host,
        mounts: &Mounts,
        spec: &Spec,
    ) -> Result<Option<Self>, LaunchError> {
        let spec = blank(spec);
        let Some(footing) = Footing::of(host, mounts, &spec, &check(&spec)?) else {
            return Ok(None);
        };
        let stdin = empty_input().map_err(LaunchError::Resources)?;
        let inner = stdin.try_clone().map_err(LaunchError::Resources)?;
        let Begun { child, plan, watch } = begin(host, &spec, Some(inner))?;
        let slot = Self { child, plan, watch, stdin, footing };
        let now = Footing::of(host, mounts, &spec, &check(&spec)?);
        Ok(now.is_some_and(|now| slot.stands_on(&now)).then_some(slot))
    }

    /// Whether nothing has changed since it was made.
    pub(super) fn stands_on(&self, footing: &Footing) -> bool {
        self.footing == *footing
    }

    /// Whether it still waits: a slot says nothing and ends only by dying.
    pub(super) fn is_waiting(&self) -> bool {
        let mut fds = [
            PollFd::new(&self.child.running.ends.setup, PollFlags::IN),
            PollFd::from_borrowed_fd(self.child.running.pidfd(), PollFlags::IN),
        ];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(0)
    }

    /// Tells it its program and waits until that has been executed. The wall time counts from
    /// `started`. A slot that fails is dead when this returns, so that nothing is executed twice.
    pub(super) fn start(
        mut self,
        order: Order,
        spec: &Spec,
        checked: Checked,
        started: Instant,
    ) -> Result<Child, Failed> {
        if let Some((watch, segments)) = self.watch.take() {
            let guarded = self.child.running.guard(watch, &self.child.upper.fd, segments);
            guarded.map_err(|error| Failed::Refused(limits::unwatched(error).into()))?;
        }
        let given = spec.stdin.is_empty() || fill(&self.stdin, &spec.stdin).is_ok();
        let setup = &self.child.running.ends.setup;
        let told = rustix::net::send(setup, &order.letter, SendFlags::NOSIGNAL);
        if !given || told != Ok(order.letter.len()) {
            return Err(Failed::Lost);
        }
        self.plan.program.text = order.text;
        let started_program = self.listen(started);
        if let Err(Some(failure)) = started_program {
            return Err(Failed::Refused(failure.explain(&self.plan, spec)));
        }
        started_program.map_err(|_| Failed::Lost)?;
        let mut child = self.child;
        child.running.started = started;
        child.patterns = checked.artifacts;
        child.receipt.warm = true;
        Ok(child)
    }

    /// Waits until the order is taken and the socket is closed, which is what `execve` does. `None`
    /// as the error means that the order was not taken.
    fn listen(&self, started: Instant) -> Result<(), Option<Failure>> {
        let setup = &self.child.running.ends.setup;
        match receive(setup, Instant::now() + ANSWER_MAX) {
            Ok(Some((Message::Taken, _))) => {}
            Ok(Some((Message::Fault(fault), _))) => return Err(Some(Failure::Fault(fault))),
            _ => return Err(None),
        }
        match receive(setup, started + SET_UP_MAX) {
            Ok(None) => Ok(()),
            Ok(Some((Message::Fault(fault), _))) => Err(Some(Failure::Fault(fault))),
            _ => Err(Some(Failure::Silence)),
        }
    }
}
