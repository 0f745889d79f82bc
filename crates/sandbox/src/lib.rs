//! `Spec → Child → Outcome`: one program in a sandbox of its own, and the proof of what held it.
//!
//! The local driver: namespaces, a read-only root, an overlay over the project, no capabilities,
//! Landlock, a seccomp allowlist, limits. No helper programs; works as root and as an ordinary
//! user; where a layer is missing it refuses and says what to do, and never falls back to less.
//! It knows nothing of policy or runs: who may run what is decided before a spec exists.
//!
//! The way through: `spec` (what is wanted) → `check` → `plan` (everything prepared) → `launch`
//! (clone and listen) → `inside` (the steps in order) → `wait` → `outcome`. `sys` is the only
//! unsafe code.

#[macro_use]
mod wall;

pub mod artifacts;
pub mod blocked;
mod capture;
mod check;
mod child;
pub mod container;
mod driver;
mod epoch;
mod freeze;
mod host;
mod inside;
mod launch;
mod layer;
mod limits;
mod outcome;
mod plan;
mod pool;
pub mod probe;
mod profile;
pub mod receipt;
mod refusal;
pub mod seccomp;
mod spec;
pub mod surroundings;
mod sys;
mod template;
mod wait;
#[cfg(weaken)]
pub mod weaken;
mod wires;

pub use artifacts::{Artifact, SkipReason, Skipped};
pub use blocked::Blocked;
pub use capture::Stream;
pub use check::{ENTRIES_MAX, FILES_MAX, STDIN_BYTES_MAX, SpecError};
pub use child::{Canceller, Child, DEATH_MAX};
pub use driver::{Driver, Enforcement, Gap, GapName};
pub use freeze::{FREEZE_MAX, FreezeError, Freezer};
pub use host::Host;
pub use inside::proof::Check;
pub use launch::{LaunchError, SET_UP_MAX, launch, launch_on};
pub use layer::Layer;
pub use limits::{LimitError, LimitInForce, Mechanism, SWEEP_MAX, Swept};
pub use outcome::{Captured, End, Layers, Outcome, Usage};
pub use pool::{Pool, PoolCounts, PoolSize, SLOTS_MAX};
pub use probe::{LayerStatus, Probe, probe};
pub use profile::Profile;
pub use receipt::Receipt;
pub use refusal::Refusal;
pub use spec::{
    Access, HANDED_MAX, HOME, Limits, Mount, Network, PATH, PROXY_PORT, SECRET_BYTES_MAX, SECRETS,
    SECRETS_MAX, SecretFile, Spec, WORKSPACE, Workspace,
};
pub use sys::handed::handed;
pub use template::Template;

/// Takes away what supervisors that no longer live have left on this host: groups, and whatever
/// still runs in them. Those of a living supervisor are never touched. Blocks while what was killed
/// dies, at most [`SWEEP_MAX`] per group; usually there is nothing to do.
pub fn sweep() -> Swept {
    let freezing = limits::Place::discover();
    let frozen = freezing.as_ref().map(limits::Place::folder);
    limits::sweep(Host::current().cgroups.folders().into_iter().chain(frozen))
}
