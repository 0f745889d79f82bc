//! The way out of one sandbox: its own proxy, and every decision of it on record before it counts.
//!
//! The proxy is a process of its own, confined like everything else, that lives as long as one attempt. What it may
//! open is the grant that policy decided on. An allowed connection is dialled only after its decision is durable; a
//! proxy that dies takes the attempt with it. Which hosts are granted was decided before.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use egress::{
    Closed, Decision, Entry, Event, Grant, ProxyLimits, Session, SessionError, Target, Verdict,
};
use engine::run::{Guard, RunId, StoppedBy};
use journal::{Journal, Operation};
use sandbox::{Access, Canceller, Limits, Mount, Network, Profile, Spec};
use serde_json::{Value, json};

use super::{Job, Program, Real};
use crate::gate::{Granted, Permitted};
use crate::node::log;
use crate::secrecy::Cover;
use crate::{cause, clock, record};

/// The word after the program's own name that makes it a proxy.
pub const PROXY_COMMAND: &str = "egress-proxy";
/// Where the program lies inside the proxy's sandbox.
const INSIDE: &str = "/palisade/palisade";
/// Memory of one proxy, in bytes.
const MEMORY: u64 = 256 * 1024 * 1024;
/// Threads of one proxy: one for each connection, for look-ups, and a few of its own.
const THREADS: u32 = 512;
/// Longer than any attempt may take; what ends a proxy is the end of its attempt.
const LIFE: Duration = Duration::from_secs(8 * 24 * 3600);
/// How long a proxy may take to cut its connections and tell how each ended.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why a sandbox gets no way out. The step does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum EgressError {
    /// This process does not know its own program, so it cannot start a proxy.
    #[error("the egress proxy's program is not known; start the step through the command line")]
    Unknown,
    /// A host that policy allowed is no target to the proxy.
    #[error("host `{host}` cannot be granted")]
    Target {
        /// As asked for.
        host: String,
        /// What is wrong with it.
        #[source]
        source: egress::TargetError,
    },
    /// No sockets, or no folder for the proxy.
    #[error("the egress proxy cannot be prepared")]
    System(#[source] io::Error),
    /// Its sandbox cannot be built.
    #[error("the egress proxy cannot be started")]
    Launch(#[source] Box<sandbox::LaunchError>),
    /// It did not take its grant.
    #[error("the egress proxy cannot be told what to open")]
    Session(#[from] SessionError),
    /// The sandbox gave no socket to listen on.
    #[error("the sandbox has no socket for the egress proxy")]
    Listener,
}

/// A proxy that waits for its grant.
pub(super) struct Proxy {
    child: sandbox::Child,
    control: OwnedFd,
    grant: Grant,
}

/// A proxy at work, with the thread that records what it decides.
pub(super) struct Attended {
    session: Arc<Session>,
    finishing: Arc<AtomicBool>,
    seen: Receiver<Seen>,
    /// Dropped last: dropping it kills what is left of the proxy.
    _child: sandbox::Child,
}

/// What a proxy decided in its life, in short.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The first request that was refused, in words.
    pub(super) refused: Option<StoppedBy>,
    /// Why it ended before its sandbox, where it did.
    pub(super) broken: Option<String>,
}

/// Starts the proxy of a permitted program, for its hosts, each with its bytes to use up. It opens nothing before it
/// is given a listener.
pub(super) fn start(real: &Real, permitted: Permitted<'_, Program>) -> Result<Proxy, EgressError> {
    let Program { hosts, transfer, .. } = permitted.what();
    let program = real.program.as_deref().ok_or(EgressError::Unknown)?;
    let grant = grant(hosts, *transfer)?;
    let (control, theirs) = Session::sockets().map_err(EgressError::System)?;
    std::fs::create_dir_all(&real.empty).map_err(EgressError::System)?;
    let mut spec = spec(program, &real.empty, theirs);
    spec.landlock_floor = Some(real.landlock_floor);
    let child =
        real.launch(permitted, &spec).map_err(|error| EgressError::Launch(Box::new(error)))?;
    Ok(Proxy { child, control, grant })
}

fn grant(hosts: &[Granted], transfer: Option<u64>) -> Result<Grant, EgressError> {
    let entry = |host: &Granted| {
        let target = Target::parse(&host.target)
            .map_err(|source| EgressError::Target { host: host.target.clone(), source })?;
        Ok(Entry { name: host.rule.to_string(), target, bytes: transfer })
    };
    let entries = hosts.iter().map(entry).collect::<Result<_, EgressError>>()?;
    Ok(Grant { entries, limits: ProxyLimits::default() })
}

fn spec(program: &Path, empty: &Path, control: OwnedFd) -> Spec {
    let mount = Mount {
        source: program.to_path_buf(),
        target: PathBuf::from(INSIDE),
        access: Access::Read,
    };
    Spec {
        profile: Profile::Proxy,
        network: Network::Host,
        mounts: vec![mount],
        handed: vec![Arc::new(control)],
        limits: Limits {
            memory_bytes: Some(MEMORY),
            pids: THREADS,
            // The proxy ends with the attempt, whose own time is limited.
            wall: LIFE,
            ..Limits::default()
        },
        ..Spec::new(empty, [INSIDE, PROXY_COMMAND])
    }
}

impl Proxy {
    /// Hands the sandbox's listener over and records from now on what is decided. A proxy that breaks cancels the
    /// sandbox through `stop`.
    pub(super) fn attend(
        self,
        (real, job): (&Real, &Job),
        listener: Option<OwnedFd>,
        stop: Canceller,
        cover: &Cover,
    ) -> Result<Attended, EgressError> {
        let listener = listener.ok_or(EgressError::Listener)?;
        let session = Arc::new(Session::begin(self.control, &self.grant, listener)?);
        let finishing = Arc::new(AtomicBool::new(false));
        let recorder = Recorder {
            session: Arc::clone(&session),
            finishing: Arc::clone(&finishing),
            journal: Arc::clone(&real.journal),
            run: job.run,
            step: job.name.to_string(),
            attempt: job.attempt,
            open: BTreeMap::new(),
            stop,
            cover: cover.clone(),
        };
        let (sender, seen) = channel();
        std::thread::Builder::new()
            .name(format!("egress {}", job.name))
            .spawn(move || recorder.run(&sender))
            .map_err(EgressError::System)?;
        Ok(Attended { session, finishing, seen, _child: self.child })
    }
}

impl Attended {
    /// Ends the proxy once its sandbox has ended, and waits until everything it told is on record.
    pub(super) fn finish(self) -> Seen {
        self.finishing.store(true, Ordering::Release);
        self.session.finish();
        if let Ok(seen) = self.seen.recv_timeout(FAREWELL) {
            return seen;
        }
        // It does not say goodbye; what it had told so far is on record.
        self.session.close();
        self.seen.recv_timeout(FAREWELL).unwrap_or_else(|_| Seen {
            broken: Some("the egress proxy did not end".to_owned()),
            ..Seen::default()
        })
    }
}

/// The thread that turns what the proxy tells into records.
struct Recorder {
    session: Arc<Session>,
    finishing: Arc<AtomicBool>,
    journal: Arc<Journal>,
    run: RunId,
    step: String,
    attempt: u32,
    /// Allowed requests that have not ended.
    open: BTreeMap<u64, Decision>,
    stop: Canceller,
    /// A program can ask for a host whose name holds a secret.
    cover: Cover,
}

impl Recorder {
    fn run(mut self, told: &Sender<Seen>) {
        let mut seen = Seen::default();
        let ended = self.record_all(&mut seen);
        if !self.finishing.load(Ordering::Acquire) {
            seen.broken = Some(ended.unwrap_or_else(|| "the egress proxy ended".to_owned()));
            // Closed first: nothing goes out any more, whatever the sandbox does until it is dead.
            self.session.close();
            self.stop.cancel();
        }
        // The attempt may be over without anybody waiting.
        drop(told.send(seen));
    }

    /// Records until the proxy is gone; why, where it did not simply end.
    fn record_all(&mut self, seen: &mut Seen) -> Option<String> {
        loop {
            let event = match self.session.next() {
                Ok(Some(event)) => event,
                Ok(None) => return None,
                Err(error) => return Some(cause::line(&error)),
            };
            if let Err(error) = self.record(&event) {
                return Some(format!("its decision cannot be recorded: {}", cause::line(&error)));
            }
            match event {
                Event::Decision(decision) if decision.verdict == Verdict::Allow => {
                    // A proxy that is gone needs no answer; the next turn says so.
                    drop(self.session.acknowledge(decision.id));
                    self.open.insert(decision.id, decision);
                }
                Event::Decision(decision) => {
                    seen.refused.get_or_insert_with(|| stopped(&decision));
                }
                Event::Closed(closed) => drop(self.open.remove(&closed.id)),
            }
        }
    }

    /// Makes one event durable.
    fn record(&self, event: &Event) -> Result<(), journal::CommitError> {
        let (kind, body) = match event {
            Event::Decision(decision) => (record::EGRESS_DECISION_KIND, self.decided(decision)),
            Event::Closed(closed) => (record::EGRESS_CLOSED_KIND, self.closed(closed)),
        };
        let body = self.cover.values().value(&body);
        let draft = record::draft(self.run, kind, &body, clock::now());
        let operation = Operation { log: log(), drafts: vec![draft], changes: Vec::new() };
        self.journal.commit(operation).map(drop)
    }

    fn decided(&self, decision: &Decision) -> Value {
        json!({
            "step": self.step,
            "attempt": self.attempt,
            "id": decision.id,
            "verdict": decision.verdict,
            "access": decision.access,
            "host": decision.host,
            "port": decision.port,
            "rule": decision.rule,
            "reason": decision.reason,
            "detail": decision.detail,
            "addresses": decision.addresses,
            "address": decision.address,
        })
    }

    fn closed(&self, closed: &Closed) -> Value {
        let decision = self.open.get(&closed.id);
        json!({
            "step": self.step,
            "attempt": self.attempt,
            "id": closed.id,
            "host": decision.map(|decision| &decision.host),
            "port": decision.map(|decision| decision.port),
            "rule": decision.and_then(|decision| decision.rule.as_ref()),
            "address": closed.address,
            "sent": closed.sent,
            "received": closed.received,
            "why": closed.why,
        })
    }
}

/// A refused request as the guard that stopped a step.
fn stopped(decision: &Decision) -> StoppedBy {
    let detail = match decision.host.as_str() {
        "" => decision.detail.clone(),
        host => format!("`{host}:{}`: {}", decision.port, decision.detail),
    };
    StoppedBy { kind: Guard::Isolation, name: "egress".into(), detail: detail.into() }
}

/// Why the proxy's own process could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeEgressError {
    /// It was not started by a runner.
    #[error("there is no control socket to serve")]
    NoControl,
    /// It could not go on.
    #[error("the egress proxy ended")]
    Serve(#[from] egress::ServeError),
}

/// The whole life of the proxy's process, until its runner lets go of it.
///
/// # Errors
/// When it was not started by a runner, or cannot go on.
pub fn serve_egress() -> Result<(), ServeEgressError> {
    let control = sandbox::handed(0).ok_or(ServeEgressError::NoControl)?;
    Ok(egress::serve(control)?)
}
