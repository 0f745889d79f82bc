//! The registry: schemas compiled once, and values held against them.
//!
//! Compiling is offline whatever features other crates turn on: the retriever is set in code and
//! refuses everything. Patterns are linear-time. What a schema may contain is judged by `bounds`.

use crate::bounds::{self, MAX_PATTERN_BYTES, MAX_REGISTRY_PATTERNS, Registered};
use crate::fault::Fault;
use crate::keyword::ID;
use crate::mistake::Mistake;
use crate::{defaults, words};
use jsonschema::{Draft, PatternOptions, Registry as Resources, Retrieve, Uri, Validator};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What the id of a registered schema begins with.
pub const ID_PREFIX: &str = "urn:palisade:";
/// The most compiled schemas kept; when one more comes, those before are compiled again on demand.
pub const MAX_CACHED: usize = 256;
/// The most mistakes told of one value.
pub const MAX_MISTAKES: usize = 50;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    source: Value,
    digest: [u8; 32],
    /// With every reference written out.
    patterns: usize,
    validator: Validator,
}

impl PartialEq for Schema {
    /// The source decides; what is compiled follows from it.
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Schema {
    /// The schema as given.
    #[must_use]
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// SHA-256 of the schema's JSON text with sorted keys.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Holds `value` against the schema as it is.
    ///
    /// # Errors
    /// What is wrong, ordered by path and then text, at most [`MAX_MISTAKES`] entries.
    pub fn check(&self, value: &Value) -> Result<(), Vec<Mistake>> {
        let found = self.validator.iter_errors(value);
        let mut mistakes: Vec<Mistake> =
            found.flat_map(|error| words::of_value(&error, value)).collect();
        if mistakes.is_empty() {
            return Ok(());
        }
        mistakes.sort();
        mistakes.dedup();
        mistakes.truncate(MAX_MISTAKES);
        Err(mistakes)
    }

    /// `value` with missing fields filled in from `default`, also in objects inside objects, but not
    /// inside lists, compositions (`anyOf` …) or `$defs`.
    #[must_use]
    pub fn filled(&self, mut value: Value) -> Value {
        defaults::fill(&self.source, &mut value);
        value
    }
}

/// Compiles schemas and keeps what it compiled.
#[derive(Debug, Default)]
pub struct Registry {
    documents: BTreeMap<String, Value>,
    weights: Registered,
    compiled: Mutex<BTreeMap<[u8; 32], Arc<Schema>>>,
}

impl Registry {
    /// A registry with nothing registered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes `schema` known under `id`, so that schemas compiled from now on may refer to it. It may
    /// itself refer to what was registered before it.
    ///
    /// # Errors
    /// An id that does not begin with [`ID_PREFIX`] or is taken, or more than [`MAX_REGISTRY_PATTERNS`]
    /// patterns in everything registered; otherwise as [`Registry::compile`].
    pub fn register(&mut self, id: &str, schema: Value) -> Result<(), Vec<Fault>> {
        let named = id.strip_prefix(ID_PREFIX).is_some_and(is_name);
        if !named || self.documents.contains_key(id) {
            let why = if named { "is registered already" } else { "is not an id" };
            let hint = format!("ids are `{ID_PREFIX}` and letters, digits, `.`, `_` and `-`");
            return Err(vec![Fault::new("", format!("`{id}` {why}"), Some(&hint))]);
        }
        let weight = bounds::check(&schema, &self.weights)?;
        bounds::room(&self.weights, weight).map_err(|fault| vec![fault])?;
        self.compile(&schema)?;
        self.weights.insert(id.to_owned(), weight);
        self.documents.insert(id.to_owned(), nameless(&schema));
        Ok(())
    }

    /// The compiled form of the schema registered under `id`; `None` where there is none.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Schema>> {
        self.compile(self.documents.get(id)?).ok()
    }

