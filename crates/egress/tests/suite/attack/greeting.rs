//! Tunnels in which something else than open TLS to the tunnel's host is spoken.
//! What the parser of greetings makes of single bytes is tested beside it.

use egress::Reason;

use super::{Act, Must, Row, table};
use crate::support::grant;
use crate::support::tls::{self, extension, handshake, hello, names, record};

const TARGET: &str = "good.example:443";

/// Bytes that are not a TLS greeting.
const PLAIN: &[(&str, &[u8])] = &[
    ("a plain request", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
    ("a plain request to the granted host", b"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n"),
    ("another tunnel", b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n"),
    ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n"),
    ("SMTP", b"EHLO good.example\r\n"),
    ("SOCKS5", b"\x05\x01\x00"),
    ("HTTP/2 without TLS", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("DNS over TCP", b"\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04evil\x04test\x00\x00\x01\x00\x01"),
    ("nothing but its end", b""),
    ("a greeting of SSL 2", b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10"),
    ("a TLS alert", b"\x15\x03\x03\x00\x02\x01\x00"),
    ("TLS data before a greeting", b"\x17\x03\x03\x00\x05hello"),
    ("a change of cipher before a greeting", b"\x14\x03\x03\x00\x01\x01"),
    ("a TLS version that is not", b"\x16\x03\x05\x00\x05\x01\x00\x00\x01\x03"),
    ("TLS 0", b"\x16\x00\x00\x00\x05\x01\x00\x00\x01\x03"),
    ("an empty record", b"\x16\x03\x01\x00\x00"),
    ("a record past its limit", b"\x16\x03\x01\xff\xff\x01"),
    ("half a record header", b"\x16\x03"),
    ("a server's greeting", b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"),
    ("a greeting past its limit", b"\x16\x03\x01\x40\x00\x01\xff\xff\xff"),
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = PLAIN
        .iter()
        .map(|(what, bytes)| {
            let act = Act::Tunnel(TARGET, bytes.to_vec());
            Row::new(format!("a tunnel with {what}"), act, Must::Alert(Reason::Greeting))
        })
        .collect();
    rows.extend(greetings().into_iter().chain(several_names()).map(|(what, bytes, reason)| {
        let act = Act::Tunnel(TARGET, bytes);
        Row::new(format!("a greeting with {what}"), act, Must::Alert(reason))
    }));
    let split: Vec<u8> =
        handshake(&[names(&[(0, b"evil.example")])]).chunks(10).flat_map(record).collect();
    let mismatch = || Must::Alert(Reason::Mismatch);
    rows.push(Row::new(
        "another host in many records",
        Act::Tunnel(TARGET, split.clone()),
        mismatch(),
    ));
    rows.push(Row::new(
        "another host byte by byte",
        Act::Drip(TARGET, tls::to("evil.example")),
        mismatch(),
    ));
    rows.push(Row::new(
        "another host in many records byte by byte",
        Act::Drip(TARGET, split),
        mismatch(),
    ));
    rows.push(Row::new(
        "another host in a tunnel to an address",
        Act::Tunnel("93.184.215.14:443", tls::to("evil.example")),
        mismatch(),
    ));
    rows.push(Row::new(
        "a host below in a tunnel to a wildcard's host",
        Act::Tunnel("a.wild.example:443", tls::to("b.wild.example")),
        mismatch(),
    ));
    rows.extend(inline());
    rows
}

fn greetings() -> Vec<(&'static str, Vec<u8>, Reason)> {
    let good = || names(&[(0, b"good.example")]);
    let one = |name: &[u8]| hello(&[names(&[(0, name)])]);
    let mut behind = handshake(&[good()]);
    behind.extend(handshake(&[names(&[(0, b"evil.example")])]));
    let mut late = tls::to("good.example");
    late.truncate(late.len() - 1);
    vec![
        ("another host", one(b"evil.example"), Reason::Mismatch),
        ("a host below", one(b"www.good.example"), Reason::Mismatch),
        ("the granted host as a prefix", one(b"good.example.evil.test"), Reason::Mismatch),
        ("an address", one(b"93.184.215.14"), Reason::Mismatch),
        ("no host", hello(&[extension(10, &[0, 2, 0, 29])]), Reason::Greeting),
        ("no extensions", hello(&[]), Reason::Greeting),
        ("an empty host", one(b""), Reason::Greeting),
        ("an empty list of hosts", hello(&[names(&[])]), Reason::Greeting),
        ("a NUL in the host", one(b"good.example\0.evil.test"), Reason::Greeting),
        ("a port in the host", one(b"good.example:443"), Reason::Greeting),
        ("a letter that is not ASCII", one("g\u{f6}od.example".as_bytes()), Reason::Greeting),
        ("bytes that are no text", one(b"good.\xff\xfe"), Reason::Greeting),
        ("a decimal address", one(b"2130706433"), Reason::Greeting),
        ("a star", one(b"*.example"), Reason::Greeting),
        (
            "bytes behind the host",
            hello(&[extension(0, b"\x00\x0f\x00\x00\x0cgood.exampleX")]),
            Reason::Greeting,
        ),
        (
            "a list longer than it is",
            hello(&[extension(0, b"\x00\xff\x00\x00\x0cgood.example")]),
            Reason::Greeting,
        ),
        ("a second greeting in its record", record(&behind), Reason::Greeting),
        ("its last byte missing", late, Reason::Greeting),
        (
            "every byte a record of its own",
            handshake(&[good()]).chunks(1).flat_map(record).collect(),
            Reason::Greeting,
        ),
    ]
}

/// Greetings with more than one name, or with one that is hidden.
fn several_names() -> Vec<(&'static str, Vec<u8>, Reason)> {
    let good = || names(&[(0, b"good.example")]);
    let two = |a: &[u8], b: &[u8]| hello(&[names(&[(0, a), (0, b)])]);
    vec![
        ("two hosts", two(b"good.example", b"evil.example"), Reason::Greeting),
        ("two hosts, the other first", two(b"evil.example", b"good.example"), Reason::Greeting),
        ("the host twice", two(b"good.example", b"good.example"), Reason::Greeting),
        ("another kind of name", hello(&[names(&[(1, b"good.example")])]), Reason::Greeting),
        (
            "a second kind of name",
            hello(&[names(&[(0, b"good.example"), (1, b"evil.example")])]),
            Reason::Greeting,
        ),
        ("the extension twice", hello(&[good(), names(&[(0, b"evil.example")])]), Reason::Greeting),
        (
            "the extension twice, the other first",
            hello(&[names(&[(0, b"evil.example")]), good()]),
            Reason::Greeting,
        ),
        (
            "an encrypted greeting inside",
            hello(&[good(), extension(0xfe0d, &[0; 40])]),
            Reason::Greeting,
        ),
        (
            "an encrypted greeting first",
            hello(&[extension(0xfe0d, &[0; 40]), good()]),
            Reason::Greeting,
        ),
        (
            "the draft's encrypted name",
            hello(&[good(), extension(0xffce, &[0; 40])]),
            Reason::Greeting,
        ),
        (
            "a list of outer extensions",
            hello(&[good(), extension(0xfd00, &[2, 0, 0])]),
            Reason::Greeting,
        ),
    ]
}

/// The tunnel's request and what follows in one piece, as a program sends that does not wait.
fn inline() -> Vec<Row> {
    let request = b"CONNECT good.example:443 HTTP/1.1\r\nHost: good.example:443\r\n\r\n";
    let established = "HTTP/1.1 200 Connection established\r\n\r\n";
    let row = |what: &str, behind: Vec<u8>, reason| {
        let act = Act::Send([request.to_vec(), behind].concat());
        Row::new(what, act, Must::EndWith(established, reason))
    };
    vec![
        row(
            "a plain request right behind a tunnel's",
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            Reason::Greeting,
        ),
        row(
            "another host right behind a tunnel's request",
            tls::to("evil.example"),
            Reason::Mismatch,
        ),
        row(
            "a second tunnel right behind a tunnel's request",
            b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n".to_vec(),
            Reason::Greeting,
        ),
    ]
}

#[test]
fn tunnels_without_tls_to_their_host() {
    let control = Act::Tunnel("evil.example:443", tls::to("evil.example"));
    table(&rows(), &control, &grant(&["evil.example"]), &[]);
}

#[test]
fn a_silent_tunnel_ends_in_time() {
    let field = super::Field::new();
    let stand = crate::support::Stand::new(&grant(super::GRANTED), field.world.clone());
    let mut stream = stand.connect();
    use std::io::Write;
    stream
        .write_all(b"CONNECT good.example:443 HTTP/1.1\r\nHost: good.example:443\r\n\r\n")
        .unwrap();
    let answer = crate::support::rest(&mut stream);
    assert!(answer.ends_with(&[21, 3, 3, 0, 2, 2, 49]), "{answer:?}");
    stand.wait(|events| !events.is_empty());
    assert_eq!(stand.decisions()[0].reason, Reason::Greeting);
    assert!(field.world.dialled.lock().unwrap().is_empty());
}

#[test]
fn good_greetings_pass_unchanged_however_they_are_cut() {
    let good = || names(&[(0, b"good.example")]);
    let split: Vec<u8> = handshake(&[good()]).chunks(10).flat_map(record).collect();
    let early = [tls::to("good.example"), vec![23, 3, 3, 0, 1, 0]].concat();
    for (target, bytes) in [
        ("good.example:443", tls::to("good.example")),
        ("GOOD.example.:443", tls::to("Good.Example")),
        ("good.example:443", split),
        ("good.example:443", early),
        ("a.wild.example:443", tls::to("a.wild.example")),
        ("port.example:8443", tls::to("port.example")),
        ("93.184.215.14:443", hello(&[extension(10, &[0, 2, 0, 29])])),
    ] {
        for act in [Act::Tunnel(target, bytes.clone()), Act::Drip(target, bytes.clone())] {
            let field = super::Field::with(crate::support::echo);
            let stand = crate::support::Stand::new(&grant(super::GRANTED), field.world.clone());
            let answer = super::act(&act, &stand);
            let text = String::from_utf8_lossy(&answer).into_owned();
            assert!(answer.ends_with(&bytes), "{target}: {text:?}, {:?}", stand.events());
            let closed = stand.wait_closed(1);
            assert_eq!(
                (closed[0].sent, closed[0].received),
                (bytes.len() as u64, bytes.len() as u64)
            );
        }
    }
}
