//! The gate: the ordered checks between a call and its effect.
//!
//! identify (`principal`) → limit (`schema`) → validate (`path`, the tool's schema) → decide (policy). What it admits
//! has one form: the arguments policy saw are the arguments that run. The gate records nothing and runs nothing: its
//! answer goes into the record that must be durable before the effect begins.

mod action;
mod bound;
mod change;
mod described;
mod exposure;
mod files;
mod form;
mod mount;
mod mounted;
mod network;
mod path;
mod presented;
mod principal;
mod principals;
mod review;
mod standing;
mod startup;
mod summary;
mod ticket;
mod written;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::policy::{
    Call, Catalogue, Charge, Constraints, Contribution, Decision, Extended, OwnedCall, Policy,
    Verdict,
};
use engine::run::{Digest, Guard, Micros, StoppedBy};
use engine::workflow::{InputError, InputSchema};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use self::startup::Startup;
use self::summary::summary;
use self::ticket::Minter;
use self::written::Written;
use crate::executor::Work;
use crate::extension::Extension;
use crate::layout::STATE_FOLDER;
use crate::tickets::{Book, Redemption, Withheld};
use crate::{clock, tool};

pub(crate) use action::Sorted;
pub(crate) use change::{CONFIRMED, CONFIRMED_BY, REPLACES};
pub use described::Session;
pub use files::FileFilter;
pub(crate) use form::Form;
pub(crate) use mount::target as mount_target;
pub use network::Granted;
pub use path::PathError;
pub use presented::TICKET_REFUSED;
pub(crate) use principal::AGENT;
pub use principal::Principal;
pub use principals::{Principals, RegistrationError};
pub use review::Reviewed;
pub(crate) use review::stopped as unreviewed;
pub(crate) use standing::Standing;
pub(crate) use ticket::{Allows, Lease, Permit, Permitted, Redeemer, Unpermitted};

/// The argument of a call whose program nothing would hold.
const UNSAFE: &str = "unsafe";

/// A call as its door understood it, before any check.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
}

impl Asked {
    /// The same call where nothing would hold its program, so that policy can tell the two apart.
    pub(crate) fn without_sandbox(&mut self) {
        if let Some(arguments) = self.arguments.as_object_mut() {
            arguments.insert(UNSAFE.to_owned(), true.into());
        }
    }
}

/// A call that may run, in its one form.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// The tool.
    pub tool: String,
    /// Normalised arguments: what policy saw.
    pub arguments: Value,
    /// SHA-256 over tool and arguments. Only the gate makes one, so what it did not admit has no ticket.
    digest: Digest,
    /// The decision in short, for the record.
    pub decision: Value,
    /// What the decision tightens.
    pub constraints: Constraints,
    /// What it may reach, each with the rule that names it.
    pub hosts: Vec<Granted>,
    /// What asked for the review it passed; empty where nothing did.
    pub reviewed: Vec<Contribution>,
    /// What has to be reserved before it runs.
    pub charges: Vec<Charge>,
    /// The place of the ticket that stands for the rules, where one does.
    pub(crate) by_ticket: Option<usize>,
    /// The use of a ticket that allows it, to be recorded in the same commit as its start.
    pub redeemed: Option<Redemption>,
}

impl Admitted {
    /// The decision on a call that is no attempt of a step, so that no limit can count it.
    ///
    /// # Errors
    /// What stops it where a limit would have to.
    pub fn uncounted(self) -> Result<Value, (StoppedBy, Value)> {
        let Some(charge) = self.charges.first() else { return Ok(self.decision) };
        let detail = format!("{charge}, which cannot be counted for `{}`", self.tool);
        let name = charge.rule.as_ref().into();
        Err((StoppedBy { kind: Guard::Limit, name, detail: detail.into() }, self.decision))
    }
}

