//! Names that no entry of the grant names, however near they come.
//!
//! None of them may be resolved: a name is a message to whoever answers for its zone.

use std::sync::Arc;

use egress::Reason;

use super::{Act, Field, GRANTED, Must, Row, check, connect, get, table};
use crate::support::{Stand, grant, tls};

/// Hosts, and ports of granted hosts, that are not granted.
const NAMES: &[(&str, &str)] = &[
    ("another host", "evil.example:443"),
    ("a granted name as a prefix", "good.example.evil.test:443"),
    ("a granted name as a suffix", "notgood.example:443"),
    ("a name below a granted one", "www.good.example:443"),
    ("the zone above a granted one", "example:443"),
    ("a hyphen for a dot", "good-example:443"),
    ("the name a wildcard stands below", "wild.example:443"),
    ("a wildcard's suffix without its dot", "evilwild.example:443"),
    ("a wildcard's name as a prefix", "a.wild.example.evil.test:443"),
    ("an underscore label", "_dmarc.good.example:443"),
    ("a homoglyph in punycode", "xn--gd-fmca.example:443"),
    ("a name with Cyrillic letters in punycode", "xn--80ak6aa92e.example:443"),
    ("data in labels", "c2VjcmV0LXRva2Vu.tunnel.evil.test:443"),
    ("the machine itself by name", "localhost:443"),
    ("the machine itself below a zone", "localhost.localdomain:443"),
    ("a metadata service by name", "metadata.google.internal:80"),
    ("a metadata service by another name", "instance-data.ec2.internal:80"),
    ("a name on the local wire", "printer.local:443"),
    ("a single label", "router:443"),
    ("a public resolver over HTTPS", "dns.google:443"),
    ("a name that looks like an address", "127-0-0-1.nip.test:443"),
    ("another port of a granted name", "good.example:22"),
    ("mail of a granted name", "good.example:25"),
    ("DNS of a granted name", "good.example:53"),
    ("DNS over TLS of a granted name", "good.example:853"),
    ("a high port of a granted name", "good.example:8443"),
    ("the usual port of a name granted at another", "port.example:443"),
    ("a name granted at one port, one beside it", "port.example:8444"),
];

pub(crate) fn rows() -> Vec<Row> {
    let refused = || Must::Refuse(403, Reason::NotGranted);
    let mut rows = Vec::new();
    for (what, target) in NAMES {
        rows.push(Row::new(format!("tunnel to {what}"), connect(target), refused()));
    }
    for (what, target) in NAMES.iter().step_by(3) {
        let request = get(&format!("http://{target}/"), target);
        rows.push(Row::new(format!("request to {what}"), request, refused()));
    }
    rows
}

#[test]
fn names_that_are_not_granted() {
    let control = Act::Tunnel("evil.example:443", tls::to("evil.example"));
    table(&rows(), &control, &grant(&["evil.example"]), &[]);
}

#[test]
fn a_name_that_is_not_granted_is_never_resolved() {
    for row in rows() {
        let field = Field::new();
        let stand = Stand::new(&grant(GRANTED), field.world.clone());
        check(&row, &field, &stand);
        let asked = Arc::clone(&field.world).asked.lock().unwrap().clone();
        assert!(asked.is_empty(), "{}: asked for {asked:?}", row.name);
    }
}
