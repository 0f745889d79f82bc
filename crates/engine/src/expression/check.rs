//! Checking an expression at load: every name exists, and no operator is given what it can never
//! take.
//!
//! The checker refuses only what cannot work for any run; a value that may or may not fit (an
//! optional input, a field of parsed output) is left to the evaluator. It reports every mistake
//! it finds, in order of position.

use super::fault::{At, Fault};
use super::function::{Form, Function};
use super::scope::{Names, Outcome, Place, Sight, StepNames};
use super::shape::{Extra, Kinds, Shape};
use super::syntax::{Access, Kind, Node, Operator, Reference, StepField, Unary};
use policy::document::suggest;
use serde_json::Value;
use std::borrow::Cow;

/// Checks `node` against the names of its place. Returns what it evaluates to, and the mistakes.
pub(super) fn check(node: &Node, names: &Names<'_>) -> (Kinds, Vec<Fault>) {
    let mut checker = Checker { names, faults: Vec::new() };
    let kinds = checker.shape(node).kinds;
    checker.faults.sort_by_key(|fault| fault.at.start);
    (kinds, checker.faults)
}

struct Checker<'a> {
    names: &'a Names<'a>,
    faults: Vec<Fault>,
}

impl<'a> Checker<'a> {
    fn report(&mut self, fault: Fault) -> Cow<'a, Shape> {
        self.faults.push(fault);
        Cow::Owned(Shape::any())
    }

    fn shape(&mut self, node: &Node) -> Cow<'a, Shape> {
        match &node.kind {
            Kind::Literal(value) => kinds(Kinds::of(value)),
            Kind::List(items) => {
                for item in items {
                    self.shape(item);
                }
                kinds(Kinds::LIST)
            }
            Kind::Reference(reference) => self.reference(reference, node.at),
            Kind::Access { base, path } => {
                let mut shape = self.shape(base);
                for access in path {
                    shape = self.access(&shape, access);
                }
                shape
            }
            Kind::Unary { operator: Unary::Not, operand } => {
                self.expect(operand, Kinds::BOOL, "`!` takes a boolean");
                kinds(Kinds::BOOL)
            }
            Kind::Unary { operator: Unary::Negate, operand } => {
                self.expect(operand, Kinds::NUMBER, "`-` takes an integer");
                kinds(Kinds::INT)
            }
            Kind::Chain { first, rest } => self.chain(first, rest),
            Kind::Choice { condition, yes, no } => {
                self.expect(condition, Kinds::BOOL, "`?` takes a boolean");
                let (yes, no) = (self.shape(yes), self.shape(no));
                kinds(yes.kinds.or(no.kinds))
            }
            Kind::Call { function, arguments } => self.call(*function, arguments, node.at),
        }
    }

    fn expect(&mut self, node: &Node, wanted: Kinds, rule: &str) {
        let found = self.shape(node).kinds;
        if !found.meets(wanted) {
            self.report(Fault::new(node.at, format!("{rule}, and this is {found}")));
        }
    }

    fn reference(&mut self, reference: &Reference, at: At) -> Cow<'a, Shape> {
        match reference {
            Reference::Inputs => Cow::Borrowed(self.names.inputs),
            Reference::Input { name, name_at } => {
                let inputs = self.names.inputs;
                match (inputs.fields.get(name), inputs.extra) {
                    (Some(shape), _) => Cow::Borrowed(shape),
                    (None, Extra::Open) => Cow::Owned(Shape::any()),
                    (None, Extra::Closed) => {
                        let hint = known(name, inputs.fields.keys(), "the workflow has no inputs");
                        let message = format!("unknown input `{name}`");
                        self.report(Fault::new(*name_at, message).hint(hint))
                    }
                }
            }
            Reference::Step { name, name_at, field } => self.step(name, *name_at, field, at),
            Reference::RunId | Reference::RunWorkflow => kinds(Kinds::TEXT),
        }
    }

    fn step(&mut self, name: &str, name_at: At, field: &StepField, at: At) -> Cow<'a, Shape> {
        let Some(step) = self.names.steps.get(name) else {
            let names: Vec<&str> = self.names.steps.keys().map(String::as_str).collect();
            let hint = suggest(name, &names).map(|near| format!("did you mean `{near}`?"));
            let message = format!("unknown step `{name}`");
            return self.report(Fault::new(name_at, message).hint_if(hint));
        };
        match (self.names.sight)(name) {
            Sight::Over => self.step_field(name, step, field, at),
            sight => self.report(unseen(name, name_at, sight)),
        }
    }

    fn step_field(
        &mut self,
        name: &str,
        step: &'a StepNames,
        field: &StepField,
        at: At,
    ) -> Cow<'a, Shape> {
        match field {
            StepField::Outputs => Cow::Borrowed(&step.outputs),
            StepField::Output { name: output, name_at } => {
                match (step.outputs.fields.get(output), step.outputs.extra) {
                    (Some(shape), _) => Cow::Borrowed(shape),
                    (None, Extra::Open) => Cow::Owned(Shape::any()),
                    (None, Extra::Closed) => {
                        let none = format!("add it to the `outputs` of step `{name}`");
                        let hint = known(output, step.outputs.fields.keys(), &none);
                        let message = format!("step `{name}` has no output `{output}`");
                        self.report(Fault::new(*name_at, message).hint(hint))
                    }
                }
            }
            StepField::Outcome => kinds(Kinds::TEXT),
            StepField::ExitCode if !step.has_exit_code => {
                let message = format!("step `{name}` runs a tool, which has no exit code");
                self.report(Fault::new(at, message).hint("ask for its `outcome`"))
            }
            StepField::ExitCode => kinds(Kinds::INT.or(Kinds::NULL)),
            StepField::Artifacts if !step.has_artifacts => {
                let message = format!("step `{name}` has no artifacts");
                self.report(Fault::new(at, message).hint("add `artifacts` to that step"))
            }
            StepField::Artifacts => kinds(Kinds::MAP),
        }
    }

    fn access(&mut self, shape: &Shape, access: &Access) -> Cow<'a, Shape> {
        match access {
            Access::Field(name, at) => self.field(shape, name, *at),
            Access::Index(Node { kind: Kind::Literal(Value::String(name)), at }) => {
                self.field(shape, name, *at)
            }
            Access::Index(index) => {
                let found = self.shape(index).kinds;
                let list = shape.kinds.meets(Kinds::LIST) && found.meets(Kinds::NUMBER);
                let map = shape.kinds.meets(Kinds::MAP) && found.meets(Kinds::TEXT);
                if list || map {
                    let item = shape.item.as_deref().filter(|_| !map).cloned();
                    return Cow::Owned(item.unwrap_or_else(Shape::any));
                }
                let message = format!("{} cannot be indexed by {found}", shape.kinds);
                self.report(Fault::new(index.at, message))
            }
        }
    }

    fn field(&mut self, shape: &Shape, name: &str, at: At) -> Cow<'a, Shape> {
        if !shape.kinds.meets(Kinds::MAP) {
            let message = format!("{} has no field `{name}`", shape.kinds);
            return self.report(Fault::new(at, message));
        }
        match (shape.fields.get(name), shape.extra) {
            (Some(field), _) => Cow::Owned(field.clone()),
            (None, Extra::Open) => Cow::Owned(Shape::any()),
            (None, Extra::Closed) => {
                let hint = known(name, shape.fields.keys(), "the map has no fields");
                self.report(Fault::new(at, format!("unknown field `{name}`")).hint(hint))
            }
        }
    }

    fn chain(&mut self, first: &Node, rest: &[(Operator, Node)]) -> Cow<'a, Shape> {
        let mut left = self.shape(first).kinds;
        let mut at = first.at;
        let mut before = first;
        for (operator, node) in rest {
            let right = self.shape(node).kinds;
            at = at.to(node.at);
            self.outcome_name(*operator, before, node);
            left = match result(*operator, left, right) {
                Some(kinds) => kinds,
                None => self.report(misfit(*operator, left, right, at)).kinds,
            };
            before = node;
        }
        kinds(left)
    }

    /// A step's outcome compared with a text that is no outcome is a spelling mistake.
    fn outcome_name(&mut self, operator: Operator, left: &Node, right: &Node) {
        if !matches!(operator, Operator::Equal | Operator::NotEqual) {
            return;
        }
        let (Some(name), at) = (match (&left.kind, &right.kind) {
            (kind, Kind::Literal(Value::String(name))) if is_outcome(kind) => {
                (Some(name), right.at)
            }
            (Kind::Literal(Value::String(name)), kind) if is_outcome(kind) => (Some(name), left.at),
            _ => (None, left.at),
        }) else {
            return;
        };
        let outcomes = Outcome::ALL.map(Outcome::name);
        if !outcomes.contains(&name.as_str()) {
            let hint = match suggest(name, &outcomes) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the outcomes are {}", outcomes.join(", ")),
            };
            let message = format!("`{name}` is not an outcome of a step");
            self.report(Fault::new(at, message).hint(hint));
        }
    }

    fn call(&mut self, function: Function, arguments: &[Node], at: At) -> Cow<'a, Shape> {
        let name = function.name();
        if function.form() == Form::Status && self.names.place == Place::Value {
            let message = format!("`{name}()` has a meaning in `if` only");
            return self.report(Fault::new(at, message));
        }
        let (wanted, result) = match function {
            Function::Size => (Kinds::TEXT.or(Kinds::LIST).or(Kinds::MAP), Kinds::INT),
            Function::Text => (Kinds::TEXT.or(Kinds::NUMBER).or(Kinds::BOOL), Kinds::TEXT),
            Function::Int => (Kinds::TEXT.or(Kinds::NUMBER), Kinds::INT),
            Function::Contains | Function::StartsWith | Function::EndsWith => {
                (Kinds::TEXT, Kinds::BOOL)
            }
            Function::Success | Function::Failure | Function::Always | Function::Cancelled => {
                (Kinds::ANY, Kinds::BOOL)
            }
        };
        for argument in arguments {
            self.expect(argument, wanted, &format!("`{name}` takes {wanted}"));
        }
        kinds(result)
    }
}

