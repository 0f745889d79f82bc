//! Every key a workflow document may have, and what to say about keys it may not.
//!
//! One table per map of the document. The published JSON Schema (`schema/workflow-v1.json`) says
//! the same for editors; a test below keeps the two equal. Keys that belong to the language but
//! not to this version get their own message, so that nobody hunts for a spelling mistake.

use policy::document::{Diagnostic, Fields, suggest};

/// A map of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Workflow,
    Defaults,
    Step,
    Output,
    Mount,
    Retry,
    Backoff,
    Sandbox,
    Limits,
}

impl Section {
    /// The keys the map may have, in the order people write them.
    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Workflow => &[
                "version",
                "name",
                "description",
                "inputs",
                "actions",
                "defaults",
                "steps",
                "finally",
                "outputs",
            ],
            Self::Defaults => &["timeout", "retry", "sandbox"],
            Self::Step => &[
                "name",
                "needs",
                "if",
                "run",
                "shell",
                "tool",
                "with",
                "mounts",
                "env",
                "secrets",
                "stdin",
                "files",
                "outputs",
                "artifacts",
                "timeout",
                "retry",
                "sandbox",
                "idempotent",
                "allow_failure",
            ],
            Self::Output => &["from", "schema"],
            Self::Mount => &["source", "target", "readonly"],
            Self::Retry => &["max_attempts", "backoff"],
            Self::Backoff => &["base", "max", "factor", "jitter"],
            Self::Sandbox => &[
                "template",
                "driver",
                "image",
                "profile",
                "hosts",
                "allow_gaps",
                "changes",
                "limits",
            ],
            Self::Limits => &[
                "memory",
                "cpu",
                "pids",
                "open_files",
                "output",
                "workspace",
                "inodes",
                "artifacts",
            ],
        }
    }

    /// Keys of the language that this version does not read, each with the reason or way out.
    fn planned(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Workflow => &[
                ("concurrency", "limits between runs are not part of this version"),
                ("triggers", "start the workflow with `palisade run`"),
                ("on", "start the workflow with `palisade run`"),
            ],
            Self::Step => &[
                ("action", "name what the workflow does outside in `actions`, beside `steps`"),
                ("approval", "ask for review with a `require_review` rule in the policy"),
                ("gate", "ask for review with a `require_review` rule in the policy"),
                ("manual", "ask for review with a `require_review` rule in the policy"),
                ("undo", "put the cleaning up into a `finally` step"),
                ("concurrency", "limits between runs are not part of this version"),
                ("sleep", "waiting steps are not part of this version"),
                ("signal", "waiting steps are not part of this version"),
                ("wait_for", "waiting steps are not part of this version"),
                ("hosts", "write them into `sandbox`, beside `profile: standard-net`"),
            ],
            Self::Sandbox => &[
                ("network", "name what the step may reach in `hosts`"),
                ("secrets", "write them into the step, beside `env`"),
            ],
            Self::Defaults
            | Self::Output
            | Self::Mount
            | Self::Retry
            | Self::Backoff
            | Self::Limits => &[],
        }
    }

    /// Keys other systems use for what has another name here.
    fn familiar(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Workflow => &[
                ("jobs", "steps"),
                ("params", "inputs"),
                ("after", "finally"),
                ("action", "actions"),
                ("scopes", "actions"),
            ],
            Self::Step => &[
                ("id", "name"),
                ("depends_on", "needs"),
                ("when", "if"),
                ("command", "run"),
                ("cmd", "run"),
                ("script", "shell"),
                ("args", "with"),
                ("environment", "env"),
                ("volumes", "mounts"),
                ("continue_on_error", "allow_failure"),
                ("continue-on-error", "allow_failure"),
                ("retries", "retry"),
                ("timeout-minutes", "timeout"),
            ],
            Self::Output => &[("source", "from"), ("type", "schema")],
            Self::Mount => &[("path", "source"), ("read_only", "readonly"), ("ro", "readonly")],
            Self::Retry => &[("attempts", "max_attempts"), ("limit", "max_attempts")],
            Self::Backoff => &[("initial", "base"), ("multiplier", "factor")],
            Self::Sandbox => &[("gaps", "allow_gaps"), ("host", "hosts"), ("container", "image")],
            Self::Limits => &[("disk", "workspace"), ("files", "inodes"), ("cpus", "cpu")],
            Self::Defaults => &[],
        }
    }

    /// A diagnostic for every key of `fields` that the map may not have.
    pub(super) fn unknown(self, fields: &Fields<'_>) -> Vec<Diagnostic> {
        let unknown =
            fields.entries().iter().filter(|(key, _)| !self.keys().contains(&key.name.as_str()));
        let of = |name: &str, table: &[(&'static str, &'static str)]| {
            table.iter().find(|(key, _)| *key == name).map(|(_, text)| *text)
        };
        let diagnostic = |name: &str, span| {
            let what = fields.what();
            if let Some(hint) = of(name, self.planned()) {
                let message = format!("{what}: `{name}` is not supported by this version");
                return Diagnostic::error(span, message).with_hint(hint);
            }
            let near = of(name, self.familiar()).map(str::to_owned);
            let hint = match near.or_else(|| suggest(name, self.keys())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known keys are {}", self.keys().join(", ")),
            };
            Diagnostic::error(span, format!("{what}: unknown key `{name}`")).with_hint(hint)
        };
        unknown.map(|(key, _)| diagnostic(&key.name, key.span)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Section;
    use serde_json::Value;

    const SECTIONS: [(Section, &str); 9] = [
        (Section::Workflow, ""),
        (Section::Defaults, "/$defs/defaults"),
        (Section::Step, "/$defs/step"),
        (Section::Output, "/$defs/output"),
        (Section::Mount, "/$defs/mount"),
        (Section::Retry, "/$defs/retry"),
        (Section::Backoff, "/$defs/backoff"),
        (Section::Sandbox, "/$defs/sandbox"),
        (Section::Limits, "/$defs/limits"),
    ];

    #[test]
    fn the_published_schema_has_exactly_these_keys() {
        let schema: Value = serde_json::from_str(crate::workflow::SCHEMA).unwrap();
        for (section, pointer) in SECTIONS {
            let part = schema.pointer(pointer).unwrap();
            let published: Vec<&String> = part["properties"].as_object().unwrap().keys().collect();
            let mut known = section.keys().to_vec();
            known.sort_unstable();
            assert_eq!(published, known, "{section:?}");
            assert_eq!(part["additionalProperties"], Value::Bool(false), "{section:?}");
        }
    }

    #[test]
    fn no_key_is_both_known_and_not() {
        for (section, _) in SECTIONS {
            for (key, _) in section.planned().iter().chain(section.familiar()) {
                assert!(!section.keys().contains(key), "{section:?} {key}");
            }
            for (_, meant) in section.familiar() {
                assert!(section.keys().contains(meant), "{section:?} {meant}");
            }
        }
    }
}
