//! Requests with two readings of where they end, and requests hidden in others.
//! Answers of hosts with two readings are in `redirect`.

use egress::Reason;

use super::{Act, Must, Row, table};
use crate::support::grant;

/// Fields that say twice, or not plainly, how long the body is.
const FRAMINGS: &[(&str, &str)] = &[
    ("a length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
    ("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
    ("two lengths", "Content-Length: 4\r\nContent-Length: 5\r\n"),
    ("a length twice", "Content-Length: 4\r\nContent-Length: 4\r\n"),
    ("a list of lengths", "Content-Length: 4, 4\r\n"),
    ("a signed length", "Content-Length: +4\r\n"),
    ("a negative length", "Content-Length: -4\r\n"),
    ("a length in hexadecimal", "Content-Length: 0x4\r\n"),
    ("an empty length", "Content-Length:\r\n"),
    ("an overflowing length", "Content-Length: 18446744073709551620\r\n"),
    ("a length with a letter", "Content-Length: 4x\r\n"),
    ("a length with a space inside", "Content-Length: 1 4\r\n"),
    ("an unknown encoding", "Transfer-Encoding: xchunked\r\n"),
    ("identity", "Transfer-Encoding: identity\r\n"),
    ("chunks and identity", "Transfer-Encoding: chunked, identity\r\n"),
    ("gzip and chunks", "Transfer-Encoding: gzip, chunked\r\n"),
    ("chunks twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    ("chunks and cow", "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n"),
    ("chunks with a quote", "Transfer-Encoding: \"chunked\"\r\n"),
    ("chunks with a vertical tab", "Transfer-Encoding: \x0bchunked\r\n"),
    ("a space before the colon", "Transfer-Encoding : chunked\r\n"),
    ("a tab before the colon", "Content-Length\t: 4\r\n"),
    ("a folded encoding", "Transfer-Encoding:\r\n chunked\r\n"),
    ("a field that begins with a space", "X: 1\r\n Transfer-Encoding: chunked\r\n"),
    ("a lookalike of the length", "Content_Length: 4\r\n"),
    ("a lookalike of the encoding", "Transfer_Encoding: chunked\r\n"),
    ("a bare line feed", "X: 1\nTransfer-Encoding: chunked\r\n"),
    ("a bare carriage return", "X: 1\rTransfer-Encoding: chunked\r\n"),
    ("a NUL in a value", "X: 1\0\r\nTransfer-Encoding: chunked\r\n"),
    ("a NUL in a name", "Transfer\0-Encoding: chunked\r\n"),
    ("a field without a colon", "Transfer-Encoding chunked\r\n"),
    ("a field without a name", ": chunked\r\n"),
];

/// Bodies that break their chunks after the request was allowed.
const CHUNKS: &[(&str, &str)] = &[
    ("a bare line feed", "4\nGET \r\n0\r\n\r\n"),
    ("a signed size", "+4\r\nGET \r\n0\r\n\r\n"),
    ("a size in 0x", "0x4\r\nGET \r\n0\r\n\r\n"),
    ("an overflowing size", "10000000000000004\r\nGET \r\n0\r\n\r\n"),
    ("a size that is too small", "3\r\nGET \r\n0\r\n\r\n"),
    ("no size", "\r\nGET \r\n0\r\n\r\n"),
    (
        "an endless extension",
        "4;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nGET \r\n0\r\n\r\n",
    ),
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, fields) in FRAMINGS {
        let request = format!(
            "POST http://good.example/ HTTP/1.1\r\nHost: good.example\r\n{fields}\r\n\
             0\r\n\r\nGET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"
        );
        let must = Must::Refuse(400, Reason::Malformed);
        rows.push(Row::new(format!("a body with {what}"), Act::Send(request.into()), must));
    }
    for (what, body) in CHUNKS {
        let request = format!(
            "POST http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\
             Transfer-Encoding: chunked\r\n\r\n{body}"
        );
        rows.push(Row::new(format!("chunks with {what}"), Act::Send(request.into()), Must::Cut));
    }
    rows.extend(hidden());
    rows.extend(bodies());
    rows
}

fn hidden() -> Vec<Row> {
    let evil = "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let length = evil.len();
    let good = "http://good.example/ HTTP/1.1\r\nHost: good.example\r\n";
    let behind = || Must::EndWith("HTTP/1.1 200 OK\r\n", Reason::NotGranted);
    let once = |with, without| Must::Arrive { requests: 1, with, without };
    let send = |text: String| Act::Send(text.into_bytes());
    vec![
        Row::new("a request behind a request", send(format!("GET {good}\r\n{evil}")), behind()),
        Row::new(
            "a request behind a body",
            send(format!("POST {good}Content-Length: 2\r\n\r\nhi{evil}")),
            behind(),
        ),
        Row::new(
            "a request behind chunks",
            send(format!(
                "POST {good}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n{evil}"
            )),
            behind(),
        ),
        Row::new(
            "a tunnel behind a request",
            send(format!(
                "GET {good}\r\nCONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n"
            )),
            behind(),
        ),
        Row::new(
            "a request as a body",
            send(format!("POST {good}Content-Length: {length}\r\n\r\n{evil}")),
            once("GET http://evil.example/ HTTP/1.1", ""),
        ),
        Row::new(
            "a request in trailers",
            send(format!(
                "POST {good}Transfer-Encoding: chunked\r\n\r\n0\r\nHost: evil.example\r\n\r\n"
            )),
            once("0\r\n\r\n", "evil.example"),
        ),
        Row::new(
            "a change to HTTP/2",
            send(format!(
                "GET {good}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
            )),
            once("GET / HTTP/1.1", "h2c"),
        ),
        Row::new(
            "credentials for the proxy",
            send(format!("GET {good}Proxy-Authorization: Basic c2VjcmV0\r\n\r\n")),
            once("GET / HTTP/1.1", "c2VjcmV0"),
        ),
        Row::new(
            "fields of the connection",
            send(format!(
                "GET {good}Connection: X-Secret\r\nX-Secret: hop\r\nKeep-Alive: 5\r\nTE: trailers\r\n\r\n"
            )),
            once("Connection: close\r\n", "hop"),
        ),
    ]
}

/// Bodies of requests that have none.
fn bodies() -> Vec<Row> {
    let evil = "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let length = evil.len();
    let good = "http://good.example/ HTTP/1.1\r\nHost: good.example\r\n";
    let refused = || Must::Refuse(400, Reason::Malformed);
    let send = |text: String| Act::Send(text.into_bytes());
    vec![
        Row::new(
            "a body of a tunnel's request",
            send(format!("CONNECT good.example:443 HTTP/1.1\r\nHost: good.example:443\r\nContent-Length: {length}\r\n\r\n{evil}")),
            refused(),
        ),
        Row::new(
            "chunks of a tunnel's request",
            send("CONNECT good.example:443 HTTP/1.1\r\nHost: good.example:443\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
            refused(),
        ),
        Row::new(
            "a body of a WebSocket's request",
            send(format!("GET {good}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: {length}\r\n\r\n{evil}")),
            refused(),
        ),
        Row::new(
            "chunks in HTTP/1.0",
            send("POST http://good.example/ HTTP/1.0\r\nHost: good.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
            refused(),
        ),
    ]
}

#[test]
fn requests_with_two_readings() {
    let control = Act::Send(
        b"POST http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\nhi"
            .to_vec(),
    );
    table(&rows(), &control, &grant(&["evil.example"]), &[]);
}
