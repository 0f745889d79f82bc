//! The container runtime of this host: which one, what it can do, and how it is asked.
//!
//! Always a program with a list of arguments, never a shell, and with an environment of its own:
//! a variable of the caller could make the runtime load code or ask another daemon. What is found
//! is kept for the life of the process; whether it really works is shown by `check`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ContainerError;
use super::image::{self, Image};

/// How long a question to the runtime may take.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long fetching an image may take.
pub const TRANSFER_MAX: Duration = Duration::from_secs(1800);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Characters of a complaint that are passed on.
const COMPLAINT_CHARS_MAX: usize = 500;

/// Variables of the caller that a runtime's client needs to find itself and its daemon.
const INHERITED: [&str; 9] = [
    "PATH",
    "HOME",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "DOCKER_HOST",
];

/// Which program drives containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Podman: no daemon, and everything this driver offers when it runs as root.
    Podman,
    /// Docker: a daemon that sees its own mounts only, so the project is shown read-only.
    Docker,
}

impl Kind {
    /// The program's name.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "docker",
        }
    }
}

/// A container runtime that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Which one.
    pub kind: Kind,
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// It runs without root, as an ordinary user.
    pub rootless: bool,
    /// Version of the control groups it uses: 1 or 2.
    pub cgroups: u8,
    /// The OCI runtime that is used: the one configured, or the one that works here.
    pub oci: String,
    /// Whether `oci` has to be asked for because it is not the one configured.
    pub oci_forced: bool,
}

/// What the runtime answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) success: bool,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Answer {
    /// The last lines of its standard error, as one plain line.
    pub(super) fn complaint(&self) -> String {
        complaint(&self.stderr)
    }
}

/// The end of a message of the runtime, as one plain line.
pub(super) fn complaint(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = lines.join("; ");
    let plain = line.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter });
    plain.take(COMPLAINT_CHARS_MAX).collect()
}

impl Runtime {
    /// The runtime that will be used: the one of this kind, or the first that answers.
    ///
    /// Asked once per kind and process; takes about 50 ms the first time.
    pub fn find(kind: Option<Kind>) -> Result<Arc<Self>, ContainerError> {
        static FOUND: LazyLock<Mutex<HashMap<Option<Kind>, Arc<Runtime>>>> =
            LazyLock::new(Mutex::default);
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.get(&kind) {
            return Ok(Arc::clone(known));
        }
        let runtime = Arc::new(Self::discover(kind)?);
        found.insert(kind, Arc::clone(&runtime));
        Ok(runtime)
    }

    /// As [`find`](Self::find), but always asks anew.
    pub fn discover(kind: Option<Kind>) -> Result<Self, ContainerError> {
        let kinds = kind.map_or(vec![Kind::Podman, Kind::Docker], |kind| vec![kind]);
        let names: Vec<_> = kinds.iter().map(|kind| format!("`{}`", kind.program())).collect();
        let mut first_fault = None;
        for kind in kinds {
            let Some(path) = in_path(kind.program()) else { continue };
            match Self::at(kind, path) {
                Ok(runtime) => return Ok(runtime),
                Err(fault) => {
                    first_fault.get_or_insert(fault);
                }
            }
        }
        Err(first_fault.unwrap_or(ContainerError::Missing { looked_for: names.join(", ") }))
    }

    fn at(kind: Kind, path: PathBuf) -> Result<Self, ContainerError> {
        let arguments: &[&str] = match kind {
            Kind::Podman => &["info", "--format", "json"],
            Kind::Docker => &["info", "--format", "{{json .}}"],
        };
        let answer = ask(&path, arguments, ANSWER_MAX)?;
        let broken = |text| ContainerError::Broken { runtime: path.display().to_string(), text };
        let facts = serde_json::from_slice::<Value>(&answer.stdout).ok();
        let facts = facts.as_ref().filter(|_| answer.success);
        let read = facts.and_then(|facts| match kind {
            Kind::Podman => podman(facts),
            Kind::Docker => docker(facts),
        });
        let Some(facts) = read else { return Err(broken(answer.complaint())) };
        let (oci, oci_forced) = working_oci(&facts, is_oci_runtime_there);
        let Facts { version, rootless, cgroups, .. } = facts;
        Ok(Self { kind, path, version, rootless, cgroups, oci, oci_forced })
    }

    /// Whether the driver can do all it offers: root's own Podman, which shares our mounts.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.kind == Kind::Podman && !self.rootless && rustix::process::geteuid().is_root()
    }

    /// The id of an image on this host. An id means the same content for ever, so it is looked up
    /// once per process; an image that was removed since is reported by the run that needs it.
    pub(super) fn resolve(&self, image: &Image) -> Result<String, ContainerError> {
        static KNOWN: LazyLock<Mutex<HashMap<(PathBuf, Image), String>>> =
            LazyLock::new(Mutex::default);
        let key = (self.path.clone(), image.clone());
        let known = |key| {
            let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(key).cloned()
        };
        if let Some(id) = known(&key) {
            return Ok(id);
        }
        let id = image::resolve(self, image)?;
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(key, id.clone());
        Ok(id)
    }

    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Answer, ContainerError> {
        self.ask_within(arguments, ANSWER_MAX)
    }

    pub(super) fn ask_within(
        &self,
        arguments: &[&str],
        limit: Duration,
    ) -> Result<Answer, ContainerError> {
        ask(&self.path, arguments, limit)
    }

    /// The program, with nothing of the caller's environment that it does not need.
    pub(super) fn command(&self) -> Command {
        command(&self.path)
    }
}

