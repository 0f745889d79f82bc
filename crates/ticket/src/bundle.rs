//! A bundle of requests that is started as one: each request judged in order, and all of them by one token.
//!
//! A bundle with an action in it whose token does not hold is denied whole, its harmless requests too. This file judges
//! and takes the token's use; queueing what was accepted is the caller's, and so are the requests' contents.

use std::collections::BTreeSet;

use crate::claims::Time;
use crate::key::{KeyError, Keyring, Secret};
use crate::text::Ticket;
use crate::uses::{Redeemed, Spent, Uses};
use crate::verify::{Expected, For, Refused, Verified, verify};

/// Most requests in one bundle.
pub const REQUESTS_MAX: usize = 100;

/// Requests that are started as one.
#[derive(Debug, Clone, Copy)]
pub struct Bundle<'a> {
    /// The workflow that carries them out; a token is for it.
    pub workflow: &'a str,
    /// The tenant.
    pub tenant: &'a str,
    /// The project, where it is of one.
    pub project: Option<&'a str>,
    /// Who starts it.
    pub principal: &'a str,
    /// The tenant's epoch.
    pub epoch: u32,
    /// 1 to [`REQUESTS_MAX`] of them.
    pub requests: &'a [Request<'a>],
}

/// One request of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its id, once in a bundle.
    pub id: &'a str,
    /// Whose it says it is.
    pub tenant: &'a str,
    /// Of which project.
    pub project: Option<&'a str>,
    /// The key under which it happens once.
    pub key: &'a str,
    /// Scopes an action needs of the token.
    pub scopes: &'a [&'a str],
    /// Whether it acts on the world.
    pub kind: Kind,
}

/// Whether a request changes anything outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It looks and tells.
    Report,
    /// It acts; a token has to say that it may.
    Action,
}

/// Whether anything is to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only say what would be. No token is used up.
    DryRun,
    /// Start it.
    Execute,
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It would be queued.
    Accepted,
    /// It may be queued now.
    Queued,
    /// An earlier request of the bundle has its id.
    SkippedId,
    /// An earlier request of the bundle has its key.
    SkippedKey,
    /// It is of another tenant than its bundle.
    DeniedTenant,
    /// It is of another project than its bundle.
    DeniedProject,
    /// The bundle has an action in it, and its token does not hold.
    DeniedToken,
}

/// Why a bundle is not judged at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a bundle has 1 to {REQUESTS_MAX} requests, and this one has {0}")]
pub struct Unjudged(usize);

/// Why a token does not hold for the bundle's actions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// There is none.
    #[error("the bundle has actions and no token")]
    Missing,
    /// It does not cover them.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It is used up.
    #[error(transparent)]
    Spent(#[from] Spent),
}

/// What becomes of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Of each request, in their order.
    pub requests: Vec<Status>,
    /// Actions that were stopped by the token.
    pub blocked: usize,
    /// Why the token does not hold, where one was needed.
    pub withheld: Option<Withheld>,
    /// The use that was taken, to be kept in the commit that queues the requests.
    pub redeemed: Option<Redeemed>,
}

/// Judges every request of `bundle`, whose `token` is checked with `keyring` and used up in `uses`.
///
/// # Errors
/// [`Unjudged`] when it is empty or too large.
pub fn judge(
    bundle: &Bundle<'_>,
    mode: Mode,
    token: Option<&str>,
    (keyring, uses): (&Keyring, &Uses),
    now: Time,
) -> Result<Judged, Unjudged> {
    if bundle.requests.is_empty() || bundle.requests.len() > REQUESTS_MAX {
        return Err(Unjudged(bundle.requests.len()));
    }
    let mut statuses = each(bundle, mode);
    let acts = |request: &&Request<'_>| request.kind == Kind::Action;
    let actions = bundle.requests.iter().filter(acts).count();
    if actions == 0 {
        return Ok(Judged { requests: statuses, blocked: 0, withheld: None, redeemed: None });
    }
    let starts = bundle
        .requests
        .iter()
        .zip(&statuses)
        .any(|(request, status)| request.kind == Kind::Action && *status == Status::Queued);
    let held = verified(bundle, token, keyring, now, |verified| match starts {
        true => uses.redeem(verified, now).map(Some),
        false => uses.peek(verified, now).map(|()| None),
    });
    match held {
        Ok(redeemed) => Ok(Judged { requests: statuses, blocked: 0, withheld: None, redeemed }),
        Err(withheld) => {
            statuses.fill(Status::DeniedToken);
            let withheld = Some(withheld);
            Ok(Judged { requests: statuses, blocked: actions, withheld, redeemed: None })
        }
    }
}

/// Each request by itself.
fn each<'a>(bundle: &Bundle<'a>, mode: Mode) -> Vec<Status> {
    let (mut ids, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let status = |request: &'a Request<'a>| {
        if !ids.insert(request.id) {
            Status::SkippedId
        } else if !keys.insert(request.key) {
            Status::SkippedKey
        } else if request.tenant != bundle.tenant {
            Status::DeniedTenant
        } else if request.project.is_some() && request.project != bundle.project {
            Status::DeniedProject
        } else {
            match mode {
                Mode::DryRun => Status::Accepted,
                Mode::Execute => Status::Queued,
            }
        }
    };
    bundle.requests.iter().map(status).collect()
}

/// Whether the token covers every action, and what `spend` makes of it then.
fn verified<T>(
    bundle: &Bundle<'_>,
    token: Option<&str>,
    keyring: &Keyring,
    now: Time,
    spend: impl FnOnce(&Verified<'_>) -> Result<T, Spent>,
) -> Result<T, Withheld> {
    let ticket = Ticket::parse(token.ok_or(Withheld::Missing)?).map_err(Refused::from)?;
    let actions = bundle.requests.iter().filter(|request| request.kind == Kind::Action);
    let scopes: BTreeSet<&str> = actions.flat_map(|request| request.scopes).copied().collect();
    let scopes: Vec<&str> = scopes.into_iter().collect();
    let expected = Expected {
        what: For::Workflow(bundle.workflow),
        tenant: bundle.tenant,
        project: bundle.project,
        principal: bundle.principal,
        peer: None,
        epoch: bundle.epoch,
        arguments: None,
        paths: &[],
        hosts: &[],
        scopes: &scopes,
        profile: None,
        policy: None,
    };
    Ok(spend(&verify(&ticket, keyring, &expected, now)?)?)
}

/// The secret without which no process offers action workflows. To be asked for before anything is taken up.
///
/// # Errors
/// [`KeyError`] when there is none or it is shorter than 32 bytes.
pub fn secret_for_actions(secret: Option<&[u8]>) -> Result<Secret, KeyError> {
    Secret::new(secret.ok_or(KeyError::None)?)
}
