//! Hosts: patterns, and the canonical host of a URL or host argument.
//!
//! Everything is parsed by the rules of the WHATWG URL standard once, so that `HTTP://EXAMPLE.org.`,
//! Unicode names and the many spellings of an IP address each become one text. A name is never
//! resolved to an address here; that happens after the decision, at the proxy.

use std::fmt;

use url::{Host, Url};

use super::network::Network;
use super::{PATTERN_BYTES_MAX, PatternError, TEXT_BYTES_MAX};

/// One entry of `host`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum HostPattern {
    /// `*`: any host, an address too.
    Any,
    /// `*.example.org`: one or more labels below the name, never an address.
    Below(String),
    /// One name or address, canonical.
    Exact(String),
    /// `10.0.0.0/8`: every address of the range.
    Within(Network),
}

impl fmt::Display for HostPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Any => out.write_str("*"),
            HostPattern::Below(name) => write!(out, "*.{name}"),
            HostPattern::Exact(name) => out.write_str(name),
            HostPattern::Within(network) => write!(out, "{network}"),
        }
    }
}

impl HostPattern {
    /// Reads one entry: no scheme, port, path or user.
    pub(crate) fn parse(text: &str) -> Result<HostPattern, PatternError> {
        let bad = || PatternError::Host(text.to_owned());
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong);
        }
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        if text.contains('/') {
            return Network::parse(text).map(HostPattern::Within).ok_or_else(bad);
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let is_address = name.parse::<std::net::Ipv6Addr>().is_ok();
        let name = if is_address { format!("[{name}]") } else { name.to_owned() };
        if name.contains('*')
            || name.contains('%')
            || (!name.starts_with('[') && name.contains(':'))
        {
            return Err(bad());
        }
        let host = Host::parse(&name).map_err(|_| bad())?;
        match (below, host) {
            (true, host @ Host::Domain(_)) => {
                canonical(&host).map(HostPattern::Below).ok_or_else(bad)
            }
            (true, Host::Ipv4(_) | Host::Ipv6(_)) => Err(bad()),
            (false, host) => canonical(&host).map(HostPattern::Exact).ok_or_else(bad),
        }
    }
}

/// The canonical host of an argument, a URL or a host with or without a port.
///
/// `None` where there is none to be sure of: another scheme than HTTP, user information, a text
/// longer than 4 KiB, or no host at all.
pub(crate) fn host_of(text: &str) -> Option<String> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let url = if text.contains("://") {
        Url::parse(text).ok()?
    } else {
        if text.contains(|letter: char| letter <= ' ' || "/\\?#@".contains(letter)) {
            return None;
        }
        Url::parse(&format!("http://{text}/")).ok()?
    };
    let plain = url.username().is_empty() && url.password().is_none();
    if !plain || !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    canonical(&url.host()?)
}

/// One text for one host: no trailing dot; an IPv4 address inside an IPv6 one is that address.
fn canonical<S: AsRef<str>>(host: &Host<S>) -> Option<String> {
    match host {
        Host::Domain(name) => {
            let name = name.as_ref();
            let name = name.strip_suffix('.').unwrap_or(name);
            let sound = !name.is_empty() && !name.starts_with('.') && !name.ends_with('.');
            sound.then(|| name.to_owned())
        }
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(match address.to_ipv4_mapped() {
            Some(inner) => inner.to_string(),
            None => format!("[{address}]"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{HostPattern, Network, host_of};

    #[test]
    fn one_host_has_one_text() {
        for (text, expected) in [
            ("https://docs.rs/serde", Some("docs.rs")),
            ("HTTP://DOCS.RS", Some("docs.rs")),
            ("http://docs.rs.:8080/", Some("docs.rs")),
            ("docs.rs", Some("docs.rs")),
            ("docs.rs:443", Some("docs.rs")),
            ("b\u{fc}cher.example", Some("xn--bcher-kva.example")),
            ("http://B\u{dc}CHER.example", Some("xn--bcher-kva.example")),
            ("http:\\\\docs.rs\\x", None),
            ("http://docs.rs\\@evil.test/", Some("docs.rs")),
            ("http://d%6fcs.rs/", Some("docs.rs")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("http://2130706433/", Some("127.0.0.1")),
            ("http://0x7f.1/", Some("127.0.0.1")),
            ("http://0177.0.0.1/", Some("127.0.0.1")),
            ("http://127.1/", Some("127.0.0.1")),
            ("http://127.0.0.1./", Some("127.0.0.1")),
            ("http://[::1]/", Some("[::1]")),
            ("http://[0:0:0:0:0:0:0:1]/", Some("[::1]")),
            ("http://[::ffff:127.0.0.1]/", Some("127.0.0.1")),
            ("[::1]:80", Some("[::1]")),
            ("http://user@docs.rs/", None),
            ("http://user:pass@docs.rs/", None),
            ("http://:pass@docs.rs/", None),
            ("ftp://docs.rs/", None),
            ("file:///etc/passwd", None),
            ("javascript:alert(1)", None),
            ("http:docs.rs", None),
            ("docs.rs/x", None),
            ("docs .rs", None),
            ("a@docs.rs", None),
            ("http://256.1.1.1/", None),
            ("http://", None),
            ("", None),
            ("..", None),
            ("http://a..", None),
        ] {
            assert_eq!(host_of(text).as_deref(), expected, "{text}");
        }
        assert_eq!(host_of(&format!("http://a.test/{}", "x".repeat(4096))), None);
    }

    #[test]
    fn entries_name_hosts_and_nothing_more() {
        let exact = |text: &str| Some(HostPattern::Exact(text.to_owned()));
        let below = |text: &str| Some(HostPattern::Below(text.to_owned()));
        for (text, expected) in [
            ("*", Some(HostPattern::Any)),
            ("docs.rs", exact("docs.rs")),
            ("DOCS.RS.", exact("docs.rs")),
            ("*.python.org", below("python.org")),
            ("*.B\u{fc}cher.example", below("xn--bcher-kva.example")),
            ("0x7f.1", exact("127.0.0.1")),
            ("::1", exact("[::1]")),
            ("[::1]", exact("[::1]")),
            ("::ffff:10.0.0.1", exact("10.0.0.1")),
            ("10.0.0.0/8", Network::parse("10.0.0.0/8").map(HostPattern::Within)),
            ("10.0.0.1/8", None),
            ("*.10.0.0.1", None),
            ("docs.*", None),
            ("*docs.rs", None),
            ("*.*.rs", None),
            ("*.", None),
            (".", None),
            ("", None),
            ("https://docs.rs", None),
            ("docs.rs:443", None),
            ("docs.rs/x", None),
            ("a@docs.rs", None),
            ("d%6fcs.rs", None),
        ] {
            assert_eq!(HostPattern::parse(text).ok(), expected, "{text}");
        }
    }
}
