//! The ledger of limits: by hand, against a naive model, and folded again from its facts.
//!
//! The model keeps every call and counts them one by one; the control is a model that forgets the
//! tenant, which must be caught.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

use std::time::Duration;

use policy::quota::{Account, Ending, Exceeded, Fact, FactError, Ledger, Reservation, Settlement};
use policy::{Approve, Charge, ChargeKind, Exceed, Per, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;

const SECOND: u64 = 1_000_000;

fn account(tenant: &str, principal: &str, run: &str) -> Account {
    Account { tenant: tenant.into(), principal: principal.into(), run: run.into() }
}

fn own() -> Account {
    account("t", "p", "r")
}

fn charge(kind: ChargeKind, per: Per, max: u64, seconds: Option<u64>) -> Charge {
    Charge {
        rule: "rule".into(),
        limit: 0,
        kind,
        amount: 1,
        max,
        per,
        window: seconds.map(Duration::from_secs),
        on_exceed: Exceed::Deny,
        approve: None,
    }
}

fn reviewed(charge: Charge) -> Charge {
    Charge { on_exceed: Exceed::RequireReview, approve: Some(Approve::default()), ..charge }
}

/// How many of `calls` in a row are let through at `now`.
fn admitted(
    ledger: &mut Ledger,
    account: &Account,
    charge: &Charge,
    now: u64,
    calls: usize,
) -> usize {
    (0..calls)
        .filter(|_| ledger.reserve(account, std::slice::from_ref(charge), now).is_ok())
        .count()
}

#[test]
fn a_window_slides_and_frees_what_it_leaves_behind() {
    let count = charge(ChargeKind::Count, Per::Run, 3, Some(64));
    let mut ledger = Ledger::default();
    assert_eq!(admitted(&mut ledger, &own(), &count, 1_000 * SECOND, 2), 2);
    assert_eq!(admitted(&mut ledger, &own(), &count, 1_030 * SECOND, 5), 1);
    let refused = ledger.reserve(&own(), std::slice::from_ref(&count), 1_063 * SECOND).unwrap_err();
    let Exceeded::Limits { over } = &refused else { panic!("{refused:?}") };
    assert_eq!((over[0].used, over[0].amount), (3, 1));
    assert_eq!(refused.verdict(), Verdict::Deny);
    assert_eq!(
        refused.to_string(),
        "limit 1 of `rule`: at most 3 calls per run in 64s, 3 used and 1 asked for"
    );
    // What it says about the time is true to the microsecond.
    let fits_at = over[0].fits_at.unwrap();
    assert_eq!(fits_at, 1_065 * SECOND);
    assert_eq!(admitted(&mut ledger, &own(), &count, fits_at - 1, 1), 0);
    assert_eq!(admitted(&mut ledger, &own(), &count, fits_at, 5), 2);
}

#[test]
fn without_a_window_a_run_has_one_budget() {
    let count = charge(ChargeKind::Count, Per::Run, 2, None);
    let mut ledger = Ledger::default();
    assert_eq!(admitted(&mut ledger, &own(), &count, 0, 2), 2);
    let refused = ledger.reserve(&own(), std::slice::from_ref(&count), u64::MAX).unwrap_err();
    let Exceeded::Limits { over } = refused else { panic!("{refused:?}") };
    assert_eq!(over[0].fits_at, None);
    assert_eq!(admitted(&mut ledger, &account("t", "p", "other"), &count, 0, 9), 2);
    ledger.forget("t", "r");
    assert_eq!(admitted(&mut ledger, &own(), &count, 0, 9), 2);
    // The end of one tenant's run says nothing about another's.
    ledger.forget("u", "r");
    assert_eq!(admitted(&mut ledger, &own(), &count, 0, 9), 0);
}

#[test]
fn calls_at_a_time_are_given_back_at_their_end() {
    let two = charge(ChargeKind::Concurrent, Per::Principal, 2, None);
    let mut ledger = Ledger::default();
    let reserve = |ledger: &mut Ledger| ledger.reserve(&own(), std::slice::from_ref(&two), 0);
    let first = reserve(&mut ledger).unwrap();
    let second = reserve(&mut ledger).unwrap();
    assert!(reserve(&mut ledger).is_err());
    assert_eq!(ledger.open().map(|open| open.number).collect::<Vec<_>>(), [0, 1]);
    ledger.settle(first.number, 1).unwrap();
    let third = reserve(&mut ledger).unwrap();
    assert!(reserve(&mut ledger).is_err());
    ledger.release(second.number, 2).unwrap();
    ledger.settle(third.number, 3).unwrap();
    assert_eq!(ledger.used(&own(), &two, 3), 0);
    assert_eq!(ledger.settle(third.number, 4), Err(FactError::NotOpen { number: 2 }));
    assert_eq!(ledger.release(99, 4), Err(FactError::NotOpen { number: 99 }));
}

/// A call that ran counts, one of which nobody knows too; one that never began does not.
#[test]
fn only_what_never_began_is_given_back() {
    let count = charge(ChargeKind::Count, Per::Tenant, 2, Some(3_600));
    let mut ledger = Ledger::default();
    let reserve = |ledger: &mut Ledger| ledger.reserve(&own(), std::slice::from_ref(&count), 0);
    let ran = reserve(&mut ledger).unwrap();
    ledger.settle(ran.number, 1).unwrap();
    let never = reserve(&mut ledger).unwrap();
    assert!(reserve(&mut ledger).is_err());
    ledger.release(never.number, 1).unwrap();
    assert_eq!(ledger.used(&own(), &count, 1), 1);
    let open = reserve(&mut ledger).unwrap();
    // Never settled: it goes on counting.
    assert!(reserve(&mut ledger).is_err());
    assert_eq!(ledger.open().next(), Some(&open));
}

#[test]
fn all_charges_or_none() {
    let free = charge(ChargeKind::Count, Per::Run, 10, None);
    let tight = Charge { limit: 1, ..charge(ChargeKind::Concurrent, Per::Tenant, 1, None) };
    let both = [free.clone(), tight.clone()];
    let mut ledger = Ledger::default();
    ledger.reserve(&own(), &both, 0).unwrap();
    let before = ledger.clone();
    for _ in 0..5 {
        assert!(ledger.reserve(&own(), &both, 0).is_err());
    }
    assert_eq!(ledger, before);
    assert_eq!((ledger.used(&own(), &free, 0), ledger.used(&own(), &tight, 0)), (1, 1));
}

/// The same counter twice in one call is asked for twice.
#[test]
fn charges_on_one_counter_add_up() {
    let sum = |amount| Charge { amount, ..charge(ChargeKind::Sum, Per::Run, 10, None) };
    let mut ledger = Ledger::default();
    assert!(ledger.reserve(&own(), &[sum(6), sum(6)], 0).is_err());
    ledger.reserve(&own(), &[sum(6), sum(4)], 0).unwrap();
    assert_eq!(ledger.used(&own(), &sum(1), 0), 10);
}

#[test]
fn amounts_do_not_wrap() {
    let sum = |amount, max| Charge { amount, ..charge(ChargeKind::Sum, Per::Run, max, None) };
    let mut ledger = Ledger::default();
    assert!(ledger.reserve(&own(), &[sum(Charge::UNKNOWN, (1 << 53) - 1)], 0).is_err());
    ledger.reserve(&own(), &[sum(5, 10)], 0).unwrap();
    let huge = reviewed(sum(Charge::UNKNOWN, 10));
    let entered = ledger.reserve_approved(&own(), &[huge.clone(), huge], 0).unwrap();
    assert_eq!(ledger.used(&own(), &sum(1, 10), 0), u64::MAX);
    assert!(ledger.reserve(&own(), &[sum(1, 10)], 0).is_err());
    // What cannot be told apart any more is not given back.
    ledger.release(entered.number, 0).unwrap();
    assert_eq!(ledger.used(&own(), &sum(1, 10), 0), u64::MAX);
}

#[test]
fn beyond_a_limit_is_a_denial_or_a_review() {
    let deny = charge(ChargeKind::Count, Per::Run, 1, None);
    let review = reviewed(Charge { limit: 1, ..deny.clone() });
    let verdict = |charges: &[Charge]| {
        let mut ledger = Ledger::default();
        ledger.reserve(&own(), &[deny.clone(), review.clone()], 0).unwrap();
        let refused = ledger.reserve(&own(), charges, 0).unwrap_err();
        let approved = ledger.reserve_approved(&own(), charges, 0).is_ok();
        (refused.verdict(), approved, ledger.used(&own(), &review, 0))
    };
    assert_eq!(verdict(std::slice::from_ref(&review)), (Verdict::RequireReview, true, 2));
    assert_eq!(verdict(std::slice::from_ref(&deny)), (Verdict::Deny, false, 1));
    // An approval excuses the limit that asked for it, and no other.
    assert_eq!(verdict(&[review.clone(), deny.clone()]), (Verdict::Deny, false, 1));
    assert_eq!(Exceeded::Full.verdict(), Verdict::Deny);
}

#[test]
fn time_does_not_run_backwards() {
    let count = charge(ChargeKind::Count, Per::Run, 1, Some(64));
    let mut ledger = Ledger::default();
    assert_eq!(admitted(&mut ledger, &own(), &count, 1_000 * SECOND, 1), 1);
    assert_eq!(ledger.correct(400 * SECOND), None);
    assert_eq!(admitted(&mut ledger, &own(), &count, 400 * SECOND, 1), 0);
    assert_eq!(admitted(&mut ledger, &own(), &count, 1_065 * SECOND, 1), 1);
    // Without a correction nothing is let through that would not be with one.
    assert_eq!(admitted(&mut ledger, &own(), &count, 0, 1), 0);
}

/// Ten years, in microseconds.
const DECADE: u64 = 10 * 365 * 24 * 3_600 * SECOND;

#[test]
fn a_clock_that_was_ahead_freezes_no_window() {
    let count = charge(ChargeKind::Count, Per::Principal, 3, Some(64));
    let other = Charge { limit: 1, ..count.clone() };
    let mut ledger = Ledger::default();
    assert_eq!(admitted(&mut ledger, &own(), &other, 1_000 * SECOND, 2), 2);
    assert_eq!(admitted(&mut ledger, &own(), &count, 1_000 * SECOND + DECADE, 2), 2);
    let kept = ledger.clone();
    let nothing = ledger.correct(1_010 * SECOND).unwrap();
    assert_eq!((nothing.charges.len(), nothing.at), (0, 1_010 * SECOND));
    assert_eq!(ledger.correct(1_010 * SECOND), None, "once");
    // What was made ahead of the clock counts as made now, and what was made before it still counts.
    assert_eq!(ledger.used(&own(), &count, 1_010 * SECOND), 2);
    assert_eq!(ledger.used(&own(), &other, 1_010 * SECOND), 2);
    assert_eq!(admitted(&mut ledger, &own(), &count, 1_010 * SECOND, 5), 1);
    // One step late at the most, and then all of it is given back.
    assert_eq!(admitted(&mut ledger, &own(), &count, 1_073 * SECOND, 1), 0);
    assert_eq!(admitted(&mut ledger, &own(), &count, 1_075 * SECOND, 5), 3);
    // The control: without the correction the window stands still until the clock has caught up.
    let mut kept = kept;
    assert_eq!(kept.used(&own(), &count, 1_075 * SECOND), 2);
    assert_eq!(kept.used(&own(), &count, 9_999 * SECOND), 2);
    let late = kept.correct(9_999 * SECOND).unwrap();
    assert_eq!(late.at, 9_999 * SECOND);
}

#[test]
fn what_a_correction_moved_is_not_given_back_at_the_cost_of_another() {
    let count = charge(ChargeKind::Count, Per::Run, 3, Some(64));
    let held = Charge { limit: 1, ..charge(ChargeKind::Concurrent, Per::Run, 3, None) };
    let both = [count.clone(), held.clone()];
    let mut ledger = Ledger::default();
    let early = ledger.reserve(&own(), &both, DECADE).unwrap();
    ledger.reserve(&own(), &both, DECADE + 900 * SECOND).unwrap();
    // The first has left its window by the clock that was ahead, the second counts.
    ledger.correct(SECOND).unwrap();
    assert_eq!(ledger.used(&own(), &count, SECOND), 1);
    ledger.release(early.number, SECOND).unwrap();
    assert_eq!(ledger.used(&own(), &count, SECOND), 1);
    assert_eq!(ledger.used(&own(), &held, SECOND), 1);
}

/// Where a clock that is ahead ends a call, no window moves.
#[test]
fn an_ending_moves_no_time() {
    let count = charge(ChargeKind::Count, Per::Run, 1, Some(64));
    let mut ledger = Ledger::default();
    let ran = ledger.reserve(&own(), std::slice::from_ref(&count), 1_000 * SECOND).unwrap();
    ledger.settle(ran.number, DECADE).unwrap();
    assert_eq!(ledger.correct(1_001 * SECOND), None);
    assert_eq!(admitted(&mut ledger, &own(), &count, 1_063 * SECOND, 1), 0);
    assert_eq!(admitted(&mut ledger, &own(), &count, 1_065 * SECOND, 1), 1);
}

/// Memory is bounded: when there is no room to count, nothing is let through; what no longer counts
/// makes room.
#[test]
fn a_full_ledger_lets_nothing_through() {
    let count = charge(ChargeKind::Count, Per::Principal, 1, Some(64));
    let mut ledger = Ledger::default();
    let reserve = |ledger: &mut Ledger, number: usize, now| {
        let account = account("t", &format!("p{number}"), "r");
        let reserved = ledger.reserve(&account, std::slice::from_ref(&count), now);
        reserved.map(|reservation| ledger.settle(reservation.number, now).unwrap())
    };
    for number in 0..16_384 {
        reserve(&mut ledger, number, 0).unwrap();
    }
    let full = ledger.clone();
    assert_eq!(reserve(&mut ledger, 99_999, 0), Err(Exceeded::Full));
    assert_eq!(ledger, full);
    // A counter that is there already needs no room.
    assert!(matches!(reserve(&mut ledger, 7, 0), Err(Exceeded::Limits { .. })));
    reserve(&mut ledger, 99_999, 66 * SECOND).unwrap();

    let one = charge(ChargeKind::Count, Per::Run, u64::MAX, None);
    let mut ledger = Ledger::default();
    assert_eq!(admitted(&mut ledger, &own(), &one, 0, 16_400), 16_384);
    ledger.settle(0, 0).unwrap();
    assert_eq!(admitted(&mut ledger, &own(), &one, 0, 2), 1);

    let mut ledger = Ledger::default();
    let many: Vec<Charge> = (0..257).map(|limit| Charge { limit, ..one.clone() }).collect();
    assert_eq!(ledger.reserve(&own(), &many, 0), Err(Exceeded::Full));
    assert!(ledger.reserve(&own(), &many[..256], 0).is_ok());
    let long = account(&"t".repeat(4_097), "p", "r");
    assert_eq!(ledger.reserve(&long, &[], 0), Err(Exceeded::Full));
}

#[test]
fn facts_out_of_order_are_refused() {
    let count = charge(ChargeKind::Count, Per::Run, 5, None);
    let mut ledger = Ledger::default();
    let reservation = ledger.reserve(&own(), &[count], 5).unwrap();
    let mut folded = Ledger::default();
    let reserved = Fact::Reserved(reservation.clone());
    folded.fold(&reserved).unwrap();
    assert_eq!(folded, ledger);
    assert_eq!(folded.fold(&reserved), Err(FactError::Order { number: 0, next: 1 }));
    let settled = Fact::Settled(ledger.settle(0, 9).unwrap());
    folded.fold(&settled).unwrap();
    assert_eq!(folded.fold(&settled), Err(FactError::NotOpen { number: 0 }));
    assert_eq!(folded, ledger);
    let crowded = Reservation {
        number: 7,
        charges: vec![reservation.charges[0].clone(); 257],
        ..reservation
    };
    assert_eq!(folded.fold(&Fact::Reserved(crowded)), Err(FactError::Full));
    assert_eq!(folded, ledger);
}

/// One call that was let through, in the model.
#[derive(Debug, Clone)]
struct Past {
    account: Account,
    charge: Charge,
    at: u64,
    number: u64,
    open: bool,
    released: bool,
    /// Out of its window by a clock that was ahead.
    gone: bool,
    /// Moved by a correction: it counts whatever becomes of it.
    moved: bool,
}

/// How the model counts.
#[derive(Debug, Clone, Copy)]
struct Counting {
    /// One step of a window longer than it is, and with what only a wrong clock let go.
    late: bool,
    tenants: bool,
}

/// Counts every call one by one.
fn counted(
    past: &[Past],
    (account, charge): (&Account, &Charge),
    now: u64,
    Counting { late, tenants }: Counting,
) -> u64 {
    let same = |other: &Past| {
        let scope = match charge.per {
            Per::Run => other.account.run == account.run,
            Per::Principal => other.account.principal == account.principal,
            Per::Tenant => true,
        };
        scope
            && other.charge.limit == charge.limit
            && (!tenants || other.account.tenant == account.tenant)
    };
    let counts = |other: &Past| match (charge.kind, charge.window) {
        (ChargeKind::Concurrent, _) => other.open,
        (_, None) => !other.released,
        (_, Some(window)) => {
            let window = u64::try_from(window.as_micros()).unwrap();
            let window = window + if late { window.div_ceil(64) } else { 0 };
            !other.released && (late || !other.gone) && other.at + window > now
        }
    };
    past.iter().filter(|other| same(other) && counts(other)).map(|other| other.charge.amount).sum()
}

#[derive(Debug, Clone)]
enum Step {
    Reserve {
        account: Account,
        charges: Vec<Charge>,
    },
    End {
        which: usize,
        released: bool,
    },
    Wait(u64),
    /// The clock is set, by so much.
    Set(i64),
}

/// Limits by place, so that one place is always the same limit.
fn limits() -> Vec<Charge> {
    let place = |limit, charge: Charge| Charge { limit, ..charge };
    vec![
        place(0, charge(ChargeKind::Count, Per::Run, 3, Some(64))),
        place(1, charge(ChargeKind::Sum, Per::Tenant, 20, Some(10))),
        place(2, charge(ChargeKind::Concurrent, Per::Principal, 2, None)),
        place(3, charge(ChargeKind::Sum, Per::Run, 15, None)),
        place(4, charge(ChargeKind::Count, Per::Principal, 4, Some(3))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let accounts = ["t", "u"]
        .into_iter()
        .flat_map(|t| ["p", "q"].map(|p| ["r", "s"].map(|r| account(t, p, r))))
        .flatten()
        .collect::<Vec<_>>();
    let charges = proptest::sample::subsequence(limits(), 0..=3);
    let reserve =
        (select(accounts), charges, 0_u64..9).prop_map(|(account, mut charges, amount)| {
            for charge in &mut charges {
                if charge.kind == ChargeKind::Sum {
                    charge.amount = amount;
                }
            }
            Step::Reserve { account, charges }
        });
    prop_oneof![
        5 => reserve,
        3 => (0_usize..20, any::<bool>()).prop_map(|(which, released)| Step::End { which, released }),
        2 => (0_u64..20 * SECOND).prop_map(Step::Wait),
        1 => (0_u64..200 * SECOND).prop_map(Step::Wait),
        1 => select(vec![-900_i64, -700, -300, -20, 20, 700, 900])
            .prop_map(|seconds| Step::Set(seconds * SECOND.cast_signed())),
    ]
}

/// What a correction does to every call of the model.
fn corrected_model(past: &mut [Past], latest: u64, clock: u64) {
    for call in past {
        let window = call.charge.window.map_or(u64::MAX, |window| window.as_micros() as u64);
        call.gone |= call.at.saturating_add(window) <= latest;
        call.moved |= call.at > clock && call.charge.window.is_some();
        call.at = call.at.min(clock);
    }
}

/// What a call that was let through is in the model.
fn calls<'a>(
    account: &'a Account,
    charges: &'a [Charge],
    (at, number): (u64, u64),
) -> impl Iterator<Item = Past> + 'a {
    charges.iter().map(move |charge| Past {
        account: account.clone(),
        charge: charge.clone(),
        at,
        number,
        open: true,
        released: false,
        gone: false,
        moved: false,
    })
}

/// Carries the steps out, holds every answer against the model, and gives the facts.
fn hold(steps: &[Step], tenants: bool) -> Result<(Ledger, Vec<Fact>), String> {
    let (mut ledger, mut past, mut facts) = (Ledger::default(), Vec::<Past>::new(), Vec::new());
    let (mut clock, mut latest) = (100_000 * SECOND, 0);
    for step in steps {
        match step {
            Step::Wait(time) => clock += time,
            Step::Set(by) => clock = clock.saturating_add_signed(*by),
            Step::Reserve { account, charges } => {
                let corrected = ledger.correct(clock);
                if corrected.is_some() != (clock + 600 * SECOND < latest) {
                    return Err(format!("at {clock}, {latest} the latest: {corrected:?}"));
                }
                if let Some(nothing) = corrected {
                    corrected_model(&mut past, latest, clock);
                    latest = clock;
                    let (number, at) = (nothing.number, nothing.at);
                    facts.push(Fact::Reserved(nothing));
                    facts.push(Fact::Settled(Settlement { number, ending: Ending::Charged, at }));
                }
                let now = clock.max(latest);
                let fits = |late: bool| {
                    charges.iter().all(|charge| {
                        let counting = Counting { late, tenants };
                        let used = counted(&past, (account, charge), now, counting);
                        used + charge.amount <= charge.max
                    })
                };
                let (may, must) = (fits(false), fits(true));
                let before = ledger.clone();
                match ledger.reserve(account, charges, clock) {
                    Ok(reserved) => {
                        if !may {
                            return Err(format!("{step:?} at {now} is beyond a limit"));
                        }
                        past.extend(calls(account, charges, (now, reserved.number)));
                        latest = now;
                        facts.push(Fact::Reserved(reserved));
                    }
                    Err(refused) => {
                        if must || ledger != before {
                            return Err(format!("{step:?} at {now} was refused: {refused}"));
                        }
                    }
                }
            }
            Step::End { which, released } => {
                let open: Vec<u64> = ledger.open().map(|open| open.number).collect();
                let Some(number) = open.get(which % open.len().max(1)).copied() else { continue };
                let ended = match released {
                    true => ledger.release(number, clock),
                    false => ledger.settle(number, clock),
                };
                let ended = ended.map_err(|error| error.to_string())?;
                assert_eq!(
                    ended.ending,
                    if *released { Ending::Released } else { Ending::Charged }
                );
                for call in past.iter_mut().filter(|call| call.number == number) {
                    (call.open, call.released) = (false, *released && !call.moved);
                }
                facts.push(Fact::Settled(ended));
            }
        }
    }
    Ok((ledger, facts))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_500, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Never more than a limit in any window, and held back no longer than one step of it.
    #[test]
    fn ledger_and_model_agree(steps in vec(step(), 0..60)) {
        let held = hold(&steps, true);
        prop_assert!(held.is_ok(), "{}", held.unwrap_err());
    }

    /// The facts, through their text, give the same ledger; so do those up to any point and the rest.
    #[test]
    fn the_same_facts_give_the_same_ledger(steps in vec(step(), 0..60)) {
        let (ledger, facts) = hold(&steps, true).unwrap();
        let mut folded = Ledger::default();
        for fact in &facts {
            let text = serde_json::to_string(fact).unwrap();
            let read: Fact = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read, fact);
            folded.fold(&read).unwrap();
        }
        prop_assert_eq!(folded, ledger);
    }

    /// As a journal gives them back: reservations in their order, each with its end; what is released
    /// never gets there. What counts is the same, at every time that the clock may say.
    #[test]
    fn reservations_with_their_ends_give_the_same_ledger(
        steps in vec(step(), 0..60),
        ahead in 0_u64..2_000,
    ) {
        let ran = |step| match step {
            Step::End { which, .. } => Step::End { which, released: false },
            other => other,
        };
        let steps: Vec<Step> = steps.into_iter().map(ran).collect();
        let (ledger, facts) = hold(&steps, true).unwrap();
        let mut folded = Ledger::default();
        let end = |number: u64| facts.iter().find_map(|fact| match fact {
            Fact::Settled(settled) if settled.number == number => Some(settled.clone()),
            _ => None,
        });
        let mut at = 0;
        for fact in &facts {
            let Fact::Reserved(reserved) = fact else { continue };
            at = reserved.at;
            folded.fold(fact).unwrap();
            if let Some(ended) = end(reserved.number) {
                folded.fold(&Fact::Settled(ended)).unwrap();
            }
        }
        let open = |ledger: &Ledger| ledger.open().map(|open| open.number).collect::<Vec<_>>();
        prop_assert_eq!(open(&folded), open(&ledger));
        for now in [at, at + ahead * SECOND, at.saturating_sub(ahead * SECOND)] {
            for charge in limits() {
                for account in ["t", "u"].map(|tenant| account(tenant, "p", "r")) {
                    let (live, again) =
                        (ledger.used(&account, &charge, now), folded.used(&account, &charge, now));
                    prop_assert_eq!(again, live, "{} at {}", charge, now);
                }
            }
        }
    }
}

#[test]
fn a_model_that_forgets_the_tenant_is_caught() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let caught = (0..200).any(|_| {
        let steps = vec(step(), 40..60).new_tree(&mut runner).unwrap().current();
        hold(&steps, false).is_err()
    });
    assert!(caught);
}
