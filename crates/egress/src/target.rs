//! What one entry of a grant opens: a name, the names below one, or addresses; and which ports.
//!
//! Nothing is resolved and no policy is known. How entries work together is in `grant`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::address::Block;
use crate::host::{Host, HostError, port};

/// Ports a target without one stands for.
const USUAL_PORTS: [u16; 2] = [80, 443];

/// A destination as a policy writes it; see [`Target::parse`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    pattern: Pattern,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Pattern {
    Name(String),
    Below(String),
    Block(Block),
}

/// Why a text is no target. The message of each says how to write it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The host part is not a host.
    #[error("`{text}` is no host: {why}")]
    Host {
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: HostError,
    },
    /// A star elsewhere than as the whole first label, or above too much.
    #[error(
        "`{0}`: a star stands for the first labels only, above at least two more, as in `*.example.com`"
    )]
    Star(String),
    /// Not an address and the length of its prefix.
    #[error("`{0}` is no range of addresses; write one as `10.0.0.0/8` or `fd00::/8`")]
    Range(String),
    /// Bits are set behind the prefix.
    #[error("`{0}` has bits set behind its prefix; the range begins at `{1}`")]
    Bits(String, IpAddr),
    /// A scheme, path, or user stands beside the host.
    #[error("`{0}` holds more than host and port; write `example.com` or `example.com:8443`")]
    More(String),
}

