//! Targets of requests that name one host to the eye and another to a parser.
//! Odd spellings of one host are in `encoding`.

use egress::Reason;

use super::{Act, Must, Row, get, table};
use crate::support::grant;

const BAD: &[(&str, &str)] = &[
    ("the granted host as user", "http://good.example@evil.example/"),
    ("the granted host as user with a password", "http://good.example:80@evil.example/"),
    ("another host as user", "http://evil.example@good.example/"),
    ("an empty user", "http://@evil.example/"),
    ("a fragment before the host's end", "http://evil.example#@good.example/"),
    ("a backslash for a slash", "http://good.example\\@evil.example/"),
    ("backslashes before the host", "http:\\\\evil.example/"),
    ("a backslash in the path", "http://good.example/\\evil.example"),
    ("an encoded NUL in the host", "http://good.example%00.evil.example/"),
    ("an encoded slash in the host", "http://good.example%2f.evil.example/"),
    ("an encoded at sign", "http://good.example%40evil.example/"),
    ("no host", "http:///evil.example/"),
    ("one slash", "http:/evil.example/"),
    ("no slashes", "http:evil.example/"),
    ("two ports", "http://good.example:80:80/"),
    ("a signed port", "http://good.example:+80/"),
    ("a port with a leading zero", "http://good.example:080/"),
    ("a port past the last", "http://good.example:65616/"),
    ("an empty port", "http://good.example:/"),
    ("a port in hexadecimal", "http://good.example:0x50/"),
    ("port zero", "http://good.example:0/"),
    ("a name in brackets", "http://[good.example]/"),
    ("only host and port", "good.example:80"),
    ("no scheme", "//good.example/"),
    ("an origin", "/"),
    ("a star", "*"),
    ("a path that holds a URL", "/http://good.example/"),
    ("a fragment", "http://good.example/#x"),
];

const OTHER_SCHEMES: &[(&str, &str)] = &[
    ("HTTPS", "https://good.example/"),
    ("FTP", "ftp://good.example/"),
    ("a file", "file:///etc/passwd"),
    ("gopher", "gopher://good.example:80/_GET"),
    ("a WebSocket scheme", "ws://good.example/"),
    ("UDP", "udp://good.example:53"),
    ("a Unix socket", "unix:///run/docker.sock"),
];

pub(crate) fn rows() -> Vec<Row> {
    let malformed = |(what, url): &(&str, &str)| {
        let name = format!("a target with {what}");
        Row::new(name, get(url, "good.example"), Must::Refuse(400, Reason::Malformed))
    };
    let other = |(what, url): &(&str, &str)| {
        let name = format!("a target of {what}");
        Row::new(name, get(url, "good.example"), Must::Refuse(400, Reason::Unsupported))
    };
    let mut rows: Vec<Row> = BAD.iter().map(malformed).collect();
    rows.extend(OTHER_SCHEMES.iter().map(other));
    rows.push(Row::new(
        "a target with a space",
        Act::Send(b"GET http://good.example/ evil HTTP/1.1\r\nHost: good.example\r\n\r\n".to_vec()),
        Must::Refuse(400, Reason::Malformed),
    ));
    for target in
        ["good.example", "good.example:", "http://good.example:443", "good.example:443/udp"]
    {
        let text = format!("CONNECT {target} HTTP/1.1\r\nHost: good.example\r\n\r\n");
        let name = format!("a tunnel to `{target}`");
        let must = Must::Refuse(400, Reason::Malformed);
        rows.push(Row::new(name, Act::Send(text.into_bytes()), must));
    }
    rows
}

#[test]
fn targets_with_two_readings() {
    let control = get("http://evil.example/a?b", "evil.example");
    table(&rows(), &control, &grant(&["evil.example"]), &[]);
}

#[test]
fn a_url_inside_a_path_or_query_is_only_a_path() {
    let arrives = |with| Must::Arrive { requests: 1, with, without: "evil.example HTTP" };
    let rows = [
        Row::new(
            "a URL in the path",
            get("http://good.example/http://evil.example/", "good.example"),
            arrives("GET /http://evil.example/ HTTP/1.1\r\nHost: good.example\r\n"),
        ),
        Row::new(
            "a host in the query",
            get("http://good.example?@evil.example/", "good.example"),
            arrives("GET /?@evil.example/ HTTP/1.1\r\nHost: good.example\r\n"),
        ),
        Row::new(
            "capitals and a trailing dot",
            get("HTTP://GOOD.example./x", "good.EXAMPLE"),
            arrives("GET /x HTTP/1.1\r\nHost: good.example\r\n"),
        ),
    ];
    let control = get("http://evil.example/", "evil.example");
    table(&rows, &control, &grant(&["evil.example"]), &[]);
}
