//! The program: where it is looked for, its arguments, environment and input.
//! Nothing is looked up on the host: the candidates are tried inside, in `inside::program`.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

use super::{PlanError, c_path};
use crate::seccomp;
use crate::spec::{HOME, Network, PATH, Spec};
use crate::sys::exec::Strings;

/// What is executed at the very end.
pub(crate) struct Program {
    pub(crate) text: Text,
    pub(crate) input: OwnedFd,
    pub(crate) filter: &'static [libc::sock_filter],
}

impl Program {
    pub(super) fn new(spec: &Spec) -> Result<Self, PlanError> {
        Ok(Self {
            text: Text::new(spec)?,
            input: input(&spec.stdin)?,
            filter: &seccomp::filter(spec.profile).instructions,
        })
    }
}

/// The part of a program that can be told to a slot which is set up already.
pub(crate) struct Text {
    /// Paths tried in this order.
    pub(crate) candidates: Vec<CString>,
    pub(crate) arguments: Strings,
    pub(crate) environment: Strings,
    pub(crate) folder: CString,
}

impl Text {
    pub(crate) fn new(spec: &Spec) -> Result<Self, PlanError> {
        let environment = environment(spec);
        let name = spec.argv.first().map_or(OsStr::new(""), OsString::as_os_str);
        let arguments = spec.argv.iter().map(|text| CString::new(text.as_bytes()));
        let variables = environment.iter().map(|(name, value)| {
            let mut text = name.clone();
            text.push("=");
            text.push(value);
            CString::new(text.into_vec())
        });
        Ok(Self {
            candidates: candidates(name, &environment)?,
            arguments: Strings::new(arguments.collect::<Result<_, _>>()?),
            environment: Strings::new(variables.collect::<Result<_, _>>()?),
            folder: c_path(&spec.cwd)?,
        })
    }
}

/// The variables of the spec, and a few that every program may rely on.
pub(crate) fn environment(spec: &Spec) -> Vec<(OsString, OsString)> {
    const DEFAULTS: [(&str, &str); 4] =
        [("HOME", HOME), ("PATH", PATH), ("TMPDIR", "/tmp"), ("USER", "palisade")];
    let given = &spec.env;
    let proxy: &[_] = match spec.network {
        Network::None | Network::Host => &[],
        Network::Proxy => &PROXY,
    };
    let missing = DEFAULTS
        .iter()
        .chain(proxy)
        .filter(|(name, _)| !given.iter().any(|(known, _)| known == *name))
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    given.iter().cloned().chain(missing).collect()
}

/// Where the proxy is, in the words of the programs that look for one. What is inside is reached
/// without it. Node asks to be told to look at all.
const PROXY: [(&str, &str); 9] = [
    ("ALL_PROXY", PROXY_URL),
    ("HTTPS_PROXY", PROXY_URL),
    ("HTTP_PROXY", PROXY_URL),
    ("NODE_USE_ENV_PROXY", "1"),
    ("NO_PROXY", INSIDE),
    ("all_proxy", PROXY_URL),
    ("http_proxy", PROXY_URL),
    ("https_proxy", PROXY_URL),
    ("no_proxy", INSIDE),
];
const PROXY_URL: &str = "http://127.0.0.1:3128";
/// With and without brackets: Python and Node compare with the host as it stands in an address.
const INSIDE: &str = "localhost,127.0.0.1,::1,[::1]";

/// Like the C library's `execvp`: a name with a slash is taken as it is.
fn candidates(
    name: &OsStr,
    environment: &[(OsString, OsString)],
) -> Result<Vec<CString>, PlanError> {
    if name.as_bytes().contains(&b'/') {
        return Ok(vec![CString::new(name.as_bytes())?]);
    }
    let path = environment.iter().find(|(variable, _)| variable == "PATH");
    let folders = path.map_or(&[][..], |(_, value)| value.as_bytes());
    let absolute = folders.split(|byte| *byte == b':').filter(|folder| folder.starts_with(b"/"));
    let found = absolute.map(|folder| CString::new([folder, b"/", name.as_bytes()].concat()));
    Ok(found.collect::<Result<_, _>>()?)
}

/// Standard input as a file in memory: a program that does not read it cannot block anybody, and
/// the seals keep one that writes to it from using memory nobody limits.
pub(crate) fn input(bytes: &[u8]) -> Result<OwnedFd, PlanError> {
    if bytes.is_empty() {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        return Ok(rustix::fs::open(c"/dev/null", flags, Mode::empty()).map_err(io::Error::from)?);
    }
    let memory = empty_input()?;
    fill(&memory, bytes)?;
    Ok(memory)
}

/// An input that is filled later.
pub(crate) fn empty_input() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(rustix::fs::memfd_create(c"stdin", flags)?)
}

/// Writes an input and seals it; whoever has it open reads it from the start.
pub(crate) fn fill(memory: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let done = (bytes.len() - rest.len()) as u64;
        let written = rustix::io::pwrite(memory, rest, done)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    Ok(rustix::fs::fcntl_add_seals(memory, seals)?)
}
