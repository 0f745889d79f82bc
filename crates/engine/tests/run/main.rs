//! Tests of the run engine as its users see it: commands in, events out, questions in between.
//!
//! `world` drives an engine in virtual time, `checker` judges its history by the events alone.
//! Not here: the workflow language and real executors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

mod checker;
mod dag;
mod graph;
mod json;
mod lease;
mod moves;
mod property;
mod review;
mod scale;
mod stop;
mod transitions;
mod world;
