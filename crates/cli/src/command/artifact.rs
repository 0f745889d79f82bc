//! `palisade artifact`: what steps produced, listed and fetched, checked against its digest on the way.

use std::path::Path;

use runner::history::{History, RunHistory};
use runner::{ArtifactError, ArtifactRef, ArtifactStore, Digest, Layout, RunId};

use super::follow::bytes;
use crate::arguments::{Artifact, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::session;

pub(crate) fn run(global: &Global, command: &Artifact) -> Result<Exit, Failure> {
    let (history, layout) = session::history(global)?;
    match command {
        Artifact::List { run } => list(global, &history, run.as_deref()),
        Artifact::Get { name, run, output } => get(&history, &layout, (name, run.as_deref()), output.as_deref()),
    }
}

fn list(global: &Global, history: &History, run: Option<&str>) -> Result<Exit, Failure> {
    let told = fold(history, session::run(history, run)?)?;
    let kept: Vec<_> = kept(&told).collect();
    if global.json {
        let rows: Vec<_> = kept
            .iter()
            .map(|(step, file)| serde_json::json!({ "step": step, "artifact": file }))
            .collect();
        output::json(&rows);
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["path", "size", "type", "step", "sha256"]);
    for (step, file) in &kept {
        table.row([
            file.path.to_string(),
            bytes(file.size),
            file.media_type.as_deref().unwrap_or("").to_owned(),
            (*step).to_owned(),
            file.digest.to_string(),
        ]);
    }
    output::line(table.render());
    Ok(Exit::Ok)
}

fn get(history: &History, layout: &Layout, (name, run): (&str, Option<&str>), file: Option<&Path>) -> Result<Exit, Failure> {
    let digest = match name.strip_prefix("sha256:").unwrap_or(name).parse::<Digest>() {
        Ok(digest) => digest,
        Err(_) => by_path(history, session::run(history, run)?, name)?,
    };
    let store = ArtifactStore::beside(&layout.journal());
    let content = store.get(runner::artifact_digest(digest)).map_err(|error| match &error {
        ArtifactError::Missing(_) => Failure::of(Exit::NotFound, &error),
        ArtifactError::Damaged { .. } => Failure::of(Exit::Verification, &error),
        other => Failure::of(Exit::Failure, other),
    })?;
    match file {
        None => output::bytes(&content),
        Some(path) => write_new(path, &content)?,
    }
    Ok(Exit::Ok)
}

fn by_path(history: &History, run: RunId, path: &str) -> Result<Digest, Failure> {
    let told = fold(history, run)?;
    // The last step that kept a file of this path is the one a person means.
    let found = kept(&told).filter(|(_, file)| *file.path == *path).last().map(|(_, file)| file.digest);
    found.ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("run `{run}` has no artifact `{path}`")).fix("`palisade artifact list` lists them")
    })
}

fn fold(history: &History, run: RunId) -> Result<RunHistory, Failure> {
    history.run(run).map_err(|error| session::history_failure(&error))
}

fn kept(told: &RunHistory) -> impl Iterator<Item = (&str, &ArtifactRef)> {
    told.view
        .steps
        .iter()
        .flat_map(|step| step.result.iter().flat_map(|result| &result.artifacts).map(|file| (&*step.name, file)))
}

fn write_new(path: &Path, content: &[u8]) -> Result<(), Failure> {
    use std::io::Write;
    let named = path.display();
    let mut file = std::fs::File::create_new(path).map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::AlreadyExists { Exit::Conflict } else { Exit::Failure };
        Failure::new(exit, format!("`{named}` cannot be written")).because(error.to_string())
    })?;
    file.write_all(content).map_err(|error| {
        Failure::new(Exit::Failure, format!("`{named}` cannot be written")).because(error.to_string())
    })
}
