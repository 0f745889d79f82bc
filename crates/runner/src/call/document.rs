//! The workflow of one step that a direct call is.
//!
//! Arguments of read-only tools come as inputs, so that the document depends on their names only. Those of programs
//! are written into it as plain text. Nothing an argument holds is read as an expression or a key.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use engine::policy::document::{Source, suggest};
use engine::workflow::Workflow;
use schema::{Mistake, Registry};
use serde_json::{Map, Value, json};

use super::listing::{self, Described};
use super::{Call, CallError};
use crate::node::Submission;
use crate::workflow;

/// What the names of such workflows begin with.
const PREFIX: &str = "call.";
/// The name of their step.
const STEP: &str = "call";
/// How long a program may run unless the call says otherwise.
const TIMEOUT: &str = "1h";

/// Most workflows of read-only calls that are kept; there are far fewer sets of arguments.
const READING_MAX: usize = 256;

/// A tool and the names of its arguments.
type Key = (String, Vec<String>);

static SCHEMAS: LazyLock<Registry> = LazyLock::new(Registry::new);
static READING: Mutex<BTreeMap<Key, Arc<Workflow>>> = Mutex::new(BTreeMap::new());

/// The workflow's name for calls of `tool`.
pub(super) fn name(tool: &str) -> String {
    format!("{PREFIX}{tool}")
}

/// The run that a deed is: its arguments are inputs, and what is unknown of its end is never repeated by itself.
///
/// # Errors
/// What is wrong with the arguments.
pub(crate) fn deed(tool: &str, args: Map<String, Value>) -> Result<Submission, CallError> {
    let call = Call { tool: tool.to_owned(), args };
    let mut step = read(&call);
    if let Some(fields) = step.as_object_mut() {
        fields.insert("idempotent".to_owned(), false.into());
    }
    let inputs = json!({ "additionalProperties": true });
    let document = json!({ "version": 1, "name": name(tool), "inputs": inputs, "steps": [step] });
    let workflow = loaded(&call, &document)?;
    let inputs = Value::Object(call.args);
    Ok(Submission { workflow, name: name(tool), inputs, key: None, agent: None })
}

/// The tool that a workflow of this name calls.
pub(crate) fn tool(workflow: &str) -> Option<&str> {
    workflow.strip_prefix(PREFIX)
}

/// The workflow and its inputs.
pub(super) fn of(call: &Call) -> Result<(Arc<Workflow>, Value), CallError> {
    let tools = listing::tools();
    let Some(found) = tools.iter().find(|tool| tool.name == call.tool) else {
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        let near = suggest(&call.tool, &names);
        return Err(CallError::Unknown { name: call.tool.clone(), near });
    };
    check(found, call)?;
    match found.result {
        Some(_) => Ok((reading(call)?, Value::Object(call.args.clone()))),
        None => {
            let document =
                json!({ "version": 1, "name": name(&call.tool), "steps": [program(call)] });
            Ok((loaded(call, &document)?, Value::Null))
        }
    }
}

/// The workflow of a read-only call. It depends on the names of its arguments alone, so each is made once.
fn reading(call: &Call) -> Result<Arc<Workflow>, CallError> {
    let key: Key = (call.tool.clone(), call.args.keys().cloned().collect());
    let mut made = READING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(workflow) = made.get(&key) {
        return Ok(Arc::clone(workflow));
    }
    let inputs = json!({ "additionalProperties": true });
    let document =
        json!({ "version": 1, "name": name(&call.tool), "inputs": inputs, "steps": [read(call)] });
    let workflow = loaded(call, &document)?;
    if made.len() < READING_MAX {
        made.insert(key, Arc::clone(&workflow));
    }
    Ok(workflow)
}

fn loaded(call: &Call, document: &Value) -> Result<Arc<Workflow>, CallError> {
    // JSON is YAML.
    let source = Source { name: "direct call".to_owned(), text: document.to_string() };
    let loaded = workflow::again(&source).map_err(|findings| CallError::Arguments {
        tool: call.tool.clone(),
        mistakes: findings.into_iter().map(|finding| finding.message).collect(),
    })?;
    Ok(Arc::new(loaded.workflow))
}

