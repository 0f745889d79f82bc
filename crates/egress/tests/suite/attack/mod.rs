//! The attack corpus: one row is what a hostile program sends and what must come of it.
//!
//! Every row runs through a proxy of its own on real sockets. Whatever is dialled that the grant
//! does not open leads to a decoy that counts; it must count nothing. Each table has a control:
//! the same kind of request, granted, which must arrive.

mod address;
mod encoding;
mod greeting;
mod host;
mod name;
mod own;
mod protocol;
mod rebinding;
mod redirect;
mod smuggling;
mod url;

use std::io::Write;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;

use egress::{Event, Grant, Reason, Verdict};

use crate::support::{HONEST, Server, Stand, World, grant, head, rest};

/// What every row's sandbox may reach.
const GRANTED: &[&str] =
    &["good.example", "*.wild.example", "port.example:8443", "93.184.215.14", "v6.example"];

/// One attack.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) act: Act,
    pub(crate) must: Must,
}

/// What the program in the sandbox does.
pub(crate) enum Act {
    /// Sends bytes and its end.
    Send(Vec<u8>),
    /// Sends bytes and waits, without ending its side.
    Hold(Vec<u8>),
    /// Opens a tunnel, then sends bytes and its end.
    Tunnel(&'static str, Vec<u8>),
    /// Opens a tunnel, then sends bytes one by one.
    Drip(&'static str, Vec<u8>),
}

/// What must come of it, beside nothing at the decoy.
pub(crate) enum Must {
    /// Answered with this status, recorded with this reason, nothing dialled.
    Refuse(u16, Reason),
    /// The tunnel ends with an alert, recorded with this reason, nothing dialled.
    Alert(Reason),
    /// The answer begins so, and a decision with this reason is the last.
    EndWith(&'static str, Reason),
    /// It arrives at the granted host only: so many requests, with this and without that.
    Arrive { requests: usize, with: &'static str, without: &'static str },
    /// It arrives at the granted host in part and is cut off without an answer of the host.
    Cut,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, act: Act, must: Must) -> Self {
        Self { name: name.into(), act, must }
    }
}

/// A plain request as programs send it.
pub(crate) fn get(url: &str, host: &str) -> Act {
    Act::Send(format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes())
}

/// A tunnel's request as programs send it.
pub(crate) fn connect(target: &str) -> Act {
    Act::Send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").into_bytes())
}

/// Answers each request head with a short text, and echoes whatever is TLS.
fn honest(mut stream: std::net::TcpStream, heard: &std::sync::Mutex<Vec<u8>>) {
    use std::io::Read;
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        heard.lock().unwrap().extend_from_slice(&buffer[..read]);
        request.extend_from_slice(&buffer[..read]);
        let tls = request.first() == Some(&22);
        if tls || request.windows(4).any(|four| four == b"\r\n\r\n") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
            if tls {
                return;
            }
            request.clear();
        }
    }
}

/// The servers and the scripted outside of one row.
pub(crate) struct Field {
    decoy: Server,
    honest: Server,
    pub(crate) world: Arc<World>,
}

impl Field {
    pub(crate) fn new() -> Self {
        Self::with(honest)
    }

    pub(crate) fn with(handler: crate::support::Handler) -> Self {
        let (decoy, honest) = (Server::decoy(), Server::new(handler));
        let world = World::new(decoy.address);
        world.route(HONEST, honest.address);
        for name in ["good.example", "a.wild.example", "port.example"] {
            world.name(name, &[&[HONEST]]);
        }
        Self { decoy, honest, world }
    }
}

