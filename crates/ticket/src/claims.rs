//! What a ticket says, and when that is worth signing at all.
//!
//! Absent restrictions restrict nothing, so minting asks for every one by name. Lists are sorted and without
//! repetition, which gives one set of claims one encoding. Whether a call fits is `verify`'s.

use std::time::Duration;

/// SHA-256 of something a ticket is bound to.
pub type Digest = [u8; 32];

/// Most entries in one list of a ticket.
pub const LIST_MAX: usize = 16;
/// Most bytes in one text of a ticket.
pub(crate) const TEXT_MAX: usize = 255;
/// Usual life of a ticket for tools.
pub const LIFE_TOOL: Duration = Duration::from_secs(30);
/// Usual life of a token for an action workflow.
pub const LIFE_WORKFLOW: Duration = Duration::from_secs(3600);
/// Longest life of any ticket; what it leaves in memory is bounded by it.
pub const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);
/// How far clocks may differ for tokens of action workflows. Tickets for tools allow nothing.
pub const SKEW: Duration = Duration::from_secs(60);

/// A point in time: microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// This long after; the end of time where there is no such point.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Names one ticket. Random at minting; an attenuated ticket's follows from its parent's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Id({self})")
    }
}

impl std::str::FromStr for Id {
    type Err = Unusable;

    fn from_str(text: &str) -> Result<Self, Unusable> {
        let refused = Unusable("a ticket id is 32 hexadecimal digits in lower case");
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut id = [0; 16];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != id.len() || !rest.is_empty() {
            return Err(refused);
        }
        for (slot, [high, low]) in id.iter_mut().zip(pairs) {
            let (Some(high), Some(low)) = (digit(*high), digit(*low)) else { return Err(refused) };
            *slot = high << 4 | low;
        }
        Ok(Self(id))
    }
}

/// What a ticket is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience<'a> {
    /// Calls of these tools.
    Tools(Vec<&'a str>),
    /// Starting this action workflow.
    Workflow(&'a str),
}

/// Claims nobody should sign, and what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub(crate) &'static str);

/// What a ticket says. Texts have 1–255 bytes without control characters, lists at most [`LIST_MAX`] entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims<'a> {
    /// Names the ticket.
    pub id: Id,
    /// Whose authority it is a part of.
    pub tenant: &'a str,
    /// Only within this project.
    pub project: Option<&'a str>,
    /// Only for calls of this principal.
    pub principal: &'a str,
    /// Only for this sandbox or process.
    pub peer: Option<&'a str>,
    /// What for.
    pub audience: Audience<'a>,
    /// Only with exactly these arguments.
    pub arguments: Option<Digest>,
    /// Only for paths at or below these, relative to the project.
    pub paths: Option<Vec<&'a str>>,
    /// Only for these hosts; `*.example.org` is every name below `example.org`.
    pub hosts: Option<Vec<&'a str>>,
    /// What its holder may ask for by name.
    pub scopes: Vec<&'a str>,
    /// Only in a sandbox of this profile.
    pub profile: Option<Digest>,
    /// Only under this policy.
    pub policy: Option<Digest>,
    /// Not valid before.
    pub not_before: Time,
    /// Not valid from this moment on.
    pub expires: Time,
    /// How often it may be used, at least once.
    pub uses: u16,
    /// Counts up with every ticket of its issuer for the principal, from 1.
    pub nonce: u64,
    /// The tenant's epoch; a higher one revokes every ticket before it.
    pub epoch: u32,
}

/// When a ticket is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry(pub Time);

impl<'a> Claims<'a> {
    /// Puts lists into the order in which they are signed.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        let sort = |list: &mut Vec<&'a str>| {
            list.sort_unstable();
            list.dedup();
        };
        if let Audience::Tools(tools) = &mut self.audience {
            sort(tools);
        }
        self.paths.iter_mut().chain(&mut self.hosts).for_each(sort);
        sort(&mut self.scopes);
        self
    }

    /// How far clocks may differ.
    pub(crate) fn skew(&self) -> Duration {
        match self.audience {
            Audience::Tools(_) => Duration::ZERO,
            Audience::Workflow(_) => SKEW,
        }
    }

    /// From when on nobody accepts it, clock skew included.
    #[must_use]
    pub fn dead(&self) -> Expiry {
        Expiry(self.expires.after(self.skew()))
    }

    /// Whether these claims may be signed or believed.
    ///
    /// # Errors
    /// [`Unusable`] names the first thing that is wrong.
    pub fn check(&self) -> Result<(), Unusable> {
        let named = [Some(self.tenant), self.project, Some(self.principal), self.peer];
        named.into_iter().flatten().try_for_each(text)?;
        match &self.audience {
            Audience::Tools(tools) if tools.is_empty() => {
                return Err(Unusable("a ticket names at least one tool"));
            }
            Audience::Tools(tools) => list(tools)?,
            Audience::Workflow(name) => text(name)?,
        }
        list(&self.scopes)?;
        if let Some(paths) = &self.paths {
            listed(paths, path)?;
        }
        if let Some(hosts) = &self.hosts {
            listed(hosts, host)?;
        }
        if self.uses == 0 || self.nonce == 0 {
            return Err(Unusable("uses and nonce count from 1"));
        }
        if self.expires <= self.not_before {
            return Err(Unusable("a ticket ends after it begins"));
        }
        if self.expires > self.not_before.after(LIFE_MAX) {
            return Err(Unusable("a ticket lives 24 hours at most"));
        }
        Ok(())
    }
}

fn text(text: &str) -> Result<(), Unusable> {
    if text.is_empty() || text.len() > TEXT_MAX || text.chars().any(char::is_control) {
        return Err(Unusable("a name has 1 to 255 bytes and no control characters"));
    }
    Ok(())
}

pub(crate) fn list(list: &[&str]) -> Result<(), Unusable> {
    if list.len() > LIST_MAX {
        return Err(Unusable("a list has 16 entries at most"));
    }
    if !list.is_sorted_by(|left, right| left < right) {
        return Err(Unusable("a list is sorted and says nothing twice"));
    }
    list.iter().try_for_each(|one| text(one))
}

/// A list that is there restricts; an empty one would forbid everything and is a mistake.
pub(crate) fn listed(
    entries: &[&str],
    each: fn(&str) -> Result<(), Unusable>,
) -> Result<(), Unusable> {
    if entries.is_empty() {
        return Err(Unusable("a list of paths or hosts that is given is not empty"));
    }
    list(entries)?;
    entries.iter().try_for_each(|one| each(one))
}

/// Relative, and word for word what the gate makes of a path: nothing to be resolved is left in it.
pub(crate) fn path(path: &str) -> Result<(), Unusable> {
    let odd = |part: &str| part.is_empty() || part == "." || part == "..";
    if path.split('/').any(odd) {
        return Err(Unusable(
            "a path is relative to the project, without `.`, `..` or empty parts",
        ));
    }
    Ok(())
}

pub(crate) fn host(host: &str) -> Result<(), Unusable> {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:[]".contains(&byte);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(Unusable("a host is in lower case and ASCII, with `*.` at the start at most"));
    }
    Ok(())
}

/// Whether `path` is `folder` or lies below it.
pub(crate) fn is_within(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether everything `host` names is named by `pattern`; both may begin with `*.`.
pub(crate) fn is_host_of(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        // `*.example.org` covers `a.example.org` and `*.a.example.org`, and itself; not `example.org`.
        Some(suffix) => host == pattern || (host.len() > suffix.len() && host.ends_with(suffix)),
        None => host == pattern,
    }
}
