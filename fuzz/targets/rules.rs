//! Any text as a file of redaction rules; what is required is in `checks/rules.rs`.
//! The built-in rules are not among them, and no text is searched.
#![no_main]
#![allow(dead_code, reason = "files of another crate, of which a part is used")]

#[path = "../../crates/redaction/src/pattern/pack.rs"]
mod pack;
#[path = "../../crates/redaction/src/pattern/rule.rs"]
mod rule;
#[path = "../checks/rules.rs"]
mod rules;

fn read(text: &str) -> Result<(), String> {
    pack::given("rules.toml", text).map(drop).map_err(|error| error.to_string())
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| rules::check(data, &read));
