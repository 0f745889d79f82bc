//! Runs: a pure state machine over events.
//!
//! `decide(state, command, now)` gives events or a rejection, `State::apply` folds an event. There
//! is no I/O, clock, randomness or thread here: times, ids, entropy, decisions and results come in
//! as values. The loop that drives it asks [`State::next`], evaluates and asks the gate, makes the
//! events of the answer durable and applies them.
//!
//! Start reading at `command`, then `decide`; data is in `progress`; what follows from an ended
//! step in `settle` and `shift`; order and holds in `schedule`.

mod agenda;
mod apply;
mod approval;
mod audit;
mod backoff;
mod cancel;
mod command;
mod completion;
mod decide;
mod digest;
mod event;
mod explain;
mod facts;
mod fence;
mod id;
mod plan;
mod progress;
mod report;
mod retry;
mod review;
mod schedule;
mod settle;
mod shift;
mod state;
mod time;
mod view;

pub use apply::{ApplyError, LEASE_GRACE_US};
pub use approval::{ApprovalRequest, Review, Reviewer, Subject, Terms, Unfit, Vote};
pub use audit::Drift;
pub use backoff::backoff_us;
pub use cancel::CANCEL_GRACE_US;
pub use command::{Command, Refusal, Rejection, Ruling, Scope};
pub use completion::{
    ArtifactRef, Completion, Ended, Failure, Grant, Guard, Outcome, StoppedBy, StreamRef, Usage,
};
pub use decide::decide;
pub use digest::{Digest, DigestError};
pub use event::{Event, Fact, Loss, RunEnd, SkipReason, Submission, Verdict};
pub use explain::{Explanation, Waiting};
pub use fence::{Fence, FenceError};
pub use id::{ApprovalId, ApprovalIdError, RunId, RunIdError};
pub use plan::{Gate, Node, Outputs, Plan, Repeat, Severity, Stage};
pub use progress::{
    Cancellation, Conclusion, Lease, Note, Phase, Run, RunState, Step, Trail, Wait,
};
pub use report::LOSSES_MAX;
pub use schedule::{Claim, Hold, Work};
pub use state::State;
pub use time::Micros;
pub use view::{RunSummary, RunView, StepCounts, StepState, StepView};
