//! Whether a ticket covers what is about to happen, in a fixed order that stops at the first no.
//!
//! Length and version (`text`), signature, meaning, audience and tenant, times, epoch, bindings. Before the signature
//! holds nothing is parsed; before everything holds no state is touched. The nonce and the use come last and are
//! [`Uses`](crate::Uses)'. What the call would really do is stated by the caller in [`Expected`]; a ticket bound to
//! something the caller does not state is refused.

use std::time::Duration;

use crate::claims::{self, Audience, Claims, Digest, Expiry, Id, Time, Unusable};
use crate::key::{Key, KeyId, Keyring};
use crate::narrowing::{Narrowing, child};
use crate::text::{Malformed, Signature, Ticket};
use crate::wire;

/// What would happen, as far as a ticket can be held against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected<'a> {
    /// What it is.
    pub what: For<'a>,
    /// The tenant.
    pub tenant: &'a str,
    /// The project, where one is known.
    pub project: Option<&'a str>,
    /// Who acts.
    pub principal: &'a str,
    /// The sandbox or process that asks, where one is known.
    pub peer: Option<&'a str>,
    /// The tenant's epoch.
    pub epoch: u32,
    /// Digest of the arguments that would run.
    pub arguments: Option<Digest>,
    /// Paths it would touch, relative to the project and resolved.
    pub paths: &'a [&'a str],
    /// Hosts it would reach, normalised.
    pub hosts: &'a [&'a str],
    /// Scopes it needs, all of them, word for word.
    pub scopes: &'a [&'a str],
    /// The profile of the sandbox it would run in.
    pub profile: Option<Digest>,
    /// The policy in force.
    pub policy: Option<Digest>,
}

/// What a ticket is to be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For<'a> {
    /// One call of this tool.
    Tool(&'a str),
    /// Starting this action workflow.
    Workflow(&'a str),
}

/// What a ticket is bound to and the call is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Another principal.
    Principal,
    /// Another sandbox or process.
    Peer,
    /// Other arguments.
    Arguments,
    /// A path outside.
    Paths,
    /// A host outside.
    Hosts,
    /// Another sandbox profile.
    Profile,
    /// Another policy.
    Policy,
}

impl std::fmt::Display for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Principal => "another principal",
            Self::Peer => "another sandbox or process",
            Self::Arguments => "other arguments",
            Self::Paths => "other paths",
            Self::Hosts => "other hosts",
            Self::Profile => "another sandbox profile",
            Self::Policy => "another policy",
        })
    }
}

/// Why a ticket does not cover a call. No part of the ticket's text is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a ticket.
    #[error("the ticket cannot be read: {0}")]
    Malformed(#[from] Malformed),
    /// Signed with no accepted key, or changed since.
    #[error("the ticket is signed with no accepted key, or was changed")]
    Signature,
    /// Properly signed, and makes no sense or became wider on its way.
    #[error("the ticket's claims are not valid: {0}")]
    Claims(#[from] Unusable),
    /// For another tool or workflow.
    #[error("the ticket is not for `{0}`")]
    Audience(String),
    /// Another tenant's.
    #[error("the ticket is of another tenant")]
    Tenant,
    /// Another project's.
    #[error("the ticket is of another project")]
    Project,
    /// Not valid yet.
    #[error("the ticket is valid only in {}", seconds(.0))]
    Early(Duration),
    /// Not valid any more.
    #[error("the ticket expired {} ago", seconds(.0))]
    Expired(Duration),
    /// Revoked together with everything of its epoch.
    #[error("the ticket is of epoch {ticket}, and the tenant's epoch is {now}")]
    Epoch {
        /// The ticket's.
        ticket: u32,
        /// The tenant's.
        now: u32,
    },
    /// Bound to something else.
    #[error("the ticket is bound to {0}")]
    Bound(Binding),
    /// It lacks scopes.
    #[error("the ticket lacks the scopes {}", .0.join(", "))]
    Scopes(Vec<String>),
}

impl Refused {
    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "pass the whole text that `palisade ticket mint` printed",
            Self::Signature => "use a ticket of this project, signed with a key it still accepts",
            Self::Claims(_) => "mint a new ticket",
            Self::Audience(_) | Self::Bound(_) | Self::Scopes(_) => {
                "mint a ticket for this call; `palisade ticket inspect` says what this one is for"
            }
            Self::Tenant | Self::Project => "use a ticket of this tenant and project",
            Self::Early(_) => "wait, or check the clocks of both machines",
            Self::Expired(_) => "mint a new ticket, with a longer life where it needs one",
            Self::Epoch { .. } => "mint a new ticket; all earlier ones were revoked",
        }
    }
}

