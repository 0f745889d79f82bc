//! The settings there are: name, default, what values are allowed, what it is for.
//! The schema made of this table is in `schema`; reading and merging settings is in `layer` and in the folder's root.

use std::path::{Component, Path};

use runner::gate::Principals;

use crate::moment;

/// The smallest size a journal can be held to, in bytes: one with a few runs.
const JOURNAL_LEAST: u64 = 1 << 20;

/// What values a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// A whole number in this range.
    Whole(u64, u64),
    /// `true` or `false`.
    Switch,
    /// A number of bytes of at least so many, alone or with a unit.
    Size(u64),
    /// A path; relative ones start at the project folder.
    Path,
    /// Registrations of principals: a map in a file, its JSON as a text.
    Principals,
}

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Dotted name: the path of keys in a file.
    pub(crate) name: &'static str,
    /// Default as text; `None` means not set.
    pub(crate) default: Option<&'static str>,
    /// Allowed values.
    pub(crate) domain: Domain,
    /// Whether only trusted sources may set it.
    pub(crate) security: bool,
    /// One sentence for people.
    pub(crate) about: &'static str,
}

/// Every setting of this build, by name.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "engine.slots",
        default: Some("4"),
        domain: Domain::Whole(1, 1024),
        security: false,
        about: "how many steps run at the same time",
    },
    Key {
        name: "journal.max_size",
        default: None,
        domain: Domain::Size(JOURNAL_LEAST),
        security: false,
        about: "how large the journal may become, such as 4GiB: warned of at 80 % and 95 %, new calls refused at 100 %",
    },
    Key {
        name: "policy.extension",
        default: None,
        domain: Domain::Path,
        security: true,
        about: "a program that is asked about every call after the rules, and can object; without it only rules decide",
    },
    Key {
        name: "policy.file",
        default: None,
        domain: Domain::Path,
        security: true,
        about: "the policy of every project; without it a project's `.palisade/policy.yaml` is used",
    },
    Key {
        name: "principals",
        default: None,
        domain: Domain::Principals,
        security: true,
        about: "ids, roles and tags of users and agents, by uid, account name or `agent:NAME`",
    },
    Key {
        name: "redaction.patterns",
        default: Some("true"),
        domain: Domain::Switch,
        security: true,
        about: "whether what steps print is recorded without what looks like a credential",
    },
    Key {
        name: "redaction.rules",
        default: None,
        domain: Domain::Path,
        security: true,
        about: "a TOML file of further rules for credentials, or a folder of them",
    },
    Key {
        name: "sandbox.allow_unsafe",
        default: Some("false"),
        domain: Domain::Switch,
        security: true,
        about: "whether programs may run without the sandbox, where `--unsafe` or PALISADE_UNSAFE=1 asks for it",
    },
    Key {
        name: "sandbox.landlock_floor",
        default: Some("1"),
        domain: Domain::Whole(1, 99),
        security: true,
        about: "the oldest generation of Landlock on which programs run; below it they are refused",
    },
    Key {
        name: "state.folder",
        default: None,
        domain: Domain::Path,
        security: false,
        about: "where the journal and artifacts are kept; without it `.palisade` in the project",
    },
];

impl Key {
    /// The environment variable that sets it: `PALISADE_`, then the name with `__` for each dot.
    pub(crate) fn variable(&self) -> String {
        format!("PALISADE_{}", self.name.replace('.', "__").to_uppercase())
    }

    /// Whether `value`, which fits its schema, makes sense.
    ///
    /// # Errors
    /// What does not.
    pub(crate) fn check(&self, value: &str) -> Result<(), String> {
        match self.domain {
            Domain::Whole(..) | Domain::Switch | Domain::Path => Ok(()),
            Domain::Size(least) => match moment::size(value) {
                Ok(bytes) if bytes >= least => Ok(()),
                Ok(_) => Err(format!("`{value}` is less than {} MiB", least >> 20)),
                Err(why) => Err(format!("`{value}` is {why}")),
            },
            Domain::Principals => {
                Principals::read(value).map(drop).map_err(|error| error.to_string())
            }
        }
    }

    /// Whether `value` stays inside the project, as it must where the project itself sets it.
    ///
    /// # Errors
    /// What is allowed instead.
    pub(crate) fn check_inside(&self, value: &str) -> Result<(), String> {
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        match self.domain {
            Domain::Path if !Path::new(value).components().all(inside) => Err(format!(
                "`{value}` is not inside the project; a project's file may not name another place"
            )),
            Domain::Path
            | Domain::Whole(..)
            | Domain::Size(_)
            | Domain::Switch
            | Domain::Principals => Ok(()),
        }
    }
}
