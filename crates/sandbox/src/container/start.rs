//! From a spec to a running container, or to the reason why nothing was executed.
//!
//! One process of the runtime is started and listened to until the container's first process
//! exists. A start that fails leaves no container, no group and no mount behind.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child as Client, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::command::{Memory, Place, Request, arguments, variables};
use super::error::ContainerError;
use super::first::{self, Seen};
use super::group::{self, Limited};
use super::held::{Held, Inner, watch};
use super::lifecycle::{Lifecycle, State};
use super::place::PID_FILE;
use super::runtime::{Runtime, complaint};
use super::{Epoch, Settings, gate, network, place, receipt};
use crate::artifacts::Upper;
use crate::check::{Checked, check};
use crate::child::{Child, Running};
use crate::driver::Enforcement;
use crate::inside::report::NAMESPACES;
use crate::launch::LaunchError;
use crate::limits::{self, LimitInForce};
use crate::plan::input;
use crate::profile::Profile;
use crate::seccomp::container_profile;
use crate::spec::{Network, Spec};
use crate::wires::{self, Ends};

/// How long making a container may take; it takes a tenth of a second on a quiet host.
pub const CREATE_MAX: Duration = Duration::from_secs(60);

/// See [`Driver::launch`](crate::Driver::launch); the gaps have been judged.
pub(crate) fn launch(
    settings: &Settings,
    spec: &Spec,
    enforcement: Enforcement,
) -> Result<Child, LaunchError> {
    let checked = check_paths(spec)?;
    let runtime = Runtime::find(settings.runtime)?;
    let image = runtime.resolve(&settings.image)?;
    let name = format!("palisade-{}", name());
    let profile = filter(spec.profile);
    let order = Order {
        spec,
        checked: &checked,
        runtime: &runtime,
        image: &image,
        name: &name,
        variables: Memory::new(&variables(spec)?).map_err(ContainerError::from)?,
        seccomp: Memory::new(profile.as_bytes()).map_err(ContainerError::from)?,
        started: Instant::now(),
    };
    let Made { running, upper, limits, namespaces } = match runtime.is_full() {
        true => order.ours()?,
        false => order.plain()?,
    };
    let receipt = receipt::write(receipt::Facts {
        image: &settings.image,
        runtime: &runtime,
        spec,
        checked: &checked,
        name,
        groups: running.group_folders(),
        enforcement,
        limits,
        namespaces,
        profile: &profile,
    });
    let upper = Upper { fd: Arc::new(upper), lower: Arc::new(checked.lower_fd) };
    Ok(Child::new(running, (upper, None), checked.artifacts, spec.limits, receipt))
}

/// The whole spec, and that its paths can be said on a command line.
fn check_paths(spec: &Spec) -> Result<Checked, LaunchError> {
    let checked = check(spec)?;
    let targets = checked.mounts.iter().map(|(mount, _)| mount.target.as_path());
    match targets.into_iter().find(|target| !is_plain(target)) {
        Some(target) => Err(ContainerError::Target { path: crate::check::show(target) }.into()),
        None => Ok(checked),
    }
}

/// Whether a path means nothing else on the command line of a runtime.
fn is_plain(path: &Path) -> bool {
    path.to_str().is_some_and(|text| !text.contains([':', ',', '\\', '"']))
}

/// The profile as the runtime reads it; made once, because it is long.
fn filter(profile: Profile) -> Arc<str> {
    static MADE: LazyLock<Mutex<HashMap<Profile, Arc<str>>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(made.entry(profile).or_insert_with(|| container_profile(profile).into()))
}

/// Unique on this host while this process lives, and apart from the names of local sandboxes.
fn name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{}-c{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Everything a container is made from.
struct Order<'a> {
    spec: &'a Spec,
    checked: &'a Checked,
    runtime: &'a Arc<Runtime>,
    image: &'a str,
    name: &'a str,
    variables: Memory,
    seccomp: Memory,
    started: Instant,
}

/// A container that was made.
struct Made {
    running: Running,
    upper: OwnedFd,
    limits: Vec<LimitInForce>,
    namespaces: [u64; NAMESPACES],
}

