//! What was used of tickets: counts, nonces seen, single tickets revoked. Safe to be asked by many threads at once.
//!
//! A use is taken in one step under one lock, and only when everything allows it; a refusal changes nothing. Entries
//! live as long as their ticket and are never thrown out before; when there is no room, new tickets are refused.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::claims::{Expiry, Id, Time};
use crate::key::KeyId;
use crate::verify::Verified;
use crate::window::Window;

/// Windows of nonces that are kept without looking whether they are still of use.
const WINDOWS_KEPT: usize = 64;

/// Why a ticket that covers a call is not good for it any more. Nothing was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Spent {
    /// Somebody revoked it, or one it was narrowed from.
    #[error("the ticket was revoked")]
    Revoked,
    /// As often as it may be, it was used.
    #[error("the ticket has no uses left")]
    Exhausted,
    /// Its nonce was seen with another ticket, or is too far behind the newest.
    #[error("the ticket's nonce was used before, or 128 newer tickets of its issuer were")]
    Replayed,
    /// It expired between the check and the use.
    #[error("the ticket expired before it was used")]
    Expired,
    /// There are more tickets alive than are kept.
    #[error("too many tickets are in use at once")]
    Full,
}

impl Spent {
    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Revoked | Self::Exhausted | Self::Replayed | Self::Expired => "mint a new ticket",
            Self::Full => "wait until tickets in use expire, or give them shorter lives",
        }
    }
}

/// A use that was taken: what has to be kept for it to stay taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeemed {
    /// The ticket, and every one it was narrowed from, each with the uses it has had, this one included.
    pub uses: Vec<Used>,
    /// Uses left of the ticket itself.
    pub left: u16,
    /// The nonces seen of its issuer for its principal.
    pub window: Window,
}

/// How often one ticket was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Which.
    pub id: Id,
    /// How often.
    pub count: u16,
    /// From when on that does not matter any more.
    pub dead: Expiry,
}

/// What was used of the tickets that are alive.
#[derive(Debug)]
pub struct Uses {
    state: Mutex<State>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    counts: HashMap<Id, Used>,
    revoked: HashMap<Id, Expiry>,
    /// Everything above, the first to expire first.
    order: BTreeSet<(Expiry, Id)>,
    /// By issuer and principal, with when the last ticket in it expires.
    windows: HashMap<KeyId, HashMap<Box<str>, (Window, Expiry)>>,
    /// How many of them there are.
    window_count: usize,
    /// How many there may be before those of no use are let go of.
    window_room: usize,
    /// The latest time anybody named.
    latest: Time,
}

impl Uses {
    /// Nothing used yet; at most `capacity` tickets alive at once.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let state = State { latest: Time(0), ..State::default() };
        Self { state: Mutex::new(state), capacity }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made after the last check that can fail, so a panic elsewhere leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one use of a ticket that was found to cover a call at `now`.
    ///
    /// # Errors
    /// [`Spent`]; then nothing changed.
    pub fn redeem(&self, verified: &Verified<'_>, now: Time) -> Result<Redeemed, Spent> {
        self.state().take(verified, now, self.capacity)
    }

