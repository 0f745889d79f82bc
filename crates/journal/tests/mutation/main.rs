//! Twenty thousand random mutations of a database, at the level of bytes, pages and rows: each is found and
//! located, or shown by an independent reading to have changed nothing that counts.
//!
//! `victim` makes the databases, `damage` mutates a copy, `dump` reads it without the journal's code, `judge`
//! says whether what the journal found is true.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod damage;
mod dump;
mod judge;
#[path = "../support/mod.rs"]
mod support;
mod victim;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use damage::Chance;
use judge::{Judgement, Verifier};
use victim::Victim;

/// Mutations of one run of the tests; `PALISADE_MUTATIONS` asks for another number.
const MUTATIONS: u64 = 20_000;
/// The first seed; `PALISADE_MUTATION_SEED` asks for another.
const SEED: u64 = 0x5eed;

fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// How many mutations of each kind came out how.
type Tally = BTreeMap<(&'static str, &'static str), u64>;

fn campaign(mutations: u64, seed: u64, verifier: Verifier) -> (Tally, Vec<String>) {
    let victims = victim::all();
    let next = AtomicU64::new(0);
    let (tally, missed) = (Mutex::new(Tally::new()), Mutex::new(Vec::new()));
    let worker = || {
        let place = victim::workplace();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= mutations {
                return;
            }
            let seed = seed.wrapping_mul(1_000_003).wrapping_add(number);
            let mut chance = Chance::new(seed);
            let victim: &Victim = &victims[chance.below(victims.len())];
            let copy = victim.copy_to(place.path());
            let damage = damage::inflict(&copy, victim, &mut chance);
            let judgement = judge::judge(&copy, victim, &damage, verifier);
            let outcome = match &judgement {
                Judgement::Found => "found and located",
                Judgement::Harmless => "changed nothing that counts",
                Judgement::Missed(_) => "missed",
                Judgement::Misplaced(_) => "found in the wrong place",
            };
            let line = |why| format!("seed {seed} ({}): {damage:?}: {why}", victim.name);
            match judgement {
                Judgement::Missed(why) => missed.lock().unwrap().push(line(why)),
                Judgement::Misplaced(why) => eprintln!("misplaced: {}", line(why)),
                Judgement::Found | Judgement::Harmless => {}
            }
            *tally.lock().unwrap().entry((damage.kind, outcome)).or_default() += 1;
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
        (0..threads).for_each(|_| drop(scope.spawn(worker)));
    });
    (tally.into_inner().unwrap(), missed.into_inner().unwrap())
}

fn count(tally: &Tally, outcome: &str) -> u64 {
    tally.iter().filter(|((_, found), _)| *found == outcome).map(|(_, count)| count).sum()
}

#[test]
fn every_mutation_is_found_and_located_or_changed_nothing() {
    let (mutations, seed) =
        (asked("PALISADE_MUTATIONS", MUTATIONS), asked("PALISADE_MUTATION_SEED", SEED));
    let (tally, missed) = campaign(mutations, seed, Verifier::Whole);
    for ((kind, outcome), count) in &tally {
        println!("{kind:<24} {outcome:<28} {count:>6}");
    }
    let few: Vec<_> = missed.iter().take(20).collect();
    assert!(missed.is_empty(), "{} not found: {few:#?}", missed.len());
    // Where a page stands in for another, SQLite may stumble over a third one first, and that is what it names.
    let misplaced = count(&tally, "found in the wrong place");
    assert!(misplaced * 1_000 <= mutations, "{misplaced} of {mutations} found in the wrong place");
    assert_eq!(tally.values().sum::<u64>(), mutations);
    let found = count(&tally, "found and located");
    assert!(found > mutations / 2, "most mutations hit something that counts: {found}");
}

#[test]
fn a_verifier_that_skips_payload_digests_misses_some() {
    let (_, missed) = campaign(500, SEED, Verifier::HeadersOnly);
    assert!(!missed.is_empty(), "the control found everything");
}

#[test]
fn a_verifier_that_looks_at_pages_only_misses_some() {
    let (_, missed) = campaign(500, SEED, Verifier::PagesOnly);
    assert!(missed.len() > 50, "the control missed only {}", missed.len());
}

#[test]
fn untouched_copies_verify() {
    for victim in victim::all() {
        let place = victim::workplace();
        let copy = victim.copy_to(place.path());
        let found = judge::finding(&copy, &victim);
        assert!(found.is_none(), "{}: {found:?}", victim.name);
        assert_eq!(dump::dump(&copy).as_ref(), Ok(&victim.dump), "{}", victim.name);
    }
}
