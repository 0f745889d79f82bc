//! What the container tests have in common: Podman, an image, short specs.
//! It asserts nothing about the driver itself.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use sandbox::container::{Image, Kind, Settings};
use sandbox::{Child, Driver, End, GapName, LaunchError, Outcome, Spec};

use crate::install::installed;
use crate::support::{explain, is_root, stderr, stdout};

/// What every container lacks and these tests allow.
pub(crate) const ALLOWED: [GapName; 2] = [GapName::Landlock, GapName::SelfProbe];

/// Commands of busybox that the image has.
const COMMANDS: [&str; 36] = [
    "awk", "cat", "chmod", "cp", "dd", "df", "echo", "env", "false", "grep", "head", "hostname",
    "id", "ip", "kill", "ln", "ls", "mkdir", "mkfifo", "mount", "mv", "nc", "ping", "ps", "pwd",
    "rm", "seq", "setsid", "sh", "sleep", "stat", "tail", "touch", "true", "wget", "yes",
];

/// Whether these tests can run at all: root's own Podman. Otherwise says so, loudly.
pub(crate) fn is_possible() -> bool {
    if !is_root() {
        eprintln!("NOT RUN: the container driver's full tests need root's own Podman");
        return false;
    }
    // Not every OCI runtime runs on hosts with two versions of control groups; this one does.
    installed("runc", &["runc"]);
    installed("podman", &["podman", "runc", "conmon", "netavark", "catatonit"]);
    true
}

/// The image, imported once and kept; its content never changes.
pub(crate) fn image() -> Image {
    static IMAGE: OnceLock<String> = OnceLock::new();
    let id = IMAGE.get_or_init(|| {
        const NAME: &str = "localhost/palisade-test:1";
        find(NAME).unwrap_or_else(|| {
            let folder = tempfile::tempdir().expect("a folder");
            fill(folder.path());
            import(folder.path(), NAME);
            find(NAME).expect("the image that was just imported")
        })
    });
    Image::parse(&format!("sha256:{id}")).expect("an image id")
}

fn find(name: &str) -> Option<String> {
    let arguments = ["image", "inspect", "--format", "{{.Id}}", name];
    let output = Command::new("podman").args(arguments).output().expect("podman");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn fill(root: &Path) {
    installed("busybox", &["busybox-static"]);
    let folders = ["bin", "etc", "tmp", "proc", "sys", "dev", "workspace", "home/palisade"];
    for folder in folders {
        std::fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox");
    for command in COMMANDS {
        symlink("busybox", root.join("bin").join(command)).expect("a link");
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").expect("accounts");
}

/// With an image whose settings would get in the way, were they followed.
fn import(root: &Path, name: &str) {
    let tar = Command::new("tar").arg("-C").arg(root).args(["-c", "."]).output().expect("tar");
    let mut podman = Command::new("podman")
        .args(["import", "--change", "ENTRYPOINT [\"/bin/echo\",\"entrypoint\"]"])
        .args(["--change", "ENV FROM_IMAGE=1", "--change", "USER 0", "-", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("podman");
    podman.stdin.take().expect("its input").write_all(&tar.stdout).expect("the archive");
    assert!(podman.wait().expect("podman").success(), "podman import");
}

pub(crate) fn driver() -> Driver {
    Driver::Container(Settings { runtime: Some(Kind::Podman), image: image() })
}

pub(crate) fn sh(project: &Path, script: &str) -> Spec {
    Spec::new(project, ["/bin/sh", "-c", script].map(OsString::from))
}

pub(crate) fn launch(spec: &Spec) -> Result<Child, LaunchError> {
    driver().launch(spec, &ALLOWED)
}

/// Runs a spec to its end.
pub(crate) fn run(spec: &Spec) -> Outcome {
    match launch(spec) {
        Ok(child) => child.wait(&mut |_, _| {}),
        Err(error) => panic!("launch: {}", explain(&error)),
    }
}

/// Runs a script that must succeed and returns what it printed.
pub(crate) fn succeeds(spec: &Spec) -> String {
    let outcome = run(spec);
    assert_eq!(outcome.end, End::Exited(0), "{} {}", stdout(&outcome), stderr(&outcome));
    stdout(&outcome)
}

/// Options of every control that has no network of its own to show.
pub(crate) const APART: [&str; 2] = ["--network", "none"];

/// The same script in a container of the same image without what the driver adds: the control.
pub(crate) fn plainly(options: &[&str], script: &str) -> (bool, String) {
    let output = Command::new("podman")
        .args(["run", "--rm", "--pull", "never", "--entrypoint", ""])
        .args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"])
        .args(options)
        .arg(image().to_string().trim_start_matches("sha256:"))
        .args(["/bin/sh", "-c", script])
        .output()
        .expect("podman");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Perl of this host, shown inside: it makes calls that no command of the image makes.
pub(crate) fn perl(project: &Path, program: &str) -> Spec {
    let loader = "/host/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
    let libraries = "/host/usr/lib/x86_64-linux-gnu";
    let argv = [loader, "--library-path", libraries, "/host/usr/bin/perl", "-e", program];
    let mut spec = Spec::new(project, argv.map(OsString::from));
    spec.mounts.push(sandbox::Mount {
        source: "/usr".into(),
        target: "/host/usr".into(),
        access: sandbox::Access::Read,
    });
    spec
}

/// Containers of ours that Podman knows, running or not.
pub(crate) fn containers() -> Vec<String> {
    let arguments = ["ps", "--all", "--filter", "label=palisade.sandbox", "--format", "{{.Names}}"];
    let output = Command::new("podman").args(arguments).output().expect("podman");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}
