//! Limits: slow and many clients, bytes, look-ups, decisions, silence. Each ends what it concerns
//! and is told, and others go on.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use egress::{Ending, Event, Grant, Outside, Reason, Verdict};

use crate::support::{HONEST, Handler, Server, Stand, World, echo, entry, grant, head, rest, tls};

const GET: &[u8] = b"GET http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n";

fn flood(mut stream: TcpStream, _: &Mutex<Vec<u8>>) {
    head(&mut stream);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n");
    while stream.write_all(&[b'x'; 16384]).is_ok() {}
}

fn stand(handler: Handler, grant: &Grant) -> (Server, Stand) {
    let server = Server::new(handler);
    let world = World::new(server.address);
    world.name("good.example", &[&[HONEST]]);
    (server, Stand::new(grant, world))
}

fn tunnel(stand: &Stand) -> TcpStream {
    let mut stream = stand.connect();
    stream
        .write_all(b"CONNECT good.example:443 HTTP/1.1\r\nHost: good.example:443\r\n\r\n")
        .unwrap();
    assert!(head(&mut stream).starts_with("HTTP/1.1 200 "));
    stream.write_all(&tls::to("good.example")).unwrap();
    stream
}

/// One byte at a time, as slowly as a short wait for an answer makes it.
fn drip(stream: &mut TcpStream, bytes: &[u8]) {
    stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() || stream.read(&mut [0]).is_ok() {
            return;
        }
    }
}

#[test]
fn a_head_that_drips_ends_in_time_however_long_it_goes_on() {
    let (server, stand) = stand(echo, &grant(&["good.example"]));
    let begun = Instant::now();
    let mut stream = stand.connect();
    drip(
        &mut stream,
        format!("GET http://good.example/ HTTP/1.1\r\nX: {}", "y".repeat(5000)).as_bytes(),
    );
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    stand.wait(|events| !events.is_empty());
    assert_eq!(stand.decisions()[0].reason, Reason::Limit);
    let mut stream = stand.connect();
    stream
        .write_all(b"CONNECT good.example:443 HTTP/1.1\r\nHost: good.example:443\r\n\r\n")
        .unwrap();
    head(&mut stream);
    drip(&mut stream, &[&tls::to("good.example")[..5], &[1; 5000]].concat());
    stand.wait(|events| events.len() >= 2);
    assert_eq!(stand.decisions()[1].reason, Reason::Greeting);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_flood_of_connections_takes_the_seats_there_are_and_no_more() {
    let mut grant = grant(&["good.example"]);
    grant.limits.connections = 4;
    grant.limits.idle_time = Duration::from_secs(600);
    let (server, stand) = stand(echo, &grant);
    let mut tunnels: Vec<TcpStream> = (0..4).map(|_| tunnel(&stand)).collect();
    stand.wait(|events| events.len() == 4);
    let flood: Vec<TcpStream> = (0..100).map(|_| stand.connect()).collect();
    let mut late = stand.connect();
    late.write_all(b"GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n").unwrap();
    late.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(late.read(&mut [0]).is_err(), "served although every seat is taken");
    // The tunnels that hold the seats are not disturbed.
    let greeting = tls::to("good.example").len();
    for tunnel in &mut tunnels {
        tunnel.read_exact(&mut vec![0; greeting]).unwrap();
        tunnel.write_all(b"still here").unwrap();
        tunnel.read_exact(&mut [0; 10]).unwrap();
    }
    assert_eq!(server.connections(), 4);
    drop(tunnels);
    drop(flood);
    late.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    assert!(head(&mut late).starts_with("HTTP/1.1 403 "), "a seat became free");
}

#[test]
fn an_entrys_bytes_are_never_passed() {
    let budget = |bytes| {
        let mut grant = grant(&[]);
        grant.entries.push(entry("good.example", Some(bytes)));
        grant
    };
    for bytes in [100, 5_000, 100_000] {
        let (_server, stand) = stand(flood, &budget(bytes));
        let got = stand.ask(GET);
        assert!(got.len() as u64 <= bytes + 100, "{} of {bytes}", got.len());
        let closed = stand.wait_closed(1);
        assert_eq!(closed[0].why, Ending::Budget);
        assert_eq!(closed[0].sent + closed[0].received, bytes);
        let answer = String::from_utf8(stand.ask(GET)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.contains("bytes of rule `rule-of-good.example`"), "{answer}");
        stand.wait(|events| events.len() >= 3);
        let last = stand.decisions().pop().unwrap();
        assert_eq!((last.verdict, last.reason), (Verdict::Deny, Reason::Budget));
    }
}

#[test]
fn without_a_budget_the_same_bytes_pass() {
    let (_server, stand) = stand(flood, &grant(&["good.example"]));
    let got = stand.ask(GET);
    assert!(got.len() > 10_000_000, "{}", got.len());
}

#[test]
fn connections_of_one_entry_share_its_bytes() {
    let mut grant = grant(&[]);
    grant.entries.push(entry("good.example", Some(300_000)));
    let (_server, stand) = stand(flood, &grant);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| stand.ask(GET));
        }
    });
    // A connection that comes when nothing is left is refused and never ends.
    stand.wait(|events| {
        let is_allowed = |event: &Event| {
            matches!(event, Event::Decision(decision) if decision.verdict == Verdict::Allow)
        };
        let closed = events.iter().filter(|event| matches!(event, Event::Closed(_))).count();
        let allowed = events.iter().filter(|event| is_allowed(event)).count();
        events.len() - closed == 4 && allowed == closed
    });
    let moved: u64 = stand.closed().iter().map(|closed| closed.sent + closed.received).sum();
    assert_eq!(moved, 300_000);
}