    /// Takes one use of each, or of none. No two may be one grant: of one key and with one nonce.
    ///
    /// # Errors
    /// [`Spent`] with the place of the first that has none; then nothing changed.
    pub fn redeem_all(
        &self,
        all: &[Verified<'_>],
        now: Time,
    ) -> Result<Vec<Redeemed>, (usize, Spent)> {
        let mut state = self.state();
        let mut room = self.capacity;
        for (place, verified) in all.iter().enumerate() {
            state.admit(verified, now, room).map_err(|why| (place, why))?;
            room = room.saturating_sub(verified.chain().count());
        }
        // In the order of their nonces none leaves the window because of another.
        let mut order: Vec<(usize, &Verified<'_>)> = all.iter().enumerate().collect();
        order.sort_by_key(|(_, verified)| verified.claims().nonce);
        let mut redeemed = Vec::with_capacity(all.len());
        for (place, verified) in order {
            let taken = state.take(verified, now, self.capacity).map_err(|why| (place, why))?;
            redeemed.push((place, taken));
        }
        redeemed.sort_by_key(|(place, _)| *place);
        Ok(redeemed.into_iter().map(|(_, taken)| taken).collect())
    }

    /// Whether a use could be taken now.
    ///
    /// # Errors
    /// As [`Uses::redeem`].
    pub fn peek(&self, verified: &Verified<'_>, now: Time) -> Result<(), Spent> {
        self.state().admit(verified, now, self.capacity).map(drop)
    }

    /// Revokes one ticket, and with it every one narrowed from it, until `dead`, when it is over anyway.
    ///
    /// # Errors
    /// [`Spent::Full`] when there is no room to remember it; then the tenant's epoch has to be raised.
    pub fn revoke(&self, id: Id, dead: Expiry) -> Result<(), Spent> {
        let mut state = self.state();
        if state.order.len() >= self.capacity && !state.revoked.contains_key(&id) {
            return Err(Spent::Full);
        }
        let dead = state.revoked.get(&id).map_or(dead, |before| dead.max(*before));
        state.revoked.insert(id, dead);
        state.order.insert((dead, id));
        Ok(())
    }

    /// Brings back what was used before this process. Kept even beyond the capacity: forgetting would give uses back.
    pub fn restore(&self, used: Used) {
        let mut state = self.state();
        let before = state.counts.get(&used.id).map_or(0, |before| before.count);
        let used = Used { count: used.count.max(before), ..used };
        state.counts.insert(used.id, used);
        state.order.insert((used.dead, used.id));
    }

    /// Brings back what was revoked before this process, also beyond the capacity.
    pub fn restore_revoked(&self, id: Id, dead: Expiry) {
        let mut state = self.state();
        state.revoked.insert(id, dead);
        state.order.insert((dead, id));
    }

    /// Brings back the nonces seen before this process.
    pub fn restore_window(&self, key: KeyId, principal: &str, window: Window, dead: Expiry) {
        let mut state = self.state();
        let before = state.windows.entry(key).or_default().insert(principal.into(), (window, dead));
        state.window_count += usize::from(before.is_none());
    }

    /// How many windows of nonces are remembered: at most twice as many as belong to tickets that live, and a few.
    #[must_use]
    pub fn windows(&self) -> usize {
        self.state().window_count
    }

    /// How many tickets are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().order.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl State {
    /// Whether a use can be taken, and whether it is the first of its ticket.
    fn admit(
        &mut self,
        verified: &Verified<'_>,
        now: Time,
        capacity: usize,
    ) -> Result<bool, Spent> {
        self.latest = self.latest.max(now);
        self.forget_dead();
        // A use taken after its entry is gone would start a new count.
        if verified.claims().dead() <= Expiry(self.latest) {
            return Err(Spent::Expired);
        }
        let (mut fresh, mut first) = (0, true);
        for (place, link) in verified.chain().enumerate() {
            if self.revoked.contains_key(&link.id) {
                return Err(Spent::Revoked);
            }
            match self.counts.get(&link.id) {
                Some(used) if used.count >= link.most => return Err(Spent::Exhausted),
                Some(_) => first &= place != 0,
                None => fresh += 1,
            }
        }
        let claims = verified.claims();
        if first {
            let window = self.windows.get(&verified.key()).and_then(|of| of.get(claims.principal));
            if !window.is_none_or(|(window, _)| window.is_new(claims.nonce)) {
                return Err(Spent::Replayed);
            }
        }
        if self.order.len() + fresh > capacity {
            return Err(Spent::Full);
        }
        Ok(first)
    }

    fn take(
        &mut self,
        verified: &Verified<'_>,
        now: Time,
        capacity: usize,
    ) -> Result<Redeemed, Spent> {
        let first = self.admit(verified, now, capacity)?;
        let mut uses = Vec::with_capacity(1);
        let (mut left, mut dead) = (0, verified.claims().dead());
        for link in verified.chain() {
            let fresh = Used { id: link.id, count: 0, dead: link.dead };
            let used = self.counts.entry(link.id).or_insert(fresh);
            used.count = used.count.saturating_add(1);
            left = link.most.saturating_sub(used.count);
            dead = dead.max(link.dead);
            uses.push(*used);
        }
        for used in &uses {
            self.order.insert((used.dead, used.id));
        }
        let window = self.saw(verified, first, dead);
        Ok(Redeemed { uses, left, window })
    }

    /// Notes the nonce of a ticket's first use; what was seen of its issuer's.
    fn saw(&mut self, verified: &Verified<'_>, first: bool, dead: Expiry) -> Window {
        let (claims, now) = (verified.claims(), Expiry(self.latest));
        let known = self.windows.get(&verified.key());
        if !known.is_some_and(|of| of.contains_key(claims.principal)) {
            self.forget_windows(now);
            self.window_count += 1;
        }
        let of = self.windows.entry(verified.key()).or_default();
        let (window, until) =
            of.entry(claims.principal.into()).or_insert((Window::default(), dead));
        if first {
            window.accept(claims.nonce);
        }
        *until = (*until).max(dead);
        *window
    }

    /// Lets go of windows of which no ticket could be used any more, once there are twice as many as the last time.
    fn forget_windows(&mut self, now: Expiry) {
        if self.window_count < self.window_room.max(WINDOWS_KEPT) {
            return;
        }
        self.windows.retain(|_, of| {
            of.retain(|_, (_, until)| *until > now);
            !of.is_empty()
        });
        self.window_count = self.windows.values().map(HashMap::len).sum();
        self.window_room = self.window_count.saturating_mul(2);
    }

    /// Lets go of tickets that nobody accepts any more.
    fn forget_dead(&mut self) {
        let now = Expiry(self.latest);
        while let Some((dead, id)) = self.order.first().copied()
            && dead <= now
        {
            self.order.pop_first();
            if self.counts.get(&id).is_some_and(|used| used.dead <= now) {
                self.counts.remove(&id);
            }
            if self.revoked.get(&id).is_some_and(|until| *until <= now) {
                self.revoked.remove(&id);
            }
        }
    }
}
