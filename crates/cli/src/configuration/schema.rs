//! The settings as a JSON Schema (2020-12), made from the table of keys.
//!
//! It is what files, variables and flags are checked against and what an editor is given, so that both always agree.
//! Which source may set a key, and what several values mean together, is not a schema's to say.

use std::cell::OnceCell;
use std::sync::Arc;

use runner::document::{Diagnostic, Node, Source, Span, Yaml, suggest};
use runner::schema::{Mistake, Registry, Schema, pointer::unescape};
use serde_json::{Map, Value, json};

use super::key::{Domain, KEYS, Key};

/// The schema of a configuration file.
pub(crate) fn document() -> Value {
    let mut root = section();
    for key in KEYS {
        place(&mut root, key);
    }
    if let Some(root) = root.as_object_mut() {
        root.insert("title".to_owned(), "Palisade settings".into());
    }
    root
}

/// A map of settings that takes no others.
fn section() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": {} })
}

fn place(root: &mut Value, key: &Key) {
    let mut at = root;
    let mut names = key.name.split('.').peekable();
    while let Some(name) = names.next() {
        let Some(fields) = at.get_mut("properties").and_then(Value::as_object_mut) else { return };
        let last = names.peek().is_none();
        let new = || if last { of(key) } else { section() };
        at = fields.entry(name).or_insert_with(new);
    }
}

/// The schema of one value.
fn of(key: &Key) -> Value {
    let labels = || json!({ "type": "array", "items": { "type": "string" } });
    let mut schema = match key.domain {
        Domain::Whole(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Domain::Switch => json!({ "type": "boolean" }),
        Domain::Size(least) => json!({
            "type": ["string", "integer"],
            "minimum": least,
            "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)?$",
        }),
        Domain::Path => json!({ "type": "string", "minLength": 1 }),
        Domain::Principals => json!({ "type": "object", "additionalProperties": {
            "type": "object",
            "additionalProperties": false,
            "properties": { "id": { "type": "string" }, "roles": labels(), "tags": labels() },
        } }),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), key.about.into());
        schema.extend(key.default.map(|text| ("default".to_owned(), typed(key, text))));
    }
    schema
}

/// A value given as text, as its key wants it; what cannot be read stays a text, so that the schema names the mistake.
fn typed(key: &Key, text: &str) -> Value {
    let read: Option<Value> = match key.domain {
        Domain::Whole(..) | Domain::Switch | Domain::Principals => serde_json::from_str(text).ok(),
        Domain::Path | Domain::Size(_) => None,
    };
    read.unwrap_or_else(|| text.into())
}

/// The schema, compiled once something has to be checked: most calls of this program have only defaults.
#[derive(Debug, Default)]
pub(super) struct Compiled(OnceCell<Arc<Schema>>);

impl Compiled {
    /// The compiled schema.
    ///
    /// # Errors
    /// What is wrong with the table of keys, which a test keeps from happening.
    fn compiled(&self) -> Result<&Schema, String> {
        if let Some(compiled) = self.0.get() {
            return Ok(compiled);
        }
        let compiled = Registry::new().compile(&document()).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            format!("the schema of the settings is not one: {}", faults.join("; "))
        })?;
        Ok(self.0.get_or_init(|| compiled))
    }

    /// Checks a whole file.
    ///
    /// # Errors
    /// Every mistake with its line and caret, in the order of their keys.
    pub(super) fn check_file(&self, root: &Node, source: &Source) -> Result<(), String> {
        let mistakes = self.compiled()?.check(&root.to_json()).err().unwrap_or_default();
        let rendered = |mistake| {
            told(root, mistake).in_file(&source.name).render(source).trim_end().to_owned()
        };
        let rendered: Vec<String> = mistakes.iter().map(rendered).collect();
        if rendered.is_empty() { Ok(()) } else { Err(rendered.join("\n")) }
    }

    /// Checks one value given as text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check_text(&self, key: &Key, text: &str) -> Result<(), String> {
        let nest =
            |inner: Value, name: &str| Value::Object(Map::from_iter([(name.to_owned(), inner)]));
        let whole = key.name.rsplit('.').fold(typed(key, text), nest);
        let mistakes = self.compiled()?.check(&whole).err().unwrap_or_default();
        match mistakes.first() {
            None => Ok(()),
            Some(mistake) => Err(format!("`{text}` {}", mistake.message)),
        }
    }
}

