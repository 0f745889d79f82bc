//! What stands in the place of a secret: `‹redacted:rule:tag›`.
//!
//! The tag is a short keyed hash of the secret: one secret has one tag under one key, and without the key a tag says
//! nothing. Marks are recognised again, so that redacting twice changes nothing.

use std::ops::Range;

use hmac::{Hmac, KeyInit, Mac};
use memchr::memmem;
use sha2::Sha256;
use zeroize::Zeroizing;

/// How every mark begins.
pub(crate) const OPENING: &str = "‹redacted:";
/// How every mark ends.
pub(crate) const CLOSING: &str = "›";
/// Longest rule name in a mark, in bytes.
pub(crate) const NAME_BYTES: usize = 64;
/// Characters of a tag, of five bits each.
const TAG_CHARS: usize = 6;
/// RFC 4648 base32, in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Makes marks under one key.
#[derive(Clone)]
pub struct Tagger {
    key: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Tagger {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Tagger")
    }
}

impl Tagger {
    /// Marks under `key`, which has to stay secret: with it tags can be compared with guesses.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key: Zeroizing::new(key) }
    }

    /// The mark for `secret`, found by `rule`.
    #[must_use]
    pub fn mark(&self, rule: &str, secret: &[u8]) -> String {
        let (rule, tag) = (named(rule), self.tag(secret));
        format!("{OPENING}{rule}:{tag}{CLOSING}")
    }

    /// What is left of a text that could not be redacted: its length and a keyed digest.
    #[must_use]
    pub fn withheld(&self, text: &[u8]) -> String {
        let rule = format!("withheld-{}-bytes", text.len());
        self.mark(&rule, text)
    }

    /// Thirty bits of HMAC-SHA-256 (RFC 2104) as six characters.
    fn tag(&self, secret: &[u8]) -> String {
        // A key of 32 bytes is always taken; without one the tag would only say less.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.key) else { return "?".to_owned() };
        mac.update(secret);
        let digest = mac.finalize().into_bytes();
        let bits = digest.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        (0..TAG_CHARS)
            .filter_map(|place| {
                let five = usize::try_from(bits >> (59 - 5 * place) & 31).ok()?;
                ALPHABET.get(five).map(|letter| char::from(*letter))
            })
            .collect()
    }
}

/// `rule` in the characters a mark may hold.
pub(crate) fn named(rule: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    rule.chars().take(NAME_BYTES).map(|c| if plain(c) { c } else { '-' }).collect()
}

/// Every mark in `text`, in order.
pub(crate) fn marks(text: &[u8]) -> Vec<Range<usize>> {
    memmem::find_iter(text, OPENING.as_bytes())
        .filter_map(|start| Some(start..start + length(text.get(start..)?)?))
        .collect()
}

/// The length of the mark at the beginning of `text`, where there is one.
fn length(text: &[u8]) -> Option<usize> {
    let body = text.get(OPENING.len()..)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let rule = body.iter().take(NAME_BYTES + 1).position(|byte| !plain(byte))?;
    let tag = body.get(rule..)?.strip_prefix(b":")?;
    let letters = tag.iter().take(TAG_CHARS).filter(|byte| ALPHABET.contains(byte)).count();
    let closed = tag.get(TAG_CHARS..)?.starts_with(CLOSING.as_bytes());
    let whole = OPENING.len() + rule + 1 + TAG_CHARS + CLOSING.len();
    (rule > 0 && letters == TAG_CHARS && closed).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_secret_has_one_tag_and_another_key_another() {
        let (one, other) = (Tagger::new([1; 32]), Tagger::new([2; 32]));
        assert_eq!(one.mark("rule", b"secret"), one.mark("rule", b"secret"));
        assert_ne!(one.mark("rule", b"secret"), one.mark("rule", b"Secret"));
        assert_ne!(one.mark("rule", b"secret"), other.mark("rule", b"secret"));
        assert_eq!(format!("{one:?}"), "Tagger");
    }

    #[test]
    fn a_mark_is_recognised_and_what_only_looks_like_one_is_not() {
        let mark = Tagger::new([0; 32]).mark("a rule/of: mine", b"x");
        assert!(mark.starts_with("‹redacted:a-rule-of--mine:"), "{mark}");
        let text = format!("before {mark}{mark} after");
        assert_eq!(marks(text.as_bytes()).len(), 2);
        for text in ["‹redacted:a:abc›", "‹redacted::abcdef›", "‹redacted:a:ABCDEF›", "‹redacted:a"]
        {
            assert!(marks(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
