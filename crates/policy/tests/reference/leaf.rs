//! What one pattern makes of one value, written without the engine's matchers.
//!
//! Knows only the patterns and values that the random policies are made of.

use serde_json::Value;

use super::world::canonical;

/// True, false, or unknown.
pub(crate) type Truth = Option<bool>;

/// A pattern in which `*` is any text.
pub(crate) fn star(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|skip| rest.get(skip..).is_some_and(|rest| star(after, rest)))
        }),
    }
}

fn segments(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], path) => path.is_empty(),
        (["**"], path) => !path.is_empty(),
        (["**", rest @ ..], path) => (0..=path.len()).any(|skip| segments(rest, &path[skip..])),
        ([first, rest @ ..], [part, path @ ..]) => star(first, part) && segments(rest, path),
        (_, []) => false,
    }
}

pub(crate) fn path_is(glob: &str, value: Option<&Value>) -> Truth {
    let text = value?.as_str()?;
    if text.starts_with('/') || text.contains("..") {
        return None;
    }
    let path: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "." | "")).collect();
    if path.is_empty() {
        return Some(glob == "**");
    }
    let floats = if glob.contains('/') { "" } else { "**/" };
    let glob = format!("{floats}{}", glob.trim_start_matches('/'));
    Some(segments(&glob.split('/').collect::<Vec<_>>(), &path))
}

pub(crate) fn host_is(entry: &str, value: Option<&Value>) -> Truth {
    let host = canonical(value?.as_str()?)?;
    let below = entry.strip_prefix('*').is_some_and(|below| host.ends_with(below));
    Some(entry == host || below)
}

pub(crate) fn argument_is(wanted: &str, value: Option<&Value>) -> Truth {
    let value = value?;
    if let Some(glob) = wanted.strip_prefix("glob:") {
        return value.as_str().filter(|text| text.len() <= 4096).map(|text| star(glob, text));
    }
    if let Some(sign) = ["<=", ">=", "<", ">"].into_iter().find(|sign| wanted.starts_with(sign)) {
        let limit = quantity(wanted.trim_start_matches(sign).trim())?;
        let amount = match value {
            Value::Number(number) => (number.as_u64()?, "size"),
            other => quantity(other.as_str()?)?,
        };
        if amount.1 != limit.1 || amount.0 >= 1 << 53 {
            return None;
        }
        let strictly = if sign.starts_with('<') { amount < limit } else { amount > limit };
        return Some(strictly || (sign.ends_with('=') && amount == limit));
    }
    match wanted {
        "true" => value.as_bool(),
        "7" if value.is_f64() => None,
        "7" => value.as_number().map(|number| number.as_i64() == Some(7)),
        text => value.as_str().map(|value| value == text),
    }
}

fn quantity(text: &str) -> Option<(u64, &'static str)> {
    let units = [
        ("KiB", 1024, "size"),
        ("MB", 1_000_000, "size"),
        ("ms", 1, "time"),
        ("s", 1000, "time"),
        ("", 1, "size"),
    ];
    let (unit, scale, kind) = units.into_iter().find(|(unit, ..)| text.ends_with(unit))?;
    Some((text.strip_suffix(unit)?.parse::<u64>().ok()? * scale, kind))
}
