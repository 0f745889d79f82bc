//! Narrowing: what a ticket's holder may take away from it before handing it on.
//!
//! The set is closed, and each member can only make a ticket do less; that is checked when a narrowing is made and
//! again for each at every verification. A list or binding a narrowing does not name stays as it was.

use sha2::{Digest as _, Sha256};

use crate::claims::{self, Audience, Claims, Digest, Id, Time, Unusable};
use crate::wire::{Reader, write_list, write_text};

/// How often a ticket may be narrowed.
pub const DEPTH_MAX: usize = 8;

const ID_CONTEXT: &[u8] = b"palisade ticket 1 child\0";

const TOOLS: u16 = 1;
const PATHS: u16 = 1 << 1;
const HOSTS: u16 = 1 << 2;
const SCOPES: u16 = 1 << 3;
const ARGUMENTS: u16 = 1 << 4;
const PEER: u16 = 1 << 5;
const NOT_BEFORE: u16 = 1 << 6;
const EXPIRES: u16 = 1 << 7;
const USES: u16 = 1 << 8;
const KNOWN: u16 = (1 << 9) - 1;

/// What becomes less. Absent is: as before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowing<'a> {
    /// Tells apart tickets narrowed alike; random.
    pub salt: u64,
    /// Only these of the tools.
    pub tools: Option<Vec<&'a str>>,
    /// Only these paths, each at or below one of those before.
    pub paths: Option<Vec<&'a str>>,
    /// Only these hosts, each named by those before.
    pub hosts: Option<Vec<&'a str>>,
    /// Only these of the scopes; none, if empty.
    pub scopes: Option<Vec<&'a str>>,
    /// Only with exactly these arguments.
    pub arguments: Option<Digest>,
    /// Only for this sandbox or process.
    pub peer: Option<&'a str>,
    /// Valid later.
    pub not_before: Option<Time>,
    /// Over sooner.
    pub expires: Option<Time>,
    /// Fewer uses; they count for the ticket narrowed as well.
    pub uses: Option<u16>,
}

