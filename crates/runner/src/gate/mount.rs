//! The mounts a program asks for: where each source lies, and which cannot be shown at all.
//! What a source may be is the policy's to say; finding it on disk is `path`'s.

use engine::run::{Guard, StoppedBy};
use serde_json::Value;

use super::path::{self, PathError};
use super::{Gate, Refused, exposure};

impl Gate {
    /// Puts the source of a mount into the form that policy sees.
    pub(super) fn mount(&self, mount: &mut Value) -> Result<(), Refused> {
        let writes = mount.get("access").and_then(Value::as_str) == Some("write");
        let Some(slot) = mount.get_mut("source") else { return Ok(()) };
        let written = slot.as_str().unwrap_or_default().to_owned();
        match path::source(&self.project, self.home.as_deref(), &written) {
            Ok(source) => {
                if writes && source.path.starts_with(&self.project) {
                    return Err(Refused::Invalid(format!(
                        "mount `{written}` would write into the project; keep files with `artifacts`"
                    )));
                }
                // The project itself is the workspace, where the state folder is hidden.
                let elsewhere = source.path != self.project;
                if let Some(shown) = exposure::of(&self.project, &source.path).filter(|_| elsewhere)
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

fn hidden(mount: &str, shown: &str) -> Refused {
    let by = StoppedBy {
        kind: Guard::Isolation,
        name: "hidden folders".into(),
        detail: format!("mount `{mount}` is refused: {shown}").into(),
    };
    Refused::Stopped { by, decision: Value::Null, arguments: Value::Null }
}
