//! Reaching hosts from a step: asked for, decided, through the proxy, on record; and every way to be stopped.
//! The servers are the test's own; nothing outside this machine is reached.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::example;
use crate::install::installed;
use crate::support::{Project, Running, state, wait_for, workflow};

/// A server that answers every request alike and counts them.
struct Server {
    address: String,
    answered: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answered = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&answered);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                answer(stream);
            }
        });
        Self { address, answered }
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(count @ 1..) => head.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
    // A client that went away needs no answer.
    drop(
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"),
    );
}

/// A policy under which curl may reach what `hosts` says.
fn policy(hosts: &str, more: &str) -> String {
    format!(
        "version: 1\nname: test\nrules:\n  \
         - {{ name: run, match: {{ tool: [\"exec.*\"] }}, action: allow }}\n  \
         - {{ name: reach, match: {{ tool: [\"exec.*\"], host: [{hosts}] }}, action: allow{more} }}\n"
    )
}

/// A step that fetches from `to` and may reach `hosts`.
fn fetch(hosts: &str, to: &str) -> String {
    installed("curl", &["curl"]);
    workflow(&format!(
        "  - name: get\n    run: [curl, -sS, --fail, --max-time, \"20\", \"http://{to}/\"]\n    \
         env: {{ no_proxy: \"\", NO_PROXY: \"\" }}\n    outputs: {{ page: stdout }}\n    \
         sandbox: {{ profile: standard-net, hosts: [\"{hosts}\"] }}\n"
    ))
}

fn project(policy: &str, workflow: &str) -> Project {
    let project = Project::bare();
    project.file(".palisade/policy.yaml", policy);
    project.file("steps.yaml", workflow);
    project
}

fn shown(project: &Project) -> Value {
    project.palisade(&["runs", "show", "--json"]).json()
}

