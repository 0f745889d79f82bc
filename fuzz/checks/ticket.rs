//! Any text as a ticket, and any bytes as the claims and narrowings of one: refused, or one meaning with one encoding.
//! The seeds are replayed by the tests of the crate.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a check fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ticket::{
    Key, Keyring, Narrowing, NodeKey, PublicKey, Secret, Signer, Ticket, attenuate, is_signed,
    mint, unverified,
};

/// Where the claims begin: after the version, the key's name and their length.
const CLAIMS_AT: usize = 11;

pub(crate) fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(ticket) = Ticket::parse(text) {
            assert_eq!(ticket.text(), text, "two texts of one ticket");
            look(&ticket);
        }
        if let Ok(key) = text.parse::<PublicKey>() {
            assert_eq!(key.text(), text, "two texts of one key");
        }
    }
    let signature = [0; 64];
    let short = data.len().is_multiple_of(2);
    let signature = if short { &signature[..32] } else { &signature[..] };
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(data), URL_SAFE_NO_PAD.encode(signature));
    if let Ok(ticket) = Ticket::parse(&text) {
        look(&ticket);
    }
}

fn look(ticket: &Ticket) {
    let secret = Secret::new(b"0123456789abcdef0123456789abcdef").expect("a good secret");
    let node = NodeKey::of_seed(&[7; 32]);
    let keys = vec![Key::Secret(secret.clone()), Key::Public(node.public())];
    let keyring = Keyring::new(keys).expect("two keys");
    let Ok(claims) = unverified(ticket) else { return };
    claims.check().expect("what was read is sound");
    if ticket.depth() == 0 {
        let again =
            mint(claims.clone(), &Signer::Secret(secret)).expect("what is read can be made");
        assert!(is_signed(&again, &keyring));
        assert_eq!(unverified(&again).as_ref(), Ok(&claims));
        let body = |ticket: &Ticket| {
            let text = ticket.text();
            let (payload, _) = text.split_once('.').expect("two parts");
            URL_SAFE_NO_PAD.decode(payload).expect("base64")[CLAIMS_AT..].to_vec()
        };
        assert_eq!(body(&again), body(ticket), "two encodings of one meaning");
    }
    let fewer = Narrowing { uses: Some(1), scopes: Some(Vec::new()), ..Narrowing::default() };
    if let Ok(child) = attenuate(ticket, fewer) {
        let narrower = unverified(&child).expect("a narrowed ticket is sound");
        assert!(narrower.uses <= claims.uses && narrower.scopes.is_empty());
        assert_eq!((narrower.expires, narrower.principal), (claims.expires, claims.principal));
        assert_ne!(narrower.id, claims.id);
    }
}
