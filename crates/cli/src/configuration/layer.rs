//! One configuration file: read, checked against the schema, turned into settings with their lines.
//! Which source wins is decided where the layers are merged.

use std::path::Path;

use runner::document::{self, Diagnostic, Node, Source, Yaml};

use super::key::{Domain, KEYS, Key};
use super::schema::Compiled;

/// One value a file sets.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: &'static Key,
    pub(super) value: String,
    pub(super) line: usize,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    /// The file is there but cannot be read.
    #[error("configuration file `{path}` cannot be read: {reason}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The file is not a valid configuration; already rendered with line and caret.
    #[error("{0}")]
    Document(String),
    /// A value is not allowed for its key.
    #[error("{origin}: `{key}`: {reason}")]
    Value {
        /// Where the value came from.
        origin: String,
        /// The key.
        key: &'static str,
        /// What is allowed.
        reason: String,
    },
}

/// The settings in the file at `path`; a file that does not exist sets nothing.
pub(super) fn read(path: &Path, schema: &Compiled) -> Result<Vec<Found>, LayerError> {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LayerError::Read { path: name, reason: error.to_string() }),
    };
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    let source = Source { name, text };
    let rendered =
        |finding: Diagnostic| LayerError::Document(finding.render(&source).trim_end().to_owned());
    let root = document::read(&source).map_err(rendered)?;
    schema.check_file(&root, &source).map_err(LayerError::Document)?;
    let mut found = Vec::new();
    collect(&root, "", &mut found);
    Ok(found)
}

/// The settings of a file that fits the schema.
fn collect(node: &Node, prefix: &str, found: &mut Vec<Found>) {
    let Yaml::Map(entries) = &node.value else { return };
    for (key, value) in entries {
        let name =
            if prefix.is_empty() { key.name.clone() } else { format!("{prefix}.{}", key.name) };
        match KEYS.iter().find(|known| known.name == name) {
            Some(known) => {
                let value_text = text(known, value);
                found.push(Found { key: known, value: value_text, line: value.span.line });
            }
            None => collect(value, &name, found),
        }
    }
}

/// The value as settings keep it: the same text that a variable would have.
fn text(key: &Key, node: &Node) -> String {
    match (key.domain, &node.value) {
        (Domain::Path | Domain::Size(_), Yaml::Text(text)) => text.clone(),
        _ => node.to_json().to_string(),
    }
}
