//! The mounts a program asks for: where each source lies, where it appears, and which cannot be shown at all.
//! What a source may be is the policy's to say; finding it on disk is `path`'s, and what it would show `exposure`'s.

use std::path::{Path, PathBuf};

use engine::run::{Guard, StoppedBy};
use serde_json::Value;

use super::path::{self, PathError};
use super::startup::Startup;
use super::{Gate, Refused, exposure};

impl Gate {
    /// The same gate for a project whose state is kept in `state`.
    #[must_use]
    pub fn with_state(self, state: &Path) -> Self {
        Self { state: state.canonicalize().unwrap_or_else(|_| state.to_path_buf()), ..self }
    }

    /// The same gate for a process that these files decide the start of.
    #[must_use]
    pub fn with_startup(self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { startup: Startup::of(files), ..self }
    }

    /// Where the project's state is kept.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// Puts the source of a mount into the form that policy sees.
    pub(super) fn mount(&self, mount: &mut Value) -> Result<(), Refused> {
        let writes = mount.get("access").and_then(Value::as_str) == Some("write");
        let asked = mount.get("target").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(slot) = mount.get_mut("source") else { return Ok(()) };
        let written = slot.as_str().unwrap_or_default().to_owned();
        match path::source(&self.project, self.home.as_deref(), &written) {
            Ok(source) => {
                if writes && source.path.starts_with(&self.project) {
                    return Err(Refused::Invalid(format!(
                        "mount `{written}` would write into the project; keep files with `artifacts`"
                    )));
                }
                // In the workspace the state folder is hidden, and policy has a word on the rest.
                let elsewhere = target(&self.project, &source.path, &written, &asked).is_some();
                if let Some(held) = self.startup.below(&source.path).filter(|_| writes) {
                    return Err(hidden(&written, &held));
                }
                let places = (self.project.as_path(), self.state.as_path());
                if let Some(shown) = elsewhere.then(|| exposure::of(places, &source.path)).flatten()
                {
                    return Err(hidden(&written, &shown));
                }
                *slot = Value::String(source.shown);
            }
            // What is not there may still be forbidden: policy sees the path as far as it can be told.
            Err(PathError::Source { .. }) => {
                *slot = Value::String(path::told(self.home.as_deref(), &written))
            }
            Err(error) => return Err(Refused::Invalid(error.to_string())),
        }
        Ok(())
    }
}

/// Where a mount appears: as asked; at its own place where nothing was asked and it lies outside the project; in
/// the workspace, which is to say nowhere else, where it lies inside.
pub(crate) fn target(project: &Path, source: &Path, written: &str, asked: &str) -> Option<PathBuf> {
    if asked != written {
        return Some(PathBuf::from(asked));
    }
    match source.starts_with(project) {
        true => None,
        false if Path::new(asked).is_absolute() => Some(PathBuf::from(asked)),
        false => Some(source.to_path_buf()),
    }
}

fn hidden(mount: &str, shown: &str) -> Refused {
    let by = StoppedBy {
        kind: Guard::Isolation,
        name: "hidden folders".into(),
        detail: format!("mount `{mount}` is refused: {shown}").into(),
    };
    Refused::Stopped { by, decision: Value::Null, arguments: Value::Null }
}