/// Before anything is written: names of arguments become part of the document.
fn check(tool: &Described, call: &Call) -> Result<(), CallError> {
    let wrong = |mistakes| CallError::Arguments { tool: call.tool.clone(), mistakes };
    let schema = tool.arguments.as_ref();
    let schema = schema.ok_or_else(|| CallError::NotCallable(call.tool.clone()))?;
    let schema = SCHEMAS
        .compile(schema)
        .map_err(|faults| wrong(faults.iter().map(ToString::to_string).collect()))?;
    let tell = |mistakes: Vec<Mistake>| mistakes.iter().map(ToString::to_string).collect();
    schema.check(&Value::Object(call.args.clone())).map_err(|mistakes| wrong(tell(mistakes)))
}

fn read(call: &Call) -> Value {
    let with: Map<String, Value> = call
        .args
        .keys()
        .map(|name| (name.clone(), format!("${{{{ inputs.{name} }}}}").into()))
        .collect();
    json!({ "name": STEP, "tool": call.tool, "with": with })
}

/// A program may have effects, so one whose end is unknown is not repeated by itself.
fn program(call: &Call) -> Value {
    let mut step = json!({ "name": STEP, "idempotent": false, "timeout": TIMEOUT });
    let mut sandbox = Map::new();
    let Some(fields) = step.as_object_mut() else { return step };
    for (name, value) in &call.args {
        let value = plain(value);
        match name.as_str() {
            "argv" => drop(fields.insert("run".to_owned(), value)),
            "script" => drop(fields.insert("shell".to_owned(), value)),
            "profile" | "hosts" => drop(sandbox.insert(name.clone(), value)),
            _ => drop(fields.insert(name.clone(), value)),
        }
    }
    if !sandbox.is_empty() {
        fields.insert("sandbox".to_owned(), sandbox.into());
    }
    step
}

/// The same value with no text that would begin an expression.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace("${{", "$${{").into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(map) => map.iter().map(|(name, item)| (name.clone(), plain(item))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool;

    fn check_call(tool: &str, args: Value, expected: Result<(), &str>) {
        let args = args.as_object().cloned().unwrap();
        let call = Call { tool: tool.to_owned(), args };
        match (of(&call), expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
            (made, expected) => panic!("{tool}: {made:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn calls_become_documents_and_bad_ones_say_why() {
        check_call(tool::FS_READ, json!({ "path": "a" }), Ok(()));
        check_call(tool::SEARCH_GREP, json!({ "pattern": "x", "text": "${{ nothing }}" }), Ok(()));
        check_call(tool::EXEC_RUN, json!({ "argv": ["echo", "${{ inputs.x }}", "$${{"] }), Ok(()));
        check_call(tool::EXEC_SHELL, json!({ "script": "echo ${{ x }}", "stdin": "${{" }), Ok(()));
        check_call(
            tool::FS_READ,
            json!({ "pth": "a" }),
            Err("$.path: is required; $.pth: is not a known field"),
        );
        check_call(
            tool::FS_READ,
            json!({ "path": 5 }),
            Err("$.path: must be a string, found an integer"),
        );
        check_call(
            tool::EXEC_RUN,
            json!({ "argv": [] }),
            Err("$.argv: must have at least 1 items"),
        );
        check_call(tool::EXEC_RUN, json!({ "argv": ["a"], "timeout": "soon" }), Err("timeout"));
        check_call(
            tool::EXEC_RUN,
            json!({ "argv": ["a"], "needs": ["b"] }),
            Err("$.needs: is not a known field"),
        );
        check_call("fs.raed", json!({}), Err("there is no tool `fs.raed`"));
        check_call(tool::WORKSPACE_MERGE, json!({}), Err("cannot be called directly"));
    }

    #[test]
    fn what_arguments_hold_stays_text() {
        let text = "a ${{ inputs.b }} $${{ }} b";
        let step = program(&Call {
            tool: tool::EXEC_RUN.to_owned(),
            args: json!({ "argv": ["echo", text] }).as_object().cloned().unwrap(),
        });
        let written = step["run"][1].as_str().unwrap();
        let template = engine::expression::Template::parse(written).unwrap();
        assert_eq!(template.literal(), Some(text));
    }
}
