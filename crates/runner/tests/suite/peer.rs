//! The peer socket from outside: the handshake, hostile frames, strangers, and what is found where it should lie.
//! Every refusal has a control beside it that is answered.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use proptest::prelude::*;
use runner::peer::{
    Client, ClientError, Code, Door, DoorError, FRAME_BYTES, MAX_CONNECTIONS_OF_ONE, Patience,
    REFUSALS_MAX, REQUEST_KIND,
};
use runner::{Adopt, Doing, Node};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Project, not_tried};

fn frame(body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

fn request(method: &str, params: &Value) -> Vec<u8> {
    let body = json!({ "id": method, "type": "request", "method": method, "params": params });
    frame(body.to_string().as_bytes())
}

fn greeting(version: u32) -> Vec<u8> {
    request("handshake", &json!({ "client": "test", "api_version": version }))
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The next answer; `None` once the other end closed.
fn answer(mut stream: &UnixStream) -> Option<Value> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).ok()?;
    let mut body = vec![0; u32::from_be_bytes(head) as usize];
    stream.read_exact(&mut body).unwrap();
    Some(serde_json::from_slice(&body).unwrap())
}

fn say(mut stream: &UnixStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
}

/// A connection after the handshake.
fn greeted(path: &Path) -> UnixStream {
    let stream = connect(path);
    say(&stream, &greeting(1));
    assert_eq!(answer(&stream).unwrap()["result"]["negotiated_api_version"], 1);
    stream
}

fn is_answered(path: &Path) {
    let stream = greeted(path);
    say(&stream, &request("ping", &json!({})));
    assert_eq!(answer(&stream).unwrap()["result"]["process"], std::process::id());
}

fn serving() -> (Project, Node, std::path::PathBuf) {
    let project = Project::new();
    let node = project.node(Doing::Nothing, Adopt::Nothing);
    let path = node.door().unwrap().path().to_path_buf();
    (project, node, path)
}

#[test]
fn several_requests_are_answered_in_order_after_one_handshake() {
    let (project, _node, path) = serving();
    let stream = connect(&path);
    // All in one piece: frames do not depend on how bytes arrive.
    let mut bytes = greeting(1);
    bytes.extend(request("ping", &json!({})));
    bytes.extend(request("tool.list", &Value::Null));
    say(&stream, &bytes);
    let first = answer(&stream).unwrap();
    assert_eq!((&first["id"], &first["type"]), (&json!("handshake"), &json!("response")));
    assert_eq!(first["result"]["supported_api_versions"], json!([1, 1]));
    let second = answer(&stream).unwrap();
    assert_eq!(second["result"]["project"], project.path().display().to_string());
    let third = answer(&stream).unwrap();
    assert_eq!(third["result"]["tools"][0]["name"], "exec.run");
    // Byte by byte it is the same.
    for byte in request("ping", &json!({})) {
        say(&stream, &[byte]);
    }
    assert_eq!(answer(&stream).unwrap()["id"], "ping");
}

#[test]
fn whoever_does_not_greet_first_in_a_version_we_speak_is_refused() {
    let (_project, _node, path) = serving();
    for (first, code) in [
        (request("ping", &json!({})), "handshake_required"),
        (greeting(0), "unsupported_version"),
        (greeting(2), "unsupported_version"),
        (greeting(u32::MAX), "unsupported_version"),
        (request("handshake", &json!({ "client": "x" })), "invalid_params"),
        (request("handshake", &json!(["x", "1.0", 1])), "invalid_params"),
        (request("handshake", &json!({ "client": "x", "api_version": "1" })), "invalid_params"),
        (
            request("handshake", &json!({ "client": "x", "api_version": 1, "root": true })),
            "invalid_params",
        ),
        (
            request("handshake", &json!({ "client": "x".repeat(5000), "api_version": 1 })),
            "bad_message",
        ),
    ] {
        let stream = connect(&path);
        say(&stream, &first);
        assert_eq!(answer(&stream).unwrap()["error"]["code"], code);
        assert_eq!(answer(&stream), None, "{code} ends the connection");
    }
    is_answered(&path);
}

