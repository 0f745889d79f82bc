//! Filling in what was not given from `default`.
//!
//! Only properties of objects are filled, from the schema that is written at their place: not
//! through references, lists or compositions, where "the" default would be a guess. So each
//! default is used at most once and filling cannot make values grow without bound.

use serde_json::{Map, Value};

/// Adds missing properties that have a default, here and in objects inside objects.
pub(super) fn fill(schema: &Value, value: &mut Value) {
    let Value::Object(object) = value else { return };
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        fill_property(object, name, property);
    }
}

fn fill_property(object: &mut Map<String, Value>, name: &str, property: &Value) {
    match object.get_mut(name) {
        Some(value) => fill(property, value),
        None => {
            if let Some(default) = property.get("default") {
                let mut value = default.clone();
                fill(property, &mut value);
                object.insert(name.to_owned(), value);
            }
        }
    }
}
