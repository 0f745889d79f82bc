//! Limits over many calls: what is counted, what is not, and that a restart forgets nothing.
//! The arithmetic of windows is the policy crate's and tested there.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;

use crate::support::{Project, submission, until_end};
use crate::town::{SECOND, Town, gate_of, steps};
use engine::policy::quota::{Account, Ledger, Reservation};
use engine::policy::{Charge, ChargeKind, Exceed, Per};
use engine::run::{Ended, Fact, Fence, Micros, StepState};
use runner::owner::Owner;
use runner::projection::{CORRECTED_KIND, Charged};
use runner::{Adopt, Doing, Ruling, RunId};

fn limited(limit: &str) -> String {
    format!(
        "version: 1\nname: test\nrules:\n  - {{ name: few, match: {{ tool: exec.run }}, action: allow, limits: [ {{ {limit} }} ] }}\n"
    )
}

fn started(town: &Town) -> usize {
    town.count("step.started")
}

#[test]
fn a_call_beyond_a_limit_is_denied_and_says_what_is_used() {
    let mut town = Town::new(&limited("count: 2, per: principal, window: 1h"));
    town.submit(&steps(&["a", "b", "c"]), "user:ada");
    assert_eq!(started(&town), 2);
    let denial = town.denial();
    for part in [
        "few: limit 1 of `few`",
        "at most 2 calls per principal in 3600s",
        "2 used",
        "it fits again in 36",
    ] {
        assert!(denial.contains(part), "{part}: {denial}");
    }
    town.submit(&steps(&["a"]), "user:bob");
    assert_eq!(started(&town), 3, "another principal has its own");
    town.finish(Ended::Succeeded);
    town.wait(3600 + 60);
    town.submit(&steps(&["a"]), "user:ada");
    assert_eq!(started(&town), 4, "the window has passed");
}

#[test]
fn at_the_same_time_means_until_the_end_of_the_attempt() {
    let mut town = Town::new(&limited("concurrent: 2, per: tenant"));
    town.submit(&steps(&["a", "b"]), "user:ada");
    town.submit(&steps(&["a"]), "user:bob");
    assert_eq!(started(&town), 2);
    assert!(town.denial().contains("at most 2 calls at a time per tenant"), "{}", town.denial());
    town.finish(Ended::Succeeded);
    town.submit(&steps(&["a"]), "user:bob");
    assert_eq!(started(&town), 3);
}

#[test]
fn an_attempt_whose_owner_died_counts_and_is_held_no_longer() {
    let policy = limited("count: 3, per: run }, { concurrent: 1, per: tenant");
    let mut town = Town::new(&policy);
    let run = town.submit(&steps(&["a"]), "user:ada");
    for attempts in 2..=3 {
        town.restart(&policy, 8);
        assert_eq!(started(&town), attempts, "the lost attempt holds nothing");
        assert_eq!(town.states(run), [StepState::Running]);
    }
    town.restart(&policy, 8);
    assert_eq!(started(&town), 3, "and each of them counts");
    assert!(town.denial().contains("at most 3 calls per run"), "{}", town.denial());
}

#[test]
fn mistake_a_budget_consumed_by_denied_calls() {
    let policy = "
version: 1
name: test
rules:
  - { name: few, match: { tool: exec.run }, action: allow, limits: [ { count: 2, per: principal, window: 1h }, { count: 1, per: run } ] }
  - { name: no-curl, match: { tool: exec.run, args: { program: curl } }, action: deny }
";
    let mut town = Town::new(policy);
    // Denied by a rule, and by the other limit, before and after: neither takes anything of the first.
    town.submit(&steps(&["curl", "curl", "curl"]), "user:ada");
    town.submit(&steps(&["a", "b", "c"]), "user:ada");
    assert_eq!((started(&town), town.count("step.denied")), (1, 5));
    town.submit(&steps(&["a"]), "user:ada");
    assert_eq!(started(&town), 2);
    town.submit(&steps(&["a"]), "user:ada");
    assert_eq!(started(&town), 2, "the control: the limit is there");
}