#[test]
fn what_is_sent_counts_as_well() {
    let mut grant = grant(&[]);
    grant.entries.push(entry("good.example", Some(50_000)));
    let (server, stand) = stand(echo, &grant);
    let mut stream = tunnel(&stand);
    let _ = stream.write_all(&vec![1; 1_000_000]);
    rest(&mut stream);
    let closed = stand.wait_closed(1);
    assert_eq!(closed[0].why, Ending::Budget);
    assert_eq!(closed[0].sent + closed[0].received, 50_000);
    drop(stand);
    assert!(server.connections() == 1);
}

#[test]
fn a_second_entry_serves_when_the_first_is_used_up() {
    let mut grant = grant(&[]);
    grant.entries.push(entry("good.example", Some(10)));
    grant
        .entries
        .push(egress::Entry { name: "second".to_owned(), ..entry("*.example.test", None) });
    grant.entries.push(egress::Entry { name: "third".to_owned(), ..entry("good.example", None) });
    let (_server, stand) = stand(flood, &grant);
    stand.ask(GET);
    stand.wait_closed(1);
    assert!(stand.ask(GET).len() > 10_000_000);
    let rules: Vec<_> =
        stand.decisions().into_iter().filter_map(|decision| decision.rule).collect();
    assert_eq!(rules, ["rule-of-good.example", "third"]);
}

/// An outside whose resolver answers only when it is let.
struct Stuck {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Outside for Stuck {
    fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let open = self.open.lock().unwrap();
        drop(self.changed.wait_while(open, |open| !*open).unwrap());
        Err(io::Error::other("nobody knows"))
    }

    /// A socket that never becomes writable, as to a host that swallows everything.
    fn dial(&self, _: SocketAddr) -> io::Result<OwnedFd> {
        let (near, far) = std::os::unix::net::UnixStream::pair()?;
        near.set_nonblocking(true)?;
        while (&near).write(&[0; 4096]).is_ok() {}
        std::mem::forget(far);
        Ok(near.into())
    }
}

