//! Tools that test the other crates: a simulated disk and a seeded simulator.
//!
//! Nothing in the product depends on this crate. `disk` gives SQLite a disk that forgets what
//! was not synced; `draw` is the one source of randomness; `simulator` drives the real journal,
//! engine and runner through crashes in virtual time and judges what is left. `install` fetches
//! programs that a fresh machine does not have.
//! A run is decided by its seed alone: no clock, no threads, no operating-system randomness.

pub mod disk;
pub mod draw;
pub mod install;
pub mod simulator;
