//! Size and shape limits of a call's arguments, checked before anything interprets them.
//!
//! The limits are those of the design: 1 MiB of JSON, depth 10, strings of 100 000 characters, lists and maps of
//! 10 000 entries. What the values mean is not looked at here; that is the tool's schema's part.

use serde_json::Value;

/// Largest encoded size of a call's arguments, in bytes.
pub(super) const PAYLOAD_BYTES: usize = 1024 * 1024;
/// Deepest nesting; the arguments object itself is level 0.
pub(super) const PAYLOAD_DEPTH: usize = 10;
/// Longest string or key, in characters.
pub(super) const PAYLOAD_TEXT: usize = 100_000;
/// Most entries of one list or map.
pub(super) const PAYLOAD_ENTRIES: usize = 10_000;

/// A limit a call's arguments exceed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Encoded size over `PAYLOAD_BYTES`.
    #[error("arguments of more than {PAYLOAD_BYTES} bytes")]
    Size,
    /// Nesting over `PAYLOAD_DEPTH`.
    #[error("arguments nested deeper than {PAYLOAD_DEPTH} levels")]
    Depth,
    /// A string or key over `PAYLOAD_TEXT`.
    #[error("a text of more than {PAYLOAD_TEXT} characters in the arguments")]
    Text,
    /// A list or map over `PAYLOAD_ENTRIES`.
    #[error("a list or map of more than {PAYLOAD_ENTRIES} entries in the arguments")]
    Entries,
}

/// Checks `arguments` against every limit.
///
/// # Errors
/// The first limit exceeded. Stops early: cost is bounded by the limits, not by the input.
pub(super) fn check(arguments: &Value) -> Result<(), PayloadError> {
    let mut budget = PAYLOAD_BYTES;
    walk(arguments, 0, &mut budget)
}

fn walk(value: &Value, depth: usize, budget: &mut usize) -> Result<(), PayloadError> {
    if depth > PAYLOAD_DEPTH {
        return Err(PayloadError::Depth);
    }
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => spend(budget, 8),
        Value::String(text) => check_text(text, budget),
        Value::Array(items) => {
            entries(items.len())?;
            spend(budget, 2)?;
            items.iter().try_for_each(|item| walk(item, depth + 1, budget))
        }
        Value::Object(map) => {
            entries(map.len())?;
            spend(budget, 2)?;
            map.iter().try_for_each(|(key, item)| {
                check_text(key, budget)?;
                walk(item, depth + 1, budget)
            })
        }
    }
}

fn check_text(text: &str, budget: &mut usize) -> Result<(), PayloadError> {
    spend(budget, text.len() + 2)?;
    // A string of few bytes cannot have many characters, so most are never counted.
    if text.len() > PAYLOAD_TEXT && text.chars().count() > PAYLOAD_TEXT {
        return Err(PayloadError::Text);
    }
    Ok(())
}

fn entries(count: usize) -> Result<(), PayloadError> {
    if count > PAYLOAD_ENTRIES { Err(PayloadError::Entries) } else { Ok(()) }
}

fn spend(budget: &mut usize, bytes: usize) -> Result<(), PayloadError> {
    *budget = budget.checked_sub(bytes).ok_or(PayloadError::Size)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!([inner]))
    }

    fn check_case(arguments: &Value, expect: Result<(), PayloadError>) {
        assert_eq!(check(arguments), expect);
    }

    #[test]
    fn every_limit_holds_at_its_edge_and_breaks_one_past_it() {
        check_case(&nested(PAYLOAD_DEPTH), Ok(()));
        check_case(&nested(PAYLOAD_DEPTH + 1), Err(PayloadError::Depth));
        check_case(&json!("x".repeat(PAYLOAD_TEXT)), Ok(()));
        check_case(&json!("x".repeat(PAYLOAD_TEXT + 1)), Err(PayloadError::Text));
        check_case(&json!("é".repeat(PAYLOAD_TEXT)), Ok(()));
        check_case(&json!(vec![0; PAYLOAD_ENTRIES]), Ok(()));
        check_case(&json!(vec![0; PAYLOAD_ENTRIES + 1]), Err(PayloadError::Entries));
        check_case(&json!(vec!["x".repeat(PAYLOAD_TEXT); 11]), Err(PayloadError::Size));
        check_case(&json!({ "x".repeat(PAYLOAD_TEXT + 1): 1 }), Err(PayloadError::Text));
    }
}
