//! Making tickets: signing claims, and narrowing a ticket that is there.
//!
//! Whether somebody may have a ticket is decided before, by policy. A ticket under a secret can be narrowed by anybody
//! who holds it; one under a node's key only by that node, which signs it anew.

use crate::claims::{Claims, Unusable};
use crate::key::{KeyId, NodeKey, Signer, narrowed};
use crate::narrowing::{DEPTH_MAX, Narrowing};
use crate::text::{Malformed, Signature, TEXT_BYTES_MAX, Ticket, VERSION};
use crate::verify::unverified;
use crate::wire;

/// Why there is no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// Nobody should sign this.
    #[error("the ticket is not made: {0}")]
    Unusable(#[from] Unusable),
    /// Its text would be too long.
    #[error("the ticket would have more than {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// It was narrowed too often.
    #[error("the ticket was narrowed {DEPTH_MAX} times already")]
    Depth,
    /// It is signed with a node's key, and only that node can narrow it.
    #[error("the ticket is signed with the key {0}, and only its holder can narrow it")]
    NeedsKey(KeyId),
}

/// A ticket that says `claims`, whose lists may be in any order.
///
/// # Errors
/// [`MintError`] when the claims are unusable or too long.
pub fn mint(claims: Claims<'_>, signer: &Signer) -> Result<Ticket, MintError> {
    let claims = claims.sorted();
    claims.check()?;
    let mut body = Vec::with_capacity(256);
    wire::write(&claims, &mut body);
    let length = u16::try_from(body.len()).map_err(|_| MintError::TooLong)?;
    let mut payload = Vec::with_capacity(body.len() + 16);
    payload.push(VERSION);
    payload.extend(signer.id().0);
    payload.extend(length.to_be_bytes());
    payload.append(&mut body);
    let signature = match signer {
        Signer::Secret(secret) => Signature::Mac(secret.sign(&payload, std::iter::empty())),
        Signer::Node(node) => Signature::Ed25519(node.sign(&payload)),
    };
    finish(payload, signature)
}

/// The same ticket with less in it. Needs no key; the ticket itself is the right to narrow it.
///
/// # Errors
/// [`MintError`] when it would be wider in any way, or is signed with a node's key.
pub fn attenuate(ticket: &Ticket, narrowing: Narrowing<'_>) -> Result<Ticket, MintError> {
    let Signature::Mac(before) = *ticket.signature() else {
        return Err(MintError::NeedsKey(ticket.key()));
    };
    let block = narrower(ticket, narrowing)?;
    let signature = Signature::Mac(narrowed(before, &block));
    finish([ticket.payload(), &block].concat(), signature)
}

/// As [`attenuate`], for a ticket that `node` signed.
///
/// # Errors
/// As there; [`MintError::NeedsKey`] when it is signed with another key or by another hand.
pub fn attenuate_signed(
    ticket: &Ticket,
    narrowing: Narrowing<'_>,
    node: &NodeKey,
) -> Result<Ticket, MintError> {
    let (public, needs) = (node.public(), MintError::NeedsKey(ticket.key()));
    match ticket.signature() {
        Signature::Ed25519(signature) if public.verifies(ticket.payload(), signature) => {}
        Signature::Ed25519(_) | Signature::Mac(_) => return Err(needs),
    }
    let payload = [ticket.payload(), &narrower(ticket, narrowing)?].concat();
    let signature = Signature::Ed25519(node.sign(&payload));
    finish(payload, signature)
}

/// The block of a narrowing, where it makes the ticket narrower.
fn narrower(ticket: &Ticket, narrowing: Narrowing<'_>) -> Result<Vec<u8>, MintError> {
    if ticket.depth() >= DEPTH_MAX {
        return Err(MintError::Depth);
    }
    let narrowing = narrowing.sorted();
    let mut claims = unverified(ticket)?;
    narrowing.clone().apply(&mut claims)?;
    Ok(narrowing.write())
}

fn finish(payload: Vec<u8>, signature: Signature) -> Result<Ticket, MintError> {
    let text = (payload.len() + signature.bytes().len()) * 4 / 3 + 5;
    if text > TEXT_BYTES_MAX {
        return Err(MintError::TooLong);
    }
    Ticket::new(payload, signature).map_err(|error| match error {
        Malformed::Depth => MintError::Depth,
        _ => MintError::TooLong,
    })
}
