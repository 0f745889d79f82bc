//! How a step asks to be held: driver, profile, hosts, template, limits, what is kept of its changes.
//!
//! Plain data after decoding, with every default filled in. What a driver makes of it, and whether
//! policy lets it, is decided elsewhere; policy may tighten a request and never loosens one.

use crate::expression::Template;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most hosts one step may ask for; more is an error at load.
pub const MAX_HOSTS: usize = 64;

/// What a driver may be allowed to leave out, by the names receipts use.
pub const GAPS: [&str; 9] = [
    "landlock",
    "self_probe",
    "user_namespace",
    "workspace_overlay",
    "workspace_files",
    "memory_limit",
    "cpu_limit",
    "process_limit",
    "disk_limit",
];

/// How tightly a step asks to run; policy may tighten it further.
#[derive(Debug, Clone, PartialEq)]
pub struct SandboxRequest {
    /// Where.
    pub driver: Driver,
    /// The image, `name@sha256:…` or its own `sha256:…`; exactly with [`Driver::Container`].
    pub image: Option<String>,
    /// Which set of rules.
    pub profile: Profile,
    /// What it may reach over the network; only with a profile that has one.
    pub hosts: Vec<Template>,
    /// What the driver may leave out, by name.
    pub allow_gaps: Vec<String>,
    /// What is kept of what it changed.
    pub changes: Changes,
    /// Bounds of what it uses; the sandbox's own defaults where absent.
    pub limits: Limits,
}

impl Default for SandboxRequest {
    /// The local driver, `standard`, no network, the list of changes.
    fn default() -> Self {
        Self {
            driver: Driver::Local,
            image: None,
            profile: Profile::Standard,
            hosts: Vec::new(),
            allow_gaps: Vec::new(),
            changes: Changes::None,
            limits: Limits::default(),
        }
    }
}

/// Where a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// In namespaces of this machine.
    Local,
    /// In a container of Podman or Docker.
    Container,
}

impl Driver {
    /// Every driver.
    pub const ALL: [Self; 2] = [Self::Local, Self::Container];

    /// The word in documents and policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Container => "container",
        }
    }
}

/// The set of rules a step runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The least an ordinary program needs; no network.
    Strict,
    /// The same with sockets of its own and, through the egress proxy, the hosts asked for.
    StrictNet,
    /// What compilers, interpreters and version control need; no network.
    Standard,
    /// The same with sockets of its own and, through the egress proxy, the hosts asked for.
    StandardNet,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 4] = [Self::Strict, Self::StrictNet, Self::Standard, Self::StandardNet];

    /// Whether hosts can be reached under it.
    pub fn has_network(self) -> bool {
        matches!(self, Self::StrictNet | Self::StandardNet)
    }

    /// The word in documents and policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::StrictNet => "strict-net",
            Self::Standard => "standard",
            Self::StandardNet => "standard-net",
        }
    }
}

/// What is kept of what a step changed in its workspace. The list of changes always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changes {
    /// Only the list.
    None,
    /// A unified diff as well.
    Patch,
    /// The content of every changed file as well, so that it can be merged.
    Full,
}

impl Changes {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::None, Self::Patch, Self::Full];

    /// The word in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Patch => "patch",
            Self::Full => "full",
        }
    }
}

/// Bounds of what one attempt may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Memory of all its processes together, in bytes.
    pub memory_bytes: Option<u64>,
    /// Processor time per wall time, in thousandths of one processor.
    pub cpu_thousandths: Option<u32>,
    /// Processes and threads at a time.
    pub pids: Option<u64>,
    /// Open files of one process.
    pub open_files: Option<u64>,
    /// Bytes kept of each output stream; more ends the step.
    pub output_bytes: Option<u64>,
    /// Bytes it may write into its workspace.
    pub workspace_bytes: Option<u64>,
    /// Files and folders it may create there.
    pub workspace_inodes: Option<u64>,
    /// Bytes of all its artifacts together.
    pub artifact_bytes: Option<u64>,
}

/// A usual way to be held, by what a step is for. Keys beside it count before what it sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxTemplate {
    /// A program that talks to a model on behalf of an agent.
    AiProvider,
    /// Code that somebody else wrote.
    CodeExecutor,
    /// An extension of the policy.
    PolicySandbox,
    /// Tests that need services.
    IntegrationTest,
}

impl SandboxTemplate {
    /// Every template.
    pub const ALL: [Self; 4] =
        [Self::AiProvider, Self::CodeExecutor, Self::PolicySandbox, Self::IntegrationTest];

    /// The word in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::AiProvider => "ai-provider",
            Self::CodeExecutor => "code-executor",
            Self::PolicySandbox => "policy-sandbox",
            Self::IntegrationTest => "integration-test",
        }
    }

    /// The profile it sets.
    pub fn profile(self) -> Profile {
        match self {
            Self::AiProvider => Profile::StrictNet,
            Self::PolicySandbox => Profile::Strict,
            Self::CodeExecutor => Profile::Standard,
            Self::IntegrationTest => Profile::StandardNet,
        }
    }

    /// The limits it sets.
    pub fn limits(self) -> Limits {
        const MIB: u64 = 1024 * 1024;
        let (memory, cpu_thousandths, pids) = match self {
            Self::AiProvider => (256 * MIB, 500, 10),
            Self::CodeExecutor | Self::IntegrationTest => (1024 * MIB, 1000, 100),
            Self::PolicySandbox => (128 * MIB, 250, 5),
        };
        Limits {
            memory_bytes: Some(memory),
            cpu_thousandths: Some(cpu_thousandths),
            pids: Some(pids),
            ..Limits::default()
        }
    }

    /// The time limit it sets, where it sets one.
    pub fn timeout(self) -> Option<Duration> {
        match self {
            Self::AiProvider => Some(Duration::from_secs(120)),
            Self::CodeExecutor | Self::IntegrationTest => Some(Duration::from_secs(300)),
            Self::PolicySandbox => None,
        }
    }
}
