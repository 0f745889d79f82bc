//! Commitments: what stands in a record for a value that no record has, so that it can be proved later what it was.
//!
//! A commitment is a hash over a random salt, the place and the value. Without the salt nobody can test a guess, and two
//! commitments to one value have nothing in common; with it nobody can show another value. Salts are for `openings`;
//! the bytes are in the journal's `FORMAT.md`.

use journal::Digest;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Separates commitments from everything else that is hashed here: after the bytes 0 and 1 of leaves and nodes.
const DOMAIN: &[u8] = b"\x02palisade commitment 1\n";

/// Most values of one record that are committed to; more of them together are one.
pub const VALUES_MOST: usize = 64;

/// What makes a commitment open: 256 random bits, drawn for one value in one place.
pub type Salt = [u8; 32];

/// The commitment to `value`, the JSON text of what stood at `field` of the record that names itself `id`.
#[must_use]
pub fn commitment(salt: &Salt, id: &str, field: &str, value: &str) -> Digest {
    let context = format!("{id}\n{field}");
    let length = u32::try_from(context.len()).unwrap_or(u32::MAX);
    let mut hasher = Sha256::new_with_prefix(DOMAIN);
    hasher.update(salt);
    hasher.update(length.to_be_bytes());
    hasher.update(context.as_bytes());
    hasher.update(value.as_bytes());
    Digest::new(hasher.finalize().into())
}

/// A value that something was taken out of, and where it stood (RFC 6901).
#[derive(Debug, Clone, PartialEq)]
pub struct Taken<'v> {
    /// Where it stood.
    pub field: String,
    /// What stood there.
    pub value: &'v Value,
}

/// What differs between a value and what is left of it, the smallest parts; the whole where there are too many.
///
/// It does not matter who took what out, or by which rule.
#[must_use]
pub fn taken<'v>(before: &'v Value, after: &Value) -> Vec<Taken<'v>> {
    let mut all = Vec::new();
    differing(before, after, String::new(), &mut all);
    if all.len() > VALUES_MOST {
        return vec![Taken { field: String::new(), value: before }];
    }
    all
}

/// Recursion is bounded by whoever read the value: `serde_json` reads 128 levels.
fn differing<'v>(before: &'v Value, after: &Value, field: String, all: &mut Vec<Taken<'v>>) {
    match (before, after) {
        _ if all.len() > VALUES_MOST => {}
        (Value::Object(old), Value::Object(new)) if old.keys().eq(new.keys()) => {
            for ((name, old), new) in old.iter().zip(new.values()) {
                let name = name.replace('~', "~0").replace('/', "~1");
                differing(old, new, format!("{field}/{name}"), all);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (place, (old, new)) in old.iter().zip(new).enumerate() {
                differing(old, new, format!("{field}/{place}"), all);
            }
        }
        (old, new) if old == new => {}
        (value, _) => all.push(Taken { field, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_commitment_is_of_salt_place_and_value_together() {
        let base = commitment(&[1; 32], "id", "/a", "\"x\"");
        assert_eq!(base, commitment(&[1; 32], "id", "/a", "\"x\""));
        for other in [
            commitment(&[2; 32], "id", "/a", "\"x\""),
            commitment(&[1; 32], "ie", "/a", "\"x\""),
            commitment(&[1; 32], "id", "/b", "\"x\""),
            commitment(&[1; 32], "id", "/a", "\"y\""),
            // Where one part ends and the next begins counts.
            commitment(&[1; 32], "id", "/a\"", "x\""),
            commitment(&[1; 32], "id\n/a", "", "\"x\""),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_format() {
        // Made by another program from the text of the format.
        let expect = "2471b9fec964fd96c1f5c4a9a41a49198666b6ce23c760995758865b727eccf5";
        assert_eq!(commitment(&[7; 32], "ab", "/c", "\"x\"").to_string(), expect);
    }

    #[test]
    fn only_what_differs_is_taken_and_by_its_place() {
        let check = |before: Value, after: Value, expect: &[(&str, Value)]| {
            let found = taken(&before, &after);
            let found: Vec<(&str, Value)> =
                found.iter().map(|taken| (taken.field.as_str(), taken.value.clone())).collect();
            assert_eq!(found, expect, "{before}");
        };
        check(json!({ "a": "x", "b": [1, "y"] }), json!({ "a": "x", "b": [1, "y"] }), &[]);
        check(
            json!({ "a": "x", "b": [1, "y", { "c~/d": 7 }] }),
            json!({ "a": "*", "b": [1, "y", { "c~/d": "*" }] }),
            &[("/a", json!("x")), ("/b/2/c~0~1d", json!(7))],
        );
        // A whole field, and an object whose own names say too much.
        check(json!({ "a": { "b": 1 } }), json!({ "a": "*" }), &[("/a", json!({ "b": 1 }))]);
        check(json!({ "a": { "k": 1 } }), json!({ "a": { "*": 1 } }), &[("/a", json!({ "k": 1 }))]);
        let many: Vec<u32> = (0..65).collect();
        let none = vec!["*"; 65];
        check(json!({ "a": many }), json!({ "a": none }), &[("", json!({ "a": many }))]);
        check(
            json!(many[..64]),
            json!(none[..64]),
            &(0..64).map(|at| (names(at), json!(at))).collect::<Vec<_>>(),
        );
    }

    fn names(at: usize) -> &'static str {
        Box::leak(format!("/{at}").into_boxed_str())
    }
}
