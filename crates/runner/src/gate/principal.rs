//! Who acts.
//!
//! There is no anonymous caller: a command line acts as the user of its process, a peer's request as the
//! user the kernel names. This file identifies; it grants nothing but the roles that everybody of a kind has. What is
//! registered beyond that is in `principals`.

use serde::{Deserialize, Serialize};

/// Who acts, as the policy sees it and the journal records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Unique name, for example `user:alice`.
    pub id: String,
    /// Roles granted by registration; never taken from the caller.
    pub roles: Vec<String>,
    /// Capability tags granted by registration; never taken from the caller.
    pub tags: Vec<String>,
}

impl Principal {
    /// The principal of this name that nobody registered: a user is an operator, an agent is an agent, and anything
    /// else has no role.
    #[must_use]
    pub fn recorded(id: &str) -> Self {
        let role = match id.split_once(':') {
            Some((USER, _)) => Some(OPERATOR),
            Some((AGENT, _)) => Some(AGENT),
            _ => None,
        };
        let roles = role.into_iter().map(str::to_owned).collect();
        Self { id: id.to_owned(), roles, tags: Vec::new() }
    }
}

/// Kind of the principals that are people: how their ids begin, before the colon.
pub(super) const USER: &str = "user";
/// Kind of the principals that act for people, and the role that each of them has.
pub(crate) const AGENT: &str = "agent";
/// The role of a user for whom no roles are registered. No agent can have it.
pub(super) const OPERATOR: &str = "operator";

/// The account name of a user: `#UID` when the account has none.
pub(super) fn account(uid: u32) -> String {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    account_name(&accounts, uid).unwrap_or_else(|| format!("#{uid}"))
}

/// The name of `uid` in the text of a password file (passwd(5)).
fn account_name(accounts: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_number_and_not_by_a_prefix_of_it() {
        let accounts = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nbroken";
        assert_eq!(account_name(accounts, 1000).as_deref(), Some("alice"));
        assert_eq!(account_name(accounts, 100), None);
        assert_eq!(account_name(accounts, 0).as_deref(), Some("root"));
    }
}