#[test]
fn mistake_a_budget_that_a_retry_renews() {
    let policy = limited("count: 2, per: run");
    let mut town = Town::new(&policy);
    let run = town.submit(&steps(&["a"]), "user:ada");
    town.finish(Ended::Failed);
    town.wait(3600);
    town.finish(Ended::Failed);
    assert_eq!((started(&town), town.count("run.finished")), (2, 1));
    town.restart(&policy, 8);
    town.retry(run);
    assert_eq!(started(&town), 2);
    assert!(town.denial().contains("at most 2 calls per run"), "{}", town.denial());
}

#[test]
fn a_call_beyond_a_limit_that_asks_for_a_review_waits_for_one() {
    let policy = limited("count: 1, per: principal, window: 1h, on_exceed: require_review");
    let mut town = Town::new(&policy);
    let run = town.submit(&steps(&["a", "b"]), "user:ada");
    assert_eq!(town.states(run), [StepState::Running, StepState::AwaitingApproval]);
    let request = town.request();
    assert!(town.approve(request, "user:ada").is_err());
    town.restart(&policy, 8);
    town.approve(request, "user:bob").unwrap();
    assert_eq!(town.count("approval.consumed"), 1, "{:?}", town.turns.last());
    let mut requests = town.events.iter().filter_map(|event| match &event.fact {
        Fact::StepApprovalRequested { request, .. } => Some(request.reasons.join("; ")),
        _ => None,
    });
    assert!(requests.next_back().unwrap().contains("at most 1 calls per principal"));
}