#[test]
fn look_ups_are_limited_in_number_and_time() {
    let mut grant = grant(&["good.example", "93.184.215.14"]);
    grant.limits.lookups = 2;
    grant.limits.lookup_time = Duration::from_millis(300);
    let outside = Arc::new(Stuck { open: Mutex::new(false), changed: Condvar::new() });
    let stand = Stand::new(&grant, outside.clone());
    let status = |answer: Vec<u8>| String::from_utf8_lossy(&answer[9..12]).into_owned();
    assert_eq!(status(stand.ask(GET)), "504");
    assert_eq!(status(stand.ask(GET)), "504");
    // Both places are still taken: the system's resolver cannot be stopped.
    assert_eq!(status(stand.ask(GET)), "503");
    stand.wait(|events| events.len() >= 3);
    assert_eq!(stand.decisions().pop().unwrap().reason, Reason::Limit);
    *outside.open.lock().unwrap() = true;
    outside.changed.notify_all();
    let begun = Instant::now();
    while status(stand.ask(GET)) == "503" {
        assert!(begun.elapsed() < crate::support::PATIENCE);
    }
    assert_eq!(status(stand.ask(GET)), "502");
}

#[test]
fn dialling_is_limited_in_time() {
    let mut grant = grant(&["93.184.215.14"]);
    grant.limits.dial_time = Duration::from_millis(200);
    let outside = Arc::new(Stuck { open: Mutex::new(true), changed: Condvar::new() });
    let stand = Stand::new(&grant, outside);
    let answer = stand.ask(b"GET http://93.184.215.14/ HTTP/1.1\r\nHost: 93.184.215.14\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 502 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(stand.wait_closed(1)[0].why, Ending::Unreachable);
}

#[test]
fn silence_ends_a_tunnel_a_request_and_an_unused_connection() {
    fn mute(mut stream: TcpStream, _: &Mutex<Vec<u8>>) {
        while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {}
    }
    let mut grant = grant(&["good.example"]);
    grant.limits.idle_time = Duration::from_millis(300);
    let (_server, stand) = stand(mute, &grant);
    let mut unused = stand.connect();
    let mut tunnel = tunnel(&stand);
    let answer = stand.ask(GET);
    assert!(answer.starts_with(b"HTTP/1.1 504 "), "{}", String::from_utf8_lossy(&answer));
    assert!(rest(&mut tunnel).is_empty());
    assert!(rest(&mut unused).is_empty());
    let closed = stand.wait_closed(2);
    assert!(closed.iter().all(|closed| closed.why == Ending::Idle), "{closed:?}");
}

#[test]
fn decisions_are_limited_and_the_last_one_says_so() {
    let mut grant = grant(&["good.example"]);
    grant.limits.decisions = 3;
    let (server, stand) = stand(flood, &grant);
    for _ in 0..2 {
        let answer =
            stand.ask(b"GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n");
        assert!(answer.starts_with(b"HTTP/1.1 403 "));
    }
    assert!(stand.ask(GET).is_empty(), "the last decision refuses");
    assert!(stand.ask(GET).is_empty());
    assert!(stand.ask(GET).is_empty());
    stand.wait(|events| events.len() >= 3);
    let decisions = stand.decisions();
    assert_eq!(decisions.len(), 3);
    assert_eq!((decisions[2].verdict, decisions[2].reason), (Verdict::Deny, Reason::Limit));
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_client_that_does_not_read_does_not_fill_the_memory() {
    let (_server, stand) = stand(flood, &grant(&["good.example"]));
    let mut stream = stand.connect();
    stream.write_all(GET).unwrap();
    stand.wait(|events| !events.is_empty());
    // It goes away without having read; how much came is what fits into buffers.
    head(&mut stream);
    drop(stream);
    let closed = stand.wait_closed(1);
    assert_eq!(closed[0].why, Ending::Client);
    assert!(closed[0].received < 20_000_000, "{}", closed[0].received);
}
