//! What a sandbox asks to reach: `example.org`, `*.example.org`, `example.org:8443`, an address or
//! a range of addresses.
//!
//! One grammar for workflow documents and for the host arguments of programs. A port belongs to a
//! target and is not looked at by rules, which decide about hosts. Nothing is resolved here.

use std::net::{IpAddr, Ipv6Addr};

use super::host::host_of;
use super::network::Network;

/// Longest target, in bytes: the longest name (RFC 1035, 2.3.4), `*.` and a port.
const TARGET_BYTES_MAX: usize = 253 + 2 + 6;

/// What is asked for, without its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// One name, canonical.
    Name(String),
    /// Every name below this one.
    Below(String),
    /// An address, or a range.
    Network(Network),
}

/// Why a text is no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing is named.
    #[error("is empty")]
    Empty,
    /// Longer than any name.
    #[error("is longer than a name can be")]
    TooLong,
    /// A URL, or a part of one.
    #[error("is more than a host")]
    Url,
    /// A `*` that is not `*.` before a name.
    #[error("has a `*` that does not stand for the names below one")]
    Wildcard,
    /// The port is no number from 1 to 65535.
    #[error("has a port that is none")]
    Port,
    /// Neither a name nor an address nor a range of addresses.
    #[error("is not a host")]
    Host,
}

impl TargetError {
    /// The remedy.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            TargetError::Url => {
                "leave out scheme, user and path: `example.org` or `example.org:8443`"
            }
            TargetError::Wildcard => {
                "name the hosts; `*.example.org` is every name below `example.org`"
            }
            TargetError::Port => {
                "a port is a number from 1 to 65535; without one, 80 and 443 are meant"
            }
            TargetError::Empty | TargetError::TooLong | TargetError::Host => {
                "write a name, `*.` and a name, an address (IPv6 in brackets) or a range such as \
                 `10.0.0.0/8`, and `:port` where it is neither 80 nor 443"
            }
        }
    }
}

/// Whether `text` says what a sandbox may reach.
///
/// # Errors
/// Why not.
pub fn check_target(text: &str) -> Result<(), TargetError> {
    Target::parse(text).map(drop)
}

impl Target {
    /// Reads a target.
    pub(crate) fn parse(text: &str) -> Result<Target, TargetError> {
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text.len() > TARGET_BYTES_MAX {
            return Err(TargetError::TooLong);
        }
        if text.contains("://") || text.contains(['@', '?', '#', '\\']) {
            return Err(TargetError::Url);
        }
        if text.contains('/') {
            return range(text);
        }
        let host = without_port(text)?;
        match host.strip_prefix("*.") {
            Some(name) => below(name),
            None if host.contains('*') => Err(TargetError::Wildcard),
            None => single(host),
        }
    }
}

/// A range of addresses, with or without a port; anything else with a slash is a path.
fn range(text: &str) -> Result<Target, TargetError> {
    let (address, rest) = text.split_once('/').ok_or(TargetError::Host)?;
    let address =
        address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if address.parse::<IpAddr>().is_err() {
        return Err(TargetError::Url);
    }
    let length = match rest.split_once(':') {
        Some((length, port)) => port_of(port).map(|()| length)?,
        None => rest,
    };
    let plain = length == "0" || !length.starts_with('0');
    let found = Network::parse(&format!("{address}/{length}")).filter(|_| plain);
    found.map(Target::Network).ok_or(TargetError::Host)
}

fn below(name: &str) -> Result<Target, TargetError> {
    match single(name)? {
        _ if name.contains('*') => Err(TargetError::Wildcard),
        // All names below a top-level domain are no allowlist.
        Target::Name(name) if !name.contains('.') => Err(TargetError::Wildcard),
        Target::Name(name) => Ok(Target::Below(name)),
        Target::Below(_) | Target::Network(_) => Err(TargetError::Host),
    }
}

