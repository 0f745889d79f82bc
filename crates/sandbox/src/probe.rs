//! Whether this host can run sandboxes: every layer, what was found, and the fix.
//!
//! Facts are gathered by looking around (`surroundings`) and by running a real trial sandbox; what
//! they mean is decided by the pure function [`judge`]. `doctor` and `sandbox probe` print the
//! result. Nothing is changed on the host.

use serde::Serialize;

use crate::host::Host;
use crate::launch::{LaunchError, launch_on};
use crate::layer::Layer;
use crate::limits::{Hierarchy, Legacy, Mechanism};
use crate::outcome::End;
use crate::refusal::{self, Refusal};
use crate::spec::Spec;
use crate::surroundings::{Container, Surroundings};

/// The state of every layer on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// One entry per layer, in the order in which they are put in force.
    pub layers: Vec<LayerStatus>,
}

impl Probe {
    /// Whether sandboxes can be run: every required layer is there.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.layers.iter().all(|layer| layer.available || !layer.required)
    }
}

/// One layer on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerStatus {
    /// Its name, or what else was looked at: `kernel`, `container`, `proc`, `temporary folder`.
    pub name: &'static str,
    /// Whether it can be used.
    pub available: bool,
    /// Whether nothing is run without it.
    pub required: bool,
    /// What was found.
    pub detail: String,
    /// What to do, where it is not available or could be better.
    pub fix: Option<String>,
}

/// What was found out about a host.
#[derive(Clone, Debug)]
pub struct Facts {
    /// As `uname -r` says.
    pub kernel: String,
    /// The Landlock generation; `None` where there is none.
    pub landlock: Option<u32>,
    /// The generation below which nothing is run.
    pub landlock_floor: u32,
    /// How the trial sandbox went.
    pub trial: Trial,
    /// Who keeps the memory limit.
    pub memory: Option<Mechanism>,
    /// Who keeps the limit of processes.
    pub processes: Option<Mechanism>,
    /// Who would keep a limit of processor time per wall time.
    pub cpu: Option<Mechanism>,
    /// What else was found.
    pub surroundings: Surroundings,
}

/// How the trial sandbox went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// The program ran, with every layer in force and proved.
    Passed,
    /// A layer is missing.
    Refused(Refusal),
    /// Something else went wrong, with the reason.
    Failed(String),
}

/// Looks at this host; runs one trial sandbox, which takes a few milliseconds.
#[must_use]
pub fn probe() -> Probe {
    judge(&gather(Host::current()))
}

fn gather(host: &Host) -> Facts {
    let mut facts = Facts {
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        landlock: host.landlock,
        landlock_floor: 1,
        trial: Trial::Passed,
        memory: None,
        processes: None,
        cpu: match &host.cgroups {
            Hierarchy::Unified { cpu: true, .. } => Some(Mechanism::CgroupV2),
            Hierarchy::Legacy(Legacy { cpu: Some(_), .. }) => Some(Mechanism::CgroupV1),
            _ => None,
        },
        surroundings: Surroundings::gather(),
    };
    match launch_on(host, &Spec::new("/usr", ["true"])) {
        Ok(child) => {
            let outcome = child.wait(&mut |_, _| {});
            let kept = |name| {
                let mut limits = outcome.receipt.limits.iter();
                limits.find(|limit| limit.name == name).map(|limit| limit.mechanism)
            };
            (facts.memory, facts.processes) = (kept("memory"), kept("processes"));
            if outcome.end != End::Exited(0) {
                facts.trial = Trial::Failed(format!("`true` ended with {:?}", outcome.end));
            }
        }
        Err(LaunchError::Unsupported(refusal)) => facts.trial = Trial::Refused(refusal),
        Err(other) => facts.trial = Trial::Failed(chain(&other)),
    }
    facts
}

/// What the facts mean for each layer. Pure.
#[must_use]
pub fn judge(facts: &Facts) -> Probe {
    let mut layers = vec![kernel(&facts.kernel)];
    layers.extend(BUILT.into_iter().map(|layer| built(layer, &facts.trial)));
    layers.insert(8.min(layers.len()), landlock(facts));
    for (layer, mechanism) in [
        (Layer::MemoryLimit, facts.memory),
        (Layer::ProcessLimit, facts.processes),
        (Layer::CpuLimit, facts.cpu),
    ] {
        layers.push(limit(layer, mechanism, facts));
    }
    layers.extend(around(&facts.surroundings));
    Probe { layers }
}

/// Layers whose presence only a trial can show.
const BUILT: [Layer; 10] = [
    Layer::UserNamespace,
    Layer::MountNamespace,
    Layer::PidNamespace,
    Layer::IpcNamespace,
    Layer::UtsNamespace,
    Layer::NetworkNamespace,
    Layer::WorkspaceOverlay,
    Layer::Capabilities,
    Layer::NoNewPrivileges,
    Layer::Seccomp,
];

