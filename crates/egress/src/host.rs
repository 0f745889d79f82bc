//! The name or address of a host, in the one spelling everything here compares.
//!
//! Spellings that different resolvers read differently — an address in decimal, octal or short
//! form, percent signs, zone ids — are refused rather than translated. Nothing is resolved here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Characters of a name without its trailing dot (RFC 1035).
const NAME_LENGTH: usize = 253;
/// Characters of one label of a name.
const LABEL_LENGTH: usize = 63;

/// A host: lower case, punycode, without a trailing dot; or an address in its usual spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    Name(String),
    Address(IpAddr),
}

/// Why a text names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing stands where the host should.
    #[error("the host is empty")]
    Empty,
    /// More characters than a name may have.
    #[error("the host is longer than a name may be")]
    Long,
    /// Characters that no host name has: user information, percent signs, spaces, letters that
    /// are not ASCII.
    #[error("the host holds characters that no host name has")]
    Characters,
    /// An address in a spelling that is read differently by different programs.
    #[error("the address is not in its usual spelling")]
    Spelling,
    /// Empty or overlong labels, or hyphens at their ends.
    #[error("the host has a malformed label")]
    Label,
    /// Not a number from 1 to 65535 in its usual spelling.
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

impl Host {
    /// Reads a host as it stands in a request: ASCII only, IPv6 in brackets, at most one
    /// trailing dot.
    pub(crate) fn parse(text: &str) -> Result<Self, HostError> {
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::Spelling)?;
            let address = inner.parse::<Ipv6Addr>().map_err(|_| HostError::Spelling)?;
            return Ok(Self::Address(IpAddr::V6(address)));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !text.chars().all(plain) {
            return Err(HostError::Characters);
        }
        let host = Self::normal(text)?;
        let same = match &host {
            Self::Name(name) => undotted(text).eq_ignore_ascii_case(name),
            Self::Address(address) => address.to_string() == text,
        };
        if same { Ok(host) } else { Err(HostError::Spelling) }
    }

    /// Reads a host as a person may write it: letters of any script become punycode.
    pub(crate) fn written(text: &str) -> Result<Self, HostError> {
        if text.is_ascii() {
            return Self::parse(text);
        }
        let odd = |c: char| c.is_ascii() && !(c.is_ascii_alphanumeric() || "-_.".contains(c));
        if text.chars().any(odd) {
            return Err(HostError::Characters);
        }
        Self::normal(text)
    }

    fn normal(text: &str) -> Result<Self, HostError> {
        if text.len() > 4 * NAME_LENGTH {
            return Err(HostError::Long);
        }
        let text = undotted(text);
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        let name = match url::Host::parse(text) {
            Ok(url::Host::Domain(name)) => name,
            Ok(url::Host::Ipv4(address)) => return Ok(Self::Address(IpAddr::V4(address))),
            Ok(url::Host::Ipv6(_)) | Err(_) => return Err(HostError::Spelling),
        };
        if name.len() > NAME_LENGTH {
            return Err(HostError::Long);
        }
        if name.split('.').all(is_label) { Ok(Self::Name(name)) } else { Err(HostError::Label) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl From<Ipv4Addr> for Host {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(IpAddr::V4(address))
    }
}

fn undotted(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}

fn is_label(label: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=LABEL_LENGTH).contains(&label.len())
        && label.chars().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Splits `host:port`; the port is optional and the host stays as it is written.
pub(crate) fn split_port(text: &str) -> Result<(&str, Option<u16>), HostError> {
    let end_of_host = text.rfind(']').unwrap_or(0);
    let rest = text.get(end_of_host..).unwrap_or_default();
    match rest.find(':') {
        None => Ok((text, None)),
        Some(at) => {
            let at = end_of_host + at;
            let host = text.get(..at).unwrap_or_default();
            Ok((host, Some(port(text.get(at + 1..).unwrap_or_default())?)))
        }
    }
}

/// Reads a port: decimal digits, no sign, no leading zero, not zero.
pub(crate) fn port(text: &str) -> Result<u16, HostError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if digits { text.parse().map_err(|_| HostError::Port) } else { Err(HostError::Port) }
}

#[cfg(test)]
mod tests {
    use super::{Host, HostError, split_port};

    fn check(text: &str, expect: Result<&str, HostError>) {
        let found = Host::parse(text).map(|host| host.to_string());
        assert_eq!(found, expect.map(str::to_owned), "{text:?}");
    }

    #[test]
    fn one_spelling_per_host() {
        check("example.com", Ok("example.com"));
        check("EXAMPLE.Com.", Ok("example.com"));
        check("my_host.example", Ok("my_host.example"));
        check("xn--bcher-kva.example", Ok("xn--bcher-kva.example"));
        check("10.0.0.1", Ok("10.0.0.1"));
        check("[::1]", Ok("[::1]"));
        check("[0:0:0:0:0:0:0:1]", Ok("[::1]"));
        check("[::ffff:127.0.0.1]", Ok("[::ffff:127.0.0.1]"));
        check("localhost", Ok("localhost"));
    }

    #[test]
    fn other_spellings_are_refused() {
        check("", Err(HostError::Empty));
        check(".", Err(HostError::Empty));
        for text in ["127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.1."] {
            check(text, Err(HostError::Spelling));
        }
        for text in ["1.2.3.4.5", "256.0.0.1", "[::1", "[fe80::1%25eth0]", "[fe80::1%eth0]"] {
            check(text, Err(HostError::Spelling));
        }
        for text in ["a@b", "a%2eb", "a b", "a/b", "b\u{fc}cher.example", "a\0b", "::1", "a:b"] {
            check(text, Err(HostError::Characters));
        }
        for text in ["a..b", ".a", "-a.example", "a-.example", "a.."] {
            assert!(Host::parse(text).is_err(), "{text:?}");
        }
        check(&format!("{}.example", "a".repeat(64)), Err(HostError::Label));
        assert!(Host::parse(&"a.".repeat(200)).is_err());
        assert!(Host::parse("xn--a").is_err());
    }

    #[test]
    fn people_write_letters_of_any_script() {
        let host = Host::written("B\u{dc}CHER.example").map(|host| host.to_string());
        assert_eq!(host, Ok("xn--bcher-kva.example".to_owned()));
        // A full-width digit would become an address.
        assert_eq!(
            Host::written("\u{ff11}27.0.0.1").map(|host| host.to_string()),
            Ok("127.0.0.1".to_owned())
        );
        assert_eq!(Host::written("b\u{fc}cher.example/x"), Err(HostError::Characters));
    }

    #[test]
    fn ports_are_plain_numbers() {
        assert_eq!(split_port("a:80"), Ok(("a", Some(80))));
        assert_eq!(split_port("a"), Ok(("a", None)));
        assert_eq!(split_port("[::1]:80"), Ok(("[::1]", Some(80))));
        assert_eq!(split_port("[::1]"), Ok(("[::1]", None)));
        for text in ["a:", "a:0", "a:080", "a:+80", "a:65536", "a:8 0", "a:80:81", "a:-1"] {
            assert_eq!(split_port(text), Err(HostError::Port), "{text:?}");
        }
    }
}
