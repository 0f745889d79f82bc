//! Names of tools, principals, roles and tags: compared in Unicode NFC.
//!
//! Two spellings of one name are one name. Nothing else is folded: case counts, and letters of
//! other scripts that look alike stay different. Paths and argument text are bytes and never
//! come here.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Longest name, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 256;

/// The NFC form of `name`; borrowed where it already is.
pub(crate) fn normal(name: &str) -> Cow<'_, str> {
    if name.is_ascii() || is_nfc_quick(name.chars()) == IsNormalized::Yes {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.nfc().collect())
    }
}

/// Whether `name` can name something: not empty, not long, no control characters.
pub(crate) fn is_valid(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::{is_valid, normal};

    #[test]
    fn two_spellings_of_a_name_are_one() {
        assert_eq!(normal("cafe\u{301}"), "caf\u{e9}");
        assert_eq!(normal("fs.read"), "fs.read");
        assert_ne!(normal("approv\u{435}d"), "approved");
        assert!(is_valid("fs.read") && !is_valid("") && !is_valid("a\nb"));
        assert!(!is_valid(&"a".repeat(257)));
    }
}
