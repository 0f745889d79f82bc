//! The proof of what was in force: one receipt with every result.
//!
//! Only what the kernel accepted or the self-probe saw is written here; what was merely asked for
//! is in the spec. It is machine output first: every field serialises under its own name.

use std::path::Path;

use serde::Serialize;

use crate::check::show;
use crate::driver::Gap;
use crate::inside::proof::Check;
use crate::inside::report::NAMESPACES;
use crate::launch::{Facts, LAYERS};
use crate::layer::Layer;
use crate::limits::LimitInForce;
use crate::profile::Profile;
use crate::spec::{Access, HOME, Network, WORKSPACE};
use crate::{plan, seccomp};

/// What stood between a program and its host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Which driver ran it: `local` or `container`.
    pub driver: &'static str,
    /// Name of the sandbox on this host, unique while it runs.
    pub sandbox: String,
    /// Whether the sandbox had been built before it was asked for, and waited for its program.
    pub warm: bool,
    /// How tightly the program was held.
    pub profile: Profile,
    /// What could be reached over the network.
    pub network: Network,
    /// Every layer in force.
    pub layers: Vec<Layer>,
    /// Identities of the namespaces; each differs from the supervisor's, but for the network's where
    /// `network` is the host's. 0 where one could not be seen, which happens only with a container
    /// that is gone at once.
    pub namespaces: Namespaces,
    /// Who the program was, inside and outside.
    pub identity: Identity,
    /// What of the host could be seen, and what could be written.
    pub view: View,
    /// The Landlock rules in force; generation 0 where there are none.
    pub landlock: LandlockInForce,
    /// The seccomp filter in force.
    pub seccomp: SeccompInForce,
    /// Capabilities the program had: always none.
    pub capabilities: Vec<String>,
    /// Whether set-user-id programs could gain anything: always `true`.
    pub no_new_privileges: bool,
    /// Every limit, and who kept it.
    pub limits: Vec<LimitInForce>,
    /// The control groups used, empty where there are none.
    pub cgroups: Vec<String>,
    /// What the self-probe saw before the program was executed; nothing in a container.
    pub verified: Vec<Check>,
    /// What the driver does not enforce and somebody allowed it to run without.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// The container, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerInForce>,
}

/// Inode numbers of the namespaces, as in `/proc/<pid>/ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Namespaces {
    /// User namespace.
    pub user: u64,
    /// Mount namespace.
    pub mount: u64,
    /// Pid namespace.
    pub pid: u64,
    /// IPC namespace.
    pub ipc: u64,
    /// UTS namespace.
    pub uts: u64,
    /// Network namespace.
    pub network: u64,
    /// Cgroup namespace.
    pub cgroup: u64,
}

impl Namespaces {
    pub(crate) fn new([user, mount, pid, ipc, uts, network, cgroup]: [u64; NAMESPACES]) -> Self {
        Self { user, mount, pid, ipc, uts, network, cgroup }
    }
}

/// The one user and group of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// User id as the program sees it.
    pub uid_inside: u32,
    /// The same user on the host.
    pub uid_outside: u32,
    /// Group id as the program sees it.
    pub gid_inside: u32,
    /// The same group on the host.
    pub gid_outside: u32,
}

/// The file system as the program saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct View {
    /// Folders and files of the host, read-only, at the same place inside.
    pub read_only: Vec<String>,
    /// Places that can be written to and are thrown away.
    pub writable: Vec<String>,
    /// Paths of the workspace that are masked.
    pub hidden: Vec<String>,
    /// Further mounts.
    pub mounts: Vec<MountInForce>,
}

/// A further mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MountInForce {
    /// Path on the host.
    pub source: String,
    /// Path inside.
    pub target: String,
    /// Whether writes reach the host.
    pub access: Access,
}

/// The Landlock rules in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LandlockInForce {
    /// Generation of the interface that was used.
    pub abi: u32,
    /// TCP connect and bind are denied (generation 4).
    pub tcp_denied: bool,
    /// TCP bind is denied (generation 4).
    pub tcp_bind_denied: bool,
    /// Signals and abstract sockets stay inside (generation 6).
    pub scoped: bool,
}

