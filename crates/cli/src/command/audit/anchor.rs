//! `palisade audit anchor`: the newest checkpoint, put where whoever rewrites this machine cannot reach.
//! Only the checkpoint leaves the machine; no record does.

use std::path::PathBuf;

use runner::audit::{self, AnchorError, Target};
use serde_json::json;

use super::signed_failure;
use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session;

pub(super) fn run(
    global: &Global,
    file: Option<PathBuf>,
    git: Option<String>,
    branch: String,
) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let target = match (file, git) {
        (Some(path), _) => Target::File(path),
        (None, Some(typed)) => {
            // Git works in a folder of its own, so a path has to be whole.
            let whole = std::fs::canonicalize(&typed).map(|path| path.display().to_string());
            Target::Git { repository: whole.unwrap_or(typed), branch }
        }
        (None, None) => return Err(Failure::new(Exit::Usage, "no place for the anchor was named")),
    };
    let anchored = audit::anchor(&layout, &target).map_err(|error| anchor_failure(&error))?;
    if global.json {
        output::json(&json!({
            "origin": anchored.head.origin,
            "size": anchored.head.size,
            "root": anchored.head.root.to_string(),
            "before": anchored.before,
            "commit": anchored.commit,
            "receipt": anchored.receipt,
        }));
        return Ok(Exit::Ok);
    }
    let head = &anchored.head;
    output::line(format!("anchored {} of size {}, root {}", head.origin, head.size, head.root));
    match anchored.before {
        None => output::line("it is the first one there"),
        Some(size) => output::line(format!("it has only grown since the one of size {size}")),
    }
    output::line(format!("receipt is record {}", anchored.receipt));
    Ok(Exit::Ok)
}

fn anchor_failure(error: &AnchorError) -> Failure {
    match error {
        AnchorError::Signed(inner) => signed_failure(inner),
        AnchorError::File { .. } => {
            Failure::of(Exit::Failure, error).fix("name a file in a folder that can be written")
        }
        AnchorError::Target(_) => Failure::of(Exit::Usage, error)
            .fix("name a path or an address that `git push` takes, and a branch without spaces"),
        AnchorError::Git(_) => Failure::of(Exit::Failure, error)
            .fix("`git ls-remote REPOSITORY` and `git push` must work for this user"),
        AnchorError::Foreign(_) => Failure::of(Exit::Verification, error)
            .fix("name another file or branch, or move what is there away after looking at it"),
        AnchorError::Owner(inner) => {
            session::not_answered(inner).because("the anchor was written, its receipt not recorded")
        }
        AnchorError::Receipt(_) => Failure::of(Exit::Failure, error)
            .fix("repeat it; an anchor that is there already does no harm"),
    }
}
