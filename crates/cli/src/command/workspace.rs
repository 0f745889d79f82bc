//! `palisade workspace`: what steps changed, shown, brought into the project, taken back.
//!
//! A merge is a call like any other: policy decides it, and it is on record before it writes. What must be seen by a
//! person is named here and decided in `runner::change`.

use runner::change::{Auto, Include, MergeRefused, Merged, Outcome, Told, Wanted};
use runner::history::{History, RunHistory};
use runner::{Adopt, ArtifactStore, Layout, RunId, RunState};
use serde_json::{Value, json};

use super::runs::letter;
use crate::arguments::{Global, Merge, Workspace};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, printable};
use crate::session;

/// The output in which a step says that tests passed on what it changed.
const TESTS_PASSED: &str = "tests_passed";
/// Conflicts and flags listed in one answer.
const LISTED: usize = 20;

pub(super) fn run(global: &Global, command: Workspace) -> Result<Exit, Failure> {
    match command {
        Workspace::Diff { run, step, patch, stat } => {
            let how = match (patch, stat) {
                (true, _) => How::Patch,
                (_, true) => How::Stat,
                _ => How::List,
            };
            diff(global, (run.as_deref(), step.as_deref()), how)
        }
        Workspace::Merge(wanted) => merge(global, &wanted),
        Workspace::Undo { run, step } => undo(global, (run.as_deref(), step.as_deref())),
    }
}

/// How changes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    List,
    Patch,
    Stat,
}

/// The run and the step a person names.
type Named<'a> = (Option<&'a str>, Option<&'a str>);

fn diff(global: &Global, named: Named<'_>, how: How) -> Result<Exit, Failure> {
    let (history, layout) = session::history(global)?;
    let (run, told) = found(&history, named)?;
    let store = ArtifactStore::beside(&layout.journal());
    let all = latest(&told, named.1);
    if global.json {
        let each = |changes: &Told| {
            let list = changes.list(&store).ok().and_then(|list| serde_json::to_value(&list).ok());
            json!({ "changes": changes, "list": list })
        };
        output::json(
            &json!({ "run": run, "steps": all.iter().map(|told| each(told)).collect::<Vec<_>>() }),
        );
        return Ok(Exit::Ok);
    }
    if all.is_empty() {
        output::talk(format!("no step of {run} changed anything"));
        return Ok(Exit::Ok);
    }
    for changes in all {
        match how {
            How::Patch => output::stream(
                &changes.diff(&store).map_err(|error| not_kept(global, run, changes, &error))?,
            ),
            How::Stat => stat(changes),
            How::List => list(changes, &store)?,
        }
    }
    Ok(Exit::Ok)
}

