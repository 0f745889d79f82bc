//! What commands share before they do their own thing: configuration, project, policy, node, history.
//! It has no commands of its own; every function ends in a value or a failure that teaches.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::Sender;

use runner::audit::NodeKeyError;
use runner::gate::Principal;
use runner::history::{History, HistoryError, RunHistory};
use runner::peer::{ClientError, Code};
use runner::policy::{self, InForce, PolicyError};
use runner::secrecy::Redaction;
use runner::{
    Adopt, Crowded, Doing, Event, Layout, Node, OpenError, Options, RunId, STATE_FOLDER, StartError,
};

use crate::arguments::Global;
use crate::configuration::{Configuration, Settings, Sources};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Every setting with where it came from, read once; values that were not taken are told then.
pub(crate) fn configuration(global: &Global) -> Result<&Configuration, Failure> {
    if let Some(known) = global.configuration.get() {
        return Ok(known);
    }
    let mut sources = Sources::of_this_process(&global.project);
    if let Some(slots) = global.slots {
        sources.flags.push(("engine.slots", "slots", slots.to_string()));
    }
    if let Some(policy) = &global.policy {
        // A path given on the command line starts where the command was typed.
        let policy = std::path::absolute(policy).unwrap_or_else(|_| policy.clone());
        sources.flags.push(("policy.file", "policy", policy.display().to_string()));
    }
    let configuration = Configuration::load(&sources).map_err(|error| {
        Failure::of(Exit::Usage, &error).fix("`palisade help config` lists the settings")
    })?;
    for ignored in &configuration.ignored {
        output::talk(format!("warning: {ignored}"));
    }
    Ok(global.configuration.get_or_init(|| configuration))
}

/// The settings in force.
pub(crate) fn settings(global: &Global) -> Result<&Settings, Failure> {
    configuration(global).map(|configuration| &configuration.settings)
}

/// The project and where its state is kept.
pub(crate) fn layout(global: &Global) -> Result<Layout, Failure> {
    usable(located(global)?)
}

/// As [`layout`], before anybody looked whether the state folder may be used.
pub(crate) fn located(global: &Global) -> Result<Layout, Failure> {
    let settings = settings(global)?;
    let layout = Layout::of(&global.project).map_err(|error| {
        Failure::of(Exit::NotFound, &error).fix("name the project folder with `--project DIR`")
    })?;
    let Some(folder) = &settings.state_folder else { return Ok(layout) };
    let state = layout.project().join(folder);
    if shown_to_steps(&layout, &state) {
        return Err(Failure::new(
            Exit::Usage,
            format!("`state.folder` cannot be `{}`", folder.display()),
        )
        .because("it lies inside the project, where steps would see the journal")
        .fix(format!("choose a folder outside the project, or below `{STATE_FOLDER}`")));
    }
    Ok(layout.with_state(state))
}

/// A layout whose state folder may be used; nothing of it was until now.
pub(crate) fn usable(layout: Layout) -> Result<Layout, Failure> {
    match layout.check() {
        Ok(()) => Ok(layout),
        Err(error) => Err(Failure::of(Exit::Failure, &error).fix(error.hint())),
    }
}

/// Whether a folder is a part of the project that sandboxes show: all but the usual state folder.
fn shown_to_steps(layout: &Layout, folder: &Path) -> bool {
    let Some(real) = real(folder) else { return true };
    real.starts_with(layout.project()) && !real.starts_with(layout.project().join(STATE_FOLDER))
}

/// Where a folder that may not be there yet would be made: below whatever its path leads to. None where that cannot be
/// told, as with `..` behind something that is not there.
fn real(folder: &Path) -> Option<PathBuf> {
    let there = folder.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let (above, real) = there?;
    let rest = folder.strip_prefix(above).ok()?;
    rest.components().all(|part| matches!(part, Component::Normal(_))).then(|| real.join(rest))
}

/// The file of the policy in force; `None` when there is none.
pub(crate) fn policy_file(global: &Global, layout: &Layout) -> Result<Option<PathBuf>, Failure> {
    policy::chosen(layout, settings(global)?.policy_file.as_deref())
        .map_err(|error| policy_failure(&error))
}

/// The policy in force, its warnings told.
pub(crate) fn policy(file: Option<&Path>) -> Result<InForce, Failure> {
    let in_force = policy::load(file).map_err(|error| policy_failure(&error))?;
    if let Some(source) = &in_force.source {
        for warning in &in_force.warnings {
            output::talk(output::tame(warning.render(source).trim_end()));
        }
    } else {
        output::talk(
            "warning: no policy; everything is denied (`palisade init` writes a starting policy)",
        );
    }
    Ok(in_force)
}

