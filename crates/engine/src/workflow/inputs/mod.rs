//! The inputs of a workflow: a JSON Schema (2020-12), compiled once, and the check of values
//! against it.
//!
//! Two additions to plain JSON Schema make documents safer: inputs nobody declared are refused
//! unless `additionalProperties` says otherwise, and `default` fills what was not given. Nothing
//! is fetched: references reach `$defs` of the same document only, patterns are linear-time, and
//! the size of a schema is bounded (`bounds`).

mod bounds;
mod defaults;
mod message;
mod shape;

use crate::expression::Shape;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub use bounds::MAX_SCHEMA_COST;

/// The longest inputs accepted, as bytes of JSON; longer ones are refused before validation.
pub const MAX_INPUT_BYTES: usize = 1024 * 1024;

/// The most memory one compiled `pattern` may take, in bytes; more is an error at load.
pub const MAX_PATTERN_BYTES: usize = 1024 * 1024;

/// The most mistakes reported for one set of inputs.
const ERRORS_MAX: usize = 50;

/// A mistake in a schema, at a JSON Pointer into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SchemaFault {
    pub(super) pointer: String,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// One thing that is wrong with a value given as inputs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct InputError {
    /// JSON Pointer (RFC 6901) to the value, or to where a missing one belongs.
    pub pointer: String,
    /// What is wrong with it: a lower-case fragment such as "must be a string, found a list".
    pub message: String,
    /// The remedy, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl std::fmt::Display for InputError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pointer = if self.pointer.is_empty() { "inputs" } else { &self.pointer };
        write!(f, "`{pointer}` {}", self.message)
    }
}

impl std::error::Error for InputError {}

/// A workflow's input schema.
#[derive(Debug, Clone)]
pub struct InputSchema {
    schema: Value,
    shape: Shape,
    validator: Arc<Validator>,
}

impl PartialEq for InputSchema {
    /// The schema decides; what is compiled follows from it.
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
    }
}

impl InputSchema {
    /// Compiles the schema of a tool's arguments, which obeys the same rules.
    ///
    /// # Errors
    /// What is wrong with the schema, one line.
    pub fn of(schema: &Value) -> Result<Self, String> {
        Self::compile(schema.clone()).map_err(|faults| {
            let lines = faults.iter().map(|fault| format!("`{}` {}", fault.pointer, fault.message));
            lines.collect::<Vec<_>>().join("; ")
        })
    }

    /// Compiles a schema; one that is null means that the workflow takes no inputs.
    pub(super) fn compile(schema: Value) -> Result<Self, Vec<SchemaFault>> {
        let schema = closed(schema)?;
        bounds::check(&schema)?;
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
            .offline();
        let validator = options.build(&schema).map_err(|error| {
            vec![SchemaFault {
                pointer: error.instance_path().to_string(),
                message: message::of_schema(&error),
                hint: None,
            }]
        })?;
        let shape = shape::of_inputs(&schema);
        let inputs = Self { schema, shape, validator: Arc::new(validator) };
        inputs.check_defaults()?;
        Ok(inputs)
    }

    /// Keywords of the schema that JSON Schema does not know and therefore ignores.
    pub(super) fn unknown_keywords(&self) -> Vec<SchemaFault> {
        bounds::unknown_keywords(&self.schema)
    }

    /// The schema as compiled.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// What is known of the inputs without having them.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The inputs with defaults filled in, if the schema allows them; null counts as `{}`.
    ///
    /// Defaults are filled for missing properties, also of objects inside objects, but not inside
    /// lists, compositions (`anyOf` …) or `$defs`.
    ///
    /// # Errors
    /// What is wrong, ordered by pointer and then text, at most fifty entries.
    pub fn check(&self, given: &Value) -> Result<Value, Vec<InputError>> {
        let mut inputs = match given {
            Value::Null => json!({}),
            given => given.clone(),
        };
        if inputs.to_string().len() > MAX_INPUT_BYTES {
            let message = "is longer than 1 MiB".to_owned();
            return Err(vec![InputError { pointer: String::new(), message, hint: None }]);
        }
        defaults::fill(&self.schema, &mut inputs);
        let mut errors = self.errors(&inputs);
        if errors.is_empty() {
            return Ok(inputs);
        }
        errors.truncate(ERRORS_MAX);
        Err(errors)
    }

    /// Reads the text of a command-line argument `name=text` as the schema wants it: as text
    /// where the input can be a string, as JSON where it cannot. Text that is not JSON stays
    /// text, so that [`InputSchema::check`] names the mistake.
    pub fn read_text(&self, name: &str, text: &str) -> Value {
        use crate::expression::Kinds;
        let takes_text = match self.shape.fields.get(name) {
            Some(shape) => shape.kinds.meets(Kinds::TEXT),
            None => true,
        };
        let as_text = || Value::String(text.to_owned());
        if takes_text {
            as_text()
        } else {
            serde_json::from_str(text).unwrap_or_else(|_| as_text())
        }
    }

    fn errors(&self, inputs: &Value) -> Vec<InputError> {
        let found = self.validator.iter_errors(inputs);
        let mut errors: Vec<InputError> =
            found.flat_map(|error| message::of_value(&error, &self.schema, inputs)).collect();
        errors.sort();
        errors.dedup();
        errors
    }

    fn check_defaults(&self) -> Result<(), Vec<SchemaFault>> {
        let mut inputs = json!({});
        defaults::fill(&self.schema, &mut inputs);
        let filled = inputs.as_object().cloned().unwrap_or_default();
        let of_default = |error: &InputError| {
            let name = error.pointer.split('/').nth(1).map(unescape);
            name.is_some_and(|name| filled.contains_key(&name))
        };
        let faults: Vec<SchemaFault> = self
            .errors(&inputs)
            .into_iter()
            .filter(of_default)
            .map(|error| {
                let name = error.pointer.split('/').nth(1).unwrap_or_default();
                SchemaFault {
                    pointer: format!("/properties/{name}/default"),
                    message: format!("default of input `{}` {}", unescape(name), error.message),
                    hint: error.hint,
                }
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// The schema of an object, refusing undeclared properties unless it says something about them.
fn closed(schema: Value) -> Result<Value, Vec<SchemaFault>> {
    let fault = |pointer: &str, message: &str| {
        let (pointer, message) = (pointer.to_owned(), message.to_owned());
        let hint = Some("inputs are named, so their schema has `type: object`".to_owned());
        Err(vec![SchemaFault { pointer, message, hint }])
    };
    let mut schema = match schema {
        Value::Null => Map::new(),
        Value::Object(schema) => schema,
        _ => return fault("", "`inputs` must be a JSON Schema, which is a map"),
    };
    match schema.get("type") {
        None => drop(schema.insert("type".to_owned(), json!("object"))),
        Some(Value::String(kind)) if kind == "object" => {}
        Some(_) => return fault("/type", "`inputs` must have the type `object`"),
    }
    const SPEAKS: [&str; 11] = [
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
        "propertyNames",
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "not",
        "dependentSchemas",
    ];
    if !SPEAKS.iter().any(|keyword| schema.contains_key(*keyword)) {
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
    Ok(Value::Object(schema))
}

/// A reference token of a JSON Pointer as the name it stands for (RFC 6901, section 4).
fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// A name as a reference token of a JSON Pointer.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