fn stat(told: &Told) {
    let counts = told.counts;
    let parts = [
        (counts.added, "added"),
        (counts.modified, "modified"),
        (counts.deleted, "deleted"),
        (counts.renamed, "renamed"),
        (counts.replaced, "replaced"),
        (counts.mode, "of mode only"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let mut words: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
    if let Some(patch) = &told.patch {
        words.push(format!("+{} -{} lines", patch.added, patch.removed));
    }
    if !told.flags.is_empty() {
        words.push(format!("{} flagged", told.flags.len()));
    }
    output::line(format!("{}: {}", told.step, words.join(", ")));
}

fn list(told: &Told, store: &ArtifactStore) -> Result<(), Failure> {
    stat(told);
    let list = told.list(store).map_err(|error| {
        Failure::of(Exit::Failure, &error).fix("`palisade runs show` says what is kept")
    })?;
    for entry in list.entries() {
        let from = entry.renamed_from.as_ref().map(|from| format!(" (was {})", from.as_str()));
        let path = format!("{}{}", entry.path.as_str(), from.unwrap_or_default());
        output::line(format!("  {} {}", letter(entry.kind()), printable(&path)));
    }
    for flag in &told.flags {
        output::line(format!("  flagged {}: {}", printable(&flag.path), flag.why));
    }
    Ok(())
}

fn merge(global: &Global, wanted: &Merge) -> Result<Exit, Failure> {
    let named = (wanted.run.as_deref(), wanted.step.as_deref());
    let (node, layout) = session::start(global, Adopt::Nothing)?;
    let (run, told, changes) = one(&layout, named)?;
    let flagged =
        if wanted.include_flagged { Include::All } else { Include::Named(wanted.include.clone()) };
    let auto = if wanted.auto {
        Auto::Unseen { tests_passed: tests_passed(&told, &changes.step) }
    } else {
        Auto::Person
    };
    let asked = Wanted { run, told: changes, flagged, auto };
    let outcome = node.merging().merge(&asked, !wanted.dry_run);
    ended(node.stop())?;
    let changes = &asked.told;
    match outcome {
        Ok(outcome) => {
            let did = match outcome {
                Outcome::Merged(merged) => Some(merged),
                Outcome::Possible => None,
            };
            tell(global, "merged", (run, &changes.step), did);
            Ok(Exit::Ok)
        }
        Err(error) => Err(refused(global, (run, changes), &error)),
    }
}

fn undo(global: &Global, named: Named<'_>) -> Result<Exit, Failure> {
    let (node, layout) = session::start(global, Adopt::Nothing)?;
    let (run, _, changes) = one(&layout, named)?;
    let outcome = node.merging().undo(run, &changes);
    ended(node.stop())?;
    match outcome {
        Ok(merged) => {
            tell(global, "undone", (run, &changes.step), Some(merged));
            Ok(Exit::Ok)
        }
        Err(error) => Err(refused(global, (run, &changes), &error)),
    }
}

fn tell(global: &Global, word: &str, (run, step): (RunId, &str), did: Option<Merged>) {
    if global.json {
        let outcome = if did.is_some() { word } else { "possible" };
        return output::json(&json!({ "run": run, "step": step, "outcome": outcome, "did": did }));
    }
    match did {
        Some(merged) => {
            let Merged { written, removed, folders } = merged;
            output::line(format!(
                "{word} {step} of {run}: {written} written, {removed} removed, {}",
                output::count(folders, "folder")
            ));
            if word == "merged" {
                let command = session::again(global);
                output::talk(format!("`{command} workspace undo {run} {step}` takes it back"));
            }
        }
        None => output::line(format!("{step} of {run} can be merged; nothing was written")),
    }
}

/// Whether the run succeeded and the step says, in an output, that tests passed on what it changed.
fn tests_passed(told: &RunHistory, step: &str) -> bool {
    let step = told.view.steps.iter().find(|view| &*view.name == step);
    let said = step.and_then(|step| step.result.as_ref()?.outputs.get(TESTS_PASSED));
    let yes = match said {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(text)) => text == "true",
        _ => false,
    };
    yes && told.view.summary.state == RunState::Succeeded
}

/// The run a person means, and what is recorded of it.
fn found(history: &History, named: Named<'_>) -> Result<(RunId, RunHistory), Failure> {
    let run = session::run(history, named.0)?;
    let told = history.run(run).map_err(|error| session::history_failure(&error))?;
    if let Some(step) = named.1
        && !told.view.steps.iter().any(|view| &*view.name == step)
    {
        return Err(Failure::new(Exit::NotFound, format!("the run has no step `{step}`"))
            .fix("`palisade runs show` lists the steps"));
    }
    Ok((run, told))
}

/// The changes of each step's latest attempt, in the order they were recorded.
fn latest<'a>(told: &'a RunHistory, step: Option<&str>) -> Vec<&'a Told> {
    let all = &told.recorded.changes;
    let newer =
        |one: &Told| all.iter().any(|two| two.step == one.step && two.attempt > one.attempt);
    let wanted = |one: &&Told| step.is_none_or(|step| one.step == step) && !newer(one);
    all.iter().filter(wanted).collect()
}

/// The one step whose changes are meant.
fn one(layout: &Layout, named: Named<'_>) -> Result<(RunId, RunHistory, Told), Failure> {
    let history = History::open(layout).map_err(|error| session::history_failure(&error))?;
    let (run, told) = found(&history, named)?;
    let changes: Vec<Told> = latest(&told, named.1).into_iter().cloned().collect();
    match changes.as_slice() {
        [only] => Ok((run, told, only.clone())),
        [] => Err(Failure::new(Exit::NotFound, format!("no step of `{run}` changed anything"))
            .fix("`palisade runs show` says what the steps did")),
        several => {
            let names: Vec<&str> = several.iter().map(|told| told.step.as_str()).collect();
            Err(Failure::new(
                Exit::Usage,
                format!("{} of `{run}` changed something", output::count(names.len(), "step")),
            )
            .because(format!("they are {}", names.join(", ")))
            .fix("name the step after the run"))
        }
    }
}

