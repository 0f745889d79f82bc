//! Rules, calls and outcomes that mean the same to both engines.
//!
//! Left out, because Cedar has nothing to say them exactly: reviews (it knows two verdicts), stars that
//! stay within a segment of a path, classes and braces, hosts, units, several paths in one call, and
//! arguments of another kind than asked for (Cedar skips a policy that meets one).

use std::collections::BTreeSet;

use serde_json::Value;

/// Why the engines could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    /// Our engine does not take the rules.
    #[error("the rule file does not load: {0}")]
    RuleFile(String),
    /// A path pattern has no exact meaning in Cedar.
    #[error("`{0}` cannot be written in Cedar")]
    Untranslatable(String),
    /// Cedar takes the policies, the entities or the request not.
    #[error("Cedar refuses its input: {0}")]
    Cedar(String),
}

/// What a rule does when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Allows; `permit` in Cedar.
    Allow,
    /// Denies; `forbid` in Cedar.
    Deny,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// When.
    pub condition: Condition,
    /// Unless one of these holds.
    pub except: Vec<Condition>,
}

/// Fields that hold together; an empty list asks for nothing.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    /// Names of tools, with `*` for any text.
    pub tools: Vec<String>,
    /// Names of principals, with `*` for any text.
    pub principals: Vec<String>,
    /// Roles, any of them.
    pub roles: Vec<String>,
    /// Capability tags, any of them.
    pub tags: Vec<String>,
    /// Session modes, any of them.
    pub modes: Vec<String>,
    /// `path_glob` patterns for the argument `path`.
    pub paths: Vec<String>,
    /// Arguments and what each may be.
    pub arguments: Vec<(String, Vec<Accepted>)>,
}

/// What an argument may be.
#[derive(Debug, Clone)]
pub enum Accepted {
    /// This text.
    Text(String),
    /// A text that fits; `*` is any text.
    Glob(String),
    /// This number.
    Int(i64),
    /// This truth value.
    Bool(bool),
    /// A size of at most so many bytes.
    AtMost(u64),
    /// A size of more than so many bytes.
    Above(u64),
}

/// One call.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Name of the tool.
    pub tool: String,
    /// Who calls.
    pub principal: String,
    /// The caller's roles.
    pub roles: Vec<String>,
    /// The caller's tags.
    pub tags: Vec<String>,
    /// The session's mode.
    pub mode: Option<String>,
    /// The arguments, an object.
    pub arguments: Value,
}

/// What one engine decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the call may run.
    pub allowed: bool,
    /// Places of the rules that decided; none where nothing allowed the call.
    pub by: BTreeSet<usize>,
}
