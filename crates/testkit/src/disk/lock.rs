//! The locks of one simulated database file, held by open handles of this process.
//!
//! The five levels and their order are those of SQLite's `xLock` and `xUnlock`. The locks on
//! shared memory are in `shm`. Nothing here blocks: a lock that cannot be had is refused.

/// What an open handle holds on the database file, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Granted,
    Busy,
}

/// Who holds what on one file. Handles are named by a number that is unique on the disk.
#[derive(Debug, Default)]
pub(super) struct Lock {
    holders: Vec<(u64, Level)>,
}

impl Lock {
    /// The level `handle` holds now.
    pub(super) fn level(&self, handle: u64) -> Level {
        self.holders
            .iter()
            .find(|(holder, _)| *holder == handle)
            .map_or(Level::None, |(_, level)| *level)
    }

    /// The strongest level held by anyone.
    pub(super) fn strongest(&self) -> Level {
        self.holders.iter().map(|(_, level)| *level).max().unwrap_or(Level::None)
    }

    /// Raises `handle` to `wanted`. A refused request for `Exclusive` leaves it `Pending`, which
    /// keeps new readers out until it succeeds or is given up.
    pub(super) fn raise(&mut self, handle: u64, wanted: Level) -> Answer {
        if self.level(handle) >= wanted {
            return Answer::Granted;
        }
        let others = self.others(handle);
        let refused = match wanted {
            Level::None | Level::Pending => false,
            Level::Shared => others >= Level::Pending,
            Level::Reserved | Level::Exclusive => others >= Level::Reserved,
        };
        if refused {
            return Answer::Busy;
        }
        if wanted == Level::Exclusive && others >= Level::Shared {
            self.set(handle, Level::Pending);
            return Answer::Busy;
        }
        self.set(handle, wanted);
        Answer::Granted
    }

    /// Lowers `handle` to `wanted`, which is `Shared` or `None`.
    pub(super) fn lower(&mut self, handle: u64, wanted: Level) {
        if self.level(handle) > wanted {
            self.set(handle, wanted);
        }
    }

    fn others(&self, handle: u64) -> Level {
        let others = self.holders.iter().filter(|(holder, _)| *holder != handle);
        others.map(|(_, level)| *level).max().unwrap_or(Level::None)
    }

    fn set(&mut self, handle: u64, level: Level) {
        self.holders.retain(|(holder, _)| *holder != handle);
        if level != Level::None {
            self.holders.push((handle, level));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Level, Lock};

    #[test]
    fn one_writer_and_many_readers() {
        let mut lock = Lock::default();
        let steps = [
            (1, Level::Shared, Answer::Granted),
            (2, Level::Shared, Answer::Granted),
            (1, Level::Reserved, Answer::Granted),
            (2, Level::Reserved, Answer::Busy),
            (1, Level::Exclusive, Answer::Busy),
            (3, Level::Shared, Answer::Busy),
        ];
        for (handle, wanted, expected) in steps {
            assert_eq!(lock.raise(handle, wanted), expected, "handle {handle} to {wanted:?}");
        }
        assert_eq!(lock.level(1), Level::Pending);
        lock.lower(2, Level::None);
        assert_eq!(lock.raise(1, Level::Exclusive), Answer::Granted);
        assert_eq!(lock.strongest(), Level::Exclusive);
        lock.lower(1, Level::None);
        assert_eq!(lock.strongest(), Level::None);
    }
}
