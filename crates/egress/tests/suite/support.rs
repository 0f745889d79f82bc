//! What the suites have in common: a proxy on real sockets, a scripted outside, servers that
//! count, and TLS greetings of any shape. Nothing here asserts what a proxy should do.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use egress::{
    Access, Closed, Decision, Entry, Event, Grant, Outside, ProxyLimits, ServeError, Session,
    System, Target, Verdict,
};

/// Longest wait for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The address the honest server has in the scripted outside.
pub(crate) const HONEST: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14));
/// The address of names nobody scripted.
pub(crate) const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(93, 184, 215, 99));

/// An outside where names stand for what the test says, and every address leads to a listener
/// of the test: some to chosen ones, all others to the decoy.
pub(crate) struct World {
    names: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    routes: Mutex<HashMap<IpAddr, SocketAddr>>,
    decoy: SocketAddr,
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) dialled: Mutex<Vec<SocketAddr>>,
}

impl World {
    pub(crate) fn new(decoy: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            names: Mutex::default(),
            routes: Mutex::default(),
            decoy,
            asked: Mutex::default(),
            dialled: Mutex::default(),
        })
    }

    /// The answers a name gets, one after the other; the last one stays.
    pub(crate) fn name(&self, name: &str, answers: &[&[IpAddr]]) {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        self.names.lock().unwrap().insert(name.to_owned(), answers);
    }

    /// Where an address leads.
    pub(crate) fn route(&self, address: IpAddr, to: SocketAddr) {
        self.routes.lock().unwrap().insert(address, to);
    }
}

impl Outside for World {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        let mut names = self.names.lock().unwrap();
        let Some(answers) = names.get_mut(name) else { return Ok(vec![ELSEWHERE]) };
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        answer.ok_or_else(|| io::Error::other("no such name"))
    }

    fn dial(&self, address: SocketAddr) -> io::Result<OwnedFd> {
        self.dialled.lock().unwrap().push(address);
        let to = self.routes.lock().unwrap().get(&address.ip()).copied().unwrap_or(self.decoy);
        System.dial(to)
    }
}

/// What a server of the test does with a connection.
pub(crate) type Handler = fn(TcpStream, &Mutex<Vec<u8>>);

/// A listener that counts its connections and keeps what came.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<ServerState>,
}

#[derive(Default)]
struct ServerState {
    seen: Mutex<Vec<SocketAddr>>,
    own: Mutex<Vec<SocketAddr>>,
    changed: Condvar,
    heard: Mutex<Vec<u8>>,
}

impl Server {
    pub(crate) fn new(handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(ServerState::default());
        let inside = state.clone();
        std::thread::spawn(move || {
            while let Ok((stream, from)) = listener.accept() {
                inside.seen.lock().unwrap().push(from);
                inside.changed.notify_all();
                let inside = inside.clone();
                std::thread::spawn(move || handler(stream, &inside.heard));
            }
        });
        Self { address, state }
    }

    /// A server that takes connections, hears what comes first, and hangs up.
    pub(crate) fn decoy() -> Self {
        Self::new(hang_up)
    }

    /// Connections so far. A connection of the test's own is put behind all that were made
    /// before, so that none of them is still on its way.
    pub(crate) fn connections(&self) -> usize {
        let own = TcpStream::connect(self.address).unwrap();
        let from = own.local_addr().unwrap();
        self.state.own.lock().unwrap().push(from);
        let seen = self.state.seen.lock().unwrap();
        let late = |seen: &mut Vec<SocketAddr>| !seen.contains(&from);
        let (seen, timeout) = self.state.changed.wait_timeout_while(seen, PATIENCE, late).unwrap();
        assert!(!timeout.timed_out(), "the server accepts nothing");
        let own = self.state.own.lock().unwrap();
        seen.iter().filter(|from| !own.contains(from)).count()
    }

    /// Everything that came on all connections.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.state.heard.lock().unwrap()).into_owned()
    }
}

/// Keeps what comes first and answers nothing.
pub(crate) fn hang_up(mut stream: TcpStream, heard: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).unwrap_or(0);
    heard.lock().unwrap().extend_from_slice(&buffer[..read]);
}

/// Sends everything back.
pub(crate) fn echo(mut stream: TcpStream, heard: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        heard.lock().unwrap().extend_from_slice(&buffer[..read]);
        if stream.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// A proxy with its supervisor, in threads of the test.
pub(crate) struct Stand {
    pub(crate) address: SocketAddr,
    pub(crate) session: Arc<Session>,
    log: Arc<Log>,
    serving: Option<JoinHandle<Result<(), ServeError>>>,
}

#[derive(Default)]
struct Log {
    events: Mutex<(Vec<Event>, bool)>,
    changed: Condvar,
}

/// What the supervisor does with an allowed decision.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supervisor {
    Acknowledges,
    IsSilent,
}

impl Stand {
    pub(crate) fn new(grant: &Grant, outside: Arc<dyn Outside>) -> Self {
        Self::with(grant, outside, Supervisor::Acknowledges)
    }

