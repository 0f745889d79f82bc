//! The seeds of the fuzz targets, replayed by ordinary tests: as they are, cut at every place, and with every byte
//! changed twice. It draws nothing, so the same tests see the same bytes.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a check fails by panicking")]

use std::fs;
use std::path::Path;

/// Shows every seed of a target, and what is near it, to its check; how many inputs that were.
pub(crate) fn replay(target: &str, check: &dyn Fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let entries = fs::read_dir(&folder).expect("the folder of the seeds");
    let mut shown = 0;
    for entry in entries {
        let seed = fs::read(entry.expect("a seed").path()).expect("a readable seed");
        check(&seed);
        for place in 0..seed.len() {
            check(&seed[..place]);
            for change in [0x01, 0x80] {
                let mut changed = seed.clone();
                changed[place] ^= change;
                check(&changed);
            }
        }
        shown += 1 + 3 * seed.len();
    }
    shown
}