/// A policy that cannot be used, with every finding.
pub(crate) fn policy_failure(error: &PolicyError) -> Failure {
    let missing =
        matches!(error, PolicyError::Read { source, .. } if source.kind() == ErrorKind::NotFound);
    let failure = Failure::of(if missing { Exit::NotFound } else { Exit::Usage }, error);
    match error {
        PolicyError::Invalid { text, findings } => {
            failure.findings(text, findings).fix("correct the file; until then nothing runs")
        }
        PolicyError::Read { .. } => failure.fix("name a readable file with `--policy FILE`"),
        PolicyError::Link { .. } => failure.fix(
            "put an ordinary file there; if you trust what the link leads to, name that file with `--policy FILE`",
        ),
        PolicyError::TooLong { .. } => failure.fix("write fewer rules with more patterns each"),
        PolicyError::Catalogue(_) => failure,
    }
}

/// Everything a command that acts needs.
pub(crate) fn start(global: &Global, adopt: Adopt) -> Result<(Node, Layout), Failure> {
    start_watched(global, adopt, None)
}

/// As [`start`], with somebody who sees a run's events from the first on.
pub(crate) fn start_watched(
    global: &Global,
    adopt: Adopt,
    watcher: Option<(RunId, Sender<Event>)>,
) -> Result<(Node, Layout), Failure> {
    own(global, (adopt, None), watcher)
}

/// As [`start`], for a moment: `run` can be told something, and nothing of it begins.
pub(crate) fn start_idle(global: &Global, run: RunId) -> Result<Node, Failure> {
    let adopt = Adopt::Runs(vec![run]);
    own(global, (adopt, Some(0)), None).map(|(node, _)| node)
}

/// The agent to act as.
pub(crate) fn agent(global: &Global, id: &str) -> Result<Principal, Failure> {
    settings(global)?.principals.agent(id).map_err(|_| {
        Failure::new(Exit::Usage, format!("nobody can act as `{id}`"))
            .because("only an agent can be acted as, which may do less than a user")
            .fix("write `--as agent:NAME`; its roles are in the setting `principals`")
    })
}

fn own(
    global: &Global,
    (adopt, slots): (Adopt, Option<u32>),
    watcher: Option<(RunId, Sender<Event>)>,
) -> Result<(Node, Layout), Failure> {
    let (settings, layout) = (settings(global)?, layout(global)?);
    let policy_file = policy_file(global, &layout)?;
    let in_force = policy(policy_file.as_deref())?;
    let doing = doing(global, settings)?;
    let principals = settings.principals.clone();
    let of_project = |path: &Option<PathBuf>| path.as_ref().map(|path| layout.project().join(path));
    let options = Options {
        layout: layout.clone(),
        principal: principals.of_this_process(),
        principals,
        policy: (in_force.policy, in_force.source),
        policy_file,
        extension: of_project(&settings.extension),
        home: etcetera::home_dir().ok(),
        program: std::env::current_exe().ok(),
        configuration: Sources::of_this_process(layout.project()).files(),
        slots: slots.unwrap_or(settings.slots),
        redaction: Redaction { plain_logs: !settings.patterns, rules: of_project(&settings.rules) },
        journal_most: settings.journal_most,
        landlock_floor: settings.landlock_floor,
        doing,
        adopt,
        watcher,
    };
    let mut node = Node::start(options).map_err(|error| start_failure(&error))?;
    // A node works without the socket, but a person may look for it.
    if let Err(error) = node.door() {
        output::talk(format!("warning: other processes cannot ask this one for anything: {error}"));
    }
    warn_of_room(&node);
    for one in node.gone_on() {
        let (run, step) = (one.run, output::printable(&one.step));
        output::talk(match one.result {
            Ok(_) => format!("note: the interrupted merge of step {step} of {run} was completed"),
            Err(error) => format!(
                "warning: the interrupted merge of step {step} of {run} cannot be completed: {error}"
            ),
        });
    }
    for run in node.in_doubt() {
        let again = again(global);
        output::talk(format!(
            "warning: a change of the policy was interrupted, and its file holds something else now\n\
             look at it, then `{again} runs retry {run}` asks for the change again, `{again} runs cancel {run}` ends it"
        ));
    }
    Ok((node, layout))
}

