//! One spec, several drivers: what each of them enforces of it, and what it cannot.
//!
//! A driver that cannot enforce something refuses, unless that gap was allowed by its name; then
//! the gap is written into the receipt. The local driver has no gaps: what it cannot enforce it
//! refuses always. Which driver runs what is decided elsewhere.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::child::Child;
use crate::container::{self, Settings};
use crate::launch::{LAYERS, LaunchError, launch};
use crate::layer::Layer;
use crate::refusal::Refusal;
use crate::spec::Spec;

/// Where a program runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// The sandbox of this host, built by our own launcher.
    Local,
    /// A container of Podman or Docker.
    Container(Settings),
}

/// Something a driver does not enforce, under the name by which it can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapName {
    /// No Landlock rules beside the mounts.
    Landlock,
    /// No self-probe: the layers are those the runtime accepted, not those the program's own
    /// process has seen.
    SelfProbe,
    /// No user namespace of its own.
    UserNamespace,
    /// The project is shown read-only: nothing can be written there, nothing is captured.
    WorkspaceOverlay,
    /// Files of the spec are not put into the workspace.
    WorkspaceFiles,
    /// Memory is not limited.
    MemoryLimit,
    /// Processor time is not limited.
    CpuLimit,
    /// The number of processes is not limited.
    ProcessLimit,
    /// What is written is limited in memory only, not by its own size.
    DiskLimit,
}

impl GapName {
    /// Every name.
    pub const ALL: [Self; 9] = [
        Self::Landlock,
        Self::SelfProbe,
        Self::UserNamespace,
        Self::WorkspaceOverlay,
        Self::WorkspaceFiles,
        Self::MemoryLimit,
        Self::CpuLimit,
        Self::ProcessLimit,
        Self::DiskLimit,
    ];

    /// The name, as people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Landlock => "landlock",
            Self::SelfProbe => "self_probe",
            Self::UserNamespace => "user_namespace",
            Self::WorkspaceOverlay => "workspace_overlay",
            Self::WorkspaceFiles => "workspace_files",
            Self::MemoryLimit => "memory_limit",
            Self::CpuLimit => "cpu_limit",
            Self::ProcessLimit => "process_limit",
            Self::DiskLimit => "disk_limit",
        }
    }

    /// The gap of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|gap| gap.name() == name)
    }
}

impl fmt::Display for GapName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Something a driver does not enforce, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// By which it can be allowed.
    pub name: GapName,
    /// Why it is not enforced, as a fragment.
    pub reason: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` ({})", self.name, self.reason)
    }
}

/// What a driver makes of a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Enforcement {
    /// `local` or `container`.
    pub driver: &'static str,
    /// What it enforces.
    pub enforced: Vec<Layer>,
    /// What it does not enforce, and runs without where that is allowed by name.
    pub gaps: Vec<Gap>,
    /// What it refuses whatever is allowed.
    pub refused: Vec<Refusal>,
}

impl Driver {
    /// `local` or `container`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Container(_) => "container",
        }
    }

    /// What this driver enforces of `spec` on this host, and what it does not. Starts nothing.
    ///
    /// The container driver asks its runtime once per process (about 50 ms).
    #[must_use]
    pub fn examine(&self, spec: &Spec) -> Enforcement {
        match self {
            Self::Local => local(spec),
            Self::Container(settings) => container::examine(settings, spec),
        }
    }

    /// Starts `spec` with this driver. What it does not enforce has to be in `allowed`.
    ///
    /// For the local driver this is [`launch`].
    pub fn launch(&self, spec: &Spec, allowed: &[GapName]) -> Result<Child, LaunchError> {
        match self {
            Self::Local => launch(spec),
            Self::Container(_) if !spec.secrets.is_empty() => {
                Err(LaunchError::Spec(crate::SpecError::SecretsUnheld))
            }
            Self::Container(settings) => {
                let mut enforcement = container::examine(settings, spec);
                if let Some(refusal) = enforcement.refused.pop() {
                    return Err(refusal.into());
                }
                let open = enforcement.gaps.iter().filter(|gap| !allowed.contains(&gap.name));
                let gaps: Vec<_> = open.cloned().collect();
                if !gaps.is_empty() {
                    return Err(LaunchError::Gaps { gaps });
                }
                container::launch(settings, spec, enforcement)
            }
        }
    }
}

fn local(spec: &Spec) -> Enforcement {
    let hidden = (!spec.workspace.hidden.is_empty()).then_some(Layer::HiddenPaths);
    let limits = [
        Some(Layer::ProcessLimit),
        Some(Layer::DiskLimit),
        Some(Layer::FileLimit),
        spec.limits.memory_bytes.map(|_| Layer::MemoryLimit),
        spec.limits.cpu_thousandths.map(|_| Layer::CpuLimit),
    ];
    let enforced = LAYERS.into_iter().chain(hidden).chain(limits.into_iter().flatten());
    Enforcement {
        driver: "local",
        enforced: enforced.collect(),
        gaps: Vec::new(),
        refused: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gap_names_are_read_as_they_are_written() {
        for gap in GapName::ALL {
            assert_eq!(GapName::parse(gap.name()), Some(gap));
            assert_eq!(serde_json::to_value(gap).unwrap(), gap.name());
        }
        assert_eq!(GapName::parse("Landlock"), None);
        assert_eq!(GapName::parse(""), None);
    }

    #[test]
    fn the_local_driver_has_no_gaps() {
        let examined = Driver::Local.examine(&Spec::new("/", ["true"]));
        assert_eq!((examined.gaps, examined.refused), (Vec::new(), Vec::new()));
        assert!(examined.enforced.contains(&Layer::Landlock));
        assert!(!examined.enforced.contains(&Layer::CpuLimit));
    }
}
