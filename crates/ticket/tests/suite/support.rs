//! Keys, claims and calls the tests begin with, and a second signer that shares no code with the crate.
//! It asserts nothing.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use ticket::*;

pub(crate) const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
pub(crate) const SECOND: u64 = 1_000_000;
/// When every ticket of the tests begins.
pub(crate) const START: Time = Time(1_000 * SECOND);

pub(crate) fn secret() -> Secret {
    Secret::new(SECRET).unwrap()
}

pub(crate) fn signer() -> Signer {
    Signer::Secret(secret())
}

pub(crate) fn node() -> NodeKey {
    NodeKey::of_seed(&[7; 32])
}

/// Accepts what the secret and the node sign.
pub(crate) fn keyring() -> Keyring {
    Keyring::new(vec![Key::Secret(secret()), Key::Public(node().public())]).unwrap()
}

/// A ticket for reading below `docs`, 30 s long, once.
pub(crate) fn claims() -> Claims<'static> {
    Claims {
        id: Id([9; 16]),
        tenant: "default",
        project: None,
        principal: "user:alice",
        peer: None,
        audience: Audience::Tools(vec!["fs.read"]),
        arguments: None,
        paths: Some(vec!["docs"]),
        hosts: None,
        scopes: vec![],
        profile: None,
        policy: None,
        not_before: START,
        expires: START.after(LIFE_TOOL),
        uses: 1,
        nonce: 1,
        epoch: 3,
    }
}

/// A call the ticket covers.
pub(crate) fn call() -> Expected<'static> {
    Expected {
        what: For::Tool("fs.read"),
        tenant: "default",
        project: None,
        principal: "user:alice",
        peer: None,
        epoch: 3,
        arguments: None,
        paths: &["docs/a.md"],
        hosts: &[],
        scopes: &[],
        profile: None,
        policy: None,
    }
}

pub(crate) fn minted(claims: Claims<'_>) -> Ticket {
    mint(claims, &signer()).unwrap()
}

/// Holds a ticket against a call at the start of its life.
pub(crate) fn held<'a>(ticket: &'a Ticket, call: &Expected<'_>) -> Result<Verified<'a>, Refused> {
    verify(ticket, &keyring(), call, START)
}

pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| state.update(part));
    state.finalize().into_bytes().into()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The text of any bytes as claims, properly signed with the secret.
pub(crate) fn forged(claims: &[u8]) -> String {
    let head = [&[1], secret().id().0.as_slice(), &(claims.len() as u16).to_be_bytes()].concat();
    let payload = [head.as_slice(), claims].concat();
    let signature = mac(SECRET, &[b"palisade ticket 1 hmac\0", &payload]);
    format!("{}.{}", encode(&payload), encode(&signature))
}

/// The claims' bytes of a ticket that was not narrowed.
pub(crate) fn body(ticket: &Ticket) -> Vec<u8> {
    decode(ticket.text().split_once('.').unwrap().0)[11..].to_vec()
}

/// A ticket with any bytes as a narrowing, signed as its holder would.
pub(crate) fn narrowed_with(ticket: &Ticket, block: &[u8]) -> Ticket {
    let text = ticket.text();
    let (payload, signature) = text.split_once('.').unwrap();
    let block = [(block.len() as u16).to_be_bytes().as_slice(), block].concat();
    let signature = mac(&decode(signature), &[b"palisade ticket 1 narrow\0", &block]);
    let payload = [decode(payload), block].concat();
    Ticket::parse(&format!("{}.{}", encode(&payload), encode(&signature))).unwrap()
}
