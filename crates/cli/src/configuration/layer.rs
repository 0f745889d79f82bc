//! One configuration file: read, checked key by key, turned into settings with their lines.
//! Which source wins is decided where the layers are merged.

use std::path::Path;

use runner::document::{self, Diagnostic, Node, Source, Yaml};

use super::key::{Domain, KEYS, Key};

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
pub(super) fn read(path: &Path) -> Result<Vec<Found>, LayerError> {
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
    let mut found = Vec::new();
    collect(&root, "", &mut found).map_err(|(message, node)| {
        rendered(Diagnostic::error(node.span, message).in_file(&source.name))
    })?;
    Ok(found)
}

/// A message and the node it is about.
type Wrong<'a> = (String, &'a Node);

fn collect<'a>(node: &'a Node, prefix: &str, found: &mut Vec<Found>) -> Result<(), Wrong<'a>> {
    let Yaml::Map(entries) = &node.value else {
        return Err((
            format!(
                "`{}` must be a map of settings",
                if prefix.is_empty() { "the file" } else { prefix }
            ),
            node,
        ));
    };
    for (key, value) in entries {
        let name =
            if prefix.is_empty() { key.name.clone() } else { format!("{prefix}.{}", key.name) };
        if let Some(known) = KEYS.iter().find(|known| known.name == name) {
            let text = match known.domain {
                Domain::Principals => Some(value.to_json().to_string()),
                Domain::Whole(..) | Domain::Switch | Domain::Path => scalar(value),
            };
            let text = text.ok_or_else(|| (format!("`{name}` must be a single value"), value))?;
            found.push(Found { key: known, value: text, line: value.span.line });
        } else if KEYS.iter().any(|known| known.name.starts_with(&format!("{name}."))) {
            collect(value, &name, found)?;
        } else {
            let names: Vec<&str> = KEYS.iter().map(|known| known.name).collect();
            let hint =
                document::suggest(&name, &names).map(|near| format!("; did you mean `{near}`?"));
            return Err((format!("unknown setting `{name}`{}", hint.unwrap_or_default()), value));
        }
    }
    Ok(())
}

fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Yaml::Text(text) => Some(text.clone()),
        Yaml::Int(number) => Some(number.to_string()),
        Yaml::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
