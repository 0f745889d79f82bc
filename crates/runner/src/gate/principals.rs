//! Who is registered: ids, roles and tags of users and agents, from the system's and the user's configuration.
//!
//! Nobody has to be registered: an unknown user is `user:NAME` with the role `operator`, an unknown agent
//! `agent:NAME` with the role `agent`. A registration can give a user other roles, never make an agent of a user or an
//! operator of an agent. Where the registrations are read from is the command line's business.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::principal::{self, AGENT, OPERATOR, Principal, USER};

/// Most registrations.
const REGISTRATIONS_MAX: usize = 1_000;
/// Longest id, role or tag, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Most roles and most tags of one principal.
const LABELS_MAX: usize = 32;

/// One registration as written, by what it is written under.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Registration {
    id: Option<String>,
    roles: Option<Vec<String>>,
    tags: Vec<String>,
}

/// Every registration, by uid (`1000`), account name (`alice`) or id of an agent (`agent:planner`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principals {
    registered: BTreeMap<String, Registration>,
}

/// A registration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// Not the shape of registrations.
    #[error(
        "not a map from a uid, an account name or `agent:NAME` to `id`, `roles` and `tags`: {0}"
    )]
    Shape(String),
    /// More than can be kept.
    #[error("more than {REGISTRATIONS_MAX} registrations, or {LABELS_MAX} roles or tags of one")]
    Many,
    /// A name that cannot be one.
    #[error(
        "`{0}` is no name: 1 to {NAME_BYTES_MAX} letters, digits and `._-#@`, after `user:` or `agent:` in an id"
    )]
    Name(String),
    /// An id of the wrong kind.
    #[error(
        "`{key}` cannot be `{id}`: a user's id begins with `user:`, an agent is written under its own id"
    )]
    Kind {
        /// What it is written under.
        key: String,
        /// The id.
        id: String,
    },
    /// Two agents or users of one id and different roles: which one counted would depend on the door.
    #[error("`{0}` is registered twice with different roles or tags")]
    Twice(String),
    /// An agent that would be as much as a user.
    #[error("`{0}` is an agent and cannot have the role `{OPERATOR}`")]
    Operator(String),
}

impl Principals {
    /// The registrations in a JSON text.
    ///
    /// # Errors
    /// The first that cannot be used; none is left out silently.
    pub fn read(text: &str) -> Result<Self, RegistrationError> {
        let registered: BTreeMap<String, Registration> = serde_json::from_str(text)
            .map_err(|error| RegistrationError::Shape(error.to_string()))?;
        if registered.len() > REGISTRATIONS_MAX {
            return Err(RegistrationError::Many);
        }
        let all = Self { registered };
        let mut by_id: BTreeMap<String, Principal> = BTreeMap::new();
        for (key, registration) in &all.registered {
            check(key, registration)?;
            let principal = registration.principal(key);
            if by_id.get(&principal.id).is_some_and(|other| *other != principal) {
                return Err(RegistrationError::Twice(principal.id));
            }
            by_id.insert(principal.id.clone(), principal);
        }
        Ok(all)
    }

    /// The user a process runs as.
    #[must_use]
    pub fn of_user(&self, uid: u32) -> Principal {
        let (number, name) = (uid.to_string(), principal::account(uid));
        let found = [&number, &name].into_iter().find_map(|key| self.registered.get_key_value(key));
        match found {
            Some((key, registration)) => registration.principal(key),
            None => self.named(&format!("{USER}:{name}")),
        }
    }

    /// The user of this process.
    #[must_use]
    pub fn of_this_process(&self) -> Principal {
        self.of_user(rustix::process::geteuid().as_raw())
    }

    /// The principal of this id, such as that of a recorded run, with what is registered for it now.
    #[must_use]
    pub fn named(&self, id: &str) -> Principal {
        let found = self.registered.iter().map(|(key, one)| one.principal(key));
        found.into_iter().find(|one| one.id == id).unwrap_or_else(|| Principal::recorded(id))
    }

    /// The agent of this id, for a person to act through.
    ///
    /// # Errors
    /// When it is no id of an agent: nobody acts as another user.
    pub fn agent(&self, id: &str) -> Result<Principal, RegistrationError> {
        match id.split_once(':') {
            Some((AGENT, name)) if is_name(name) => Ok(self.named(id)),
            _ => Err(RegistrationError::Name(id.to_owned())),
        }
    }
}

