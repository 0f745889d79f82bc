//! One outside command at a time, announced, timed and checked.
//!
//! It does not capture what the command prints, except where a caller asks for it by name.
//! Which commands make up a job is in `ci.rs` and `test.rs`.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Any failure of a command of this tool; its text is the whole story for a person.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// What has been run so far and how long it took.
#[derive(Default)]
pub(crate) struct Stages {
    finished: Vec<(String, Duration)>,
}

impl Stages {
    /// Runs `work` under a heading and remembers its time.
    ///
    /// # Errors
    /// The work's own failure, with the stage's name in front.
    pub(crate) fn run(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        println!("\n==> {name}");
        let start = Instant::now();
        let outcome = work();
        let took = start.elapsed();
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("==> {name}: {word} in {:.1} s", took.as_secs_f64());
        self.finished.push((name.to_owned(), took));
        outcome.map_err(|error| format!("{name}: {error}").into())
    }

    /// Prints one line per finished stage and the total.
    pub(crate) fn summary(&self, title: &str) {
        println!("\n{title}");
        for (name, took) in &self.finished {
            println!("  {:>8.1} s  {name}", took.as_secs_f64());
        }
        let total: Duration = self.finished.iter().map(|(_, took)| *took).sum();
        println!("  {:>8.1} s  in all", total.as_secs_f64());
    }
}

/// `cargo` as it started this tool, in the workspace.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root);
    command
}

/// Runs a command to its end and requires success.
///
/// # Errors
/// The command cannot start, or ends with anything but success.
pub(crate) fn check(command: &mut Command) -> Result<(), Failure> {
    println!("    $ {}", line_of(command));
    let status = command
        .status()
        .map_err(|error| format!("cannot start `{}`: {error}", line_of(command)))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("`{}` ended with {status}", line_of(command)).into())
}

/// As [`check`], with both outputs of the command on our standard output.
///
/// `cargo nextest` writes its closing line to standard error; whoever keeps only our standard
/// output still gets it.
///
/// # Errors
/// As [`check`]; also when standard output cannot be duplicated.
pub(crate) fn check_on_stdout(command: &mut Command) -> Result<(), Failure> {
    let stdout = std::io::stdout().as_fd().try_clone_to_owned()?;
    check(command.stderr(Stdio::from(stdout)))
}

/// Whether `cargo NAME` exists on this machine.
pub(crate) fn has_cargo_command(root: &Path, name: &str) -> bool {
    cargo(root, &[name, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether this runs where nobody watches and a missing part must fail: `CI` is set.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI")
        .is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

fn line_of(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    let mut line = name.into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
