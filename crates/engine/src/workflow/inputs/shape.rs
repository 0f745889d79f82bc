//! From an input schema to what expressions may assume at load.
//!
//! Only what is certain is said: `type`, `enum`, `const`, `properties`, `items` and references
//! narrow a shape, any composition (`anyOf` …) leaves it open. The evaluator does not rely on it.

use crate::expression::{Extra, Kinds, Shape};
use schema::local;
use serde_json::Value;

const COMPOSITIONS: [&str; 5] = ["anyOf", "oneOf", "allOf", "if", "not"];

/// The shape of the `inputs` object: an input that may be missing may be null.
pub(super) fn of_inputs(schema: &Value) -> Shape {
    let mut shape = of(schema, schema);
    let listed = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
    for (name, field) in &mut shape.fields {
        let required = listed("required").is_some_and(|names| names.iter().any(|n| n == name));
        let property = schema.get("properties").and_then(|properties| properties.get(name));
        let default = property.and_then(|property| property.get("default"));
        if !required && default.is_none() {
            field.kinds = field.kinds.or(Kinds::NULL);
        }
    }
    shape
}

/// The shape of one output, null included: a step that failed has none.
pub(super) fn of_output(schema: &Value) -> Shape {
    let shape = of(schema, schema);
    Shape { kinds: shape.kinds.or(Kinds::NULL), ..shape }
}

/// Terminates because references do not form circles (`bounds`).
fn of(root: &Value, schema: &Value) -> Shape {
    if COMPOSITIONS.iter().any(|keyword| schema.get(keyword).is_some()) {
        return Shape::any();
    }
    if let Some(place) = schema.get("$ref").and_then(Value::as_str).and_then(local) {
        return root.pointer(place).map_or_else(Shape::any, |target| of(root, target));
    }
    let mut shape = Shape::of(kinds(schema));
    for (name, property) in
        schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        shape.fields.insert(name.clone(), of(root, property));
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false))
        && schema.get("patternProperties").is_none()
    {
        shape.extra = Extra::Closed;
    }
    if schema.get("prefixItems").is_none() {
        shape.item = schema.get("items").map(|items| Box::new(of(root, items)));
    }
    shape
}

fn kinds(schema: &Value) -> Kinds {
    if let Some(constant) = schema.get("const") {
        return Kinds::of(constant);
    }
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        return options.iter().map(Kinds::of).reduce(Kinds::or).unwrap_or(Kinds::ANY);
    }
    match schema.get("type") {
        Some(Value::String(kind)) => named(kind),
        Some(Value::Array(kinds)) => {
            let kinds = kinds.iter().filter_map(Value::as_str).map(named);
            kinds.reduce(Kinds::or).unwrap_or(Kinds::ANY)
        }
        _ => Kinds::ANY,
    }
}

/// A JSON Schema `integer` may be written `1.0`, so it may come as a fraction.
fn named(kind: &str) -> Kinds {
    match kind {
        "null" => Kinds::NULL,
        "boolean" => Kinds::BOOL,
        "integer" | "number" => Kinds::NUMBER,
        "string" => Kinds::TEXT,
        "array" => Kinds::LIST,
        "object" => Kinds::MAP,
        _ => Kinds::ANY,
    }
}
