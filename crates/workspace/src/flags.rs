//! Which changes a person must see before they reach the project, and why.
//!
//! A flag is a statement about a path or about the first bytes of a file; it forbids nothing.
//! The table of names is `flags/rule.rs`, printed as a page by `flags/page.rs`. Names are compared without regard to case, because the
//! project may be copied to where case makes no difference.

mod page;
mod pattern;
mod rule;

use std::io::{self, Read as _};

use serde::Serialize;

use crate::blobs::Blobs;
use crate::changeset::{Changeset, Entry, Node};
use crate::path::RelPath;

pub use page::flags_page;

/// A change to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flag {
    /// Which entry.
    pub path: RelPath,
    /// How grave.
    pub kind: FlagKind,
    /// Which rule matched, stable for machines.
    pub rule: &'static str,
    /// What it means, for people.
    pub why: &'static str,
}

/// How grave a flag is. Both keep a change from being merged without a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FlagKind {
    /// Runs on a person's machine or a server, outside the sandbox, when somebody does something
    /// else: commits, enters the folder, opens the editor, pushes, installs.
    ExecutesLater,
    /// Holds secrets or decides what is trusted, or runs when somebody builds, tests or starts it
    /// on purpose.
    Sensitive,
}

/// Every flag of a changeset, in the order of its paths.
///
/// Reads the first bytes of each written file from `blobs`, to know scripts and programs.
pub fn flags(changes: &Changeset, blobs: &dyn Blobs) -> io::Result<Vec<Flag>> {
    let mut flags = Vec::new();
    for entry in changes.entries() {
        of_path(entry, &mut flags);
        of_content(entry, blobs, &mut flags)?;
    }
    Ok(flags)
}

/// What names say: that of the entry, and where a link of it leads.
fn of_path(entry: &Entry, flags: &mut Vec<Flag>) {
    let mut note = |rule: &rule::Rule| {
        let (kind, name, why) = (rule.kind, rule.name, rule.why);
        flags.push(Flag { path: entry.path.clone(), kind, rule: name, why });
    };
    rule::of(entry.path.as_str()).into_iter().for_each(&mut note);
    if let Some(Node::Symlink { target }) = &entry.after
        && let Some(rule) = rule::of(&led_to(&entry.path, target))
    {
        note(rule);
    }
}

/// Where a link leads on paper, without looking at other links.
fn led_to(path: &RelPath, target: &str) -> String {
    let mut at: Vec<&str> = path.names().collect();
    at.pop();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                at.pop();
            }
            name => at.push(name),
        }
    }
    at.join("/")
}

/// What mode and first bytes say.
fn of_content(entry: &Entry, blobs: &dyn Blobs, flags: &mut Vec<Flag>) -> io::Result<()> {
    let Some(Node::File { digest, mode, .. }) = &entry.after else { return Ok(()) };
    let mut note = |rule, why| {
        let kind = FlagKind::Sensitive;
        flags.push(Flag { path: entry.path.clone(), kind, rule, why });
    };
    let executable_before = match &entry.before {
        Some(Node::File { mode, .. }) => mode & 0o111,
        _ => 0,
    };
    if mode & 0o111 & !executable_before != 0 {
        note("executable", "it can be executed now and could not before");
    }
    let mut head = Vec::new();
    blobs.get(digest)?.take(4).read_to_end(&mut head)?;
    if head.starts_with(b"#!") {
        note("script", "it is a script that names its interpreter");
    } else if head == b"\x7fELF" {
        note("program", "it is a compiled program");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{FlagKind, flags};
    use crate::blobs::{Blobs as _, MemoryBlobs};
    use crate::changeset::{Changeset, Entry, Node};
    use crate::path::RelPath;

    fn rules(path: &str, node: &dyn Fn(&mut MemoryBlobs) -> Node) -> Vec<(FlagKind, &'static str)> {
        let mut blobs = MemoryBlobs::default();
        let node = node(&mut blobs);
        let entry = Entry::new(RelPath::new(path).unwrap(), None, Some(node));
        let changes = Changeset::new(vec![entry]).unwrap();
        let flags = flags(&changes, &blobs).unwrap();
        flags.into_iter().map(|flag| (flag.kind, flag.rule)).collect()
    }

    fn file(content: &'static [u8], mode: u32) -> impl Fn(&mut MemoryBlobs) -> Node {
        move |blobs| {
            let digest = blobs.put(&mut &*content).unwrap();
            Node::File { digest, size: content.len() as u64, mode }
        }
    }

    fn link(target: &'static str) -> impl Fn(&mut MemoryBlobs) -> Node {
        move |_| Node::Symlink { target: target.to_owned() }
    }

    #[test]
    fn scripts_programs_and_new_executables_are_flagged() {
        assert_eq!(rules("notes.txt", &file(b"text", 0o644)), []);
        assert_eq!(rules("a", &file(b"text", 0o744)), [(FlagKind::Sensitive, "executable")]);
        assert_eq!(rules("a", &file(b"#!/bin/sh\n", 0o644)), [(FlagKind::Sensitive, "script")]);
        assert_eq!(rules("a", &file(b"\x7fELF\x02", 0o600)), [(FlagKind::Sensitive, "program")]);
    }

    #[test]
    fn a_link_to_a_flagged_place_is_flagged() {
        let later = FlagKind::ExecutesLater;
        assert_eq!(rules("src/innocent", &link("../.git/hooks")), [(later, "git-hooks")]);
        assert_eq!(rules("x", &link("notes/./.envrc")), [(later, "direnv")]);
        assert_eq!(rules("x", &link("notes.txt")), []);
    }
}
