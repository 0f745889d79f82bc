//! Starts both sandboxes and joins them, as the runner does. Asserts nothing about egress.
//! What may be reached is the test's to say, and to judge.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use egress::{Entry, Event, Grant, Outside, ProxyLimits, Session, System, Target, Verdict};
use sandbox::{Access, End, Mount, Network, Outcome, Profile, Spec, launch};

/// Set in the environment of the process that serves.
pub(crate) const AS_PROXY: &str = "PALISADE_TEST_SERVES";
/// Where the hosts of the tests are: loopback, but not an address that programs take for local.
pub(crate) const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// The machine's network, in which names under `.test` stand for the hosts of the tests.
pub(crate) struct Names;

impl Outside for Names {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if name.ends_with(".test") { Ok(vec![HOST]) } else { System.resolve(name) }
    }

    fn dial(&self, address: SocketAddr) -> io::Result<OwnedFd> {
        System.dial(address)
    }
}

/// One project and what its programs may reach.
pub(crate) struct Way {
    pub(crate) project: tempfile::TempDir,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) mounts: Vec<Mount>,
    /// Who answers for names: `scripted` or the machine's `system`.
    pub(crate) names: &'static str,
    grant: Grant,
}

impl Way {
    pub(crate) fn new(targets: &[&str]) -> Self {
        let entry = |target: &&str| Entry {
            name: (*target).to_owned(),
            target: Target::parse(target).unwrap(),
            bytes: None,
        };
        let entries = targets.iter().map(entry).collect();
        Self {
            project: tempfile::tempdir().unwrap(),
            env: Vec::new(),
            mounts: Vec::new(),
            names: "scripted",
            grant: Grant { entries, limits: ProxyLimits::default() },
        }
    }

    fn spec(&self, argv: &[&str]) -> Spec {
        let mut spec = Spec::new(self.project.path(), argv.iter().map(OsString::from));
        spec.profile = Profile::StandardNet;
        spec.network = Network::Proxy;
        spec.env = self.env.clone();
        spec.mounts = self.mounts.clone();
        spec
    }

    /// Runs a program and returns how it ended and every event of its proxy.
    pub(crate) fn run(&self, argv: &[&str]) -> (Outcome, Vec<Event>) {
        let (ours, theirs) = Session::sockets().unwrap();
        let empty = tempfile::tempdir().unwrap();
        let proxy = launch(&serving(&empty, theirs, self.names)).unwrap();
        let mut child = launch(&self.spec(argv)).unwrap();
        let listener = child.take_listener().unwrap();
        let session = Session::begin(ours, &self.grant, listener).unwrap();
        let (outcome, events) = std::thread::scope(|scope| {
            let record = scope.spawn(|| record(&session));
            let outcome = child.wait(&mut |_, _| {});
            session.finish();
            (outcome, record.join().unwrap())
        });
        let served = proxy.wait(&mut |_, _| {});
        let text = String::from_utf8_lossy(&served.stdout.bytes).into_owned();
        assert_eq!(served.end, End::Exited(0), "the proxy: {text}");
        (outcome, events)
    }

    /// Runs a program that must succeed: what it printed, and the events.
    pub(crate) fn succeeds(&self, argv: &[&str]) -> (String, Vec<Event>) {
        let (outcome, events) = self.run(argv);
        let stdout = String::from_utf8_lossy(&outcome.stdout.bytes).into_owned();
        let stderr = String::from_utf8_lossy(&outcome.stderr.bytes).into_owned();
        assert_eq!(outcome.end, End::Exited(0), "{argv:?}: {stdout}{stderr}\n{events:#?}");
        (stdout, events)
    }
}

/// The proxy's process: this binary, held as the product holds it.
fn serving(empty: &tempfile::TempDir, control: OwnedFd, names: &str) -> Spec {
    let name = "a_proxy_process_serves_its_session_and_ends_with_it";
    let argv = ["/proxy/tests", "--exact", name, "--test-threads=1", "--nocapture"];
    let mut spec = Spec::new(empty.path(), argv);
    spec.env = vec![(AS_PROXY.into(), names.into())];
    spec.profile = Profile::Proxy;
    spec.network = Network::Host;
    spec.handed = vec![Arc::new(control)];
    let source: PathBuf = std::env::current_exe().unwrap().canonicalize().unwrap();
    spec.mounts = vec![Mount { source, target: "/proxy/tests".into(), access: Access::Read }];
    spec
}

fn record(session: &Session) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = session.next().unwrap() {
        if let Event::Decision(decision) = &event
            && decision.verdict == Verdict::Allow
        {
            session.acknowledge(decision.id).unwrap();
        }
        events.push(event);
    }
    events
}

pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}