/// One mistake where it is written.
fn told(root: &Node, mistake: &Mistake) -> Diagnostic {
    let names: Vec<String> = mistake.pointer.split('/').skip(1).map(unescape).collect();
    let (name, span) = (names.join("."), find(root, &names));
    if mistake.unknown.is_some() {
        let known: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        let found = Diagnostic::error(span, format!("unknown setting `{name}`"));
        return found.with_suggestion(suggest(&name, &known));
    }
    let name = if name.is_empty() { "the file".to_owned() } else { format!("`{name}`") };
    Diagnostic::error(span, format!("{name} {}", mistake.message))
}

/// The place of what `names` lead to, as far as they do.
fn find(root: &Node, names: &[String]) -> Span {
    let mut node = root;
    for name in names {
        let next = match &node.value {
            Yaml::Map(entries) => {
                entries.iter().find(|(key, _)| key.name == *name).map(|(_, node)| node)
            }
            Yaml::List(items) => name.parse().ok().and_then(|place: usize| items.get(place)),
            _ => None,
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    node.span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_the_schema_with_its_default() {
        let (schema, settings) = (document(), Compiled::default());
        for key in KEYS {
            let pointer: String =
                key.name.split('.').map(|name| format!("/properties/{name}")).collect();
            let found = schema.pointer(&pointer).unwrap();
            assert_eq!(found["description"], key.about, "{}", key.name);
            let default = key.default.map_or(Ok(()), |default| settings.check_text(key, default));
            assert_eq!(default, Ok(()), "{}", key.name);
        }
    }

    /// What the schema takes, the settings take, and the other way round: each row in a file and as a text.
    #[test]
    fn files_and_texts_are_judged_alike() {
        let settings = Compiled::default();
        for (name, text, expect) in [
            ("engine.slots", "1", Ok(())),
            ("engine.slots", "1024", Ok(())),
            ("engine.slots", "0", Err("must be at least 1")),
            ("engine.slots", "1025", Err("must be at most 1024")),
            ("engine.slots", "many", Err("must be an integer, found a string")),
            ("engine.slots", "1.5", Err("must be an integer, found a fraction")),
            ("sandbox.allow_unsafe", "true", Ok(())),
            ("sandbox.allow_unsafe", "yes", Err("must be a boolean, found a string")),
            ("policy.file", "a.yaml", Ok(())),
            ("principals", "{\"1000\": {\"roles\": [\"a\"]}}", Ok(())),
            ("principals", "{\"1000\": {\"rules\": []}}", Err("is not a known field")),
            ("principals", "[]", Err("must be an object, found a list")),
        ] {
            let key = KEYS.iter().find(|key| key.name == name).unwrap();
            let as_text = settings.check_text(key, text);
            assert_eq!(as_text, expect.map_err(|why: &str| format!("`{text}` {why}")), "{name}");
            let nested = name
                .rsplit('.')
                .fold(text.to_owned(), |inner, name| format!("{{{name}: {inner}}}"));
            let source = Source::new("f", nested);
            let root = runner::document::read(&source).unwrap();
            let in_file = settings.check_file(&root, &source);
            assert_eq!(in_file.is_ok(), expect.is_ok(), "{name} {text} {in_file:?}");
        }
    }

    #[test]
    fn every_mistake_of_a_file_is_told_in_order() {
        let source = Source::new("f", "policy: { file: 5 }\nengine: { slots: 0, slts: 1 }\n");
        let root = runner::document::read(&source).unwrap();
        let told = Compiled::default().check_file(&root, &source).unwrap_err();
        let lines: Vec<&str> = told.lines().filter(|line| line.starts_with("error:")).collect();
        assert_eq!(
            lines,
            [
                "error: `engine.slots` must be at least 1",
                "error: unknown setting `engine.slts`",
                "error: `policy.file` must be a string, found an integer",
            ]
        );
    }
}