impl Registration {
    fn principal(&self, key: &str) -> Principal {
        let agent = key.split_once(':').is_some_and(|(kind, _)| kind == AGENT);
        let id = match (&self.id, agent) {
            (Some(id), _) => id.clone(),
            (None, true) => key.to_owned(),
            (None, false) => match key.parse() {
                Ok(uid) => format!("{USER}:{}", principal::account(uid)),
                Err(_) => format!("{USER}:{key}"),
            },
        };
        let usual = Principal::recorded(&id).roles;
        let mut roles = self.roles.clone().unwrap_or_else(|| usual.clone());
        if agent && !roles.contains(&AGENT.to_owned()) {
            roles.extend(usual);
        }
        Principal { id, roles, tags: self.tags.clone() }
    }
}

fn check(key: &str, registration: &Registration) -> Result<(), RegistrationError> {
    let kind = |id: &str| RegistrationError::Kind { key: key.to_owned(), id: id.to_owned() };
    let wrong = |name: &str| RegistrationError::Name(name.to_owned());
    let roles = registration.roles.as_deref().unwrap_or_default();
    if roles.len() > LABELS_MAX || registration.tags.len() > LABELS_MAX {
        return Err(RegistrationError::Many);
    }
    if let Some(bad) = roles.iter().chain(&registration.tags).find(|label| !is_name(label)) {
        return Err(wrong(bad));
    }
    match (key.split_once(':'), &registration.id) {
        (Some((AGENT, name)), None) if is_name(name) => {
            match roles.iter().any(|role| role == OPERATOR) {
                true => Err(RegistrationError::Operator(key.to_owned())),
                false => Ok(()),
            }
        }
        (Some((AGENT, _)), Some(id)) => Err(kind(id)),
        (Some(_), _) => Err(wrong(key)),
        (None, _) if !is_name(key) => Err(wrong(key)),
        (None, Some(id)) => match id.split_once(':') {
            Some((USER, name)) if is_name(name) => Ok(()),
            _ => Err(kind(id)),
        },
        (None, None) => Ok(()),
    }
}

fn is_name(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-#@".contains(letter);
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTERED: &str = r#"{
        "4000000001": { "id": "user:ada", "roles": ["operator", "sre"] },
        "bob": { "roles": ["sre"], "tags": ["trusted_write"] },
        "agent:planner": { "roles": ["planner"] }
    }"#;

    fn shown(principal: &Principal) -> String {
        format!("{} {} {}", principal.id, principal.roles.join(","), principal.tags.join(","))
    }

    #[test]
    fn a_registration_gives_ids_and_roles_and_the_unknown_have_the_usual_ones() {
        let all = Principals::read(REGISTERED).unwrap();
        let check = |principal: Principal, expected: &str| assert_eq!(shown(&principal), expected);
        check(all.of_user(4_000_000_001), "user:ada operator,sre ");
        check(all.of_user(4_000_000_002), "user:#4000000002 operator ");
        check(all.named("user:ada"), "user:ada operator,sre ");
        check(all.named("user:bob"), "user:bob sre trusted_write");
        check(all.named("user:eve"), "user:eve operator ");
        check(all.agent("agent:planner").unwrap(), "agent:planner planner,agent ");
        check(all.agent("agent:other").unwrap(), "agent:other agent ");
        check(all.named("system:palisade"), "system:palisade  ");
    }

    #[test]
    fn nobody_acts_as_another_user() {
        for id in ["user:ada", "ada", "agent:", "agent", "system:palisade", "agent:a b", "AGENT:x"]
        {
            assert!(Principals::default().agent(id).is_err(), "{id}");
        }
    }

    #[test]
    fn what_is_no_registration_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = Principals::read(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("[]", "not a map");
        check(r#"{ "ada": { "role": ["sre"] } }"#, "not a map");
        check(r#"{ "ada": { "roles": ["s re"] } }"#, "`s re` is no name");
        check(r#"{ "ada": { "id": "ada" } }"#, "cannot be `ada`");
        check(r#"{ "ada": { "id": "agent:ada" } }"#, "cannot be `agent:ada`");
        check(r#"{ "ada": { "id": "system:palisade" } }"#, "cannot be `system:palisade`");
        check(r#"{ "agent:a": { "id": "user:ada" } }"#, "cannot be `user:ada`");
        check(r#"{ "agent:a": { "roles": ["operator"] } }"#, "cannot have the role `operator`");
        check(r#"{ "user:ada": { "roles": ["sre"] } }"#, "`user:ada` is no name");
        check(r#"{ "": {} }"#, "`` is no name");
        check(
            r#"{ "ada": { "roles": ["sre"] }, "7777777": { "id": "user:ada" } }"#,
            "`user:ada` is registered twice",
        );
        let many: Vec<String> = (0..33).map(|role| format!("\"r{role}\"")).collect();
        check(&format!(r#"{{ "ada": {{ "roles": [{}] }} }}"#, many.join(",")), "more than");
    }
}
