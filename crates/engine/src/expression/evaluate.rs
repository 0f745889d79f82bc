//! Evaluating a tree over the values of a run.
//!
//! Total: every tree over every scope gives a value or a fault, in time bounded by the size of
//! the text and of the values it reads. Integers are checked, `&&`, `||` and `?:` evaluate only
//! what they need, and what an expression builds is limited by [`MAX_WORK_BYTES`]. Operators and
//! functions on plain values are in `operate`.

use super::fault::{At, Fault};
use super::function::Function;
use super::operate;
use super::scope::{Scope, Status, StepFacts};
use super::shape::Kinds;
use super::syntax::{Access, Kind, Node, Operator, Reference, StepField, Unary};
use serde_json::{Value, json};
use std::borrow::Cow;

/// The most an expression may build while it is evaluated, in bytes of text and items; more is a
/// fault of that expression.
pub const MAX_WORK_BYTES: usize = 16 * 1024 * 1024;

/// The value of `node` in `scope`.
pub(super) fn evaluate(node: &Node, scope: &Scope<'_>) -> Result<Value, Fault> {
    let mut evaluator = Evaluator { scope, work: MAX_WORK_BYTES };
    evaluator.value(node).map(Cow::into_owned)
}

struct Evaluator<'s> {
    scope: &'s Scope<'s>,
    work: usize,
}

type Answer<'s> = Result<Cow<'s, Value>, Fault>;

const NULL: Value = Value::Null;

impl<'s> Evaluator<'s> {
    fn value<'n: 's>(&mut self, node: &'n Node) -> Answer<'s> {
        match &node.kind {
            Kind::Literal(value) => Ok(Cow::Borrowed(value)),
            Kind::List(items) => self.list(items, node.at),
            Kind::Reference(reference) => self.reference(reference, node.at),
            Kind::Access { base, path } => {
                let mut value = self.value(base)?;
                for access in path {
                    value = self.access(value, access)?;
                }
                Ok(value)
            }
            Kind::Unary { operator: Unary::Not, operand } => {
                let value = self.boolean(operand)?;
                Ok(owned(!value))
            }
            Kind::Unary { operator: Unary::Negate, operand } => {
                let value = self.value(operand)?;
                operate::negate(&value).map(owned).map_err(|m| Fault::new(node.at, m))
            }
            Kind::Chain { first, rest } => self.chain(first, rest),
            Kind::Choice { condition, yes, no } => {
                let chosen = if self.boolean(condition)? { yes } else { no };
                self.value(chosen)
            }
            Kind::Call { function, arguments } => self.call(*function, arguments, node.at),
        }
    }

    /// Accounts for a value that is copied or made; the sum over an expression is bounded.
    fn spend(&mut self, bytes: usize, at: At) -> Result<(), Fault> {
        let left = self.work.checked_sub(bytes);
        self.work = left.ok_or_else(|| Fault::new(at, "expression builds more than 16 MiB"))?;
        Ok(())
    }

    fn boolean<'n: 's>(&mut self, node: &'n Node) -> Result<bool, Fault> {
        let value = self.value(node)?;
        value.as_bool().ok_or_else(|| {
            let message = format!("a boolean is needed here, and this is {}", Kinds::of(&value));
            Fault::new(node.at, message)
        })
    }

    fn list<'n: 's>(&mut self, items: &'n [Node], at: At) -> Answer<'s> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let value = self.value(item)?;
            self.spend(operate::weight(&value), at)?;
            values.push(value.into_owned());
        }
        Ok(Cow::Owned(Value::Array(values)))
    }

