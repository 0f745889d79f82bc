//! The published page of flags says what the table says.
//! What the table says of single names is tested beside it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

use std::fs;
use std::path::Path;

use workspace::flags_page;

#[test]
fn the_page_of_flags_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/flags.md");
    let page = flags_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(checked_in == page, "set UPDATE_DOCS=1 to rewrite docs/flags.md");
}
