//! What a schema may contain, so that compiling and using it is bounded.
//!
//! A reference may reach a subschema of the same schema or a registered schema, references may not form a
//! circle, and the schema with every reference written out may not exceed [`MAX_SCHEMA_COST`]
//! subschemas and [`MAX_PATTERNS`] patterns. Text, depth and patterns as written are bounded before
//! that, and the patterns of a whole registry by [`MAX_REGISTRY_PATTERNS`].
//! It judges structure only; whether keywords have sensible values is `jsonschema`'s business.

use crate::fault::Fault;
use crate::keyword::{self, DIALECT, children};
use crate::pointer::escape;
use crate::registry::ID_PREFIX;
use serde_json::Value;
use std::collections::BTreeMap;

/// The longest schema, in bytes of JSON; a longer one is a fault.
pub const MAX_SCHEMA_BYTES: usize = 1024 * 1024;
/// The deepest nesting of a schema, its data included; a deeper one is a fault.
pub const MAX_SCHEMA_DEPTH: usize = 64;
/// The most subschemas with every reference written out; more is a fault.
pub const MAX_SCHEMA_COST: usize = 10_000;
/// The most patterns in one schema, and with every reference written out; more is a fault.
pub const MAX_PATTERNS: usize = 256;
/// The most patterns of everything registered together, and of everything kept compiled. What is registered beyond
/// is a fault; what is compiled beyond makes room for itself.
pub const MAX_REGISTRY_PATTERNS: usize = 1024;
/// The longest pattern, in bytes; a longer one is a fault.
pub const MAX_PATTERN_LENGTH: usize = 1024;
/// The most memory one compiled pattern may take, in bytes; more is a fault.
pub const MAX_PATTERN_BYTES: usize = 1024 * 1024;

/// What a schema comes to with every reference written out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Subschemas, itself included.
    pub(crate) parts: usize,
    /// Patterns.
    pub(crate) patterns: usize,
}

impl Weight {
    fn and(self, other: Self) -> Self {
        let parts = self.parts.saturating_add(other.parts);
        Self { parts, patterns: self.patterns.saturating_add(other.patterns) }
    }
}

/// The weight of each registered schema by its id.
pub(crate) type Registered = BTreeMap<String, Weight>;

/// Whether one more schema may be registered, by the patterns of all of them.
pub(crate) fn room(registered: &Registered, more: Weight) -> Result<(), Fault> {
    let all = registered.values().fold(more, |all, one| all.and(*one));
    if all.patterns <= MAX_REGISTRY_PATTERNS {
        return Ok(());
    }
    let message = format!(
        "the registered schemas have {} patterns together, more than {MAX_REGISTRY_PATTERNS}",
        all.patterns
    );
    Err(Fault::new("", message, Some("list the values in `enum`, or register fewer schemas")))
}

/// Checks structure, references and size; returns what it comes to written out.
pub(crate) fn check(schema: &Value, registered: &Registered) -> Result<Weight, Vec<Fault>> {
    size(schema).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let mut patterns = 0;
    let mut places = BTreeMap::new();
    let mut waiting = vec![(String::new(), schema)];
    while let Some((pointer, schema)) = waiting.pop() {
        faults.extend(refused(&pointer, schema));
        faults.extend(long_patterns(&pointer, schema, &mut patterns));
        waiting.extend(children(&pointer, schema));
        places.insert(pointer, schema);
    }
    if patterns > MAX_PATTERNS {
        let message = format!("schema has {patterns} patterns, more than {MAX_PATTERNS}");
        faults.push(Fault::new("", message, Some("join patterns with `|`")));
    }
    if !faults.is_empty() {
        faults.sort_by(|a, b| (&a.pointer, &a.message).cmp(&(&b.pointer, &b.message)));
        return Err(faults);
    }
    let mut costs = Costs { places, registered, known: BTreeMap::new() };
    let weight = costs.of("", schema).map_err(|fault| vec![fault])?;
    for (found, most, what) in [
        (weight.parts, MAX_SCHEMA_COST, "parts"),
        (weight.patterns, MAX_PATTERNS, "patterns with every reference written out"),
    ] {
        if found > most {
            let message = format!("schema has more than {most} {what}");
            let hint = "every `$ref` counts as all it refers to";
            return Err(vec![Fault::new("", message, Some(hint))]);
        }
    }
    Ok(weight)
}

