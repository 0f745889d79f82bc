//! Tiles and entry bundles of C2SP (`c2sp.org/tlog-tiles`): their names and their bytes.
//!
//! A tile is 256 hashes side by side at one height, a bundle the 256 entries below a lowest tile. The
//! last of each is partial and has its width in its name. Files are for `shelf`.

use crate::digest::Digest;

/// Leaves below a lowest tile, and hashes in any full tile.
pub(super) const TILE_WIDTH: u64 = 256;

/// Levels of the tree that one tile spans.
pub(super) const TILE_HEIGHT: u8 = 8;

/// What a file of the layout holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Hashes, at this level of tiles.
    Hashes(u8),
    /// Entries.
    Entries,
}

/// The place of a tile or a bundle in the tree of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tile {
    pub(super) kind: Kind,
    pub(super) index: u64,
    /// 1 to 256; less than 256 only for the last one.
    pub(super) width: u64,
}

impl Kind {
    /// How many hashes or entries a tree of `size` leaves has at this level.
    pub(super) fn count(self, size: u64) -> u64 {
        match self {
            Self::Entries => size,
            Self::Hashes(level) => {
                let shift = u32::from(level) * u32::from(TILE_HEIGHT);
                size.checked_shr(shift).unwrap_or(0)
            }
        }
    }

    /// Tile number `index` of a tree of `size` leaves; `None` when it would be empty.
    pub(super) fn tile(self, index: u64, size: u64) -> Option<Tile> {
        let rest = self.count(size).checked_sub(index.checked_mul(TILE_WIDTH)?)?;
        (rest > 0).then_some(Tile { kind: self, index, width: rest.min(TILE_WIDTH) })
    }
}

impl Tile {
    /// The path below the log's folder, with `/` between names.
    pub(super) fn path(&self) -> String {
        let kind = match self.kind {
            Kind::Hashes(level) => level.to_string(),
            Kind::Entries => "entries".to_owned(),
        };
        let mut index = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            index = format!("x{:03}/{index}", rest % 1000);
            rest /= 1000;
        }
        let partial =
            if self.width < TILE_WIDTH { format!(".p/{}", self.width) } else { String::new() };
        format!("tile/{kind}/{index}{partial}")
    }
}

/// The bytes of a tile.
pub(super) fn tile_bytes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// The hashes of a tile's bytes; `None` unless there are `width` of them.
pub(super) fn tile_hashes(bytes: &[u8], width: u64) -> Option<Vec<Digest>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let whole = rest.is_empty() && u64::try_from(hashes.len()) == Ok(width);
    whole.then(|| hashes.iter().copied().map(Digest::new).collect())
}

/// The bytes of a bundle: each entry after its length as `u16`; `None` when one has more than 65 535.
pub(super) fn bundle_bytes<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Some(bytes)
}

/// The entries of a bundle's bytes up to where they end or are cut off, and how many bytes those are.
pub(super) fn bundle_entries(bytes: &[u8]) -> (Vec<&[u8]>, usize) {
    let mut entries = Vec::new();
    let mut rest = bytes;
    let next = |bytes| {
        let (length, rest) = <[u8]>::split_first_chunk::<2>(bytes)?;
        rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
    };
    while let Some((entry, after)) = next(rest) {
        entries.push(entry);
        rest = after;
    }
    (entries, bytes.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        let check = |kind: Kind, index, size, expect: Option<&str>| {
            let found = kind.tile(index, size).map(|tile| tile.path());
            assert_eq!(found.as_deref(), expect, "{kind:?} {index} of {size}");
        };
        let lowest = Kind::Hashes(0);
        check(lowest, 1_234_067, 1_234_068 * 256, Some("tile/0/x001/x234/067"));
        check(Kind::Entries, 0, 1, Some("tile/entries/000.p/1"));
        check(Kind::Entries, 999, 1_000 * 256, Some("tile/entries/999"));
        // The example of the specification: a tree of 70 000.
        check(lowest, 272, 70_000, Some("tile/0/272"));
        check(lowest, 273, 70_000, Some("tile/0/273.p/112"));
        check(lowest, 274, 70_000, None);
        check(Kind::Hashes(1), 0, 70_000, Some("tile/1/000"));
        check(Kind::Hashes(1), 1, 70_000, Some("tile/1/001.p/17"));
        check(Kind::Hashes(2), 0, 70_000, Some("tile/2/000.p/1"));
        check(Kind::Hashes(3), 0, 70_000, None);
        check(Kind::Hashes(1), 0, 256, Some("tile/1/000.p/1"));
        check(Kind::Hashes(0), 0, 0, None);
        check(Kind::Hashes(63), 0, u64::MAX, None);
    }

    #[test]
    fn bytes_round_trip_and_cut_ones_are_refused() {
        let entries: [&[u8]; 3] = [b"a", b"", b"bcd"];
        let bytes = bundle_bytes(entries).unwrap();
        assert_eq!(bytes, b"\0\x01a\0\0\0\x03bcd");
        assert_eq!(bundle_entries(&bytes), (entries.to_vec(), bytes.len()));
        assert_eq!(bundle_entries(&bytes[..bytes.len() - 1]), (entries[..2].to_vec(), 5));
        assert_eq!(bundle_entries(&bytes[..4]), (entries[..1].to_vec(), 3));
        assert_eq!(bundle_bytes([vec![0; 65_536].as_slice()]), None);
        let hashes = [Digest::of(b"a"), Digest::of(b"b")];
        let bytes = tile_bytes(&hashes);
        assert_eq!(tile_hashes(&bytes, 2).unwrap(), hashes);
        assert_eq!(tile_hashes(&bytes, 3), None);
        assert_eq!(tile_hashes(&bytes[..63], 2), None);
    }
}
