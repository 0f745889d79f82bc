//! Addresses instead of names: special ones and ones that are merely not granted.
//! Names that stand for such addresses are in `rebinding`, odd spellings of them in `encoding`.

use egress::Reason;

use super::{Must, Row, connect, get, public, table};
use crate::support::grant;

/// One address of every special range, and two public ones.
pub(crate) const ADDRESSES: &[&str] = &[
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "0.1.2.3",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:93.184.215.14]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::10.0.0.1]",
    "[2002:7f00:1::1]",
    "[2001::1]",
    "[2001:db8::1]",
    "[100::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "1.1.1.1",
    "[2606:4700:4700::1111]",
];

pub(crate) fn rows() -> Vec<Row> {
    let refused = || Must::Refuse(403, Reason::NotGranted);
    let row = |(at, address): (usize, &&str)| {
        if at % 2 == 0 {
            let target = format!("{address}:443");
            Row::new(format!("tunnel to {address}"), connect(&target), refused())
        } else {
            let request = get(&format!("http://{address}/"), address);
            Row::new(format!("request to {address}"), request, refused())
        }
    };
    ADDRESSES.iter().enumerate().map(row).collect()
}

#[test]
fn addresses_that_are_not_granted() {
    let control = get("http://10.0.0.1/", "10.0.0.1");
    table(&rows(), &control, &grant(&["10.0.0.0/8"]), &[public().ip()]);
}

#[test]
fn each_special_address_arrives_when_it_is_granted_by_itself() {
    let granted = |address: &str| {
        let inner = match address.trim_matches(['[', ']']) {
            "::127.0.0.1" | "::ffff:127.0.0.1" | "::ffff:0:127.0.0.1" | "64:ff9b::127.0.0.1"
            | "2002:7f00:1::1" => "127.0.0.1",
            "64:ff9b:1::10.0.0.1" => "10.0.0.1",
            // Teredo keeps the address inverted: of `2001::1` it is 255.255.255.254.
            "2001::1" => "255.255.255.254",
            _ => "1.1.1.1",
        };
        grant(&[address, inner])
    };
    for address in ADDRESSES {
        let control = get(&format!("http://{address}/"), address);
        table(&[], &control, &granted(address), &[]);
    }
}
