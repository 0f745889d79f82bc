//! Who acts.
//!
//! There is no anonymous caller: a command line acts as the user of its process, a control-socket request as the
//! user the kernel names. This file identifies; it grants nothing.

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
    /// The user a process runs as: `user:NAME`, or `user:#UID` when the account has no name.
    #[must_use]
    pub fn of_user(uid: u32) -> Self {
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let name = account_name(&accounts, uid).unwrap_or_else(|| format!("#{uid}"));
        Self::recorded(&format!("user:{name}"))
    }

    /// The principal of a recorded run, with what is registered for it now.
    #[must_use]
    pub fn recorded(id: &str) -> Self {
        Self { id: id.to_owned(), roles: vec!["operator".to_owned()], tags: Vec::new() }
    }

    /// The user of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::of_user(rustix::process::geteuid().as_raw())
    }
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