impl Admitted {
    /// SHA-256 over tool and arguments, as the policy saw them.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Why a call may not run.
#[derive(Debug, Clone, PartialEq)]
pub enum Refused {
    /// The arguments are not valid for the tool.
    Invalid(String),
    /// It may run once others have approved it.
    Review(Box<Reviewed>),
    /// A guard stopped it.
    Stopped {
        /// Which.
        by: StoppedBy,
        /// The decision in short, for the record; null where it was stopped before policy saw it.
        decision: Value,
        /// The arguments as policy saw them; null where it did not.
        arguments: Value,
    },
}

/// Everything the checks need; immutable. Another policy is another gate.
#[derive(Debug)]
pub struct Gate {
    project: PathBuf,
    /// Where the project's state is kept: what no call is shown.
    state: PathBuf,
    startup: Startup,
    home: Option<PathBuf>,
    policy: Arc<Policy>,
    extension: Option<Arc<Extension>>,
    catalogue: Catalogue,
    schemas: Arc<[(String, InputSchema)]>,
    minter: Arc<Minter>,
    redeemer: Arc<Redeemer>,
    book: Arc<Book>,
    written: Arc<Written>,
}

/// The tickets that were handed in for the calls of a run, and the time at which everything about one call is decided.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The tickets; the first that holds decides.
    pub tickets: &'a [::ticket::Ticket],
    /// Now.
    pub now: Micros,
}

impl Gate {
    /// A gate for calls on `project` under `policy`; `home` is what `~` means in a mount source.
    ///
    /// # Errors
    /// When a registered tool's schema does not compile, which a test keeps from happening, or the kernel has no
    /// randomness for the secret of this process's tickets.
    pub fn new(
        project: PathBuf,
        home: Option<PathBuf>,
        policy: Arc<Policy>,
        catalogue: Catalogue,
    ) -> Result<Self, String> {
        let schemas = catalogue
            .tools()
            .map(|tool| {
                let schema = InputSchema::of(&tool.schema)
                    .map_err(|error| format!("{}: {error}", tool.name))?;
                Ok((tool.name.clone(), schema))
            })
            .collect::<Result<_, String>>()?;
        let secret = clock::seed().map_err(|error| error.to_string())?;
        let (minter, redeemer) = ticket::pair(&secret, Digest(policy.digest()))?;
        let (minter, redeemer) = (Arc::new(minter), Arc::new(redeemer));
        Ok(Self {
            written: Arc::new(Written::of(&catalogue)),
            state: project.join(STATE_FOLDER),
            startup: Startup::default(),
            project,
            home,
            policy,
            extension: None,
            catalogue,
            schemas,
            minter,
            redeemer,
            book: Arc::new(Book::closed()),
        })
    }

    /// The same gate, which also asks `extension` about what rules do not deny.
    #[must_use]
    pub fn with_extension(self, extension: Option<Arc<Extension>>) -> Self {
        Self { extension, ..self }
    }

    /// Whether anything besides rules is asked.
    pub(crate) fn has_extension(&self) -> bool {
        self.extension.is_some()
    }

    /// The same gate, where tickets of `book` are valid.
    #[must_use]
    pub fn with_book(self, book: Book) -> Self {
        Self { book: Arc::new(book), ..self }
    }

    /// What is known of tickets that are handed in.
    pub(crate) fn book(&self) -> &Book {
        &self.book
    }

    /// The ticket on which an attempt at an admitted call may begin.
    ///
    /// # Errors
    /// When it cannot be signed, in words; then the attempt must not begin.
    pub(crate) fn ticket(
        &self,
        admitted: &Admitted,
        lease: Lease,
        work: &Work,
        now: Micros,
    ) -> Result<::ticket::Ticket, String> {
        let policy = Digest(self.policy.digest());
        self.minter.mint(admitted, lease, (work, policy), now)
    }

    /// What redeems the tickets of this gate.
    #[must_use]
    pub(crate) fn redeemer(&self) -> Arc<Redeemer> {
        Arc::clone(&self.redeemer)
    }

    /// The tools there are.
    #[must_use]
    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The project folder.
    #[must_use]
    pub fn project(&self) -> &Path {
        &self.project
    }

    /// Puts one call of `principal` through every check.
    ///
    /// # Errors
    /// [`Refused`]: nothing may run.
    pub fn admit(&self, principal: &Principal, asked: Asked) -> Result<Admitted, Refused> {
        self.admit_with(principal, asked, None)
    }

