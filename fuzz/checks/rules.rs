//! Any text as a file of redaction rules, in the form gitleaks reads: refused with a reason, or compiled.
//! Whoever includes this says what reading is. The seeds are replayed by the tests of the crate.

/// Longer files are only slower, not different.
const TEXT_MAX: usize = 8 * 1024;

pub(crate) fn check(data: &[u8], read: &dyn Fn(&str) -> Result<(), String>) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > TEXT_MAX {
        return;
    }
    if let Err(why) = read(text) {
        assert!(why.contains("rules.toml") || why.contains("more than"), "{why}");
    }
}
