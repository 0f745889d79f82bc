//! Mistakes that others shipped with tokens and nonces, each kept from coming back here.
//! A control beside each shows that the honest case works.

use std::time::Duration;

use crate::support::*;
use ticket::*;

fn numbered(nonce: u64) -> Claims<'static> {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&nonce.to_be_bytes());
    Claims { id: Id(id), nonce, ..claims() }
}

fn redeem(uses: &Uses, ticket: &Ticket, now: Time) -> Result<(), Spent> {
    let verified = verify(ticket, &keyring(), &call(), now).map_err(|_| Spent::Expired)?;
    uses.redeem(&verified, now).map(drop)
}

/// A store that throws out nonces which could still be replayed.
#[test]
fn mistake_nonce_evicted_inside_its_life() {
    let uses = Uses::new(1_000);
    let first = minted(numbered(1));
    assert_eq!(redeem(&uses, &first, START), Ok(()));
    for nonce in 2..900 {
        assert_eq!(redeem(&uses, &minted(numbered(nonce)), START), Ok(()));
        assert_eq!(redeem(&uses, &first, START), Err(Spent::Exhausted), "after {nonce}");
    }
    // The same nonce under another id, inside the window and far behind it.
    for nonce in [898, 800, 1] {
        let again = minted(Claims { id: Id([0xee; 16]), ..numbered(nonce) });
        assert_eq!(redeem(&uses, &again, START), Err(Spent::Replayed), "{nonce}");
    }
}

/// A ticket good at the very moment it expires, when its nonce may already be forgotten.
#[test]
fn mistake_boundary_replay_at_now_equal_to_expiry() {
    let uses = Uses::new(10);
    let ticket = minted(numbered(1));
    let last = Time(START.0 + 30 * SECOND - 1);
    let over = Time(START.0 + 30 * SECOND);
    let early = verify(&ticket, &keyring(), &call(), START).unwrap();
    assert_eq!(uses.redeem(&early, last).map(drop), Ok(()));
    assert_eq!(
        verify(&ticket, &keyring(), &call(), over).unwrap_err(),
        Refused::Expired(Duration::ZERO)
    );
    assert_eq!(uses.redeem(&early, over), Err(Spent::Expired), "checked in time, spent too late");
    assert_eq!(uses.len(), 0, "and by now it may be forgotten");
    assert_eq!(
        uses.redeem(&early, START),
        Err(Spent::Expired),
        "a clock that went back changes nothing"
    );
}

/// A nonce taken as seen before the signature was checked, so that anybody could use up another's.
#[test]
fn mistake_nonce_committed_before_the_signature() {
    let uses = Uses::new(10);
    let ticket = minted(numbered(1));
    let text = ticket.text();
    let (payload, _) = text.split_once('.').unwrap();
    let forged = Ticket::parse(&format!("{payload}.{}", encode(&[0; 32]))).unwrap();
    assert_eq!(verify(&forged, &keyring(), &call(), START), Err(Refused::Signature));
    assert!(uses.is_empty());
    assert_eq!(redeem(&uses, &ticket, START), Ok(()), "the owner's use is still there");
}

/// A use taken although the call was refused.
#[test]
fn mistake_use_consumed_by_a_refused_call() {
    let uses = Uses::new(10);
    let ticket = minted(numbered(1));
    let outside = Expected { paths: &["src/main.rs"], ..call() };
    assert_eq!(verify(&ticket, &keyring(), &outside, START), Err(Refused::Bound(Binding::Paths)));
    uses.peek(&held(&ticket, &call()).unwrap(), START).unwrap();
    assert!(uses.is_empty());
    assert_eq!(redeem(&uses, &ticket, START), Ok(()));
}

/// A token that says by which algorithm it is to be checked, down to none, or a public key taken as a secret.
#[test]
fn mistake_algorithm_taken_from_the_token() {
    let public = node().public();
    let ticket = minted(claims());
    let mut payload = decode(ticket.text().split_once('.').unwrap().0);
    payload[1..9].copy_from_slice(&public.id().0);
    // Named as the node's and signed with its public key as if that were a secret.
    let signature = mac(public.bytes(), &[b"palisade ticket 1 hmac\0", &payload]);
    let confused = Ticket::parse(&format!("{}.{}", encode(&payload), encode(&signature))).unwrap();
    assert_eq!(held(&confused, &call()), Err(Refused::Signature));
    for length in [0, 1, 16, 63] {
        let none = format!("{}.{}", encode(&payload), encode(&vec![0; length]));
        assert!(Ticket::parse(&none).is_err(), "a signature of {length} bytes");
    }
    let real = mint(claims(), &Signer::Node(node())).unwrap();
    assert!(held(&real, &call()).is_ok(), "the control");
}

/// A time that is not there taken as no limit: here there is no ticket without one.
#[test]
fn mistake_no_time_means_for_ever() {
    let forever = Claims { expires: Time(u64::MAX), ..claims() };
    assert!(mint(forever, &signer()).is_err());
    let mut body = body(&minted(claims()));
    body[26..34].copy_from_slice(&u64::MAX.to_be_bytes());
    let ticket = Ticket::parse(&forged(&body)).unwrap();
    assert!(matches!(held(&ticket, &call()), Err(Refused::Claims(_))), "also when properly signed");
}

/// A binding that is there and that the caller knows nothing about, taken as fulfilled.
#[test]
fn mistake_missing_attribute_passes() {
    for says in [
        Claims { peer: Some("box-1"), ..claims() },
        Claims { arguments: Some([1; 32]), ..claims() },
        Claims { profile: Some([1; 32]), ..claims() },
        Claims { policy: Some([1; 32]), ..claims() },
        Claims { project: Some("p"), ..claims() },
    ] {
        let ticket = minted(says);
        assert!(held(&ticket, &call()).is_err(), "{:?}", unverified(&ticket));
    }
    let pathless = minted(claims());
    assert!(held(&pathless, &Expected { paths: &[], ..call() }).is_err());
}

/// A counter whose key leaves the tenant out: here a ticket of one is none of another.
#[test]
fn mistake_tenant_missing_from_the_check() {
    let ticket = minted(claims());
    for tenant in ["", "Default", "default ", "dеfault"] {
        assert_eq!(held(&ticket, &Expected { tenant, ..call() }), Err(Refused::Tenant), "{tenant}");
    }
}