    /// As [`Gate::admit`], with tickets that may take the place of rules. A use of one is taken only where the call is
    /// admitted by it; where none holds, the call is left to the rules.
    ///
    /// # Errors
    /// As [`Gate::admit`].
    pub fn admit_with(
        &self,
        principal: &Principal,
        asked: Asked,
        presented: Option<Presented<'_>>,
    ) -> Result<Admitted, Refused> {
        let known = self.catalogue.tool(&asked.tool).is_some();
        let form = self.form(asked)?;
        self.not_outdated(&form)?;
        let (by_ticket, why) = match presented.filter(|_| known && !tool::is_deed(&form.tool)) {
            Some(presented) => self.by_tickets(principal, &form, presented),
            None => (None, Vec::new()),
        };
        match by_ticket {
            Some(by_ticket) => by_ticket,
            None => self.by_rules(principal, form, why),
        }
    }

    /// What rules make of a call; `withheld` is why no ticket decided it.
    fn by_rules(
        &self,
        principal: &Principal,
        form: Form,
        withheld: Vec<Withheld>,
    ) -> Result<Admitted, Refused> {
        let Form { tool, arguments, digest } = form;
        let call = call(principal, &tool, &arguments);
        let decision = self.authorize(&call);
        let reach = self.policy.reach(&call);
        let mut summary = summary(&decision, &reach, &self.policy);
        let why = presented::recorded(&withheld, &mut summary);
        let stopped = match decision.verdict {
            Verdict::Deny => {
                Some(network::stopped(&reach).unwrap_or_else(|| stopped_by(&decision)))
            }
            Verdict::Allow | Verdict::RequireReview => {
                unheld(&decision, &arguments).or_else(|| network::narrowed(&decision, &reach))
            }
        };
        if let Some(by) = stopped {
            let by = presented::told(by, why.as_deref());
            return Err(Refused::Stopped { by, decision: summary, arguments });
        }
        let admitted = Admitted {
            digest,
            tool,
            arguments,
            decision: summary,
            constraints: decision.constraints,
            hosts: network::granted(reach),
            reviewed: Vec::new(),
            charges: decision.charges.clone(),
            by_ticket: None,
            redeemed: None,
        };
        if decision.verdict == Verdict::Allow {
            return Ok(admitted);
        }
        if change::is_confirmed(principal, &admitted, &decision) {
            return Ok(change::confirmed(principal, admitted, &decision));
        }
        Err(Refused::Review(Box::new(Reviewed::new(&decision, admitted))))
    }

    /// The decision on a call in its one form.
    #[must_use]
    pub fn decide(&self, principal: &Principal, tool: &str, arguments: &Value) -> Decision {
        self.authorize(&call(principal, tool, arguments))
    }

    fn authorize(&self, call: &Call<'_>) -> Decision {
        let extension = self.extension.as_ref();
        let mut ask =
            |call: &Call<'_>| extension.map_or(Extended::Pass, |extension| extension.ask(call));
        self.policy.authorize(call, false, &mut ask)
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    fn validate(&self, asked: &Asked) -> Result<Value, Refused> {
        let schema =
            self.schemas.iter().find(|(name, _)| *name == asked.tool).map(|(_, schema)| schema);
        let mut arguments = match schema {
            Some(schema) => schema.check(&asked.arguments).map_err(|errors| invalid(&errors))?,
            None => asked.arguments.clone(),
        };
        if let Some(slot) = arguments.get_mut("path") {
            let written = slot.as_str().unwrap_or_default();
            *slot = Value::String(
                path::beneath(&self.project, written).map_err(|error| outside(&error))?,
            );
        }
        for mount in arguments.get_mut("mounts").and_then(Value::as_array_mut).into_iter().flatten()
        {
            self.mount(mount)?;
        }
        Ok(arguments)
    }
}

fn oversized(excess: &schema::Excess) -> Refused {
    let pointer = if excess.pointer.is_empty() { "arguments" } else { &excess.pointer };
    Refused::Invalid(format!("`{pointer}` {}", excess.error))
}

fn invalid(errors: &[InputError]) -> Refused {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Refused::Invalid(lines.join("; "))
}

/// A call as policy sees it; one without a session has no mode and no state.
pub(crate) fn call<'a>(principal: &'a Principal, tool: &'a str, arguments: &'a Value) -> Call<'a> {
    Call {
        tool,
        principal: &principal.id,
        roles: &principal.roles,
        tags: &principal.tags,
        mode: None,
        state: None,
        args: arguments,
    }
}

/// The same call, to be kept.
pub(crate) fn owned(principal: &Principal, tool: &str, arguments: &Value) -> OwnedCall {
    OwnedCall {
        tool: tool.to_owned(),
        principal: principal.id.clone(),
        roles: principal.roles.clone(),
        tags: principal.tags.clone(),
        mode: None,
        state: None,
        args: arguments.clone(),
    }
}

