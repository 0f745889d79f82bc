//! What is wrong with a value, and where: the place in two notations, and a sentence.
//! The sentences are made in `words`; mistakes of a schema itself are [`crate::Fault`]s.

use crate::pointer::unescape;
use serde_json::Value;
use std::fmt;

/// One thing that is wrong with a value. Ordered by path, then message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The place as `$.a[0]`; where a field is missing, the place it belongs to.
    pub path: String,
    /// What is wrong with it: a lower-case fragment such as "must be a string, found a list".
    pub message: String,
    /// The same place as a JSON Pointer (RFC 6901); empty for the whole value.
    pub pointer: String,
    /// The field's name, where it is one the schema does not know.
    pub unknown: Option<String>,
}

impl Mistake {
    pub(crate) fn new(whole: &Value, pointer: String, message: String) -> Self {
        Self { path: path(whole, &pointer), message, pointer, unknown: None }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for Mistake {}

/// `pointer` into `whole` as `$.a[0]["b c"]`.
fn path(whole: &Value, pointer: &str) -> String {
    let mut path = "$".to_owned();
    let mut at = Some(whole);
    for token in pointer.split('/').skip(1) {
        let name = unescape(token);
        // A key may be a number too; only the value says which one is meant.
        path.push_str(&match (at, name.parse::<usize>()) {
            (Some(Value::Array(_)), Ok(place)) => format!("[{place}]"),
            _ if is_plain(&name) => format!(".{name}"),
            _ => format!("[{}]", Value::String(name.clone())),
        });
        at = match at {
            Some(Value::Array(items)) => {
                name.parse().ok().and_then(|place: usize| items.get(place))
            }
            Some(Value::Object(map)) => map.get(&name),
            _ => None,
        };
    }
    path
}

fn is_plain(name: &str) -> bool {
    let letter = |character: char| character.is_ascii_alphanumeric() || character == '_';
    name.chars().all(letter) && name.starts_with(|first: char| !first.is_ascii_digit())
}
