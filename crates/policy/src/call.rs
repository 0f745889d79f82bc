//! One call as policy sees it: exactly the values that will run.
//!
//! The gate has identified, validated and resolved everything before; nothing here is taken from
//! the caller's word for who it is. A call carries no time, because no condition depends on one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A call to decide. Borrowed throughout: deciding copies nothing.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Name of the tool.
    pub tool: &'a str,
    /// Who acts, as identified by the gate.
    pub principal: &'a str,
    /// Roles of the principal.
    pub roles: &'a [String],
    /// Capability tags of the principal, from its registration, never from the request.
    pub tags: &'a [String],
    /// Mode of the session; a call without a session has none.
    pub mode: Option<&'a str>,
    /// State of the session.
    pub state: Option<&'a str>,
    /// The arguments, an object: paths resolved beneath the root, defaults filled or in the schema.
    pub args: &'a Value,
}

/// A call that is kept: of a test, or one on record. A call without a field has none of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnedCall {
    /// As in [`Call`].
    pub tool: String,
    /// As in [`Call`].
    pub principal: String,
    /// As in [`Call`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// As in [`Call`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// As in [`Call`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// As in [`Call`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// As in [`Call`].
    pub args: Value,
}

impl OwnedCall {
    /// The call, to be decided.
    #[must_use]
    pub fn borrowed(&self) -> Call<'_> {
        Call {
            tool: &self.tool,
            principal: &self.principal,
            roles: &self.roles,
            tags: &self.tags,
            mode: self.mode.as_deref(),
            state: self.state.as_deref(),
            args: &self.args,
        }
    }
}
