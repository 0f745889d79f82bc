//! One call as policy sees it: exactly the values that will run.
//!
//! The gate has identified, validated and resolved everything before; nothing here is taken from
//! the caller's word for who it is. A call carries no time, because no condition depends on one.

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
