//! Every relative link in a Markdown file leads to a file or folder of the repository.
//!
//! Links to other sites are not followed, and fenced or inline code is not read.

use super::Finding;
use crate::tree::{File, numbered};

/// Reports relative links that lead nowhere.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let mut fenced = false;
        for (line, text) in numbered(&file.text) {
            if text.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if !fenced {
                let lost = targets(text).filter(|target| !resolves(&file.path, target, files));
                findings.extend(lost.map(|target| {
                    Finding::new(&file.path, line, format!("the link `{target}` leads nowhere"))
                }));
            }
        }
    }
    findings
}

/// The relative targets of `[text](target)` on one line, without anchors.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let prose = line.split('`').step_by(2);
    prose
        .flat_map(|prose| prose.split("](").skip(1))
        .filter_map(|rest| rest.split([')', ' ']).next())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty())
}

fn resolves(from: &str, target: &str, files: &[File]) -> bool {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." if parts.pop().is_none() => return false,
            ".." => {}
            part => parts.push(part),
        }
    }
    exists(&parts.join("/"), files)
}

/// Whether `path` is a file of the repository, or a folder with one in it.
pub(super) fn exists(path: &str, files: &[File]) -> bool {
    let path = path.trim_end_matches('/');
    files.iter().any(|file| {
        file.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::expect;

    #[test]
    fn relative_links_lead_somewhere() {
        let page = |text| [("docs/a.md", text), ("docs/b/c.md", ""), ("README.md", "")];
        expect(check, &page("[b](b/c.md#x) [up](../README.md) [folder](b/) [top](#here)"), 0);
        expect(check, &page("[site](https://example.com/x) `[a](b)`\n```\n[a](b)\n```"), 0);
        expect(check, &page("[gone](gone.md)"), 1);
        expect(check, &page("[out](../../README.md)"), 1);
    }
}
