//! Whether the container driver works on this host, finding by finding, each with its fix.
//!
//! What can be tried is tried: the OCI runtime is shown to work by running a container. Nothing
//! is installed, fetched or changed.

use std::sync::Arc;

use serde::Serialize;

use super::runtime::Runtime;
use super::{Image, Kind, Settings, owner};
use crate::driver::{Driver, GapName};
use crate::host::Host;
use crate::limits::{Hierarchy, Legacy};
use crate::outcome::End;
use crate::spec::Spec;

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// As it has to be.
    Good,
    /// Something is not enforced or not offered; the rest works.
    Limited,
    /// Containers cannot be run.
    Broken,
    /// Could not be looked at, because of an earlier finding.
    Unknown,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `runtime`, `mode`, `image`, `run`, `workspace`, `limits`, `network`.
    pub name: &'static str,
    /// How good it is.
    pub standing: Standing,
    /// What was found, as a fragment.
    pub detail: String,
    /// What to do about it, where there is a remedy.
    pub fix: Option<String>,
}

impl Finding {
    fn new(name: &'static str, standing: Standing, detail: impl Into<String>) -> Self {
        Self { name, standing, detail: detail.into(), fix: None }
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Looks at everything the driver needs. With an image a container is run, which takes about half
/// a second; without one that stays unknown.
#[must_use]
pub fn check(kind: Option<Kind>, image: Option<&Image>) -> Vec<Finding> {
    let runtime = match Runtime::discover(kind) {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            let finding = Finding::new("runtime", Standing::Broken, error.to_string());
            return vec![finding.fix(error.fix().unwrap_or("start the runtime's service"))];
        }
    };
    let image_found = look_at_image(&runtime, image);
    let ran = match (image, image_found.standing) {
        (Some(image), Standing::Good) => run(kind, image),
        _ => Finding::new("run", Standing::Unknown, "no image to run"),
    };
    vec![
        Finding::new("runtime", Standing::Good, describe(&runtime)),
        mode(&runtime),
        image_found,
        ran,
        workspace(&runtime),
        limits(&runtime),
        proxy(&runtime),
    ]
}

fn describe(runtime: &Runtime) -> String {
    let Runtime { kind, version, oci, cgroups, path, .. } = runtime;
    let forced = if runtime.oci_forced { " in place of the configured one" } else { "" };
    let (program, path) = (kind.program(), path.display());
    format!("{program} {version} ({path}) with {oci}{forced}, control groups version {cgroups}")
}

fn mode(runtime: &Runtime) -> Finding {
    match (runtime.is_full(), runtime.kind) {
        (true, _) => {
            Finding::new("mode", Standing::Good, "root's own Podman: everything is offered")
        }
        (false, Kind::Docker) => {
            let detail = "Docker's daemon sees its own mounts only: the project is read-only";
            Finding::new("mode", Standing::Limited, detail).fix("use Podman as root")
        }
        (false, Kind::Podman) => {
            let detail = "Podman without root: the project is read-only";
            Finding::new("mode", Standing::Limited, detail)
                .fix("run as root, or use the local driver")
        }
    }
}

fn look_at_image(runtime: &Runtime, image: Option<&Image>) -> Finding {
    let Some(image) = image else {
        return Finding::new("image", Standing::Unknown, "no image was named");
    };
    match runtime.resolve(image) {
        Ok(id) => Finding::new("image", Standing::Good, format!("{image} is image {id}")),
        Err(error) => Finding::new("image", Standing::Broken, error.to_string())
            .fix(error.fix().unwrap_or("pull it first")),
    }
}

/// Runs the image's own `true`, with every gap allowed: here the question is only whether it runs.
fn run(kind: Option<Kind>, image: &Image) -> Finding {
    let settings = Settings { runtime: kind, image: image.clone() };
    let spec = Spec::new(std::env::temp_dir(), ["true"]);
    match Driver::Container(settings).launch(&spec, &GapName::ALL) {
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let detail = format!("{error}{}", cause.unwrap_or_default());
            let fix = error.fix().unwrap_or_else(|| {
                "install another OCI runtime: `runc` runs where `crun` does not, and the other \
                 way round"
                    .to_owned()
            });
            Finding::new("run", Standing::Broken, detail).fix(fix)
        }
        Ok(child) => match child.wait(&mut |_, _| {}).end {
            End::Exited(0) => Finding::new("run", Standing::Good, "a container has run"),
            End::SandboxFailed(reason) => Finding::new("run", Standing::Limited, reason)
                .fix("name an image that has a program called `true`"),
            other => Finding::new("run", Standing::Broken, format!("a container ended: {other:?}")),
        },
    }
}

fn workspace(runtime: &Runtime) -> Finding {
    const NAME: &str = "workspace";
    if !runtime.is_full() {
        let detail = "no overlay: nothing can be written to the project or captured";
        return Finding::new(NAME, Standing::Limited, detail).fix("use Podman as root");
    }
    match owner::mapping(0, 0) {
        Ok(_) => Finding::new(NAME, Standing::Good, "an overlay of ours, limited in size"),
        Err(error) => {
            let detail = format!("user namespaces cannot be made: {error}");
            Finding::new(NAME, Standing::Broken, detail)
                .fix("raise `sysctl user.max_user_namespaces`")
        }
    }
}

fn limits(runtime: &Runtime) -> Finding {
    const NAME: &str = "limits";
    let fix = "run in a control group with the `memory` and `cpu` controllers delegated";
    let rootless_old = runtime.rootless && runtime.cgroups == 1;
    let hierarchy = &Host::current().cgroups;
    let (standing, detail) = match (runtime.is_full(), hierarchy) {
        (false, _) if rootless_old => {
            (Standing::Limited, "none: version 1 control groups are not handed to ordinary users")
        }
        (false, _) => (Standing::Good, "those of the runtime"),
        (true, Hierarchy::Unified { cpu: true, .. }) => {
            (Standing::Good, "memory and processor time by a group of ours, version 2")
        }
        (true, Hierarchy::Legacy(Legacy { memory: Some(_), cpu: Some(_), .. })) => {
            (Standing::Good, "memory and processor time by a group of ours, version 1")
        }
        (true, Hierarchy::Absent) => (Standing::Broken, "no control group can be made"),
        (true, _) => (Standing::Limited, "only some of memory and processor time"),
    };
    let finding = Finding::new(NAME, standing, detail);
    if standing == Standing::Good { finding } else { finding.fix(fix) }
}

fn proxy(runtime: &Runtime) -> Finding {
    const NAME: &str = "network";
    if !runtime.is_full() {
        let detail = "none only: the egress proxy needs a network of ours";
        return Finding::new(NAME, Standing::Limited, detail).fix("use Podman as root");
    }
    Finding::new(NAME, Standing::Good, "none, or the egress proxy")
}