fn single(host: &str) -> Result<Target, TargetError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(Target::Network(Network::of(address)));
    }
    // Ports are off already; what still has a colon is an address that is none.
    let plain = !host.contains([':', '[', ']', '%']);
    let host = host_of(host).filter(|_| plain).ok_or(TargetError::Host)?;
    // `0x7f.1` and its like are addresses to a browser and look like names to a person.
    if host.parse::<IpAddr>().is_ok() { Err(TargetError::Host) } else { Ok(Target::Name(host)) }
}

/// The host of `host:port`, where the port is one.
fn without_port(text: &str) -> Result<&str, TargetError> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) if host.parse::<Ipv6Addr>().is_err() => return Err(TargetError::Host),
        Some((host, rest)) => match rest.strip_prefix(':') {
            Some(port) => (host, port),
            None if rest.is_empty() => return Ok(host),
            None => return Err(TargetError::Host),
        },
        None => match text.split_once(':') {
            // Several colons without brackets leave open where the port begins.
            Some((_, rest)) if rest.contains(':') => return Err(TargetError::Host),
            Some((host, port)) => (host, port),
            None => return Ok(text),
        },
    };
    port_of(port).map(|()| host)
}

fn port_of(port: &str) -> Result<(), TargetError> {
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let number = port.parse::<u16>().ok().filter(|port| digits && *port > 0);
    number.map(drop).ok_or(TargetError::Port)
}

#[cfg(test)]
mod tests {
    use super::{Target, TargetError};

    #[test]
    fn a_target_is_a_host_a_wildcard_an_address_or_a_range() {
        let name = |text: &str| Ok(Target::Name(text.to_owned()));
        let below = |text: &str| Ok(Target::Below(text.to_owned()));
        for (text, expected) in [
            ("example.org", name("example.org")),
            ("EXAMPLE.org.", name("example.org")),
            ("example.org:8443", name("example.org")),
            ("b\u{fc}cher.example", name("xn--bcher-kva.example")),
            ("*.example.org", below("example.org")),
            ("*.example.org:8443", below("example.org")),
            ("", Err(TargetError::Empty)),
            ("*", Err(TargetError::Wildcard)),
            ("a.*.org", Err(TargetError::Wildcard)),
            ("*.*.org", Err(TargetError::Wildcard)),
            ("*.10.0.0.1", Err(TargetError::Host)),
            ("https://example.org/", Err(TargetError::Url)),
            ("example.org/x", Err(TargetError::Url)),
            ("me@example.org", Err(TargetError::Url)),
            ("example.org:0", Err(TargetError::Port)),
            ("example.org:http", Err(TargetError::Port)),
            ("example.org:70000", Err(TargetError::Port)),
            ("example.org:", Err(TargetError::Port)),
            ("::1", Err(TargetError::Host)),
            ("*.org", Err(TargetError::Wildcard)),
            ("10.0.0.0/08", Err(TargetError::Host)),
            ("10.0.0.0/8:0", Err(TargetError::Port)),
            ("10.0.0.1/8", Err(TargetError::Host)),
            ("10.0.0.0/40", Err(TargetError::Host)),
            ("0x7f.1", Err(TargetError::Host)),
            ("2130706433", Err(TargetError::Host)),
            ("exa mple.org", Err(TargetError::Host)),
            ("[::1", Err(TargetError::Host)),
            ("[example.org]:80", Err(TargetError::Host)),
        ] {
            let found = Target::parse(text);
            // A name in brackets is no address; which of the refusals it gets does not matter.
            if expected.is_err() {
                assert!(found.is_err(), "{text}: {found:?}")
            } else {
                assert_eq!(found, expected, "{text}")
            }
        }
        for text in [
            "10.0.0.0/8",
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "fd00::/8",
            "[fd00::]/8:443",
            "10.0.0.0/8:5432",
        ] {
            assert!(matches!(Target::parse(text), Ok(Target::Network(_))), "{text}");
        }
        assert_eq!(Target::parse(&"a".repeat(300)), Err(TargetError::TooLong));
    }
}
