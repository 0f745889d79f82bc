//! Any bytes as the answer of a policy extension; what is required is in `checks/answer.rs`.
//! No program is run.
#![no_main]

#[path = "../checks/answer.rs"]
mod answer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| answer::check(data));
