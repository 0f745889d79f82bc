//! The escape suite: every way out that we know is tried, and each has a positive control.
//!
//! A case is data (`cases`): what is set up, which walls stop it, and what the attempt is answered.
//! A trial (`trial`) runs it in a whole sandbox, where it must be held with that answer; without
//! those walls, where it must escape; and with each of them alone, where it must be held again.
//! The attempts themselves are a program of their own (`../attack`), which judges nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly"
)]

#[path = "../attack/program.rs"]
mod attack;
mod case;
mod cases;
mod page;
mod pass;
mod scene;
mod target;
mod trial;
mod walls;

use std::collections::BTreeSet;

use case::Class;
use cases::cases;

#[test]
fn descriptors_lead_nowhere() {
    pass::run(Class::Descriptors);
}

#[test]
fn files_that_were_not_given_are_out_of_reach() {
    pass::run(Class::Filesystem);
}

#[test]
fn no_namespace_is_made_or_entered() {
    pass::run(Class::Namespaces);
}

#[test]
fn kernel_interfaces_that_are_not_listed_stay_shut() {
    pass::run(Class::Syscalls);
}

#[test]
fn terminals_are_left_alone() {
    pass::run(Class::Tty);
}

#[test]
fn nothing_reaches_the_network() {
    pass::run(Class::Network);
}

#[test]
fn nobody_uses_more_than_was_given() {
    pass::run(Class::Resources);
}

#[test]
fn nothing_outlives_its_sandbox_or_touches_others() {
    pass::run(Class::Lifecycle);
}

#[test]
fn secrets_and_the_record_stay_outside() {
    pass::run(Class::Secrets);
}

/// Not a test by itself: one class as one user, started by [`pass::run`].
#[test]
fn one_pass() {
    pass::inner();
}

/// Not a test by itself: a supervisor that is killed, started by a trial.
#[test]
fn doomed_supervisor() {
    trial::supervise();
}

#[test]
fn a_launch_without_a_wall_is_refused_by_the_self_probe() {
    walls::each_is_missed();
}

#[test]
fn there_are_enough_cases_and_each_attempt_is_used() {
    const CASES: usize = 80;
    assert!(cases().count() >= CASES, "{} cases", cases().count());
    let names: BTreeSet<_> = cases().map(|(_, case)| case.name).collect();
    assert_eq!(names.len(), cases().count(), "a name stands for one case");
    for class in Class::ALL {
        assert!(cases().filter(|(of, _)| *of == class).count() >= 5, "{class}");
    }
    let used: BTreeSet<String> = cases().map(|(_, case)| scene::attempt_of(case)).collect();
    let known = attack::CLASSES.iter().copied().flatten().map(|(name, _)| (*name).to_owned());
    let known: BTreeSet<String> = known.collect();
    assert_eq!(used.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(known.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "never used");
}

#[test]
fn page_is_up_to_date() {
    page::check();
}

/// The control of the test that looks for the mark in the shipped program.
#[test]
fn this_build_can_be_weakened_and_says_so() {
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let mark = weakened::weaken::MARK.as_bytes();
    assert!(own.windows(mark.len()).any(|part| part == mark));
}
