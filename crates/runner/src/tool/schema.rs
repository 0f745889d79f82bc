//! Argument schemas (JSON Schema 2020-12) of the registered tools.
//!
//! They state exactly the arguments a policy sees and the sandbox receives; nothing here runs anything.

use serde_json::{Value, json};

/// `exec.run`: a program and its arguments.
pub(super) fn exec_run() -> Value {
    exec(&json!({
        "program": { "type": "string", "minLength": 1 },
        "argv": { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 1024 },
    }))
}

/// `exec.shell`: a script for `/bin/sh`.
pub(super) fn exec_shell() -> Value {
    exec(
        &json!({ "script": { "type": "string", "minLength": 1, "contentMediaType": "text/plain" } }),
    )
}

/// `fs.read`, `fs.list`, `fs.exists`.
pub(super) fn path_only() -> Value {
    object(&json!({ "path": { "type": "string", "minLength": 1 } }), &["path"])
}

/// `search.glob`.
pub(super) fn search_glob() -> Value {
    object(
        &json!({
            "pattern": { "type": "string", "minLength": 1 },
            "path": { "type": "string", "default": "." },
        }),
        &["pattern"],
    )
}

/// `search.grep`: in files below `path`, or in `text` when it is given.
pub(super) fn search_grep() -> Value {
    object(
        &json!({
            "pattern": { "type": "string", "minLength": 1 },
            "path": { "type": "string", "default": "." },
            "text": { "type": "string" },
        }),
        &["pattern"],
    )
}

/// `workspace.merge` and `workspace.undo`: the paths of the project that would be written.
pub(super) fn change() -> Value {
    object(
        &json!({
            "run": { "type": "string", "minLength": 1 },
            "step": { "type": "string", "minLength": 1 },
            "changeset": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
            "paths": { "type": "array", "items": { "type": "string" } },
            "flagged": { "type": "array", "items": { "type": "string" }, "default": [] },
            "auto": { "type": "boolean", "default": false },
        }),
        &["run", "step", "changeset", "paths"],
    )
}

/// `policy.update`: which policy takes the place of which, and what would change.
pub(super) fn policy_update() -> Value {
    let digest = || json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    object(
        &json!({
            "file": { "type": "string", "minLength": 1 },
            "name": { "type": "string" },
            "replaces": digest(),
            "policy": digest(),
            "breaking": count(),
            "widening": count(),
            "widens": { "type": "boolean" },
            "lines": { "type": "array", "items": { "type": "string" }, "maxItems": 256 },
            "confirmed": { "enum": ["yes", "phrase"] },
        }),
        &["file", "name", "replaces", "policy", "breaking", "widening", "widens", "lines"],
    )
}

/// `ticket.mint`: what the ticket would say.
pub(super) fn ticket_mint() -> Value {
    let texts =
        || json!({ "type": "array", "items": { "type": "string" }, "maxItems": 16, "default": [] });
    object(
        &json!({
            "tools": texts(),
            "workflow": { "type": "string", "minLength": 1 },
            "principal": { "type": "string", "minLength": 1 },
            "call": { "type": "object" },
            "paths": texts(),
            "reaches": texts(),
            "scopes": texts(),
            "uses": { "type": "integer", "minimum": 1, "maximum": 65_535 },
            "life": { "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" },
            "this_policy": { "type": "boolean", "default": false },
            "scheme": { "enum": ["secret", "signed"], "default": "secret" },
        }),
        &["tools", "principal", "uses", "life"],
    )
}

/// `ticket.revoke`: one ticket, or all of them.
pub(super) fn ticket_revoke() -> Value {
    object(
        &json!({
            "ticket": { "type": "string", "pattern": "^[0-9a-f]{32}$" },
            "all": { "type": "boolean" },
            "paths": { "type": "array", "items": { "type": "string" }, "maxItems": 0, "default": [] },
        }),
        &["all"],
    )
}

/// `secret.set` and `secret.rm`.
pub(super) fn secret() -> Value {
    object(&json!({ "name": { "type": "string", "minLength": 1 } }), &["name"])
}

/// `secret.rotate`: one secret, or without a name the key of all of them.
pub(super) fn secret_rotate() -> Value {
    object(&json!({ "name": { "type": "string", "minLength": 1 } }), &[])
}

/// A text that a program is given; a long one by size and digest. It is content, so no rule takes it for a size.
fn text() -> Value {
    json!({
        "type": ["string", "object"],
        "contentMediaType": "text/plain",
        "required": ["bytes", "sha256"],
        "additionalProperties": false,
        "properties": {
            "bytes": { "type": "integer", "minimum": 0 },
            "sha256": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
        },
    })
}

/// Texts by name.
fn texts() -> Value {
    json!({ "type": "object", "additionalProperties": text() })
}

fn exec(what: &Value) -> Value {
    let mut properties = json!({
        "cwd": { "type": "string" },
        "env": { "type": "array", "items": { "type": "string" } },
        "env_values": texts(),
        "stdin": text(),
        "stdin_bytes": { "type": "integer", "minimum": 0 },
        "timeout": { "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" },
        "files": texts(),
        "profile": { "enum": ["strict", "strict-net", "standard", "standard-net"] },
        "network": { "type": "boolean" },
        "hosts": { "type": "array", "default": [], "maxItems": 64, "items": { "type": "string" } },
        "secrets": { "type": "string", "default": "" },
        "driver": { "enum": ["local", "container"], "default": "local" },
        "image": { "type": "string" },
        "unsafe": { "type": "boolean", "default": false },
        "allow_gaps": { "type": "array", "items": { "type": "string" } },
        "action": { "type": "boolean" },
        "mounts": {
            "type": "array",
            "default": [],
            "items": {
                "type": "object",
                "required": ["source", "target", "access"],
                "additionalProperties": false,
                "properties": {
                    "source": { "type": "string" },
                    "target": { "type": "string" },
                    "access": { "enum": ["read", "write"] },
                },
            },
        },
    });
    let mut required = Vec::new();
    if let (Some(all), Some(own)) = (properties.as_object_mut(), what.as_object()) {
        for (name, schema) in own {
            all.insert(name.clone(), schema.clone());
            required.push(name.as_str());
        }
    }
    object(&properties, &required)
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}
