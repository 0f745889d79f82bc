//! What stopped a step, in words: the one wording for progress lines, `runs show` and the end of a run.
//! What stopped a step was found out long before; nothing is guessed here.

use runner::history::Missed;
use runner::policy::NearMiss;
use runner::{Guard, StoppedBy};

use super::printable;

/// One line: which kind of guard, which one, why.
pub(crate) fn guard(by: &StoppedBy) -> String {
    let kind = match by.kind {
        Guard::Policy => "policy rule",
        Guard::Isolation => "isolation layer",
        Guard::Limit => "limit",
        Guard::Approval => "approval",
    };
    let (name, detail) = (printable(&by.name), printable(&by.detail));
    if detail.is_empty() {
        format!("{kind} `{name}`")
    } else {
        format!("{kind} `{name}`: {detail}")
    }
}

/// One line: the allow rule that came nearest, and what kept it from matching.
pub(crate) fn near(miss: &NearMiss) -> String {
    let failed = miss.failed.iter().map(|condition| {
        format!("{} wants {}, found {}", condition.field, condition.wanted, condition.found)
    });
    let failed = failed.collect::<Vec<_>>().join("; ");
    printable(&format!("nearest: `{}` would allow it, but {failed}", miss.rule))
}

/// Two lines: what came nearest to allowing a call on record, and how to see the whole decision.
pub(crate) fn missed(missed: &Missed, again: &str) -> [String; 2] {
    let all = format!("{again} policy explain --record {} shows all of it", missed.sequence);
    [near(&missed.nearest), all]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_guard_is_named() {
        let check = |kind, name: &str, detail: &str, expect: &str| {
            let by = StoppedBy { kind, name: name.into(), detail: detail.into() };
            assert_eq!(guard(&by), expect);
        };
        check(Guard::Policy, "no-curl", "not here", "policy rule `no-curl`: not here");
        check(Guard::Isolation, "project root", "", "isolation layer `project root`");
        check(Guard::Limit, "output", "a\u{1b}b", "limit `output`: a·b");
    }
}
