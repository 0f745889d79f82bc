//! `palisade artifact`: what steps produced, listed and fetched, checked against its digest on the way.
//! Artifacts are made by steps alone; nothing can be put or removed from here.

use std::path::Path;

use runner::history::{History, RunHistory};
use runner::{ArtifactError, ArtifactRef, ArtifactStore, Digest, Layout, RunId};
use serde_json::{Value, json};

use super::created;
use super::ending::bytes;
use crate::arguments::{Artifact, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table, printable};
use crate::session;

pub(crate) fn run(global: &Global, command: &Artifact) -> Result<Exit, Failure> {
    let (history, layout) = session::history(global)?;
    match command {
        Artifact::List { run } => list(global, &history, run.as_deref()),
        Artifact::Get { name, run, output } => {
            let digest = match name.strip_prefix("sha256:").unwrap_or(name).parse::<Digest>() {
                Ok(digest) => digest,
                Err(_) => by_path(&history, session::run(&history, run.as_deref())?, name)?,
            };
            get(global, &layout, digest, output.as_deref())
        }
    }
}

fn list(global: &Global, history: &History, run: Option<&str>) -> Result<Exit, Failure> {
    let told = fold(history, session::run(history, run)?)?;
    let kept: Vec<_> = kept(&told).collect();
    if global.json {
        let rows: Vec<_> =
            kept.iter().map(|(step, file)| json!({ "step": step, "artifact": file })).collect();
        output::json(&rows);
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["path", "size", "type", "step", "sha256"]);
    for (step, file) in &kept {
        table.row([
            printable(&file.path),
            bytes(file.size),
            printable(file.media_type.as_deref().unwrap_or_default()),
            (*step).to_owned(),
            file.digest.to_string(),
        ]);
    }
    output::line(table.render());
    Ok(Exit::Ok)
}

fn get(
    global: &Global,
    layout: &Layout,
    digest: Digest,
    file: Option<&Path>,
) -> Result<Exit, Failure> {
    let store = ArtifactStore::beside(&layout.journal());
    let content = store.get(runner::artifact_digest(digest)).map_err(|error| match &error {
        ArtifactError::Missing(_) => {
            Failure::of(Exit::NotFound, &error).fix("`palisade artifact list` lists them")
        }
        ArtifactError::Damaged { .. } => Failure::of(Exit::Verification, &error)
            .fix("restore the artifact from a backup; its name says what it must hash to"),
        other => Failure::of(Exit::Failure, other).fix("make the state folder readable"),
    })?;
    if let Some(path) = file {
        created::write(path, &content)?;
    }
    match (global.json, file) {
        (true, _) => output::json(&as_json(digest, &content, file)),
        (false, Some(path)) => output::talk(format!("wrote {}", path.display())),
        (false, None) => output::data(&content),
    }
    Ok(Exit::Ok)
}

/// What was fetched, for machines; the content itself where it was not written to a file, as text or hexadecimal.
fn as_json(digest: Digest, content: &[u8], file: Option<&Path>) -> Value {
    let text = std::str::from_utf8(content).ok().filter(|_| file.is_none());
    let hex = (text.is_none() && file.is_none())
        .then(|| content.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    json!({ "digest": digest, "size": content.len(), "output": file, "text": text, "hex": hex })
}

fn by_path(history: &History, run: RunId, path: &str) -> Result<Digest, Failure> {
    let told = fold(history, run)?;
    // The last step that kept a file of this path is the one a person means.
    let found =
        kept(&told).filter(|(_, file)| *file.path == *path).last().map(|(_, file)| file.digest);
    found.ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("run `{run}` has no artifact `{path}`"))
            .fix("`palisade artifact list` lists them")
    })
}

fn fold(history: &History, run: RunId) -> Result<RunHistory, Failure> {
    history.run(run).map_err(|error| session::history_failure(&error))
}

fn kept(told: &RunHistory) -> impl Iterator<Item = (&str, &ArtifactRef)> {
    told.view.steps.iter().flat_map(|step| {
        step.result.iter().flat_map(|result| &result.artifacts).map(|file| (&*step.name, file))
    })
}
