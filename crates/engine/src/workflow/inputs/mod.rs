//! The inputs of a workflow: a JSON Schema (2020-12), compiled once, and the check of values
//! against it.
//!
//! Two additions to plain JSON Schema make documents safer: inputs nobody declared are refused
//! unless `additionalProperties` says otherwise, and `default` fills what was not given. Nothing
//! is fetched: references reach `$defs` of the same document only, patterns are linear-time, and
//! the size of a schema is bounded (`bounds`).

mod shape;

use crate::expression::Shape;
use policy::document::suggest;
use schema::pointer::unescape;
use schema::{Excess, Fault, Mistake, Registry, Schema, check_payload};
use serde_json::{Map, Value, json};
use std::sync::{Arc, LazyLock};

pub use schema::{MAX_PATTERN_BYTES, MAX_SCHEMA_COST};

/// The keyword that marks what may not be on record.
const SENSITIVITY: &str = "x-sensitivity";

/// Every schema of a workflow, compiled once; documents come and go, their schemas repeat.
static SCHEMAS: LazyLock<Registry> = LazyLock::new(Registry::new);

/// Keywords of a schema that JSON Schema does not know and therefore ignores.
pub(super) fn unknown_keywords(schema: &Schema) -> Vec<Fault> {
    schema::unknown_keywords(schema.source(), &|typed, known| suggest(typed, known))
}

/// Fields marked as sensitive: inputs and outputs have to be on record for a run to go on after a restart, so nothing
/// of them can be left out.
pub(super) fn marked(schema: &Schema) -> Vec<Fault> {
    let fault = |pointer| {
        Fault {
        pointer,
        message: format!("`{SENSITIVITY}` cannot be kept: inputs and outputs are on record, because a run needs them to go on"),
        hint: Some("hand it to the step that needs it as a secret: `palisade secret set NAME`, and `secrets: { FILE: NAME }`".to_owned()),
    }
    };
    schema::places_of(SENSITIVITY, schema.source()).into_iter().map(fault).collect()
}

/// What is known of an output at load; one of a step that did not succeed is null.
pub(super) fn output_shape(schema: Option<&Value>) -> Shape {
    schema.map_or_else(Shape::any, shape::of_output)
}

/// Compiles the schema of something that is no input.
pub(super) fn compiled(schema: &Value) -> Result<Arc<Schema>, Vec<Fault>> {
    SCHEMAS.compile(schema)
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
    shape: Shape,
    schema: Arc<Schema>,
}

impl PartialEq for InputSchema {
    /// The schema decides; what is compiled follows from it.
    fn eq(&self, other: &Self) -> bool {
        self.schema.source() == other.schema.source()
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
    pub(super) fn compile(schema: Value) -> Result<Self, Vec<Fault>> {
        let schema = closed(schema)?;
        let named =
            |faults: Vec<Fault>| faults.into_iter().map(of_input_schema).collect::<Vec<_>>();
        let schema = SCHEMAS.compile(&schema).map_err(named)?;
        let inputs = Self { shape: shape::of_inputs(schema.source()), schema };
        inputs.check_defaults()?;
        Ok(inputs)
    }

    /// The compiled schema.
    pub(super) fn compiled(&self) -> &Schema {
        &self.schema
    }

    /// The schema as compiled.
    pub fn schema(&self) -> &Value {
        self.schema.source()
    }

    /// What is known of the inputs without having them.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The inputs with defaults filled in, if the schema allows them; null counts as `{}`.
    ///
    /// Inputs beyond the limits of size and shape are refused before the schema is looked at.
    /// Defaults are filled for missing properties, also of objects inside objects, but not inside
    /// lists, compositions (`anyOf` …) or `$defs`.
    ///
    /// # Errors
    /// What is wrong, ordered by pointer and then text, at most fifty entries.
    pub fn check(&self, given: &Value) -> Result<Value, Vec<InputError>> {
        let inputs = match given {
            Value::Null => json!({}),
            given => given.clone(),
        };
        // Before anything follows the schema into them.
        check_payload(&inputs).map_err(|excess| vec![of_excess(excess)])?;
        let inputs = self.schema.filled(inputs);
        match self.errors(&inputs) {
            errors if errors.is_empty() => Ok(inputs),
            errors => Err(errors),
        }
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
        let mistakes = self.schema.check(inputs).err().unwrap_or_default();
        let mut errors: Vec<InputError> =
            mistakes.into_iter().map(|mistake| of_input(mistake, self.schema())).collect();
        errors.sort();
        errors
    }

    fn check_defaults(&self) -> Result<(), Vec<Fault>> {
        let inputs = self.schema.filled(json!({}));
        let filled = inputs.as_object().cloned().unwrap_or_default();
        let of_default = |error: &InputError| {
            let name = error.pointer.split('/').nth(1).map(unescape);
            name.is_some_and(|name| filled.contains_key(&name))
        };
        let faults: Vec<Fault> = self
            .errors(&inputs)
            .into_iter()
            .filter(of_default)
            .map(|error| {
                let name = error.pointer.split('/').nth(1).unwrap_or_default();
                Fault {
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
fn closed(schema: Value) -> Result<Value, Vec<Fault>> {
    let fault = |pointer: &str, message: &str| {
        let (pointer, message) = (pointer.to_owned(), message.to_owned());
        let hint = Some("inputs are named, so their schema has `type: object`".to_owned());
        Err(vec![Fault { pointer, message, hint }])
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

/// A limit of size or shape that inputs exceed.
fn of_excess(Excess { pointer, error }: Excess) -> InputError {
    let hint = error.hint().map(str::to_owned);
    InputError { pointer, message: error.to_string(), hint }
}

/// A mistake in the words of inputs.
fn of_input(mistake: Mistake, schema: &Value) -> InputError {
    let Mistake { pointer, message, unknown, .. } = mistake;
    match unknown {
        None => InputError { pointer, message, hint: None },
        Some(name) => {
            let hint = near_input(&pointer, &name, schema);
            InputError { pointer, message: "is not a known input".to_owned(), hint }
        }
    }
}

/// The declared input a misspelled one was probably meant to be; only of the outermost object,
/// where the schema says which names there are.
fn near_input(pointer: &str, name: &str, schema: &Value) -> Option<String> {
    if pointer.split('/').count() != 2 {
        return None;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let names: Vec<&str> =
        properties.into_iter().flat_map(|names| names.keys()).map(String::as_str).collect();
    match suggest(name, &names) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if names.is_empty() => Some("the workflow has no inputs".to_owned()),
        None => Some(format!("the inputs are {}", names.join(", "))),
    }
}

/// A fault in the words of inputs.
fn of_input_schema(fault: Fault) -> Fault {
    let inputs = |text: String| match text.split_once(' ') {
        Some(("schema", rest)) if rest.starts_with("is not valid") => format!("input {text}"),
        Some(("schemas", _)) => format!("input {text}"),
        Some(("recursive", rest)) => format!("recursive input {rest}"),
        _ => text,
    };
    Fault { message: inputs(fault.message), hint: fault.hint.map(inputs), ..fault }
}
