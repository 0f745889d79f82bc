//! From a written path such as `steps.log.outputs.text` to the thing it names.
//!
//! Only the form of the path is decided here: which roots exist and what can be asked of each.
//! Whether the input, step or output exists is the checker's question, because it needs the
//! document. Names that are not identifiers are written `steps["my-step"]`.

use super::fault::{At, Fault};
use super::syntax::{Access, Kind, Node, Reference, StepField};
use policy::document::suggest;
use serde_json::Value;
use std::iter::Peekable;
use std::vec::IntoIter;

type Path = Peekable<IntoIter<Access>>;

const ROOTS: [&str; 3] = ["inputs", "steps", "run"];
const STEP_FIELDS: [&str; 4] = ["outputs", "outcome", "exit_code", "artifacts"];
const RUN_FIELDS: [&str; 2] = ["id", "workflow"];

/// Names the value at `root` followed by `path`; what the reference does not use of the path
/// stays as accesses into its value.
pub(super) fn resolve(root: &str, root_at: At, path: Vec<Access>, at: At) -> Result<Node, Fault> {
    let mut path: Path = path.into_iter().peekable();
    let reference = match root {
        "inputs" => match next_name(&mut path) {
            Some((name, name_at)) => Reference::Input { name, name_at },
            None => Reference::Inputs,
        },
        "run" => run(root_at, path.next())?,
        "steps" => step(root_at, &mut path)?,
        "event" => {
            return Err(Fault::new(
                root_at,
                "`event` has no value: triggers are not part of this version",
            )
            .hint("pass the value as an input"));
        }
        _ => return Err(unknown("name", root, root_at, &ROOTS)),
    };
    let kind = Kind::Reference(reference);
    let path: Vec<Access> = path.collect();
    if path.is_empty() {
        return Ok(Node { kind, at });
    }
    let base = Box::new(Node { kind, at: root_at });
    Ok(Node { kind: Kind::Access { base, path }, at })
}

fn run(root_at: At, access: Option<Access>) -> Result<Reference, Fault> {
    let (name, at) = known_name(access, root_at, "run", "`run.id` or `run.workflow`")?;
    match name.as_str() {
        "id" => Ok(Reference::RunId),
        "workflow" => Ok(Reference::RunWorkflow),
        _ => Err(unknown("field of `run`", &name, at, &RUN_FIELDS)),
    }
}

fn step(root_at: At, path: &mut Path) -> Result<Reference, Fault> {
    let form = "`steps.NAME.outputs.FIELD`, `.outcome`, `.exit_code` or `.artifacts`; \
                a NAME with `-` in it is written `steps[\"my-step\"]`";
    let (name, name_at) = known_name(path.next(), root_at, "steps", form)?;
    let (field, field_at) = known_name(path.next(), root_at.to(name_at), "a step", form)?;
    let field = match field.as_str() {
        "outputs" => match next_name(path) {
            Some((name, name_at)) => StepField::Output { name, name_at },
            None => StepField::Outputs,
        },
        "outcome" => StepField::Outcome,
        "exit_code" => StepField::ExitCode,
        "artifacts" => StepField::Artifacts,
        _ => return Err(unknown("field of a step", &field, field_at, &STEP_FIELDS)),
    };
    Ok(Reference::Step { name, name_at, field })
}

/// Takes the next access if it can be looked up at load; any other stays in the path.
fn next_name(path: &mut Path) -> Option<(String, At)> {
    let found = path.peek().and_then(|access| Some((literal_name(access)?, place(access))))?;
    path.next();
    Some(found)
}

/// A field, or an index that is a literal text: something that can be looked up at load.
fn literal_name(access: &Access) -> Option<String> {
    match access {
        Access::Field(name, _) => Some(name.clone()),
        Access::Index(Node { kind: Kind::Literal(Value::String(name)), .. }) => Some(name.clone()),
        Access::Index(_) => None,
    }
}

fn place(access: &Access) -> At {
    match access {
        Access::Field(_, at) => *at,
        Access::Index(node) => node.at,
    }
}

fn known_name(
    access: Option<Access>,
    before: At,
    what: &str,
    form: &str,
) -> Result<(String, At), Fault> {
    let Some(access) = access else {
        return Err(Fault::new(before, format!("{what} is not a value by itself"))
            .hint(format!("write {form}")));
    };
    let at = place(&access);
    literal_name(&access).map(|name| (name, at)).ok_or_else(|| {
        Fault::new(at, format!("{what} is asked by a literal name only"))
            .hint(format!("write {form}"))
    })
}

fn unknown(what: &str, name: &str, at: At, known: &[&str]) -> Fault {
    let hint = match suggest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", known.join(", ")),
    };
    Fault::new(at, format!("unknown {what} `{name}`")).hint(hint)
}