impl Order<'_> {
    /// With a workspace and a control group of ours.
    fn ours(&self) -> Result<Made, LaunchError> {
        let Limited { group, path: parent, oom, in_force } =
            group::make(&self.spec.limits, self.name)?;
        let (ends, command) =
            self.command(Place::Ours { binds: place::binds(self.checked), parent: &parent })?;
        let place::Started { client, upper, scratch } =
            place::start(self.spec, self.checked, command)?;
        let mut held = self.hold(client)?;
        held.oom = oom;
        held.group = Some(parent.clone());
        let namespaces = self.await_first(&scratch, &parent, &mut held);
        let mut running = Running::contained(held, ends, Some(group), self.started, self.spec);
        match namespaces {
            Ok(namespaces) => Ok(Made { running, upper, limits: in_force, namespaces }),
            Err(error) => {
                running.kill_and_reap();
                Err(error.unwrap_or_else(|| refused(&running)).into())
            }
        }
    }

    /// Holds the container's first process, and its network's listening socket if it has one.
    /// Fails without an error of our own where the client has ended.
    fn await_first(
        &self,
        scratch: &OwnedFd,
        group: &str,
        held: &mut Held,
    ) -> Result<[u64; NAMESPACES], Option<ContainerError>> {
        let wait = |held: &Held, file| {
            let seen = first::wait((scratch, file), &held.life, group, CREATE_MAX);
            seen.map_err(|error| Some(ContainerError::from(error)))
        };
        if self.spec.network == Network::Proxy {
            let Seen::Held(first) = wait(held, gate::STATE_FILE)? else { return Err(None) };
            held.listen(network::listen(&first).map_err(Some)?);
            held.gate = Some(gate::open(scratch).map_err(Some)?);
        }
        match wait(held, PID_FILE)? {
            Seen::Held(first) => {
                held.first = Some(first.pidfd);
                Ok(first.namespaces)
            }
            Seen::Gone => Ok([0; NAMESPACES]),
            Seen::Never => Err(None),
        }
    }

    /// With the project as it is, read-only, and with the limits of the runtime.
    fn plain(&self) -> Result<Made, LaunchError> {
        let project = &self.checked.lower;
        let empty = Empty::new().map_err(ContainerError::from)?;
        let hidden = &self.checked.hidden;
        let named = [project, &empty.0].into_iter().chain(hidden.iter().map(|(path, _)| path));
        if let Some(path) = named.into_iter().find(|path| !is_plain(path)) {
            return Err(ContainerError::Target { path: crate::check::show(path) }.into());
        }
        let (ends, mut command) =
            self.command(Place::Plain { project, hidden, empty: &empty.0 })?;
        let upper = empty.open().map_err(|errno| ContainerError::Io(errno.into()))?;
        let client = command.spawn().map_err(ContainerError::from)?;
        let mut held = self.hold(client)?;
        held.empty = Some(empty);
        let running = Running::contained(held, ends, None, self.started, self.spec);
        let limits = limits::of_runtime(&self.spec.limits);
        Ok(Made { running, upper, limits, namespaces: [0; NAMESPACES] })
    }

    fn command(&self, place: Place<'_>) -> Result<(Ends, Command), LaunchError> {
        let resources = LaunchError::Resources;
        let request = Request {
            runtime: self.runtime,
            spec: self.spec,
            image: self.image,
            name: self.name,
            epoch: &Epoch::own().to_string(),
            variables: &self.variables,
            seccomp: &self.seccomp,
            place,
        };
        let (ends, [stdout, stderr]) = wires::streams().map_err(resources)?;
        let mut command = self.runtime.command();
        command
            .args(arguments(&request))
            .stdin(input(&self.spec.stdin).map_err(|error| resources(io::Error::other(error)))?)
            .stdout(stdout)
            .stderr(stderr);
        Ok((ends, command))
    }

    /// A client that cannot be watched is ended at once.
    fn hold(&self, mut client: Client) -> Result<Held, ContainerError> {
        let life = match watch(&client) {
            Ok(life) => life,
            Err(error) => {
                let _gone = client.kill().and_then(|()| client.wait());
                return Err(error.into());
            }
        };
        let mut life_cycle = Lifecycle::default();
        // The first transition of a new life is legal.
        let _running = life_cycle.enter(State::Running);
        Ok(Held {
            runtime: Arc::clone(self.runtime),
            name: self.name.to_owned(),
            life,
            first: None,
            oom: None,
            group: None,
            gate: None,
            empty: None,
            inner: Mutex::new(Inner {
                client,
                life: life_cycle,
                status: None,
                killed: false,
                end: None,
                listener: None,
            }),
        })
    }
}

/// The refusal of a client that has ended, in its own words; the program has written nothing yet.
fn refused(running: &Running) -> ContainerError {
    let mut said = vec![0_u8; 8192];
    let count = rustix::io::read(&running.ends.stderr, &mut said).unwrap_or(0);
    said.truncate(count);
    ContainerError::Refused { what: "the container was not started", text: complaint(&said) }
}

/// An empty folder that stands for a workspace in which nothing can be written.
#[derive(Debug)]
pub(super) struct Empty(PathBuf);

impl Empty {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("palisade-empty-{}", name()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn open(&self) -> Result<OwnedFd, Errno> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::open(&self.0, how, Mode::empty())
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        // Only an empty folder is removed; one that stays behind holds nothing.
        let _left = std::fs::remove_dir(&self.0);
    }
}
