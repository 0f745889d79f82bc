//! Granted names whose addresses are not what they should be, at once or a moment later.
//! Addresses that are asked for without a name are in `address`.

use std::net::IpAddr;

use egress::{Reason, Verdict};

use super::{Act, Field, Must, Row, check};
use crate::support::{ELSEWHERE, HONEST, Stand, grant, tls};

/// What a granted name stands for, one answer after the other, and which request is refused.
type Case = (&'static str, &'static [&'static [&'static str]]);

const GOOD: &str = "93.184.215.14";

/// Answers of which the last is refused, whatever stands beside the bad address.
const CASES: &[Case] = &[
    ("loopback", &[&["127.0.0.1"]]),
    ("all of loopback", &[&["127.8.9.10"]]),
    ("loopback of IPv6", &[&["::1"]]),
    ("a private address", &[&["10.0.0.1"]]),
    ("another private address", &[&["172.20.0.1"]]),
    ("a home address", &[&["192.168.1.1"]]),
    ("a carrier's address", &[&["100.64.0.1"]]),
    ("a link-local address", &[&["169.254.1.1"]]),
    ("a metadata address", &[&["169.254.169.254"]]),
    ("a metadata address of tasks", &[&["169.254.170.2"]]),
    ("a metadata address of IPv6", &[&["fd00:ec2::254"]]),
    ("a platform's address", &[&["168.63.129.16"]]),
    ("the unspecified address", &[&["0.0.0.0"]]),
    ("the unspecified address of IPv6", &[&["::"]]),
    ("this network", &[&["0.1.2.3"]]),
    ("a multicast address", &[&["224.0.0.251"]]),
    ("broadcast", &[&["255.255.255.255"]]),
    ("a reserved address", &[&["240.0.0.1"]]),
    ("a documentation address", &[&["192.0.2.1"]]),
    ("a benchmark address", &[&["198.18.0.1"]]),
    ("a protocol address", &[&["192.0.0.170"]]),
    ("a mapped loopback address", &[&["::ffff:127.0.0.1"]]),
    ("a mapped private address", &[&["::ffff:10.0.0.1"]]),
    ("a mapped public address", &[&["::ffff:93.184.215.14"]]),
    ("a compatible address", &[&["::127.0.0.1"]]),
    ("a translated address", &[&["64:ff9b::10.0.0.1"]]),
    ("a translated address of a local prefix", &[&["64:ff9b:1::10.0.0.1"]]),
    ("a 6to4 address", &[&["2002:a00:1::1"]]),
    ("a Teredo address", &[&["2001:0:1:2:3:4:5:6"]]),
    ("a unique local address", &[&["fd12:3456::1"]]),
    ("a link-local address of IPv6", &[&["fe80::1"]]),
    ("a site-local address", &[&["fec0::1"]]),
    ("an unassigned address", &[&["4000::1"]]),
    ("a private address behind a public one", &[&[GOOD, "10.0.0.1"]]),
    ("a private address before a public one", &[&["10.0.0.1", GOOD]]),
    ("a private address among many", &[&[GOOD, "1.1.1.1", "8.8.8.8", "9.9.9.9", "192.168.0.1"]]),
    ("loopback of the other family", &[&[GOOD, "::1"]]),
    ("a public address first and loopback then", &[&[GOOD], &["127.0.0.1"]]),
    ("a public address twice and metadata then", &[&[GOOD], &[GOOD], &["169.254.169.254"]]),
    ("one more address at each answer", &[&[GOOD], &[GOOD, "10.0.0.1"]]),
];

pub(crate) fn names() -> Vec<String> {
    let name = |way: &'static str| {
        CASES.iter().map(move |(what, _)| format!("rebound to {what} by {way}"))
    };
    name("request").chain(name("tunnel")).collect()
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn scripted(answers: &[&[&str]]) -> Field {
    let field = Field::new();
    let answers: Vec<Vec<IpAddr>> = answers.iter().map(|answer| addresses(answer)).collect();
    let answers: Vec<&[IpAddr]> = answers.iter().map(Vec::as_slice).collect();
    field.world.name("good.example", &answers);
    field
}

fn ways() -> [Act; 2] {
    [
        super::get("http://good.example/", "good.example"),
        Act::Tunnel("good.example:443", tls::to("good.example")),
    ]
}

#[test]
fn names_that_stand_for_forbidden_addresses() {
    for (what, answers) in CASES {
        for (act, way) in ways().into_iter().zip(["request", "tunnel"]) {
            let field = scripted(answers);
            let stand = Stand::new(&grant(&["good.example"]), field.world.clone());
            for _ in 1..answers.len() {
                super::act(&act, &stand);
            }
            let before = field.world.dialled.lock().unwrap().len();
            assert_eq!(
                before,
                answers.len() - 1,
                "{what}: the first answers are dialled once each"
            );
            let begin = "HTTP/1.1 403 ";
            let name = format!("rebound to {what} by {way}");
            let row = Row::new(name, act, Must::EndWith(begin, Reason::Address));
            // A refused tunnel is answered before it is established.
            let act = match row.act {
                Act::Tunnel(target, _) => super::connect(target),
                other => other,
            };
            check(&Row { act, ..row }, &field, &stand);
            assert_eq!(field.world.dialled.lock().unwrap().len(), before, "{what}: dialled");
        }
    }
}

#[test]
fn each_request_resolves_once_and_dials_what_was_checked() {
    for act in ways() {
        // The second answer would be loopback: asking again after the check would dial it.
        let field = scripted(&[&[GOOD], &["127.0.0.1"]]);
        let stand = Stand::new(&grant(&["good.example"]), field.world.clone());
        super::act(&act, &stand);
        assert_eq!(*field.world.asked.lock().unwrap(), ["good.example"]);
        assert_eq!(field.world.dialled.lock().unwrap()[0].ip(), HONEST);
        let decision = &stand.decisions()[0];
        assert_eq!((decision.verdict, decision.address), (Verdict::Allow, Some(HONEST)));
        assert_eq!(decision.addresses, [HONEST]);
    }
}

#[test]
fn an_opened_range_lets_the_name_through_and_only_there() {
    for (targets, arrives) in [
        (&["good.example", "10.0.0.0/8"][..], true),
        (&["good.example", "10.0.0.1"], true),
        (&["good.example", "10.0.0.0/8:8080"], false),
        (&["good.example", "10.0.0.2"], false),
        (&["good.example", "0.0.0.0/0"], false),
        (&["10.0.0.0/8"], false),
    ] {
        let field = scripted(&[&["10.0.0.1"]]);
        let stand = Stand::new(&grant(targets), field.world.clone());
        super::act(&ways()[0], &stand);
        stand.wait(|events| !events.is_empty());
        assert_eq!(field.decoy.connections(), usize::from(arrives), "{targets:?}");
    }
}

#[test]
fn names_without_an_address_are_told() {
    let many: Vec<IpAddr> = (0..100).map(|_| ELSEWHERE).collect();
    for answer in [&[][..], &many] {
        let field = Field::new();
        field.world.name("good.example", &[answer]);
        let stand = Stand::new(&grant(&["good.example"]), field.world.clone());
        let row = Row::new(
            "no address",
            super::connect("good.example:443"),
            Must::Refuse(502, Reason::Unresolved),
        );
        check(&row, &field, &stand);
    }
}
