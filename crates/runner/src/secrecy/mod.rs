//! Keeping secrets out of records: where they come from, who gets them, and what is taken out of everything else.
//!
//! A step names secrets; their values go from the vault into files that only its sandbox has, and into a `cover` that
//! everything passes on its way to a record. In the place of what it takes out of outcomes stands a `commitment`, whose
//! `openings` are kept apart. `keeping` changes the vault, as calls. Finding secrets in text is the
//! crate `redaction`'s, keeping them the crate `vault`'s; neither knows of the other.

pub mod commitment;
mod cover;
mod keeping;
mod openings;
mod watched;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::policy::Redact;
use redaction::{Fields, Known, KnownError, Patterns, RuleError, Tagger};
use sandbox::SecretFile;
use serde_json::Value;
use vault::{Name, Secret, Vault, VaultError};

use crate::layout::Layout;

pub use cover::Cover;
pub use keeping::{Changed, Keeping, SecretRefused};
pub use openings::{Committed, Opened, Opening, Openings};
pub(crate) use watched::{Guarded, Watched};

/// The file with the key of the marks.
const TAG_KEY: &str = "redaction.key";
/// Most rule files of one folder, and bytes of one.
const RULE_FILES: usize = 64;
const RULE_FILE_BYTES: u64 = 4 << 20;

/// What is kept out of records besides secrets of the vault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redaction {
    /// Whether what steps print is recorded without looking for patterns.
    pub plain_logs: bool,
    /// A file of rules, or a folder of them; the built-in rules come on top.
    pub rules: Option<PathBuf>,
}

/// Why secrets cannot be handed on or kept out.
#[derive(Debug, thiserror::Error)]
pub enum SecrecyError {
    /// The vault says no.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A value that could not be found again in what a program prints.
    #[error(transparent)]
    Known(#[from] KnownError),
    /// A file of rules cannot be used.
    #[error(transparent)]
    Rules(#[from] RuleError),
    /// A file of rules cannot be read.
    #[error("rules `{}` cannot be read", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl SecrecyError {
    /// What helps, where something does.
    #[must_use]
    pub fn fix(&self) -> Option<&'static str> {
        match self {
            Self::Vault(error) => error.fix(),
            Self::Known(_) => Some("set a longer value that is not a part of a secret's name"),
            Self::Rules(_) | Self::Read { .. } => Some("correct what `redaction.rules` names"),
        }
    }
}

/// The vault of a project and what is looked for in what its steps say.
#[derive(Debug)]
pub struct Secrecy {
    vault: Vault,
    tagger: Tagger,
    patterns: Arc<Patterns>,
    plain_logs: bool,
    openings: Arc<Openings>,
}

impl Secrecy {
    /// Reads the rules and the key of the marks, which is drawn where there is none.
    ///
    /// # Errors
    /// [`SecrecyError`]: nothing may run that could show a secret.
    pub fn open(layout: &Layout, redaction: &Redaction) -> Result<Self, SecrecyError> {
        let files = redaction.rules.as_deref().map_or(Ok(Vec::new()), rule_files)?;
        let files = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let key = vault::private_key(&layout.keys(), TAG_KEY)?;
        Ok(Self {
            vault: vault(layout),
            tagger: Tagger::new(*key),
            patterns: Arc::new(Patterns::new(files)?),
            plain_logs: redaction.plain_logs,
            openings: Arc::new(Openings::of(layout)),
        })
    }

    /// What makes the marks.
    pub(crate) fn tagger(&self) -> Tagger {
        self.tagger.clone()
    }

    /// What opens commitments.
    pub(crate) fn openings(&self) -> &Openings {
        &self.openings
    }

    /// What a tool answered, without what its `schema` marks as sensitive. Later steps get no more than records do.
    pub(crate) fn result(&self, schema: Option<&Value>, result: Value) -> Value {
        match schema {
            Some(schema) if Fields::of(schema).any() => {
                Fields::of(schema).redact(&result, &self.tagger)
            }
            Some(_) | None => result,
        }
    }

    /// What covers an attempt of a run whose workflow names `all`, and the files of those its step `wanted`: pairs of
    /// a file's name and a secret's. `redact` is what the decision asks for besides.
    ///
    /// # Errors
    /// [`SecrecyError`] where a wanted secret is missing, or any of them is damaged or cannot be kept out of records.
    pub(crate) fn cover(
        &self,
        all: &[String],
        wanted: &[(String, String)],
        redact: Redact,
    ) -> Result<(Cover, Vec<SecretFile>), SecrecyError> {
        let mut values: Vec<(&str, Secret)> = Vec::with_capacity(all.len());
        for name in all {
            match self.vault.get(&Name::new(name)?) {
                Ok((secret, _)) => values.push((name, secret)),
                // What is not there was not handed to anybody, unless this step wants it.
                Err(VaultError::Missing(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let known =
            Known::new(values.iter().map(|(name, secret)| (*name, secret.reveal())), &self.tagger)?;
        let file = |(file, name): &(String, String)| {
            let found = values.iter().find(|(known, _)| known == name);
            let (_, secret) = found.ok_or_else(|| VaultError::Missing(name.clone()))?;
            let content: Arc<[u8]> = secret.reveal().as_bytes().into();
            Ok::<_, VaultError>(SecretFile { name: file.clone(), content })
        };
        let files = wanted.iter().map(file).collect::<Result<_, _>>()?;
        Ok((Cover::new(Arc::new(known), self, redact), files))
    }
}

/// The vault of a project.
#[must_use]
pub fn vault(layout: &Layout) -> Vault {
    Vault::at(&layout.secrets(), &layout.keys())
}

/// A file, or every `.toml` of a folder in the order of their names.
fn rule_files(path: &Path) -> Result<Vec<(String, String)>, SecrecyError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| SecrecyError::Read { path, source }
    };
    let mut paths = vec![path.to_path_buf()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(failed(path))?;
        let entries = entries.map(|entry| entry.map(|entry| entry.path()));
        paths = entries.collect::<Result<_, _>>().map_err(failed(path))?;
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
        paths.sort_unstable();
    }
    if paths.len() > RULE_FILES {
        return Err(RuleError::Many.into());
    }
    let read = |path: &PathBuf| {
        let size = std::fs::metadata(path).map_err(failed(path))?.len();
        if size > RULE_FILE_BYTES {
            return Err(RuleError::Large(path.display().to_string()).into());
        }
        let text = std::fs::read_to_string(path).map_err(failed(path))?;
        Ok((path.display().to_string(), text))
    };
    paths.iter().map(read).collect()
}
