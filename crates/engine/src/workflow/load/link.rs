//! Linking: `needs` by name become edges, and edges a graph without cycles.
//!
//! Also the place where two steps of one name are found, because edges go by name.

use super::Loader;
use super::step::Draft;
use crate::workflow::graph::{Graph, Place};
use crate::workflow::step::{Phase, StepIndex};
use policy::document::{Diagnostic, suggest};
use std::collections::BTreeMap;

impl<'n> Loader<'n> {
    /// Puts the edges into the steps and returns the graph, unless there are cycles.
    pub(super) fn link(&mut self, drafts: &mut [Draft<'n>]) -> Option<Graph> {
        let by_name = self.names(drafts);
        let mut places = Vec::with_capacity(drafts.len());
        for place in 0..drafts.len() {
            let (phase, needs) = self.needs(drafts, place, &by_name)?;
            if let Some(step) = drafts.get_mut(place).and_then(|draft| draft.step.as_mut()) {
                step.needs.clone_from(&needs);
            }
            places.push(Place { phase, needs });
        }
        match Graph::new(&places) {
            Ok(graph) => Some(graph),
            Err(cycles) => {
                for cycle in cycles {
                    self.cycle(drafts, &cycle);
                }
                None
            }
        }
    }

    fn names(&mut self, drafts: &[Draft<'n>]) -> BTreeMap<String, StepIndex> {
        let mut by_name: BTreeMap<String, StepIndex> = BTreeMap::new();
        for (index, draft) in (0..).map(StepIndex).zip(drafts) {
            let Some(name) = &draft.name else { continue };
            let Some(first) = by_name.get(name) else {
                by_name.insert(name.clone(), index);
                continue;
            };
            let line = drafts.get(first.get()).map_or(0, |first| first.name_span.line);
            let message = format!("step name `{name}` is already used on line {line}");
            self.report.add(Diagnostic::error(draft.name_span, message));
        }
        by_name
    }

    fn needs(
        &mut self,
        drafts: &[Draft<'n>],
        place: usize,
        by_name: &BTreeMap<String, StepIndex>,
    ) -> Option<(Phase, Vec<StepIndex>)> {
        let draft = drafts.get(place)?;
        let mut needs = Vec::with_capacity(draft.needs.len());
        for (name, span) in &draft.needs {
            let diagnostic = match by_name.get(*name) {
                None => {
                    let near = if self.is_exact() { nearest(name, by_name) } else { None };
                    Diagnostic::error(*span, format!("unknown step `{name}` in `needs`"))
                        .with_suggestion(near)
                }
                Some(index) if index.get() == place => {
                    Diagnostic::error(*span, format!("step `{name}` needs itself"))
                }
                Some(index) if needs.contains(index) => {
                    Diagnostic::error(*span, format!("`{name}` is in `needs` twice"))
                }
                Some(index) => match (draft.phase, drafts.get(index.get())?.phase) {
                    (Phase::Body, Phase::Body) | (Phase::Finally, Phase::Finally) => {
                        needs.push(*index);
                        continue;
                    }
                    (Phase::Finally, Phase::Body) => {
                        let message = format!("a `finally` step cannot need `{name}` of `steps`");
                        Diagnostic::error(*span, message)
                            .with_hint("`finally` begins when every step is over; leave this out")
                    }
                    (Phase::Body, Phase::Finally) => {
                        let message = format!("step `{name}` is in `finally` and runs last");
                        Diagnostic::error(*span, message)
                            .with_hint(format!("move `{name}` to `steps`"))
                    }
                },
            };
            self.report.add(diagnostic);
        }
        Some((draft.phase, needs))
    }

    /// `a → b → a`: each step needs the next one.
    fn cycle(&mut self, drafts: &[Draft<'n>], cycle: &[StepIndex]) {
        let names: Vec<&str> = cycle
            .iter()
            .chain(cycle.first())
            .filter_map(|index| drafts.get(index.get())?.name.as_deref())
            .collect();
        let first = cycle.first().and_then(|index| drafts.get(index.get()));
        let next = names.get(1).copied().unwrap_or_default();
        let span = first.map(|draft| {
            let need = draft.needs.iter().find(|(name, _)| *name == next);
            need.map_or(draft.name_span, |(_, span)| *span)
        });
        let path = names.join(" → ");
        let message = format!("steps wait for each other: {path}");
        self.error(span.unwrap_or_default(), message, "take one of these out of `needs`");
    }
}

fn nearest(name: &str, by_name: &BTreeMap<String, StepIndex>) -> Option<String> {
    let names: Vec<&str> = by_name.keys().map(String::as_str).collect();
    suggest(name, &names)
}