fn seconds(duration: &Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

/// A ticket that covers a call. Only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<'a> {
    claims: Claims<'a>,
    key: KeyId,
    /// The ticket that was minted.
    root: Link,
    /// What the minted ticket itself was bound to, before anybody narrowed it.
    minted: Minted,
    /// What it was narrowed to, step by step; the last is the ticket itself.
    children: Vec<Link>,
}

/// What a ticket was bound to when it was minted; narrowing it adds no power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minted {
    /// Whether it named hosts.
    pub hosts: bool,
    /// Whether it was for exactly one set of arguments.
    pub arguments: bool,
}

/// A ticket that a use counts for: the one used, or one it was narrowed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) id: Id,
    /// Its uses.
    pub(crate) most: u16,
    /// When it is over, which may be later than what was narrowed from it.
    pub(crate) dead: Expiry,
}

impl Link {
    fn of(claims: &Claims<'_>) -> Self {
        Self { id: claims.id, most: claims.uses, dead: claims.dead() }
    }
}

impl<'a> Verified<'a> {
    /// What it was bound to before anybody narrowed it.
    #[must_use]
    pub fn minted(&self) -> Minted {
        self.minted
    }

    /// What it says, every narrowing applied.
    #[must_use]
    pub fn claims(&self) -> &Claims<'a> {
        &self.claims
    }

    /// Its id; another one than its parent's, if it was narrowed.
    #[must_use]
    pub fn id(&self) -> Id {
        self.children.last().unwrap_or(&self.root).id
    }

    /// The key it is signed with.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Every ticket that one use counts for, from the one minted down to itself.
    pub(crate) fn chain(&self) -> impl Iterator<Item = Link> {
        std::iter::once(self.root).chain(self.children.iter().copied())
    }
}

/// Holds a ticket against what would happen at `now`.
///
/// # Errors
/// The first [`Refused`] in the order above. Nothing is spent.
pub fn verify<'a>(
    ticket: &'a Ticket,
    keyring: &Keyring,
    expected: &Expected<'_>,
    now: Time,
) -> Result<Verified<'a>, Refused> {
    if !is_signed(ticket, keyring) {
        return Err(Refused::Signature);
    }
    let verified = read(ticket)?;
    let claims = &verified.claims;
    check_audience(claims, expected)?;
    check_time(claims, now)?;
    if claims.epoch != expected.epoch {
        return Err(Refused::Epoch { ticket: claims.epoch, now: expected.epoch });
    }
    check_bindings(claims, expected)?;
    Ok(verified)
}

/// What a ticket says, without knowing whether anybody signed it. For showing and narrowing, never for deciding.
///
/// # Errors
/// [`Unusable`] when it says nothing that could be valid.
pub fn unverified(ticket: &Ticket) -> Result<Claims<'_>, Unusable> {
    read(ticket).map(|read| read.claims)
}

