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
use crate::container::ContainerError;
use crate::driver::Gap;
use crate::epoch::Epoch;
use crate::host::Host;
use crate::inside::proof::Check;
use crate::inside::report::{Fault, Message, NAMESPACES, SIZE, Stage};
use crate::inside::{Room, Wires, first};
use crate::layer::Layer;
use crate::limits::{self, Bounds, Join, LimitError, Watch};
use crate::plan::{Plan, PlanError};
use crate::refusal::{self, Refusal};
use crate::spec::{Network, Spec};
use crate::surroundings::Surroundings;
use crate::sys::clone::{self, Process};
use crate::sys::letter::Letter;
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
    /// The driver does not enforce something, and nobody allowed it to run without.
    #[error("the driver does not enforce {}", gaps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Gaps {
        /// What it does not enforce, each with the reason.
        gaps: Vec<Gap>,
    },
    /// The container runtime or the image cannot be used.
    #[error(transparent)]
    Container(#[from] ContainerError),
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
            Self::Limit(limit) => Some(refusal::fix_of_limit(limit.layer, &Surroundings::gather())),
            Self::Spec(SpecError::SymbolicLink { .. }) => {
                Some("name the path it leads to".to_owned())
            }
            Self::Spec(SpecError::Network { network, .. }) => {
                Some(crate::check::fix_of_network(*network).to_owned())
            }
            Self::Spec(SpecError::SecretsUnheld) => Some("use the local driver".to_owned()),
            Self::Gaps { gaps } => {
                let names = gaps.iter().map(|gap| format!("`{}`", gap.name));
                let names = names.collect::<Vec<_>>().join(", ");
                Some(format!("allow {names} by name, or use the local driver"))
            }
            Self::Container(error) => error.fix().map(str::to_owned),
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
            PlanError::OldLandlock { found, floor } => {
                Self::Unsupported(refusal::landlock_below(found, floor))
            }
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
    begin(host, spec, None).map(|begun| begun.child)
}

/// A sandbox that was built, and what it was built from.
pub(crate) struct Begun {
    pub(crate) child: Child,
    pub(crate) plan: Plan,
    /// Of a slot: what is to be watched from the moment it has a program, and the list of its
    /// shared memory.
    pub(crate) watch: Option<(Watch, Option<OwnedFd>)>,
}

