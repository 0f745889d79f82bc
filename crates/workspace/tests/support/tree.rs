//! Random trees for property tests: few names, so that kinds meet each other at the same place.
//! Only what a sandbox may leave; hostile trees are written out by hand elsewhere.
#![allow(dead_code, reason = "every test binary uses a part of this")]

use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::{Picture, Shot};

const NAMES: [&str; 5] = ["a", "b", "c d", "é", "-e"];

/// A tree of up to a dozen entries, three folders deep.
pub fn tree() -> impl Strategy<Value = Picture> {
    vec((vec(0..NAMES.len(), 1..4), shot()), 0..12).prop_map(|entries| {
        let mut picture = Picture::new();
        for (names, shot) in entries {
            insert(&mut picture, &names, shot);
        }
        picture
    })
}

/// Two trees that have something in common.
pub fn two_trees() -> impl Strategy<Value = (Picture, Picture)> {
    (tree(), tree(), any::<u64>()).prop_map(|(before, other, keep)| {
        let mut after = other;
        for (at, (path, shot)) in before.iter().enumerate() {
            let fits = path.parent().is_none_or(|parent| {
                parent.as_os_str().is_empty() || matches!(after.get(parent), Some(Shot::Folder(_)))
            });
            if fits && keep >> (at % 64) & 1 == 1 && !after.contains_key(path) {
                after.insert(path.clone(), shot.clone());
            }
        }
        (before, after)
    })
}

fn shot() -> impl Strategy<Value = Shot> {
    let content = prop_oneof![
        Just(Vec::new()),
        Just(b"one\ntwo\nthree\n".to_vec()),
        Just(b"one\n2\nthree".to_vec()),
        Just(b"\n\n".to_vec()),
        vec(
            prop_oneof![Just(b"x\n".to_vec()), Just(b"y\n".to_vec()), Just(b"--- a\n".to_vec())],
            0..30
        )
        .prop_map(|lines| lines.concat()),
    ];
    let file = (content, prop_oneof![Just(0o644), Just(0o755), Just(0o600)]);
    let folder = prop_oneof![Just(0o755), Just(0o700), Just(0o750), Just(0o555)];
    let target = prop_oneof![Just("a"), Just("b/a"), Just("."), Just("nowhere")];
    prop_oneof![
        4 => file.prop_map(|(content, mode)| Shot::File(content, mode)),
        1 => target.prop_map(|target| Shot::Link(target.into())),
        2 => folder.prop_map(Shot::Folder),
    ]
}

/// Puts an entry where nothing else is in the way.
fn insert(picture: &mut Picture, names: &[usize], shot: Shot) {
    let mut path = PathBuf::new();
    let (last, folders) = names.split_last().expect("a name");
    for name in folders {
        path.push(NAMES[*name]);
        match picture.get(&path) {
            None => drop(picture.insert(path.clone(), Shot::Folder(0o755))),
            Some(Shot::Folder(_)) => {}
            Some(_) => return,
        }
    }
    path.push(NAMES[*last]);
    picture.entry(path).or_insert(shot);
}

/// Writes a tree to disk; folders get their bits last.
pub fn write(picture: &Picture, to: &super::Tree) {
    let mut bits = Vec::new();
    for (path, shot) in picture {
        match shot {
            Shot::File(content, mode) => drop(to.file_mode(path, content, *mode)),
            Shot::Link(target) => drop(to.link(path, String::from_utf8_lossy(target).as_ref())),
            Shot::Folder(mode) => bits.push((to.folder(path), *mode)),
            Shot::Other(_) => {}
        }
    }
    bits.iter().rev().for_each(|(path, bits)| super::mode(path, *bits));
}