/// Says of a journal that is nearly as large as it may be, or larger, that it is; when a node starts and when it ends.
pub(crate) fn warn_of_room(node: &Node) {
    if let Some(Crowded { percent, archive_to_kib }) = node.desk().crowded() {
        output::talk(format!(
            "warning: the journal has {percent} % of `journal.max_size`, and at 100 % new runs are refused; \
             `palisade journal archive --max-size {archive_to_kib}KiB` makes room"
        ));
    }
}

/// Whether programs are held: they are, unless the user's own configuration allows otherwise and somebody asks for it
/// here and now. One without the other is refused or changes nothing.
fn doing(global: &Global, settings: &Settings) -> Result<Doing, Failure> {
    let asked = global.without_sandbox
        || std::env::var_os(UNSAFE_VARIABLE).is_some_and(|value| value == "1");
    match (asked, settings.allow_unsafe) {
        (false, _) => Ok(Doing::Really),
        (true, true) => {
            output::talk(UNSAFE_WARNING);
            Ok(Doing::Unsafe)
        }
        (true, false) => Err(Failure::new(Exit::Denied, "programs cannot run without the sandbox here")
            .because(format!("`{ALLOW_UNSAFE}` is not true in the user's or the system's configuration"))
            .because("a project and the environment cannot allow it")
            .fix(format!(
                "leave `--unsafe` and {UNSAFE_VARIABLE} away, or write `sandbox: {{ allow_unsafe: true }}` into \
                 palisade/palisade.yaml in your configuration folder (`palisade help config`)"
            ))),
    }
}

/// Asks, with the value `1`, for programs without the sandbox.
const UNSAFE_VARIABLE: &str = "PALISADE_UNSAFE";
/// The setting that allows it.
const ALLOW_UNSAFE: &str = "sandbox.allow_unsafe";
/// What every display of such a run says.
pub(crate) const UNSAFE_WARNING: &str =
    "UNSAFE: no sandbox holds these programs; they can do whatever you can";

/// Says of a run without a sandbox that it is one.
pub(crate) fn warn_of(told: &RunHistory) {
    if told.recorded.without_sandbox {
        output::talk(UNSAFE_WARNING);
    }
}

/// How this program is called again for the same project, in advice to a person.
pub(crate) fn again(global: &Global) -> String {
    if global.project == Path::new(".") {
        return "palisade".to_owned();
    }
    format!("palisade -C {}", output::printable(&global.project.display().to_string()))
}

/// Whether some process owns the project now.
pub(crate) fn owned(layout: &Layout) -> bool {
    std::os::unix::net::UnixStream::connect(layout.peer()).is_ok()
}

/// The process that owns the project did not do what a command of this one asked of it.
pub(crate) fn not_answered(error: &ClientError) -> Failure {
    let ClientError::Refused(fault) = error else {
        return Failure::of(Exit::Failure, error).fix(
            "`palisade audit tail` says whether it took effect; end that process and repeat it",
        );
    };
    let (exit, fix) = match fault.code {
        Code::NotFound => (Exit::NotFound, LOOK),
        Code::InvalidParams => (Exit::Usage, LOOK),
        Code::UnknownMethod => (
            Exit::Failure,
            "the process that owns the project is an older version; end it and repeat the command",
        ),
        _ => (
            Exit::Failure,
            "end the process that owns the project and repeat the command, which then says more",
        ),
    };
    Failure::of(exit, error).fix(fix)
}

const LOOK: &str = "`palisade audit search` lists what there is";

/// What happened so far in the project.
pub(crate) fn history(global: &Global) -> Result<(History, Layout), Failure> {
    let layout = layout(global)?;
    let history = History::open(&layout).map_err(|error| history_failure(&error))?;
    Ok((history, layout))
}

/// What happened so far; `None` where nothing has yet.
pub(crate) fn history_if_any(layout: &Layout) -> Result<Option<History>, Failure> {
    match History::open(layout) {
        Ok(history) => Ok(Some(history)),
        Err(HistoryError::Open(OpenError::Missing { .. })) => Ok(None),
        Err(error) => Err(history_failure(&error)),
    }
}

/// The run a person means: an id, a unique beginning of one, or the latest.
pub(crate) fn run(history: &History, written: Option<&str>) -> Result<RunId, Failure> {
    history.find(written).map_err(|error| history_failure(&error))
}

/// What can be done while another process owns the project.
const BESIDE: &str = "stop the other process, or wait for it (`palisade runs watch` follows it); meanwhile it answers `tool call`, \
                      `approval`, `ticket`, `policy apply` and `runs cancel`";