/// Depth comes first: everything after it may recurse.
fn size(schema: &Value) -> Result<(), Fault> {
    let mut waiting = vec![(0, schema)];
    while let Some((depth, value)) = waiting.pop() {
        if depth > MAX_SCHEMA_DEPTH {
            let message = format!("schema is nested deeper than {MAX_SCHEMA_DEPTH} levels");
            return Err(Fault::new("", message, Some("name inner schemas in `$defs`")));
        }
        match value {
            Value::Array(items) => waiting.extend(items.iter().map(|item| (depth + 1, item))),
            Value::Object(map) => waiting.extend(map.values().map(|item| (depth + 1, item))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    if schema.to_string().len() > MAX_SCHEMA_BYTES {
        let message = "schema is longer than 1 MiB";
        return Err(Fault::new("", message, Some("describe less in one schema")));
    }
    Ok(())
}

/// The patterns directly in a schema, with the pointer to each.
fn patterns<'s>(pointer: &str, schema: &'s Value) -> Vec<(String, &'s str)> {
    let own = schema.get("pattern").and_then(Value::as_str);
    let own = own.map(|pattern| (format!("{pointer}/pattern"), pattern));
    let keys = schema.get("patternProperties").and_then(Value::as_object);
    let keys = keys.into_iter().flat_map(|map| map.keys()).map(|pattern| {
        (format!("{pointer}/patternProperties/{}", escape(pattern)), pattern.as_str())
    });
    own.into_iter().chain(keys).collect()
}

fn long_patterns(pointer: &str, schema: &Value, count: &mut usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, pattern) in patterns(pointer, schema) {
        *count = count.saturating_add(1);
        if pattern.len() > MAX_PATTERN_LENGTH {
            let message = format!(
                "has {} bytes, more than the {MAX_PATTERN_LENGTH} of a pattern",
                pattern.len()
            );
            faults.push(Fault::new(at, message, Some("list the values in `enum`")));
        }
    }
    faults
}

fn refused(pointer: &str, schema: &Value) -> Vec<Fault> {
    let Value::Object(schema) = schema else { return Vec::new() };
    let fault = |keyword: &str, message: String, hint: &str| {
        Fault::new(format!("{pointer}/{keyword}"), message, Some(hint))
    };
    let mut faults = Vec::new();
    for keyword in keyword::REFUSED.into_iter().filter(|keyword| schema.contains_key(*keyword)) {
        let message = format!("schema keyword `{keyword}` is not supported");
        faults.push(fault(keyword, message, "use `$defs` and `$ref: \"#/$defs/NAME\"`"));
    }
    if schema.contains_key(keyword::ID) && !pointer.is_empty() {
        let message = "an inner schema has no `$id`".to_owned();
        faults.push(fault(keyword::ID, message, "leave it out, and refer to the place: `#/…`"));
    }
    match schema.get("$ref") {
        None => {}
        Some(Value::String(target)) if local(target).is_some() || target.starts_with(ID_PREFIX) => {
        }
        Some(_) => faults.push(fault(
            "$ref",
            "`$ref` can only reach a place in this schema".to_owned(),
            "write `$ref: \"#/$defs/NAME\"`",
        )),
    }
    match schema.get("$schema") {
        None => {}
        Some(Value::String(dialect)) if dialect.trim_end_matches('#') == DIALECT => {}
        Some(_) => faults.push(fault(
            "$schema",
            "schemas are JSON Schema 2020-12".to_owned(),
            "leave `$schema` out",
        )),
    }
    faults
}

/// The JSON Pointer in a reference to a place of the same schema, `#/$defs/NAME` and the like. Percent-encoded ones
/// are not read.
#[must_use]
pub fn local(target: &str) -> Option<&str> {
    let pointer = target.strip_prefix('#')?;
    let plain = pointer.is_empty() || pointer.starts_with('/');
    (plain && !pointer.contains('%')).then_some(pointer)
}

struct Costs<'s> {
    /// Every subschema by its pointer, the schema itself under the empty one.
    places: BTreeMap<String, &'s Value>,
    registered: &'s Registered,
    /// The weight of each place referred to; none while it is being worked out.
    known: BTreeMap<String, Option<Weight>>,
}

