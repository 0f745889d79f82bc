//! Other protocols at the proxy's port, and HTTP beyond its limits.
//! Other protocols inside a tunnel are in `greeting`.

use egress::Reason;

use super::{Act, Must, Row, table};
use crate::support::{grant, tls};

const FOREIGN: &[(&str, &[u8])] = &[
    ("SOCKS5", b"\x05\x01\x00"),
    ("SOCKS5 with its request", b"\x05\x01\x00\x05\x01\x00\x03\x0cgood.example\x01\xbb"),
    ("SOCKS4", b"\x04\x01\x01\xbb\x7f\x00\x00\x01\x00"),
    ("SOCKS4a", b"\x04\x01\x01\xbb\x00\x00\x00\x01\x00good.example\x00"),
    ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n"),
    ("SMTP", b"EHLO evil.example\r\n"),
    ("FTP", b"USER anonymous\r\n"),
    ("DNS over TCP", b"\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04evil"),
    (
        "a PROXY line",
        b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET http://good.example/ HTTP/1.1\r\n\r\n",
    ),
    ("a binary PROXY header", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c"),
    ("HTTP/0.9", b"GET http://good.example/\r\n"),
    ("HTTP/0.9 with a path", b"GET /\r\n"),
    ("an empty line first", b"\r\nGET http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n"),
    ("a space first", b" GET http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n"),
    ("zeros", b"\0\0\0\0\0\0\0\0"),
    ("a lower-case method", b"get http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n"),
    ("a lower-case tunnel", b"connect good.example:443 HTTP/1.1\r\nHost: good.example\r\n\r\n"),
    ("a mixed-case method", b"GeT http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n"),
    ("no method", b"http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n"),
    ("two spaces", b"GET  http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n"),
    ("a tab for a space", b"GET\thttp://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n"),
    ("no version", b"GET http://good.example/ \r\nHost: good.example\r\n\r\n"),
    ("half a head", b"GET http://good.example/ HTTP/1.1\r\nHost: good"),
    ("RTSP", b"DESCRIBE rtsp://good.example/ RTSP/1.0\r\n\r\n"),
    ("ICY", b"GET http://good.example/ ICY/1.1\r\nHost: good.example\r\n\r\n"),
];

const VERSIONS: &[(&str, &str)] = &[
    ("HTTP/1.2", "GET http://good.example/ HTTP/1.2\r\nHost: good.example\r\n\r\n"),
    ("HTTP/2.0", "GET http://good.example/ HTTP/2.0\r\nHost: good.example\r\n\r\n"),
    ("HTTP/3", "GET http://good.example/ HTTP/3.0\r\nHost: good.example\r\n\r\n"),
    ("HTTP/11", "GET http://good.example/ HTTP/11.1\r\nHost: good.example\r\n\r\n"),
];

pub(crate) fn rows() -> Vec<Row> {
    let malformed = || Must::Refuse(400, Reason::Malformed);
    let mut rows: Vec<Row> = FOREIGN
        .iter()
        .map(|(what, bytes)| {
            Row::new(format!("{what} at the port"), Act::Send(bytes.to_vec()), malformed())
        })
        .collect();
    for (what, request) in VERSIONS {
        let act = Act::Send(request.as_bytes().to_vec());
        let must = Must::Refuse(505, Reason::Unsupported);
        rows.push(Row::new(format!("a request of {what}"), act, must));
    }
    rows.push(Row::new("TLS at the port", Act::Send(tls::to("good.example")), malformed()));
    rows.push(Row::new(
        "HTTP/2 with prior knowledge",
        Act::Send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec()),
        Must::Refuse(400, Reason::Unsupported),
    ));
    rows.push(Row::new(
        "a request that comes back",
        Act::Send(b"TRACE http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n".to_vec()),
        Must::Refuse(400, Reason::Unsupported),
    ));
    rows.push(Row::new(
        "an unknown expectation",
        Act::Send(
            b"POST http://good.example/ HTTP/1.1\r\nHost: good.example\r\nExpect: evil\r\nContent-Length: 1\r\n\r\n"
                .to_vec(),
        ),
        Must::Refuse(417, Reason::Unsupported),
    ));
    rows.extend(floods());
    rows
}

fn floods() -> Vec<Row> {
    let line = "http://good.example/ HTTP/1.1\r\nHost: good.example\r\n";
    let limit = || Must::Refuse(431, Reason::Limit);
    let send = |text: String| Act::Send(text.into_bytes());
    let hold = |text: &str| Act::Hold(text.as_bytes().to_vec());
    vec![
        Row::new(
            "a flood of fields",
            send(format!("GET {line}{}\r\n", "A: b\r\n".repeat(200))),
            limit(),
        ),
        Row::new(
            "a flood of one value",
            send(format!("GET {line}A: {}\r\n\r\n", "b".repeat(20_000))),
            limit(),
        ),
        Row::new(
            "a flood of one name",
            send(format!("GET {line}{}: b\r\n\r\n", "a".repeat(20_000))),
            limit(),
        ),
        Row::new("an endless method", send("G".repeat(20_000)), limit()),
        Row::new(
            "an endless path",
            send(format!("GET http://good.example/{}", "a".repeat(20_000))),
            limit(),
        ),
        Row::new(
            "a head that stops",
            hold("GET http://good.example/ HTTP/1.1\r\nHost:"),
            Must::Refuse(408, Reason::Limit),
        ),
        Row::new("a first byte and nothing more", hold("G"), Must::Refuse(408, Reason::Limit)),
        Row::new(
            "a tunnel's head that stops",
            hold("CONNECT good.example:443 HTTP/1.1\r\n"),
            Must::Refuse(408, Reason::Limit),
        ),
    ]
}

#[test]
fn other_protocols_and_floods() {
    let control = super::get("http://evil.example/", "evil.example");
    table(&rows(), &control, &grant(&["evil.example"]), &[]);
}