fn ended(stopped: Result<(), String>) -> Result<(), Failure> {
    stopped.map_err(|why| {
        Failure::new(Exit::Failure, "the journal cannot be written")
            .because(why)
            .fix("make room for the journal; `palisade runs show` says how far it came")
    })
}

fn not_kept(
    global: &Global,
    run: RunId,
    told: &Told,
    error: &runner::change::ReadBackError,
) -> Failure {
    let failure = Failure::of(Exit::NotFound, error);
    let command = session::again(global);
    match told.kept.name() {
        "none" => failure.fix(format!(
            "write `changes: patch` or `changes: full` into the step's `sandbox` and run it again; \
             `{command} workspace diff {run}` lists the files"
        )),
        _ => failure.fix("`palisade artifact get` says what is wrong with the artifact"),
    }
}

/// Why a merge was not done, and what can be.
fn refused(global: &Global, (run, told): (RunId, &Told), error: &MergeRefused) -> Failure {
    let command = session::again(global);
    let step = &told.step;
    let failure = |exit| Failure::of(exit, error);
    match error {
        MergeRefused::NotFull(_) => failure(Exit::Conflict)
            .fix("write `changes: full` into the step's `sandbox` and run it again"),
        MergeRefused::Flagged(flags) => {
            let shown = flags.iter().take(LISTED);
            shown
                .fold(failure(Exit::Denied), |failure, flag| {
                    failure.because(format!("{}: {}", printable(&flag.path), flag.why))
                })
                .fix(format!(
                    "look at them (`{command} workspace diff {run} {step} --patch`), then add `--include PATH` for each, or `--include-flagged`"
                ))
                .detail("flagged", json!(flags))
        }
        MergeRefused::NotUnseen(reasons) => reasons
            .iter()
            .take(LISTED)
            .fold(failure(Exit::Denied), |failure, reason| failure.because(reason.to_string()))
            .fix(format!(
                "look at it and merge it yourself: `{command} workspace merge {run} {step}`"
            ))
            .detail("reasons", json!(reasons)),
        MergeRefused::Stopped(by) => failure(Exit::Denied)
            .fix("allow the tool `workspace.merge` (and `workspace.undo`) for these paths in the policy")
            .detail("stopped_by", json!(by)),
        MergeRefused::Merge(_) if !error.conflicts().is_empty() => error
            .conflicts()
            .iter()
            .take(LISTED)
            .fold(failure(Exit::Conflict), |failure, conflict| failure.because(conflict.to_string()))
            .fix("nothing was written; bring the project back to what the step saw, or run the step again")
            .detail("conflicts", json!(error.conflicts())),
        MergeRefused::Merge(_) => failure(Exit::Conflict)
            .fix(format!("`{command} workspace undo {run} {step}` takes back what was done; any next command goes on with it")),
        MergeRefused::Already(_) => failure(Exit::Conflict)
            .fix(format!("`{command} workspace undo {run} {step}` takes it back")),
        MergeRefused::NotMerged(_) => {
            failure(Exit::Conflict).fix(format!("`{command} workspace merge {run} {step}` merges it"))
        }
        MergeRefused::Invalid(_) => failure(Exit::Usage).fix("merge fewer files at a time"),
        MergeRefused::ReadBack(_) => {
            failure(Exit::Verification).fix("run the step again; what it changed cannot be read back")
        }
        MergeRefused::NotDecided(_) => failure(Exit::Verification).fix(
            "nothing was written; look at `merges` in the state folder, which may have come with the project, and remove it",
        ),
        MergeRefused::Journal(_) | MergeRefused::Read(_) | MergeRefused::Folder { .. } => {
            failure(Exit::Failure).fix("make room for the state folder and make it writable")
        }
    }
}
