//! What kind of address an address is, and the ranges of the special ones.
//!
//! The ranges are those of the IANA special-purpose registries, with the metadata services of
//! clouds in front. IPv6 outside `2000::/3` is not public whatever it is. Which of them a grant
//! opens is the grant's to say (`grant`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// The kind of an address. Everything but [`Class::Public`] needs an address in the grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Reachable by anybody.
    Public,
    /// The machine itself.
    Loopback,
    /// Networks of an organisation (RFC 1918, `fc00::/7`, `fec0::/10`).
    Private,
    /// The same wire only.
    LinkLocal,
    /// Between a provider and its customers (RFC 6598).
    Shared,
    /// Where clouds hand out the machine's credentials.
    Metadata,
    /// The unspecified address and “this network”.
    Unspecified,
    /// Many at once: multicast and broadcast.
    Multicast,
    /// An IPv4 address inside an IPv6 one: mapped, compatible, NAT64, 6to4, Teredo.
    Embedded,
    /// Documentation and benchmarks.
    Documentation,
    /// Everything else that is not for general use.
    Reserved,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Shared => "carrier-grade NAT",
            Self::Metadata => "cloud metadata",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Embedded => "IPv4 inside IPv6",
            Self::Documentation => "documentation or benchmark",
            Self::Reserved => "reserved",
        })
    }
}

/// A range of addresses: every address that shares the first `prefix` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Block {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

impl Block {
    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    const fn v6(high: u64, low: u64, prefix: u8) -> Self {
        let bits = ((high as u128) << 64) | low as u128;
        Self { address: IpAddr::V6(Ipv6Addr::from_bits(bits)), prefix }
    }

    /// Whether `address` is one of the block; an IPv4 address is never in a block of IPv6.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(u32::from(32_u8.saturating_sub(self.prefix)));
                (own.to_bits() ^ other.to_bits()) & mask.unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(u32::from(128_u8.saturating_sub(self.prefix)));
                (own.to_bits() ^ other.to_bits()) & mask.unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Whether the whole of this block lies in `outer`.
    pub(crate) fn within(&self, outer: &Self) -> bool {
        self.prefix >= outer.prefix && outer.holds(self.address)
    }
}

/// Special ranges, the narrower before the wider; the first that holds an address names it.
const SPECIAL: &[(Block, Class)] = &[
    (Block::v4(169, 254, 169, 254, 32), Class::Metadata),
    (Block::v4(169, 254, 169, 253, 32), Class::Metadata),
    (Block::v4(169, 254, 170, 2, 32), Class::Metadata),
    (Block::v4(169, 254, 170, 23, 32), Class::Metadata),
    (Block::v4(100, 100, 100, 200, 32), Class::Metadata),
    (Block::v4(168, 63, 129, 16, 32), Class::Metadata),
    (Block::v4(192, 0, 0, 192, 32), Class::Metadata),
    (Block::v4(255, 255, 255, 255, 32), Class::Multicast),
    (Block::v4(0, 0, 0, 0, 8), Class::Unspecified),
    (Block::v4(10, 0, 0, 0, 8), Class::Private),
    (Block::v4(100, 64, 0, 0, 10), Class::Shared),
    (Block::v4(127, 0, 0, 0, 8), Class::Loopback),
    (Block::v4(169, 254, 0, 0, 16), Class::LinkLocal),
    (Block::v4(172, 16, 0, 0, 12), Class::Private),
    (Block::v4(192, 0, 0, 0, 24), Class::Reserved),
    (Block::v4(192, 0, 2, 0, 24), Class::Documentation),
    (Block::v4(192, 88, 99, 0, 24), Class::Reserved),
    (Block::v4(192, 168, 0, 0, 16), Class::Private),
    (Block::v4(198, 18, 0, 0, 15), Class::Documentation),
    (Block::v4(198, 51, 100, 0, 24), Class::Documentation),
    (Block::v4(203, 0, 113, 0, 24), Class::Documentation),
    (Block::v4(224, 0, 0, 0, 4), Class::Multicast),
    (Block::v4(240, 0, 0, 0, 4), Class::Reserved),
    (Block::v6(0xfd00_0ec2_0000_0000, 0x254, 128), Class::Metadata),
    (Block::v6(0xfd00_0ec2_0000_0000, 0x23, 128), Class::Metadata),
    (Block::v6(0xfd20_00ce_0000_0000, 0x254, 128), Class::Metadata),
    (Block::v6(0, 0, 128), Class::Unspecified),
    (Block::v6(0, 1, 128), Class::Loopback),
    (Block::v6(0, 0x0000_ffff_0000_0000, 96), Class::Embedded),
    (Block::v6(0, 0xffff_0000_0000_0000, 96), Class::Embedded),
    (Block::v6(0, 0, 96), Class::Embedded),
    (Block::v6(0x0064_ff9b_0000_0000, 0, 96), Class::Embedded),
    (Block::v6(0x0064_ff9b_0001_0000, 0, 48), Class::Embedded),
    (Block::v6(0x2001_0000_0000_0000, 0, 32), Class::Embedded),
    (Block::v6(0x2002_0000_0000_0000, 0, 16), Class::Embedded),
    (Block::v6(0x0100_0000_0000_0000, 0, 63), Class::Reserved),
    (Block::v6(0x5f00_0000_0000_0000, 0, 16), Class::Reserved),
    (Block::v6(0x2001_0002_0000_0000, 0, 48), Class::Documentation),
    (Block::v6(0x2001_0db8_0000_0000, 0, 32), Class::Documentation),
    (Block::v6(0x3fff_0000_0000_0000, 0, 20), Class::Documentation),
    (Block::v6(0x2001_0000_0000_0000, 0, 23), Class::Reserved),
    (Block::v6(0xfc00_0000_0000_0000, 0, 7), Class::Private),
    (Block::v6(0xfec0_0000_0000_0000, 0, 10), Class::Private),
    (Block::v6(0xfe80_0000_0000_0000, 0, 10), Class::LinkLocal),
    (Block::v6(0xff00_0000_0000_0000, 0, 8), Class::Multicast),
];

