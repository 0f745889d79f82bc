//! What the container driver makes of a spec: enforced, missing, or refused.
//!
//! A pure function of the runtime found and the spec. Root's own Podman builds the workspace and
//! the limits the way the local driver does; any other runtime lives in mounts and groups of its
//! own, and what cannot be done from there is a gap.

use super::Settings;
use super::runtime::Runtime;
use crate::driver::{Enforcement, Gap, GapName};
use crate::layer::Layer;
use crate::limits::{Hierarchy, Legacy};
use crate::refusal::Refusal;
use crate::spec::{Network, Spec};

/// What every container has.
const ALWAYS: [Layer; 11] = [
    Layer::MountNamespace,
    Layer::PidNamespace,
    Layer::IpcNamespace,
    Layer::UtsNamespace,
    Layer::NetworkNamespace,
    Layer::CgroupNamespace,
    Layer::ReadOnlyRoot,
    Layer::Capabilities,
    Layer::NoNewPrivileges,
    Layer::Seccomp,
    Layer::FileLimit,
];

/// See [`Driver::examine`](crate::Driver::examine).
pub(crate) fn examine(settings: &Settings, spec: &Spec) -> Enforcement {
    match Runtime::find(settings.runtime) {
        Ok(runtime) => {
            let cgroups = &crate::host::Host::current().cgroups;
            let full = runtime.is_full();
            judge(&Facts { runtime: &runtime, full, groups: groups(cgroups) }, spec)
        }
        Err(error) => Enforcement {
            driver: "container",
            enforced: Vec::new(),
            gaps: Vec::new(),
            refused: vec![Refusal {
                layer: Layer::MountNamespace,
                reason: error.to_string(),
                fix: error.fix().unwrap_or("see `palisade driver check`").to_owned(),
            }],
        },
    }
}

/// Which limits a group of ours can keep: memory, and processor time.
fn groups(hierarchy: &Hierarchy) -> (bool, bool) {
    match hierarchy {
        Hierarchy::Unified { cpu, .. } => (true, *cpu),
        Hierarchy::Legacy(Legacy { memory, cpu, .. }) => (memory.is_some(), cpu.is_some()),
        Hierarchy::Absent => (false, false),
    }
}

/// What a judgement depends on beside the spec.
pub(super) struct Facts<'a> {
    pub(super) runtime: &'a Runtime,
    /// Root's own Podman.
    pub(super) full: bool,
    /// Our groups can limit memory, and processor time.
    pub(super) groups: (bool, bool),
}

pub(super) fn judge(facts: &Facts<'_>, spec: &Spec) -> Enforcement {
    let mut found = Found { enforced: ALWAYS.to_vec(), gaps: Vec::new(), refused: Vec::new() };
    found.gap(GapName::Landlock, "a container runtime sets no landlock rules");
    found.gap(GapName::SelfProbe, "nothing of ours runs inside before the program");
    match facts.full {
        true => found.enforced.push(Layer::UserNamespace),
        false => plain(&mut found, facts.runtime, spec),
    }
    if facts.full {
        found.enforced.extend([Layer::WorkspaceOverlay, Layer::ProcessLimit, Layer::DiskLimit]);
    }
    // Whoever runs it: no gap may show a program what the project keeps.
    if !spec.workspace.hidden.is_empty() {
        found.enforced.push(Layer::HiddenPaths);
    }
    limits(&mut found, facts, spec);
    network(&mut found, facts, spec);
    if !spec.handed.is_empty() {
        found.refuse(
            Layer::MountNamespace,
            "a container cannot be handed open descriptors",
            "use the local driver",
        );
    }
    let Found { enforced, gaps, refused } = found;
    Enforcement { driver: "container", enforced, gaps, refused }
}

struct Found {
    enforced: Vec<Layer>,
    gaps: Vec<Gap>,
    refused: Vec<Refusal>,
}

impl Found {
    fn gap(&mut self, name: GapName, reason: &str) {
        self.gaps.push(Gap { name, reason: reason.to_owned() });
    }

    fn refuse(&mut self, layer: Layer, reason: &str, fix: &str) {
        self.refused.push(Refusal { layer, reason: reason.to_owned(), fix: fix.to_owned() });
    }
}

/// A runtime that lives in mounts of its own.
fn plain(found: &mut Found, runtime: &Runtime, spec: &Spec) {
    const APART: &str = "only root's own Podman starts a container among mounts of ours";
    match runtime.rootless {
        true => found.enforced.push(Layer::UserNamespace),
        false => found.gap(
            GapName::UserNamespace,
            "the runtime's daemon gives containers no ids of their own",
        ),
    }
    found.gap(GapName::WorkspaceOverlay, APART);
    found.gap(GapName::DiskLimit, "each temporary folder is limited by itself");
    if !spec.workspace.files.is_empty() {
        found.gap(GapName::WorkspaceFiles, APART);
    }
}

