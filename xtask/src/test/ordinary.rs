//! The sandbox's tests and one whole workflow, run by root as a user without any privilege.
//!
//! The programs are built as usual, then copied to a folder that user can read: neither cargo nor
//! the repository needs to be readable for it. As an ordinary user there is nothing to do here.

use super::parts::SYSTEM_FOLDERS;
use crate::stage::{Failure, cargo, check};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A user and group without an account. Not 65534: inside a user namespace that id also stands
/// for every id that is not mapped, and a test could not tell the two apart.
const ORDINARY: u32 = 61_184;

/// Tests that compare the code with pages of the repository, which such a user need not be able
/// to read; they are the same for every user.
const ABOUT_THE_REPOSITORY: [&str; 2] = ["--skip", "page_is_up_to_date"];

/// Whether this process is root.
pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Runs the sandbox's test programs and the smoke test as an ordinary user.
///
/// # Errors
/// Something does not build, cannot be copied, or fails when run.
pub(super) fn run(root: &Path) -> Result<(), Failure> {
    println!("    as user {ORDINARY} and group {ORDINARY}, without capabilities or other groups");
    let home = Home::create()?;
    let outcome = in_home(root, &home.0);
    drop(home);
    outcome
}

fn in_home(root: &Path, home: &Path) -> Result<(), Failure> {
    for built in programs(root, &["test", "--no-run", "-p", "sandbox"])? {
        let program = home.join(file_name(&built));
        std::fs::copy(&built, &program)?;
        check(ordinary(&program, home).arg("--quiet").args(ABOUT_THE_REPOSITORY))?;
    }
    let built = programs(root, &["build", "-p", "cli", "--bin", "palisade"])?;
    let built = built.first().ok_or("cargo built no `palisade`")?;
    let palisade = home.join("palisade");
    std::fs::copy(built, &palisade)?;
    smoke(root, home, &palisade)
}

/// A fresh project of that user: a git repository, a workflow over it, and its proof.
fn smoke(root: &Path, home: &Path, palisade: &Path) -> Result<(), Failure> {
    let project = home.join("project");
    std::fs::create_dir(&project)?;
    copy_folder(&root.join("examples"), &project.join("examples"))?;
    std::fs::create_dir(project.join(".palisade"))?;
    for file in [".palisade/policy.yaml", ".palisade/.gitignore"] {
        std::fs::copy(root.join(file), project.join(file))?;
    }
    own(&project)?;
    let git = |arguments: &[&str]| {
        let author = ["-c", "user.name=Someone", "-c", "user.email=someone@example.com"];
        check(ordinary(Path::new("git"), &project).args(author).args(arguments))
    };
    git(&["init", "--quiet", "--initial-branch=main"])?;
    git(&["add", "."])?;
    git(&["commit", "--quiet", "--message=examples: begin"])?;
    check(ordinary(palisade, &project).args(["run", "examples/release-notes.yaml"]))?;
    check(ordinary(palisade, &project).args(["run", "examples/python-test.yaml"]))?;
    check(ordinary(palisade, &project).args(["audit", "verify"]))?;
    refused(ordinary(palisade, &project).args(["run", "examples/denied.yaml"]))
}

/// Requires that a run fails as a run, and not by a signal or for want of something.
fn refused(command: &mut Command) -> Result<(), Failure> {
    const RUN_FAILED: i32 = 10;
    let status = command.status()?;
    if status.code() == Some(RUN_FAILED) {
        println!("    refused as it should be, with exit code {RUN_FAILED}");
        return Ok(());
    }
    Err(format!("{command:?} ended with {status}, exit code {RUN_FAILED} was due").into())
}

/// A command as the ordinary user, in `folder`, with an environment of its own.
fn ordinary(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    // Setting a user as root also gives up every supplementary group.
    command.uid(ORDINARY).gid(ORDINARY).current_dir(folder).env_clear();
    let home = folder.display().to_string();
    command.env("HOME", &home).env("PATH", SYSTEM_FOLDERS.join(":")).env("LANG", "C.UTF-8");
    command.stdin(Stdio::null());
    command
}

/// Builds with cargo and returns the programs it reports, without its other output.
fn programs(root: &Path, arguments: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let mut command = cargo(root, arguments);
    let output = command.arg("--message-format=json").stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("cargo {} ended with {}", arguments.join(" "), output.status).into());
    }
    let lines = String::from_utf8(output.stdout)?;
    let messages = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
    let programs = messages.filter_map(|message: serde_json::Value| {
        message.get("executable").and_then(|path| path.as_str()).map(PathBuf::from)
    });
    Ok(programs.collect())
}

fn file_name(path: &Path) -> &std::ffi::OsStr {
    path.file_name().unwrap_or(path.as_os_str())
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Gives a folder and everything in it to the ordinary user.
fn own(path: &Path) -> Result<(), Failure> {
    chown(path, Some(ORDINARY), Some(ORDINARY))?;
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            own(&entry?.path())?;
        }
    }
    Ok(())
}

/// A folder that belongs to the ordinary user and goes away with this value.
struct Home(PathBuf);

impl Home {
    fn create() -> Result<Home, Failure> {
        let path = std::env::temp_dir().join(format!("palisade-ordinary-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        let home = Home(path);
        std::fs::set_permissions(&home.0, PermissionsExt::from_mode(0o755))?;
        own(&home.0)?;
        Ok(home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            println!("    cannot remove `{}`: {error}", self.0.display());
        }
    }
}
