//! Freezing a running sandbox and resuming it, from any thread.
//!
//! Everything inside stands still but the first process, which still ends when the supervisor
//! does. Frozen time does not count against the wall limit, memory stays taken, and a frozen
//! sandbox can be cancelled like any other. Where groups are made is found in `limits::freezer`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::child::Shared;
use crate::inside::report::Message;
use crate::limits::{Freezing, Place, members};

/// How long freezing may take; it takes milliseconds, so this is a host in trouble.
pub const FREEZE_MAX: Duration = Duration::from_secs(10);
/// How often the waiting side looks whether a frozen sandbox has been resumed.
const LOOK: Duration = Duration::from_millis(20);

/// Why a sandbox could not be frozen or resumed. It goes on as it was, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FreezeError {
    /// This process may not make groups that can be frozen.
    #[error("freezing needs a cgroup that is delegated to this process")]
    NotDelegated,
    /// Everything inside is dead, or is about to be.
    #[error("the sandbox has ended")]
    Ended,
    /// Something inside did not stand still in time; everything was resumed.
    #[error("not everything inside stood still within {} s", FREEZE_MAX.as_secs())]
    Unsettled,
    /// The kernel refused a step; everything was resumed.
    #[error("the cgroup refused to {0}")]
    Refused(&'static str, #[source] io::Error),
}

impl FreezeError {
    /// What to do about it, where there is a remedy.
    #[must_use]
    pub fn fix(&self) -> Option<&'static str> {
        match self {
            Self::NotDelegated => Some(
                "run as root, or delegate a cgroup to this user (for systemd: `Delegate=yes`, or `systemd-run --user --scope -p Delegate=yes`)",
            ),
            _ => None,
        }
    }
}

/// Freezes and resumes one sandbox. Holding one after the end does no harm.
#[derive(Clone, Debug)]
pub struct Freezer {
    pub(crate) shared: Arc<Shared>,
    /// Leads to the first process; `None` where no descriptor was left.
    pub(crate) status: Option<Arc<OwnedFd>>,
}

impl Freezer {
    /// Stops everything inside; returns when it stands still. Freezing twice is freezing once.
    pub fn freeze(&self) -> Result<(), FreezeError> {
        static PLACE: OnceLock<Option<Place>> = OnceLock::new();
        let place = PLACE.get_or_init(Place::discover).as_ref();
        self.freeze_in(place.ok_or(FreezeError::NotDelegated)?)
    }

    /// Lets everything inside go on. Resuming what is not frozen does nothing.
    pub fn resume(&self) -> Result<(), FreezeError> {
        self.shared.resume()
    }

    /// Whether it is frozen now.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.shared.pause().since.is_some()
    }

    fn freeze_in(&self, place: &Place) -> Result<(), FreezeError> {
        let Some(all) = self.shared.groups().first() else {
            return Err(FreezeError::NotDelegated);
        };
        let mut pause = self.shared.pause();
        if pause.has_ended || self.shared.is_killed() {
            return Err(FreezeError::Ended);
        }
        if pause.since.is_some() {
            return Ok(());
        }
        let freezing = match pause.freezing.take() {
            Some(made) => made,
            None => self.make(place)?,
        };
        let still = self.shared.gather(&freezing, all);
        if still.is_err() {
            let _resumed = freezing.thaw();
        } else {
            pause.since = Some(Instant::now());
        }
        pause.freezing = Some(freezing);
        still
    }

    /// Makes the group. The first process gets what it needs to let the others die, should this
    /// process end.
    fn make(&self, place: &Place) -> Result<Freezing, FreezeError> {
        let made = Freezing::create(place, self.shared.groups());
        let made = made.map_err(refused("make a group"))?;
        if let Some(release) = made.release().map_err(refused("be handed on"))? {
            let status = self.status.as_ref().ok_or(FreezeError::Ended)?;
            hand_over(status, &release).map_err(refused("be handed on"))?;
        }
        Ok(made)
    }
}

