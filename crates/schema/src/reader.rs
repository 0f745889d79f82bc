//! The strict reader of JSON that comes from outside (RFC 8259, narrowed as by I-JSON, RFC 7493).
//!
//! Two readers of one text must agree on what it says: duplicate keys are refused, so are whole
//! numbers that a double cannot hold exactly, bytes that are no UTF-8, and text beyond the limits.
//! What a value means is a schema's part.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

use crate::payload::is_exact;

/// The largest whole number every reader holds exactly: 2^53 - 1. Greater ones travel as texts.
pub const EXACT_MAX: u64 = (1 << 53) - 1;

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// The longest text, in bytes.
    pub bytes: usize,
    /// The deepest nesting; a value without any is level 0. At most 100.
    pub depth: usize,
}

/// Why a text is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// More bytes than the limit.
    #[error("{found} bytes of JSON are more than the {limit} allowed")]
    TooLong {
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Bytes that are no UTF-8.
    #[error("not UTF-8 at byte {0}")]
    NotText(usize),
    /// No JSON, or JSON that could be read in two ways.
    #[error("not JSON that is taken: {0}")]
    Invalid(String),
}

/// Reads one JSON value.
///
/// # Errors
/// [`ReadError`], with line and column where there is one.
pub fn read(bytes: &[u8], limits: ReadLimits) -> Result<Value, ReadError> {
    if bytes.len() > limits.bytes {
        return Err(ReadError::TooLong { found: bytes.len(), limit: limits.bytes });
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| ReadError::NotText(error.valid_up_to()))?;
    let invalid = |error: serde_json::Error| ReadError::Invalid(error.to_string());
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { left: limits.depth }.deserialize(&mut reader).map_err(invalid)?;
    reader.end().map_err(invalid)?;
    Ok(value)
}

/// Reads a value with at most this many levels below it.
#[derive(Clone, Copy)]
struct Strict {
    left: usize,
}

impl Strict {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left }),
            None => Err(E::custom("nested too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        exact(Number::from(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        exact(Number::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map_or_else(|| Err(E::custom("not a number")), exact)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{}` is there twice", shown(&key))));
            }
            map.insert(key, entries.next_value_seed(below)?);
        }
        Ok(Value::Object(map))
    }
}

fn exact<E: serde::de::Error>(number: Number) -> Result<Value, E> {
    if is_exact(&number) {
        return Ok(Value::Number(number));
    }
    Err(E::custom("a number of 2^53 or more is not exact everywhere; write it as a string"))
}

/// As much of a key as a message needs.
fn shown(key: &str) -> String {
    const SHOWN: usize = 64;
    key.chars().take(SHOWN).flat_map(char::escape_debug).collect()
}
