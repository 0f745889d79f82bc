//! What a program reaches over the network, and what not: none, the loopback of its own sandbox with
//! the egress proxy's listener on it, or, for the proxy's own process, outgoing connections.
//!
//! The listener made inside is answered here, outside, as the egress proxy would. Each thing that is
//! out of reach has a control outside of a sandbox, where it is reached.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly"
)]

mod handed;
#[path = "../../../testkit/src/install.rs"]
#[allow(dead_code, reason = "shared with the tests of other crates")]
mod install;
mod process;
mod programs;
mod reach;
#[path = "../support/mod.rs"]
mod support;
mod terms;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use sandbox::{Child, End, Network, Profile, Spec};
use support::{stderr, stdout};

/// The spec of a program that may use the egress proxy.
fn with_proxy(mut spec: Spec) -> Spec {
    spec.profile = Profile::StandardNet;
    spec.network = Network::Proxy;
    spec
}

fn listener(child: &mut Child) -> TcpListener {
    TcpListener::from(child.take_listener().expect("a listener"))
}

/// Waits for a program that must succeed and returns what it printed.
fn printed(child: Child) -> String {
    let outcome = child.wait(&mut |_, _| {});
    assert_eq!(outcome.end, End::Exited(0), "{}{}", stdout(&outcome), stderr(&outcome));
    stdout(&outcome)
}

/// Answers every request that comes while somebody inside can send one; the first lines, in order.
/// A request for `last` ends it.
fn answers(listener: TcpListener) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut lines = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let line = answer(&mut stream);
            let is_last = line.contains("/last");
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    })
}

/// One request of HTTP, answered and closed. What asks for references of git gets one.
fn answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap_or_default().to_owned();
    let (status, body) = match () {
        () if line.starts_with("CONNECT ") => ("403 Forbidden", "no\n".to_owned()),
        () if line.contains("/info/refs") => {
            ("200 OK", format!("{}\trefs/heads/x\n", "1".repeat(40)))
        }
        () if line.contains("/HEAD") => ("200 OK", "ref: refs/heads/x\n".to_owned()),
        () => ("200 OK", "answered outside\n".to_owned()),
    };
    let length = body.len();
    let reply =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(reply.as_bytes()).unwrap();
    line
}

#[test]
fn everything_again_as_an_ordinary_user() {
    // What is missing is installed while that is still allowed.
    programs::install();
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