impl<'a> Narrowing<'a> {
    /// Puts lists into the order in which they are signed.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        let lists = [&mut self.tools, &mut self.paths, &mut self.hosts, &mut self.scopes];
        for list in lists.into_iter().flatten() {
            list.sort_unstable();
            list.dedup();
        }
        self
    }

    fn present(&self) -> u16 {
        let bits = [
            (self.tools.is_some(), TOOLS),
            (self.paths.is_some(), PATHS),
            (self.hosts.is_some(), HOSTS),
            (self.scopes.is_some(), SCOPES),
            (self.arguments.is_some(), ARGUMENTS),
            (self.peer.is_some(), PEER),
            (self.not_before.is_some(), NOT_BEFORE),
            (self.expires.is_some(), EXPIRES),
            (self.uses.is_some(), USES),
        ];
        bits.iter().filter(|(has, _)| *has).fold(0, |bits, (_, bit)| bits | bit)
    }

    /// The claims with this narrowing applied.
    ///
    /// # Errors
    /// What would become wider, or would be of no use.
    pub fn apply(self, claims: &mut Claims<'a>) -> Result<(), Unusable> {
        if self.present() == 0 {
            return Err(Unusable("a narrowing takes something away"));
        }
        if let Some(tools) = self.tools {
            narrow_tools(tools, &mut claims.audience)?;
        }
        if let Some(paths) = self.paths {
            let (within, wide) = (claims::is_within, "a narrowed path lies within those before");
            narrow_list(paths, &mut claims.paths, (claims::path, within), wide)?;
        }
        if let Some(hosts) = self.hosts {
            let (within, wide) = (claims::is_host_of, "a narrowed host is one of those before");
            narrow_list(hosts, &mut claims.hosts, (claims::host, within), wide)?;
        }
        if let Some(scopes) = self.scopes {
            if !scopes.iter().all(|scope| claims.scopes.contains(scope)) {
                return Err(Unusable("a narrowed ticket has no scope its parent has not"));
            }
            claims.scopes = scopes;
        }
        narrow_binding(self.arguments, &mut claims.arguments)?;
        narrow_binding(self.peer, &mut claims.peer)?;
        if self.not_before.is_some_and(|time| time < claims.not_before) {
            return Err(Unusable("a narrowed ticket begins no sooner than its parent"));
        }
        if self.expires.is_some_and(|time| time > claims.expires) {
            return Err(Unusable("a narrowed ticket ends no later than its parent"));
        }
        if self.uses.is_some_and(|uses| uses > claims.uses) {
            return Err(Unusable("a narrowed ticket has no more uses than its parent"));
        }
        claims.not_before = self.not_before.unwrap_or(claims.not_before);
        claims.expires = self.expires.unwrap_or(claims.expires);
        claims.uses = self.uses.unwrap_or(claims.uses);
        claims.check()
    }

    /// With its length before it.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(64);
        body.extend(self.salt.to_be_bytes());
        body.extend(self.present().to_be_bytes());
        for list in [&self.tools, &self.paths, &self.hosts, &self.scopes].into_iter().flatten() {
            write_list(list, &mut body);
        }
        body.extend(self.arguments.iter().flatten());
        self.peer.iter().for_each(|peer| write_text(peer, &mut body));
        for time in [self.not_before, self.expires].into_iter().flatten() {
            body.extend(time.0.to_be_bytes());
        }
        body.extend(self.uses.iter().flat_map(|uses| uses.to_be_bytes()));
        // At most four lists of 4 KiB; a longer one would not fit into a ticket anyway.
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
        [length.to_be_bytes().as_slice(), &body].concat()
    }

    /// Reads what [`Narrowing::write`] wrote.
    pub(crate) fn read(block: &'a [u8]) -> Result<Self, Unusable> {
        let mut from = Reader(block);
        let _length = from.u16()?;
        let salt = from.u64()?;
        let present = from.u16()?;
        if present & !KNOWN != 0 {
            return Err(Unusable("the narrowing has a part this version does not know"));
        }
        let has = |bit: u16| present & bit != 0;
        let narrowing = Self {
            salt,
            tools: has(TOOLS).then(|| from.list()).transpose()?,
            paths: has(PATHS).then(|| from.list()).transpose()?,
            hosts: has(HOSTS).then(|| from.list()).transpose()?,
            scopes: has(SCOPES).then(|| from.list()).transpose()?,
            arguments: has(ARGUMENTS).then(|| from.array()).transpose()?,
            peer: has(PEER).then(|| from.text()).transpose()?,
            not_before: has(NOT_BEFORE).then(|| from.u64()).transpose()?.map(Time),
            expires: has(EXPIRES).then(|| from.u64()).transpose()?.map(Time),
            uses: has(USES).then(|| from.u16()).transpose()?,
        };
        from.end()?;
        Ok(narrowing)
    }
}

fn narrow_tools<'a>(tools: Vec<&'a str>, audience: &mut Audience<'a>) -> Result<(), Unusable> {
    match audience {
        Audience::Tools(before) if tools.iter().all(|tool| before.contains(tool)) => {
            *before = tools;
            Ok(())
        }
        Audience::Tools(_) => Err(Unusable("a narrowed ticket has no tool its parent has not")),
        Audience::Workflow(_) => Err(Unusable("a token for a workflow has no tools")),
    }
}

/// How an entry of a list looks, and when one lies within another.
type Order = (fn(&str) -> Result<(), Unusable>, fn(&str, &str) -> bool);

fn narrow_list<'a>(
    list: Vec<&'a str>,
    before: &mut Option<Vec<&'a str>>,
    (shape, within): Order,
    wide: &'static str,
) -> Result<(), Unusable> {
    claims::listed(&list, shape)?;
    let covered = |one: &str| match before.as_ref() {
        Some(before) => before.iter().any(|wider| within(wider, one)),
        None => true,
    };
    if !list.iter().all(|one| covered(one)) {
        return Err(Unusable(wide));
    }
    *before = Some(list);
    Ok(())
}

fn narrow_binding<T: PartialEq>(wanted: Option<T>, before: &mut Option<T>) -> Result<(), Unusable> {
    match (wanted, before) {
        (Some(wanted), Some(before)) if wanted != *before => {
            Err(Unusable("a narrowed ticket is bound to nothing else than its parent"))
        }
        (Some(wanted), before) => {
            *before = Some(wanted);
            Ok(())
        }
        (None, _) => Ok(()),
    }
}

/// The id of a ticket narrowed by `block`.
pub(crate) fn child(parent: Id, block: &[u8]) -> Id {
    let digest = Sha256::new()
        .chain_update(ID_CONTEXT)
        .chain_update(parent.0)
        .chain_update(block)
        .finalize();
    Id(digest.first_chunk().copied().unwrap_or_default())
}
