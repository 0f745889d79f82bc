//! The hand: everything that acts, in order.
//!
//! A call goes forward through this crate once: a door hands it to the [`Node`], the dispatcher to the [`owner`], the
//! owner through the [`gate`] into a record, and when the record is durable the [`executor`] carries it out; what
//! came of it goes the same way back. [`history`] and [`audit`] read what was recorded. Business meaning is not
//! decided here: that is `engine` and `policy`.

pub mod amendment;
pub mod audit;
pub mod bench;
pub mod call;
mod cause;
pub mod change;
mod clock;
pub mod doctor;
pub mod executor;
pub mod extension;
pub mod gate;
pub mod history;
mod layout;
mod node;
mod outline;
pub mod owner;
pub mod peer;
pub mod policy;
pub mod projection;
pub mod record;
pub mod secrecy;
mod state;
mod storage;
pub mod tickets;
pub mod tool;
pub mod workflow;

pub use clock::now;
pub use engine::policy::{document, units};
pub use engine::run::{
    ApprovalId, ApprovalRequest, ArtifactRef, Completion, Digest, Ended, Event, Explanation, Fact,
    Guard, Micros, Outcome, Review, Ruling, RunId, RunState, RunSummary, RunView, StepState,
    StepView, StoppedBy,
};
pub use journal::{ArtifactError, ArtifactStore, OpenError, Reader};

pub use schema;

/// An artifact's digest as the artifact store names it.
#[must_use]
pub fn artifact_digest(digest: Digest) -> journal::Digest {
    journal::Digest::new(digest.0)
}
pub use layout::{Layout, LayoutError, STATE_FOLDER};
pub use node::{Accepted, Adopt, Desk, Node, Options, StartError, Submission, Unanswered};
pub use outline::{Outline, OutlineStep};
pub use owner::{Doing, Refusing, check_key};
pub use storage::Crowded;
