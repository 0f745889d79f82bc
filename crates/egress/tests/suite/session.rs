//! The exchange between supervisor and proxy: what does not belong there ends it, on either side.
//! Frames are made by hand here, because the crate keeps its own to itself.

use std::io::Write;
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use egress::{Ending, Event, ServeError, Session, SessionError};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use crate::support::{HONEST, Server, Stand, World, echo, grant, head, rest, tls};

fn frame(json: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(json.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    bytes
}

fn begin() -> Vec<u8> {
    let grant = serde_json::to_string(&grant(&["good.example"])).unwrap();
    frame(&format!(r#"{{"order":"begin","version":1,"grant":{grant}}}"#))
}

/// Sends bytes with a descriptor beside them.
fn send_with(socket: &UnixStream, bytes: &[u8], descriptor: &OwnedFd) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let slices = [std::io::IoSlice::new(bytes)];
    rustix::net::sendmsg(socket, &slices, &mut control, SendFlags::empty()).unwrap();
}

/// What becomes of a proxy whose supervisor sends a first frame and then more.
fn served(first: &[u8], descriptor: Option<OwnedFd>, then: &[u8]) -> Result<(), ServeError> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let serving = std::thread::spawn(move || egress::serve(theirs.into()));
    match &descriptor {
        Some(descriptor) => send_with(&ours, first, descriptor),
        None => (&ours).write_all(first).unwrap(),
    }
    let _ = (&ours).write_all(then);
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    serving.join().unwrap()
}

fn listener() -> Option<OwnedFd> {
    Some(TcpListener::bind("127.0.0.1:0").unwrap().into())
}

#[test]
fn a_supervisor_that_breaks_the_protocol_ends_the_proxy() {
    let protocol = |first: &[u8], descriptor, then: &[u8]| {
        let result = served(first, descriptor, then);
        assert!(matches!(result, Err(ServeError::Protocol(_))), "{result:?} for {first:?}");
    };
    protocol(&frame("{}"), listener(), b"");
    protocol(&frame("not json"), listener(), b"");
    protocol(&frame(r#"{"order":"acknowledge","id":1}"#), listener(), b"");
    protocol(&frame(r#"{"order":"begin","version":1,"grant":{},"more":1}"#), listener(), b"");
    protocol(&[0x7f, 0xff, 0xff, 0xff, b'{'], listener(), b"");
    protocol(&begin()[..20], listener(), b"");
    protocol(&begin(), None, b"");
    protocol(&begin(), listener(), &begin());
    protocol(&begin(), listener(), &frame(r#"{"order":"acknowledge","id":1}"#));
    protocol(&begin(), listener(), &frame(r#"{"order":"acknowledge","id":-1}"#));
    protocol(&begin(), listener(), &[0, 0, 0, 9, b'{']);
    protocol(&begin(), listener(), &[0xff; 4]);
    let deep = frame(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)));
    protocol(&begin(), listener(), &deep);
}

#[test]
fn what_is_no_listening_socket_is_refused() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    for descriptor in [udp.into(), connected.into(), tempfile::tempfile().unwrap().into()] {
        let result = served(&begin(), Some(descriptor), b"");
        assert!(matches!(result, Err(ServeError::Listener)), "{result:?}");
    }
}

#[test]
fn another_version_is_said_plainly() {
    let grant = serde_json::to_string(&grant(&[])).unwrap();
    let first = frame(&format!(r#"{{"order":"begin","version":2,"grant":{grant}}}"#));
    assert!(matches!(served(&first, listener(), b""), Err(ServeError::Version(2))));
}

#[test]
fn a_supervisor_that_behaves_is_served_to_its_end() {
    served(&begin(), listener(), b"").unwrap();
    served(b"", None, b"").unwrap();
}

/// A session whose proxy is the test, sending these bytes.
fn session(bytes: &[u8]) -> Session {
    let (ours, theirs) = Session::sockets().unwrap();
    let session = Session::begin(ours, &grant(&["good.example"]), listener().unwrap()).unwrap();
    let mut proxy = UnixStream::from(theirs);
    proxy.write_all(bytes).unwrap();
    session
}

const READY: &str = r#"{"report":"ready","of":{"version":1}}"#;
const CLOSED: &str = r#"{"report":"event","of":{"event":"closed","id":1,"address":null,"sent":1,"received":2,"why":"done"}}"#;

#[test]
fn a_proxy_that_breaks_the_protocol_ends_the_session() {
    for bytes in [
        frame("{}"),
        frame("\u{0}"),
        frame(CLOSED),
        [frame(READY), frame(READY)].concat(),
        [frame(READY), frame(r#"{"report":"event","of":{"event":"opened"}}"#)].concat(),
        [frame(READY), vec![0, 1, 0, 1]].concat(),
        [frame(READY), vec![0xff; 8]].concat(),
        [frame(READY), frame(CLOSED)[..40].to_vec()].concat(),
    ] {
        let session = session(&bytes);
        let error = session.next().unwrap_err();
        assert!(matches!(error, SessionError::Protocol(_)), "{error:?} for {bytes:?}");
        assert!(matches!(session.next(), Ok(None)), "it is over");
    }
    let session = session(&frame(r#"{"report":"ready","of":{"version":9}}"#));
    assert!(matches!(session.next(), Err(SessionError::Version(9))));
}

fn decided(id: u64, verdict: &str, rule: &str, host: &str, detail: &str) -> Vec<u8> {
    frame(&format!(
        r#"{{"report":"event","of":{{"event":"decision","id":{id},"access":"read","host":"{host}","port":80,"verdict":"{verdict}","rule":{rule},"reason":"granted","detail":"{detail}","addresses":[],"address":null}}}}"#
    ))
}

const RULE: &str = r#""rule-of-good.example""#;

#[test]
fn a_proxy_that_was_taken_over_cannot_write_what_it_likes_into_the_record() {
    let long = "a".repeat(300);
    for bytes in [
        decided(2, "allow", RULE, "good.example", ""),
        decided(1, "allow", r#""another rule""#, "good.example", ""),
        decided(1, "allow", "null", "good.example", ""),
        decided(1, "deny", RULE, "good.example", ""),
        decided(1, "deny", "null", r"good\u001b[2J", ""),
        decided(1, "deny", "null", &long, ""),
        decided(1, "deny", "null", "", r"two\nlines"),
        decided(1, "deny", "null", "", &"a".repeat(4000)),
        frame(CLOSED),
    ] {
        let session = session(&[frame(READY), bytes.clone()].concat());
        let error = session.next().unwrap_err();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(matches!(error, SessionError::Protocol(_)), "{error:?} for {text}");
    }
    let good = [
        frame(READY),
        decided(1, "allow", RULE, "good.example", ""),
        decided(2, "deny", "null", "", "a reason"),
    ];
    let session = session(&good.concat());
    assert!(matches!(session.next(), Ok(Some(Event::Decision(_)))));
    assert!(matches!(session.next(), Ok(Some(Event::Decision(_)))));
}

#[test]
fn a_proxy_that_is_gone_is_told() {
    let allowed = decided(1, "allow", RULE, "good.example", "");
    let gone = session(&[frame(READY), allowed, frame(CLOSED)].concat());
    assert!(matches!(gone.next(), Ok(Some(Event::Decision(_)))));
    assert!(matches!(gone.next(), Ok(Some(Event::Closed(closed))) if closed.received == 2));
    assert!(matches!(gone.next(), Ok(None)));
    assert!(matches!(gone.next(), Ok(None)));
    assert!(gone.acknowledge(1).is_err());
}

#[test]
fn a_grant_beyond_its_limit_is_refused_before_it_is_sent() {
    let (ours, _theirs) = Session::sockets().unwrap();
    let many: Vec<String> = (0..20_000).map(|at| format!("host-{at}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let error = Session::begin(ours, &grant(&many), listener().unwrap()).unwrap_err();
    assert!(matches!(error, SessionError::Grant), "{error:?}");
}

#[test]
fn closing_wakes_whoever_waits() {
    let (ours, _theirs) = Session::sockets().unwrap();
    let session = Session::begin(ours, &grant(&[]), listener().unwrap()).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| session.next());
        session.close();
        assert!(matches!(waiting.join().unwrap(), Ok(None)));
    });
}

fn tunnelled(stand: &Stand) -> TcpStream {
    let mut stream = stand.connect();
    stream
        .write_all(b"CONNECT good.example:443 HTTP/1.1\r\nHost: good.example:443\r\n\r\n")
        .unwrap();
    head(&mut stream);
    stream.write_all(&tls::to("good.example")).unwrap();
    std::io::Read::read_exact(&mut stream, &mut vec![0; tls::to("good.example").len()]).unwrap();
    stream
}

fn stand() -> (Server, Stand) {
    let server = Server::new(echo);
    let world = World::new(server.address);
    world.name("good.example", &[&[HONEST]]);
    let stand = Stand::new(&grant(&["good.example"]), world);
    (server, stand)
}

#[test]
fn when_the_supervisor_goes_everything_ends() {
    let (_server, stand) = stand();
    let mut tunnel = tunnelled(&stand);
    let mut waiting = stand.connect();
    let mut half = stand.connect();
    half.write_all(b"GET http://good.example/").unwrap();
    let address = stand.address;
    stand.session.close();
    stand.join().unwrap();
    assert!(rest(&mut tunnel).is_empty());
    assert!(rest(&mut waiting).is_empty());
    rest(&mut half);
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn finishing_tells_how_every_connection_ended() {
    let (_server, stand) = stand();
    let tunnels: Vec<TcpStream> = (0..3).map(|_| tunnelled(&stand)).collect();
    stand.session.finish();
    let closed = stand.wait_closed(3);
    assert!(closed.iter().all(|closed| closed.why == Ending::Stopped), "{closed:?}");
    assert!(closed.iter().all(|closed| closed.sent > 0 && closed.received > 0));
    drop(tunnels);
    stand.join().unwrap();
}

#[test]
fn a_supervisor_that_does_not_read_slows_requests_and_loses_nothing() {
    let (ours, theirs) = Session::sockets().unwrap();
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listening.local_addr().unwrap();
    let serving = std::thread::spawn(move || egress::serve(theirs));
    let session = Session::begin(ours, &grant(&[]), listening.into()).unwrap();
    const REQUESTS: usize = 2000;
    let asking = std::thread::spawn(move || {
        for _ in 0..REQUESTS {
            let Ok(mut stream) = TcpStream::connect(address) else { return };
            let request =
                format!("GET http://{}.example/ HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(60));
            let _ = stream.write_all(request.as_bytes());
            rest(&mut stream);
        }
    });
    let mut ids = Vec::new();
    while ids.len() < REQUESTS {
        match session.next().unwrap() {
            Some(Event::Decision(decision)) => ids.push(decision.id),
            other => panic!("{other:?}"),
        }
    }
    asking.join().unwrap();
    assert_eq!(ids, (1..=REQUESTS as u64).collect::<Vec<_>>());
    session.finish();
    serving.join().unwrap().unwrap();
}

#[test]
fn decisions_of_many_connections_come_one_after_the_other() {
    const EACH: usize = 150;
    let world = World::new(Server::decoy().address);
    let stand = Stand::new(&grant(&[]), world);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..EACH {
                    stand.ask(b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
                }
            });
        }
    });
    stand.wait(|events| events.len() == 8 * EACH);
    let ids: Vec<u64> = stand.decisions().iter().map(|decision| decision.id).collect();
    assert_eq!(ids, (1..=8 * EACH as u64).collect::<Vec<_>>());
}
