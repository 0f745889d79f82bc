//! A branch of a git repository as a place for checkpoints: one commit for each, with one file for each node.
//!
//! Git's own program does the work, on a small repository of ours between here and there; the working tree of nobody is
//! touched. A push that is not a continuation is refused by git, because nothing is ever forced.

use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::anchor::AnchorError;

/// What the fetched branch is called here.
const FETCHED: &str = "refs/anchor/fetched";

/// A branch, fetched.
#[derive(Debug)]
pub(super) struct Branch<'a> {
    folder: &'a Path,
    repository: &'a str,
    name: String,
    parent: Option<String>,
}

impl<'a> Branch<'a> {
    /// Fetches a branch, which may not exist yet, into the repository in `folder`.
    pub(super) fn fetch(
        folder: &'a Path,
        repository: &'a str,
        branch: &str,
    ) -> Result<Self, AnchorError> {
        let name = format!("refs/heads/{branch}");
        if repository.starts_with('-')
            || !git(folder, &["check-ref-format", &name])?.status.success()
        {
            return Err(AnchorError::Target(format!("{} {branch}", named(repository))));
        }
        // One that is there already may have come with the project, and git does what a repository's settings say.
        let made = removed(folder).and_then(|()| DirBuilder::new().mode(0o700).create(folder));
        made.map_err(|error| AnchorError::Git(error.to_string()))?;
        run(folder, &["init", "--quiet", "--bare", "--template=", "."])?;
        let there = run(folder, &["ls-remote", "--", repository, &name])?;
        let parent = if there.is_empty() {
            None
        } else {
            let refs = format!("+{name}:{FETCHED}");
            run(folder, &["fetch", "--quiet", "--no-tags", "--depth=1", "--", repository, &refs])?;
            Some(run(folder, &["rev-parse", "--verify", FETCHED])?)
        };
        Ok(Self { folder, repository, name, parent })
    }

    /// The text of a file on the branch.
    pub(super) fn read(&self, path: &str) -> Result<Option<String>, AnchorError> {
        let Some(parent) = &self.parent else { return Ok(None) };
        if run(self.folder, &["ls-tree", parent, "--", path])?.is_empty() {
            return Ok(None);
        }
        let found = git(self.folder, &["cat-file", "blob", &format!("{parent}:{path}")])?;
        String::from_utf8(found.stdout)
            .map(Some)
            .map_err(|error| AnchorError::Git(error.to_string()))
    }

    /// Commits a file and pushes; the commit's id.
    pub(super) fn write(&self, path: &str, text: &str) -> Result<String, AnchorError> {
        let blob = feed(self.folder, &["hash-object", "-w", "--stdin"], text)?;
        // The tree is put together in an index of its own, which goes away.
        run(self.folder, &["read-tree", self.parent.as_deref().unwrap_or("--empty")])?;
        run(
            self.folder,
            &["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{path}")],
        )?;
        let tree = run(self.folder, &["write-tree"])?;
        let mut words = vec!["commit-tree", tree.as_str(), "-m", "checkpoint"];
        if let Some(parent) = &self.parent {
            words.extend(["-p", parent]);
        }
        let commit = run(self.folder, &words)?;
        let refs = format!("{commit}:{}", self.name);
        run(self.folder, &["push", "--quiet", "--", self.repository, &refs])?;
        Ok(commit)
    }
}

/// The repository is needed for one anchor only.
impl Drop for Branch<'_> {
    fn drop(&mut self) {
        // What stays is removed by the next one.
        drop(removed(self.folder));
    }
}

fn removed(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(words)
        .current_dir(folder)
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "Palisade")
        .env("GIT_AUTHOR_EMAIL", "palisade@localhost")
        .env("GIT_COMMITTER_NAME", "Palisade")
        .env("GIT_COMMITTER_EMAIL", "palisade@localhost")
        .env("GIT_DIR", folder)
        .stdin(Stdio::null());
    command
}

fn git(folder: &Path, words: &[&str]) -> Result<Output, AnchorError> {
    // Before the repository is made its folder may be missing.
    let folder = if folder.is_dir() { folder } else { Path::new("/") };
    command(folder, words)
        .output()
        .map_err(|error| AnchorError::Git(format!("the program `git` cannot be run: {error}")))
}

/// What a command printed, without the line's end; an error when it failed.
fn run(folder: &Path, words: &[&str]) -> Result<String, AnchorError> {
    printed(words, git(folder, words)?)
}

fn feed(folder: &Path, words: &[&str], text: &str) -> Result<String, AnchorError> {
    let failed = |error: std::io::Error| AnchorError::Git(error.to_string());
    let mut command = command(folder, words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes()).map_err(failed)?;
    }
    printed(words, child.wait_with_output().map_err(failed)?)
}

fn printed(words: &[&str], output: Output) -> Result<String, AnchorError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let what = words.first().copied().unwrap_or_default();
    // Git itself repeats an address as it was given, and a program that it starts, whom it was given.
    let said = words.iter().filter(|word| named(word) != **word);
    let said = said.fold(text(&output.stderr), |said, word| {
        let said = said.replace(word, &named(word));
        match opener(word) {
            Some(opener) => said.replace(opener, ""),
            None => said,
        }
    });
    Err(AnchorError::Git(format!("git {what}: {said}")))
}

/// A repository as it may be told and recorded: without a user, a password and whatever follows its path.
pub(super) fn named(repository: &str) -> String {
    let opener = opener(repository).unwrap_or_default();
    match repository.split_once("://") {
        Some((scheme, rest)) => {
            let rest = rest.split(['?', '#']).next().unwrap_or_default();
            format!("{scheme}://{}", rest.strip_prefix(opener).unwrap_or(rest))
        }
        None => repository.strip_prefix(opener).unwrap_or(repository).to_owned(),
    }
}

/// The user and password of a repository, with their `@`; `None` for a path.
fn opener(repository: &str) -> Option<&str> {
    let authority = match repository.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next()?,
        // `user@host:path`, which has no slash before its colon.
        None => {
            repository.split_once(':').map(|(host, _)| host).filter(|host| !host.contains('/'))?
        }
    };
    authority.get(..authority.rfind('@')?.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_repository_is_named_without_what_opens_it() {
        for (given, told) in [
            ("/srv/a@b.git", "/srv/a@b.git"),
            ("../x", "../x"),
            ("https://bot:token@example.org/x.git?k=v#f", "https://example.org/x.git"),
            ("ssh://git@example.org:22/x", "ssh://example.org:22/x"),
            ("https://a@b:p@ss@example.org/x@y", "https://example.org/x@y"),
            ("https://example.org", "https://example.org"),
            ("token@example.org:x/y", "example.org:x/y"),
            ("host:x", "host:x"),
        ] {
            assert_eq!(named(given), told);
        }
    }
}
