//! Uses under threads, and what is remembered for how long.
//! Whether a ticket covers the call at all is `check`.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::*;
use ticket::*;

const THREADS: usize = 10;
const ROUNDS: u64 = 1_000;

/// How many of ten threads that start together get a use of a ticket, round after round.
fn race(uses_each: u16, spend: impl Fn(&Verified<'_>) -> bool + Sync) -> Vec<usize> {
    let tickets: Vec<Ticket> = (1..=ROUNDS)
        .map(|round| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&round.to_be_bytes());
            minted(Claims { id: Id(id), nonce: round, uses: uses_each, ..claims() })
        })
        .collect();
    let won: Vec<AtomicUsize> = tickets.iter().map(|_| AtomicUsize::new(0)).collect();
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for (ticket, won) in tickets.iter().zip(&won) {
                    let verified = held(ticket, &call()).unwrap();
                    start.wait();
                    if spend(&verified) {
                        won.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    won.into_iter().map(AtomicUsize::into_inner).collect()
}

#[test]
fn of_ten_uses_at_once_of_a_one_use_ticket_exactly_one_succeeds() {
    let uses = Uses::new(10_000);
    let won = race(1, |verified| uses.redeem(verified, START).is_ok());
    assert_eq!(won, vec![1; ROUNDS as usize]);
    let uses = Uses::new(10_000);
    let won = race(3, |verified| uses.redeem(verified, START).is_ok());
    assert_eq!(won, vec![3; ROUNDS as usize]);
    // Looked at first and taken afterwards, in two steps, is what a race wins more than once.
    let uses = Uses::new(10_000);
    let meet = Barrier::new(THREADS);
    let won = race(1, |verified| {
        let free = uses.peek(verified, START).is_ok();
        meet.wait();
        let _taken = uses.redeem(verified, START);
        free
    });
    assert_eq!(won, vec![THREADS; ROUNDS as usize], "the control");
}

fn numbered(number: u8, uses: u16) -> Claims<'static> {
    Claims { id: Id([number; 16]), nonce: number.into(), uses, ..claims() }
}

fn redeem(uses: &Uses, ticket: &Ticket, now: Time) -> Result<u16, Spent> {
    let verified =
        verify(ticket, &keyring(), &Expected { paths: &["docs/a"], ..call() }, now).unwrap();
    uses.redeem(&verified, now).map(|redeemed| redeemed.left)
}

#[test]
fn a_use_of_a_child_is_a_use_of_its_parent() {
    let uses = Uses::new(100);
    let parent = minted(numbered(1, 3));
    let child = |salt| {
        attenuate(&parent, Narrowing { salt, uses: Some(2), ..Narrowing::default() }).unwrap()
    };
    let (one, other) = (child(1), child(2));
    assert_eq!(redeem(&uses, &one, START), Ok(1));
    assert_eq!(redeem(&uses, &one, START), Ok(0));
    assert_eq!(redeem(&uses, &one, START), Err(Spent::Exhausted), "the child's own");
    assert_eq!(redeem(&uses, &other, START), Ok(1));
    assert_eq!(redeem(&uses, &other, START), Err(Spent::Exhausted), "the parent's");
    assert_eq!(redeem(&uses, &parent, START), Err(Spent::Exhausted));
}

#[test]
fn a_short_lived_child_does_not_give_its_parents_use_back() {
    let uses = Uses::new(100);
    let parent = minted(numbered(1, 1));
    let soon = START.after(Duration::from_secs(1));
    let narrowing = Narrowing { expires: Some(soon), ..Narrowing::default() };
    let child = attenuate(&parent, narrowing).unwrap();
    assert_eq!(redeem(&uses, &child, START), Ok(0));
    let later = START.after(Duration::from_secs(2));
    assert_eq!(redeem(&uses, &minted(numbered(2, 1)), later), Ok(0), "something else cleans up");
    assert_eq!(redeem(&uses, &parent, later), Err(Spent::Exhausted));
}

#[test]
fn revoking_a_ticket_revokes_what_was_narrowed_from_it_and_nothing_else() {
    let uses = Uses::new(100);
    let parent = minted(numbered(1, 5));
    let fewer = Narrowing { uses: Some(2), ..Narrowing::default() };
    let child = attenuate(&parent, fewer).unwrap();
    let id = unverified(&child).unwrap().id;
    let dead = unverified(&parent).unwrap().dead();
    uses.revoke(id, dead).unwrap();
    assert_eq!(redeem(&uses, &child, START), Err(Spent::Revoked));
    assert_eq!(redeem(&uses, &parent, START), Ok(4), "the parent was not");
    uses.revoke(Id([1; 16]), dead).unwrap();
    assert_eq!(redeem(&uses, &parent, START), Err(Spent::Revoked));
    assert_eq!(redeem(&uses, &minted(numbered(2, 1)), START), Ok(0));
}

#[test]
fn at_capacity_new_tickets_are_refused_and_old_ones_stay_spent() {
    let uses = Uses::new(2);
    assert_eq!(redeem(&uses, &minted(numbered(1, 1)), START), Ok(0));
    assert_eq!(redeem(&uses, &minted(numbered(2, 2)), START), Ok(1));
    assert_eq!(redeem(&uses, &minted(numbered(3, 1)), START), Err(Spent::Full));
    assert_eq!(redeem(&uses, &minted(numbered(2, 2)), START), Ok(0), "one that is known goes on");
    assert_eq!(redeem(&uses, &minted(numbered(1, 1)), START), Err(Spent::Exhausted));
    assert_eq!(
        uses.revoke(Id([8; 16]), unverified(&minted(claims())).unwrap().dead()),
        Err(Spent::Full)
    );
    let late = START.after(LIFE_TOOL);
    let next = Claims { not_before: late, expires: late.after(LIFE_TOOL), ..numbered(4, 1) };
    assert_eq!(redeem(&uses, &minted(next), late), Ok(0), "there is room once they expired");
    assert_eq!(uses.len(), 1);
}

#[test]
fn what_was_used_before_a_restart_stays_used() {
    let (before, after) = (Uses::new(100), Uses::new(100));
    let ticket = minted(numbered(5, 2));
    let verified = held(&ticket, &call()).unwrap();
    let redeemed = before.redeem(&verified, START).unwrap();
    let dead = verified.claims().dead();
    redeemed.uses.iter().for_each(|used| after.restore(*used));
    after.restore_window(verified.key(), "user:alice", redeemed.window, dead);
    assert_eq!(redeem(&after, &ticket, START), Ok(0), "one of two was used");
    assert_eq!(redeem(&after, &ticket, START), Err(Spent::Exhausted));
    let same_nonce = minted(Claims { id: Id([77; 16]), ..numbered(5, 1) });
    assert_eq!(redeem(&after, &same_nonce, START), Err(Spent::Replayed));
}
