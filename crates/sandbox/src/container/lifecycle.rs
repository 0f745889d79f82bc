//! The life of one container as states, and its clean-up as steps: pure, without any runtime.
//!
//! Legal: creating → running | failed; running → stopping | failed; stopping → cleanup;
//! failed → cleanup; cleanup → destroyed. Everything else is refused and changes nothing.
//! Who asks a runtime for what is in `held`; here is only in which order it may be asked.

use std::fmt;

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The runtime was asked for it.
    Creating,
    /// Its first process exists.
    Running,
    /// It is being ended, or has ended, and its processes are waited for.
    Stopping,
    /// It could not be made, or was lost.
    Failed,
    /// What it left on the host is being removed.
    Cleanup,
    /// Nothing of it is left.
    Destroyed,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Creating,
        Self::Running,
        Self::Stopping,
        Self::Failed,
        Self::Cleanup,
        Self::Destroyed,
    ];

    /// Whether `next` may follow.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Creating, Self::Running | Self::Failed)
                | (Self::Running, Self::Stopping | Self::Failed)
                | (Self::Stopping | Self::Failed, Self::Cleanup)
                | (Self::Cleanup, Self::Destroyed)
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Creating => "creating",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
            Self::Cleanup => "cleanup",
            Self::Destroyed => "destroyed",
        })
    }
}

/// A transition that is not in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a container that is {from} cannot become {to}")]
pub struct Illegal {
    /// The present state, which stays.
    pub from: State,
    /// What was asked for.
    pub to: State,
}

/// What one step of a clean-up removes; each is tried whatever became of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The container and its processes.
    Container,
    /// The process of the runtime that was started for it.
    Client,
    /// Its control groups.
    Groups,
}

impl Step {
    /// Every step, in the order in which they are taken.
    pub const ALL: [Self; 3] = [Self::Container, Self::Client, Self::Groups];
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Container => "removing the container",
            Self::Client => "ending the runtime's client",
            Self::Groups => "removing the control groups",
        })
    }
}

/// One container's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    state: State,
    done: Vec<Step>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { state: State::Creating, done: Vec::new() }
    }
}

impl Lifecycle {
    /// Where it is.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Goes on to `next`; an illegal transition changes nothing.
    pub fn enter(&mut self, next: State) -> Result<(), Illegal> {
        if !self.state.may_become(next) {
            return Err(Illegal { from: self.state, to: next });
        }
        self.state = next;
        Ok(())
    }

    /// Takes every step that has not succeeded yet and returns the failures. Without any it ends
    /// in [`State::Destroyed`], after which it does nothing; with some it can be called again.
    ///
    /// A container that is still creating or running counts as failed first: its clean-up must
    /// never be refused.
    pub fn clean<E>(&mut self, mut take: impl FnMut(Step) -> Result<(), E>) -> Vec<(Step, E)> {
        if matches!(self.state, State::Creating | State::Running) {
            self.state = State::Failed;
        }
        if matches!(self.state, State::Stopping | State::Failed) {
            self.state = State::Cleanup;
        }
        let mut failures = Vec::new();
        for step in Step::ALL {
            if self.done.contains(&step) {
                continue;
            }
            match take(step) {
                Ok(()) => self.done.push(step),
                Err(error) => failures.push((step, error)),
            }
        }
        if failures.is_empty() {
            self.state = State::Destroyed;
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table: every pair that is legal, and by that every pair that is not.
    const LEGAL: [(State, State); 7] = [
        (State::Creating, State::Running),
        (State::Creating, State::Failed),
        (State::Running, State::Stopping),
        (State::Running, State::Failed),
        (State::Stopping, State::Cleanup),
        (State::Failed, State::Cleanup),
        (State::Cleanup, State::Destroyed),
    ];

    #[test]
    fn exactly_the_legal_transitions_are_taken() {
        for from in State::ALL {
            for to in State::ALL {
                let mut life = Lifecycle { state: from, done: Vec::new() };
                let answer = life.enter(to);
                match LEGAL.contains(&(from, to)) {
                    true => assert_eq!((answer, life.state()), (Ok(()), to)),
                    false => assert_eq!((answer, life.state()), (Err(Illegal { from, to }), from)),
                }
            }
        }
    }

    #[test]
    fn every_life_ends_destroyed_and_never_leaves_that() {
        for from in State::ALL {
            let mut life = Lifecycle { state: from, done: Vec::new() };
            assert!(life.clean(|_| Ok::<_, ()>(())).is_empty());
            assert_eq!(life.state(), State::Destroyed, "from {from}");
            assert!(State::ALL.into_iter().all(|next| life.enter(next).is_err()));
        }
    }

    #[test]
    fn clean_up_takes_each_step_once_and_collects_what_failed() {
        let mut life = Lifecycle { state: State::Stopping, done: Vec::new() };
        let mut taken = Vec::new();
        let failures = life.clean(|step| {
            taken.push(step);
            if step == Step::Container { Err("stuck") } else { Ok(()) }
        });
        assert_eq!(failures, [(Step::Container, "stuck")]);
        assert_eq!(taken, Step::ALL, "a failure does not keep the others from being tried");
        assert_eq!(life.state(), State::Cleanup);
        let mut again = Vec::new();
        assert!(
            life.clean(|step| {
                again.push(step);
                Ok::<_, ()>(())
            })
            .is_empty()
        );
        assert_eq!(again, [Step::Container], "what was done is not done twice");
        assert_eq!(life.state(), State::Destroyed);
        let mut third = 0;
        assert!(
            life.clean(|_| {
                third += 1;
                Ok::<_, ()>(())
            })
            .is_empty()
        );
        assert_eq!(third, 0, "a destroyed container is left alone");
    }
}
