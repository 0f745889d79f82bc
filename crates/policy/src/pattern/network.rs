//! Address ranges: `10.0.0.0/8`, `fd00::/8`, and a single address as the smallest of them.
//!
//! Says what lies in what, and which addresses are the public network's. It resolves nothing and
//! knows no hosts; an IPv4 address inside an IPv6 one is that IPv4 address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A range of addresses with a common beginning. Bits past it are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    address: IpAddr,
    length: u8,
}

/// Ranges that are not the public network's, from the registries of special-purpose addresses
/// (RFC 6890 and its updates) and multicast.
const SPECIAL: [(&str, u8); 15] = [
    ("0.0.0.0", 8),
    ("10.0.0.0", 8),
    ("100.64.0.0", 10),
    ("127.0.0.0", 8),
    ("169.254.0.0", 16),
    ("172.16.0.0", 12),
    ("192.0.0.0", 24),
    ("192.0.2.0", 24),
    ("192.88.99.0", 24),
    ("192.168.0.0", 16),
    ("198.18.0.0", 15),
    ("198.51.100.0", 24),
    ("203.0.113.0", 24),
    ("224.0.0.0", 3),
    ("2001::", 23),
];

/// Of IPv6 only this is routed publicly (RFC 4291, 2.4), less what is special in it.
const GLOBAL_UNICAST: (&str, u8) = ("2000::", 3);

/// Ranges of IPv6 in which an IPv4 address hides, and documentation.
const SPECIAL_GLOBAL: [(&str, u8); 3] = [("2002::", 16), ("2001:db8::", 32), ("3fff::", 20)];

impl Network {
    /// One address.
    pub(crate) fn of(address: IpAddr) -> Network {
        let address = plain(address);
        Network { address, length: bits(address) }
    }

    /// Reads `address/length`. Bits past the length must be zero, because a range that is not what
    /// it looks like is a mistake.
    pub(crate) fn parse(text: &str) -> Option<Network> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let length: u8 = length.parse().ok().filter(|length| *length <= bits(address))?;
        let network = Network { address, length };
        (network.begin(network.length) == number(address)).then_some(network)
    }

    /// Whether every address of `other` is one of these.
    pub(crate) fn contains(self, other: Network) -> bool {
        self.address.is_ipv4() == other.address.is_ipv4()
            && self.length <= other.length
            && other.begin(self.length) == number(self.address)
    }

    /// Whether some address is one of both.
    pub(crate) fn meets(self, other: Network) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Whether every address is one of the public network.
    pub(crate) fn is_public(self) -> bool {
        let range = |(address, length): &(&str, u8)| {
            address.parse().ok().map(|address| Network { address, length: *length })
        };
        let meets = |list: &[(&str, u8)]| list.iter().filter_map(range).any(|one| one.meets(self));
        let routed = self.address.is_ipv4()
            || range(&GLOBAL_UNICAST).is_some_and(|global| global.contains(self));
        routed && !meets(&SPECIAL) && !meets(&SPECIAL_GLOBAL)
    }

    /// The first `length` bits of the address, the rest zero, aligned to 128 bits.
    fn begin(self, length: u8) -> u128 {
        let kept = u128::MAX.checked_shl(u32::from(128 - length.min(128))).unwrap_or(0);
        number(self.address) & kept
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.length)
    }
}

fn plain(address: IpAddr) -> IpAddr {
    let inner = match address {
        IpAddr::V6(address) => address.to_ipv4_mapped(),
        IpAddr::V4(_) => None,
    };
    inner.map_or(address, IpAddr::V4)
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address as a number whose first bit is the address's first.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => Ipv6Addr::to_bits(address),
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    fn network(text: &str) -> Network {
        match text.parse() {
            Ok(address) => Network::of(address),
            Err(_) => Network::parse(text).unwrap(),
        }
    }

    #[test]
    fn ranges_contain_what_begins_like_them() {
        for (wide, narrow, expected) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.1.0.0/16", "10.0.0.0/8", false),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("::/0", "1.2.3.4", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("fd00::/8", "fd12::1", true),
            ("127.0.0.1/32", "127.0.0.1", true),
        ] {
            assert_eq!(network(wide).contains(network(narrow)), expected, "{wide} {narrow}");
        }
        assert!(network("10.1.0.0/16").meets(network("10.0.0.0/8")));
        assert!(!network("10.1.0.0/16").meets(network("10.2.0.0/16")));
    }

    #[test]
    fn a_range_is_written_exactly() {
        for text in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "x/8", "::1/64"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_public_addresses_are_public() {
        for (text, expected) in [
            ("1.1.1.1", true),
            ("8.8.0.0/16", true),
            ("2606:4700::1111", true),
            ("127.0.0.1", false),
            ("10.9.8.7", false),
            ("100.100.0.1", false),
            ("169.254.169.254", false),
            ("192.168.1.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("0.0.0.0/0", false),
            ("::1", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::a00:1", false),
            ("2002:a00:1::", false),
            ("2001:db8::1", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(network(text).is_public(), expected, "{text}");
        }
    }
}
