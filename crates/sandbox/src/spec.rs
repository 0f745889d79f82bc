//! What to run and within which bounds: the only input of a sandbox.
//!
//! Plain data without behaviour. `check` says which values are refused before anything is
//! started, `plan` turns the rest into prepared system calls.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::profile::Profile;

/// The folder inside in which the project appears.
pub const WORKSPACE: &str = "/workspace";
/// The home folder inside; empty and thrown away afterwards.
pub const HOME: &str = "/home/palisade";
/// Where programs are looked for when the environment has no `PATH`.
pub const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// One program to run in a sandbox of its own.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The program and its arguments. A name without a slash is looked up in `PATH` *inside*.
    pub argv: Vec<OsString>,
    /// The whole environment; nothing is inherited. `PATH`, `HOME`, `USER` and `TMPDIR` get a
    /// value if they have none.
    pub env: Vec<(OsString, OsString)>,
    /// Absolute folder inside in which the program starts.
    pub cwd: PathBuf,
    /// All of standard input; empty means that reading gives end of file at once.
    pub stdin: Vec<u8>,
    /// How tightly the program is held.
    pub profile: Profile,
    /// The project and what is laid over it.
    pub workspace: Workspace,
    /// Further parts of the host to show inside.
    pub mounts: Vec<Mount>,
    /// What the program can reach over the network.
    pub network: Network,
    /// Descriptors the program starts with as 3, 4, and so on; at most [`HANDED_MAX`]. What one
    /// leads to is in the program's hands, whatever the other layers say.
    pub handed: Vec<Arc<OwnedFd>>,
    /// What the program may read under [`SECRETS`] and nowhere else; not on any disk.
    pub secrets: Vec<SecretFile>,
    /// The oldest generation of Landlock that will do; nothing is run on a host with an older one.
    /// `None` takes any. Generation 4 covers TCP, 6 signals and abstract sockets.
    pub landlock_floor: Option<u32>,
    /// Bounds on everything the program can use up.
    pub limits: Limits,
    /// Globs relative to the workspace (`notes/*.md`, `target/**`): which of the files that the
    /// program wrote are offered in the outcome. `*` does not match a slash.
    pub artifacts: Vec<String>,
}

impl Spec {
    /// A spec with defaults everywhere else: `standard` profile, empty environment and input.
    pub fn new<I, S>(project: impl Into<PathBuf>, argv: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: PathBuf::from(WORKSPACE),
            stdin: Vec::new(),
            profile: Profile::Standard,
            workspace: Workspace { lower: project.into(), hidden: Vec::new(), files: Vec::new() },
            mounts: Vec::new(),
            network: Network::None,
            handed: Vec::new(),
            secrets: Vec::new(),
            landlock_floor: None,
            limits: Limits::default(),
            artifacts: Vec::new(),
        }
    }
}

/// The folder inside with what [`Spec::secrets`] names.
pub const SECRETS: &str = "/run/secrets";
/// Files in it, and their bytes together.
pub const SECRETS_MAX: usize = 64;
/// The file system they are on is that of the root, of one MiB.
pub const SECRET_BYTES_MAX: usize = 512 * 1024;

/// A file only the program sees, in memory. Its `Debug` shows its name.
#[derive(Clone)]
pub struct SecretFile {
    /// Its name in [`SECRETS`]: letters, digits, `-`, `_` and `.`, not beginning with a dot.
    pub name: String,
    /// What is in it.
    pub content: Arc<[u8]>,
}

impl std::fmt::Debug for SecretFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SecretFile({})", self.name)
    }
}

/// Descriptors handed to one program.
pub const HANDED_MAX: usize = 8;
/// The number of the first of them inside.
pub(crate) const FIRST_HANDED: i32 = 3;
/// The port on `127.0.0.1` inside at which [`Network::Proxy`] listens.
pub const PROXY_PORT: u16 = 3128;

/// What a program can reach over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing: a network of its own without any interface that is up. With any profile but
    /// [`Profile::Proxy`].
    None,
    /// A network of its own with a loopback interface, and on it the listening socket of the
    /// egress proxy at [`PROXY_PORT`], which somebody outside answers
    /// ([`Child::take_listener`](crate::Child)). With [`Profile::StandardNet`] or
    /// [`Profile::StrictNet`] only.
    Proxy,
    /// The network of the host; for the egress proxy's own process, with [`Profile::Proxy`] only.
    Host,
}

/// The project as the program sees it under [`WORKSPACE`]: readable, and writable in memory only.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The project folder on the host. It is never written to.
    pub lower: PathBuf,
    /// Paths relative to the project that appear empty, such as `.palisade`.
    pub hidden: Vec<PathBuf>,
    /// Files to put into the workspace before the program starts, relative to it.
    pub files: Vec<(PathBuf, Vec<u8>)>,
}

/// A part of the host shown inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Absolute path on the host, without symbolic links in it, so that the path somebody
    /// decided about is the path that is shown.
    pub source: PathBuf,
    /// Absolute path inside. Never within or above `/usr`, `/etc`, `/proc`, `/dev`.
    pub target: PathBuf,
    /// Whether writes reach the host.
    pub access: Access,
}

/// What a program may do with a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read, and execute.
    Read,
    /// Also write; changes reach the host at once.
    Write,
}

/// Bounds of one sandbox; reaching one ends in a typed [`End`](crate::End).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From start to end, but for the time it is frozen; then everything inside is killed.
    pub wall: Duration,
    /// Standard output and error together, in bytes; then everything inside is killed.
    pub output_bytes: u64,
    /// Sum of the sizes of collected artifacts; further ones are reported as skipped.
    pub artifact_bytes: u64,
    /// Number of collected artifacts; further ones are reported as skipped.
    pub artifact_count: u32,
    /// Memory of all processes together, including what they write to the workspace, in bytes.
    /// Without a cgroup the supervisor counts it several times a second; the receipt says which.
    pub memory_bytes: Option<u64>,
    /// Processes and threads at one time.
    pub pids: u32,
    /// Open files per process.
    pub open_files: u32,
    /// Everything written to the workspace, `/tmp`, the home folder and `/dev/shm`, in bytes.
    pub workspace_bytes: u64,
    /// Bytes of any one file as the program leaves it, wherever it may write; without it, as many as the workspace
    /// may have.
    pub file_bytes: Option<u64>,
    /// Files and folders created in the same places.
    pub workspace_inodes: u64,
    /// Processor time per wall time, in thousandths of one processor. Needs a cgroup.
    pub cpu_thousandths: Option<u32>,
    /// Processor time of everything inside together, set-up included; then everything is killed.
    pub cpu_time: Option<Duration>,
}

impl Limits {
    /// Bytes of the largest file a program may write.
    #[must_use]
    pub fn largest_file(&self) -> u64 {
        self.file_bytes.unwrap_or(self.workspace_bytes).min(self.workspace_bytes)
    }
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            wall: Duration::from_secs(300),
            output_bytes: 16 * MIB,
            artifact_bytes: 256 * MIB,
            artifact_count: 1000,
            memory_bytes: Some(1024 * MIB),
            pids: 128,
            open_files: 1024,
            workspace_bytes: 1024 * MIB,
            file_bytes: None,
            workspace_inodes: 200_000,
            cpu_thousandths: None,
            cpu_time: None,
        }
    }
}
