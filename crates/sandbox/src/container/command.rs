//! The command line of one container: every option of isolation, spelled out and never inherited.
//!
//! A pure function from what was prepared to a list of arguments. What a runtime's configuration
//! could loosen is said explicitly. Values of variables and the seccomp profile go through files
//! in memory that only this user can open, because everybody may read a command line.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, SealFlags};

use super::error::ContainerError;
use super::place::{Bind, PID_FILE, STAGE};
use super::runtime::{Kind, Runtime};
use super::{EPOCH_LABEL, NAME_LABEL, gate, owner};
use crate::check::{self, show};
use crate::plan::{self, Identity};
use crate::profile::Profile;
use crate::seccomp::{self, Rule};
use crate::spec::{Access, HOME, Network, Spec, WORKSPACE};

/// Bytes of a variable, name and value, that every runtime reads from a file.
const VARIABLE_BYTES_MAX: usize = 60 * 1024;

/// Everything a command line is made of.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) spec: &'a Spec,
    /// The image's id.
    pub(super) image: &'a str,
    pub(super) name: &'a str,
    pub(super) epoch: &'a str,
    pub(super) variables: &'a Memory,
    pub(super) seccomp: &'a Memory,
    pub(super) place: Place<'a>,
}

/// Where the workspace and the limits come from.
#[derive(Debug)]
pub(super) enum Place<'a> {
    /// Built by us; root's own Podman only.
    Ours {
        binds: Vec<Bind>,
        /// The control group that has the limits, below which the runtime makes its own.
        parent: &'a str,
    },
    /// The project as it is, read-only, with an empty folder over what is hidden; the limits are the runtime's.
    Plain { project: &'a Path, hidden: &'a [(PathBuf, check::Kind)], empty: &'a Path },
}

/// A file that exists in memory only and cannot be changed any more.
#[derive(Debug)]
pub(super) struct Memory(File);

impl Memory {
    pub(super) fn new(content: &[u8]) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(rustix::fs::memfd_create(c"palisade", flags)?);
        file.write_all(content)?;
        let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        Ok(Self(file))
    }

    /// Where a program of the same user finds it while it is held here.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

/// The variables as a file of `NAME=value` lines.
pub(super) fn variables(spec: &Spec) -> Result<Vec<u8>, ContainerError> {
    let mut lines = Vec::new();
    for (name, value) in &plan::environment(spec) {
        if !is_portable(name, value) {
            return Err(ContainerError::Variable { name: show(Path::new(name)) });
        }
        lines.extend([name.as_bytes(), b"=", value.as_bytes(), b"\n"].concat());
    }
    Ok(lines)
}

/// Whether a line of a file can carry it without being read as anything else.
fn is_portable(name: &OsStr, value: &OsStr) -> bool {
    let (name, value) = (name.as_bytes(), value.as_bytes());
    let odd = |byte: &u8| {
        byte.is_ascii_whitespace() || byte.is_ascii_control() || b"=#*\"'`".contains(byte)
    };
    !name.is_empty()
        && !name.iter().any(odd)
        && !value.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
        && name.len() + value.len() < VARIABLE_BYTES_MAX
}

/// The arguments of the runtime.
pub(super) fn arguments(request: &Request<'_>) -> Vec<OsString> {
    let mut line = Line(Vec::new());
    let podman = request.runtime.kind == Kind::Podman;
    if podman {
        line.all(&["--log-level", "error"]);
        if matches!(request.place, Place::Ours { .. }) {
            line.all(&["--cgroup-manager", "cgroupfs"]);
            if request.spec.network == Network::Proxy {
                line.pair("--hooks-dir", format!("{STAGE}/{}", gate::HOOKS));
            }
        }
        if request.runtime.oci_forced {
            line.pair("--runtime", &request.runtime.oci);
        }
    }
    line.all(&["run", "--pull", "never"]);
    line.pair("--name", request.name);
    line.pair("--label", format!("{NAME_LABEL}={}", request.name));
    line.pair("--label", format!("{EPOCH_LABEL}={}", request.epoch));
    isolation(&mut line, request);
    limits(&mut line, request);
    place(&mut line, request);
    line.pair("--env-file", request.variables.path());
    line.pair("--workdir", request.spec.cwd.as_os_str());
    line.all(&["--entrypoint", ""]);
    line.0.push(request.image.into());
    line.0.extend(request.spec.argv.iter().cloned());
    line.0
}

struct Line(Vec<OsString>);

impl Line {
    fn all(&mut self, arguments: &[&str]) {
        self.0.extend(arguments.iter().map(OsString::from));
    }

    fn pair(&mut self, option: &str, value: impl AsRef<OsStr>) {
        self.0.extend([OsString::from(option), value.as_ref().to_owned()]);
    }
}

