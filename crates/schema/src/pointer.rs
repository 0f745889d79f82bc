//! JSON Pointers (RFC 6901) as texts: one name to one reference token and back.
//! A pointer is followed by `serde_json`; this only spells the tokens.

/// A name as a reference token (RFC 6901, section 3).
#[must_use]
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The name a reference token stands for (RFC 6901, section 4).
#[must_use]
pub fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}
