//! The first bytes of a TLS client, and any text as a host: read or refused, never both ways.
//!
//! A greeting cut anywhere is either still wanting or refused, and a host that is read is read the same
//! from its own spelling.
#![no_main]
#![allow(dead_code, reason = "files of another crate, of which a part is used")]

#[path = "../../crates/egress/src/hello.rs"]
mod hello;
#[path = "../../crates/egress/src/host.rs"]
mod host;

use host::Host;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(Some(whole)) = hello::read(data) {
        let more: Vec<u8> = data.iter().copied().chain([0; 7]).collect();
        assert_eq!(hello::read(&more), Ok(Some(whole)), "bytes behind a greeting were looked at");
    }
    let half = data.get(..data.len() / 2).unwrap_or_default();
    if let Ok(None) = hello::read(data) {
        assert_eq!(hello::read(half), Ok(None), "less of a good beginning is no longer one");
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(read) = Host::parse(text) {
        let again = match &read {
            Host::Name(name) => Host::parse(name),
            Host::Address(address) => Host::parse(&address.to_string()),
        };
        assert_eq!(again, Ok(read));
    }
    if let Ok((name, _)) = host::split_port(text) {
        assert!(text.contains(name));
    }
});
