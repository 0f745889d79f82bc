//! The gate that stands now, for calls that are no steps: merges, tickets, secrets.
//! The owner has its own, which is never older; whoever took a gate from here decides by that one.

use std::sync::{Arc, PoisonError, RwLock};

use engine::policy::Policy;
use engine::run::Digest;

use super::Gate;

/// The gate that stands now.
#[derive(Debug)]
pub(crate) struct Standing(RwLock<Arc<Gate>>);

impl Standing {
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self(RwLock::new(gate))
    }

    pub(crate) fn now(&self) -> Arc<Gate> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on `gate` stands.
    pub(crate) fn put(&self, gate: Arc<Gate>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = gate;
    }
}

impl Gate {
    /// A gate for the same calls under another policy. Attempts that this one gave tickets to may still begin.
    #[must_use]
    pub(crate) fn under(&self, policy: Arc<Policy>) -> Self {
        self.redeemer.accept(Digest(policy.digest()));
        Self {
            project: self.project.clone(),
            state: self.state.clone(),
            startup: self.startup.clone(),
            home: self.home.clone(),
            policy,
            extension: self.extension.clone(),
            catalogue: self.catalogue.clone(),
            schemas: Arc::clone(&self.schemas),
            minter: Arc::clone(&self.minter),
            redeemer: Arc::clone(&self.redeemer),
            book: Arc::clone(&self.book),
            written: Arc::clone(&self.written),
        }
    }
}
