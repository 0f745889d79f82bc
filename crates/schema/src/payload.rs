//! Size and shape limits of a value from outside, checked before anything interprets it.
//!
//! The limits are those of the design: 1 MiB of JSON, depth 10, strings of 100 000 characters, lists and maps of
//! 10 000 entries, and numbers that every reader holds exactly. They hold for a run's inputs and a call's arguments
//! alike. What the values mean is not looked at here; that is a schema's part.

use serde_json::{Number, Value};

use crate::EXACT_MAX;
use crate::pointer::escape;

/// Largest encoded size of a value, in bytes.
pub const PAYLOAD_BYTES: usize = 1024 * 1024;
/// Deepest nesting; the value itself is level 0.
pub const PAYLOAD_DEPTH: usize = 10;
/// Longest string or key, in characters.
pub const PAYLOAD_TEXT: usize = 100_000;
/// Most entries of one list or map.
pub const PAYLOAD_ENTRIES: usize = 10_000;

/// A limit a value exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Encoded size over [`PAYLOAD_BYTES`].
    #[error("is longer than 1 MiB")]
    Size,
    /// Nesting over [`PAYLOAD_DEPTH`].
    #[error("is nested deeper than {PAYLOAD_DEPTH} levels")]
    Depth,
    /// A string over [`PAYLOAD_TEXT`].
    #[error("is a text of more than {PAYLOAD_TEXT} characters")]
    Text,
    /// A key over [`PAYLOAD_TEXT`].
    #[error("has a key of more than {PAYLOAD_TEXT} characters")]
    Key,
    /// A list or map over [`PAYLOAD_ENTRIES`].
    #[error("has more than {PAYLOAD_ENTRIES} entries")]
    Entries,
    /// A number over [`EXACT_MAX`].
    #[error("is a number of 2^53 or more, which is not exact everywhere")]
    Inexact,
}

impl PayloadError {
    /// What to do about it, where that is not plain.
    #[must_use]
    pub const fn hint(self) -> Option<&'static str> {
        match self {
            Self::Inexact => Some("write it as a string"),
            Self::Size | Self::Depth | Self::Text | Self::Key | Self::Entries => None,
        }
    }
}

/// The first limit that is exceeded, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// JSON Pointer (RFC 6901) to the value; empty for the size of all of it.
    pub pointer: String,
    /// The limit.
    pub error: PayloadError,
}

impl Excess {
    fn at(error: PayloadError) -> Self {
        Self { pointer: String::new(), error }
    }

    /// The same, of what is `inside` another value.
    fn beneath(self, inside: &str) -> Self {
        match self.error {
            PayloadError::Size => self,
            _ => Self { pointer: format!("/{inside}{}", self.pointer), ..self },
        }
    }
}

/// Checks `value` against every limit.
///
/// # Errors
/// The first limit exceeded. Stops early: cost is bounded by the limits, not by the value.
pub fn check_payload(value: &Value) -> Result<(), Excess> {
    let mut budget = PAYLOAD_BYTES;
    walk(value, 0, &mut budget)
}

/// Whether every reader holds the number exactly. Beyond the limit every double is a whole number.
pub(crate) fn is_exact(number: &Number) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is held exactly")]
    let largest = EXACT_MAX as f64;
    match (number.as_u64(), number.as_i64()) {
        (Some(whole), _) => whole <= EXACT_MAX,
        (None, Some(whole)) => whole.unsigned_abs() <= EXACT_MAX,
        (None, None) => number.as_f64().is_some_and(|double| double.abs() <= largest),
    }
}

fn walk(value: &Value, depth: usize, budget: &mut usize) -> Result<(), Excess> {
    if depth > PAYLOAD_DEPTH {
        return Err(Excess::at(PayloadError::Depth));
    }
    match value {
        Value::Null | Value::Bool(true) => spend(budget, 4),
        Value::Bool(false) => spend(budget, 5),
        Value::Number(number) if is_exact(number) => spend(budget, number.to_string().len()),
        Value::Number(_) => Err(Excess::at(PayloadError::Inexact)),
        Value::String(text) => check_text(text, PayloadError::Text, budget),
        Value::Array(items) => {
            entries(items.len(), budget)?;
            items.iter().enumerate().try_for_each(|(place, item)| {
                walk(item, depth + 1, budget).map_err(|excess| excess.beneath(&place.to_string()))
            })
        }
        Value::Object(map) => {
            entries(map.len(), budget)?;
            map.iter().try_for_each(|(key, item)| {
                check_text(key, PayloadError::Key, budget)?;
                spend(budget, 1)?;
                walk(item, depth + 1, budget).map_err(|excess| excess.beneath(&escape(key)))
            })
        }
    }
}