fn hand_over(status: &OwnedFd, release: &OwnedFd) -> io::Result<()> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [release.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    let bytes = Message::Release.encode();
    let slices = [io::IoSlice::new(&bytes)];
    sendmsg(status, &slices, &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// What is known about the freezing of one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    freezing: Option<Freezing>,
    since: Option<Instant>,
    /// Of earlier pauses together.
    total: Duration,
    has_ended: bool,
}

impl Pause {
    /// When the wall time is over, if it would be at `deadline` without pauses; `None` if it is at
    /// `now`. While frozen it is never over.
    pub(crate) fn extended(&self, deadline: Instant, now: Instant) -> Option<Instant> {
        let running =
            self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let extended = deadline + self.total + running;
        match self.since {
            Some(_) => Some(extended.max(now + LOOK)),
            None => (extended > now).then_some(extended),
        }
    }

    fn resumed(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.total += now.saturating_duration_since(since);
        }
    }

    /// Lets the frozen die with the others.
    pub(crate) fn kill(&self) {
        self.freezing.iter().for_each(Freezing::kill);
    }

    /// Removes the group; everything in it is dead.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
        self.resumed(Instant::now());
        self.freezing = None;
    }
}

impl Shared {
    /// Moves everything but the first process into the frozen group until nothing is left outside.
    /// What is inside cannot start anything, and the limit of processes bounds what is outside, so
    /// this comes to an end whatever the program does.
    fn gather(&self, freezing: &Freezing, all: &Path) -> Result<(), FreezeError> {
        /// A list is not read at one instant; two in a row with nothing outside leave no gap.
        const CLEAN: u32 = 2;
        freezing.freeze().map_err(refused("freeze"))?;
        let (end, mut clean) = (Instant::now() + FREEZE_MAX, 0);
        while clean < CLEAN || !freezing.is_still().map_err(refused("tell its state"))? {
            if self.is_killed() {
                return Err(FreezeError::Ended);
            }
            if Instant::now() >= end {
                return Err(FreezeError::Unsettled);
            }
            let list = members(all).map_err(refused("list its processes"))?;
            let held = freezing.members().map_err(refused("list its processes"))?;
            let outside = list.iter().filter(|pid| **pid != self.first() && !held.contains(pid));
            let mut moved = 0;
            for pid in outside {
                freezing.take(*pid).map_err(refused("take a process"))?;
                moved += 1;
            }
            clean = if moved == 0 { clean + 1 } else { 0 };
            // The older freezer asks each process once, and one that was about to wait for its own
            // child (`vfork`) does not hear it.
            freezing.freeze().map_err(refused("freeze"))?;
            std::thread::yield_now();
        }
        Ok(())
    }

    pub(crate) fn resume(&self) -> Result<(), FreezeError> {
        let mut pause = self.pause();
        if pause.has_ended || self.is_killed() {
            return Err(FreezeError::Ended);
        }
        if let (Some(freezing), Some(_)) = (&pause.freezing, pause.since) {
            freezing.thaw().map_err(refused("resume"))?;
            pause.resumed(Instant::now());
        }
        Ok(())
    }
}

fn refused(what: &'static str) -> impl Fn(io::Error) -> FreezeError {
    move |source| FreezeError::Refused(what, source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frozen_time_is_added_to_the_wall_time() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let deadline = start + second * 10;
        let mut pause = Pause::default();
        assert_eq!(pause.extended(deadline, start), Some(deadline));
        assert_eq!(pause.extended(deadline, deadline), None);
        pause.since = Some(start + second * 4);
        assert_eq!(pause.extended(deadline, start + second * 9), Some(deadline + second * 5));
        assert_eq!(pause.extended(deadline, start + second * 90), Some(deadline + second * 86));
        pause.resumed(start + second * 7);
        assert_eq!(pause.extended(deadline, deadline), Some(deadline + second * 3));
        assert_eq!(pause.extended(deadline, deadline + second * 3), None);
        pause.since = Some(deadline + second * 3);
        let now = deadline + second * 3;
        assert_eq!(pause.extended(deadline, now), Some(now + LOOK), "frozen at the last instant");
    }
}
