//! From a spec to a running program, or to the reason why nothing was executed.
//!
//! The order: check the spec, prepare limits and the plan, make the descriptors, clone, then
//! listen until the program has been executed. A launch that fails leaves no process, no group
//! and no mount behind.

use std::cell::RefCell;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::artifacts::Upper;
use crate::check::{Checked, SpecError, check, show};
use crate::child::{Child, Running};
use crate::host::Host;
use crate::inside::proof::Check;
use crate::inside::report::{Fault, Message, NAMESPACES, SIZE, Stage};
use crate::inside::{Wires, first};
use crate::layer::Layer;
use crate::limits::{self, Bounds, Join, LimitError};
use crate::plan::{Plan, PlanError};
use crate::refusal::{self, Refusal};
use crate::spec::Spec;
use crate::sys::clone::{self, Process};
use crate::wires::{self, Ends};

/// How long the set-up may take; it takes milliseconds, so this is a host in trouble.
pub const SET_UP_MAX: Duration = Duration::from_secs(30);

/// Why nothing was executed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The spec cannot be run as written.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A limit of the spec cannot be kept on this host.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A layer is missing on this host.
    #[error(transparent)]
    Unsupported(#[from] Refusal),
    /// The supervisor itself has run out of something.
    #[error("preparing the sandbox")]
    Resources(#[source] io::Error),
    /// A step inside failed.
    #[error("{step}")]
    SetUp {
        /// What was being done.
        step: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The self-probe saw something that must not be.
    #[error("the sandbox did not prove that {check}")]
    Unproved {
        /// What should have been seen.
        check: &'static str,
    },
    /// There is no such program inside.
    #[error("program `{program}` was not found inside (looked for {})", searched.join(", "))]
    ProgramMissing {
        /// As given.
        program: String,
        /// The paths tried.
        searched: Vec<String>,
    },
    /// The program is there and cannot be executed.
    #[error("program `{program}` cannot be executed")]
    ProgramRefused {
        /// As given.
        program: String,
        /// Why; "no such file" means that the interpreter of a script is missing.
        #[source]
        source: io::Error,
    },
    /// Arguments and environment together are longer than the kernel takes.
    #[error("the arguments and the environment are too long")]
    ArgumentsTooLong,
    /// The inside died or fell silent before the program was executed.
    #[error("the sandbox ended before the program was executed")]
    Lost,
}

impl LaunchError {
    /// What to do about it, where there is a remedy.
    #[must_use]
    pub fn fix(&self) -> Option<String> {
        match self {
            Self::Unsupported(refusal) => Some(refusal.fix.clone()),
            Self::Limit(limit) => Some(refusal::fix_of_limit(limit.layer).to_owned()),
            Self::Spec(SpecError::SymbolicLink { .. }) => {
                Some("name the path it leads to".to_owned())
            }
            Self::ProgramMissing { .. } => {
                Some("mount the folder that holds it, or give its path inside".to_owned())
            }
            _ => None,
        }
    }
}

impl From<PlanError> for LaunchError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::NoLandlock => Self::Unsupported(refusal::landlock()),
            PlanError::Descriptor(source) => Self::Resources(source),
            other => Self::Resources(io::Error::other(other)),
        }
    }
}

/// Starts `spec` in a sandbox of its own on this host.
///
/// Returns when the program has been executed, with every layer in force and proved. Refuses
/// where a layer is missing; it never falls back to less. Blocks for a few milliseconds, at most
/// [`SET_UP_MAX`]. May be called from any thread.
pub fn launch(spec: &Spec) -> Result<Child, LaunchError> {
    launch_on(Host::current(), spec)
}

/// As [`launch`], with the facts of the host given; tests use it to take a layer away.
pub fn launch_on(host: &Host, spec: &Spec) -> Result<Child, LaunchError> {
    if host.landlock.is_none() {
        return Err(refusal::landlock().into());
    }
    let checked = check(spec)?;
    let name = name();
    let Bounds { mut group, rlimits, in_force } =
        limits::prepare(&host.cgroups, &spec.limits, &name)?;
    let plan = Plan::new(host, spec, &checked, rlimits)?;
    let (birth, groups) = match group.as_mut().and_then(limits::Group::take_join) {
        Some(Join::AtBirth(folder)) => (Some(folder), Vec::new()),
        Some(Join::ByItself(files)) => (None, files),
        None => (None, Vec::new()),
    };
    let (ends, wires) = wires::connect(&plan, groups).map_err(LaunchError::Resources)?;
    let started = Instant::now();
    let process = clone_first(birth.as_ref(), &plan, &wires)?;
    drop(wires);
    let mut running = Running::new(process, ends, group, started, &spec.limits);
    let ready = listen(&running.ends, started).map_err(|failure| {
        running.kill_and_reap();
        failure.explain(&plan, spec)
    })?;
    let receipt = crate::receipt::write(&Facts {
        host,
        spec,
        plan: &plan,
        checked: &checked,
        name,
        limits: in_force,
        groups: running.group_folders(),
        namespaces: ready.namespaces,
    });
    if host.namespaces.iter().zip(ready.namespaces).any(|(own, inner)| *own == inner) {
        running.kill_and_reap();
        return Err(LaunchError::Unproved { check: "its namespaces are its own" });
    }
    let upper = Upper { fd: Arc::new(ready.upper), lower: Arc::new(checked.lower_fd) };
    Ok(Child::new(running, upper, checked.artifacts, spec.limits, receipt))
}

