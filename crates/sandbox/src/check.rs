//! What is wrong with a spec, found before anything is started.
//!
//! Looks at the host only to see whether named things exist; it opens nothing for reading and
//! changes nothing. The launcher resolves the same paths again under the same rules, so a path
//! that changes in between makes the launch fail and never shows something else.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::profile::Profile;
use crate::spec::{
    HANDED_MAX, HOME, Mount, Network, SECRET_BYTES_MAX, SECRETS_MAX, SecretFile, Spec, WORKSPACE,
};

/// Bytes of standard input; they are held in memory for the length of the run.
pub const STDIN_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Mounts, hidden paths and artifact patterns, each.
pub const ENTRIES_MAX: usize = 64;
/// Files put into the workspace before the start.
pub const FILES_MAX: usize = 1024;

/// A spec that cannot be run as written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// `argv` is empty, or its first entry is.
    #[error("no program was named")]
    NoProgram,
    /// The kernel ends every string at the first NUL byte.
    #[error("{what} `{text}` holds a NUL byte")]
    NulByte {
        /// Which part of the spec.
        what: &'static str,
        /// The text, escaped.
        text: String,
    },
    /// A path has to start at the root.
    #[error("{what} `{path}` is not an absolute path without `..`")]
    NotAbsolute {
        /// Which part of the spec.
        what: &'static str,
        /// The path as given.
        path: String,
    },
    /// A path has to stay beneath the workspace.
    #[error("{what} `{path}` is not a relative path without `..`")]
    NotBeneath {
        /// Which part of the spec.
        what: &'static str,
        /// The path as given.
        path: String,
    },
    /// The place belongs to the sandbox itself or is taken by another mount.
    #[error("mount target `{target}` is taken by {owner}")]
    TargetTaken {
        /// The target as given.
        target: String,
        /// What is there.
        owner: String,
    },
    /// A named path cannot be used.
    #[error("{what} `{path}` cannot be used")]
    Unusable {
        /// Which part of the spec.
        what: &'static str,
        /// The path as given.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The path decided about would not be the path used.
    #[error("{what} `{path}` passes through a symbolic link")]
    SymbolicLink {
        /// Which part of the spec.
        what: &'static str,
        /// The path as given.
        path: String,
    },
    /// An artifact pattern that cannot be understood.
    #[error("artifact pattern `{pattern}` is malformed")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// Why.
        #[source]
        source: globset::Error,
    },
    /// More of something than a sandbox takes.
    #[error("{what} exceed the limit of {limit}")]
    TooMuch {
        /// Which part of the spec.
        what: &'static str,
        /// The limit, in entries or bytes.
        limit: usize,
    },
    /// A profile that has no use for the network asked for, or must not have it.
    #[error("profile `{profile}` does not go with {}", of_network(*network))]
    Network {
        /// As given.
        profile: Profile,
        /// As given.
        network: Network,
    },
    /// A secret whose name is none of a plain file, or is there twice.
    #[error("`{name}` is not a name of a secret's file")]
    SecretName {
        /// As given.
        name: String,
    },
    /// A driver that has no place for secrets.
    #[error("a container gets no secrets")]
    SecretsUnheld,
    /// Zero means "unlimited" to the kernel, so it is never passed on.
    #[error("the limit of {what} is zero")]
    ZeroLimit {
        /// Which limit.
        what: &'static str,
    },
}

/// What was found out about a valid spec.
pub(crate) struct Checked {
    /// The project folder, absolute and without symbolic links.
    pub(crate) lower: PathBuf,
    /// The same, open, so that changes can be told from additions later.
    pub(crate) lower_fd: OwnedFd,
    pub(crate) hidden: Vec<(PathBuf, Kind)>,
    pub(crate) mounts: Vec<(Mount, Kind)>,
    pub(crate) artifacts: GlobSet,
}

/// What is at a path, as far as mounting over it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File,
    Absent,
}

/// Checks the whole spec; the first fault is returned.
pub(crate) fn check(spec: &Spec) -> Result<Checked, SpecError> {
    check_strings(spec)?;
    check_amounts(spec)?;
    check_network(spec)?;
    check_secrets(&spec.secrets)?;
    absolute("working directory", &spec.cwd)?;
    let (lower, lower_fd) = open_lower(&spec.workspace.lower)?;
    let hidden = match spec.profile {
        // Nothing of the project is there.
        Profile::Proxy => Vec::new(),
        _ => check_hidden(&spec.workspace.hidden, &lower_fd)?,
    };
    for (path, _) in &spec.workspace.files {
        relative("workspace file", path)?;
        if let Some(mask) = hidden.iter().find(|(mask, _)| path.starts_with(mask)) {
            return Err(SpecError::TargetTaken {
                target: show(path),
                owner: format!("the hidden path `{}`", show(&mask.0)),
            });
        }
    }
    let mounts = check_mounts(&spec.mounts)?;
    Ok(Checked { lower, lower_fd, hidden, mounts, artifacts: patterns(&spec.artifacts)? })
}

