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

pub mod artifacts;
pub mod blocked;
mod capture;
mod check;
mod child;
mod host;
mod inside;
mod launch;
mod layer;
mod limits;
mod outcome;
mod plan;
pub mod probe;
mod profile;
pub mod receipt;
mod refusal;
pub mod seccomp;
mod spec;
mod sys;
mod wait;
mod wires;

pub use artifacts::{Artifact, Change, ChangeKind, SkipReason, Skipped};
pub use blocked::Blocked;
pub use capture::Stream;
pub use check::{ENTRIES_MAX, FILES_MAX, STDIN_BYTES_MAX, SpecError};
pub use child::{Canceller, Child, DEATH_MAX};
pub use host::Host;
pub use inside::proof::Check;
pub use launch::{LaunchError, SET_UP_MAX, launch, launch_on};
pub use layer::Layer;
pub use limits::{LimitError, LimitInForce, Mechanism};
pub use outcome::{Captured, End, Layers, Outcome, Usage};
pub use probe::{LayerStatus, Probe, probe};
pub use profile::Profile;
pub use receipt::Receipt;
pub use refusal::Refusal;
pub use spec::{
    Access, HANDED_MAX, HOME, Limits, Mount, Network, PATH, Spec, WORKSPACE, Workspace,
};