/// What of IPv6 is given out for general use.
const GLOBAL: Block = Block::v6(0x2000_0000_0000_0000, 0, 3);

/// An address's class and, for a special one, the range that makes it so.
pub(crate) fn class(address: IpAddr) -> (Class, Option<Block>) {
    if let Some((block, class)) = SPECIAL.iter().find(|(block, _)| block.holds(address)) {
        return (*class, Some(*block));
    }
    let global = address.is_ipv4() || GLOBAL.holds(address);
    (if global { Class::Public } else { Class::Reserved }, None)
}

/// The IPv4 addresses an IPv6 address stands for, where its form says so.
pub(crate) fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    if address.is_unspecified() || address.is_loopback() {
        return None;
    }
    let bits = address.to_bits();
    let part = |shift: u32| Ipv4Addr::from_bits(((bits >> shift) & u128::from(u32::MAX)) as u32);
    match address.segments() {
        // Mapped, translated, compatible, NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(part(0)),
        // NAT64 with a prefix of its own; of its possible places the widest prefix is the usual.
        [0x64, 0xff9b, 1, ..] => Some(part(0)),
        [0x2002, ..] => Some(part(80)),
        // Teredo keeps the client's address inverted.
        [0x2001, 0, ..] => Some(Ipv4Addr::from_bits(!part(0).to_bits())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, Class, SPECIAL, class, embedded};
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn check(text: &str, expect: Class) {
        assert_eq!(class(text.parse().unwrap()).0, expect, "{text}");
    }

    #[test]
    fn special_addresses_are_named() {
        for (text, expect) in [
            ("1.1.1.1", Class::Public),
            ("93.184.215.14", Class::Public),
            ("9.255.255.255", Class::Public),
            ("11.0.0.0", Class::Public),
            ("172.15.255.255", Class::Public),
            ("172.32.0.0", Class::Public),
            ("100.63.255.255", Class::Public),
            ("100.128.0.0", Class::Public),
            ("198.17.255.255", Class::Public),
            ("198.20.0.0", Class::Public),
            ("223.255.255.255", Class::Public),
            ("2606:4700::1111", Class::Public),
            ("2a00::1", Class::Public),
            ("2001:200::1", Class::Public),
            ("0.0.0.0", Class::Unspecified),
            ("0.1.2.3", Class::Unspecified),
            ("10.255.255.255", Class::Private),
            ("172.16.0.0", Class::Private),
            ("172.31.255.255", Class::Private),
            ("192.168.1.1", Class::Private),
            ("127.0.0.1", Class::Loopback),
            ("127.255.255.254", Class::Loopback),
            ("100.64.0.0", Class::Shared),
            ("100.127.255.255", Class::Shared),
            ("169.254.0.1", Class::LinkLocal),
            ("169.254.169.254", Class::Metadata),
            ("168.63.129.16", Class::Metadata),
            ("100.100.100.200", Class::Metadata),
            ("192.0.0.1", Class::Reserved),
            ("192.0.2.1", Class::Documentation),
            ("198.18.0.1", Class::Documentation),
            ("198.19.255.255", Class::Documentation),
            ("198.51.100.1", Class::Documentation),
            ("203.0.113.1", Class::Documentation),
            ("192.88.99.1", Class::Reserved),
            ("224.0.0.1", Class::Multicast),
            ("239.255.255.255", Class::Multicast),
            ("240.0.0.1", Class::Reserved),
            ("255.255.255.255", Class::Multicast),
            ("::", Class::Unspecified),
            ("::1", Class::Loopback),
            ("::2", Class::Embedded),
            ("::127.0.0.1", Class::Embedded),
            ("::ffff:8.8.8.8", Class::Embedded),
            ("::ffff:0:8.8.8.8", Class::Embedded),
            ("64:ff9b::808:808", Class::Embedded),
            ("64:ff9b:1::808:808", Class::Embedded),
            ("64:ff9b:2::1", Class::Reserved),
            ("2002:7f00:1::", Class::Embedded),
            ("2001::1", Class::Embedded),
            ("2001:2::1", Class::Documentation),
            ("2001:10::1", Class::Reserved),
            ("2001:db8::1", Class::Documentation),
            ("3fff::1", Class::Documentation),
            ("100::1", Class::Reserved),
            ("5f00::1", Class::Reserved),
            ("4000::1", Class::Reserved),
            ("fc00::1", Class::Private),
            ("fdff::1", Class::Private),
            ("fd00:ec2::254", Class::Metadata),
            ("fd00:ec2::255", Class::Private),
            ("fe80::1", Class::LinkLocal),
            ("febf::1", Class::LinkLocal),
            ("fec0::1", Class::Private),
            ("ff02::1", Class::Multicast),
        ] {
            check(text, expect);
        }
    }

    #[test]
    fn hidden_addresses_are_found() {
        for text in [
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::127.0.0.1",
            "2002:7f00:1::",
            "2001:0:1:2:3:4:80ff:fffe",
        ] {
            let found = embedded(text.parse().unwrap());
            assert_eq!(found, Some(Ipv4Addr::LOCALHOST), "{text}");
        }
        assert_eq!(embedded("2606:4700::1111".parse().unwrap()), None);
        for text in ["127.0.0.1", "::", "::1"] {
            assert_eq!(embedded(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn narrower_ranges_stand_before_wider_ones() {
        for (at, (block, _)) in SPECIAL.iter().enumerate() {
            for (earlier, _) in SPECIAL.iter().take(at) {
                assert!(!block.within(earlier), "{block:?} is never reached");
            }
        }
    }

    /// Any address of a range: its prefix, and chance for the rest.
    fn inside(block: Block, noise: u128) -> IpAddr {
        match block.address {
            IpAddr::V4(address) => {
                let rest = u32::MAX.checked_shr(u32::from(block.prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() | (noise as u32 & rest)))
            }
            IpAddr::V6(address) => {
                let rest = u128::MAX.checked_shr(u32::from(block.prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() | (noise & rest)))
            }
        }
    }

    proptest! {
        #[test]
        fn no_address_of_a_special_range_is_public(
            row in 0..SPECIAL.len(), noise in any::<u128>(),
        ) {
            let (block, _) = SPECIAL[row];
            let address = inside(block, noise);
            prop_assert!(block.holds(address));
            prop_assert_ne!(class(address).0, Class::Public);
        }

        #[test]
        fn what_stands_for_an_ipv4_address_is_never_public(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from_bits(bits);
            let v6 = v4.to_ipv6_mapped();
            prop_assert_eq!(class(IpAddr::V6(v6)).0, Class::Embedded);
            prop_assert_eq!(embedded(IpAddr::V6(v6)), Some(v4));
        }

        #[test]
        fn public_ipv6_is_global_unicast(bits in any::<u128>()) {
            let address = Ipv6Addr::from_bits(bits);
            if class(IpAddr::V6(address)).0 == Class::Public {
                prop_assert_eq!(address.segments()[0] >> 13, 1);
            }
        }
    }
}