/// A path for messages: control characters and foreign bytes escaped.
pub(crate) fn show(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => path.as_os_str().as_bytes().escape_ascii().to_string(),
    }
}

/// The profile has to have the sockets the network is reached with, and only the proxy's may be in
/// the host's network.
fn check_network(spec: &Spec) -> Result<(), SpecError> {
    use Profile::{Proxy, Standard, StandardNet, Strict, StrictNet};
    match (spec.network, spec.profile) {
        (Network::None, Strict | Standard | StandardNet | StrictNet)
        | (Network::Proxy, StandardNet | StrictNet)
        | (Network::Host, Proxy) => Ok(()),
        (network, profile) => Err(SpecError::Network { profile, network }),
    }
}

fn of_network(network: Network) -> &'static str {
    match network {
        Network::None => "no network",
        Network::Proxy => "the network of an egress proxy",
        Network::Host => "the network of the host",
    }
}

/// Which profile the network goes with.
pub(crate) fn fix_of_network(network: Network) -> &'static str {
    match network {
        Network::None => "use another profile; `proxy` is for the egress proxy's own process",
        Network::Proxy => "use profile `standard-net` or `strict-net`, or no network",
        Network::Host => "only the egress proxy's own process may be in the host's network",
    }
}

fn check_secrets(secrets: &[SecretFile]) -> Result<(), SpecError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    for (place, SecretFile { name, .. }) in secrets.iter().enumerate() {
        let twice = secrets.iter().take(place).any(|before| before.name == *name);
        if twice || name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(SpecError::SecretName { name: name.clone() });
        }
    }
    Ok(())
}

fn check_strings(spec: &Spec) -> Result<(), SpecError> {
    if spec.argv.first().is_none_or(|program| program.is_empty()) {
        return Err(SpecError::NoProgram);
    }
    let environment = spec.env.iter().flat_map(|(name, value)| [name, value]);
    spec.argv.iter().try_for_each(|text| without_nul("argument", text))?;
    environment.into_iter().try_for_each(|text| without_nul("environment variable", text))
}

fn check_amounts(spec: &Spec) -> Result<(), SpecError> {
    let counts = [
        ("mounts", spec.mounts.len(), ENTRIES_MAX),
        ("hidden paths", spec.workspace.hidden.len(), ENTRIES_MAX),
        ("artifact patterns", spec.artifacts.len(), ENTRIES_MAX),
        ("handed descriptors", spec.handed.len(), HANDED_MAX),
        ("secrets", spec.secrets.len(), SECRETS_MAX),
        (
            "bytes of secrets",
            spec.secrets.iter().map(|secret| secret.content.len()).sum(),
            SECRET_BYTES_MAX,
        ),
        ("workspace files", spec.workspace.files.len(), FILES_MAX),
        ("bytes of standard input", spec.stdin.len(), STDIN_BYTES_MAX),
    ];
    if let Some((what, _, limit)) = counts.into_iter().find(|(_, count, limit)| count > limit) {
        return Err(SpecError::TooMuch { what, limit });
    }
    let limits = &spec.limits;
    let bounds = [
        ("memory", limits.memory_bytes.unwrap_or(1)),
        ("processes", limits.pids.into()),
        ("open files", limits.open_files.into()),
        ("workspace bytes", limits.workspace_bytes),
        ("workspace inodes", limits.workspace_inodes),
        ("processor share", limits.cpu_thousandths.unwrap_or(1).into()),
        ("processor time", limits.cpu_time.map_or(1, |time| u64::from(!time.is_zero()))),
    ];
    match bounds.into_iter().find(|(_, bound)| *bound == 0) {
        Some((what, _)) => Err(SpecError::ZeroLimit { what }),
        None => Ok(()),
    }
}

fn open_lower(path: &Path) -> Result<(PathBuf, OwnedFd), SpecError> {
    let unusable = |source| SpecError::Unusable { what: "project", path: show(path), source };
    without_nul("project", path.as_os_str())?;
    let real = path.canonicalize().map_err(unusable)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(&real, flags, Mode::empty())
        .map_err(|errno| unusable(io::Error::from(errno)))?;
    Ok((real, fd))
}

