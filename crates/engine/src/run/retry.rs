//! Doing steps again on somebody's request.
//!
//! Works out which steps are set back; the event names them all, so that folding it decides
//! nothing. Attempts go on counting, failures and losses begin anew. `finally` steps are done
//! again after any main step is. Repeating a whole run is a new run and not here.

use super::command::{Rejection, Scope};
use super::completion::Outcome;
use super::decide::{Log, Site};
use super::event::Fact;
use super::plan::{Gate, Stage};
use super::progress::{Phase, Run, RunState, Wait, satisfies};
use super::review;
use crate::workflow::StepIndex;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Sets `asked` back, all of them or none: each is held against the run as it is before any of them is.
pub(super) fn retry(
    asked: &[Site<'_>],
    scope: Scope,
    by: &Arc<str>,
    log: &mut Log,
) -> Result<(), Rejection> {
    let Some(first) = asked.first() else { return Err(Rejection::WrongState("no step is named")) };
    let targets: BTreeSet<StepIndex> = asked.iter().map(|site| site.place).collect();
    asked.iter().try_for_each(|site| legal(*site, scope, &targets))?;
    let (run, main) = (first.run, asked.iter().any(|site| site.node.stage == Stage::Main));
    let reset = ResetSet::of(run, &Targets { places: &targets, main }, scope);
    let name = |step: &StepIndex| run.plan.node(*step).map(|node| Arc::clone(&node.name));
    log.run = run.id;
    for &place in &reset.ordered {
        if let (Some(node), Some(step)) = (run.plan.node(place), run.step(place)) {
            review::void(Site { run, place, node, step }, "the step is set back", log);
        }
    }
    log.push(Fact::RunRetried {
        by: Arc::clone(by),
        step: first.name(),
        reset: reset.ordered.iter().filter_map(name).collect(),
    });
    Ok(())
}

fn legal(site: Site<'_>, scope: Scope, targets: &BTreeSet<StepIndex>) -> Result<(), Rejection> {
    let waits = matches!(site.step.phase, Phase::Waiting(_));
    let over = site.run.conclusion.is_some();
    if !waits && !over && site.run.cancel.is_some() {
        return Err(Rejection::AlreadyCancelling(site.run.id));
    }
    if !waits && !over && site.run.state() != RunState::Waiting {
        return Err(Rejection::WrongState("the run goes on by itself"));
    }
    match (&site.step.phase, scope) {
        (Phase::Pending | Phase::Ready | Phase::Running(_), _) => {
            Err(Rejection::WrongState("the step has not ended"))
        }
        (Phase::Ended(Outcome::Succeeded), Scope::Step) => {
            Err(Rejection::WrongState("the step has succeeded"))
        }
        (Phase::Ended(_) | Phase::Waiting(_), _) if !may_follow(site, targets) => {
            Err(Rejection::WrongState("a step it needs has not succeeded"))
        }
        (Phase::Ended(_) | Phase::Waiting(_), _) => Ok(()),
    }
}

/// What was asked for.
struct Targets<'a> {
    places: &'a BTreeSet<StepIndex>,
    /// Whether a main step is among it.
    main: bool,
}

/// Steps that are set back, each after those it needs.
struct ResetSet {
    ordered: Vec<StepIndex>,
    members: BTreeSet<StepIndex>,
}

impl ResetSet {
    fn of(run: &Run, targets: &Targets<'_>, scope: Scope) -> Self {
        let mut set = Self { ordered: Vec::new(), members: BTreeSet::new() };
        for &place in run.plan.order() {
            let (Some(node), Some(step)) = (run.plan.node(place), run.step(place)) else {
                continue;
            };
            let site = Site { run, place, node, step };
            if targets.places.contains(&place) || set.takes(site, targets, scope) {
                set.ordered.push(place);
                set.members.insert(place);
            }
        }
        set
    }

    fn takes(&self, site: Site<'_>, targets: &Targets<'_>, scope: Scope) -> bool {
        let movable = matches!(site.step.phase, Phase::Ended(_) | Phase::Waiting(_));
        if site.node.stage == Stage::Finally && targets.main {
            return movable;
        }
        let follows = site.node.needs.iter().any(|need| self.members.contains(need));
        let wanted = match (scope, &site.step.phase) {
            (Scope::From, _) => movable,
            (Scope::Step, Phase::Ended(Outcome::Skipped | Outcome::Cancelled)) => true,
            (Scope::Step, Phase::Waiting(Wait::Retry { .. })) => true,
            (Scope::Step, Phase::Waiting(Wait::Approval { .. } | Wait::Approved { .. })) => true,
            (Scope::Step, _) => false,
        };
        follows && wanted && may_follow(site, &self.members)
    }
}

/// Whether the step can be taken up once `reset` have succeeded.
fn may_follow(site: Site<'_>, reset: &BTreeSet<StepIndex>) -> bool {
    let run: &Run = site.run;
    site.node.gate == Gate::Asks
        || site.node.needs.iter().all(|&need| match (run.plan.node(need), run.step(need)) {
            (Some(node), Some(step)) => {
                let good = |outcome| satisfies(node, outcome);
                reset.contains(&need) || step.outcome().is_none_or(good)
            }
            _ => false,
        })
}