    fn reference(&mut self, reference: &Reference, at: At) -> Answer<'s> {
        let scope = self.scope;
        match reference {
            Reference::Inputs => Ok(Cow::Borrowed(scope.inputs)),
            Reference::Input { name, .. } => Ok(present(scope.inputs.get(name))),
            Reference::RunId => Ok(owned(scope.run_id)),
            Reference::RunWorkflow => Ok(owned(scope.workflow)),
            Reference::Step { name, field, .. } => match scope.steps.get(name) {
                Some(step) => self.step(step, field, at),
                None => Ok(Cow::Owned(NULL)),
            },
        }
    }

    fn step(&mut self, step: &'s StepFacts, field: &StepField, at: At) -> Answer<'s> {
        Ok(match field {
            StepField::Output { name, .. } => present(step.outputs.get(name)),
            StepField::Outputs => {
                let outputs = Value::Object(step.outputs.clone());
                self.spend(operate::weight(&outputs), at)?;
                Cow::Owned(outputs)
            }
            StepField::Outcome => owned(step.outcome.name()),
            StepField::ExitCode => Cow::Owned(step.exit_code.map_or(NULL, Value::from)),
            StepField::Artifacts => {
                let fact = |(path, artifact): (&String, &super::scope::ArtifactFacts)| {
                    (path.clone(), json!({ "digest": artifact.digest, "size": artifact.size }))
                };
                let artifacts = Value::Object(step.artifacts.iter().map(fact).collect());
                self.spend(operate::weight(&artifacts), at)?;
                Cow::Owned(artifacts)
            }
        })
    }

    fn access<'n: 's>(&mut self, value: Cow<'s, Value>, access: &'n Access) -> Answer<'s> {
        match access {
            Access::Field(name, at) => field(value, name, *at),
            Access::Index(index) => {
                let key = self.value(index)?;
                match key.as_ref() {
                    Value::String(name) => field(value, name, index.at),
                    key => item(value, key, index.at),
                }
            }
        }
    }

    fn chain<'n: 's>(&mut self, first: &'n Node, rest: &'n [(Operator, Node)]) -> Answer<'s> {
        match rest.first() {
            Some((Operator::And, _)) => self.logic(first, rest, true),
            Some((Operator::Or, _)) => self.logic(first, rest, false),
            _ => {
                let mut left = self.value(first)?;
                let mut at = first.at;
                for (operator, node) in rest {
                    let right = self.value(node)?;
                    at = at.to(node.at);
                    self.spend(operate::cost(*operator, &left, &right), at)?;
                    let value = operate::binary(*operator, &left, &right);
                    left = Cow::Owned(value.map_err(|message| Fault::new(at, message))?);
                }
                Ok(left)
            }
        }
    }

    /// Goes on while the operands are `while_is`; the first that is not decides.
    fn logic<'n: 's>(
        &mut self,
        first: &'n Node,
        rest: &'n [(Operator, Node)],
        while_is: bool,
    ) -> Answer<'s> {
        for node in std::iter::once(first).chain(rest.iter().map(|(_, node)| node)) {
            if self.boolean(node)? != while_is {
                return Ok(owned(!while_is));
            }
        }
        Ok(owned(while_is))
    }

    fn call<'n: 's>(&mut self, function: Function, arguments: &'n [Node], at: At) -> Answer<'s> {
        let status = self.scope.status;
        match function {
            Function::Success => return Ok(owned(status == Status::Success)),
            Function::Failure => return Ok(owned(status == Status::Failure)),
            Function::Cancelled => return Ok(owned(status == Status::Cancelled)),
            Function::Always => return Ok(owned(true)),
            _ => {}
        }
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.value(argument)?);
        }
        let values: Vec<&Value> = values.iter().map(AsRef::as_ref).collect();
        operate::call(function, &values).map(Cow::Owned).map_err(|m| Fault::new(at, m))
    }
}

fn owned<'s>(value: impl Into<Value>) -> Cow<'s, Value> {
    Cow::Owned(value.into())
}

/// A declared name without a value is null; the checker has refused undeclared ones.
fn present(value: Option<&Value>) -> Cow<'_, Value> {
    value.map_or(Cow::Owned(NULL), Cow::Borrowed)
}

fn field<'s>(value: Cow<'s, Value>, name: &str, at: At) -> Answer<'s> {
    let kinds = Kinds::of(&value);
    let found = match value {
        Cow::Borrowed(Value::Object(map)) => map.get(name).map(Cow::Borrowed),
        Cow::Owned(Value::Object(mut map)) => map.remove(name).map(Cow::Owned),
        _ => return Err(Fault::new(at, format!("{kinds} has no field `{name}`"))),
    };
    found.ok_or_else(|| {
        Fault::new(at, format!("the map has no field `{name}`"))
            .hint(format!("ask with `\"{name}\" in …` first"))
    })
}

fn item<'s>(value: Cow<'s, Value>, key: &Value, at: At) -> Answer<'s> {
    let kinds = Kinds::of(&value);
    let Some(index) = operate::whole(key).filter(|_| kinds == Kinds::LIST) else {
        let message = format!("{kinds} cannot be indexed by {}", Kinds::of(key));
        return Err(Fault::new(at, message));
    };
    let place = usize::try_from(index).ok();
    let (found, size) = match value {
        Cow::Borrowed(Value::Array(items)) => {
            (place.and_then(|place| items.get(place)).map(Cow::Borrowed), items.len())
        }
        Cow::Owned(Value::Array(items)) => {
            let size = items.len();
            (place.and_then(|place| items.into_iter().nth(place)).map(Cow::Owned), size)
        }
        _ => (None, 0),
    };
    found
        .ok_or_else(|| Fault::new(at, format!("index {index} is outside the list of {size} items")))
}