fn check_hidden(hidden: &[PathBuf], lower: &OwnedFd) -> Result<Vec<(PathBuf, Kind)>, SpecError> {
    const WHAT: &str = "hidden path";
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let mut found = Vec::with_capacity(hidden.len());
    for path in hidden {
        let path = relative(WHAT, path)?;
        let kind = match openat2(lower, &path, OFlags::PATH, Mode::empty(), within) {
            Ok(fd) => kind_of(WHAT, &path, &fd)?,
            Err(Errno::NOENT | Errno::NOTDIR) => Kind::Absent,
            Err(errno) => return Err(refused(WHAT, &path, errno)),
        };
        found.push((path, kind));
    }
    Ok(found)
}

fn check_mounts(mounts: &[Mount]) -> Result<Vec<(Mount, Kind)>, SpecError> {
    const WHAT: &str = "mount source";
    let mut found: Vec<(Mount, Kind)> = Vec::with_capacity(mounts.len());
    for mount in mounts {
        let source = absolute(WHAT, &mount.source)?;
        let target = absolute("mount target", &mount.target)?;
        let taken =
            |owner: &str| SpecError::TargetTaken { target: show(&target), owner: owner.to_owned() };
        if is_reserved(&target) {
            return Err(taken("the sandbox itself"));
        }
        if found.iter().any(|(other, _)| other.target == target) {
            return Err(taken("another mount"));
        }
        let fd = openat2(
            rustix::fs::CWD,
            &source,
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::NO_SYMLINKS,
        )
        .map_err(|errno| refused(WHAT, &source, errno))?;
        let kind = kind_of(WHAT, &source, &fd)?;
        found.push((Mount { source, target, access: mount.access }, kind));
    }
    Ok(found)
}

/// Whether a mount there would replace something the sandbox is made of.
fn is_reserved(target: &Path) -> bool {
    const TREES: [&str; 11] = [
        "/usr", "/etc", "/proc", "/dev", "/sys", "/bin", "/sbin", "/lib", "/lib32", "/lib64",
        "/.proof",
    ];
    let exact = ["/", WORKSPACE, "/tmp", "/home", HOME];
    exact.into_iter().any(|path| target == Path::new(path))
        || TREES.into_iter().any(|tree| target.starts_with(tree))
}

fn kind_of(what: &'static str, path: &Path, fd: &OwnedFd) -> Result<Kind, SpecError> {
    let stat = rustix::fs::fstat(fd).map_err(|errno| refused(what, path, errno))?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Kind::Folder,
        _ => Kind::File,
    })
}

fn refused(what: &'static str, path: &Path, errno: Errno) -> SpecError {
    match errno {
        Errno::LOOP => SpecError::SymbolicLink { what, path: show(path) },
        other => SpecError::Unusable { what, path: show(path), source: other.into() },
    }
}

fn without_nul(what: &'static str, text: &OsStr) -> Result<(), SpecError> {
    if text.as_bytes().contains(&0) {
        return Err(SpecError::NulByte { what, text: show(Path::new(text)) });
    }
    Ok(())
}

/// The path with `.` and doubled slashes taken out.
fn absolute(what: &'static str, path: &Path) -> Result<PathBuf, SpecError> {
    without_nul(what, path.as_os_str())?;
    let mut parts = path.components();
    let rooted = parts.next() == Some(Component::RootDir);
    if !rooted || !parts.all(|part| matches!(part, Component::Normal(_))) {
        return Err(SpecError::NotAbsolute { what, path: show(path) });
    }
    Ok(path.components().collect())
}

fn relative(what: &'static str, path: &Path) -> Result<PathBuf, SpecError> {
    without_nul(what, path.as_os_str())?;
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || path.as_os_str().is_empty() {
        return Err(SpecError::NotBeneath { what, path: show(path) });
    }
    Ok(path.components().collect())
}

fn patterns(patterns: &[String]) -> Result<GlobSet, SpecError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        relative("artifact pattern", Path::new(pattern))?;
        let malformed = |source| SpecError::Pattern { pattern: pattern.clone(), source };
        set.add(GlobBuilder::new(pattern).literal_separator(true).build().map_err(malformed)?);
    }
    set.build().map_err(|source| SpecError::Pattern { pattern: patterns.join(" "), source })
}
