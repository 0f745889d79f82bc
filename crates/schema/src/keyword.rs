//! The keywords of the dialect, as data: which hold subschemas, which are refused, which are plain.
//! What a keyword means is `jsonschema`'s business.

use crate::pointer::escape;
use serde_json::Value;

/// The one dialect.
pub(crate) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Keywords whose value is one subschema.
const ONE: [&str; 11] = [
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of subschemas.
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is a map of subschemas.
const MAP: [&str; 4] = ["$defs", "dependentSchemas", "patternProperties", "properties"];
/// The other keywords of the dialect.
const PLAIN: [&str; 34] = [
    "$comment",
    ID,
    "$ref",
    "$schema",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];
/// What a schema is called elsewhere: a remark on a whole schema, refused in one inside it.
pub(crate) const ID: &str = "$id";
/// Keywords that would let a place in a schema be named from elsewhere.
pub(crate) const REFUSED: [&str; 7] = [
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
    "definitions",
];

/// Every keyword that is known and allowed.
pub(crate) fn known() -> Vec<&'static str> {
    ONE.into_iter().chain(LIST).chain(MAP).chain(PLAIN).collect()
}

/// The subschemas directly inside a schema, with the pointer to each.
pub(crate) fn children<'s>(pointer: &str, schema: &'s Value) -> Vec<(String, &'s Value)> {
    let Value::Object(schema) = schema else { return Vec::new() };
    let mut found = Vec::new();
    for (keyword, value) in schema {
        let at = format!("{pointer}/{}", escape(keyword));
        match value {
            value if ONE.contains(&keyword.as_str()) => found.push((at, value)),
            Value::Array(items) if LIST.contains(&keyword.as_str()) => {
                let items = items.iter().enumerate();
                found.extend(items.map(|(place, item)| (format!("{at}/{place}"), item)));
            }
            Value::Object(map) if MAP.contains(&keyword.as_str()) => {
                found.extend(map.iter().map(|(n, item)| (format!("{at}/{}", escape(n)), item)));
            }
            _ => {}
        }
    }
    found
}
