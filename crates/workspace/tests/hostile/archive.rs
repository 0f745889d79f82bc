//! Artifacts that are archives or patches with hostile names: they are stored, byte for byte.
//! Nothing here unpacks anything, so there is nothing an archive could lead astray.

use std::fs;

use super::support::Scene;
use super::{Row, through};

/// One header of a tape archive, and its content.
pub fn tar_entry(name: &str, kind: u8, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000777");
    let size = format!("{:011o}", content.len());
    header[124..135].copy_from_slice(size.as_bytes());
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut entry = header.to_vec();
    entry.extend_from_slice(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn row(name: &'static str, artifact: Vec<u8>) -> Row {
    Row::new(name, None, move |scene: &Scene| {
        scene.upper().file("artifact", &artifact);
        through(scene)?;
        assert_eq!(fs::read(scene.project().at("artifact")).expect("an artifact"), artifact);
        assert_eq!(scene.project().picture().len(), 1, "{name}: nothing else came of it");
        Ok(())
    })
}

pub fn rows() -> Vec<Row> {
    let through_link =
        [tar_entry("out", b'2', "../outside", b""), tar_entry("out/sentinel", b'0', "", b"evil")];
    let hard_link =
        [tar_entry("copy", b'1', "../outside/sentinel", b""), tar_entry("copy", b'0', "", b"evil")];
    let mut lying = tar_entry("big", b'0', "", b"x");
    lying[124..135].copy_from_slice(b"77777777777");
    let zip = [
        &b"PK\x03\x04\x14\0\0\0\0\0"[..],
        &[0; 12],
        b"\x04\0\0\0\x04\0\0\0",
        b"\x13\0\0\0",
        b"../outside/sentinelevil",
    ]
    .concat();
    let patch =
        b"--- a/../outside/sentinel\n+++ b/../outside/sentinel\n@@ -1 +1 @@\n-untouched\n+evil\n";
    vec![
        row("archive: names that lead up", tar_entry("../outside/sentinel", b'0', "", b"evil")),
        row("archive: absolute names", tar_entry("/tmp/evil", b'0', "", b"evil")),
        row("archive: a file through a link", through_link.concat()),
        row("archive: a file through a hard link", hard_link.concat()),
        row("archive: a size that is not there", lying),
        row("archive: zip with names that lead up", zip),
        row(
            "archive: a thousand folders",
            (0..1000).flat_map(|n| tar_entry(&format!("d{n}/"), b'5', "", b"")).collect(),
        ),
        row("archive: a patch that leads up", patch.to_vec()),
    ]
}
