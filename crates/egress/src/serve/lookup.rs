//! Asking for a name's addresses: so many at once, so long each.
//!
//! It checks no address. A look-up that takes too long keeps its place until it returns, because
//! the system's resolver cannot be stopped; when all places are taken, requests are refused.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::wait::{Halt, Stop, bell};
use crate::outside::Outside;

/// Addresses of one name; more than any honest service publishes.
const ADDRESSES: usize = 64;
/// Stack of a look-up's thread: the system's resolver keeps answers on it.
const STACK: usize = 512 * 1024;

/// Why a name has no addresses here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    #[error("too many names are being looked up")]
    Busy,
    #[error("its look-up took too long")]
    Late,
    #[error("its look-up failed: {0}")]
    Failed(io::Error),
    #[error("it has no address")]
    Empty,
    #[error("it has more than {ADDRESSES} addresses")]
    Many,
    #[error("the proxy is ending")]
    Stopped,
}

/// The places for look-ups.
pub(crate) struct Lookups {
    outside: Arc<dyn Outside>,
    busy: Arc<AtomicU32>,
    most: u32,
    time: Duration,
}

/// One place taken, free again when dropped.
struct Place(Arc<AtomicU32>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Lookups {
    pub(crate) fn new(outside: Arc<dyn Outside>, most: u32, time: Duration) -> Self {
        Self { outside, busy: Arc::default(), most, time }
    }

    /// Every address of a name, at least one.
    pub(crate) fn ask(&self, name: &str, stop: &Stop) -> Result<Vec<IpAddr>, LookupError> {
        let place = self.place().ok_or(LookupError::Busy)?;
        let (bell, ear) = bell().map_err(LookupError::Failed)?;
        let answer = Arc::new(Mutex::new(None));
        let (slot, outside, name) = (answer.clone(), self.outside.clone(), name.to_owned());
        let ask = move || {
            let found = outside.resolve(&name);
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            drop(place);
            bell.ring();
        };
        let thread = std::thread::Builder::new().stack_size(STACK).spawn(ask);
        thread.map_err(LookupError::Failed)?;
        match ear.hear(stop, Instant::now() + self.time) {
            Ok(()) => {}
            Err(Halt::Stopped) => return Err(LookupError::Stopped),
            Err(Halt::Late | Halt::Gone) => return Err(LookupError::Late),
        }
        let found = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match found {
            None => Err(LookupError::Late),
            Some(Err(error)) => Err(LookupError::Failed(error)),
            Some(Ok(addresses)) if addresses.is_empty() => Err(LookupError::Empty),
            Some(Ok(addresses)) if addresses.len() > ADDRESSES => Err(LookupError::Many),
            Some(Ok(addresses)) => Ok(addresses),
        }
    }

    fn place(&self) -> Option<Place> {
        let more = |busy| (busy < self.most).then_some(busy + 1);
        self.busy.try_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Place(self.busy.clone()))
    }
}