#[test]
fn frames_that_are_no_messages_end_the_connection_and_say_why() {
    let (_project, _node, path) = serving();
    let over = u32::try_from(FRAME_BYTES + 1).unwrap().to_be_bytes();
    let deep = format!(
        r#"{{"id":"1","type":"request","method":"ping","params":{}1{}}}"#,
        "[".repeat(64),
        "]".repeat(64)
    );
    let long = json!({ "id": "x".repeat(129), "type": "request", "method": "ping" }).to_string();
    for (bytes, why) in [
        (over.to_vec(), "over the limit"),
        (vec![0xff; 4], "over the limit"),
        (frame(b""), "EOF"),
        (frame(b"ping"), "not JSON"),
        (frame(b"[]"), "not a message"),
        (frame(br#"["2","request","ping",{},null,null]"#), "it is not an object"),
        (frame(br#"["2","request","ping"]"#), "it is not an object"),
        (frame(br#"{"id":"1","type":"request","method":"ping","result":1}"#), "no `result`"),
        (frame(br#"{"id":"1","type":"request","method":"ping","result":null}"#), "no `result`"),
        (frame(br#"{"id":"1","type":"request","method":"ping","error":null}"#), "no `error`"),
        (frame(b"{}"), "not a message"),
        (frame(b"{\"id\":\"\xff\"}"), "not UTF-8"),
        (frame(br#"{"id":"1","id":"2","type":"request"}"#), "`id` is there twice"),
        (frame(br#"{"id":"1","type":"request","params":{"a":1,"a":2}}"#), "`a` is there twice"),
        (frame(br#"{"id":1,"type":"request"}"#), "not a message"),
        (frame(br#"{"id":"1","type":"order"}"#), "not a message"),
        (frame(br#"{"id":"1","type":"request","as":"root"}"#), "not a message"),
        (frame(br#"{"id":"1","type":"request","params":9007199254740993}"#), "2^53"),
        (frame(deep.as_bytes()), "nested too deep"),
        (frame(long.as_bytes()), "an id is at most"),
    ] {
        let stream = greeted(&path);
        say(&stream, &bytes);
        let told = answer(&stream).unwrap();
        assert_eq!(told["error"]["code"], "bad_message", "{told}");
        assert!(told["error"]["message"].as_str().unwrap().contains(why), "{told}: {why}");
        assert_eq!(answer(&stream), None);
    }
    is_answered(&path);
}

#[test]
fn requests_that_are_merely_wrong_are_answered_and_the_connection_stays() {
    let (_project, _node, path) = serving();
    let stream = greeted(&path);
    let nobody = "run_00000000000000000000000001";
    for (bytes, code) in [
        (frame(br#"{"id":"1","type":"response","result":1}"#), "not_a_request"),
        (frame(br#"{"id":"1","type":"event"}"#), "not_a_request"),
        (frame(br#"{"id":"1","type":"request"}"#), "unknown_method"),
        (request("run.delete", &json!({})), "unknown_method"),
        (greeting(1), "unknown_method"),
        (request("ping", &json!({ "loud": true })), "invalid_params"),
        (request("ping", &json!([1])), "invalid_params"),
        (request("ping", &json!([])), "invalid_params"),
        (request("run.get", &json!([nobody, 0])), "invalid_params"),
        (request("run.cancel", &json!([nobody, ""])), "invalid_params"),
        (request("ticket.revoke", &json!(["0".repeat(32), false])), "invalid_params"),
        (request("tool.call", &json!(["fs.read", { "path": "a" }, [], 1000])), "invalid_params"),
        (
            request(
                "tool.call",
                &json!({ "tool": "fs.read", "tickets": ["x"], "args": { "path": "a" } }),
            ),
            "invalid_params",
        ),
        (
            request(
                "tool.call",
                &json!({ "tool": "fs.read", "tickets": vec!["x"; 17], "args": { "path": "a" } }),
            ),
            "invalid_params",
        ),
        (request("run.get", &json!({})), "invalid_params"),
        (request("run.get", &json!({ "run": "../etc" })), "invalid_params"),
        (request("run.get", &json!({ "run": nobody })), "not_found"),
        (request("run.cancel", &json!({ "run": nobody })), "conflict"),
        (
            request("run.cancel", &json!({ "run": nobody, "reason": "x".repeat(1001) })),
            "invalid_params",
        ),
        (
            request("approval.rule", &json!({ "approval": "apr_x", "ruling": "approve" })),
            "invalid_params",
        ),
        (request("ticket.mint", &json!({ "tool": "fs.read" })), "invalid_params"),
        (
            request("ticket.mint", &json!({ "tools": ["fs.read"], "life_ms": "1s" })),
            "invalid_params",
        ),
        (request("ticket.mint", &json!({ "tools": ["fs.read"] })), "denied"),
        (request("ticket.revoke", &json!({})), "invalid_params"),
        (request("ticket.revoke", &json!({ "ticket": "x" })), "invalid_params"),
        (request("ticket.revoke", &json!({ "ticket": "0", "all": true })), "invalid_params"),
        (request("ticket.revoke", &json!({ "all": true })), "denied"),
        (request("ticket.rotate", &json!({ "scheme": "secret" })), "invalid_params"),
        (
            request("ticket.rotate", &json!({ "scheme": "none", "earlier": "kept" })),
            "invalid_params",
        ),
        (request("tool.call", &json!({ "tool": "fs.raed" })), "not_found"),
        (
            request("tool.call", &json!({ "tool": "fs.read", "args": { "pth": "a" } })),
            "invalid_params",
        ),
        (request("tool.call", &json!({ "tool": "fs.read", "args": ["a"] })), "invalid_params"),
        (request("tool.call", &json!({ "tool": "workspace.merge", "args": {} })), "invalid_params"),
    ] {
        say(&stream, &bytes);
        assert_eq!(answer(&stream).unwrap()["error"]["code"], code);
    }
    say(&stream, &request("ping", &json!({})));
    assert!(answer(&stream).unwrap().get("error").is_none());
}

#[test]
fn what_the_audit_log_is_asked_for_is_refused_where_it_is_not_so() {
    let (project, node, path) = serving();
    let stream = greeted(&path);
    let asked = |method: &str, params: Value| {
        say(&stream, &request(method, &params));
        answer(&stream).unwrap()
    };
    let signed = asked("audit.sign", json!({}));
    assert_eq!(signed["result"]["signed"], true, "{signed}");
    let checkpoint = project.path().join(".palisade/tiles/server/checkpoint");
    let note = std::fs::read_to_string(&checkpoint).unwrap();
    let log = project.path().join(".palisade/tiles/log/default/0/checkpoint");
    let log = std::fs::read_to_string(log).unwrap();
    let forged = note.replacen("\n1\n", "\n2\n", 1);
    assert_ne!(forged, note);
    for (method, params, code) in [
        ("audit.sign", json!({ "all": true }), "invalid_params"),
        ("audit.anchored", json!({ "target": "x" }), "invalid_params"),
        ("audit.anchored", json!({ "target": "x", "checkpoint": "none" }), "invalid_params"),
        // Not the log of logs; not what was signed; no place.
        ("audit.anchored", json!({ "target": "x", "checkpoint": log }), "invalid_params"),
        ("audit.anchored", json!({ "target": "x", "checkpoint": forged }), "invalid_params"),
        (
            "audit.anchored",
            json!({ "target": "x".repeat(5000), "checkpoint": note }),
            "invalid_params",
        ),
        ("audit.disclose", json!({ "record": 1 }), "not_found"),
        ("audit.erase", json!({}), "invalid_params"),
        ("audit.erase", json!({ "all": true, "run": "run_x" }), "invalid_params"),
        ("journal.archive", json!({}), "invalid_params"),
        ("journal.archive", json!({ "before_us": 1, "max_bytes": 1 }), "invalid_params"),
    ] {
        let told = asked(method, params);
        assert_eq!(told["error"]["code"], code, "{method}: {told}");
    }
    let kinds = || -> Vec<String> {
        let reader = runner::Reader::open(project.path().join(".palisade/palisade.db")).unwrap();
        let log = runner::audit::LogId::default();
        let all = reader.by_log(&log, 0, 100).unwrap();
        all.into_iter().map(|record| record.header.kind).collect()
    };
    assert!(!kinds().contains(&"audit.anchored".to_owned()));
    // The controls.
    let told = asked("audit.anchored", json!({ "target": "x", "checkpoint": note }));
    assert!(told["result"]["receipt"].as_u64().is_some(), "{told}");
    assert!(kinds().contains(&"audit.anchored".to_owned()));
    let told = asked("journal.archive", json!({ "before_us": i64::from(u32::MAX), "end": 2 }));
    assert_eq!(told["result"]["segments"], 0, "nothing is that old: {told}");
    let told = asked("journal.archive", json!({ "max_bytes": 1, "end": 2 }));
    assert_eq!((&told["result"]["segments"], &told["result"]["more"]), (&json!(1), &json!(false)));
    let told = asked("journal.archive", json!({ "max_bytes": 1, "end": 2 }));
    assert_eq!(told["result"]["segments"], 0, "what was there then is sealed: {told}");
    drop(stream);
    node.stop().unwrap();
}

#[test]
fn half_a_frame_is_no_request() {
    let (_project, _node, path) = serving();
    let whole = request("tool.call", &json!({ "tool": "fs.list", "args": { "path": "." } }));
    for length in [1, 3, 4, 5, whole.len() - 1] {
        let stream = greeted(&path);
        say(&stream, &whole[..length]);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(answer(&stream), None);
    }
    let stream = greeted(&path);
    say(&stream, &whole);
    assert_eq!(answer(&stream).unwrap()["result"]["state"], "succeeded");
}

#[test]
fn whoever_is_slow_is_hung_up_on() {
    let (project, node, _) = serving();
    let moment = Duration::from_millis(30);
    let path = project.layout.state().join("slow.sock");
    let hasty = |greeting, frame, idle| {
        Door::open(&path, node.desk().clone(), Patience { greeting, frame, idle }).unwrap()
    };
    let door = hasty(moment, PATIENCE, PATIENCE);
    let silent = connect(&path);
    assert_eq!(answer(&silent), None, "no greeting");
    let halting = connect(&path);
    say(&halting, &greeting(1)[..7]);
    assert_eq!(answer(&halting), None, "half a greeting");
    drop(door);
    let door = hasty(PATIENCE, moment, PATIENCE);
    let stream = greeted(&path);
    say(&stream, &[0]);
    assert_eq!(answer(&stream), None, "a byte of a frame");
    drop(door);
    let door = hasty(PATIENCE, PATIENCE, moment);
    assert_eq!(answer(&greeted(&path)), None, "no request");
    drop(door);
    let _door = hasty(PATIENCE, PATIENCE, PATIENCE);
    is_answered(&path);
}

#[test]
fn one_process_cannot_take_every_place() {
    let (_project, _node, path) = serving();
    let mine: Vec<UnixStream> = (0..MAX_CONNECTIONS_OF_ONE).map(|_| greeted(&path)).collect();
    let one_more = connect(&path);
    let told = answer(&one_more).unwrap();
    assert_eq!(
        (&told["error"]["code"], &told["error"]["retryable"]),
        (&json!("busy"), &json!(true))
    );
    assert_eq!(answer(&one_more), None);
    assert!(
        matches!(Client::connect(&path), Err(ClientError::Refused(fault)) if fault.code == Code::Busy)
    );
    // Two peers at once: another process is let in meanwhile, and those inside are answered.
    let other = python(&path, "README", None);
    assert!(other.status.success(), "{other:?}");
    for stream in &mine {
        say(stream, &request("ping", &json!({})));
        assert_eq!(answer(stream).unwrap()["id"], "ping");
    }
    drop(mine);
    // Places are given back when the other end notices; each try is a round trip.
    let again = (0..10_000).find_map(|_| Client::connect(&path).ok());
    assert!(again.is_some(), "a place is free again");
}

#[test]
fn a_program_in_namespaces_of_its_own_is_refused_with_a_sentence() {
    let (_project, _node, path) = serving();
    // What one is told before it says a word, or after its greeting.
    let script = "import socket, struct, sys\n\
        s = socket.socket(socket.AF_UNIX)\ns.settimeout(60)\ns.connect(sys.argv[1])\n\
        b = b'{\"id\":\"1\",\"type\":\"request\",\"method\":\"handshake\",\"params\":{\"client\":\"t\",\"api_version\":1}}'\n\
        try: s.sendall(struct.pack('>I', len(b)) + b)\nexcept OSError: pass\n\
        print(s.recv(4096)[4:].decode())";
    let ask = |apart: &[&str]| {
        let mut words = apart.to_vec();
        words.extend(["python3", "-c", script]);
        let ran = Command::new(words[0]).args(&words[1..]).arg(&path).output().unwrap();
        serde_json::from_slice::<Value>(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
    };
    for apart in [
        &["unshare", "--user", "--map-root-user"][..],
        &["unshare", "--user", "--map-root-user", "--pid", "--fork"],
    ] {
        let told = ask(apart);
        assert_eq!(told["error"]["code"], "denied", "{apart:?} {told}");
        let why = told["error"]["message"].as_str().unwrap();
        assert!(why.contains("sandbox or container"), "{why}");
    }
    // Control: the same beside us, also with mounts of its own, as a service manager gives them.
    assert_eq!(ask(&["env"])["result"]["negotiated_api_version"], 1);
    if rustix::process::geteuid().is_root() {
        assert_eq!(ask(&["unshare", "--mount"])["result"]["negotiated_api_version"], 1);
        assert_eq!(ask(&["unshare", "--pid", "--fork"])["error"]["code"], "denied");
    }
}

/// The sample of the documentation, as a process of its own and, as root, of another user.
fn python(path: &Path, file: &str, uid: Option<u32>) -> Output {
    use std::os::unix::process::CommandExt as _;
    let page = include_str!("../../../../docs/peers.md");
    let sample = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(sample.lines().count() <= 10, "the sample is short");
    let mut command = Command::new("python3");
    command.arg("-c").arg(sample).arg(path).arg(file);
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    command.output().expect("python3 is needed: `apt-get install python3`")
}

#[test]
fn the_sample_of_the_documentation_calls_a_tool() {
    let project = Project::new();
    std::fs::write(project.path().join("note.txt"), "from python").unwrap();
    let node = project.node(Doing::Really, Adopt::Nothing);
    let ran = python(node.door().unwrap().path(), "note.txt", None);
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!(told["result"]["outputs"]["text"], "from python");
    let ran = python(node.door().unwrap().path(), "secret/key", None);
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(told["result"]["state"], "denied");
}

#[test]
fn another_user_is_hung_up_on_before_a_byte_is_read() {
    const STRANGER: u32 = 61_185;
    let (project, node, path) = serving();
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    if rustix::process::geteuid().is_root() {
        // The file modes are the first wall; they are taken away so that the second one shows.
        open(project.path(), 0o711);
        open(project.layout.state(), 0o711);
        open(&path, 0o666);
        let refused = python(&path, "note", Some(STRANGER));
        assert!(!refused.status.success());
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            ["struct.error", "BrokenPipe", "ConnectionReset"].iter().any(|end| told.contains(end)),
            "{told}"
        );
        open(&path, 0o600);
        let refused = python(&path, "note", Some(STRANGER));
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains("PermissionError"),
            "{refused:?}"
        );
    } else {
        not_tried(
            "a peer of another user",
            "only root can be one; what is answered to whom is tried in `identity.rs`",
        );
    }
    // Control: the same program as the same user.
    let allowed = python(&path, "note", None);
    assert!(allowed.status.success(), "{allowed:?}");
    node.stop().unwrap();
    let noted = refusals(&project);
    if rustix::process::geteuid().is_root() {
        assert_eq!(noted.len(), 1, "{noted:?}");
        assert_eq!((&noted[0]["method"], &noted[0]["user"]), (&json!("connect"), &json!(STRANGER)));
    } else {
        assert_eq!(noted.len(), 0, "{noted:?}");
    }
}

#[test]
fn a_node_ends_although_somebody_removed_its_socket() {
    let (_project, node, path) = serving();
    std::fs::remove_file(path).unwrap();
    node.stop().unwrap();
}

#[test]
fn the_socket_is_private_and_what_is_not_ours_is_left_alone() {
    let (project, node, path) = serving();
    let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&path), mode(project.layout.state())), (0o600, 0o700));
    let (desk, place) = (node.desk().clone(), project.layout.state().join("other.sock"));
    let open = || Door::open(&place, desk.clone(), Patience::default());

    std::fs::write(&place, "precious").unwrap();
    assert!(matches!(open(), Err(DoorError::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(&place).unwrap(), "precious");
    std::fs::remove_file(&place).unwrap();

    symlink(&path, &place).unwrap();
    assert!(matches!(open(), Err(DoorError::NotASocket(_))), "a link is not followed");
    std::fs::remove_file(&place).unwrap();

    let live = UnixListener::bind(&place).unwrap();
    assert!(matches!(open(), Err(DoorError::Live(_))));
    drop(live);
    if rustix::process::geteuid().is_root() {
        chown(&place, Some(61_185), None).unwrap();
        assert!(matches!(open(), Err(DoorError::Foreign { owner: 61_185, .. })));
        chown(&place, Some(0), None).unwrap();
        let folder = project.path().join("theirs");
        std::fs::create_dir(&folder).unwrap();
        chown(&folder, Some(61_185), None).unwrap();
        let theirs = Door::open(&folder.join("p.sock"), desk.clone(), Patience::default());
        assert!(matches!(theirs, Err(DoorError::Folder { owner: 61_185, .. })));
    }
    let long = project.layout.state().join("x".repeat(200));
    assert!(matches!(
        Door::open(&long, desk.clone(), Patience::default()),
        Err(DoorError::TooLong(_))
    ));

    // Control: the socket of an owner that died is replaced, and the door takes its own away.
    let door = open().unwrap();
    is_answered(&place);
    drop(door);
    assert!(!place.exists());
    let wide = project.path().join("wide");
    std::fs::create_dir(&wide).unwrap();
    std::fs::set_permissions(&wide, std::fs::Permissions::from_mode(0o755)).unwrap();
    let _door = Door::open(&wide.join("p.sock"), desk, Patience::default()).unwrap();
    assert_eq!(mode(&wide), 0o700, "a folder of ours is closed to others");
}

/// What is on record of peers that were refused before any request.
fn refusals(project: &Project) -> Vec<Value> {
    let history = runner::history::History::open(&project.layout).unwrap();
    let records = history.reader().by_stream(history.log(), &[0; 16], 0, 1_000).unwrap();
    let noted = records.iter().filter(|record| &*record.header.kind == REQUEST_KIND);
    let noted = noted.map(|record| serde_json::from_slice(&record.payload).unwrap());
    noted
        .filter(|noted: &Value| noted["method"] == "handshake" || noted["method"] == "connect")
        .collect()
}

#[test]
fn a_refused_handshake_is_on_record_and_many_are_counted() {
    let (project, node, path) = serving();
    is_answered(&path);
    let firsts = [
        (greeting(9), "unsupported_version"),
        (request("ping", &json!({})), "handshake_required"),
        (frame(b"ping"), "bad_message"),
        (vec![0xff; 4], "bad_message"),
    ];
    let refused = |first: &[u8]| {
        let stream = connect(&path);
        say(&stream, first);
        assert!(answer(&stream).unwrap()["error"]["code"].is_string());
        assert_eq!(answer(&stream), None);
    };
    firsts.iter().for_each(|(first, _)| refused(first));
    (0..REFUSALS_MAX).for_each(|_| refused(&greeting(9)));
    node.stop().unwrap();
    let noted = refusals(&project);
    assert_eq!(noted.len(), usize::try_from(REFUSALS_MAX).unwrap(), "the rest is counted");
    for (noted, (_, code)) in noted.iter().zip(firsts) {
        assert_eq!((&noted["method"], &noted["refused"]), (&json!("handshake"), &json!(code)));
        assert_eq!(noted["peer"], std::process::id());
        assert_eq!(noted["user"], rustix::process::geteuid().as_raw());
    }
}

#[test]
fn every_request_but_a_ping_is_on_record_with_who_asked() {
    let (project, node, path) = serving();
    let (stream, long) = (greeted(&path), "\n".repeat(1_000));
    for (method, params) in [
        ("ping", json!({})),
        ("tool.list", json!({})),
        ("run.get", json!({ "run": "run_00000000000000000000000001" })),
        ("secrets.dump", json!({})),
        (&long, json!({})),
    ] {
        let body = json!({ "id": "1", "type": "request", "method": method, "params": params });
        say(&stream, &frame(body.to_string().as_bytes()));
        answer(&stream).unwrap();
    }
    say(&stream, &frame(br#"{"id":"1","type":"request"}"#));
    answer(&stream).unwrap();
    node.stop().unwrap();
    let history = runner::history::History::open(&project.layout).unwrap();
    let records = history.reader().by_stream(history.log(), &[0; 16], 0, 100).unwrap();
    let noted: Vec<Value> = records
        .iter()
        .filter(|record| &*record.header.kind == REQUEST_KIND)
        .map(|record| {
            assert_eq!(
                &*record.header.principal,
                runner::gate::Principals::default().of_this_process().id.as_str()
            );
            let body: Value = serde_json::from_slice(&record.payload).unwrap();
            assert_eq!(body["peer"], std::process::id());
            json!([body["method"], body["name"], body["refused"]])
        })
        .collect();
    let unknown = |name: &str| json!(["unknown", name, "unknown_method"]);
    let expected = [
        json!(["tool.list", null, null]),
        json!(["run.get", null, "not_found"]),
        unknown("secrets.dump"),
        unknown(&"\\n".repeat(64)),
        unknown(""),
    ];
    assert_eq!(noted, expected);
}

#[test]
fn any_bytes_are_survived() {
    let (_project, _node, path) = serving();
    let check = |bytes: Vec<u8>, after_greeting: bool| {
        let stream = if after_greeting { greeted(&path) } else { connect(&path) };
        // It may be hung up on while it still talks.
        drop((&stream).write_all(&bytes));
        drop(stream.shutdown(std::net::Shutdown::Write));
        let mut rest = Vec::new();
        drop((&stream).read_to_end(&mut rest));
    };
    proptest!(ProptestConfig::with_cases(200), |(bytes in proptest::collection::vec(any::<u8>(), 0..64), greeted in any::<bool>())| {
        check(bytes, greeted);
    });
    proptest!(ProptestConfig::with_cases(200), |(body in "[\\[\\]{}:,\"idtypemrquests1. -]{0,60}")| {
        check(frame(body.as_bytes()), true);
    });
    is_answered(&path);
}
