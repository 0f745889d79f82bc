//! Addresses in spellings that some resolver reads and a check might not.
//! They are refused whatever they mean, so nothing here asks what they stand for.

use egress::Reason;

use super::{Act, Must, Row, connect, get, table};
use crate::support::grant;

/// Spellings of 127.0.0.1, and of things near it.
const SPELLINGS: &[(&str, &str)] = &[
    ("decimal", "2130706433"),
    ("hexadecimal", "0x7f000001"),
    ("hexadecimal in capitals", "0X7F000001"),
    ("octal", "017700000001"),
    ("dotted hexadecimal", "0x7f.0x0.0x0.0x1"),
    ("dotted octal", "0177.0.0.01"),
    ("leading zeros", "127.000.000.001"),
    ("mixed bases", "0x7f.0.0.1"),
    ("two parts", "127.1"),
    ("three parts", "127.0.1"),
    ("one zero", "0"),
    ("an overflowing part", "127.0.0.257"),
    ("an overflowing number", "6425673729"),
    ("five parts", "127.0.0.1.0"),
    ("a trailing dot", "127.0.0.1."),
    ("two trailing dots", "127.0.0.1.."),
    ("percent signs", "%31%32%37.0.0.1"),
    ("a percent sign for a dot", "127%2e0.0.1"),
    ("a zone", "[fe80::1%25lo]"),
    ("a bare zone", "[::1%lo]"),
    ("brackets around IPv4", "[127.0.0.1]"),
    ("IPv6 without brackets", "::1"),
    ("brackets left open", "[::1"),
    ("brackets closed early", "[::1]1"),
    ("IPvFuture", "[v1.127.0.0.1]"),
    ("full-width digits", "\u{ff11}\u{ff12}\u{ff17}.0.0.1"),
    ("ideographic full stops", "127\u{3002}0\u{3002}0\u{3002}1"),
    ("circled digits", "\u{2460}\u{2461}\u{2466}.0.0.1"),
    ("a soft hyphen", "good\u{ad}.example"),
    ("letters that are not ASCII", "g\u{f6}od.example"),
    ("a homoglyph", "go\u{43e}d.example"),
    ("a zero-width space", "good\u{200b}.example"),
    ("an empty label", "good..example"),
    ("a leading dot", ".good.example"),
    ("two trailing dots of a name", "good.example.."),
    ("broken punycode", "xn--a.example"),
    ("a label of 64 characters", LABEL),
    ("a NUL in the name", "good.example\0.evil.test"),
    ("a hyphen at a label's end", "good-.example"),
];

const LABEL: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example";

pub(crate) fn rows() -> Vec<Row> {
    let refused = || Must::Refuse(400, Reason::Malformed);
    let mut rows = Vec::new();
    for (at, (what, host)) in SPELLINGS.iter().enumerate() {
        let act = if at % 2 == 0 { connect(&format!("{host}:443")) } else { request(host) };
        rows.push(Row::new(format!("spelled with {what}"), act, refused()));
    }
    for (what, host) in SPELLINGS.iter().take(12) {
        rows.push(Row::new(format!("also asked for with {what}"), request(host), refused()));
    }
    rows
}

fn request(host: &str) -> Act {
    get(&format!("http://{host}/"), host)
}

#[test]
fn spellings_that_are_read_differently() {
    table(&rows(), &request("127.0.0.1"), &grant(&["127.0.0.1"]), &[]);
}

#[test]
fn they_are_refused_also_where_the_address_is_granted() {
    for row in rows() {
        let field = super::Field::new();
        let stand =
            crate::support::Stand::new(&grant(&["127.0.0.1", "[::1]"]), field.world.clone());
        super::check(&row, &field, &stand);
    }
}