fn isolation(line: &mut Line, request: &Request<'_>) {
    line.all(&["--read-only", "--cap-drop", "ALL", "--no-healthcheck"]);
    if may_have_children(request.spec.profile) {
        line.all(&["--init"]);
    }
    line.all(&["--security-opt", "no-new-privileges"]);
    line.pair("--security-opt", format!("seccomp={}", request.seccomp.path()));
    line.all(&["--ipc", "private", "--cgroupns", "private", "--hostname", "palisade"]);
    // A container with the proxy gets its socket once it has a network of its own.
    line.all(&["--network", "none"]);
    line.pair("--user", format!("{0}:{0}", Identity::INSIDE));
    if request.runtime.kind == Kind::Podman {
        line.all(&["--pid", "private", "--uts", "private", "--read-only-tmpfs=false"]);
        line.all(&["--http-proxy=false", "--systemd=false", "--image-volume", "ignore"]);
        line.all(&["--sdnotify", "ignore", "--no-hosts", "--unsetenv-all"]);
    }
    match &request.place {
        Place::Ours { .. } => {
            let map = format!("0:{}:{}", owner::RANGE_START, owner::RANGE_LEN);
            line.pair("--uidmap", &map);
            line.pair("--gidmap", &map);
            // Straight into our pipes: no copy, and no log on the disk.
            line.all(&["--rm", "--log-driver", "passthrough", "--cgroups", "no-conmon"]);
        }
        Place::Plain { .. } => {
            line.all(&["--log-driver", "none"]);
            line.all(&["--attach", "stdout", "--attach", "stderr"]);
            if !request.spec.stdin.is_empty() {
                line.all(&["--interactive", "--attach", "stdin"]);
            }
        }
    }
}

/// Whether the profile lets the runtime's small `init` start the program and bury orphans. A
/// program that cannot have children needs none, and is the first process itself.
fn may_have_children(profile: Profile) -> bool {
    seccomp::verdict(profile, "wait4").is_some_and(|verdict| verdict.rule == Rule::Allow)
}

/// What bounds a container however its workspace is made; memory and processor time are bounded
/// by our own group where there is one.
fn limits(line: &mut Line, request: &Request<'_>) {
    let limits = &request.spec.limits;
    line.pair("--ulimit", format!("nofile={0}:{0}", limits.open_files));
    if limits.file_bytes.is_some() {
        line.pair("--ulimit", format!("fsize={0}:{0}", limits.largest_file()));
    }
    match &request.place {
        Place::Ours { parent, .. } => {
            // Counted in the container's own user namespace, the runtime's `init` included.
            let own = u32::from(may_have_children(request.spec.profile));
            let processes = limits.pids.saturating_add(own);
            line.pair("--ulimit", format!("nproc={processes}:{processes}"));
            line.pair("--cgroup-parent", parent);
            line.pair("--pidfile", format!("{STAGE}/{PID_FILE}"));
        }
        Place::Plain { .. } => {
            line.pair("--pids-limit", limits.pids.saturating_add(1).to_string());
            if let Some(bytes) = limits.memory_bytes {
                line.pair("--memory", format!("{bytes}b"));
                line.pair("--memory-swap", format!("{bytes}b"));
            }
            if let Some(thousandths) = limits.cpu_thousandths {
                line.pair("--cpus", format!("{}.{:03}", thousandths / 1000, thousandths % 1000));
            }
        }
    }
    if request.runtime.kind == Kind::Podman {
        // Should this process die, the container ends by itself, a little after its time.
        let wall = limits.wall.as_secs().saturating_add(10).min(u64::from(u32::MAX) / 2);
        line.pair("--timeout", wall.to_string());
    }
}

fn place(line: &mut Line, request: &Request<'_>) {
    match &request.place {
        Place::Ours { binds, .. } => binds.iter().for_each(|bind| volume(line, bind, "rbind,")),
        Place::Plain { project, hidden, empty } => {
            let workspace = Bind {
                source: project.to_path_buf(),
                target: PathBuf::from(WORKSPACE),
                access: Access::Read,
            };
            volume(line, &workspace, "");
            covers(hidden, empty).for_each(|cover| volume(line, &cover, ""));
            for mount in &request.spec.mounts {
                let bind = Bind {
                    source: mount.source.clone(),
                    target: mount.target.clone(),
                    access: mount.access,
                };
                volume(line, &bind, "");
            }
            let size = request.spec.limits.workspace_bytes;
            for target in ["/tmp", HOME] {
                let options = format!("{target}:rw,nosuid,nodev,mode=1777,size={size}");
                line.pair("--tmpfs", options);
            }
        }
    }
}

