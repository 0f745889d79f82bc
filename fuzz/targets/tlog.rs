//! Any text as a checkpoint, a key or a proof; what is required is in `checks/tlog.rs`.
//! No file is read.
#![no_main]
#![allow(dead_code, unused_imports, reason = "files of another crate, of which a part is used")]

#[path = "../../crates/journal/src/digest.rs"]
mod digest;
#[path = "../../crates/journal/src/tlog/evidence.rs"]
mod evidence;
#[path = "../../crates/journal/src/tlog/head.rs"]
mod head;
#[path = "../../crates/journal/src/tlog/note.rs"]
mod note;
#[path = "../../crates/journal/src/tlog/proof.rs"]
mod proof;
#[path = "../../crates/journal/src/record/mod.rs"]
mod record;
#[path = "../checks/tlog.rs"]
mod tlog;
#[path = "../../crates/journal/src/tlog/tree.rs"]
mod tree;

use evidence::{verified, verify_proof};
use head::TreeHead;
use note::{Note, VerifierKey};

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlog::check(data));