/// What a receipt is written from.
pub(crate) struct Facts<'a> {
    pub(crate) host: &'a Host,
    pub(crate) spec: &'a Spec,
    pub(crate) plan: &'a Plan,
    pub(crate) checked: &'a Checked,
    pub(crate) name: String,
    pub(crate) limits: Vec<limits::LimitInForce>,
    pub(crate) groups: Vec<String>,
    pub(crate) namespaces: [u64; NAMESPACES],
}

/// Unique on this host while this process lives.
fn name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn clone_first(
    birth: Option<&OwnedFd>,
    plan: &Plan,
    wires: &Wires,
) -> Result<Process, LaunchError> {
    let stack = RefCell::new(clone::Stack::new());
    clone::namespaced(birth.map(AsFd::as_fd), &|| first(plan, wires, &stack))
        .map_err(|errno| refusal::user_namespace(errno).into())
}

struct Ready {
    upper: OwnedFd,
    namespaces: [u64; NAMESPACES],
}

/// Why the inside did not get as far as the program.
enum Failure {
    Fault(Fault),
    Silence,
}

impl Failure {
    fn explain(self, plan: &Plan, spec: &Spec) -> LaunchError {
        let Self::Fault(fault) = self else { return LaunchError::Lost };
        let program = spec.argv.first().map(|name| show(name.as_ref())).unwrap_or_default();
        let source = io::Error::from(fault.errno);
        match (fault.stage, fault.errno) {
            (Stage::Proof, _) => LaunchError::Unproved { check: Check::named(fault.index) },
            (Stage::Exec, Errno::NOENT | Errno::NOTDIR) => {
                let tried = plan.program.candidates.iter();
                let searched = tried.map(|path| path.to_string_lossy().into_owned()).collect();
                LaunchError::ProgramMissing { program, searched }
            }
            (Stage::Exec, Errno::TOOBIG) => LaunchError::ArgumentsTooLong,
            (Stage::Exec | Stage::Interpreter, _) => {
                LaunchError::ProgramRefused { program, source }
            }
            (stage, errno) => match refusal::of_stage(stage, errno) {
                Some(refusal) => refusal.into(),
                None => LaunchError::SetUp { step: plan.describe(fault), source },
            },
        }
    }
}

/// Collects messages until the inside's end is closed, which is what `execve` does.
fn listen(ends: &Ends, started: Instant) -> Result<Ready, Failure> {
    let (mut upper, mut namespaces) = (None, None);
    loop {
        match receive(&ends.setup, started).map_err(|_| Failure::Silence)? {
            Some((Message::Upper, fd)) => upper = fd,
            Some((Message::Ready { namespaces: found }, _)) => namespaces = Some(found),
            Some((Message::Fault(fault), _)) => return Err(Failure::Fault(fault)),
            Some((Message::Ended(_), _)) => return Err(Failure::Silence),
            None => break,
        }
    }
    match (upper, namespaces) {
        (Some(upper), Some(namespaces)) => Ok(Ready { upper, namespaces }),
        _ => Err(Failure::Silence),
    }
}

/// The next message and the descriptor that came with it; `None` at the end.
fn receive(
    socket: &OwnedFd,
    started: Instant,
) -> Result<Option<(Message, Option<OwnedFd>)>, Errno> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    crate::wait::readable(socket, started + SET_UP_MAX)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0_u8; SIZE];
    let mut slices = [io::IoSliceMut::new(&mut bytes)];
    let got = recvmsg(socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut passed = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let fd = passed.next();
    drop(passed);
    match bytes.get(..got.bytes) {
        Some([]) | None => Ok(None),
        Some(bytes) => {
            Message::decode(bytes).map(|message| Some((message, fd))).ok_or(Errno::PROTO)
        }
    }
}

/// Layers that every launched sandbox has.
pub(crate) const LAYERS: [Layer; 13] = [
    Layer::UserNamespace,
    Layer::MountNamespace,
    Layer::PidNamespace,
    Layer::IpcNamespace,
    Layer::UtsNamespace,
    Layer::NetworkNamespace,
    Layer::CgroupNamespace,
    Layer::ReadOnlyRoot,
    Layer::WorkspaceOverlay,
    Layer::Capabilities,
    Layer::NoNewPrivileges,
    Layer::Landlock,
    Layer::Seccomp,
];
