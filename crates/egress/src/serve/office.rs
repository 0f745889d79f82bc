//! Where requests are decided: the grant, the name's addresses, the budget, and the record.
//!
//! The order is the promise of the proxy: the name is allowed, then resolved, every address is
//! checked, the decision is sent, the supervisor acknowledges it, and only then may the caller
//! dial the addresses it was handed. Nothing is dialled here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::budget::Budget;
use super::lookup::{LookupError, Lookups};
use super::request::{Bad, Wish};
use super::wait::{Bell, Halt, Stop, bell};
use crate::event::{Access, Closed, Decision, Ending, Event, Reason, Verdict};
use crate::grant::Grant;
use crate::host::Host;
use crate::wire::{self, Report};

/// Characters of the explanation in a decision.
const DETAIL: usize = 300;

/// The desk of one proxy.
pub(crate) struct Office {
    grant: Grant,
    budgets: Vec<Budget>,
    lookups: Lookups,
    control: Arc<OwnedFd>,
    writing: Mutex<()>,
    waiting: Mutex<HashMap<u64, Bell>>,
    issued: AtomicU64,
}

/// Why something is refused, for the client and for the record.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) status: u16,
    pub(crate) detail: String,
    pub(crate) hint: &'static str,
    pub(crate) addresses: Vec<IpAddr>,
}

/// A wish that passed every check, before it is on record.
#[derive(Debug)]
pub(crate) struct Permit {
    entry: usize,
    pub(crate) addresses: Vec<IpAddr>,
}

/// An acknowledged decision: the right to dial these addresses.
pub(crate) struct Passage<'a> {
    pub(crate) id: u64,
    pub(crate) budget: &'a Budget,
}

/// Why a permit became no passage.
#[derive(Debug)]
pub(crate) enum NoPassage {
    /// The decision is on its way, and the supervisor did not answer in time.
    Unacknowledged,
    /// No more decisions, or nobody to record them.
    Over,
}

impl Office {
    pub(crate) fn new(grant: Grant, lookups: Lookups, control: Arc<OwnedFd>) -> Self {
        let budgets = grant.entries.iter().map(|entry| Budget::new(entry.bytes)).collect();
        Self {
            grant,
            budgets,
            lookups,
            control,
            writing: Mutex::default(),
            waiting: Mutex::default(),
            issued: AtomicU64::new(0),
        }
    }

