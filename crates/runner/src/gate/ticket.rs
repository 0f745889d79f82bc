//! The ticket between decision and effect: every admitted call gets one, and nothing is carried out without.
//!
//! The gate mints it under a secret drawn when the process starts, bound to the tool, the arguments, the policy, the
//! attempt and everything its sandbox is given. The executor redeems it against what really would run, and only that
//! makes a [`Permit`], which every driver asks for. No ticket of an earlier process is valid. Tickets that people
//! hand in are `presented`'s.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::ticket::{
    Audience, Claims, Expected, For, Id, Key, Keyring, LIFE_TOOL, Refused, SKEW, Secret, Signer,
    Ticket, Time, Window,
};
use engine::run::{Digest, Fence, Micros, RunId};
use engine::workflow::StepIndex;
use sandbox::SecretFile;

use super::Admitted;
use super::bound::{self, Disagreement};
use crate::executor::{Deed, Fast, Job, Program, Work};
use crate::node::log;
use crate::record;
use crate::secrecy::Cover;

/// Mints the tickets of one process.
#[derive(Debug)]
pub(super) struct Minter {
    signer: Signer,
    nonce: AtomicU64,
}

/// Redeems the tickets of one process, each once.
#[derive(Debug)]
pub(crate) struct Redeemer {
    keyring: Keyring,
    /// The policy in force, and the one before it: what was decided under that may still begin.
    policies: Mutex<(Digest, Option<Digest>)>,
    /// Every ticket is for one use and jobs begin in the order they were decided, so the nonces are all there is to
    /// remember.
    seen: Mutex<Window>,
}

/// An attempt, as it is known once its lease is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    pub(crate) run: RunId,
    pub(crate) step: StepIndex,
    pub(crate) fence: Fence,
}

impl Lease {
    /// The attempt's name in a ticket.
    fn peer(&self) -> String {
        format!("{}/{}/{}", self.run, self.step.0, self.fence)
    }
}