    pub(crate) fn with(grant: &Grant, outside: Arc<dyn Outside>, kind: Supervisor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = Session::sockets().unwrap();
        let serving = std::thread::spawn(move || egress::serve_with(theirs, outside));
        let session = Arc::new(Session::begin(ours, grant, listener.into()).unwrap());
        let log = Arc::new(Log::default());
        let (reader, inside) = (session.clone(), log.clone());
        std::thread::spawn(move || {
            while let Ok(Some(event)) = reader.next() {
                let id = match &event {
                    Event::Decision(decision) if decision.verdict == Verdict::Allow => {
                        Some(decision.id)
                    }
                    _ => None,
                };
                inside.events.lock().unwrap().0.push(event);
                inside.changed.notify_all();
                if let Some(id) = id.filter(|_| kind == Supervisor::Acknowledges) {
                    let _ = reader.acknowledge(id);
                }
            }
            inside.events.lock().unwrap().1 = true;
            inside.changed.notify_all();
        });
        Self { address, session, log, serving: Some(serving) }
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.log.events.lock().unwrap().0.clone()
    }

    pub(crate) fn decisions(&self) -> Vec<Decision> {
        let decision = |event| match event {
            Event::Decision(decision) => Some(decision),
            Event::Closed(_) => None,
        };
        self.events().into_iter().filter_map(decision).collect()
    }

    pub(crate) fn closed(&self) -> Vec<Closed> {
        let closed = |event| match event {
            Event::Closed(closed) => Some(closed),
            Event::Decision(_) => None,
        };
        self.events().into_iter().filter_map(closed).collect()
    }

    /// Waits until the events are as the test needs them.
    pub(crate) fn wait(&self, mut enough: impl FnMut(&[Event]) -> bool) {
        let events = self.log.events.lock().unwrap();
        let more = |(events, over): &mut (Vec<Event>, bool)| !enough(events) && !*over;
        let (events, timeout) =
            self.log.changed.wait_timeout_while(events, PATIENCE, more).unwrap();
        assert!(!timeout.timed_out(), "only {:?}", events.0);
    }

    /// Waits for so many ended connections.
    pub(crate) fn wait_closed(&self, count: usize) -> Vec<Closed> {
        self.wait(|events| {
            events.iter().filter(|event| matches!(event, Event::Closed(_))).count() >= count
        });
        self.closed()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes on a connection of its own and returns everything that came back.
    pub(crate) fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // The proxy may refuse before it has read everything.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        rest(&mut stream)
    }

    /// Ends the session in order and returns how the proxy ended.
    pub(crate) fn finish(mut self) -> Result<(), ServeError> {
        self.session.finish();
        self.serving.take().unwrap().join().unwrap()
    }

    /// Waits for the proxy to end by itself.
    pub(crate) fn join(mut self) -> Result<(), ServeError> {
        self.serving.take().unwrap().join().unwrap()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.session.close();
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

/// Everything up to the end of a stream; a reset counts as one.
pub(crate) fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let begun = Instant::now();
    let _ = stream.read_to_end(&mut bytes);
    assert!(begun.elapsed() < PATIENCE, "the connection was left open");
    bytes
}

/// Reads the head of an answer.
pub(crate) fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        bytes.push(byte[0]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn entry(target: &str, bytes: Option<u64>) -> Entry {
    Entry { name: format!("rule-of-{target}"), target: Target::parse(target).unwrap(), bytes }
}

/// A grant of these targets, with limits short enough for tests of time.
pub(crate) fn grant(targets: &[&str]) -> Grant {
    let entries = targets.iter().map(|target| entry(target, None)).collect();
    let limits = ProxyLimits { head_time: Duration::from_millis(400), ..ProxyLimits::default() };
    Grant { entries, limits }
}

pub(crate) fn is_tunnel(decision: &Decision) -> bool {
    decision.access == Access::Tunnel
}

/// TLS greetings.
pub(crate) mod tls {
    /// A vector with its length in `width` bytes before it.
    pub(crate) fn vector(width: usize, content: &[u8]) -> Vec<u8> {
        let mut bytes = (content.len() as u64).to_be_bytes()[8 - width..].to_vec();
        bytes.extend_from_slice(content);
        bytes
    }

    pub(crate) fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [kind.to_be_bytes().to_vec(), vector(2, content)].concat()
    }

    pub(crate) fn names(list: &[(u8, &[u8])]) -> Vec<u8> {
        let entry = |(kind, name): &(u8, &[u8])| [vec![*kind], vector(2, name)].concat();
        extension(0, &vector(2, &list.iter().flat_map(entry).collect::<Vec<u8>>()))
    }

    /// A handshake message with these extensions.
    pub(crate) fn handshake(extensions: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend(vector(1, &[9; 32]));
        body.extend(vector(2, &[0x13, 1, 0x13, 2]));
        body.extend(vector(1, &[0]));
        body.extend(vector(2, &extensions.concat()));
        [vec![1], vector(3, &body)].concat()
    }

    pub(crate) fn record(content: &[u8]) -> Vec<u8> {
        [vec![22, 3, 1], vector(2, content)].concat()
    }

    pub(crate) fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
        record(&handshake(extensions))
    }

    /// The usual greeting to one host.
    pub(crate) fn to(name: &str) -> Vec<u8> {
        hello(&[extension(10, &[0, 2, 0, 29]), names(&[(0, name.as_bytes())])])
    }
}

/// Runs the tests of this binary once more as the user `nobody` when started as root.
pub(crate) fn again_as_an_ordinary_user(own_name: &str) {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let copy = folder.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let output = std::process::Command::new(&copy)
        .args(["--skip", own_name])
        .env("HOME", "/nonexistent")
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "as an ordinary user:\n{text}");
}