/// Builds a sandbox. With `stdin` it becomes a slot: everything is in force and proved, and it
/// waits to be told its program; without, the program of the spec has been executed.
pub(crate) fn begin(
    host: &Host,
    spec: &Spec,
    stdin: Option<OwnedFd>,
) -> Result<Begun, LaunchError> {
    if host.landlock.is_none() {
        return Err(refusal::landlock().into());
    }
    let checked = check(spec)?;
    let name = name();
    let Bounds { mut group, rlimits, mut in_force, watch } =
        limits::prepare(&host.cgroups, &spec.limits, &name)?;
    in_force.extend(limits::kept_always());
    let mut plan = Plan::new(host, spec, &checked, rlimits)?;
    plan.is_watched = !watch.is_empty();
    #[cfg(weaken)]
    crate::weaken::edit(&mut plan, spec).map_err(LaunchError::Resources)?;
    let Join { at_birth: birth, by_itself } =
        group.as_mut().map(limits::Group::take_join).unwrap_or_default();
    let until = if stdin.is_some() { Until::Ready } else { Until::Executed };
    let (ends, wires) =
        wires::connect(&plan, by_itself, &spec.handed, stdin).map_err(LaunchError::Resources)?;
    let started = Instant::now();
    let process = clone_first(birth.as_ref(), &plan, &wires, until)?;
    drop(wires);
    let mut running = Running::new(process, ends, group, started, &spec.limits);
    let ready = listen(&running.ends, started, until, spec.network).map_err(|failure| {
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
    wall!(
        Proof,
        if !are_as_meant(&host.namespaces, &ready.namespaces, spec.network) {
            running.kill_and_reap();
            return Err(LaunchError::Unproved { check: "its namespaces are its own" });
        }
    );
    let upper = Upper { fd: Arc::new(ready.upper), lower: Arc::new(checked.lower_fd) };
    let segments = ready.segments;
    let watch = match until {
        Until::Ready => Some((watch, segments)),
        Until::Executed => {
            running.guard(watch, &upper.fd, segments).map_err(limits::unwatched)?;
            None
        }
    };
    let handed_out = (upper, ready.listener);
    let child = Child::new(running, handed_out, checked.artifacts, spec.limits, receipt);
    Ok(Begun { child, plan, watch })
}

/// Every namespace is the sandbox's own, and the network's is the host's exactly where it should be.
fn are_as_meant(host: &[u64; NAMESPACES], inside: &[u64; NAMESPACES], network: Network) -> bool {
    const NETWORK: usize = 5;
    let pairs = host.iter().zip(inside).enumerate();
    pairs
        .map(|(place, (host, inside))| {
            (place == NETWORK && network == Network::Host, host == inside)
        })
        .all(|(meant, same)| meant == same)
}

/// How far a sandbox is built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Everything is in force and proved.
    Ready,
    /// And the program has been executed.
    Executed,
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

/// Unique on this host, and names the supervisor it dies with.
fn name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{}-{}", Epoch::own(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn clone_first(
    group: Option<&OwnedFd>,
    plan: &Plan,
    wires: &Wires,
    until: Until,
) -> Result<Process, LaunchError> {
    let letter = (until == Until::Ready).then(Letter::new);
    let room = RefCell::new(Room { stack: clone::Stack::new(), letter });
    let network = match plan.network {
        Network::None | Network::Proxy => clone::Birth::OwnNetwork,
        Network::Host => clone::Birth::SameNetwork,
    };
    clone::namespaced(network, group.map(AsFd::as_fd), &|| first(plan, wires, &room))
        .map_err(|errno| refusal::user_namespace(errno).into())
}

struct Ready {
    upper: OwnedFd,
    listener: Option<OwnedFd>,
    segments: Option<OwnedFd>,
    namespaces: [u64; NAMESPACES],
}

/// Why the inside did not get as far as the program.
pub(crate) enum Failure {
    Fault(Fault),
    Silence,
}

impl Failure {
    pub(crate) fn explain(self, plan: &Plan, spec: &Spec) -> LaunchError {
        let Self::Fault(fault) = self else { return LaunchError::Lost };
        let program = spec.argv.first().map(|name| show(name.as_ref())).unwrap_or_default();
        let source = io::Error::from(fault.errno);
        match (fault.stage, fault.errno) {
            (Stage::Proof, _) => LaunchError::Unproved { check: Check::named(fault.index) },
            (Stage::Exec, Errno::NOENT | Errno::NOTDIR) => {
                let tried = plan.program.text.candidates.iter();
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

/// Collects messages until everything is in force, or until the inside's end is closed, which is
/// what `execve` does.
fn listen(ends: &Ends, started: Instant, until: Until, network: Network) -> Result<Ready, Failure> {
    let (mut upper, mut listener, mut segments, mut namespaces) = (None, None, None, None);
    loop {
        match receive(&ends.setup, started + SET_UP_MAX).map_err(|_| Failure::Silence)? {
            Some((Message::Upper, fd)) => upper = fd,
            Some((Message::Listener, fd)) => listener = fd,
            Some((Message::Segments, fd)) => segments = fd,
            Some((Message::Ready { namespaces: found }, _)) => {
                namespaces = Some(found);
                if until == Until::Ready {
                    break;
                }
            }
            Some((Message::Fault(fault), _)) => return Err(Failure::Fault(fault)),
            Some((Message::Taken | Message::Release | Message::Ended(_), _)) => {
                return Err(Failure::Silence);
            }
            None => break,
        }
    }
    match (upper, namespaces) {
        (Some(upper), Some(namespaces)) if listener.is_some() == (network == Network::Proxy) => {
            Ok(Ready { upper, listener, segments, namespaces })
        }
        _ => Err(Failure::Silence),
    }
}

/// The next message and the descriptor that came with it; `None` at the end.
pub(crate) fn receive(
    socket: &OwnedFd,
    deadline: Instant,
) -> Result<Option<(Message, Option<OwnedFd>)>, Errno> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    crate::wait::readable(socket, deadline)?;
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

/// Layers that every launched sandbox has, but for the network namespace of the proxy's own.
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
