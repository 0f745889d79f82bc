//! Ways into a call's arguments: `body.size`, `argv.0`, `mounts[].source`.
//!
//! Read once at load and walked for every call. A selector knows the defaults of the tool's schema,
//! so that it sees the arguments as they will be used. What it finds may be nothing; whether
//! nothing is unknown or false is for the condition to say, not for this file.

use serde_json::Value;

use crate::schema;

/// Names in one selector.
const STEPS_MAX: usize = 16;

/// Why a text is no selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// There is nothing before, between or after the dots.
    #[error("a name between the dots is empty")]
    Empty,
    /// A backslash stands before something other than a dot or a backslash.
    #[error("a backslash may only stand before a dot or a backslash")]
    Escape,
    /// More than 16 names.
    #[error("more than 16 names are nested")]
    TooDeep,
}

/// A way from the arguments to one value, or with `[]` to several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    steps: Vec<Step>,
}

/// One name of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) key: String,
    /// The name as a place in a list, where it is one.
    pub(crate) index: Option<usize>,
    /// Whether the value is a list of which every item is meant.
    pub(crate) each: bool,
    /// What the schema says stands here when a call leaves it out.
    default: Option<Value>,
}

/// One value a selector found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Found<'a> {
    /// The value is there, or its default is.
    Value(&'a Value),
    /// Nothing is there.
    Missing,
    /// Something on the way is of another kind than the selector needs.
    IllTyped,
}

impl Selector {
    /// Reads the key of an `args` condition. A name that is a number also reaches into a list.
    pub(crate) fn condition(text: &str) -> Result<Selector, SelectorError> {
        let names = split(text)?;
        let step = |key: String| {
            let index = key.parse().ok().filter(|index: &usize| index.to_string() == key);
            Step { key, index, each: false, default: None }
        };
        Ok(Selector { steps: names.into_iter().map(step).collect() })
    }

    /// Reads a path or host argument of a tool's declaration, where `[]` means every item.
    pub(crate) fn declared(text: &str) -> Result<Selector, SelectorError> {
        let names = split(text)?;
        let step = |key: String| match key.strip_suffix("[]") {
            Some(key) => Step { key: key.to_owned(), index: None, each: true, default: None },
            None => Step { key, index: None, each: false, default: None },
        };
        let steps: Vec<Step> = names.into_iter().map(step).collect();
        if steps.iter().any(|step| step.key.is_empty()) {
            return Err(SelectorError::Empty);
        }
        Ok(Selector { steps })
    }

    /// Takes the defaults of the schema for each step.
    pub(crate) fn fill_defaults(&mut self, root: &Value) {
        let mut schema = Some(root);
        for step in &mut self.steps {
            let property = schema.and_then(|schema| schema::property(root, schema, &step.key));
            step.default = property.and_then(|schema| schema.get("default")).cloned();
            schema = if step.each { property.and_then(|list| list.get("items")) } else { property };
        }
    }

    /// The names of the way.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The one value; for selectors without `[]`.
    pub(crate) fn find<'a>(&'a self, args: &'a Value) -> Found<'a> {
        let mut value = args;
        for step in &self.steps {
            match step.take(value) {
                Found::Value(next) => value = next,
                other => return other,
            }
        }
        Found::Value(value)
    }

    /// Puts `value` where the selector leads, making what is not on the way yet; `[]` means a list of one.
    /// Nothing changes where something of another kind stands in the way.
    pub(crate) fn place(&self, args: &mut Value, value: Value) {
        let mut slot = args;
        for step in &self.steps {
            if slot.is_null() {
                *slot = Value::Object(serde_json::Map::new());
            }
            let Some(map) = slot.as_object_mut() else { return };
            slot = map.entry(step.key.as_str()).or_insert(Value::Null);
            if step.each {
                if slot.is_null() {
                    *slot = Value::Array(vec![Value::Null]);
                }
                let Some(first) = slot.as_array_mut().and_then(|items| items.first_mut()) else {
                    return;
                };
                slot = first;
            }
        }
        *slot = value;
    }

    /// Every value, in order; an empty list on the way adds none.
    pub(crate) fn collect<'a>(&'a self, args: &'a Value, found: &mut Vec<Found<'a>>) {
        collect(&self.steps, args, found);
    }
}

