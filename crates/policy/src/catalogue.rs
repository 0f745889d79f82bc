//! The closed registry of tools a policy is compiled against.
//!
//! A tool that is not here does not exist: rules that name it do not load and calls of it are
//! denied. The catalogue holds declarations only; it runs nothing and validates no arguments.
//! `schema.rs` answers what a declared schema can hold.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::identifier;
use crate::schema::{self, Presence};
use crate::selector::{Selector, SelectorError};

/// Tools in one catalogue.
const TOOLS_MAX: usize = 4_096;

/// What a tool does to the world at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Reads the project, changes nothing.
    Read,
    /// Changes files.
    Write,
    /// Runs a program.
    Exec,
    /// Talks to the network.
    Net,
}

/// The declaration of one tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Dotted name, as in `fs.read`. Kept in Unicode NFC.
    pub name: String,
    /// What it does at most; built-in rules go by it.
    pub effect: Effect,
    /// Labels from the registration; part of the catalogue's digest.
    pub tags: Vec<String>,
    /// JSON Schema of the arguments, an object. A condition on an argument it cannot hold does not
    /// load, and its `default`s stand in for arguments a call leaves out.
    pub schema: Value,
    /// Arguments that hold paths: dotted, `[]` for every item of a list (`mounts[].source`).
    ///
    /// A call gives a path relative to the project root, or absolute where it lies outside; the
    /// caller resolves links and `..` before it asks. An argument that is absent and has no
    /// default is unknown to a rule, so give optional ones a default. An empty list is no path.
    pub paths: Vec<String>,
    /// Arguments that hold a URL or a host, written as `paths` are.
    pub hosts: Vec<String>,
}

/// Why a set of tools is no catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Two declarations of one name would let the second change what the first means.
    #[error("tool `{0}` is declared twice")]
    Duplicate(String),
    /// A name is empty, longer than 256 bytes, or holds `*` or a control character.
    #[error("`{0}` is not a name of a tool")]
    Name(String),
    /// A path or host argument is not written as the grammar asks.
    #[error("argument `{argument}` of tool `{tool}` is not usable")]
    Argument {
        /// The tool.
        tool: String,
        /// The argument as declared.
        argument: String,
        /// What is wrong with it.
        #[source]
        source: SelectorError,
    },
    /// A path or host argument is one the tool's own schema cannot hold.
    #[error("the schema of tool `{tool}` has no argument `{argument}`")]
    Absent {
        /// The tool.
        tool: String,
        /// The argument as declared.
        argument: String,
    },
    /// More than 4 096 tools.
    #[error("{0} tools are more than a catalogue holds")]
    TooMany(usize),
}

/// A tool with its path and host arguments read.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) tool: Tool,
    pub(crate) paths: Vec<Selector>,
    pub(crate) hosts: Vec<Selector>,
}

/// The registered tools; cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalogue {
    entries: Arc<[Entry]>,
    index: Arc<HashMap<String, usize>>,
    digest: [u8; 32],
}

impl Catalogue {
    /// Closes the registry over `tools`.
    ///
    /// # Errors
    /// [`CatalogueError`] where a name or an argument is unusable or declared twice.
    pub fn new(tools: Vec<Tool>) -> Result<Catalogue, CatalogueError> {
        if tools.len() > TOOLS_MAX {
            return Err(CatalogueError::TooMany(tools.len()));
        }
        let mut entries = tools.into_iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        entries.sort_by(|left, right| left.tool.name.cmp(&right.tool.name));
        let mut index = HashMap::new();
        for (position, entry) in entries.iter().enumerate() {
            if index.insert(entry.tool.name.clone(), position).is_some() {
                return Err(CatalogueError::Duplicate(entry.tool.name.clone()));
            }
        }
        let digest = digest(&entries);
        Ok(Catalogue { entries: entries.into(), index: Arc::new(index), digest })
    }

    /// The declaration of the tool with this name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.position(name).and_then(|position| self.entries.get(position)).map(|entry| &entry.tool)
    }

    /// Every tool in the order of their names.
    pub fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.entries.iter().map(|entry| &entry.tool)
    }

    /// SHA-256 over every declaration, independent of the order they were given in.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.index.get(identifier::normal(name).as_ref()).copied()
    }
}

fn entry(mut tool: Tool) -> Result<Entry, CatalogueError> {
    if !identifier::is_valid(&tool.name) || tool.name.contains('*') {
        return Err(CatalogueError::Name(tool.name));
    }
    tool.name = identifier::normal(&tool.name).into_owned();
    let paths = selectors(&tool, &tool.paths)?;
    let hosts = selectors(&tool, &tool.hosts)?;
    Ok(Entry { tool, paths, hosts })
}

fn selectors(tool: &Tool, arguments: &[String]) -> Result<Vec<Selector>, CatalogueError> {
    let read = |argument: &String| {
        let mut selector = Selector::declared(argument).map_err(|source| {
            CatalogueError::Argument { tool: tool.name.clone(), argument: argument.clone(), source }
        })?;
        if schema::presence(&tool.schema, &selector) == Presence::Impossible {
            return Err(CatalogueError::Absent {
                tool: tool.name.clone(),
                argument: argument.clone(),
            });
        }
        selector.fill_defaults(&tool.schema);
        Ok(selector)
    };
    arguments.iter().map(read).collect()
}

/// Each declaration is hashed as its canonical JSON (sorted keys) behind its length, so no two
/// catalogues share bytes.
fn digest(entries: &[Entry]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"palisade policy catalogue 1\n");
    for entry in entries {
        let text = serde_json::to_value(&entry.tool).map(|value| value.to_string());
        let text = text.unwrap_or_default();
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}
