//! The attack program: one attempt to get out of a sandbox, named by the first argument.
//!
//! It prints `ESCAPED <token>` where the token is worth something: what was read outside, or what
//! was written there and will be found. Otherwise it prints `HELD <error>`. It judges nothing:
//! whether a token is the right one, and what was to be expected, is known in `../escapes`.
//! Linked statically and without any crate, so that it runs in every root.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    reason = "an attack breaks rules; what it needs is made by raw system calls"
)]

mod descriptors;
mod filesystem;
mod lifecycle;
mod namespaces;
mod network;
mod raw;
mod resources;
mod ring;
mod secrets;
mod syscalls;
mod tty;
mod victim;

use raw::{Held, Try};

/// An attempt by name. Its arguments are those after the name.
pub type Attempt = (&'static str, fn(&[String]) -> Try);

/// Every attempt, by class.
pub const CLASSES: [&[Attempt]; 9] = [
    descriptors::ATTEMPTS,
    filesystem::ATTEMPTS,
    namespaces::ATTEMPTS,
    syscalls::ATTEMPTS,
    tty::ATTEMPTS,
    network::ATTEMPTS,
    resources::ATTEMPTS,
    lifecycle::ATTEMPTS,
    secrets::ATTEMPTS,
];

#[allow(dead_code, reason = "the test program reads the lists above and never runs this")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = arguments.split_first().expect("the name of an attempt");
    if name == "victim" {
        return victim::run(rest);
    }
    let mut attempts = CLASSES.iter().copied().flatten();
    let (_, attempt) = attempts.find(|(known, _)| known == name).expect("a known attempt");
    match attempt(rest) {
        Ok(token) => println!("ESCAPED {token}"),
        Err(Held(why)) => println!("HELD {why}"),
    }
}