/// Recursion is bounded by the steps of the selector, not by the arguments.
fn collect<'a>(steps: &'a [Step], value: &'a Value, found: &mut Vec<Found<'a>>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(Found::Value(value));
        return;
    };
    match step.take(value) {
        Found::Value(Value::Array(items)) if step.each => {
            items.iter().for_each(|item| collect(rest, item, found));
        }
        Found::Value(_) if step.each => found.push(Found::IllTyped),
        Found::Value(next) => collect(rest, next, found),
        other => found.push(other),
    }
}

impl Step {
    fn take<'a>(&'a self, value: &'a Value) -> Found<'a> {
        let next = match value {
            Value::Object(map) => map.get(&self.key),
            Value::Array(items) if self.index.is_some() => {
                self.index.and_then(|index| items.get(index))
            }
            _ => return Found::IllTyped,
        };
        next.or(self.default.as_ref()).map_or(Found::Missing, Found::Value)
    }
}

fn split(text: &str) -> Result<Vec<String>, SelectorError> {
    let mut names = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '.' => {
                names.push(String::new());
                continue;
            }
            '\\' => match letters.next() {
                Some(escaped @ ('.' | '\\')) => escaped,
                _ => return Err(SelectorError::Escape),
            },
            letter => letter,
        };
        if let Some(name) = names.last_mut() {
            name.push(letter);
        }
    }
    if names.len() > STEPS_MAX {
        return Err(SelectorError::TooDeep);
    }
    if names.iter().any(String::is_empty) {
        return Err(SelectorError::Empty);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::{Found, Selector, SelectorError};
    use serde_json::{Value, json};

    fn find(text: &str, args: &Value) -> Option<Value> {
        match Selector::condition(text).unwrap().find(args) {
            Found::Value(value) => Some(value.clone()),
            _ => None,
        }
    }

    #[test]
    fn dots_navigate_and_escaped_dots_do_not() {
        let args = json!({ "a": { "b": 1, "0": 2 }, "a.b": 3, "l": [4, [5]], "\\": 6 });
        for (text, expected) in [
            ("a.b", Some(json!(1))),
            ("a.0", Some(json!(2))),
            ("a\\.b", Some(json!(3))),
            ("l.0", Some(json!(4))),
            ("l.1.0", Some(json!(5))),
            ("l.2", None),
            ("l.00", None),
            ("l.b", None),
            ("a.b.c", None),
            ("\\\\", Some(json!(6))),
            ("x", None),
        ] {
            assert_eq!(find(text, &args), expected, "{text}");
        }
    }

    #[test]
    fn bad_texts_are_refused() {
        for (text, error) in [
            ("", SelectorError::Empty),
            ("a.", SelectorError::Empty),
            (".a", SelectorError::Empty),
            ("a..b", SelectorError::Empty),
            ("a\\n", SelectorError::Escape),
            ("a\\", SelectorError::Escape),
        ] {
            assert_eq!(Selector::condition(text), Err(error), "{text}");
        }
        assert_eq!(Selector::condition(&"a.".repeat(20)), Err(SelectorError::TooDeep));
        assert_eq!(Selector::declared("[]"), Err(SelectorError::Empty));
    }

    #[test]
    fn every_item_of_a_list_with_defaults() {
        let schema = json!({ "properties": {
            "cwd": { "default": "." },
            "mounts": { "default": [], "items": { "properties": { "source": { "default": "x" } } } },
        } });
        let collect = |text: &str, args: Value| {
            let mut selector = Selector::declared(text).unwrap();
            selector.fill_defaults(&schema);
            let mut found = Vec::new();
            selector.collect(&args, &mut found);
            let show = |found: &Found<'_>| match found {
                Found::Value(value) => value.to_string(),
                other => format!("{other:?}"),
            };
            found.iter().map(show).collect::<Vec<_>>().join(" ")
        };
        for (text, args, expected) in [
            ("mounts[].source", json!({ "mounts": [{ "source": "a" }, {}] }), "\"a\" \"x\""),
            ("mounts[].source", json!({ "mounts": [3] }), "IllTyped"),
            ("mounts[].source", json!({ "mounts": {} }), "IllTyped"),
            ("mounts[].source", json!({ "mounts": [] }), ""),
            ("mounts[].source", json!({}), ""),
            ("mounts[].target", json!({ "mounts": [{}] }), "Missing"),
            ("cwd", json!({}), "\".\""),
            ("cwd", json!("text"), "IllTyped"),
            ("path", json!({}), "Missing"),
        ] {
            assert_eq!(collect(text, args), expected, "{text}");
        }
    }
}