fn command(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().current_dir("/");
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs the program to its end; its output goes to memory, so it cannot block on us.
fn ask(path: &Path, arguments: &[&str], limit: Duration) -> Result<Answer, ContainerError> {
    let memory = || -> std::io::Result<File> {
        Ok(rustix::fs::memfd_create(c"answer", MemfdFlags::CLOEXEC)?.into())
    };
    let (mut stdout, mut stderr) = (memory()?, memory()?);
    let mut child = command(path)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .spawn()?;
    let ended = super::held::watch(&child)
        .and_then(|life| Ok(crate::wait::readable(&life, Instant::now() + limit)?));
    if ended.is_err() {
        // Killed and reaped here; what it said no longer matters.
        let _gone = child.kill().and_then(|()| child.wait());
        return Err(ContainerError::TooSlow { runtime: path.display().to_string(), limit });
    }
    let status = child.wait()?;
    let read = |file: &mut File| -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let (stdout, stderr) = (read(&mut stdout)?, read(&mut stderr)?);
    Ok(Answer { success: status.success(), stdout, stderr })
}

/// What the runtime says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    version: String,
    rootless: bool,
    cgroups: u8,
    oci: String,
}

fn podman(facts: &Value) -> Option<Facts> {
    let text = |place: &str| facts.pointer(place).and_then(Value::as_str).map(str::to_owned);
    Some(Facts {
        version: text("/version/Version")?,
        rootless: facts.pointer("/host/security/rootless")?.as_bool()?,
        cgroups: generation(&text("/host/cgroupVersion")?),
        oci: text("/host/ociRuntime/name").unwrap_or_default(),
    })
}

fn docker(facts: &Value) -> Option<Facts> {
    let text = |place: &str| facts.get(place).and_then(Value::as_str).map(str::to_owned);
    let options = facts.get("SecurityOptions").and_then(Value::as_array);
    let mut options = options.into_iter().flatten().filter_map(Value::as_str);
    Some(Facts {
        version: text("ServerVersion").filter(|version| !version.is_empty())?,
        rootless: options.any(|option| option == "name=rootless"),
        cgroups: generation(&text("CgroupVersion").unwrap_or_default()),
        oci: text("DefaultRuntime").unwrap_or_default(),
    })
}

/// Podman says `v1` and `v2`, Docker `1` and `2`.
fn generation(text: &str) -> u8 {
    if text.ends_with('2') { 2 } else { 1 }
}

/// The OCI runtime to use, and whether it has to be asked for: `crun` does not run where version
/// 1 and version 2 control groups are mixed, and `runc` does.
fn working_oci(facts: &Facts, exists: impl Fn(&str) -> bool) -> (String, bool) {
    let refuses = facts.oci == "crun" && facts.cgroups == 1;
    match refuses && exists("runc") {
        true => ("runc".to_owned(), true),
        false => (facts.oci.clone(), false),
    }
}

/// Runtimes look for OCI runtimes in fixed folders, whatever the caller's `PATH` is.
fn is_oci_runtime_there(name: &str) -> bool {
    const FOLDERS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    FOLDERS.iter().any(|folder| Path::new(folder).join(name).is_file())
}

/// The first executable file of this name in the caller's `PATH`.
pub(super) fn in_path(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or(OsString::from(crate::spec::PATH));
    std::env::split_paths(&folders)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|path| {
            path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_runtimes_are_read() {
        let facts = json!({
            "host": {
                "cgroupVersion": "v1",
                "security": { "rootless": false },
                "ociRuntime": { "name": "crun" },
            },
            "version": { "Version": "4.3.1" },
        });
        let expect =
            Facts { version: "4.3.1".into(), rootless: false, cgroups: 1, oci: "crun".into() };
        assert_eq!(podman(&facts), Some(expect));
        let facts = json!({
            "ServerVersion": "28.2.2",
            "CgroupVersion": "2",
            "DefaultRuntime": "runc",
            "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"],
        });
        let expect =
            Facts { version: "28.2.2".into(), rootless: true, cgroups: 2, oci: "runc".into() };
        assert_eq!(docker(&facts), Some(expect));
    }

    #[test]
    fn a_client_without_its_daemon_is_no_runtime() {
        let facts = json!({ "ServerErrors": ["Cannot connect"], "ServerVersion": "" });
        assert_eq!(docker(&facts), None);
        assert_eq!(podman(&json!({})), None);
    }

    #[test]
    fn crun_is_replaced_only_where_it_does_not_run() {
        let facts = |oci: &str, cgroups| Facts {
            version: String::new(),
            rootless: false,
            cgroups,
            oci: oci.into(),
        };
        assert_eq!(working_oci(&facts("crun", 1), |_| true), ("runc".into(), true));
        assert_eq!(working_oci(&facts("crun", 1), |_| false), ("crun".into(), false));
        assert_eq!(working_oci(&facts("crun", 2), |_| true), ("crun".into(), false));
        assert_eq!(working_oci(&facts("runc", 1), |_| true), ("runc".into(), false));
    }
}