impl Target {
    /// Reads `example.com`, `*.example.com`, `example.com:8443`, `10.0.0.0/8`,
    /// `10.0.0.0/8:5432`, `127.0.0.1:8080`, `[::1]:80` or `[fd00::]/8:443`.
    ///
    /// Without a port, 80 and 443 are meant. A star stands for one or more labels and never for
    /// the name itself. Letters of any script become punycode.
    ///
    /// # Errors
    /// When the text is none of these; the message says which part.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if text.contains(['@', '?', '#', '\\']) || text.contains("//") {
            return Err(TargetError::More(text.to_owned()));
        }
        if let Some((address, rest)) = text.split_once('/') {
            return Self::range(text, address, rest);
        }
        let bad = |why| TargetError::Host { text: text.to_owned(), why };
        let (host, port) = crate::host::split_port(text).map_err(bad)?;
        let pattern = match host.strip_prefix("*.") {
            Some(above) => Self::below(text, above)?,
            None if host.contains('*') => return Err(TargetError::Star(text.to_owned())),
            None => match Host::written(host).map_err(bad)? {
                Host::Name(name) => Pattern::Name(name),
                Host::Address(address) => Pattern::Block(single(address)),
            },
        };
        Ok(Self { pattern, port })
    }

    fn below(text: &str, above: &str) -> Result<Pattern, TargetError> {
        match Host::written(above) {
            Ok(Host::Name(name)) if name.contains('.') => Ok(Pattern::Below(name)),
            Ok(_) => Err(TargetError::Star(text.to_owned())),
            Err(_) if above.contains('*') => Err(TargetError::Star(text.to_owned())),
            Err(why) => Err(TargetError::Host { text: text.to_owned(), why }),
        }
    }

    fn range(text: &str, address: &str, rest: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::Range(text.to_owned());
        let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
        let address: IpAddr = bare.unwrap_or(address).parse().map_err(|_| wrong())?;
        let (prefix, number) = match rest.split_once(':') {
            Some((prefix, number)) => (prefix, Some(port(number).map_err(|_| wrong())?)),
            None => (rest, None),
        };
        let plain = prefix == "0" || !prefix.starts_with(['0', '+']);
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        if !plain || prefix > width(address) {
            return Err(wrong());
        }
        let begin = first(address, prefix);
        if begin != address {
            return Err(TargetError::Bits(text.to_owned(), begin));
        }
        Ok(Self { pattern: Pattern::Block(Block { address, prefix }), port: number })
    }

    /// Whether a request for this host at this port is what the target names.
    pub(crate) fn matches(&self, host: &Host, port: u16) -> bool {
        let same = match (&self.pattern, host) {
            (Pattern::Name(name), Host::Name(host)) => name == host,
            (Pattern::Below(above), Host::Name(host)) => {
                host.strip_suffix(above.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            (Pattern::Block(block), Host::Address(address)) => block.holds(*address),
            _ => false,
        };
        same && self.opens(port)
    }

    /// The addresses this target opens at this port, when it is about addresses.
    pub(crate) fn block_at(&self, port: u16) -> Option<&Block> {
        match &self.pattern {
            Pattern::Block(block) if self.opens(port) => Some(block),
            _ => None,
        }
    }

    fn opens(&self, port: u16) -> bool {
        self.port.map_or_else(|| USUAL_PORTS.contains(&port), |own| own == port)
    }
}

fn single(address: IpAddr) -> Block {
    Block { address, prefix: width(address) }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with everything behind the prefix cleared.
fn first(address: IpAddr, prefix: u8) -> IpAddr {
    let behind = u32::from(width(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(own) => {
            let mask = u32::MAX.checked_shl(behind).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(own.to_bits() & mask))
        }
        IpAddr::V6(own) => {
            let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(own.to_bits() & mask))
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Pattern::Name(name) => f.write_str(name)?,
            Pattern::Below(name) => write!(f, "*.{name}")?,
            Pattern::Block(Block { address, prefix }) => match address {
                IpAddr::V4(own) => write!(f, "{own}/{prefix}")?,
                IpAddr::V6(own) => write!(f, "[{own}]/{prefix}")?,
            },
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Target {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        Self::parse(&text)
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, TargetError};
    use crate::host::Host;
    use proptest::prelude::*;

    fn check(target: &str, host: &str, port: u16, expect: bool) {
        let target = Target::parse(target).unwrap();
        let host = Host::parse(host).unwrap();
        assert_eq!(target.matches(&host, port), expect, "{target} for {host}:{port}");
    }

    #[test]
    fn a_target_opens_what_it_names_and_nothing_beside_it() {
        for (target, host, port, expect) in [
            ("example.com", "example.com", 80, true),
            ("example.com", "EXAMPLE.com.", 443, true),
            ("example.com", "example.com", 8443, false),
            ("example.com:8443", "example.com", 8443, true),
            ("example.com:8443", "example.com", 443, false),
            ("example.com", "www.example.com", 443, false),
            ("example.com", "notexample.com", 443, false),
            ("example.com", "example.com.evil.test", 443, false),
            ("*.example.com", "www.example.com", 443, true),
            ("*.example.com", "a.b.example.com", 443, true),
            ("*.example.com", "example.com", 443, false),
            ("*.example.com", "notexample.com", 443, false),
            ("B\u{fc}cher.example", "xn--bcher-kva.example", 443, true),
            ("10.0.0.0/8", "10.1.2.3", 80, true),
            ("10.0.0.0/8", "11.0.0.0", 80, false),
            ("10.0.0.0/8:5432", "10.1.2.3", 5432, true),
            ("10.0.0.0/8:5432", "10.1.2.3", 80, false),
            ("127.0.0.1:8080", "127.0.0.1", 8080, true),
            ("127.0.0.1:8080", "127.0.0.2", 8080, false),
            ("[::1]:80", "[::1]", 80, true),
            ("fd00::/8", "[fd12::1]", 443, true),
            ("[fd00::]/8:22", "[fd12::1]", 22, true),
            ("0.0.0.0/0", "[::1]", 80, false),
            ("::/0", "[2606::1]", 80, true),
        ] {
            check(target, host, port, expect);
        }
    }

    #[test]
    fn what_is_no_target_is_refused_with_the_way_to_write_it() {
        for text in ["*", "*.com", "a.*.com", "*a.example.com", "**.example.com", "*.10.0.0.1"] {
            assert!(matches!(Target::parse(text), Err(TargetError::Star(_))), "{text}");
        }
        for text in ["https://example.com", "a@example.com", "example.com?x", "a\\b"] {
            assert!(matches!(Target::parse(text), Err(TargetError::More(_))), "{text}");
        }
        for text in ["10.0.0.0/33", "10.0.0.0/", "example.com/8", "10.0.0.0/08", "::1/129", "10/8"]
        {
            assert!(matches!(Target::parse(text), Err(TargetError::Range(_))), "{text}");
        }
        assert!(matches!(Target::parse("10.0.0.1/8"), Err(TargetError::Bits(..))));
        for text in ["", "example.com:", "example.com:0", "127.1", "a b", "::1", "a..b", "\u{ff5e}"]
        {
            assert!(matches!(Target::parse(text), Err(TargetError::Host { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_stays_the_same(text in ".{0,40}") {
            if let Ok(target) = Target::parse(&text) {
                prop_assert_eq!(Target::parse(&target.to_string()), Ok(target));
            }
        }

        #[test]
        fn likely_text_stays_the_same(
            text in r"(\*\.)?[a-zA-Z0-9.:\[\]/-]{1,30}(/[0-9]{1,3})?(:[0-9]{1,5})?",
        ) {
            if let Ok(target) = Target::parse(&text) {
                prop_assert_eq!(Target::parse(&target.to_string()), Ok(target));
            }
        }
    }
}