/// Kinds of the records of the journal, in order.
fn kinds(project: &Project) -> Vec<String> {
    let records = project.palisade(&["audit", "export"]).exits(0).json_lines();
    records.iter().map(|record| record["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_example_fetches_what_is_named_and_nothing_else() {
    installed("curl", &["curl"]);
    let (project, server) = (example::clone(), Server::start());
    let input = format!("server={}", server.address);
    project.palisade(&["run", "examples/fetch.yaml", "-i", &input]).exits(0);
    assert_eq!(server.answered(), 1);
    let told = shown(&project);
    assert_eq!(told["run"]["outputs"]["page"], "hello");
    let egress = told["egress"].as_array().unwrap();
    let [allowed, denied] = egress.as_slice() else { panic!("{egress:#?}") };
    assert_eq!((&allowed["verdict"], &allowed["rule"]), (&"allow".into(), &"loopback".into()));
    assert_eq!((&allowed["host"], &allowed["address"]), (&"127.0.0.1".into(), &"127.0.0.1".into()));
    assert!(allowed["sent"].as_u64() > Some(0) && allowed["received"].as_u64() > Some(0));
    assert_eq!((&denied["verdict"], &denied["host"]), (&"deny".into(), &"example.com".into()));
    assert_eq!(denied["reason"], "not_granted");
    let text = project.palisade(&["runs", "show"]).exits(0).stdout;
    assert!(text.contains("egress") && text.contains("example.com:80"), "{text}");
    assert!(text.contains("standard-net") && text.contains("network proxy"), "{text}");
    project.verifies();
}

#[test]
fn a_decision_is_on_record_before_the_connection_and_its_end_after() {
    let server = Server::start();
    let project = project(&policy("127.0.0.1", ""), &fetch(&server.address, &server.address));
    project.palisade(&["run", "steps.yaml"]).exits(0);
    let kinds = kinds(&project);
    let place = |kind: &str| kinds.iter().position(|found| found == kind).unwrap();
    assert!(place("step.started") < place("egress.decision"));
    assert!(place("egress.decision") < place("egress.closed"));
    assert!(place("egress.closed") < place("step.finished"));
}

#[test]
fn a_refused_request_is_what_stopped_the_step() {
    let (named, decoy) = (Server::start(), Server::start());
    let project = project(&policy("127.0.0.1", ""), &fetch(&named.address, &decoy.address));
    let ran = project.palisade(&["run", "steps.yaml"]).exits(10);
    assert!(ran.all().contains("isolation layer `egress`"), "{}", ran.all());
    assert_eq!(decoy.answered(), 0);
    let by = &project.latest()["steps"][0]["stopped_by"];
    assert!(by["detail"].as_str().unwrap().contains(&decoy.address), "{by}");
    // The same decoy, when it is asked for, is reached: it was the proxy that stopped the step.
    project.file("steps.yaml", fetch(&decoy.address, &decoy.address));
    project.palisade(&["run", "steps.yaml"]).exits(0);
    assert_eq!(decoy.answered(), 1);
}

#[test]
fn a_host_no_rule_names_is_denied_before_anything_runs() {
    let server = Server::start();
    for (hosts, detail) in [
        ("example.org", "names the host"),
        ("\"*\"", "names the host"),
        ("10.0.0.0/8", "names the host"),
    ] {
        let project = project(&policy(hosts, ""), &fetch(&server.address, &server.address));
        project.palisade(&["run", "steps.yaml"]).exits(10);
        let run = project.latest();
        assert_eq!(state(&run, "get"), "denied", "{hosts}");
        let by = run["steps"][0]["stopped_by"]["detail"].as_str().unwrap().to_owned();
        assert!(by.contains(detail) && by.contains(&server.address), "{by}");
    }
    assert_eq!(server.answered(), 0);
}

#[test]
fn a_profile_the_policy_tightens_takes_the_hosts_with_it() {
    let server = Server::start();
    let strict = policy("127.0.0.1", ", constraints: { profile: strict }");
    let project = project(&strict, &fetch(&server.address, &server.address));
    project.palisade(&["run", "steps.yaml"]).exits(10);
    let run = project.latest();
    let by = &run["steps"][0]["stopped_by"];
    assert_eq!((state(&run, "get"), by["name"].as_str()), ("denied", Some("reach")));
    assert!(by["detail"].as_str().unwrap().contains("standard-net"), "{by}");
    assert_eq!(server.answered(), 0);
}

#[test]
fn a_host_gives_no_more_than_the_policy_lets_through() {
    let server = Server::start();
    let workflow = fetch(&server.address, &server.address);
    let enough = policy("127.0.0.0/8", ", constraints: { max_transfer: 1KiB }");
    let control = project(&enough, &workflow);
    control.palisade(&["run", "steps.yaml"]).exits(0);
    let little = policy("127.0.0.0/8", ", constraints: { max_transfer: 120 }");
    let project = project(&little, &workflow);
    project.palisade(&["run", "steps.yaml"]).exits(10);
    assert_eq!(server.answered(), 2, "it was reached, and cut short");
    let records = project.palisade(&["audit", "export"]).exits(0).json_lines();
    let closed = records.iter().find(|record| record["kind"] == "egress.closed").unwrap();
    let moved = |way: &str| closed["payload"][way].as_u64().unwrap();
    assert!(moved("sent") + moved("received") <= 120, "{closed}");
}

#[test]
fn explain_says_which_rule_decides_each_host() {
    let project = project(&policy("example.org", ""), "");
    let ask = |hosts: &str| {
        let hosts = format!("hosts={hosts}");
        let arguments = ["policy", "explain", "exec.run", "--arg", "program=curl", "--arg", &hosts];
        project.palisade(&arguments)
    };
    let allowed = ask("[\"example.org:8443\"]").exits(0).stdout;
    assert!(allowed.contains("host example.org:8443: allowed by `reach`"), "{allowed}");
    let denied = ask("[\"example.org\", \"example.net\"]").exits(6).stdout;
    assert!(denied.contains("host example.net: no rule explicitly allowed this"), "{denied}");
    assert!(denied.contains("no host, as it names none"), "{denied}");
}

#[test]
fn one_command_reaches_what_it_names() {
    installed("curl", &["curl"]);
    let server = Server::start();
    let project = project(&policy("127.0.0.1", ""), "");
    let url = format!("http://{}/", server.address);
    let curl = ["--", "curl", "-sS", "--fail", "--noproxy", "", &url];
    let exec = |more: &[&str]| project.palisade(&[&["sandbox", "exec"], more, &curl[..]].concat());
    let ran = exec(&["--hosts", &server.address]).exits(0);
    assert_eq!(ran.stdout, "hello\n");
    exec(&[]).exits(10);
    assert_eq!(server.answered(), 1);
    let receipt = exec(&["--hosts", &server.address, "--receipt", "--json"]).exits(0).json();
    assert_eq!(receipt["receipt"]["network"], "proxy");
    let wrong = exec(&["--hosts", &server.address, "--profile", "strict"]).exits(2);
    assert!(wrong.stderr.contains("`hosts` needs `standard-net`"), "{}", wrong.stderr);
}

/// Processes of this machine that are a proxy of `project`'s binary, below `parent`.
fn proxies(parent: u32) -> Vec<u32> {
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_proxy = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.windows(12).any(|word| word == b"egress-proxy") && descends(*pid, parent)
    };
    pids.filter(is_proxy).collect()
}

fn descends(mut pid: u32, parent: u32) -> bool {
    while pid > 1 {
        if pid == parent {
            return true;
        }
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        pid = after.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    }
    false
}

#[test]
fn a_proxy_that_dies_fails_its_step() {
    let server = Server::start();
    let endless = workflow(&format!(
        "  - name: get\n    shell: \"echo up >&2; exec tail -f /dev/null\"\n    \
         sandbox: {{ profile: standard-net, hosts: [\"{}\"] }}\n",
        server.address
    ));
    let project = project(&policy("127.0.0.1", ""), &endless);
    let running = Running::start(&mut project.command(&["run", "steps.yaml"]));
    let parent = running.pid();
    wait_for("the step's first word", || project.palisade(&["runs", "logs"]).all().contains("up"));
    let found = proxies(parent);
    assert!(!found.is_empty());
    for pid in &found {
        assert!(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().is_ok());
    }
    let ran = running.end().exits(10);
    assert!(ran.all().contains("the way out is closed"), "{}", ran.all());
    assert_eq!(proxies(parent), Vec::<u32>::new());
}

#[test]
fn a_proxy_ends_with_its_step() {
    let server = Server::start();
    let project = project(&policy("127.0.0.1", ""), &fetch(&server.address, &server.address));
    let running = Running::start(&mut project.command(&["run", "steps.yaml"]));
    let parent = running.pid();
    running.end().exits(0);
    assert_eq!(proxies(parent), Vec::<u32>::new());
}