/// Why an attempt does not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unpermitted {
    /// Its ticket does not cover it.
    #[error("its ticket does not cover it")]
    Refused(#[from] Refused),
    /// Its ticket was used.
    #[error("its ticket was used already")]
    Used,
    /// It would do something else than was decided.
    #[error("it is not what was decided")]
    Changed(#[from] Disagreement),
}

/// Both ends of a process's tickets, under a secret that nobody else has.
pub(super) fn pair(secret: &[u8; 32], policy: Digest) -> Result<(Minter, Redeemer), String> {
    let secret = Secret::new(secret).map_err(|error| error.to_string())?;
    let keyring = Keyring::new(vec![Key::Secret(secret.clone())]);
    let keyring = keyring.map_err(|error| error.to_string())?;
    let minter = Minter { signer: Signer::Secret(secret), nonce: AtomicU64::new(1) };
    let policies = Mutex::new((policy, None));
    Ok((minter, Redeemer { keyring, policies, seen: Mutex::default() }))
}

impl Minter {
    /// The ticket of an attempt at what was admitted.
    ///
    /// # Errors
    /// When the claims cannot be signed, in words; then nothing may run.
    pub(super) fn mint(
        &self,
        admitted: &Admitted,
        lease: Lease,
        (work, policy): (&Work, Digest),
        now: Micros,
    ) -> Result<Ticket, String> {
        let nonce = self.nonce.fetch_add(1, Ordering::Relaxed);
        let mut id = [0; 16];
        id.iter_mut().zip(nonce.to_be_bytes()).for_each(|(slot, byte)| *slot = byte);
        let log = log();
        let claims = Claims {
            id: Id(id),
            tenant: log.tenant(),
            project: None,
            principal: record::NODE_PRINCIPAL,
            peer: Some(&lease.peer()),
            audience: Audience::Tools(vec![&admitted.tool]),
            arguments: Some(admitted.digest.0),
            paths: None,
            hosts: None,
            scopes: Vec::new(),
            profile: Some(bound::digest(work)),
            policy: Some(policy.0),
            // Between decision and effect this machine's clock may be set back.
            not_before: Time(time(now).0.saturating_sub(micros(SKEW))),
            expires: time(now).after(LIFE_TOOL),
            uses: 1,
            nonce,
            epoch: 0,
        };
        ticket::mint(claims, &self.signer).map_err(|error| error.to_string())
    }
}

impl Redeemer {
    /// From now on tickets are also good where they were given under `policy`; those of the policy before the one in
    /// force are not any more.
    pub(super) fn accept(&self, policy: Digest) {
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        *policies = (policy, Some(policies.0));
    }

    /// Holds a job's ticket against what the job would really do, and takes its use.
    ///
    /// # Errors
    /// [`Unpermitted`]; then the job must not begin, and its ticket is as it was.
    pub(crate) fn redeem(&self, job: Job, now: Micros) -> Result<Permit, Unpermitted> {
        let lease = Lease { run: job.run, step: job.step, fence: job.fence };
        let asked = bound::asked(&job.work);
        let (log, peer) = (log(), lease.peer());
        let (newest, before) = *self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = |policy: Digest| Expected {
            what: For::Tool(asked.map_or("", |(tool, _)| tool)),
            tenant: log.tenant(),
            project: None,
            principal: record::NODE_PRINCIPAL,
            peer: Some(&peer),
            epoch: 0,
            arguments: asked.map(|(tool, arguments)| super::digest(tool, arguments).0),
            paths: &[],
            hosts: &[],
            scopes: &[],
            profile: Some(bound::digest(&job.work)),
            policy: Some(policy.0),
        };
        let verify =
            |policy| ticket::verify(&job.ticket, &self.keyring, &expected(policy), time(now));
        let verified = match (verify(newest), before) {
            (Err(_), Some(before)) => verify(before)?,
            (verified, _) => verified?,
        };
        bound::agrees(&job.work)?;
        let nonce = verified.claims().nonce;
        if !self.seen.lock().unwrap_or_else(PoisonError::into_inner).accept(nonce) {
            return Err(Unpermitted::Used);
        }
        Ok(Permit(job))
    }
}

/// The right to carry out one attempt, exactly as it was decided. Only redeeming its ticket makes one.
#[derive(Debug)]
pub(crate) struct Permit(Job);

impl Permit {
    pub(crate) fn job(&self) -> &Job {
        &self.0
    }

    /// Runs a program on no older generation of Landlock than `floor`, which only tightens.
    pub(crate) fn with_landlock_floor(mut self, floor: u32) -> Self {
        if let Work::Program(program) = &mut self.0.work {
            program.spec.landlock_floor = program.spec.landlock_floor.max(Some(floor));
        }
        self
    }

    /// Fills in the contents of the secrets that the attempt was decided to have, by name.
    pub(crate) fn with_secrets(mut self, files: Vec<SecretFile>) -> Self {
        if let Work::Program(program) = &mut self.0.work {
            program.spec.secrets = files;
        }
        self
    }

    /// Takes out of what goes in what the decision wants taken out, and adds nothing.
    pub(crate) fn covered(mut self, cover: &Cover) -> Self {
        match &mut self.0.work {
            Work::Program(program) => cover.input(&mut program.spec),
            Work::Fast(fast) => fast.arguments = cover.arguments(&fast.arguments),
            Work::Deed(_) | Work::Nothing => {}
        }
        self
    }

    /// What may be done.
    pub(crate) fn allows(&self) -> Allows<'_> {
        match &self.0.work {
            Work::Program(program) => Allows::Program(Permitted { job: &self.0, what: program }),
            Work::Fast(fast) => Allows::Fast(Permitted { job: &self.0, what: fast }),
            Work::Deed(deed) => Allows::Deed(Permitted { job: &self.0, what: deed }),
            Work::Nothing => Allows::Nothing,
        }
    }
}

/// What a permit is for.
pub(crate) enum Allows<'a> {
    /// Running this program.
    Program(Permitted<'a, Program>),
    /// Answering this read-only call.
    Fast(Permitted<'a, Fast>),
    /// Doing this in the node's own process.
    Deed(Permitted<'a, Deed>),
    /// Nothing at all.
    Nothing,
}

/// One thing that may be done, for the driver that does it.
#[derive(Debug)]
pub(crate) struct Permitted<'a, T> {
    job: &'a Job,
    what: &'a T,
}

// Not derived: a permitted thing can be handed on whether or not the thing itself can be copied.
impl<T> Clone for Permitted<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Permitted<'_, T> {}

impl<'a, T> Permitted<'a, T> {
    pub(crate) fn job(&self) -> &'a Job {
        self.job
    }

    pub(crate) fn what(&self) -> &'a T {
        self.what
    }
}

pub(super) fn time(now: Micros) -> Time {
    Time(u64::try_from(now.0).unwrap_or(0))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