impl Costs<'_> {
    /// The depth of a schema is bounded, and each place referred to is entered once.
    fn of(&mut self, pointer: &str, schema: &Value) -> Result<Weight, Fault> {
        let mut weight = Weight { parts: 1, patterns: patterns(pointer, schema).len() };
        for (at, child) in children(pointer, schema) {
            if !is_definition(&at) {
                weight = weight.and(self.of(&at, child)?);
            }
        }
        let Some(target) = schema.get("$ref").and_then(Value::as_str) else { return Ok(weight) };
        let inner = match local(target) {
            Some(place) => self.of_place(pointer, place)?,
            None => *self.registered.get(target).ok_or_else(|| {
                let message = format!("`{target}` is not registered");
                Fault::new(format!("{pointer}/$ref"), message, Some("use `$defs` of this schema"))
            })?,
        };
        Ok(weight.and(inner))
    }

    fn of_place(&mut self, from: &str, place: &str) -> Result<Weight, Fault> {
        let fault = |message: String, hint: &str| {
            Err(Fault::new(format!("{from}/$ref"), message, Some(hint)))
        };
        match self.known.get(place) {
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => {
                let message = format!("`$ref` to `#{place}` goes round in a circle");
                return fault(message, "recursive schemas are not supported by this version");
            }
            None => {}
        }
        let Some(schema) = self.places.get(place).copied() else {
            let message = format!("this schema has no schema at `#{place}`");
            return fault(message, "add it, or correct the reference");
        };
        self.known.insert(place.to_owned(), None);
        let weight = self.of(place, schema)?;
        self.known.insert(place.to_owned(), Some(weight));
        Ok(weight)
    }
}

fn is_definition(pointer: &str) -> bool {
    pointer.strip_prefix("/$defs/").is_some_and(|rest| !rest.contains('/'))
}

/// Keywords the dialect does not define, by pointer; JSON Schema ignores them, which hides spelling
/// mistakes. Those that begin with `x-` are meant. `near` finds the keyword that was meant.
#[must_use]
pub fn unknown_keywords(
    schema: &Value,
    near: &dyn Fn(&str, &[&str]) -> Option<String>,
) -> Vec<Fault> {
    let known = keyword::known();
    let mut found = Vec::new();
    let mut waiting = vec![(String::new(), schema)];
    while let Some((pointer, schema)) = waiting.pop() {
        waiting.extend(children(&pointer, schema));
        for keyword in schema.as_object().into_iter().flat_map(|schema| schema.keys()) {
            if !known.contains(&keyword.as_str()) && !keyword.starts_with("x-") {
                found.push(Fault {
                    pointer: format!("{pointer}/{}", escape(keyword)),
                    message: format!("`{keyword}` is not a JSON Schema keyword and is ignored"),
                    hint: near(keyword, &known).map(|near| format!("did you mean `{near}`?")),
                });
            }
        }
    }
    found.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    found
}

/// Where `keyword` stands in a schema or one inside it, by pointer, in order. References are not followed: what they
/// reach is in the schema as well.
#[must_use]
pub fn places_of(keyword: &str, schema: &Value) -> Vec<String> {
    let (mut found, mut waiting) = (Vec::new(), vec![(String::new(), schema)]);
    while let Some((pointer, schema)) = waiting.pop() {
        waiting.extend(children(&pointer, schema));
        if schema.get(keyword).is_some() {
            found.push(format!("{pointer}/{}", escape(keyword)));
        }
    }
    found.sort();
    found
}
