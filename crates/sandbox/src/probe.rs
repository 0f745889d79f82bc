//! Whether this host can run sandboxes: every layer, what was found, and the fix.
//!
//! Facts are gathered by looking at the kernel's switches and by running a real trial sandbox;
//! what they mean is decided by the pure function [`judge`]. `doctor` and `sandbox probe` print
//! the result. Nothing is changed on the host.

use serde::Serialize;

use crate::host::Host;
use crate::launch::{LaunchError, launch_on};
use crate::layer::Layer;
use crate::limits::Mechanism;
use crate::outcome::End;
use crate::refusal::{self, Refusal};
use crate::spec::Spec;

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
    /// Its name, or `kernel` for the version.
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
    /// How the trial sandbox went.
    pub trial: Trial,
    /// Who keeps the memory limit.
    pub memory: Option<Mechanism>,
    /// Who keeps the limit of processes.
    pub processes: Option<Mechanism>,
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
        trial: Trial::Passed,
        memory: None,
        processes: None,
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
    layers.push(limit(Layer::MemoryLimit, facts.memory));
    layers.push(limit(Layer::ProcessLimit, facts.processes));
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

fn kernel(release: &str) -> LayerStatus {
    let mut parts = release.split(|letter: char| !letter.is_ascii_digit());
    let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
    let available = (number(), number()) >= (5, 13);
    LayerStatus {
        name: "kernel",
        available,
        required: true,
        detail: format!("Linux {release}"),
        fix: (!available).then(|| "use Linux 5.13 or later".to_owned()),
    }
}

fn landlock(facts: &Facts) -> LayerStatus {
    let (detail, fix) = match facts.landlock {
        None => ("absent".to_owned(), Some(refusal::landlock().fix)),
        Some(abi @ ..4) => (
            format!("generation {abi}: files only, TCP and signals rest on the namespaces"),
            Some("a kernel from 6.12 on also covers TCP, signals and abstract sockets".to_owned()),
        ),
        Some(abi @ 4..6) => (format!("generation {abi}: files and TCP"), None),
        Some(abi) => (format!("generation {abi}: files, TCP, signals, abstract sockets"), None),
    };
    LayerStatus {
        name: Layer::Landlock.name(),
        available: facts.landlock.is_some(),
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

fn limit(layer: Layer, mechanism: Option<Mechanism>) -> LayerStatus {
    let advice = || Some(refusal::fix_of_limit(layer).to_owned());
    let (available, detail, fix) = match mechanism {
        Some(Mechanism::CgroupV2) => (true, "by cgroup v2, for everything inside together", None),
        Some(Mechanism::CgroupV1) => (true, "by cgroup v1, for everything inside together", None),
        Some(Mechanism::Rlimit) if layer == Layer::MemoryLimit => {
            (true, "by resource limits, for each process by itself", advice())
        }
        Some(_) => (true, "by resource limits, for everything inside together", None),
        None => (false, "not known", advice()),
    };
    LayerStatus { name: layer.name(), available, required: false, detail: detail.to_owned(), fix }
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