fn limits(found: &mut Found, facts: &Facts<'_>, spec: &Spec) {
    let (memory, cpu) = match facts.full {
        true => facts.groups,
        // Without root a runtime gets groups only by delegation, which version 1 does not have.
        false => {
            let delegated = !facts.runtime.rootless || facts.runtime.cgroups == 2;
            match delegated {
                true => found.enforced.push(Layer::ProcessLimit),
                false => found.gap(
                    GapName::ProcessLimit,
                    "version 1 control groups are not handed to ordinary users",
                ),
            }
            (delegated, delegated)
        }
    };
    if spec.limits.cpu_time.is_some() {
        found.refuse(
            Layer::CpuLimit,
            "nobody counts the processor time of a container",
            "use the local driver, or limit the processor time per wall time",
        );
    }
    const NO_GROUP: &str = "no control group can be made for it";
    if spec.limits.memory_bytes.is_some() {
        match memory {
            true => found.enforced.push(Layer::MemoryLimit),
            false => found.gap(GapName::MemoryLimit, NO_GROUP),
        }
    }
    if spec.limits.cpu_thousandths.is_some() {
        match cpu {
            true => found.enforced.push(Layer::CpuLimit),
            false => found.gap(GapName::CpuLimit, NO_GROUP),
        }
    }
}

fn network(found: &mut Found, facts: &Facts<'_>, spec: &Spec) {
    match spec.network {
        Network::None => {}
        Network::Proxy if facts.full => {}
        Network::Proxy => found.refuse(
            Layer::NetworkNamespace,
            "only root's own Podman can be given a network with the egress proxy in it",
            "run Palisade as root with Podman, or use the local driver",
        ),
        Network::Host => found.refuse(
            Layer::NetworkNamespace,
            "a container never gets the network of the host",
            "use no network, or the egress proxy",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::runtime::Kind;

    fn runtime(kind: Kind, rootless: bool, cgroups: u8) -> Runtime {
        Runtime {
            kind,
            path: "/usr/bin/runtime".into(),
            version: "1".into(),
            rootless,
            cgroups,
            oci: "runc".into(),
            oci_forced: false,
        }
    }

    fn check(runtime: &Runtime, full: bool, spec: &Spec, gaps: &[GapName]) {
        let facts = Facts { runtime, full, groups: (true, true) };
        let examined = judge(&facts, spec);
        let names: Vec<_> = examined.gaps.iter().map(|gap| gap.name).collect();
        assert_eq!(names, gaps, "{runtime:?}");
        assert_eq!(examined.refused, Vec::new());
    }

    #[test]
    fn what_is_not_enforced_is_a_gap_by_name() {
        use GapName::{
            DiskLimit, Landlock, MemoryLimit, ProcessLimit, SelfProbe, UserNamespace,
            WorkspaceFiles, WorkspaceOverlay,
        };
        let mut spec = Spec::new("/", ["true"]);
        spec.workspace.hidden = vec![".git".into()];
        spec.workspace.files = vec![("a".into(), Vec::new())];
        check(&runtime(Kind::Podman, false, 1), true, &spec, &[Landlock, SelfProbe]);
        let apart = [WorkspaceOverlay, DiskLimit, WorkspaceFiles];
        let docker = [&[Landlock, SelfProbe, UserNamespace][..], &apart].concat();
        check(&runtime(Kind::Docker, false, 1), false, &spec, &docker);
        let rootless = [&[Landlock, SelfProbe][..], &apart].concat();
        check(&runtime(Kind::Podman, true, 2), false, &spec, &rootless);
        let old = [&rootless[..], &[ProcessLimit, MemoryLimit]].concat();
        check(&runtime(Kind::Podman, true, 1), false, &spec, &old);
    }

    #[test]
    fn every_layer_of_the_local_driver_is_enforced_or_a_gap() {
        let mut spec = Spec::new("/", ["true"]);
        spec.workspace.hidden = vec![".git".into()];
        for (runtime, full) in [
            (runtime(Kind::Podman, false, 2), true),
            (runtime(Kind::Podman, true, 2), false),
            (runtime(Kind::Docker, false, 2), false),
        ] {
            let facts = Facts { runtime: &runtime, full, groups: (true, true) };
            let examined = judge(&facts, &spec);
            for layer in crate::Driver::Local.examine(&spec).enforced {
                let gap = layer.name().replace(' ', "_");
                let told = examined.gaps.iter().any(|known| known.name.name() == gap);
                assert!(
                    examined.enforced.contains(&layer) != told,
                    "{layer} of {runtime:?} is neither enforced nor a gap, or both"
                );
            }
        }
    }

    #[test]
    fn a_total_of_processor_time_is_refused() {
        let runtime = runtime(Kind::Podman, false, 2);
        let facts = Facts { runtime: &runtime, full: true, groups: (true, true) };
        let mut spec = Spec::new("/", ["true"]);
        assert!(judge(&facts, &spec).refused.is_empty());
        spec.limits.cpu_time = Some(std::time::Duration::from_secs(1));
        assert_eq!(judge(&facts, &spec).refused.len(), 1);
    }

    #[test]
    fn the_network_of_the_host_is_refused_always_and_the_proxy_where_it_cannot_be() {
        let refused = |network: Network, full: bool| {
            let runtime = runtime(Kind::Podman, !full, 2);
            let spec = Spec { network, ..Spec::new("/", ["true"]) };
            let facts = Facts { runtime: &runtime, full, groups: (true, true) };
            !judge(&facts, &spec).refused.is_empty()
        };
        assert!(refused(Network::Host, true) && refused(Network::Host, false));
        assert!(refused(Network::Proxy, false) && !refused(Network::Proxy, true));
        assert!(!refused(Network::None, true) && !refused(Network::None, false));
    }
}
