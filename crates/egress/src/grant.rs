//! What a sandbox may reach: entries, the rule behind each, and the limits of its proxy.
//!
//! A grant is a value from outside; nothing here asks a policy. One target's text is `target`'s.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::{Class, class, embedded};
use crate::host::Host;
use crate::target::Target;

/// Everything one sandbox may reach. An empty grant opens nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Destinations; the first that fits a request and has bytes left decides.
    pub entries: Vec<Entry>,
    /// Limits of the proxy for this sandbox.
    pub limits: ProxyLimits,
}

/// One destination of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The policy rule that allowed it; every decision of this entry names it.
    pub name: String,
    /// What it opens.
    pub target: Target,
    /// Bytes to and from all destinations of this entry together; `None` is without limit.
    pub bytes: Option<u64>,
}

/// Limits of one proxy. Reaching one ends the connection it concerns, and is told as the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyLimits {
    /// Connections of the sandbox served at once; more wait in the kernel's queue.
    pub connections: u32,
    /// Bytes of a request's head.
    pub head_bytes: u32,
    /// Time from the first byte of a request to the end of its head, and for a TLS greeting.
    pub head_time: Duration,
    /// Time a connection may stay silent.
    pub idle_time: Duration,
    /// Name look-ups at once; a request beyond them is refused.
    pub lookups: u32,
    /// Time for a name's look-up.
    pub lookup_time: Duration,
    /// Time for reaching one address.
    pub dial_time: Duration,
    /// Time the supervisor has to acknowledge a decision.
    pub acknowledge_time: Duration,
    /// Decisions in the proxy's life; after them everything is closed unread.
    pub decisions: u64,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        Self {
            connections: 128,
            head_bytes: 16 * 1024,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(300),
            lookups: 16,
            lookup_time: Duration::from_secs(10),
            dial_time: Duration::from_secs(10),
            acknowledge_time: Duration::from_secs(30),
            decisions: 100_000,
        }
    }
}

impl ProxyLimits {
    /// Threads of a proxy at its limits: one for each connection and look-up, and its own two.
    /// Its process must be allowed so many, or connections beyond are closed unread.
    #[must_use]
    pub fn threads(&self) -> u32 {
        self.connections.saturating_add(self.lookups).saturating_add(2)
    }
}

impl Grant {
    /// The places of the entries that name this host and port, in order.
    pub(crate) fn entries_for(&self, host: &Host, port: u16) -> impl Iterator<Item = usize> {
        let fits = move |(_, entry): &(usize, &Entry)| entry.target.matches(host, port);
        self.entries.iter().enumerate().filter(fits).map(|(at, _)| at)
    }

    /// The class that keeps an address from being dialled, unless the grant opens it.
    ///
    /// A special address is opened by a range of the grant that holds it and lies wholly within
    /// the special range: `0.0.0.0/0` opens no private address. An address that stands for an
    /// IPv4 address needs that one opened as well.
    pub(crate) fn forbidden(&self, address: IpAddr, port: u16) -> Option<Class> {
        let (kind, special) = class(address);
        if kind == Class::Public {
            return None;
        }
        let blocks = self.entries.iter().filter_map(|entry| entry.target.block_at(port));
        let opened = special.is_some_and(|special| {
            blocks.into_iter().any(|block| block.holds(address) && block.within(&special))
        });
        match embedded(address) {
            _ if !opened => Some(kind),
            Some(inner) => self.forbidden(IpAddr::V4(inner), port),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Grant};
    use crate::address::Class;
    use crate::host::Host;
    use crate::target::Target;

    fn grant(targets: &[&str]) -> Grant {
        let entry = |target: &&str| Entry {
            name: "test".to_owned(),
            target: Target::parse(target).unwrap(),
            bytes: None,
        };
        Grant { entries: targets.iter().map(entry).collect(), ..Grant::default() }
    }

    fn check(targets: &[&str], address: &str, port: u16, expect: Option<Class>) {
        let found = grant(targets).forbidden(address.parse().unwrap(), port);
        assert_eq!(found, expect, "{address}:{port} with {targets:?}");
    }

    #[test]
    fn special_addresses_need_a_range_of_their_own() {
        check(&[], "1.1.1.1", 443, None);
        check(&[], "10.0.0.1", 443, Some(Class::Private));
        check(&["example.com"], "10.0.0.1", 443, Some(Class::Private));
        check(&["10.0.0.0/8"], "10.0.0.1", 443, None);
        check(&["10.0.0.0/8"], "10.0.0.1", 8443, Some(Class::Private));
        check(&["10.0.0.0/8:8443"], "10.0.0.1", 8443, None);
        check(&["10.0.0.1"], "10.0.0.2", 443, Some(Class::Private));
        check(&["0.0.0.0/0", "::/0"], "10.0.0.1", 443, Some(Class::Private));
        check(&["0.0.0.0/0", "::/0"], "::1", 443, Some(Class::Loopback));
        check(&["0.0.0.0/0", "::/0"], "4000::1", 443, Some(Class::Reserved));
        check(&["4000::/16"], "4000::1", 443, Some(Class::Reserved));
        check(&["169.254.0.0/16"], "169.254.1.1", 80, None);
        check(&["169.254.0.0/16"], "169.254.169.254", 80, Some(Class::Metadata));
        check(&["169.254.169.254"], "169.254.169.254", 80, None);
        check(&["fc00::/7"], "fd00:ec2::254", 80, Some(Class::Metadata));
    }

    #[test]
    fn an_address_inside_another_needs_both() {
        check(&["127.0.0.1"], "::ffff:127.0.0.1", 80, Some(Class::Embedded));
        check(&["::ffff:0:0/96"], "::ffff:127.0.0.1", 80, Some(Class::Loopback));
        check(&["::ffff:0:0/96", "127.0.0.1"], "::ffff:127.0.0.1", 80, None);
        check(&["::ffff:0:0/96"], "::ffff:1.1.1.1", 80, None);
        check(&["64:ff9b::/96"], "64:ff9b::10.0.0.1", 80, Some(Class::Private));
    }

    #[test]
    fn an_empty_grant_opens_nothing() {
        let host = Host::parse("example.com").unwrap();
        assert_eq!(Grant::default().entries_for(&host, 443).count(), 0);
        assert_eq!(grant(&["*.example.com", "example.com"]).entries_for(&host, 443).count(), 1);
    }
}
