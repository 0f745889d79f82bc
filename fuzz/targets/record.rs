//! Any bytes as the header of a record: refused, or exactly the bytes that it would be written as.
//! A header has one encoding, so there is nothing between the two.
#![no_main]
#![allow(dead_code, unused_imports, reason = "files of another crate, of which a part is used")]

#[path = "../../crates/journal/src/digest.rs"]
mod digest;
#[path = "../../crates/journal/src/record/mod.rs"]
mod record;

use libfuzzer_sys::fuzz_target;
use record::Header;

fuzz_target!(|data: &[u8]| {
    if let Ok(header) = Header::decode(data) {
        assert_eq!(header.encode(), data, "two spellings of one header");
    }
});
