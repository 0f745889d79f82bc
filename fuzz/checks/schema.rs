//! Any JSON as a schema and any as a value: refused with a reason, or checked the same way twice.
//! The first line is the schema. The seeds are replayed by the tests of the crate.

use schema::{ReadLimits, Registry, read};

/// Longer documents are only slower, not different.
const LIMITS: ReadLimits = ReadLimits { bytes: 8 * 1024, depth: 64 };

pub(crate) fn check(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (first, second) = data.split_at(end);
    let Ok(document) = read(first, LIMITS) else { return };
    let registry = Registry::new();
    let compiled = match registry.compile(&document) {
        Ok(compiled) => compiled,
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            return;
        }
    };
    let Ok(value) = read(second, LIMITS) else { return };
    let found = compiled.check(&value);
    assert_eq!(compiled.check(&value), found, "checked otherwise again");
    assert!(found.as_ref().err().is_none_or(|mistakes| !mistakes.is_empty()));
    let filled = compiled.filled(value);
    assert_eq!(compiled.filled(filled.clone()), filled, "defaults were filled in twice");
}
