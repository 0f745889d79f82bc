//! Any text as a signed note, a tree head, a verifier's key or a proof: refused, or the one text of what it says, and
//! nothing is proved that was not signed.
//! Whoever includes this has these types beside it. The seeds are replayed by the tests of the crate.
#![allow(clippy::expect_used, reason = "a check fails by panicking")]

use super::{Note, TreeHead, VerifierKey, verified, verify_proof};

/// The key of the vectors, which are among the seeds.
const KEY: &str = "palisade/fe812c12f3ab4ce6+d259aa34+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let key: VerifierKey = KEY.parse().expect("the key of the vectors");
    if let Ok(note) = text.parse::<Note>() {
        assert_eq!(note.to_string(), text, "two texts of one note");
        if let Ok(head) = verified(&note, &key) {
            assert_eq!(head.to_string(), note.unverified(), "signed, and read otherwise");
        }
    }
    if let Ok(head) = text.parse::<TreeHead>() {
        assert_eq!(head.to_string(), text, "two texts of one tree head");
    }
    if let Ok(other) = text.parse::<VerifierKey>() {
        assert_eq!(other.to_string(), text, "two texts of one key");
    }
    if let Ok(shown) = verify_proof(text, &key) {
        assert!(shown.header.sequence <= shown.log.size, "a record beyond its tree");
    }
}