/// The seccomp filter in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeccompInForce {
    /// Which allowlist.
    pub profile: Profile,
    /// SHA-256 of the installed program, in hexadecimal.
    pub digest: String,
}

/// What ran a container, and from which image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContainerInForce {
    /// `podman` or `docker`.
    pub runtime: &'static str,
    /// Its version.
    pub version: String,
    /// The OCI runtime below it.
    pub oci: String,
    /// It ran without root.
    pub rootless: bool,
    /// The image, by its content.
    pub image: String,
}

/// Writes the receipt of a sandbox whose program has just been executed.
pub(crate) fn write(facts: &Facts<'_>) -> Receipt {
    let (host, spec, plan) = (facts.host, facts.spec, facts.plan);
    let abi = host.landlock.unwrap_or(0);
    Receipt {
        driver: "local",
        sandbox: facts.name.clone(),
        warm: false,
        profile: spec.profile,
        network: spec.network,
        layers: layers(facts),
        namespaces: Namespaces::new(facts.namespaces),
        identity: Identity {
            uid_inside: plan::Identity::INSIDE,
            uid_outside: plan.identity.uid_outside,
            gid_inside: plan::Identity::INSIDE,
            gid_outside: plan.identity.gid_outside,
        },
        view: view(facts),
        landlock: LandlockInForce {
            abi,
            tcp_denied: abi >= 4 && spec.network == Network::None,
            tcp_bind_denied: abi >= 4 && spec.network != Network::Proxy,
            scoped: abi >= 6,
        },
        seccomp: SeccompInForce {
            profile: spec.profile,
            digest: hex(&seccomp::filter(spec.profile).digest),
        },
        capabilities: Vec::new(),
        no_new_privileges: true,
        limits: facts.limits.clone(),
        cgroups: facts.groups.clone(),
        verified: Check::made(spec.network, spec.profile),
        gaps: Vec::new(),
        container: None,
    }
}

fn layers(facts: &Facts<'_>) -> Vec<Layer> {
    let hidden = (!facts.checked.hidden.is_empty()).then_some(Layer::HiddenPaths);
    let quota = facts.limits.iter().any(|limit| limit.name == "cpu");
    let limits = facts.limits.iter().filter_map(|limit| match limit.name {
        "memory" => Some(Layer::MemoryLimit),
        "processes" => Some(Layer::ProcessLimit),
        "cpu" => Some(Layer::CpuLimit),
        "cpu_time" if !quota => Some(Layer::CpuLimit),
        "open_files" => Some(Layer::FileLimit),
        "workspace" => Some(Layer::DiskLimit),
        _ => None,
    });
    let own_network = facts.spec.network != Network::Host;
    let always = LAYERS.into_iter();
    let always = always.filter(|layer| own_network || *layer != Layer::NetworkNamespace);
    always.chain(hidden).chain(limits).collect()
}

fn view(facts: &Facts<'_>) -> View {
    let writable: &[&str] = match facts.spec.profile {
        Profile::Strict | Profile::StrictNet | Profile::Standard | Profile::StandardNet => {
            &[WORKSPACE, HOME, "/tmp", "/dev/shm"]
        }
        Profile::Proxy => &[],
    };
    let shown = facts.host.shown(facts.spec.profile);
    let resolver = facts.plan.root.resolver.iter().map(|path| (*path).to_owned());
    let hidden = facts.checked.hidden.iter();
    let mounts = facts.checked.mounts.iter().map(|(mount, _)| MountInForce {
        source: show(&mount.source),
        target: show(&mount.target),
        access: mount.access,
    });
    View {
        read_only: shown.iter().map(|shown| shown.path.clone()).chain(resolver).collect(),
        writable: writable.iter().copied().map(str::to_owned).collect(),
        hidden: hidden.map(|(path, _)| show(&Path::new(WORKSPACE).join(path))).collect(),
        mounts: mounts.collect(),
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
