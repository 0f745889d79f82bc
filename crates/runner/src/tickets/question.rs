//! Whether a ticket is good for what somebody has in mind: by a project's own book, or with public keys alone.
//! Nothing is used up. Without the book nobody knows what was used or revoked, and the answer says so by its type.

use engine::run::Micros;
use ticket::{
    Audience, Expected, For, Key, KeyError, Keyring, PublicKey, Refused, Ticket, Verified,
    is_signed, unverified,
};

use super::time;
use crate::node::log;

/// What somebody wants to know of a ticket: whether it is good for this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// A call of this tool.
    pub tool: Option<String>,
    /// Starting this action workflow.
    pub workflow: Option<String>,
    /// By this principal.
    pub principal: Option<String>,
    /// On these paths.
    pub paths: Vec<String>,
    /// Reaching these hosts.
    pub hosts: Vec<String>,
    /// With these scopes.
    pub scopes: Vec<String>,
}

/// A ticket that holds as far as its signature and its claims can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offline;

/// Public keys with which tickets are checked where their node is not.
#[derive(Debug, Clone)]
pub struct PublicKeys(Keyring);

impl PublicKeys {
    /// The keys in a text, one on each line.
    ///
    /// # Errors
    /// When there is none, or a line is none.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys = lines.map(|line| line.parse::<PublicKey>().map(Key::Public));
        Ok(Self(Keyring::new(keys.collect::<Result<_, _>>()?)?))
    }

    /// Whether a ticket is signed with one of them, whatever it says.
    #[must_use]
    pub fn signed(&self, ticket: &Ticket) -> bool {
        is_signed(ticket, &self.0)
    }

    /// Whether a ticket would allow what is asked at `now`, were it neither used up nor revoked.
    ///
    /// # Errors
    /// [`Refused`]; what it is not asked about, its tenant and its epoch are taken to fit.
    pub fn check(
        &self,
        ticket: &Ticket,
        asked: &Question,
        now: Micros,
    ) -> Result<Offline, Refused> {
        let claims = unverified(ticket)?;
        let (tenant, project, epoch) = (claims.tenant, claims.project, claims.epoch);
        held(ticket, &self.0, asked, (tenant, project, epoch), now).map(|_| Offline)
    }
}

/// Holds a ticket of this project against what is asked.
pub(super) fn check<'t>(
    ticket: &'t Ticket,
    keyring: &Keyring,
    asked: &Question,
    (epoch, now): (u32, Micros),
) -> Result<Verified<'t>, Refused> {
    held(ticket, keyring, asked, (log().tenant(), None, epoch), now)
}

fn held<'t>(
    ticket: &'t Ticket,
    keyring: &Keyring,
    asked: &Question,
    (tenant, project, epoch): (&str, Option<&str>, u32),
    now: Micros,
) -> Result<Verified<'t>, Refused> {
    let claims = unverified(ticket)?;
    let (own_paths, own_hosts) =
        (claims.paths.unwrap_or_default(), claims.hosts.unwrap_or_default());
    let or = |list: &'_ [String], own: Vec<&'_ str>| -> Vec<String> {
        match list.is_empty() {
            true => own.into_iter().map(str::to_owned).collect(),
            false => list.to_vec(),
        }
    };
    let (paths, hosts) = (or(&asked.paths, own_paths), or(&asked.hosts, own_hosts));
    let what = match (&asked.tool, &asked.workflow, &claims.audience) {
        (Some(tool), _, _) => For::Tool(tool),
        (None, Some(workflow), _) => For::Workflow(workflow),
        (None, None, Audience::Tools(tools)) => {
            For::Tool(tools.first().copied().unwrap_or_default())
        }
        (None, None, Audience::Workflow(workflow)) => For::Workflow(workflow),
    };
    let expected = Expected {
        what,
        tenant,
        project,
        principal: asked.principal.as_deref().unwrap_or(claims.principal),
        peer: None,
        epoch,
        arguments: claims.arguments,
        paths: &paths.iter().map(String::as_str).collect::<Vec<_>>(),
        hosts: &hosts.iter().map(String::as_str).collect::<Vec<_>>(),
        scopes: &asked.scopes.iter().map(String::as_str).collect::<Vec<_>>(),
        profile: claims.profile,
        policy: claims.policy,
    };
    ticket::verify(ticket, keyring, &expected, time(now))
}
