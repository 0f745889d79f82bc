//! The hand: everything that acts, in order.
//!
//! A call goes forward through this crate once: a door hands it to the [`Node`], the dispatcher to the [`owner`], the
//! owner through the [`gate`] into a record, and when the record is durable the [`executor`] carries it out; what
//! came of it goes the same way back. [`history`] and [`audit`] read what was recorded. Business meaning is not
//! decided here: that is `engine` and `policy`.

pub mod audit;
pub mod bench;
mod cause;
pub mod change;
mod clock;
pub mod control;
pub mod doctor;
pub mod executor;
pub mod gate;
pub mod history;
mod layout;
mod node;
mod outline;
pub mod owner;
pub mod policy;
pub mod projection;
pub mod record;
pub mod tool;
pub mod workflow;

pub use clock::now;
pub use engine::policy::document;
pub use engine::run::{
    ArtifactRef, Completion, Digest, Ended, Event, Explanation, Fact, Guard, Micros, Outcome,
    RunId, RunState, RunSummary, RunView, StepState, StepView, StoppedBy,
};
pub use journal::{ArtifactError, ArtifactStore, OpenError, Reader};

/// An artifact's digest as the artifact store names it.
#[must_use]
pub fn artifact_digest(digest: Digest) -> journal::Digest {
    journal::Digest::new(digest.0)
}
pub use layout::{Layout, LayoutError, STATE_FOLDER};
pub use node::{Accepted, Adopt, Node, Options, StartError, Submission, Unanswered};
pub use outline::{Outline, OutlineStep};
pub use owner::{Doing, Refusing};
