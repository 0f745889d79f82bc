//! Our tiles, notes and proofs against a client written by others (the `tlog_tiles` crate, a port of Go's).
//! It reads the journal's vectors and shares no code with the journal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

use std::fs;
use std::path::{Path, PathBuf};

use tlog_tiles::{
    Checkpoint, Hash, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record,
    prove_tree, record_hash, tree_hash,
};

fn vectors(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../journal/vectors/tlog-v1").join(name)
}

/// Reads tiles as the client asks for them, by the client's own names.
struct Folder(PathBuf);

impl TileReader for Folder {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        // The client puts the height into the path, which C2SP leaves out.
        let name = |tile: &Tile| tile.path().replacen("tile/8/", "tile/", 1);
        Ok(tiles.iter().map(|tile| fs::read(self.0.join(name(tile))).unwrap()).collect())
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

fn checkpoint(name: &str) -> (u64, Hash) {
    let note = fs::read_to_string(vectors(name)).unwrap();
    let (text, _) = note.split_once("\n\n").unwrap();
    let read = Checkpoint::from_bytes(format!("{text}\n").as_bytes()).unwrap();
    (read.size(), *read.hash())
}

fn entries(folder: &Path) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    for name in ["tile/entries/000", "tile/entries/001.p/2"] {
        let bytes = fs::read(folder.join(name)).unwrap();
        let mut rest = bytes.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            entries.push(entry.to_vec());
            rest = after;
        }
    }
    entries
}

#[test]
fn another_client_confirms_every_entry_and_the_growth_of_the_log() {
    let folder = Folder(vectors("log/default/0"));
    let (size, root) = checkpoint("log/default/0/checkpoint");
    let (old_size, old_root) = checkpoint("older");
    let reader = TileHashReader::new(size, root, &folder);
    assert_eq!(tree_hash(size, &reader).unwrap(), root);
    let entries = entries(&folder.0);
    assert_eq!(entries.len() as u64, size);
    for (index, entry) in (0..).zip(&entries) {
        let proof = prove_record(size, index, &reader).unwrap();
        check_record(&proof, size, root, index, record_hash(entry)).unwrap();
        // Control: another entry in its place.
        assert!(check_record(&proof, size, root, index, record_hash(b"other")).is_err());
    }
    let proof = prove_tree(size, old_size, &reader).unwrap();
    check_tree(&proof, size, root, old_size, old_root).unwrap();
    assert!(check_tree(&proof, size, root, old_size, root).is_err(), "control");
}