#[test]
fn a_limit_that_is_reached_after_the_request_needs_its_own_approval() {
    let policy = "
version: 1
name: test
rules:
  - { name: ask, match: { tool: exec.run, args: { program: rm } }, action: require_review }
  - { name: few, match: { tool: exec.run }, action: allow, limits: [ { count: 1, per: tenant, window: 1h, on_exceed: require_review } ], approve: { from: \"role:boss\" } }
";
    let mut town = Town::new(policy);
    let run = town.submit(&steps(&["rm"]), "user:ada");
    let first = town.request();
    town.submit(&steps(&["touch"]), "user:bob");
    town.rule(first, Ruling::Approve, ("user:eve", &[])).unwrap();
    // What was approved is the call under its rule, not the call beyond a limit.
    assert_eq!((town.count("approval.stale"), town.count("approval.consumed")), (1, 0));
    assert_eq!(town.states(run), [StepState::AwaitingApproval]);
    let second = town.request();
    assert!(town.rule(second, Ruling::Approve, ("user:eve", &[])).is_err());
    town.rule(second, Ruling::Approve, ("user:eve", &["boss"])).unwrap();
    assert_eq!(town.states(run), [StepState::Running]);
}

/// What a ledger says of every account and limit that was ever charged; a run that ended and is gone on with brings
/// counters of its own back, which the owner that saw it end has forgotten.
fn told(town: &Town, ledger: &Ledger) -> Vec<u64> {
    let now = town.now.cast_unsigned();
    let rows = town.charges();
    let used = rows.iter().flat_map(|row| {
        let account: &Account = &row.reservation.account;
        let ended = town.has_ended(row.run);
        let kept =
            row.reservation.charges.iter().filter(move |charge| !ended || charge.per != Per::Run);
        kept.map(|charge| ledger.used(account, charge, now))
    });
    used.collect()
}

#[test]
fn a_restart_at_any_point_gives_the_same_ledger() {
    let policy = limited(
        "count: 5, per: run }, { count: 9, per: principal, window: 10m }, { concurrent: 4, per: tenant",
    );
    let mut town = Town::new(&policy);
    let mut compared = 0;
    for round in 0..12 {
        match round % 4 {
            0 => {
                town.submit(&steps(&["a", "b"]), "user:ada");
            }
            1 => town.finish(if round % 8 == 1 { Ended::Failed } else { Ended::Succeeded }),
            2 => {
                town.submit(&steps(&["a"]), "user:bob");
            }
            _ => town.wait(97),
        }
        let recalled = town.recalled(&policy, 8);
        assert_eq!(told(&town, recalled.ledger()), told(&town, town.owner.ledger()), "{round}");
        let open = |ledger: &Ledger| -> Vec<u64> { ledger.open().map(|one| one.number).collect() };
        assert_eq!(open(recalled.ledger()), open(town.owner.ledger()), "{round}");
        compared += told(&town, recalled.ledger()).len();
    }
    assert!(compared > 50, "{compared} counters compared");
    let before: Vec<u64> = told(&town, town.owner.ledger());
    town.restart(&policy, 0);
    assert_eq!(told(&town, town.owner.ledger()).len(), before.len());
    assert_eq!(town.owner.ledger().open().count(), 0, "nothing runs after a restart");
}

const DECADE: i64 = 10 * 365 * 24 * 3600 * SECOND;

#[test]
fn a_call_under_a_clock_that_was_ahead_locks_nothing_once_it_is_set_right() {
    let policy = limited("count: 2, per: principal, window: 1h");
    let mut town = Town::new(&policy);
    let right = town.now;
    town.now += DECADE;
    town.submit(&steps(&["a"]), "user:ada");
    town.finish(Ended::Succeeded);
    town.now = right + SECOND;
    town.restart(&policy, 8);
    // What was made ahead counts as made now, on record, and what a limit stops corrects the ledger all the same.
    town.submit(&steps(&["a", "b"]), "user:ada");
    town.finish(Ended::Succeeded);
    assert_eq!(started(&town), 2);
    assert!(town.denial().contains("2 used"), "{}", town.denial());
    assert!(town.denial().contains("it fits again in 36"), "{}", town.denial());
    let corrections =
        |town: &Town| town.turns.iter().flatten().filter(|kind| *kind == CORRECTED_KIND).count();
    assert_eq!(corrections(&town), 1);
    // Restarts in between put nothing off: the moment of the correction is on record.
    for _ in 0..3 {
        town.wait(1_200);
        town.restart(&policy, 8);
        let recalled = town.recalled(&policy, 8);
        assert_eq!(told(&town, recalled.ledger()), told(&town, town.owner.ledger()));
    }
    town.wait(60);
    town.submit(&steps(&["a", "b", "c"]), "user:ada");
    town.finish(Ended::Succeeded);
    assert_eq!((started(&town), corrections(&town)), (4, 1));
    // A small step back is waited for and corrects nothing.
    town.now -= 300 * SECOND;
    town.submit(&steps(&["a"]), "user:ada");
    assert_eq!((started(&town), corrections(&town)), (4, 1));
}

#[test]
fn a_correction_at_any_point_gives_the_same_ledger_after_a_restart() {
    let policy = limited(
        "count: 5, per: run }, { count: 9, per: principal, window: 10m }, { concurrent: 4, per: tenant",
    );
    let mut town = Town::new(&policy);
    let steps_of_the_clock = [900, -900, 300, -300, 0, DECADE / SECOND, -DECADE / SECOND, 97];
    for (round, by) in steps_of_the_clock.into_iter().cycle().take(32).enumerate() {
        town.now += by * SECOND;
        match round % 3 {
            0 => {
                town.submit(&steps(&["a", "b"]), "user:ada");
            }
            1 => town.finish(Ended::Succeeded),
            _ => {
                town.submit(&steps(&["a"]), "user:bob");
            }
        }
        let recalled = town.recalled(&policy, 8);
        assert_eq!(told(&town, recalled.ledger()), told(&town, town.owner.ledger()), "{round}");
    }
    let corrected = town.turns.iter().flatten().filter(|kind| *kind == CORRECTED_KIND).count();
    assert!(corrected > 3, "{corrected} corrections");
}

#[test]
fn any_number_of_calls_of_one_moment_is_taken_in() {
    let charge = Charge {
        rule: "few".into(),
        limit: 0,
        kind: ChargeKind::Concurrent,
        amount: 1,
        max: u64::MAX,
        per: Per::Tenant,
        window: None,
        on_exceed: Exceed::Deny,
        approve: None,
    };
    let account = Account { tenant: "default".into(), principal: "p".into(), run: "r".into() };
    let row = |number: u64, ended: Option<Micros>, epoch: u32| Charged {
        run: RunId([1; 16]),
        fence: Fence::new(epoch, u32::try_from(number).unwrap() + 1),
        reservation: Reservation {
            number,
            account: account.clone(),
            charges: vec![charge.clone()],
            used: vec![0],
            at: 5,
        },
        ended,
    };
    let check = |ended: Option<Micros>, epochs: u32, held: Option<u64>| {
        let epoch = |number: u64| 1 + u32::from(epochs > 1 && number == 17_999);
        let rows: Vec<Charged> =
            (0..18_000).map(|number| row(number, ended, epoch(number))).collect();
        let mut owner = Owner::new(gate_of(&limited("count: 1, per: run")), 8, Doing::Nothing);
        let taken = owner.recall(rows, &BTreeSet::new());
        let used = taken.map(|()| owner.ledger().used(&account, &charge, 9)).ok();
        assert_eq!(used, held, "{ended:?}, {epochs}");
    };
    check(Some(Micros(5)), 1, Some(0));
    // Those of an owner that died hold nothing once there is another.
    check(None, 2, Some(1));
    // The control: more than can be held at once are refused.
    check(None, 1, None);
}

#[test]
fn of_ten_submissions_at_once_exactly_as_many_begin_as_may() {
    for round in 0..20 {
        let project = Project::new();
        std::fs::write(project.layout.policy(), limited("count: 3, per: principal, window: 1h"))
            .unwrap();
        let node = project.node(Doing::Nothing, Adopt::Nothing);
        let text = steps(&["a"]);
        let succeeded = std::thread::scope(|scope| {
            let one = || {
                let (watcher, events) = channel();
                let run = node.submit(submission(&text, None), Some(watcher)).unwrap().run;
                let seen = until_end(&events, run);
                seen.iter().any(|event| event.kind() == "step.started")
            };
            let threads: Vec<_> = (0..10).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|begun| *begun).count()
        });
        assert_eq!(succeeded, 3, "round {round}");
        node.stop().unwrap();
        // The same after a restart: nothing is left in the window.
        let node = project.node(Doing::Nothing, Adopt::Nothing);
        let (watcher, events) = channel();
        let run = node.submit(submission(&text, None), Some(watcher)).unwrap().run;
        let seen = until_end(&events, run);
        assert!(seen.iter().all(|event| event.kind() != "step.started"), "round {round}");
        node.stop().unwrap();
    }
}

#[test]
fn a_turn_ends_before_an_operation_could_be_too_large() {
    let mut town = Town::new(&limited("concurrent: 4, per: tenant"));
    let programs = vec!["x"; 1000];
    let runs: Vec<_> = (0..5).map(|_| town.submit(&steps(&programs), "user:ada")).collect();
    let before = town.turns.len();
    // Nothing is allowed any more: everything that waits is denied, far more than one operation takes.
    town.restart("version: 1\nname: none\nrules: []\n", 4);
    let mut turns = 0;
    while town.owner.next_deadline().is_some_and(|due| due.0 <= town.now) {
        town.wait(0);
        turns += 1;
        assert!(turns < 100, "it never rests");
    }
    let sizes: Vec<usize> = town.turns[before..].iter().map(Vec::len).collect();
    assert!(sizes.iter().sum::<usize>() > journal::DRAFTS_MAX, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= journal::DRAFTS_MAX / 2), "{sizes:?}");
    assert!(runs.iter().all(|run| town.has_ended(*run)));
}

#[test]
fn several_failed_steps_are_retried_in_one_go() {
    let mut town = Town::new(&limited("concurrent: 4, per: tenant"));
    let text =
        "version: 1\nname: t\nsteps:\n  - { name: a, run: [x] }\n  - { name: b, run: [x] }\n";
    let run = town.submit(text, "user:ada");
    town.finish(Ended::Failed);
    assert!(town.has_ended(run));
    town.restart(&limited("concurrent: 4, per: tenant"), 4);
    town.retry(run);
    assert_eq!(town.states(run), [StepState::Running; 2]);
}