fn kinds<'a>(kinds: Kinds) -> Cow<'a, Shape> {
    Cow::Owned(Shape::of(kinds))
}

fn is_outcome(kind: &Kind) -> bool {
    matches!(kind, Kind::Reference(Reference::Step { field: StepField::Outcome, .. }))
}

/// The kinds an operator can give for these operands, or nothing when it can give none.
fn result(operator: Operator, left: Kinds, right: Kinds) -> Option<Kinds> {
    let both = |kinds: Kinds| left.meets(kinds) && right.meets(kinds);
    match operator {
        Operator::Or | Operator::And => both(Kinds::BOOL).then_some(Kinds::BOOL),
        Operator::Equal | Operator::NotEqual => {
            let null = left == Kinds::NULL || right == Kinds::NULL;
            (null || left.meets(right) || both(Kinds::NUMBER)).then_some(Kinds::BOOL)
        }
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            (both(Kinds::NUMBER) || both(Kinds::TEXT)).then_some(Kinds::BOOL)
        }
        Operator::In => {
            let map = left.meets(Kinds::TEXT) && right.meets(Kinds::MAP);
            (map || right.meets(Kinds::LIST)).then_some(Kinds::BOOL)
        }
        Operator::Add => {
            let sums = [
                (Kinds::NUMBER, Kinds::INT),
                (Kinds::TEXT, Kinds::TEXT),
                (Kinds::LIST, Kinds::LIST),
            ];
            let possible = sums.into_iter().filter(|(operand, _)| both(*operand));
            possible.map(|(_, sum)| sum).reduce(Kinds::or)
        }
        Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => {
            both(Kinds::NUMBER).then_some(Kinds::INT)
        }
    }
}