/// Runs one row.
pub(crate) fn check(row: &Row, field: &Field, stand: &Stand) {
    let answer = String::from_utf8_lossy(&act(&row.act, stand)).into_owned();
    let name = &row.name;
    match row.must {
        Must::Refuse(status, reason) => {
            let line = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&line), "{name}: {answer:?}");
            assert!(answer.contains("Palisade-Egress: denied"), "{name}: {answer:?}");
            denied(name, stand, reason);
            nothing_dialled(name, field);
        }
        Must::Alert(reason) => {
            let alert = answer.strip_prefix("HTTP/1.1 200 Connection established\r\n\r\n");
            assert_eq!(alert, Some("\u{15}\u{3}\u{3}\0\u{2}\u{2}1"), "{name}");
            denied(name, stand, reason);
            nothing_dialled(name, field);
        }
        Must::EndWith(begin, reason) => {
            assert!(answer.starts_with(begin), "{name}: {answer:?}");
            denied(name, stand, reason);
        }
        Must::Arrive { requests, with, without } => {
            let heard = field.honest.heard();
            assert!(answer.contains("hello"), "{name}: {answer:?}");
            assert_eq!(field.honest.connections(), requests, "{name}: {heard:?}");
            assert!(heard.contains(with), "{name}: {heard:?}");
            assert!(without.is_empty() || !heard.contains(without), "{name}: {heard:?}");
        }
        Must::Cut => {
            assert!(!answer.contains("hello"), "{name}: {answer:?}");
            assert_eq!(field.honest.connections(), 1, "{name}");
        }
    }
    assert_eq!(field.decoy.connections(), 0, "{name}: seen at the decoy");
    for address in field.world.dialled.lock().unwrap().iter() {
        assert_eq!(address.ip(), HONEST, "{name}");
    }
}

fn act(act: &Act, stand: &Stand) -> Vec<u8> {
    match act {
        Act::Send(bytes) => stand.ask(bytes),
        Act::Hold(bytes) => {
            let mut stream = stand.connect();
            stream.write_all(bytes).unwrap();
            rest(&mut stream)
        }
        Act::Tunnel(target, bytes) | Act::Drip(target, bytes) => {
            let mut stream = stand.connect();
            let size = if matches!(act, Act::Drip(..)) { 1 } else { bytes.len().max(1) };
            write!(stream, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").unwrap();
            let mut answer = head(&mut stream).into_bytes();
            stream.set_nodelay(true).unwrap();
            for piece in bytes.chunks(size) {
                // The proxy may end the tunnel before everything is sent.
                let _ = stream.write_all(piece);
            }
            let _ = stream.shutdown(Shutdown::Write);
            answer.extend(rest(&mut stream));
            answer
        }
    }
}

/// The last decision is a refusal for this reason.
fn denied(name: &str, stand: &Stand, reason: Reason) {
    let refusal = |event: &Event| match event {
        Event::Decision(decision) => decision.verdict == Verdict::Deny,
        Event::Closed(_) => false,
    };
    stand.wait(|events| events.iter().any(refusal));
    let decisions = stand.decisions();
    let last = decisions.last().unwrap();
    assert_eq!((last.verdict, last.reason), (Verdict::Deny, reason), "{name}: {last:?}");
    assert!(!last.detail.is_empty(), "{name}: a refusal without a reason");
}

fn nothing_dialled(name: &str, field: &Field) {
    assert!(field.world.dialled.lock().unwrap().is_empty(), "{name}: dialled");
    assert_eq!(field.honest.connections(), 0, "{name}: seen at the honest server");
}

/// Runs a table, and its control: the request that must arrive at the decoy when the grant
/// opens it. Returns how many rows there were.
pub(crate) fn table(rows: &[Row], control: &Act, opening: &Grant, addresses: &[IpAddr]) {
    for row in rows {
        let field = Field::new();
        let stand = Stand::new(&grant(GRANTED), field.world.clone());
        check(row, &field, &stand);
        stand.finish().unwrap();
    }
    let field = Field::new();
    for address in addresses {
        field.world.route(*address, field.decoy.address);
    }
    let stand = Stand::new(opening, field.world.clone());
    act(control, &stand);
    stand.wait(|events| events.len() >= 2);
    assert_ne!(field.decoy.connections(), 0, "the control did not arrive: {:?}", stand.events());
}

/// An address nothing listens at, for grants that only need one.
pub(crate) fn public() -> SocketAddr {
    SocketAddr::new(crate::support::ELSEWHERE, 443)
}

#[test]
fn the_corpus_has_at_least_150_attacks() {
    let tables = [
        address::rows(),
        encoding::rows(),
        greeting::rows(),
        host::rows(),
        name::rows(),
        own::rows(),
        protocol::rows(),
        smuggling::rows(),
        url::rows(),
    ];
    let mut names: Vec<String> = tables.into_iter().flatten().map(|row| row.name).collect();
    names.extend(rebinding::names());
    names.extend(redirect::names());
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two attacks have one name");
    assert!(count >= 150, "{count} attacks");
    println!("{count} attacks");
}
