//! Starts of a whole container around a program that does nothing, against a plain `podman run` of the same image
//! and program. Ours has the workspace overlay, the limits, our filter, no capability and users of its own; the
//! plain one has none of that and no network either, which makes it the quicker of what people type.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sandbox::container::{Image, Kind, Runtime, Settings};
use sandbox::{Driver, End, GapName, Spec};

use super::{BenchError, Measured, baseline, metric, note, sample::Sample};

/// Starts of each kind.
const STARTS: usize = 40;
/// Rounds in which the two take turns, so that both see the same machine.
const ROUNDS: usize = 20;
/// What the container driver never enforces; see `sandbox::GapName`.
const ALLOWED: [GapName; 2] = [GapName::Landlock, GapName::SelfProbe];

/// The container driver by itself.
pub(super) fn measure(folder: &Path) -> Measured {
    beside(folder, ("container", Vec::new(), Vec::new()))
}

/// Adds the figures of the container driver to those of another bench, or why there are none.
pub(super) fn beside(
    folder: &Path,
    (name, mut notes, mut metrics): (&'static str, Vec<(String, String)>, Vec<super::Metric>),
) -> Measured {
    let runtime = match Runtime::find(Some(Kind::Podman)) {
        Ok(runtime) if runtime.is_full() => runtime,
        Ok(_) => {
            let why = "NOT MEASURED: it needs root's own Podman, and this is not root";
            notes.push(note("container", why));
            return Ok((name, notes, metrics));
        }
        Err(error) => {
            notes.push(note("container", format!("NOT MEASURED: {error}")));
            return Ok((name, notes, metrics));
        }
    };
    let scene = Scene::new(folder, &runtime)?;
    let (mut ours, mut plain) = (Sample::default(), Sample::default());
    for _ in 0..ROUNDS {
        ours.merge(Sample::of(1, STARTS / ROUNDS, || scene.ours())?);
        plain.merge(Sample::of(1, STARTS / ROUNDS, || scene.plain(&runtime))?);
    }
    let (container, podman) = (ours.percentile(0.5) / 1000.0, plain.percentile(0.5) / 1000.0);
    metrics.push(metric("container_p50_ms", container, "ms"));
    metrics.push(metric("podman_run_p50_ms", podman, "ms"));
    metrics.push(metric("container_over_podman", container / podman, "ratio"));
    let Runtime { version, oci, .. } = &*runtime;
    notes.push(note(
        "container",
        format!("{STARTS} starts from launch to outcome, in {ROUNDS} rounds; Podman {version} with {oci}"),
    ));
    notes.push(note(
        "podman run",
        "`podman run --rm --network none` of the same image and program, in the same rounds",
    ));
    Ok((name, notes, metrics))
}

/// An image with one program, and a project to run it in.
struct Scene {
    driver: Driver,
    spec: Spec,
    image: String,
}

impl Scene {
    fn new(folder: &Path, runtime: &Runtime) -> Result<Self, BenchError> {
        let failed = |error: std::io::Error| BenchError::new("making an image", error);
        let (root, project) = (folder.join("image"), folder.join("container-project"));
        fs::create_dir_all(&project).map_err(failed)?;
        fill(&root).map_err(failed)?;
        let archive = folder.join("image.tar");
        let tar =
            Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg(".").status();
        let made = tar.map_err(failed)?.success();
        let imported =
            Command::new(&runtime.path).args(["import", "--quiet"]).arg(&archive).output();
        let imported = imported.map_err(failed)?;
        if !made || !imported.status.success() {
            let said = String::from_utf8_lossy(&imported.stderr);
            return Err(BenchError::new("importing an image", said.trim()));
        }
        let text = String::from_utf8_lossy(&imported.stdout);
        let id = text.trim().trim_start_matches("sha256:").to_owned();
        let image = Image::parse(&format!("sha256:{id}"))
            .map_err(|error| BenchError::new("importing an image", error))?;
        let settings = Settings { runtime: Some(Kind::Podman), image };
        Ok(Self {
            driver: Driver::Container(settings),
            spec: Spec::new(project, [baseline::NOTHING]),
            image: id,
        })
    }

    fn ours(&self) -> Result<(), BenchError> {
        let failed = |why: &dyn std::fmt::Display| BenchError::new("a container", why);
        let child = self.driver.launch(&self.spec, &ALLOWED).map_err(|error| failed(&error))?;
        match child.wait(&mut |_, _| {}).end {
            End::Exited(0) => Ok(()),
            other => Err(failed(&format!("{other:?}"))),
        }
    }

    fn plain(&self, runtime: &Runtime) -> Result<(), BenchError> {
        let mut command = Command::new(&runtime.path);
        command
            .args(["run", "--rm", "--pull", "never", "--network", "none"])
            // Its defaults are higher than some hosts allow.
            .args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"])
            .args([&self.image, baseline::NOTHING]);
        baseline::finish("podman run", command)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let mut command = Command::new("podman");
        command.args(["rmi", "--force", &self.image]).stdout(Stdio::null()).stderr(Stdio::null());
        // An image that stays behind costs a few megabytes, not correctness.
        drop(command.status());
    }
}

/// The program and the libraries it is linked with, as the dynamic linker lists them.
fn fill(root: &Path) -> std::io::Result<()> {
    let listed = Command::new("ldd").arg(baseline::NOTHING).output()?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    for path in libraries.chain([baseline::NOTHING]) {
        let place: PathBuf = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap_or(root))?;
        fs::copy(path, place)?;
    }
    Ok(())
}
