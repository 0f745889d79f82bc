//! Sites: the places of templates in a document, and checking each against what it may see.
//!
//! A template may read the inputs, the steps that are over whenever it is filled in, and the run.
//! Which steps those are follows from the graph; the kinds of value follow from the input schema.

use super::step::Draft;
use super::{EXACT_FAULTS_MAX, Loader};
use crate::expression::{
    Expression, Fault, Kinds, Names, Place, Shape, Sight, StepNames, Template,
};
use crate::workflow::graph::Graph;
use crate::workflow::inputs::InputSchema;
use crate::workflow::step::{Phase, StepIndex};
use policy::document::Node;
use std::collections::BTreeMap;

/// A template and its place.
pub(super) struct Site<'n> {
    pub(super) node: &'n Node,
    pub(super) text: &'n str,
    pub(super) owner: Owner,
    pub(super) content: Content,
    pub(super) wanted: Wanted,
}

/// Whose template it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The step at this place among the drafts.
    Step(usize),
    /// The workflow's own outputs, which are evaluated when everything is over.
    Outputs,
}

/// What stands there.
pub(super) enum Content {
    Template(Template),
    Condition(Expression),
}

/// What the place can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A condition.
    Boolean,
    /// Text; anything but null becomes it.
    Text,
    /// The name of a program.
    Program,
    /// Arguments: text, numbers, booleans, or a list of them.
    Arguments,
    /// Anything.
    Value,
}

impl Wanted {
    /// What the kinds must meet, and how to say that they do not.
    fn rule(self) -> (Kinds, &'static str) {
        let word = Kinds::TEXT.or(Kinds::NUMBER).or(Kinds::BOOL);
        match self {
            Self::Boolean => (Kinds::BOOL, "`if` takes a boolean"),
            Self::Text => (word.or(Kinds::LIST).or(Kinds::MAP), "this needs a text"),
            Self::Program => (word, "a program's name is a text"),
            Self::Arguments => (word.or(Kinds::LIST), "an argument is a text or a list of texts"),
            Self::Value => (Kinds::ANY, "this takes any value"),
        }
    }
}

impl<'n> Loader<'n> {
    /// Checks every template of the document, or as many as it takes to find the most mistakes a
    /// report shows.
    pub(super) fn check_sites(
        &mut self,
        inputs: Option<&InputSchema>,
        drafts: &[Draft<'n>],
        graph: Option<&Graph>,
    ) {
        let unknown = Shape::any();
        let inputs = inputs.map_or(&unknown, InputSchema::shape);
        let steps: BTreeMap<String, StepNames> = drafts
            .iter()
            .filter_map(|draft| Some((draft.name.clone()?, draft.names.clone())))
            .collect();
        let places: BTreeMap<&str, usize> = drafts
            .iter()
            .enumerate()
            .rev()
            .filter_map(|(place, draft)| Some((draft.name.as_deref()?, place)))
            .collect();
        for site in std::mem::take(&mut self.sites) {
            if self.faults > EXACT_FAULTS_MAX {
                break;
            }
            let sight = |name: &str| match places.get(name) {
                Some(target) => sight(site.owner, *target, drafts, graph),
                None => Sight::Over,
            };
            let place = match site.wanted {
                Wanted::Boolean => Place::Condition,
                _ => Place::Value,
            };
            let names = Names { inputs, steps: &steps, sight: &sight, place };
            for fault in check(&site, &names) {
                self.fault(site.node, site.text, fault);
            }
        }
    }
}

fn check(site: &Site<'_>, names: &Names<'_>) -> Vec<Fault> {
    let (expression, (kinds, mut faults)) = match &site.content {
        Content::Condition(expression) => (Some(expression), expression.check(names)),
        Content::Template(template) => (template.expression(), template.check(names)),
    };
    let (wanted, rule) = site.wanted.rule();
    if let Some(expression) = expression
        && faults.is_empty()
        && !kinds.meets(wanted)
    {
        faults.push(Fault::new(expression.at(), format!("{rule}, and this is {kinds}")));
    }
    faults
}

/// How the step at `target` is seen by `owner`. Without a graph (there are cycles) nothing is
/// refused for its order.
fn sight(owner: Owner, target: usize, drafts: &[Draft<'_>], graph: Option<&Graph>) -> Sight {
    let Owner::Step(owner) = owner else { return Sight::Over };
    let phase = |place: usize| drafts.get(place).map(|draft| draft.phase);
    match (phase(owner), phase(target), graph) {
        _ if owner == target => Sight::Itself,
        (Some(Phase::Finally), Some(Phase::Body), _) => Sight::Over,
        (Some(Phase::Body), Some(Phase::Finally), _) => Sight::Later,
        (_, _, None) => Sight::Over,
        (_, _, Some(graph)) => {
            let index = |place: usize| StepIndex(u32::try_from(place).unwrap_or(u32::MAX));
            if graph.is_before(index(target), index(owner)) {
                Sight::Over
            } else {
                Sight::Unordered
            }
        }
    }
}
