//! Where a symbolic link leads, followed on paper through a view of all links.
//!
//! The kernel is never asked to follow one. A view says which paths are links, in the tree as it
//! will be.

use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, readlinkat};

use crate::beneath;
use crate::changeset::{Entry, Node};
use crate::path::RelPath;

/// Links followed before the kernel gives up; a link past this leads nowhere.
const HOPS_MAX: usize = 40;
/// Names on the way before a link is taken to lead out: no honest one is this long.
const NAMES_MAX: usize = 100_000;

/// Whether the link at `path` with this target could lead out of the root: by an absolute target,
/// by more `..` than there are folders, or through other links that do.
///
/// A name that does not exist counts as a folder, since it may become one.
pub(crate) fn leads_out(
    path: &RelPath,
    target: &str,
    view: &dyn Fn(&str) -> Option<String>,
) -> bool {
    let mut at: Vec<String> = path.names().map(str::to_owned).collect();
    at.pop();
    let mut ahead: Vec<String> = Vec::new();
    let mut hops = 0;
    if !enter(target, &mut ahead) {
        return true;
    }
    let mut names = 0;
    while let Some(name) = ahead.pop() {
        names += 1;
        if names > NAMES_MAX {
            return true;
        }
        match name.as_str() {
            "" | "." => {}
            ".." => {
                if at.pop().is_none() {
                    return true;
                }
            }
            _ => {
                at.push(name);
                let Some(next) = view(&at.join("/")) else { continue };
                hops += 1;
                if hops > HOPS_MAX {
                    return false;
                }
                at.pop();
                if !enter(&next, &mut ahead) {
                    return true;
                }
            }
        }
    }
    false
}

/// The links of a project as they will be: what is changed, and what is there otherwise.
pub(crate) fn view_of<'a>(
    root: BorrowedFd<'a>,
    changed: impl Fn(&str) -> Option<&'a Entry> + 'a,
) -> impl Fn(&str) -> Option<String> + 'a {
    move |path| {
        if let Some(entry) = changed(path) {
            return match entry.after.as_ref()? {
                Node::Symlink { target } => Some(target.clone()),
                _ => None,
            };
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        let how = OFlags::PATH | OFlags::DIRECTORY;
        let folder = beneath::open(root, folder, how, Mode::empty()).ok()?;
        let target = readlinkat(folder, name, Vec::new()).ok()?;
        // A target that is not UTF-8 is taken for one that leads out.
        Some(target.into_string().unwrap_or_else(|_| "/".to_owned()))
    }
}

/// Puts the names of a target ahead of the others; an absolute one is refused.
fn enter(target: &str, ahead: &mut Vec<String>) -> bool {
    ahead.extend(target.split('/').rev().map(str::to_owned));
    !target.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::leads_out;
    use crate::path::RelPath;

    const LINKS: &[(&str, &str)] = &[
        ("here", "."),
        ("d/e/up", "../.."),
        ("out", "/usr"),
        ("loop", "loop"),
        ("d/deep", "e/f/g"),
    ];

    fn check(path: &str, target: &str, expect: bool) {
        let view = |path: &str| {
            LINKS.iter().find(|(at, _)| *at == path).map(|(_, target)| (*target).to_owned())
        };
        let path = RelPath::new(path).unwrap();
        assert_eq!(leads_out(&path, target, &view), expect, "{path} -> {target}");
    }

    #[test]
    fn a_link_stays_inside_or_leads_out() {
        check("a", "b", false);
        check("a", "b/../c", false);
        check("d/a", "../b", false);
        check("a", "loop", false);
        check("a", "nowhere/at/all", false);
        check("a", "..", true);
        check("a", "/etc/passwd", true);
        check("d/a", "../../b", true);
        check("a", "b/../../c", true);
        // Through other links, as the kernel would go.
        check("a", "here/../x", true);
        check("a", "d/e/up/../x", true);
        check("a", "out/lib", true);
        check("a", "d/deep/../../../b", false);
        check("a", "d/deep/../../../../../b", true);
    }
}