fn start_failure(error: &StartError) -> Failure {
    match error {
        StartError::Journal(open @ OpenError::Busy { .. }) => open_failure(open).fix(BESIDE),
        StartError::Journal(open) => open_failure(open),
        StartError::Key(key @ NodeKeyError::Io { .. }) => Failure::of(Exit::Failure, key)
            .fix("make the folder writable, or keep the state elsewhere with PALISADE_STATE__FOLDER"),
        StartError::Key(key) => key_failure(key),
        StartError::History(inner) => history_failure(inner),
        StartError::Layout(inner) => Failure::of(Exit::Failure, error).fix(inner.hint()),
        StartError::Extension(_) => Failure::of(Exit::Failure, error).fix(
            "correct `policy.extension` in your configuration, or take it out; until then nothing runs",
        ),
        StartError::Run { .. } => {
            Failure::of(Exit::Failure, error).fix("`palisade audit verify` checks its records")
        }
        StartError::Secrecy(inner) => {
            let failure = Failure::of(Exit::Failure, inner);
            failure.fix(inner.fix().unwrap_or(
                "make the state folder writable, or keep the state elsewhere with PALISADE_STATE__FOLDER",
            ))
        }
        StartError::Merge(_) => Failure::of(Exit::Failure, error)
            .fix("make the folder `merges` of the state folder readable for yourself"),
        StartError::Limits(_) => Failure::of(Exit::Failure, error)
            .fix("`palisade journal rebuild` makes every view anew from the records"),
        StartError::System(_) => {
            Failure::of(Exit::Failure, error).fix("`palisade doctor` checks this machine")
        }
    }
}

/// A node's key that cannot be used.
pub(crate) fn key_failure(error: &NodeKeyError) -> Failure {
    let exit = match error {
        NodeKeyError::Missing(_) => Exit::NotFound,
        _ => Exit::Failure,
    };
    Failure::of(exit, error).fix(error.hint())
}

/// A journal that cannot be opened.
pub(crate) fn open_failure(error: &OpenError) -> Failure {
    let exit = match error {
        OpenError::Busy { .. } => Exit::Conflict,
        OpenError::Missing { .. } => Exit::NotFound,
        OpenError::BehindCheckpoint { .. }
        | OpenError::Corrupt { .. }
        | OpenError::Checkpoint { .. }
        | OpenError::Published(_) => Exit::Verification,
        _ => Exit::Failure,
    };
    let usual = "make room where the journal is, and check that its folder can be written and its disk works";
    let fix = error.hint().unwrap_or(usual);
    Failure::of(exit, error).fix(match error {
        OpenError::Busy { .. } => format!("{fix} or asks it, such as `palisade tool call`"),
        OpenError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            "only the user whose project it is, and root, may use it: ask them, or name a state folder of your own \
             in PALISADE_STATE__FOLDER"
                .to_owned()
        }
        OpenError::Unwritable { .. } => {
            format!("{fix}, or keep the state elsewhere with PALISADE_STATE__FOLDER")
        }
        _ => fix.to_owned(),
    })
}

/// How the request is found that a person means.
pub(crate) const FIND_APPROVAL: &str =
    "`palisade approval list` lists the open ones, with `--all` every one";

/// History that cannot be read.
pub(crate) fn history_failure(error: &HistoryError) -> Failure {
    match error {
        HistoryError::Open(OpenError::Missing { .. }) => {
            Failure::new(Exit::NotFound, "this project has no journal yet")
                .fix("run a workflow first: `palisade run FILE`")
        }
        HistoryError::Open(open) => open_failure(open),
        HistoryError::NoRun(_) => {
            Failure::of(Exit::NotFound, error).fix("`palisade runs list` lists the runs")
        }
        HistoryError::NoApproval(_) => Failure::of(Exit::NotFound, error).fix(FIND_APPROVAL),
        HistoryError::NoTicket(_) => Failure::of(Exit::NotFound, error)
            .fix("`palisade audit search --type ticket.issued` lists the tickets on record"),
        HistoryError::Ambiguous { .. } => {
            Failure::of(Exit::Usage, error).fix("give more of the id")
        }
        HistoryError::Read(_)
        | HistoryError::NoCall { .. }
        | HistoryError::NoPolicy { .. }
        | HistoryError::Broken { .. }
        | HistoryError::Charge(_) => Failure::of(Exit::Failure, error)
            .fix("`palisade audit verify` says which record is damaged"),
    }
}
