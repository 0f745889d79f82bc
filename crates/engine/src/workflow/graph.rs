//! The steps of a workflow as a graph: who waits for whom.
//!
//! It holds edges, an order and levels, worked out once at load. It knows neither names nor how
//! far a run has come. Body steps and `finally` steps are two graphs side by side; levels of
//! `finally` come after all levels of the body.

use super::step::{Phase, StepIndex};
use std::collections::VecDeque;

/// A graph without cycles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    dependants: Vec<Vec<StepIndex>>,
    order: Vec<StepIndex>,
    levels: Vec<Vec<StepIndex>>,
    ancestors: Vec<Bits>,
}

/// One bit per step.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bits(Vec<u64>);

impl Bits {
    fn of_size(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)])
    }

    fn set(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    fn has(&self, bit: usize) -> bool {
        self.0.get(bit / 64).is_some_and(|word| word & (1 << (bit % 64)) != 0)
    }

    fn add(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}

/// What a step waits for and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) phase: Phase,
    pub(super) needs: Vec<StepIndex>,
}

/// The most cycles reported for one document.
const CYCLES_MAX: usize = 10;

impl Graph {
    /// The graph of these steps.
    ///
    /// # Errors
    /// Every cycle found, up to ten, each as the steps on it from the first declared one on.
    pub(super) fn new(places: &[Place]) -> Result<Self, Vec<Vec<StepIndex>>> {
        let dependants = reverse(places);
        let mut missing: Vec<usize> = places.iter().map(|place| place.needs.len()).collect();
        let order = sort(&dependants, &mut missing);
        if order.len() < places.len() {
            return Err(cycles(places, &dependants, missing));
        }
        let levels = levels(places, &order);
        let ancestors = ancestors(places, &order);
        Ok(Self { dependants, order, levels, ancestors })
    }

    /// Every step after all it needs; steps that are free at the same time in document order.
    pub fn order(&self) -> &[StepIndex] {
        &self.order
    }

    /// The steps by the length of the longest chain of `needs` before them: what is in one level
    /// may run at the same time.
    pub fn levels(&self) -> &[Vec<StepIndex>] {
        &self.levels
    }

    /// The steps that need this one directly, in document order.
    pub fn dependants(&self, step: StepIndex) -> &[StepIndex] {
        self.dependants.get(step.get()).map_or(&[], Vec::as_slice)
    }

    /// Whether `step` is over for certain when `later` begins, because a chain of `needs` leads
    /// from `later` to it.
    pub fn is_before(&self, step: StepIndex, later: StepIndex) -> bool {
        self.ancestors.get(later.get()).is_some_and(|before| before.has(step.get()))
    }
}

fn reverse(places: &[Place]) -> Vec<Vec<StepIndex>> {
    let mut dependants = vec![Vec::new(); places.len()];
    for (index, place) in indexed(places) {
        for need in &place.needs {
            if let Some(list) = dependants.get_mut(need.get()) {
                list.push(index);
            }
        }
    }
    dependants
}

/// Kahn, Communications of the ACM 5(11), 1962. Leaves in `missing` what could not be placed.
fn sort(dependants: &[Vec<StepIndex>], missing: &mut [usize]) -> Vec<StepIndex> {
    let mut free: VecDeque<StepIndex> =
        indexed(missing).filter(|(_, count)| **count == 0).map(|(index, _)| index).collect();
    let mut order = Vec::with_capacity(missing.len());
    while let Some(step) = free.pop_front() {
        order.push(step);
        for dependant in dependants.get(step.get()).into_iter().flatten() {
            if let Some(count) = missing.get_mut(dependant.get()) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    free.push_back(*dependant);
                }
            }
        }
    }
    order
}

/// Every step that could not be placed waits for another such step, so a walk along them must
/// come round. Each cycle found is then treated as solved, to find the next one.
fn cycles(
    places: &[Place],
    dependants: &[Vec<StepIndex>],
    mut missing: Vec<usize>,
) -> Vec<Vec<StepIndex>> {
    let mut found = Vec::new();
    while let Some(first) = missing.iter().position(|count| *count > 0) {
        let cycle = walk(places, &missing, first);
        if cycle.is_empty() || found.len() == CYCLES_MAX {
            break;
        }
        release(dependants, &mut missing, &cycle);
        found.push(cycle);
    }
    found
}

fn walk(places: &[Place], missing: &[usize], first: usize) -> Vec<StepIndex> {
    let mut path: Vec<usize> = Vec::new();
    let mut position = vec![None; places.len()];
    let mut at = first;
    while let Some(seen) = position.get_mut(at) {
        if let Some(start) = *seen {
            let cycle = path.split_off(start);
            return from_lowest(&cycle);
        }
        *seen = Some(path.len());
        path.push(at);
        let needs = places.get(at).map_or(&[][..], |place| &place.needs);
        let blocked = |need: &&StepIndex| missing.get(need.get()).is_some_and(|count| *count > 0);
        let Some(next) = needs.iter().find(blocked) else { break };
        at = next.get();
    }
    Vec::new()
}

