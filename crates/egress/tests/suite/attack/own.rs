//! The proxy as a target: no word, path or port of it answers anything but refusals.
//! Other protocols at its port are in `protocol`.

use std::io::Write;

use egress::Reason;

use super::{Act, Field, GRANTED, Must, Row, table};
use crate::support::{Stand, grant, rest};

const PATHS: &[(&str, &str)] = &[
    ("its root", "GET /"),
    ("its health", "GET /healthz"),
    ("its metrics", "GET /metrics"),
    ("its status", "GET /status"),
    ("its administration", "GET /admin/"),
    ("its grant", "PUT /grant"),
    ("its configuration", "POST /config"),
    ("its profile", "GET /debug/pprof/"),
    ("its environment", "GET /server-info"),
    ("its certificate", "GET /mitm.crt"),
    ("its script", "GET /proxy.pac"),
    ("its options", "OPTIONS *"),
    ("a cache to purge", "PURGE /good.example"),
    ("cache objects", "GET cache_object://localhost/info"),
];

pub(crate) fn rows() -> Vec<Row> {
    let row = |(what, line): &(&str, &str)| {
        let request =
            format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:3128\r\nContent-Length: 0\r\n\r\n");
        let unsupported = line.contains("://");
        let reason = if unsupported { Reason::Unsupported } else { Reason::Malformed };
        Row::new(format!("asking for {what}"), Act::Send(request.into()), Must::Refuse(400, reason))
    };
    let mut rows: Vec<Row> = PATHS.iter().map(row).collect();
    let refused = || Must::Refuse(403, Reason::NotGranted);
    for host in
        ["localhost", "proxy", "palisade", "palisade.internal", "127.0.0.1", "[::1]", "0.0.0.0"]
    {
        let target = format!("{host}:3128");
        rows.push(Row::new(
            format!("a tunnel to the proxy as {host}"),
            super::connect(&target),
            refused(),
        ));
    }
    rows
}

#[test]
fn the_proxy_answers_nothing_about_itself() {
    let control = super::get("http://evil.example/", "evil.example");
    table(&rows(), &control, &grant(&["evil.example"]), &[]);
}

#[test]
fn the_proxy_is_not_reached_through_itself() {
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let field = Field::new();
        field.world.name("localhost", &[&["127.0.0.1".parse().unwrap()]]);
        let targets = [GRANTED, &["localhost:3128"]].concat();
        let stand = Stand::new(&grant(&targets), field.world.clone());
        let port = stand.address.port();
        for request in [
            format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"),
            format!("GET http://{host}:{port}/ HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"),
        ] {
            let mut stream = stand.connect();
            stream.write_all(request.as_bytes()).unwrap();
            let answer = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
            assert!(answer.starts_with("HTTP/1.1 403 "), "{request:?}: {answer:?}");
        }
        assert!(field.world.dialled.lock().unwrap().is_empty());
    }
}
