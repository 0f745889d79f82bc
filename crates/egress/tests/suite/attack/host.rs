//! The host named twice: target and `Host` disagree, or `Host` stands there twice or not at all.
//! The host of a TLS greeting is compared in `greeting`.

use egress::Reason;

use super::{Act, Must, Row, table};
use crate::support::grant;

const FIELDS: &[(&str, &str, Reason)] = &[
    ("another host in Host", "Host: evil.example\r\n", Reason::Mismatch),
    ("a host below in Host", "Host: www.good.example\r\n", Reason::Mismatch),
    ("another port in Host", "Host: good.example:81\r\n", Reason::Mismatch),
    ("an address in Host", "Host: 127.0.0.1\r\n", Reason::Mismatch),
    ("the granted address in Host", "Host: 93.184.215.14\r\n", Reason::Mismatch),
    ("Host twice", "Host: good.example\r\nHost: evil.example\r\n", Reason::Malformed),
    (
        "Host twice, the other first",
        "Host: evil.example\r\nHost: good.example\r\n",
        Reason::Malformed,
    ),
    ("Host twice the same", "Host: good.example\r\nHost: good.example\r\n", Reason::Malformed),
    ("Host twice in two cases", "Host: good.example\r\nhOST: evil.example\r\n", Reason::Malformed),
    ("no Host", "", Reason::Malformed),
    ("an empty Host", "Host:\r\n", Reason::Malformed),
    ("a list in Host", "Host: good.example, evil.example\r\n", Reason::Malformed),
    ("a user in Host", "Host: good.example@evil.example\r\n", Reason::Malformed),
    ("a path in Host", "Host: good.example/evil.example\r\n", Reason::Malformed),
    ("a URL in Host", "Host: http://evil.example\r\n", Reason::Malformed),
    ("a decimal address in Host", "Host: 2130706433\r\n", Reason::Malformed),
    ("a space before Host's colon", "Host : evil.example\r\n", Reason::Malformed),
    ("a folded Host", "Host: good.example\r\n evil.example\r\n", Reason::Malformed),
    (
        "a lookalike of Host",
        "Host: good.example\r\nX_: 1\r\nHo_st: 1\r\nHOST_: 1\r\n_Host: 1\r\nhost: evil.example\r\n",
        Reason::Malformed,
    ),
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (at, (what, fields, reason)) in FIELDS.iter().enumerate() {
        let request = format!("GET http://good.example/ HTTP/1.1\r\n{fields}\r\n");
        let must = Must::Refuse(400, *reason);
        rows.push(Row::new(format!("a request with {what}"), Act::Send(request.into()), must));
        if at % 2 == 0 {
            let request = format!("CONNECT good.example:443 HTTP/1.1\r\n{fields}\r\n");
            let must = Must::Refuse(400, *reason);
            rows.push(Row::new(format!("a tunnel with {what}"), Act::Send(request.into()), must));
        }
    }
    rows.push(Row::new(
        "an old request with another host in Host",
        Act::Send(b"GET http://good.example/ HTTP/1.0\r\nHost: evil.example\r\n\r\n".to_vec()),
        Must::Refuse(400, Reason::Mismatch),
    ));
    for field in ["X-Forwarded-Host", "Forwarded", "X-Host", "X-Original-URL", "X-Real-Host"] {
        let request = format!(
            "GET http://good.example/ HTTP/1.1\r\nHost: good.example\r\n{field}: evil.example\r\n\r\n"
        );
        rows.push(Row::new(
            format!("another host in {field}"),
            Act::Send(request.into()),
            Must::Arrive {
                requests: 1,
                with: "Host: good.example\r\n",
                without: "\r\nHost: evil.example",
            },
        ));
    }
    rows.push(Row::new(
        "Host named as a field of the connection",
        Act::Send(
            b"GET http://good.example/ HTTP/1.1\r\nHost: good.example\r\nConnection: host, close\r\n\r\n"
                .to_vec(),
        ),
        Must::Arrive { requests: 1, with: "Host: good.example\r\n", without: "host, close" },
    ));
    rows
}

#[test]
fn hosts_that_disagree() {
    let control = super::get("http://evil.example/", "evil.example");
    table(&rows(), &control, &grant(&["evil.example"]), &[]);
}
