//! A small catalogue with every kind of argument, for the targets that need one.
//! Not a target itself.

use policy::{Catalogue, Effect, Tool};
use serde_json::json;

/// The tools.
pub(crate) fn catalogue() -> Catalogue {
    let tool = |name: &str, effect, paths: &[&str], hosts: &[&str]| Tool {
        name: name.to_owned(),
        effect,
        tags: Vec::new(),
        schema: json!({ "type": "object" }),
        paths: paths.iter().map(|name| (*name).to_owned()).collect(),
        hosts: hosts.iter().map(|name| (*name).to_owned()).collect(),
    };
    let tools = vec![
        tool("fs.read", Effect::Read, &["path"], &[]),
        tool("fs.write", Effect::Write, &["path", "to[]"], &[]),
        tool("http.get", Effect::Net, &[], &["url"]),
        tool("exec.run", Effect::Exec, &["mounts[].source"], &["hosts[]"]),
    ];
    Catalogue::new(tools).expect("these tools are sound")
}
