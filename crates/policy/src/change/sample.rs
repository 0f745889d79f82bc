//! Values that meet one condition, and values just beside it.
//!
//! A sample of a pattern is made by filling in what it leaves open; whether it really meets the
//! condition is not promised, because both policies decide it anyway.

use serde_json::{Value, json};

use crate::pattern::HostPattern;
use crate::rule::{Accepted, Bound};
use crate::units::Quantity;

/// A text no pattern of a reader's would name.
pub(super) const BESIDE: &str = "zz-beside";

/// A text in the form of a glob: the first alternative of each choice, a letter for each wildcard.
pub(super) fn glob(pattern: &str) -> String {
    let (mut text, mut letters) = (String::new(), pattern.chars().peekable());
    let mut choosing = 0_usize;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            '*' => {
                while letters.next_if_eq(&'*').is_some() {}
                text.push('x');
            }
            '?' => text.push('x'),
            '[' => text.push(class(&mut letters)),
            '{' => choosing += 1,
            '}' => choosing = choosing.saturating_sub(1),
            ',' if choosing > 0 => {
                // The rest of the choice is skipped, with choices inside it.
                let mut inner = 1_usize;
                for skipped in letters.by_ref() {
                    match skipped {
                        '{' => inner += 1,
                        '}' => inner -= 1,
                        _ => {}
                    }
                    if inner == 0 {
                        break;
                    }
                }
                choosing -= 1;
            }
            letter => text.push(letter),
        }
    }
    text
}

/// A letter of a class: its first one, or for a negated class one that is rarely in it.
fn class(letters: &mut impl Iterator<Item = char>) -> char {
    let body: Vec<char> = letters.take_while(|letter| *letter != ']').collect();
    match body.first() {
        Some('!' | '^') | None => 'z',
        Some(first) => *first,
    }
}

/// A host that a pattern names.
pub(super) fn host(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Any => "any.example".to_owned(),
        HostPattern::Below(name) => format!("x.{name}"),
        HostPattern::Exact(name) => name.clone(),
        HostPattern::Within(network) => {
            network.to_string().split('/').next().unwrap_or_default().to_owned()
        }
    }
}

/// Values for an argument: one that is accepted, and the nearest that is not.
pub(super) fn accepted(accepted: &Accepted) -> Vec<Value> {
    match accepted {
        Accepted::Text(text) => vec![json!(text)],
        Accepted::Int(number) => vec![json!(number), json!(number.saturating_add(1))],
        Accepted::Bool(value) => vec![json!(value), json!(!value)],
        Accepted::Glob(pattern) => vec![json!(glob(pattern.glob()))],
        Accepted::Bound(Bound { quantity, .. }) => {
            let around = |limit: u64| [limit, limit.saturating_add(1), limit.saturating_sub(1)];
            match *quantity {
                Quantity::Bytes(limit) => around(limit).map(|bytes| json!(bytes)).to_vec(),
                Quantity::Micros(limit) => {
                    around(limit / 1_000).map(|millis| json!(format!("{millis}ms"))).to_vec()
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_pattern_is_filled_in() {
        for (pattern, expect) in [
            ("docs/**", "docs/x"),
            ("a/{b,c{d,e}}/f", "a/b/f"),
            ("{a,b}c{d,e}", "acd"),
            ("[!a]x?", "zxx"),
            ("[ab]", "a"),
            ("\\*y", "*y"),
            ("a,b", "a,b"),
        ] {
            assert_eq!(glob(pattern), expect, "{pattern}");
        }
    }
}
