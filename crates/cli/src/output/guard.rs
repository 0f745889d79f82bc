//! What stopped a step, in words: the one wording for progress lines, `runs show` and the end of a run.
//! What stopped a step was found out long before; nothing is guessed here.

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
