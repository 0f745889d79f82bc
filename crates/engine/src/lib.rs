//! The pure heart of Palisade: what a workflow means and what a run does next.
//!
//! Everything here is a function of its arguments. There is no I/O, no clock, no randomness, no
//! thread and no async runtime: time, identifiers and jitter come in as values, decisions go out
//! as events. That is what makes a run replayable and the simulator possible. It also runs
//! nothing and stores nothing; `runner` does the first and `journal` the second.
//!
//! - [`expression`]: the language of `${{ … }}`.
//! - [`workflow`]: documents, checked at load, and the concrete call of a step.
//! - [`run`]: the state machines of runs, steps and attempts.
//! - [`policy`]: the decisions crate, handed on so that the layers above see one version of it.

pub mod expression;
pub mod run;
pub mod workflow;

pub use policy;