/// What each kernel brought that a sandbox needs; the last one is the oldest that will do.
const KERNELS: [((u32, u32), &str); 6] = [
    ((5, 3), "`clone3`"),
    ((5, 6), "`openat2`"),
    ((5, 9), "`close_range`"),
    ((5, 11), "overlays in a user namespace"),
    ((5, 12), "`mount_setattr`"),
    ((5, 13), "landlock"),
];

fn kernel(release: &str) -> LayerStatus {
    let mut parts = release.split(|letter: char| !letter.is_ascii_digit());
    let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
    let version = (number(), number());
    let newer = KERNELS.into_iter().filter(|(since, _)| version < *since);
    let missing: Vec<&str> = newer.map(|(_, what)| what).collect();
    let lacks = if missing.is_empty() {
        String::new()
    } else {
        format!(", which is too old for {}", missing.join(", "))
    };
    LayerStatus {
        name: "kernel",
        available: missing.is_empty(),
        required: true,
        detail: format!("Linux {release}{lacks}"),
        fix: (!missing.is_empty()).then(|| "use Linux 5.13 or later".to_owned()),
    }
}

fn landlock(facts: &Facts) -> LayerStatus {
    let floor = facts.landlock_floor;
    let (detail, fix) = match facts.landlock {
        None => ("absent".to_owned(), Some(refusal::landlock().fix)),
        Some(abi) if abi < floor => {
            let refusal = refusal::landlock_below(abi, floor);
            (refusal.reason, Some(refusal.fix))
        }
        Some(abi @ ..4) => (
            format!("generation {abi}: files only, TCP and signals rest on the namespaces"),
            Some("a kernel from 6.12 on also covers TCP, signals and abstract sockets".to_owned()),
        ),
        Some(abi @ 4..6) => (format!("generation {abi}: files and TCP"), None),
        Some(abi) => (format!("generation {abi}: files, TCP, signals, abstract sockets"), None),
    };
    LayerStatus {
        name: Layer::Landlock.name(),
        available: facts.landlock.is_some_and(|abi| abi >= floor),
        required: true,
        detail,
        fix,
    }
}

fn built(layer: Layer, trial: &Trial) -> LayerStatus {
    let (available, detail, fix) = match trial {
        Trial::Passed => (true, "in force and proved in a trial sandbox".to_owned(), None),
        Trial::Refused(refusal) if refusal.layer == layer => {
            (false, refusal.reason.clone(), Some(refusal.fix.clone()))
        }
        Trial::Refused(refusal) => {
            (false, format!("not tried: the {} is missing", refusal.layer), None)
        }
        Trial::Failed(reason) => (false, format!("the trial sandbox failed: {reason}"), None),
    };
    LayerStatus { name: layer.name(), available, required: true, detail, fix }
}

const WATCHED: &str = "by a watchdog, for everything inside together, several times a second";

fn limit(layer: Layer, mechanism: Option<Mechanism>, facts: &Facts) -> LayerStatus {
    let advice = || Some(refusal::fix_of_limit(layer, &facts.surroundings));
    let untried = facts.trial != Trial::Passed && layer != Layer::CpuLimit;
    let (available, detail, fix) = match mechanism {
        Some(Mechanism::CgroupV2) => (true, "by cgroup v2, for everything inside together", None),
        Some(Mechanism::CgroupV1) => (true, "by cgroup v1, for everything inside together", None),
        Some(Mechanism::Watchdog) => (true, WATCHED, advice()),
        Some(_) => (true, "by resource limits, for everything inside together", None),
        None if untried => (false, "not tried", None),
        None => (false, "a sandbox that asks for it is refused", advice()),
    };
    LayerStatus { name: layer.name(), available, required: false, detail: detail.to_owned(), fix }
}

/// What is no layer, but explains what is missing or how programs will behave.
fn around(found: &Surroundings) -> Vec<LayerStatus> {
    let other = |name, available, detail: String, fix: Option<&str>| LayerStatus {
        name,
        available,
        required: false,
        detail,
        fix: fix.map(str::to_owned),
    };
    let engine = found.container.map(|container| match container {
        Container::Podman => "this is a container of Podman",
        Container::Docker => "this is a container of Docker",
        Container::Kubernetes => "this is a container of Kubernetes",
        Container::Other => "this is a container",
    });
    let hides = found.proc_hides.as_ref().filter(|_| !found.root);
    let noexec = found.tmp_options.iter().any(|option| option == "noexec");
    let rows = [
        engine.map(|detail| other("container", true, detail.to_owned(), None)),
        hides.map(|value| {
            let detail = format!("`hidepid={value}`: a watchdog could not see what it watches");
            other("proc", false, detail, Some("mount `/proc` without `hidepid`"))
        }),
        noexec.then(|| {
            let detail = "`/tmp` is mounted `noexec`: programs of a project below it cannot be \
                          executed, inside neither";
            let fix = "keep projects elsewhere, or remount `/tmp` with `exec`";
            other("temporary folder", false, detail.to_owned(), Some(fix))
        }),
    ];
    rows.into_iter().flatten().collect()
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
