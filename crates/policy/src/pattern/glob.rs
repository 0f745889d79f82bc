//! Globs in `globset` syntax, for paths and for argument text.
//!
//! The one place that builds a glob, so that both kinds are case-sensitive and bounded. It closes a
//! gap: in `globset` a class such as `[!a]` also matches `/`; for paths that would let one segment
//! of a pattern cover two of a path, so classes are kept within a segment here.

use globset::{Glob, GlobBuilder};

use super::{PATTERN_BYTES_MAX, PatternError};

/// Braces inside each other.
const BRACES_MAX: usize = 8;

/// Whether `*` stops at a slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// Paths: it does.
    Slash,
    /// Text: it does not.
    None,
}

/// A glob over argument text: `*` is any text, slashes included.
pub(crate) fn text_glob(pattern: &str) -> Result<Glob, PatternError> {
    check(pattern)?;
    // A set takes `..` after a slash for a folder and looks for no name there.
    if pattern.ends_with("/..") {
        return Err(bad(pattern, "it ends in `/..`"));
    }
    build(pattern, pattern, Separator::None)
}

/// A glob over paths; `shown` is what its author wrote.
pub(super) fn path_glob(shown: &str, pattern: &str) -> Result<Glob, PatternError> {
    let pattern = within_segments(shown, pattern)?;
    let glob = build(shown, &pattern, Separator::Slash)?;
    match without_extension(&pattern) {
        Some(pattern) => build(shown, &pattern, Separator::Slash),
        None => Ok(glob),
    }
}

/// The same pattern with its last letter as a class of one.
///
/// A set tries every pattern that ends in a literal extension by itself, which is slow for many; ones
/// that end in a class all go into one automaton. `None` where the set finds the pattern by its
/// text anyway, or where the last letter is not plainly a letter.
fn without_extension(pattern: &str) -> Option<String> {
    let inner = pattern.strip_prefix("**/").unwrap_or(pattern);
    let inner = inner.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(inner);
    let (rest, last) = pattern.split_at_checked(pattern.len().checked_sub(1)?)?;
    let plain = last.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    let indexed = !inner.contains(['*', '?', '[', '{', '\\']);
    (plain && !indexed && !rest.ends_with('\\')).then(|| format!("{rest}[{last}]"))
}

/// What every glob must keep to.
pub(super) fn check(pattern: &str) -> Result<(), PatternError> {
    if pattern.is_empty() {
        return Err(PatternError::Empty);
    }
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(PatternError::TooLong);
    }
    if pattern.starts_with('!') {
        return Err(PatternError::Negated(pattern.to_owned()));
    }
    let mut depth = 0_usize;
    for letter in pattern.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > BRACES_MAX {
            return Err(bad(pattern, "braces are nested deeper than 8"));
        }
    }
    Ok(())
}

fn build(shown: &str, pattern: &str, separator: Separator) -> Result<Glob, PatternError> {
    GlobBuilder::new(pattern)
        .literal_separator(separator == Separator::Slash)
        .backslash_escape(true)
        .case_insensitive(false)
        .build()
        .map_err(|error| bad(shown, &error.kind().to_string()))
}

fn bad(pattern: &str, reason: &str) -> PatternError {
    PatternError::Glob { pattern: pattern.to_owned(), reason: reason.to_owned() }
}

/// Excludes the slash from every class.
fn within_segments(shown: &str, pattern: &str) -> Result<String, PatternError> {
    let mut rewritten = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(at) = rest.find(['\\', '[']) {
        let (before, special) = rest.split_at(at);
        rewritten.push_str(before);
        let taken = if special.starts_with('\\') {
            special.chars().take(2).map(char::len_utf8).sum()
        } else {
            let end = special.find(']').ok_or_else(|| bad(shown, "a class has no end"))?;
            let class = special.get(1..end).unwrap_or_default();
            rewrite_class(shown, class, &mut rewritten)?;
            rest = special.get(end + 1..).unwrap_or_default();
            continue;
        };
        let (escape, after) = special.split_at(taken);
        rewritten.push_str(escape);
        rest = after;
    }
    rewritten.push_str(rest);
    Ok(rewritten)
}

fn rewrite_class(shown: &str, class: &str, out: &mut String) -> Result<(), PatternError> {
    let negated = class.starts_with(['!', '^']);
    let members = if negated { class.get(1..).unwrap_or_default() } else { class };
    if members.is_empty() {
        return Err(bad(shown, "a class is empty or starts with `]`"));
    }
    if !members.is_ascii() {
        return Err(bad(shown, "a class holds more than ASCII, use braces"));
    }
    if !negated {
        let bytes = members.as_bytes();
        let spans = bytes
            .windows(3)
            .any(|range| matches!(range, [low, b'-', high] if (*low..=*high).contains(&b'/')));
        if spans || bytes.contains(&b'/') {
            return Err(bad(shown, "a class holds a slash"));
        }
    }
    out.push('[');
    match (negated, members.starts_with('-'), members.ends_with('-')) {
        (false, _, _) => out.push_str(class),
        (true, _, false) => out.push_str(&format!("!{members}/")),
        (true, false, true) => out.push_str(&format!("!/{members}")),
        (true, true, true) => return Err(bad(shown, "a class starts and ends with `-`")),
    }
    out.push(']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{PatternError, text_glob};

    #[test]
    fn text_globs_cross_slashes_and_lines() {
        for (pattern, text, expected) in [
            ("feature/*", "feature/a/b", true),
            ("*.rs", "a\nb.rs", true),
            ("*.rs", "a.RS", false),
            ("{a,b}?", "bx", true),
            ("[0-9]*", "7x", true),
            ("a*", "ba", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
        ] {
            let mut set = globset::GlobSet::builder();
            set.add(text_glob(pattern).unwrap());
            assert_eq!(set.build().unwrap().is_match(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn bad_globs_are_refused() {
        assert_eq!(text_glob(""), Err(PatternError::Empty));
        assert_eq!(text_glob(&"a".repeat(1025)), Err(PatternError::TooLong));
        assert_eq!(text_glob("!a"), Err(PatternError::Negated("!a".to_owned())));
        for pattern in ["[a", "{a", "a}", "a\\", "**/..", &"{".repeat(9), "[z-a]"] {
            assert!(matches!(text_glob(pattern), Err(PatternError::Glob { .. })), "{pattern}");
        }
    }
}
