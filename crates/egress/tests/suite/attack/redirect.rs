//! Granted hosts that send the program on to others, or answer with more than one reading.
//!
//! A redirect is passed on; following it is a new request, decided like any other.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;

use egress::Reason;

use super::{Field, GRANTED};
use crate::support::{Server, Stand, grant, head, rest};

/// Where the granted host sends the program, and the request that follows it.
const REDIRECTS: &[(&str, &str, u16)] = &[
    ("another host", "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example", 403),
    ("the machine itself", "GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1", 403),
    (
        "a metadata service",
        "GET http://169.254.169.254/latest/ HTTP/1.1\r\nHost: 169.254.169.254",
        403,
    ),
    ("another port", "GET http://good.example:22/ HTTP/1.1\r\nHost: good.example:22", 403),
    ("another host by tunnel", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443", 403),
    ("a decimal address", "GET http://2130706433/ HTTP/1.1\r\nHost: 2130706433", 400),
    ("a file", "GET file:///etc/passwd HTTP/1.1\r\nHost: good.example", 400),
];

/// Answers that are not passed on, with what the host sends.
const ANSWERS: &[(&str, &str)] = &[
    ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nhello"),
    (
        "a length and chunks",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
    ),
    ("an unknown encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: evil\r\n\r\nhello"),
    (
        "a change nobody asked for",
        "HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
    ),
    (
        "a wish for the proxy's credentials",
        "HTTP/1.1 407 OK\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 5\r\n\r\nhello",
    ),
    ("another protocol", "SSH-2.0-OpenSSH_9.6\r\nhello"),
    ("HTTP/2", "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ("an endless head", "HTTP/1.1 200 OK\r\nX: ENDLESS"),
    ("nothing", ""),
];

pub(crate) fn names() -> Vec<String> {
    let redirects = REDIRECTS.iter().map(|(what, ..)| format!("sent on to {what}"));
    redirects.chain(ANSWERS.iter().map(|(what, _)| format!("answered with {what}"))).collect()
}

fn sends_on(mut stream: TcpStream, heard: &Mutex<Vec<u8>>) {
    heard.lock().unwrap().extend(head(&mut stream).into_bytes());
    let answer =
        "HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n";
    let _ = stream.write_all(answer.as_bytes());
}

#[test]
fn following_a_redirect_is_a_new_decision() {
    for (what, follow, status) in REDIRECTS {
        let field = Field::with(sends_on);
        let stand = Stand::new(&grant(GRANTED), field.world.clone());
        let mut stream = stand.connect();
        stream
            .write_all(b"GET http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n")
            .unwrap();
        let first = head(&mut stream);
        assert!(first.contains("Location: http://evil.example/"), "{what}: {first:?}");
        write!(stream, "{follow}\r\n\r\n").unwrap();
        let answer = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer:?}");
        assert_eq!(field.decoy.connections(), 0, "{what}");
        assert_eq!(field.honest.connections(), 1, "{what}");
    }
}

#[test]
fn the_control_follows_a_redirect_to_a_granted_host() {
    let field = Field::with(sends_on);
    let stand = Stand::new(&grant(&["good.example", "evil.example"]), field.world.clone());
    let mut stream = stand.connect();
    stream.write_all(b"GET http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n").unwrap();
    head(&mut stream);
    stream.write_all(b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n").unwrap();
    stand.wait_closed(2);
    assert_eq!(field.decoy.connections(), 1);
}

/// Answers as the path says.
fn answers(mut stream: TcpStream, _: &Mutex<Vec<u8>>) {
    let request = head(&mut stream);
    let number = request.split('/').nth(1).and_then(|rest| rest.split(' ').next());
    let at: usize = number.and_then(|number| number.parse().ok()).unwrap_or(usize::MAX);
    let Some((_, answer)) = ANSWERS.get(at) else { return };
    let answer = answer.replace("ENDLESS", &"x".repeat(100_000));
    let _ = stream.write_all(answer.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read(&mut [0]);
}

#[test]
fn answers_with_two_readings_are_not_passed_on() {
    for (at, (what, _)) in ANSWERS.iter().enumerate() {
        let field = Field::with(answers);
        let stand = Stand::new(&grant(GRANTED), field.world.clone());
        let request =
            format!("GET http://good.example/{at} HTTP/1.1\r\nHost: good.example\r\n\r\n");
        let mut stream = stand.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let answer = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
        assert!(answer.starts_with("HTTP/1.1 502 "), "{what}: {answer:?}");
        assert!(!answer.contains("hello"), "{what}: {answer:?}");
        assert_eq!(field.decoy.connections(), 0, "{what}");
        let closed = stand.wait_closed(1);
        assert_ne!(closed[0].why, egress::Ending::Done, "{what}");
    }
}

/// A host on which nothing listens is told, not tried elsewhere.
#[test]
fn a_host_that_cannot_be_reached_is_told() {
    let field = Field::new();
    let gone = Server::decoy().address;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_ne!(gone, nobody);
    field.world.route(crate::support::HONEST, nobody);
    let stand = Stand::new(&grant(GRANTED), field.world.clone());
    let answer = stand.ask(b"GET http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 502 "), "{}", String::from_utf8_lossy(&answer));
    let closed = stand.wait_closed(1);
    assert_eq!(closed[0].why, egress::Ending::Unreachable);
    assert!(stand.decisions().iter().all(|decision| decision.reason == Reason::Granted));
}
