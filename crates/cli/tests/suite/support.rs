//! A project in a temporary folder, the real binary run in it, and processes of it that are watched line by line.
//! Nothing is asserted here but that the tools of the tests work.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for anything; only a hang takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often something is looked at that cannot be waited for.
const GLANCE: Duration = Duration::from_millis(2);
/// A user and group without an account and without any privilege.
pub(crate) const ORDINARY: u32 = 61_184;

/// A policy under which the tests' steps may run.
pub(crate) const POLICY: &str = "\
version: 1
name: test
rules:
  - { name: read, match: { tool: [\"fs.*\", \"search.*\"] }, action: allow }
  - { name: run, match: { tool: [\"exec.*\"] }, action: allow }
  - { name: no-curl, match: { tool: exec.run, args: { program: curl } }, action: deny, reason: not here }
tests:
  - { name: git may, call: { tool: exec.run, args: { program: git } }, expect: { decision: allow, rule: run } }
";

/// What came of one run of the binary.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Both outputs, for looking something up in either.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Requires an exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Requires an error that says what, why and how to fix it.
    #[track_caller]
    pub(crate) fn says(self, what: &str, why: &str, fix: &str) -> Self {
        let lines = |start: &str| -> String {
            self.stderr.lines().filter(|line| line.trim_start().starts_with(start)).collect()
        };
        for (start, wanted) in [("error:", what), ("why:", why), ("fix:", fix)] {
            let found = if wanted.is_empty() { String::new() } else { lines(start) };
            assert!(found.contains(wanted), "`{start}` without `{wanted}`:\n{}", self.stderr);
        }
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.all()))
    }

    /// Standard output as one JSON value a line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// A project with a policy, and a home of its own.
pub(crate) struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        let project = Self::bare();
        project.file(".palisade/policy.yaml", POLICY);
        project
    }

    /// A project without a policy.
    pub(crate) fn bare() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// The same, whose folder stays when the test is over where the suite is to be looked through afterwards
    /// (`cargo xtask test` removes it).
    pub(crate) fn kept(mut self) -> Self {
        self.folder.disable_cleanup(std::env::var_os("PALISADE_TEST_KEEP").is_some());
        self
    }

    /// A project without a policy, in a temporary folder of `place`.
    pub(crate) fn within(place: &Path) -> Self {
        let project = Self { folder: tempfile::tempdir_in(place).unwrap() };
        for part in ["project", "home", "outside"] {
            fs::create_dir(project.folder.path().join(part)).unwrap();
        }
        project
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A folder outside the project, for mounts.
    pub(crate) fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join(".palisade/palisade.db")
    }

    /// Writes a file of the project and returns its path.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The binary, in the project, with an environment that holds nothing of this machine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_palisade")), arguments)
    }

    pub(crate) fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.home()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("LANG", "C.UTF-8").env("TZ", "UTC");
        command
    }

    pub(crate) fn palisade(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }

    /// Runs a workflow given as its steps in YAML.
    pub(crate) fn run_steps(&self, steps: &str) -> Ran {
        self.file("steps.yaml", workflow(steps));
        self.palisade(&["run", "steps.yaml"])
    }

    /// The latest run.
    pub(crate) fn latest(&self) -> Value {
        self.palisade(&["runs", "show", "--json"]).json()["run"].clone()
    }

    /// Requires that the journal verifies, and says how many records it has.
    #[track_caller]
    pub(crate) fn verifies(&self) -> u64 {
        let verified = self.palisade(&["audit", "verify", "--json"]).exits(0).json();
        verified["records"].as_u64().unwrap()
    }
}

/// A workflow with these steps.
pub(crate) fn workflow(steps: &str) -> String {
    format!("version: 1\nname: test\nsteps:\n{steps}")
}

/// The state of the step called `name` of a run as `runs show` tells it.
pub(crate) fn state<'a>(run: &'a Value, name: &str) -> &'a str {
    let steps = run["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == name).unwrap();
    step["state"].as_str().unwrap()
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ran {
    Running::start(command).end()
}

/// The exit code; -1 for a signal.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}

/// A running process of the binary, its talk read line by line.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    stdout: Option<JoinHandle<String>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                // A test that knows enough does not listen to the end.
                drop(sender.send(String::from_utf8_lossy(&line).into_owned()));
            }
        });
        let mut pipe = child.stdout.take().unwrap();
        let stdout = std::thread::spawn(move || {
            let mut text = Vec::new();
            drop(pipe.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        });
        Self { child, lines, seen: Vec::new(), stdout: Some(stdout) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of talk; `None` at the end.
    pub(crate) fn line(&mut self) -> Option<String> {
        let line = self.lines.recv_timeout(PATIENCE).ok()?;
        self.seen.push(line.clone());
        Some(line)
    }

    /// Waits for a line with `text`.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            match self.line() {
                Some(line) if line.contains(text) => return line,
                Some(_) => {}
                None => panic!("ended without `{text}`: {:#?}", self.seen),
            }
        }
    }

    /// Kills it as the system would, without a word.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Whether it still runs.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ran {
        while self.line().is_some() {}
        let mut status = None;
        wait_for(&format!("the end after {:#?}", self.seen), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        let stdout = self.stdout.take().unwrap().join().unwrap();
        Ran { code: code(status), stdout, stderr: self.seen.join("\n") }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until `there` holds, for what cannot be waited for otherwise.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !there() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::park_timeout(GLANCE);
    }
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Sets the mode of a file or folder.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Says why something could not be tried here, so that nobody takes it for tried.
pub(crate) fn not_tried(what: &str, why: &str) {
    eprintln!("NOT TRIED: {what}: {why}");
}