    /// Compiles a schema, or finds it compiled.
    ///
    /// # Errors
    /// Everything that is wrong with it that can be told at once, by pointer.
    pub fn compile(&self, schema: &Value) -> Result<Arc<Schema>, Vec<Fault>> {
        // Depth is bounded first: making the text of a value recurses.
        let patterns = bounds::check(schema, &self.weights)?.patterns;
        let digest: [u8; 32] = Sha256::digest(schema.to_string().as_bytes()).into();
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = compiled.get(&digest) {
            return Ok(Arc::clone(known));
        }
        let validator = self.build(schema).map_err(|fault| vec![fault])?;
        let made = Arc::new(Schema { source: schema.clone(), digest, patterns, validator });
        let kept: usize = compiled.values().map(|schema| schema.patterns).sum();
        if compiled.len() >= MAX_CACHED || kept.saturating_add(patterns) > MAX_REGISTRY_PATTERNS {
            compiled.clear();
        }
        compiled.insert(digest, Arc::clone(&made));
        Ok(made)
    }

    fn build(&self, schema: &Value) -> Result<Validator, Fault> {
        let unresolved =
            |error: jsonschema::ReferencingError| Fault::new("", error.to_string(), None);
        let resources = Resources::new()
            .retriever(Nowhere)
            .draft(Draft::Draft202012)
            .extend(self.documents.iter().map(|(id, schema)| (id.as_str(), schema)))
            .and_then(|resources| resources.prepare())
            .map_err(unresolved)?;
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
            .with_registry(&resources)
            .with_retriever(Nowhere)
            .build(&nameless(schema))
            .map_err(|error| {
                Fault::new(error.instance_path().to_string(), words::of_schema(&error), None)
            })
    }
}

/// `schema` without the name it gives itself: a schema is known by what it was registered under, and by nothing else.
fn nameless(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(keywords) = schema.as_object_mut() {
        keywords.remove(ID);
    }
    schema
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && name.len() <= 128 && name.bytes().all(plain)
}

/// Retrieves nothing, whatever is asked for.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("`{uri}` is not fetched: schemas are offline").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `bounds` refuses these before; here it is left out, so that the second wall shows.
    #[test]
    fn the_retriever_refuses_http_and_files_even_without_the_bounds() {
        let folder = std::env::temp_dir().join("schema-there.json");
        std::fs::write(&folder, "{}").unwrap();
        let file = format!("file://{}", folder.display());
        for target in ["http://127.0.0.1:9/a.json", "https://example.org/a.json", &file] {
            let fault = Registry::new().build(&json!({ "$ref": target })).unwrap_err();
            assert_eq!(
                fault.message, "schema is not valid: a reference cannot be resolved",
                "{target}"
            );
        }
        // Control: the same reference to something registered resolves.
        let mut registry = Registry::new();
        registry.register("urn:palisade:there", json!({ "type": "string" })).unwrap();
        let validator = registry.build(&json!({ "$ref": "urn:palisade:there" })).unwrap();
        assert!(validator.is_valid(&json!("x")) && !validator.is_valid(&json!(1)));
        std::fs::remove_file(folder).unwrap();
    }

    #[test]
    fn one_schema_is_compiled_once_and_the_cache_is_bounded() {
        let registry = Registry::new();
        let first = registry.compile(&json!({ "type": "string", "minLength": 1 })).unwrap();
        let again = registry.compile(&json!({ "minLength": 1, "type": "string" })).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let other = registry.compile(&json!({ "type": "string", "minLength": 2 })).unwrap();
        assert!(!Arc::ptr_eq(&first, &other) && first.digest() != other.digest());
        for length in 0..MAX_CACHED {
            registry.compile(&json!({ "maxLength": length })).unwrap();
        }
        assert!(registry.compiled.lock().unwrap().len() <= MAX_CACHED);
    }

    #[test]
    fn the_patterns_of_what_is_kept_compiled_are_bounded_together() {
        let registry = Registry::new();
        let kept = || -> usize {
            registry.compiled.lock().unwrap().values().map(|schema| schema.patterns).sum()
        };
        let (mut most, mut compiled) = (0, 0);
        for number in 0..12 {
            let properties: serde_json::Map<String, Value> = (0..200)
                .map(|key| (format!("{number}-{key}"), json!({ "pattern": "a" })))
                .collect();
            registry.compile(&json!({ "properties": properties })).unwrap();
            compiled += 200;
            most = most.max(kept());
        }
        assert!(most <= MAX_REGISTRY_PATTERNS && most > MAX_REGISTRY_PATTERNS / 2, "{most}");
        assert!(compiled > MAX_REGISTRY_PATTERNS, "control: without the bound all would be kept");
    }
}