    /// Whether all decisions of this proxy have been made.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.issued.load(Ordering::Acquire) >= self.grant.limits.decisions
    }

    /// Checks the name, resolves it, and checks every address it stands for.
    pub(crate) fn check(&self, wish: &Wish, stop: &Stop) -> Result<Permit, Refusal> {
        let entry = self.entry(wish)?;
        let addresses = match &wish.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => {
                self.lookups.ask(name, stop).map_err(|error| unresolved(wish, &error))?
            }
        };
        let forbidden = |address: &IpAddr| {
            self.grant.forbidden(*address, wish.port).map(|class| (*address, class))
        };
        let Some((address, class)) = addresses.iter().find_map(forbidden) else {
            return Ok(Permit { entry, addresses });
        };
        Err(Refusal {
            reason: Reason::Address,
            status: 403,
            detail: format!(
                "`{}` stands for {address} ({class}), which the grant does not open",
                wish.host
            ),
            hint: "a policy opens such addresses by naming them, as in `10.1.2.3:443`",
            addresses,
        })
    }

    /// The first entry that names the wish and has bytes left.
    fn entry(&self, wish: &Wish) -> Result<usize, Refusal> {
        let mut named = None;
        for at in self.grant.entries_for(&wish.host, wish.port) {
            named = Some(at);
            if self.budgets.get(at).is_some_and(|budget| !budget.is_spent()) {
                return Ok(at);
            }
        }
        let Wish { host, port, .. } = wish;
        let (reason, detail, hint) = match named.and_then(|at| self.grant.entries.get(at)) {
            Some(entry) => (
                Reason::Budget,
                format!("the bytes of rule `{}` for `{host}` are used up", entry.name),
                "raise the rule's bytes, or move less",
            ),
            None => (
                Reason::NotGranted,
                format!("no rule grants `{host}` on port {port}"),
                "a policy grants hosts by name, as in `example.com` or `*.example.com:8443`",
            ),
        };
        Err(Refusal { reason, status: 403, detail, hint, addresses: Vec::new() })
    }

    /// Puts an allowed wish on record and waits for the acknowledgement.
    pub(crate) fn record(
        &self,
        wish: &Wish,
        permit: &Permit,
        stop: &Stop,
    ) -> Result<Passage<'_>, NoPassage> {
        let rule = self.grant.entries.get(permit.entry).map(|entry| entry.name.clone());
        let budget = self.budgets.get(permit.entry).ok_or(NoPassage::Over)?;
        let decision = Decision {
            id: 0,
            access: wish.access,
            host: wish.host.to_string(),
            port: wish.port,
            verdict: Verdict::Allow,
            rule,
            reason: Reason::Granted,
            detail: String::new(),
            addresses: permit.addresses.clone(),
            address: permit.addresses.first().copied(),
        };
        let (bell, ear) = bell().map_err(|_| NoPassage::Over)?;
        let id = self.issue(decision, Some(bell)).map_err(|_| NoPassage::Over)?;
        let heard = ear.hear(stop, Instant::now() + self.grant.limits.acknowledge_time);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let why = match heard {
            Ok(()) => return Ok(Passage { id, budget }),
            Err(Halt::Late) => Ending::Unacknowledged,
            Err(Halt::Stopped | Halt::Gone) => Ending::Stopped,
        };
        self.close(Closed { id, address: None, sent: 0, received: 0, why });
        if why == Ending::Unacknowledged {
            Err(NoPassage::Unacknowledged)
        } else {
            Err(NoPassage::Over)
        }
    }

    /// Puts a refusal on record. An error means that nobody reads the record any more.
    pub(crate) fn deny(&self, wish: Option<&Wish>, refusal: &Refusal) -> Result<(), Halt> {
        let decision = Decision {
            id: 0,
            access: wish.map_or(Access::Unknown, |wish| wish.access),
            host: wish.map(|wish| wish.host.to_string()).unwrap_or_default(),
            port: wish.map_or(0, |wish| wish.port),
            verdict: Verdict::Deny,
            rule: None,
            reason: refusal.reason,
            detail: refusal.detail.chars().filter(|c| !c.is_control()).take(DETAIL).collect(),
            addresses: refusal.addresses.clone(),
            address: None,
        };
        self.issue(decision, None).map(|_| ())
    }

    /// Puts the end of an allowed connection on record.
    pub(crate) fn close(&self, closed: Closed) {
        // When nobody reads any more, there is nobody to tell.
        let _ = self.send(&Report::Event(Event::Closed(closed)));
    }

    /// Says that the proxy accepts connections.
    pub(crate) fn ready(&self) -> Result<(), Halt> {
        self.send(&Report::Ready { version: wire::VERSION })
    }

    /// The supervisor has put a decision on record. An error is an id that was never issued.
    pub(crate) fn acknowledge(&self, id: u64) -> Result<(), ()> {
        let bell = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        match bell {
            Some(bell) => bell.ring(),
            // One that comes too late, after its connection was given up, is no offence.
            None if (1..=self.issued.load(Ordering::Acquire)).contains(&id) => {}
            None => return Err(()),
        }
        Ok(())
    }

    /// Numbers and sends a decision, both under one lock, so that they leave in order. The last
    /// number there is says that it is the last.
    fn issue(&self, mut decision: Decision, bell: Option<Bell>) -> Result<u64, Halt> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let most = self.grant.limits.decisions;
        let next = |issued| (issued < most).then_some(issued + 1);
        let id = self
            .issued
            .try_update(Ordering::AcqRel, Ordering::Acquire, next)
            .map_err(|_| Halt::Gone)?
            .saturating_add(1);
        decision.id = id;
        if id == most {
            decision.verdict = Verdict::Deny;
            decision.rule = None;
            decision.reason = Reason::Limit;
            decision.detail = format!("the last of {most} decisions of this proxy");
            decision.address = None;
            self.send_alone(&Report::Event(Event::Decision(decision)))?;
            return Err(Halt::Gone);
        }
        if let Some(bell) = bell {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, bell);
        }
        self.send_alone(&Report::Event(Event::Decision(decision)))?;
        Ok(id)
    }

    fn send(&self, report: &Report) -> Result<(), Halt> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.send_alone(report)
    }

    /// Sends while the caller holds `writing`.
    fn send_alone(&self, report: &Report) -> Result<(), Halt> {
        wire::send(&self.control, report).map_err(|_| Halt::Gone)
    }
}

fn unresolved(wish: &Wish, error: &LookupError) -> Refusal {
    let (reason, status) = match error {
        LookupError::Busy => (Reason::Limit, 503),
        LookupError::Late => (Reason::Unresolved, 504),
        _ => (Reason::Unresolved, 502),
    };
    Refusal {
        reason,
        status,
        detail: format!("`{}` cannot be resolved: {error}", wish.host),
        hint: "the host is granted; look whether its name is right and the machine can resolve it",
        addresses: Vec::new(),
    }
}

impl From<Bad> for Refusal {
    fn from(bad: Bad) -> Self {
        let Bad { reason, status, detail, hint, .. } = bad;
        Self { reason, status, detail, hint, addresses: Vec::new() }
    }
}
