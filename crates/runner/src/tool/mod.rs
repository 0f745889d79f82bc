//! The tools this build has, as data: what the gate validates arguments against and what a policy can name.
//!
//! A tool is registered here or it does not exist. How a tool acts is elsewhere: read-only tools in
//! [`crate::executor`]'s fast path, programs through the sandbox.

mod result;
mod schema;

use engine::policy::{Effect, Tool};

pub use result::result_schema;
pub(crate) use result::{check as check_result, declared as declared_result};

/// Runs a program from an argument list in the sandbox.
pub const EXEC_RUN: &str = "exec.run";
/// Runs a shell script in the sandbox; a tool of its own so that a policy can tell the two apart.
pub const EXEC_SHELL: &str = "exec.shell";
/// Reads one file of the project.
pub const FS_READ: &str = "fs.read";
/// Lists one folder of the project.
pub const FS_LIST: &str = "fs.list";
/// Says whether a path of the project exists.
pub const FS_EXISTS: &str = "fs.exists";
/// Finds lines by a regular expression, in files of the project or in a given text.
pub const SEARCH_GREP: &str = "search.grep";
/// Finds paths of the project by a glob.
pub const SEARCH_GLOB: &str = "search.glob";

/// Brings what a step changed into the project; asked for by people, never by a step.
pub const WORKSPACE_MERGE: &str = "workspace.merge";
/// Takes a merge back.
pub const WORKSPACE_UNDO: &str = "workspace.undo";

/// Replaces the policy in force; asked for by people and agents, never by a step.
pub const POLICY_UPDATE: &str = engine::policy::POLICY_TOOL;

/// Makes a ticket; asked for by people, never by a step.
pub const TICKET_MINT: &str = "ticket.mint";
/// Revokes tickets.
pub const TICKET_REVOKE: &str = "ticket.revoke";
/// Sets a secret of the vault; asked for by people, never by a step.
pub const SECRET_SET: &str = "secret.set";
/// Takes a secret away.
pub const SECRET_RM: &str = "secret.rm";
/// Gives a secret a new value, or all of them a new key.
pub const SECRET_ROTATE: &str = "secret.rotate";

/// Every registered tool, in the order of their names.
#[must_use]
pub fn registered() -> Vec<Tool> {
    vec![
        program(EXEC_RUN, schema::exec_run()),
        program(EXEC_SHELL, schema::exec_shell()),
        reader(FS_EXISTS, schema::path_only()),
        reader(FS_LIST, schema::path_only()),
        reader(FS_READ, schema::path_only()),
        authority(POLICY_UPDATE, schema::policy_update(), &[]),
        reader(SEARCH_GLOB, schema::search_glob()),
        reader(SEARCH_GREP, schema::search_grep()),
        keeper(SECRET_RM, schema::secret()),
        keeper(SECRET_ROTATE, schema::secret_rotate()),
        keeper(SECRET_SET, schema::secret()),
        authority(TICKET_MINT, schema::ticket_mint(), &["paths[]"]),
        authority(TICKET_REVOKE, schema::ticket_revoke(), &["paths[]"]),
        writer(WORKSPACE_MERGE, schema::change()),
        writer(WORKSPACE_UNDO, schema::change()),
    ]
}

/// Names of every tool a step can call, for warnings and suggestions.
#[must_use]
pub fn names() -> Vec<String> {
    let callable = |tool: &Tool| tool.effect != Effect::Write;
    registered().into_iter().filter(callable).map(|tool| tool.name).collect()
}

/// Whether calls of this tool are deeds: the node does them itself, as the one step of a direct call.
pub(crate) fn is_deed(name: &str) -> bool {
    name == POLICY_UPDATE
}

/// The command by which people ask for a tool that no step can call.
#[must_use]
pub fn command(name: &str) -> Option<&'static str> {
    Some(match name {
        POLICY_UPDATE => "palisade policy apply",
        SECRET_RM | SECRET_ROTATE | SECRET_SET => "palisade secret",
        TICKET_MINT | TICKET_REVOKE => "palisade ticket",
        WORKSPACE_MERGE | WORKSPACE_UNDO => "palisade workspace",
        _ => return None,
    })
}

fn program(name: &str, schema: serde_json::Value) -> Tool {
    Tool {
        name: name.to_owned(),
        effect: Effect::Exec,
        tags: vec!["sandboxed".to_owned()],
        schema,
        paths: vec!["mounts[].source".to_owned()],
        hosts: vec!["hosts[]".to_owned()],
    }
}

fn writer(name: &str, schema: serde_json::Value) -> Tool {
    Tool {
        name: name.to_owned(),
        effect: Effect::Write,
        tags: vec!["workspace".to_owned()],
        schema,
        paths: vec!["paths[]".to_owned()],
        hosts: Vec::new(),
    }
}

fn authority(name: &str, schema: serde_json::Value, paths: &[&str]) -> Tool {
    Tool {
        name: name.to_owned(),
        effect: Effect::Write,
        tags: vec!["authority".to_owned()],
        schema,
        paths: paths.iter().map(|&path| path.to_owned()).collect(),
        hosts: Vec::new(),
    }
}

fn keeper(name: &str, schema: serde_json::Value) -> Tool {
    Tool {
        name: name.to_owned(),
        effect: Effect::Write,
        tags: vec!["vault".to_owned()],
        schema,
        paths: Vec::new(),
        hosts: Vec::new(),
    }
}

fn reader(name: &str, schema: serde_json::Value) -> Tool {
    Tool {
        name: name.to_owned(),
        effect: Effect::Read,
        tags: vec!["fast_path".to_owned()],
        schema,
        paths: vec!["path".to_owned()],
        hosts: Vec::new(),
    }
}
