//! What a case says: data only, one value per way out. How it is tried is in `trial`.
//! No case stands here; they are in `cases`.

use std::fmt;

use weakened::weaken::Wall;

use crate::scene::Scene;

/// The classes of ways out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Descriptors,
    Filesystem,
    Namespaces,
    Syscalls,
    Tty,
    Network,
    Resources,
    Lifecycle,
    Secrets,
}

impl Class {
    pub const ALL: [Self; 9] = [
        Self::Descriptors,
        Self::Filesystem,
        Self::Namespaces,
        Self::Syscalls,
        Self::Tty,
        Self::Network,
        Self::Resources,
        Self::Lifecycle,
        Self::Secrets,
    ];
}

impl fmt::Display for Class {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Descriptors => "Descriptors",
            Self::Filesystem => "File system",
            Self::Namespaces => "Namespaces and mounts",
            Self::Syscalls => "System calls",
            Self::Tty => "Terminals",
            Self::Network => "Network",
            Self::Resources => "Resources",
            Self::Lifecycle => "Life cycle and signals",
            Self::Secrets => "Secrets and the record",
        })
    }
}

/// One way out.
pub struct Case {
    pub name: &'static str,
    /// What is tried, as half a sentence.
    pub tries: &'static str,
    /// Walls that each stop it alone. All are down in the control.
    pub walls: &'static [Wall],
    /// Walls that are down in every control as well, because the attempt could not begin
    /// otherwise; that they would stop it too is not claimed.
    pub besides: &'static [Wall],
    /// What else stops it, and cannot be taken down.
    pub fixed: &'static str,
    /// What the attempt is answered in a whole sandbox: error names or an ending.
    pub answer: &'static [&'static str],
    pub control: Control,
    pub who: Who,
    pub set: fn(&mut Scene),
}

/// What is different in the run that must escape.
#[derive(Clone, Copy)]
pub enum Control {
    /// The walls are down.
    Without,
    /// The limit is higher.
    Looser(fn(&mut Scene)),
    /// There is no sandbox.
    Outside,
}

/// Who can make the attempt succeed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Anyone,
    /// Only the host's root; the control is left out in the pass as an ordinary user.
    Root,
    /// Only an ordinary user; the host's root holds capabilities nobody inside matches.
    Ordinary,
    /// Only where a control group counts memory; elsewhere the receipt says that nobody does, and
    /// nothing is claimed.
    Counted,
    /// Only an ordinary user for whom root has prepared something.
    Prepared,
}

impl Case {
    /// The usual case: stopped by `walls`, each alone.
    pub const fn new(
        name: &'static str,
        tries: &'static str,
        walls: &'static [Wall],
        answer: &'static [&'static str],
        set: fn(&mut Scene),
    ) -> Self {
        Self {
            name,
            tries,
            walls,
            besides: &[],
            fixed: "",
            answer,
            control: Control::Without,
            who: Who::Anyone,
            set,
        }
    }

    pub const fn besides(mut self, besides: &'static [Wall]) -> Self {
        self.besides = besides;
        self
    }

    pub const fn fixed(mut self, fixed: &'static str) -> Self {
        self.fixed = fixed;
        self
    }

    /// Succeeds without any sandbox.
    pub const fn outside(mut self) -> Self {
        self.control = Control::Outside;
        self
    }

    /// Succeeds with a higher limit.
    pub const fn looser(mut self, looser: fn(&mut Scene)) -> Self {
        self.control = Control::Looser(looser);
        self
    }

    pub const fn only(mut self, who: Who) -> Self {
        self.who = who;
        self
    }
}