/// Whether a ticket is signed with a key of these, and nothing about what it says.
#[must_use]
pub fn is_signed(ticket: &Ticket, keyring: &Keyring) -> bool {
    match (keyring.find(ticket.key()), ticket.signature()) {
        (Some(Key::Secret(secret)), Signature::Mac(signature)) => {
            secret.verifies(ticket.root(), ticket.blocks(), signature)
        }
        (Some(Key::Public(key)), Signature::Ed25519(signature)) => {
            key.verifies(ticket.payload(), signature)
        }
        (Some(Key::Secret(_)), Signature::Ed25519(_))
        | (Some(Key::Public(_)), Signature::Mac(_))
        | (None, _) => false,
    }
}

fn read(ticket: &Ticket) -> Result<Verified<'_>, Unusable> {
    let mut claims = wire::read(ticket.claims())?;
    let root = Link::of(&claims);
    let minted = Minted { hosts: claims.hosts.is_some(), arguments: claims.arguments.is_some() };
    let mut children = Vec::new();
    for block in ticket.blocks() {
        Narrowing::read(block)?.apply(&mut claims)?;
        claims.id = child(claims.id, block);
        children.push(Link::of(&claims));
    }
    Ok(Verified { claims, key: ticket.key(), root, minted, children })
}

fn check_audience(claims: &Claims<'_>, expected: &Expected<'_>) -> Result<(), Refused> {
    let (is_for, name) = match (&claims.audience, expected.what) {
        (Audience::Tools(tools), For::Tool(tool)) => (tools.contains(&tool), tool),
        (Audience::Workflow(own), For::Workflow(name)) => (*own == name, name),
        (Audience::Tools(_), For::Workflow(name)) | (Audience::Workflow(_), For::Tool(name)) => {
            (false, name)
        }
    };
    if !is_for {
        return Err(Refused::Audience(name.to_owned()));
    }
    if claims.tenant != expected.tenant {
        return Err(Refused::Tenant);
    }
    if claims.project.is_some() && claims.project != expected.project {
        return Err(Refused::Project);
    }
    Ok(())
}

fn check_time(claims: &Claims<'_>, now: Time) -> Result<(), Refused> {
    let begun = now.after(claims.skew());
    if begun < claims.not_before {
        return Err(Refused::Early(Duration::from_micros(claims.not_before.0 - begun.0)));
    }
    let Expiry(dead) = claims.dead();
    if now >= dead {
        return Err(Refused::Expired(Duration::from_micros(now.0 - dead.0)));
    }
    Ok(())
}

fn check_bindings(claims: &Claims<'_>, expected: &Expected<'_>) -> Result<(), Refused> {
    let outside = |list: &Option<Vec<&str>>, asked: &[&str], within: fn(&str, &str) -> bool| {
        list.as_ref().is_some_and(|list| {
            !asked.iter().all(|one| list.iter().any(|wider| within(wider, one)))
        })
    };
    // A ticket for some paths says nothing about a call that has none.
    let pathless = claims.paths.is_some() && expected.paths.is_empty();
    let bound = |own: Option<Digest>, real: Option<Digest>| own.is_some() && own != real;
    let broken = [
        (claims.principal != expected.principal, Binding::Principal),
        (claims.peer.is_some() && claims.peer != expected.peer, Binding::Peer),
        (bound(claims.arguments, expected.arguments), Binding::Arguments),
        (pathless || outside(&claims.paths, expected.paths, claims::is_within), Binding::Paths),
        (outside(&claims.hosts, expected.hosts, claims::is_host_of), Binding::Hosts),
        (bound(claims.profile, expected.profile), Binding::Profile),
        (bound(claims.policy, expected.policy), Binding::Policy),
    ];
    if let Some((_, binding)) = broken.into_iter().find(|(broken, _)| *broken) {
        return Err(Refused::Bound(binding));
    }
    let lacking: Vec<String> = expected
        .scopes
        .iter()
        .filter(|scope| !claims.scopes.contains(scope))
        .map(|scope| (*scope).to_owned())
        .collect();
    if lacking.is_empty() { Ok(()) } else { Err(Refused::Scopes(lacking)) }
}
