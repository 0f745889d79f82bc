//! The receipt of a container: what the runtime accepted, what was seen from outside, and the
//! gaps that somebody allowed. Nothing in it was proved from inside; that is one of the gaps.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::image::Image;
use super::owner;
use super::runtime::Runtime;
use crate::check::{Checked, show};
use crate::driver::Enforcement;
use crate::inside::report::NAMESPACES;
use crate::limits::LimitInForce;
use crate::plan;
use crate::receipt::{
    ContainerInForce, Identity, LandlockInForce, MountInForce, Namespaces, Receipt, SeccompInForce,
    View, hex,
};
use crate::spec::{HOME, Spec, WORKSPACE};

/// What a container's receipt is written from.
pub(super) struct Facts<'a> {
    pub(super) image: &'a Image,
    pub(super) runtime: &'a Runtime,
    pub(super) spec: &'a Spec,
    pub(super) checked: &'a Checked,
    pub(super) name: String,
    pub(super) groups: Vec<String>,
    pub(super) enforcement: Enforcement,
    pub(super) limits: Vec<LimitInForce>,
    pub(super) namespaces: [u64; NAMESPACES],
    /// The seccomp profile as it was given to the runtime.
    pub(super) profile: &'a str,
}

pub(super) fn write(facts: Facts<'_>) -> Receipt {
    let full = facts.runtime.is_full();
    let outside = if full { owner::PROGRAM } else { plan::Identity::INSIDE };
    Receipt {
        driver: "container",
        sandbox: facts.name,
        warm: false,
        profile: facts.spec.profile,
        network: facts.spec.network,
        layers: facts.enforcement.enforced,
        namespaces: Namespaces::new(facts.namespaces),
        identity: Identity {
            uid_inside: plan::Identity::INSIDE,
            uid_outside: outside,
            gid_inside: plan::Identity::INSIDE,
            gid_outside: outside,
        },
        view: view(facts.checked, full),
        landlock: LandlockInForce {
            abi: 0,
            tcp_denied: false,
            tcp_bind_denied: false,
            scoped: false,
        },
        seccomp: SeccompInForce {
            profile: facts.spec.profile,
            digest: hex(&Sha256::digest(facts.profile)),
        },
        capabilities: Vec::new(),
        no_new_privileges: true,
        limits: facts.limits,
        cgroups: facts.groups,
        verified: Vec::new(),
        gaps: facts.enforcement.gaps,
        container: Some(ContainerInForce {
            runtime: facts.runtime.kind.program(),
            version: facts.runtime.version.clone(),
            oci: facts.runtime.oci.clone(),
            rootless: facts.runtime.rootless,
            image: facts.image.to_string(),
        }),
    }
}

fn view(checked: &Checked, full: bool) -> View {
    let writable: &[&str] =
        if full { &[WORKSPACE, HOME, "/tmp", "/dev/shm"] } else { &[HOME, "/tmp"] };
    let hidden = checked.hidden.iter();
    let mounts = checked.mounts.iter().map(|(mount, _)| MountInForce {
        source: show(&mount.source),
        target: show(&mount.target),
        access: mount.access,
    });
    View {
        read_only: vec!["/".to_owned()],
        writable: writable.iter().map(|path| (*path).to_owned()).collect(),
        hidden: hidden.map(|(path, _)| show(&Path::new(WORKSPACE).join(path))).collect(),
        mounts: mounts.collect(),
    }
}
