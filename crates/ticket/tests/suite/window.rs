//! The nonce window against a list of everything ever seen.
//! How tickets use it is `concurrency` and `mistakes`.

use std::collections::BTreeSet;

use proptest::prelude::*;
use ticket::*;

use crate::support::*;

/// What the window is meant to be: all nonces seen, and a rule about old ones.
#[derive(Default)]
struct Naive(BTreeSet<u64>);

impl Naive {
    fn accept(&mut self, nonce: u64) -> bool {
        let highest = self.0.last().copied().unwrap_or(0);
        let too_old = highest.saturating_sub(nonce) >= WINDOW_WIDTH && nonce < highest;
        nonce != 0 && !too_old && self.0.insert(nonce)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_window_agrees_with_a_list_of_everything(
        steps in prop::collection::vec(prop_oneof![0u64..400, Just(u64::MAX), u64::MAX - 300..u64::MAX], 0..300)
    ) {
        let (mut window, mut naive) = (Window::default(), Naive::default());
        for nonce in steps {
            prop_assert_eq!(window.is_new(nonce), window.clone().accept(nonce));
            prop_assert_eq!(window.accept(nonce), naive.accept(nonce), "{}", nonce);
            let (highest, seen) = window.parts();
            prop_assert_eq!(Window::restored(highest, seen), window);
        }
    }
}

#[test]
fn a_nonce_inside_the_window_is_never_forgotten() {
    let mut window = Window::default();
    assert!(window.accept(1));
    for nonce in 2..=WINDOW_WIDTH {
        assert!(window.accept(nonce));
        assert!(!window.is_new(1), "1 came back after {nonce}");
    }
    assert!(!window.accept(WINDOW_WIDTH), "the newest twice");
    assert!(
        window.accept(WINDOW_WIDTH + 1) && !window.is_new(1),
        "1 fell out and is still refused"
    );
}

#[test]
fn a_jump_forgets_the_order_and_not_the_seen() {
    let mut window = Window::default();
    assert!(window.accept(5) && window.accept(132));
    assert!(!window.is_new(5) && window.accept(6), "both are within reach of 132");
    assert!(window.accept(133) && !window.accept(5), "5 is out of reach and refused");
    assert!(window.accept(u64::MAX) && !window.accept(u64::MAX));
}

#[test]
fn windows_are_bounded_by_the_tickets_that_live() {
    let (uses, mut most) = (Uses::new(1_000), 0);
    for round in 0..20_000_u64 {
        let now = Time(START.0 + round * SECOND);
        let principal = format!("agent:{round}");
        let mut id = [0; 16];
        id[..8].copy_from_slice(&round.to_be_bytes());
        let ticket = minted(Claims {
            id: Id(id),
            principal: &principal,
            not_before: now,
            expires: now.after(LIFE_TOOL),
            ..claims()
        });
        let call = Expected { principal: &principal, ..call() };
        let verified = verify(&ticket, &keyring(), &call, now).unwrap();
        uses.redeem(&verified, now).unwrap();
        most = most.max(uses.windows());
    }
    assert!(uses.len() <= 31, "{}", uses.len());
    assert!((31..=64).contains(&most), "{most}");
}