/// Whether arguments fit a tool's schema, and what is wrong where they do not.
///
/// # Errors
/// Everything that is wrong, in one line.
pub(crate) fn fits(tool: &engine::policy::Tool, arguments: &Value) -> Result<(), String> {
    let schema = InputSchema::of(&tool.schema)?;
    let errors = schema.check(arguments).err().unwrap_or_default();
    if errors.is_empty() {
        return Ok(());
    }
    Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

pub(super) fn stopped_by(decision: &Decision) -> StoppedBy {
    let rule = decision.reasons.first().map_or("default deny", |reason| &*reason.rule);
    StoppedBy { kind: Guard::Policy, name: rule.into(), detail: decision.to_string().into() }
}

/// A decision that asks for a profile of a call that has none.
fn unheld(decision: &Decision, arguments: &Value) -> Option<StoppedBy> {
    let without = arguments.get(UNSAFE).and_then(Value::as_bool) == Some(true);
    let profile = decision.constraints.profile.filter(|_| without)?;
    let rule = decision.reasons.first().map_or("default deny", |reason| &*reason.rule);
    let detail =
        format!("{decision} with the profile `{profile}`, and without the sandbox there is none");
    Some(StoppedBy { kind: Guard::Policy, name: rule.into(), detail: detail.into() })
}

fn outside(error: &PathError) -> Refused {
    let by = StoppedBy {
        kind: Guard::Isolation,
        name: "project root".into(),
        detail: error.to_string().into(),
    };
    Refused::Stopped { by, decision: Value::Null, arguments: Value::Null }
}

fn digest(tool: &str, arguments: &Value) -> Digest {
    let mut hash = Sha256::new();
    hash.update((tool.len() as u64).to_be_bytes());
    hash.update(tool.as_bytes());
    // Maps are sorted, so one value has one text.
    hash.update(arguments.to_string().as_bytes());
    Digest(hash.finalize().into())
}

/// The catalogue of every registered tool.
///
/// # Errors
/// When two tools share a name or a declaration is unusable, which a test keeps from happening.
pub fn catalogue() -> Result<Catalogue, engine::policy::CatalogueError> {
    Catalogue::new(tool::registered())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::digest;

    #[test]
    fn one_call_has_one_digest_and_another_call_another() {
        let read = |text: &str| serde_json::from_str(text).unwrap();
        let one = r#"{"program":"ls","argv":["ls","-l"],"env":{"b":"é","A":"1"}}"#;
        let same =
            r#"{ "env": { "A": "1", "b": "\u00e9" }, "argv": ["ls", "-l"], "program": "ls" }"#;
        let found = digest("exec.run", &read(one));
        assert_eq!(found, digest("exec.run", &read(same)), "order, spaces and escapes say nothing");
        // As of any build: approvals and tickets on record are bound to it.
        assert_eq!(
            found.to_string(),
            "2a0808549ddc0f1eed1c883f2a987dc874d512229148c0291c9819265d8047c5"
        );
    }

    #[test]
    fn values_that_are_not_the_same_have_no_digest_in_common() {
        let calls = [
            ("t.a", json!({ "n": 1 })),
            ("t.a", json!({ "n": 1.0 })),
            ("t.a", json!({ "n": "1" })),
            ("t.a", json!({ "n": true })),
            ("t.a", json!({ "n": null })),
            ("t.a", json!({})),
            ("t.a", json!({ "n": [1] })),
            ("t.a", json!({ "n": [[1]] })),
            ("t.a", json!({ "N": 1 })),
            ("t.b", json!({ "n": 1 })),
            ("t.a{", json!({ "n": 1 })),
            ("t.a", json!({ "l": ["a", "b"] })),
            ("t.a", json!({ "l": ["b", "a"] })),
            ("t.a", json!({ "l": ["ab"] })),
            ("t.a", json!({ "l": "é" })),
            ("t.a", json!({ "l": "e\u{301}" })),
        ];
        for (at, (tool, arguments)) in calls.iter().enumerate() {
            for (other, value) in &calls[..at] {
                let pair = format!("{tool} {arguments} and {other} {value}");
                assert_ne!(digest(tool, arguments), digest(other, value), "{pair}");
            }
        }
    }
}
