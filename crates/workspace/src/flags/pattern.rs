//! What a pattern of the table of names means.
//!
//! A pattern is a path in whose names `*` stands for anything; it matches at the end of a path, and
//! with `/**` also everything below. `^` pins it to the top of the project. Names are compared as
//! they are given: folding them is the caller's.

/// Whether a pattern covers a path, both in names from the top down.
pub(super) fn matches(pattern: &str, names: &[&str]) -> bool {
    let (pattern, pinned) = pattern.strip_prefix('^').map_or((pattern, false), |rest| (rest, true));
    let (pattern, below) =
        pattern.strip_suffix("/**").map_or((pattern, false), |rest| (rest, true));
    let wanted: Vec<&str> = pattern.split('/').collect();
    let starts = if pinned { 0..1 } else { 0..names.len() };
    starts.into_iter().any(|start| {
        let rest = names.get(start..).unwrap_or_default();
        covers(&wanted, rest, below)
    })
}

/// Whether the wanted names begin `rest`, and end it unless everything below is covered as well.
fn covers(wanted: &[&str], rest: &[&str], below: bool) -> bool {
    match (wanted, rest) {
        ([], rest) => below || rest.is_empty(),
        (["**", more @ ..], rest) => {
            (0..rest.len()).any(|skip| covers(more, rest.get(skip..).unwrap_or_default(), below))
        }
        ([want, more @ ..], [name, rest @ ..]) => is_like(want, name) && covers(more, rest, below),
        (_, []) => false,
    }
}

/// Whether a name is `want`, in which each `*` stands for anything.
fn is_like(want: &str, name: &str) -> bool {
    let Some((head, tail)) = want.split_once('*') else { return want == name };
    let Some(mut rest) = name.strip_prefix(head) else { return false };
    loop {
        if is_like(tail, rest) {
            return true;
        }
        let mut letters = rest.chars();
        if letters.next().is_none() {
            return false;
        }
        rest = letters.as_str();
    }
}