fn check_text(text: &str, error: PayloadError, budget: &mut usize) -> Result<(), Excess> {
    spend(budget, text.len() + 2)?;
    spend(budget, text.bytes().map(escaping).sum())?;
    // A string of few bytes cannot have many characters, so most are never counted.
    if text.len() > PAYLOAD_TEXT && text.chars().count() > PAYLOAD_TEXT {
        return Err(Excess::at(error));
    }
    Ok(())
}

/// How many bytes more than itself a byte takes in a JSON string.
const fn escaping(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | 0x08 | 0x09 | 0x0a | 0x0c | 0x0d => 1,
        0x00..=0x1f => 5,
        _ => 0,
    }
}

/// The brackets, and the commas between as many entries.
fn entries(count: usize, budget: &mut usize) -> Result<(), Excess> {
    if count > PAYLOAD_ENTRIES {
        return Err(Excess::at(PayloadError::Entries));
    }
    spend(budget, 2 + count.saturating_sub(1))
}

fn spend(budget: &mut usize, bytes: usize) -> Result<(), Excess> {
    *budget = budget.checked_sub(bytes).ok_or_else(|| Excess::at(PayloadError::Size))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!([inner]))
    }

    fn check_case(value: &Value, expect: Option<(&str, PayloadError)>) {
        let expect = expect.map(|(pointer, error)| Excess { pointer: pointer.to_owned(), error });
        assert_eq!(check_payload(value).err(), expect);
    }

    #[test]
    fn every_limit_holds_at_its_edge_and_breaks_one_past_it() {
        check_case(&nested(PAYLOAD_DEPTH), None);
        let deep = "/0".repeat(PAYLOAD_DEPTH + 1);
        check_case(&nested(PAYLOAD_DEPTH + 1), Some((&deep, PayloadError::Depth)));
        check_case(&json!("x".repeat(PAYLOAD_TEXT)), None);
        let text = json!({ "a/b": "x".repeat(PAYLOAD_TEXT + 1) });
        check_case(&text, Some(("/a~1b", PayloadError::Text)));
        check_case(&json!("é".repeat(PAYLOAD_TEXT)), None);
        check_case(&json!(vec![0; PAYLOAD_ENTRIES]), None);
        check_case(&json!(vec![0; PAYLOAD_ENTRIES + 1]), Some(("", PayloadError::Entries)));
        check_case(&json!({ "x".repeat(PAYLOAD_TEXT): 1 }), None);
        let key = json!([{ "x".repeat(PAYLOAD_TEXT + 1): 1 }]);
        check_case(&key, Some(("/0", PayloadError::Key)));
        for number in [json!(EXACT_MAX), json!(-9_007_199_254_740_991_i64), json!(0.1)] {
            check_case(&number, None);
        }
        for number in [json!(EXACT_MAX + 1), json!(-9_007_199_254_740_992_i64), json!(1e300)] {
            check_case(&json!([number]), Some(("/0", PayloadError::Inexact)));
        }
    }

    /// Filled up to the limit by a last text, one byte at a time, whatever else there is.
    #[test]
    fn the_size_is_that_of_the_encoded_value() {
        let every_byte: String = (0..=0x7f_u8).map(char::from).chain("é€".chars()).collect();
        let full = vec!["x".repeat(PAYLOAD_TEXT); 9];
        let with = |last: usize| {
            json!([full, [null, true, false, -1, 0.25, {}, []], { &every_byte: &every_byte },
                "y".repeat(90_000), "z".repeat(last)])
        };
        let rest = PAYLOAD_BYTES - with(0).to_string().len();
        check_case(&with(rest), None);
        check_case(&with(rest + 1), Some(("", PayloadError::Size)));
    }
}
