//! What a program is given as text, as policy, the record and an approver see it: in full while it is short, by size
//! and digest beyond.
//!
//! Either form names the bytes exactly, so a decision on it is a decision on them. [`shows`] is the other direction.

use serde_json::{Map, Value, json};

use super::resolve::hex;

/// The longest text that is shown in full, in bytes.
pub const SHOWN_TEXT_BYTES: usize = 16 * 1024;
/// The most bytes of one call's texts that are shown in full; an approver reads them.
pub const SHOWN_CALL_BYTES: usize = 32 * 1024;

/// What may still be shown of one call.
pub(super) struct Showing {
    left: usize,
}

impl Showing {
    pub(super) fn new() -> Self {
        Self { left: SHOWN_CALL_BYTES }
    }

    /// The text as it is shown.
    pub(super) fn text(&mut self, bytes: &[u8]) -> Value {
        let room = self.left.min(SHOWN_TEXT_BYTES);
        match std::str::from_utf8(bytes) {
            Ok(text) if text.len() <= room => {
                self.left -= text.len();
                text.into()
            }
            _ => json!({ "bytes": bytes.len(), "sha256": hex(bytes) }),
        }
    }

    /// Texts by name.
    pub(super) fn named<'t>(
        &mut self,
        texts: impl Iterator<Item = (&'t str, &'t [u8])>,
    ) -> Map<String, Value> {
        texts.map(|(name, bytes)| (name.to_owned(), self.text(bytes))).collect()
    }
}

/// Whether `shown`, a value that was made here, stands for exactly these bytes.
#[must_use]
pub fn shows(shown: &Value, bytes: &[u8]) -> bool {
    match shown {
        Value::String(text) => text.as_bytes() == bytes,
        _ => *shown == json!({ "bytes": bytes.len(), "sha256": hex(bytes) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_in_full_or_by_digest_and_stands_for_itself_alone() {
        let long = "x".repeat(SHOWN_TEXT_BYTES + 1);
        for text in ["", "a", &long[1..], &long] {
            let shown = Showing::new().text(text.as_bytes());
            assert_eq!(shown.is_string(), text.len() <= SHOWN_TEXT_BYTES);
            assert!(shows(&shown, text.as_bytes()));
            assert!(!shows(&shown, format!("{text}.").as_bytes()));
            // A text that looks like the other form is not taken for it.
            assert!(!shows(&shown, shown.to_string().as_bytes()));
        }
        assert!(!shows(&Value::Null, b""));
    }

    #[test]
    fn what_is_shown_of_one_call_is_bounded() {
        let mut showing = Showing::new();
        let half = vec![b'x'; SHOWN_TEXT_BYTES];
        let shown: Vec<Value> = (0..3).map(|_| showing.text(&half)).collect();
        assert!(shown[0].is_string() && shown[1].is_string() && shown[2].is_object());
        assert!(shown.iter().all(|shown| shows(shown, &half)));
    }
}
