//! Real programs with the network of the egress proxy: they find the proxy, and serve each other.
//!
//! A resolver, datagrams and netlink are refused to them; they have to go on without.

use std::path::PathBuf;

use sandbox::launch;

use crate::install::installed;
use crate::support::{Project, succeeds};
use crate::{answers, listener, printed, with_proxy};

const PYTHON: &str = include_str!("programs/network.py");
const NODE: &str = include_str!("programs/network.js");
const SHELL: &str = include_str!("programs/network.sh");

/// What these tests run, from Debian's packages where it is missing.
const NEEDED: [(&str, &str); 4] =
    [("curl", "curl"), ("git", "git"), ("node", "nodejs"), ("python3", "python3")];

pub fn install() {
    for (program, package) in NEEDED {
        let _found: PathBuf = installed(program, &[package]);
    }
}

/// Runs a program whose requests are answered outside. What it prints, and the requests.
fn answered(program: &[&str], project: &Project) -> (String, Vec<String>) {
    install();
    let mut child = launch(&with_proxy(project.spec(program))).unwrap();
    let answers = answers(listener(&mut child));
    let printed = printed(child);
    (printed, answers.join().unwrap())
}

#[test]
fn curl_and_git_go_through_the_proxy() {
    let (text, requests) = answered(&["sh", "-c", SHELL], &Project::new());
    let expect = "answered outside\n\
         proxy said 403\n\
         1111111111111111111111111111111111111111\trefs/heads/x\n\
         1111111111111111111111111111111111111111\tHEAD\n\
         no host\n\
         answered outside\n";
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&text), sorted(expect));
    for request in [
        "GET http://example.com/curl HTTP/1.1",
        "CONNECT example.com:443 HTTP/1.1",
        "GET http://example.com/x.git/info/refs?service=git-upload-pack HTTP/1.1",
    ] {
        assert!(requests.iter().any(|line| line == request), "{request}: {requests:?}");
    }
}

#[test]
fn python_serves_itself_and_goes_through_the_proxy() {
    let project = Project::new();
    let (text, requests) = answered(&["/usr/bin/python3", "-c", PYTHON], &project);
    assert_eq!(text, "ok\n");
    assert_eq!(requests[0], "GET http://example.com/python HTTP/1.1", "{requests:?}");
}

#[test]
fn node_serves_itself_and_reaches_the_proxy() {
    let (text, requests) = answered(&["node", "-e", NODE], &Project::new());
    assert_eq!(text, "own server\nown server\nanswered outside\n");
    assert_eq!(requests, ["GET http://example.com/last HTTP/1.1"]);
}

#[test]
fn several_processes_serve_each_other() {
    // A server started by a shell, asked by another program.
    let script = "for address in 127.0.0.1 ::1; do \
           /usr/bin/python3 -m http.server --bind $address 4003 >/dev/null 2>&1 & \
         done; \
         for address in 127.0.0.1 localhost '[::1]'; do \
           curl -sS --retry-connrefused --retry 50 --retry-delay 1 http://$address:4003/kept.txt; \
         done; kill %1 %2 2>/dev/null || kill $!";
    install();
    let project = Project::new();
    let text = succeeds(&with_proxy(project.sh(script)));
    assert_eq!(text, "kept\nkept\nkept\n");
}