fn from_lowest(cycle: &[usize]) -> Vec<StepIndex> {
    let lowest = cycle.iter().enumerate().min_by_key(|(_, step)| **step).map_or(0, |(p, _)| p);
    let turned = cycle.iter().cycle().skip(lowest).take(cycle.len());
    turned.filter_map(|step| u32::try_from(*step).ok()).map(StepIndex).collect()
}

/// Takes the steps of a cycle, and what only waited for them, out of the search.
fn release(dependants: &[Vec<StepIndex>], missing: &mut [usize], cycle: &[StepIndex]) {
    let mut free: Vec<StepIndex> = cycle.to_vec();
    for step in cycle {
        if let Some(count) = missing.get_mut(step.get()) {
            *count = 0;
        }
    }
    while let Some(step) = free.pop() {
        for dependant in dependants.get(step.get()).into_iter().flatten() {
            if let Some(count) = missing.get_mut(dependant.get())
                && *count > 0
            {
                *count -= 1;
                if *count == 0 {
                    free.push(*dependant);
                }
            }
        }
    }
}

fn levels(places: &[Place], order: &[StepIndex]) -> Vec<Vec<StepIndex>> {
    let mut level_of = vec![0_usize; places.len()];
    let mut body: Vec<Vec<StepIndex>> = Vec::new();
    let mut after: Vec<Vec<StepIndex>> = Vec::new();
    for step in order {
        let Some(place) = places.get(step.get()) else { continue };
        let before = place.needs.iter().filter_map(|need| level_of.get(need.get()));
        let level = before.max().map_or(0, |level| level + 1);
        if let Some(own) = level_of.get_mut(step.get()) {
            *own = level;
        }
        let levels = match place.phase {
            Phase::Body => &mut body,
            Phase::Finally => &mut after,
        };
        if levels.len() <= level {
            levels.resize(level + 1, Vec::new());
        }
        if let Some(list) = levels.get_mut(level) {
            list.push(*step);
        }
    }
    body.into_iter()
        .chain(after)
        .map(|mut level| {
            level.sort_unstable();
            level
        })
        .collect()
}

fn ancestors(places: &[Place], order: &[StepIndex]) -> Vec<Bits> {
    let mut ancestors = vec![Bits::of_size(places.len()); places.len()];
    for step in order {
        let mut bits = Bits::of_size(places.len());
        for need in places.get(step.get()).into_iter().flat_map(|place| &place.needs) {
            bits.set(need.get());
            if let Some(further) = ancestors.get(need.get()) {
                bits.add(further);
            }
        }
        if let Some(own) = ancestors.get_mut(step.get()) {
            *own = bits;
        }
    }
    ancestors
}

fn indexed<T>(items: &[T]) -> impl Iterator<Item = (StepIndex, &T)> {
    (0..).map(StepIndex).zip(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[&[u32]]) -> Result<Graph, Vec<Vec<StepIndex>>> {
        let place = |needs: &&[u32]| Place {
            phase: Phase::Body,
            needs: needs.iter().copied().map(StepIndex).collect(),
        };
        Graph::new(&edges.iter().map(place).collect::<Vec<_>>())
    }

    fn steps(indexes: &[u32]) -> Vec<StepIndex> {
        indexes.iter().copied().map(StepIndex).collect()
    }

    #[test]
    fn a_diamond_has_three_levels() {
        let graph = graph(&[&[1, 2], &[3], &[3], &[]]).unwrap();
        assert_eq!(graph.order(), steps(&[3, 1, 2, 0]));
        assert_eq!(graph.levels(), [steps(&[3]), steps(&[1, 2]), steps(&[0])]);
        assert_eq!(graph.dependants(StepIndex(3)), steps(&[1, 2]));
        assert!(graph.is_before(StepIndex(3), StepIndex(0)));
        assert!(!graph.is_before(StepIndex(0), StepIndex(3)));
        assert!(!graph.is_before(StepIndex(1), StepIndex(2)));
    }

    #[test]
    fn cycles_start_at_the_first_declared_step() {
        let check = |edges: &[&[u32]], expected: &[&[u32]]| {
            let expected: Vec<_> = expected.iter().map(|cycle| steps(cycle)).collect();
            assert_eq!(graph(edges).unwrap_err(), expected);
        };
        check(&[&[0]], &[&[0]]);
        check(&[&[1], &[0]], &[&[0, 1]]);
        check(&[&[2], &[], &[3], &[2, 1]], &[&[2, 3]]);
        check(&[&[1], &[2], &[0], &[4], &[3]], &[&[0, 1, 2], &[3, 4]]);
    }

    #[test]
    fn a_chain_of_a_thousand_is_quick_and_deep() {
        let needs: Vec<Vec<u32>> =
            (0..1000_u32).map(|step| step.checked_sub(1).into_iter().collect()).collect();
        let edges: Vec<&[u32]> = needs.iter().map(Vec::as_slice).collect();
        let graph = graph(&edges).unwrap();
        assert_eq!(graph.levels().len(), 1000);
        assert!(graph.is_before(StepIndex(0), StepIndex(999)));
    }
}
