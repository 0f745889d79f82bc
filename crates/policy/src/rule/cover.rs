//! When one condition holds wherever another does.
//!
//! Serves the warnings only, so it may say no where the answer is yes, never the reverse. Tools are
//! compared by the caller, who has resolved them.

use super::{Accepted, Argument, Condition};
use crate::pattern::{HostPattern, NamePattern, PathPattern};

impl Condition {
    /// Whether this condition, tools aside, is true wherever `other` is.
    pub(crate) fn covers(&self, other: &Condition) -> bool {
        labels(&self.caller_tags, &other.caller_tags)
            && labels(&self.roles, &other.roles)
            && labels(&self.modes, &other.modes)
            && labels(&self.states, &other.states)
            && each(&self.principals, &other.principals, name_covers)
            && self.covers_paths(other)
            && each(&self.hosts, &other.hosts, host_covers)
            && self
                .arguments
                .iter()
                .all(|mine| other.arguments.iter().any(|theirs| argument_covers(mine, theirs)))
    }

    /// One bit for each kind of field that is written; a condition covers only ones that have all
    /// of its fields, which most pairs of rules fail.
    pub(crate) fn fields(&self) -> u8 {
        let written = [
            !self.caller_tags.is_empty(),
            !self.roles.is_empty(),
            !self.modes.is_empty(),
            !self.states.is_empty(),
            !self.principals.is_empty(),
            self.paths.is_some(),
            !self.hosts.is_empty(),
            !self.arguments.is_empty(),
        ];
        written.iter().fold(0, |bits, written| bits << 1 | u8::from(*written))
    }

    fn covers_paths(&self, other: &Condition) -> bool {
        match (&self.paths, &other.paths) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => {
                !theirs.is_empty()
                    && theirs.iter().all(|their| mine.iter().any(|my| path_covers(my, their)))
            }
        }
    }
}

fn labels(mine: &[String], theirs: &[String]) -> bool {
    each(mine, theirs, |my, their| my == their)
}

/// Whether there is no condition here, or every entry of the other has one here that covers it.
fn each<T>(mine: &[T], theirs: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    mine.is_empty()
        || (!theirs.is_empty()
            && theirs.iter().all(|their| mine.iter().any(|my| covers(my, their))))
}

fn name_covers(my: &NamePattern, their: &NamePattern) -> bool {
    my.is_any() || my == their || (their.is_exact() && my.matches(their.text()))
}

fn host_covers(my: &HostPattern, their: &HostPattern) -> bool {
    match (my, their) {
        (HostPattern::Any, _) => true,
        (HostPattern::Below(below), HostPattern::Exact(name) | HostPattern::Below(name)) => {
            my == their || name.strip_suffix(below.as_str()).is_some_and(|rest| rest.ends_with('.'))
        }
        (HostPattern::Within(mine), HostPattern::Within(theirs)) => mine.contains(*theirs),
        _ => my == their,
    }
}

fn path_covers(my: &PathPattern, their: &PathPattern) -> bool {
    if my.text == their.text || matches!(my.text.as_str(), "**" | "/**") {
        return true;
    }
    if !their.text.contains('/') {
        return false;
    }
    let their_path = their.text.strip_prefix('/').unwrap_or(&their.text);
    let folder = my.text.strip_prefix('/').unwrap_or(&my.text).strip_suffix("/**");
    folder.is_some_and(|folder| {
        !folder.contains(['*', '?', '[', '{', '\\'])
            && their_path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    })
}

fn argument_covers(mine: &Argument, theirs: &Argument) -> bool {
    let covers = |their: &Accepted| mine.accepted.iter().any(|my| my == their);
    mine.key == theirs.key && theirs.accepted.iter().all(covers)
}