/// What lies over hidden paths. A runtime lays what is deeper over what is above it.
fn covers(hidden: &[(PathBuf, check::Kind)], empty: &Path) -> impl Iterator<Item = Bind> {
    hidden.iter().filter_map(move |(path, kind)| {
        let source = match kind {
            check::Kind::Folder => empty.to_path_buf(),
            check::Kind::File => PathBuf::from("/dev/null"),
            check::Kind::Absent => return None,
        };
        Some(Bind { source, target: Path::new(WORKSPACE).join(path), access: Access::Read })
    })
}

fn volume(line: &mut Line, bind: &Bind, more: &str) {
    let access = match bind.access {
        Access::Read => "ro",
        Access::Write => "rw",
    };
    let mut text = bind.source.clone().into_os_string().into_vec();
    text.push(b':');
    text.extend(bind.target.as_os_str().as_bytes());
    text.extend(format!(":{more}{access}").bytes());
    line.pair("--volume", OsString::from_vec(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Mount;

    fn runtime(kind: Kind) -> Runtime {
        Runtime {
            kind,
            path: "/usr/bin/runtime".into(),
            version: "1".into(),
            rootless: false,
            cgroups: 1,
            oci: "runc".into(),
            oci_forced: true,
        }
    }

    fn line(kind: Kind, spec: &Spec, place: Place<'_>) -> String {
        let (variables, seccomp) = (Memory::new(b"").unwrap(), Memory::new(b"").unwrap());
        let all = arguments(&Request {
            runtime: &runtime(kind),
            spec,
            image: "f00d",
            name: "palisade-1-c1",
            epoch: "e",
            variables: &variables,
            seccomp: &seccomp,
            place,
        });
        all.join(OsStr::new(" ")).into_string().unwrap()
    }

    fn has(line: &str, all: &[&str]) {
        let padded = format!(" {line} ");
        for option in all {
            assert!(padded.contains(&format!(" {option} ")), "`{option}` is not in `{line}`");
        }
    }

    /// What no container goes without, whoever runs it.
    const ALWAYS: [&str; 9] = [
        "--read-only",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--network none",
        "--user 1000:1000",
        "--pull never",
        "--ipc private",
        "--label palisade.sandbox=palisade-1-c1",
        "--label palisade.epoch=e",
    ];

    #[test]
    fn podman_gets_every_option_of_isolation() {
        let mut spec = Spec::new("/p", ["prog", "--privileged", "a b"]);
        spec.env = vec![("TOKEN".into(), "secret".into())];
        let binds = vec![Bind {
            source: "/run/palisade/root/workspace".into(),
            target: WORKSPACE.into(),
            access: Access::Write,
        }];
        let line = line(Kind::Podman, &spec, Place::Ours { binds, parent: "/group" });
        has(&line, &ALWAYS);
        has(
            &line,
            &[
                "--cgroup-manager cgroupfs --runtime runc run",
                "--uidmap 0:1900000000:65536",
                "--cgroup-parent /group",
                "--ulimit nproc=129:129",
                "--ulimit nofile=1024:1024",
                "--http-proxy=false",
                "--unsetenv-all",
                "--image-volume ignore",
                "--init",
                "--volume /run/palisade/root/workspace:/workspace:rbind,rw",
            ],
        );
        assert!(line.ends_with("--entrypoint  f00d prog --privileged a b"), "{line}");
        assert!(!line.contains("secret") && !line.contains("--env "), "{line}");
        let strict = Spec { profile: Profile::Strict, ..spec };
        let place = Place::Ours { binds: Vec::new(), parent: "/group" };
        assert!(!self::line(Kind::Podman, &strict, place).contains("--init"));
    }

    #[test]
    fn docker_gets_the_project_read_only_and_the_runtime_s_limits() {
        let mut spec = Spec::new("/p", ["prog"]);
        spec.limits.cpu_thousandths = Some(1500);
        spec.mounts =
            vec![Mount { source: "/a".into(), target: "/b".into(), access: Access::Read }];
        let hidden = [
            (".palisade".into(), check::Kind::Folder),
            ("a/secret".into(), check::Kind::File),
            ("not-there".into(), check::Kind::Absent),
        ];
        let (project, empty) = (Path::new("/p"), Path::new("/tmp/e"));
        let line = line(Kind::Docker, &spec, Place::Plain { project, hidden: &hidden, empty });
        has(&line, &ALWAYS);
        has(
            &line,
            &[
                "--volume /p:/workspace:ro",
                "--volume /tmp/e:/workspace/.palisade:ro",
                "--volume /dev/null:/workspace/a/secret:ro",
                "--volume /a:/b:ro",
                "--memory 1073741824b",
                "--memory-swap 1073741824b",
                "--pids-limit 129",
                "--cpus 1.500",
            ],
        );
        assert!(!line.contains("not-there"), "{line}");
        for foreign in ["--uidmap", "--unsetenv-all", "--systemd", "--timeout", "--rm"] {
            assert!(!line.contains(foreign), "docker knows no {foreign}, or must not get it");
        }
    }
}