fn misfit(operator: Operator, left: Kinds, right: Kinds, at: At) -> Fault {
    let sign = operator.spelling();
    let (shown_left, shown_right) = (left.without_null(), right.without_null());
    let message = match operator {
        Operator::Equal | Operator::NotEqual => {
            format!("`{sign}` compares {shown_left} with {shown_right}, which are never equal")
        }
        _ => format!("`{sign}` cannot take {shown_left} and {shown_right}"),
    };
    let texts = left.meets(Kinds::TEXT) || right.meets(Kinds::TEXT);
    let hint = match operator {
        Operator::In if right == Kinds::TEXT => Some("write `text.contains(part)`"),
        Operator::Add if texts => Some("make a text of the other side with `string(…)`"),
        Operator::Equal | Operator::NotEqual | Operator::Less | Operator::Greater
            if texts && left.or(right).meets(Kinds::NUMBER) =>
        {
            Some("make a number of the text with `int(…)`")
        }
        _ => None,
    };
    Fault::new(at, message).hint_if(hint.map(str::to_owned))
}

fn known<'k>(name: &str, names: impl Iterator<Item = &'k String>, none: &str) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    match suggest(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => none.to_owned(),
        None => format!("known: {}", names.join(", ")),
    }
}

fn unseen(name: &str, at: At, sight: Sight) -> Fault {
    let (message, hint) = match sight {
        Sight::Itself => (format!("step `{name}` refers to itself"), None),
        Sight::Later => (
            format!("step `{name}` is in `finally` and runs later"),
            Some("only other `finally` steps and the workflow's `outputs` see it".to_owned()),
        ),
        Sight::Unordered | Sight::Over => (
            format!("step `{name}` may not be over here: no chain of `needs` leads to it"),
            Some(format!("add `{name}` to this step's `needs`")),
        ),
    };
    Fault::new(at, message).hint_if(hint)
}
