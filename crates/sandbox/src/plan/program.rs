//! The program: where it is looked for, its arguments, environment and input.
//! Nothing is looked up on the host: the candidates are tried inside, in `inside::program`.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

use super::{PlanError, c_path};
use crate::seccomp;
use crate::spec::{HOME, PATH, Spec};
use crate::sys::exec::Strings;

/// What is executed at the very end.
pub(crate) struct Program {
    /// Paths tried in this order.
    pub(crate) candidates: Vec<CString>,
    pub(crate) arguments: Strings,
    pub(crate) environment: Strings,
    pub(crate) folder: CString,
    pub(crate) input: OwnedFd,
    pub(crate) filter: &'static [libc::sock_filter],
}

impl Program {
    pub(super) fn new(spec: &Spec) -> Result<Self, PlanError> {
        let environment = environment(&spec.env);
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
            input: input(&spec.stdin)?,
            filter: &seccomp::filter(spec.profile).instructions,
        })
    }
}

/// The variables of the spec, and a few that every program may rely on.
fn environment(given: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
    const DEFAULTS: [(&str, &str); 4] =
        [("HOME", HOME), ("PATH", PATH), ("TMPDIR", "/tmp"), ("USER", "palisade")];
    let missing = DEFAULTS
        .into_iter()
        .filter(|(name, _)| !given.iter().any(|(known, _)| known == name))
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    given.iter().cloned().chain(missing).collect()
}

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
fn input(bytes: &[u8]) -> Result<OwnedFd, PlanError> {
    if bytes.is_empty() {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        return Ok(rustix::fs::open(c"/dev/null", flags, Mode::empty()).map_err(io::Error::from)?);
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = rustix::fs::memfd_create(c"stdin", flags).map_err(io::Error::from)?;
    let mut file = File::from(memory);
    file.write_all(bytes)?;
    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).map_err(io::Error::from)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals).map_err(io::Error::from)?;
    Ok(file.into())
}
