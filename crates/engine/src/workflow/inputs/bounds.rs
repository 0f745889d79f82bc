//! What a schema may contain, so that compiling and using it is bounded.
//!
//! A reference may only reach `$defs` of the same schema, references may not form a circle, and
//! the schema with every reference written out may not exceed [`MAX_SCHEMA_COST`] subschemas.
//! It judges structure only; whether keywords have sensible values is `jsonschema`'s business.

use super::{SchemaFault, escape};
use policy::document::suggest;
use serde_json::Value;
use std::collections::BTreeMap;

/// The most subschemas with every reference written out; more is an error at load.
pub const MAX_SCHEMA_COST: usize = 10_000;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

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
const PLAIN: [&str; 33] = [
    "$comment",
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
/// Keywords that would let a schema name itself or be named from elsewhere.
const REFUSED: [&str; 8] = [
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
    "definitions",
];

/// The subschemas directly inside a schema, with the pointer to each.
fn children<'s>(pointer: &str, schema: &'s Value) -> Vec<(String, &'s Value)> {
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

/// Checks structure, references and size.
pub(super) fn check(schema: &Value) -> Result<(), Vec<SchemaFault>> {
    let mut faults = Vec::new();
    let mut waiting = vec![(String::new(), schema)];
    while let Some((pointer, schema)) = waiting.pop() {
        faults.extend(refused(&pointer, schema));
        waiting.extend(children(&pointer, schema));
    }
    if !faults.is_empty() {
        faults.sort_by(|a, b| a.pointer.cmp(&b.pointer));
        return Err(faults);
    }
    let mut costs = Costs { root: schema, known: BTreeMap::new() };
    let cost = costs.of("", schema).map_err(|fault| vec![fault])?;
    if cost > MAX_SCHEMA_COST {
        let message = format!("schema has more than {MAX_SCHEMA_COST} parts");
        let hint = Some("every `$ref` counts as all it refers to".to_owned());
        return Err(vec![SchemaFault { pointer: String::new(), message, hint }]);
    }
    Ok(())
}

fn refused(pointer: &str, schema: &Value) -> Vec<SchemaFault> {
    let Value::Object(schema) = schema else { return Vec::new() };
    let fault = |keyword: &str, message: String, hint: &str| SchemaFault {
        pointer: format!("{pointer}/{keyword}"),
        message,
        hint: Some(hint.to_owned()),
    };
    let mut faults = Vec::new();
    for keyword in REFUSED.into_iter().filter(|keyword| schema.contains_key(*keyword)) {
        let message = format!("schema keyword `{keyword}` is not supported");
        faults.push(fault(keyword, message, "use `$defs` and `$ref: \"#/$defs/NAME\"`"));
    }
    match schema.get("$ref") {
        None => {}
        Some(Value::String(target)) if definition(target).is_some() => {}
        Some(_) => faults.push(fault(
            "$ref",
            "`$ref` can only reach this schema's `$defs`".to_owned(),
            "write `$ref: \"#/$defs/NAME\"`",
        )),
    }
    match schema.get("$schema") {
        None => {}
        Some(Value::String(dialect)) if dialect.trim_end_matches('#') == DIALECT => {}
        Some(_) => faults.push(fault(
            "$schema",
            "input schemas are JSON Schema 2020-12".to_owned(),
            "leave `$schema` out",
        )),
    }
    faults
}

/// The name in `#/$defs/NAME`.
pub(super) fn definition(target: &str) -> Option<String> {
    let name = target.strip_prefix("#/$defs/")?;
    let plain = !name.is_empty() && !name.contains('/') && !name.contains('%');
    plain.then(|| super::unescape(name))
}

struct Costs<'s> {
    root: &'s Value,
    /// The cost of each definition; none while it is being worked out.
    known: BTreeMap<String, Option<usize>>,
}

impl Costs<'_> {
    /// The document reader bounds the depth of a schema, and each definition is entered once.
    fn of(&mut self, pointer: &str, schema: &Value) -> Result<usize, SchemaFault> {
        let mut cost = 1_usize;
        for (at, child) in children(pointer, schema) {
            if !is_definition(&at) {
                cost = cost.saturating_add(self.of(&at, child)?);
            }
        }
        match schema.get("$ref").and_then(Value::as_str).and_then(definition) {
            Some(name) => Ok(cost.saturating_add(self.of_definition(pointer, &name)?)),
            None => Ok(cost),
        }
    }

    fn of_definition(&mut self, from: &str, name: &str) -> Result<usize, SchemaFault> {
        let fault = |message: String, hint: &str| {
            Err(SchemaFault {
                pointer: format!("{from}/$ref"),
                message,
                hint: Some(hint.to_owned()),
            })
        };
        match self.known.get(name) {
            Some(Some(cost)) => return Ok(*cost),
            Some(None) => {
                let message = format!("`$ref` to `{name}` goes round in a circle");
                return fault(message, "recursive input schemas are not supported by this version");
            }
            None => {}
        }
        let Some(schema) = self.root.get("$defs").and_then(|defs| defs.get(name)) else {
            return fault(format!("`$defs` has no `{name}`"), "add it, or correct the name");
        };
        self.known.insert(name.to_owned(), None);
        let cost = self.of(&format!("/$defs/{}", escape(name)), schema)?;
        self.known.insert(name.to_owned(), Some(cost));
        Ok(cost)
    }
}

fn is_definition(pointer: &str) -> bool {
    pointer.strip_prefix("/$defs/").is_some_and(|rest| !rest.contains('/'))
}

/// Keywords the dialect does not define; JSON Schema ignores them, which hides spelling mistakes.
pub(super) fn unknown_keywords(schema: &Value) -> Vec<SchemaFault> {
    let known: Vec<&str> = ONE.into_iter().chain(LIST).chain(MAP).chain(PLAIN).collect();
    let mut found = Vec::new();
    let mut waiting = vec![(String::new(), schema)];
    while let Some((pointer, schema)) = waiting.pop() {
        waiting.extend(children(&pointer, schema));
        for keyword in schema.as_object().into_iter().flat_map(|schema| schema.keys()) {
            if !known.contains(&keyword.as_str()) && !keyword.starts_with("x-") {
                found.push(SchemaFault {
                    pointer: format!("{pointer}/{}", escape(keyword)),
                    message: format!("`{keyword}` is not a JSON Schema keyword and is ignored"),
                    hint: suggest(keyword, &known).map(|near| format!("did you mean `{near}`?")),
                });
            }
        }
    }
    found.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    found
}
