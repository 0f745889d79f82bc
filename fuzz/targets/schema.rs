//! Any JSON as a schema and a value; what is required is in `checks/schema.rs`.
//! Nothing is fetched.
#![no_main]

#[path = "../checks/schema.rs"]
mod schema_check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| schema_check::check(data));
