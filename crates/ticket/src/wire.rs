//! Claims as bytes: fixed order, big-endian, every length stated, one encoding for one meaning.
//!
//! There are no keys, so none can be there twice or unknown; a bit or tag without a meaning is refused, and so is
//! anything left over. Reading allocates for lists only. Signatures are not looked at here.

use crate::claims::{Audience, Claims, Digest, Id, LIST_MAX, Time, Unusable};

const TOOLS: u8 = 1;
const WORKFLOW: u8 = 2;
const PROJECT: u8 = 1;
const PEER: u8 = 1 << 1;
const ARGUMENTS: u8 = 1 << 2;
const PATHS: u8 = 1 << 3;
const HOSTS: u8 = 1 << 4;
const PROFILE: u8 = 1 << 5;
const POLICY: u8 = 1 << 6;

const CUT: Unusable = Unusable("the claims are cut short");
const ODD: Unusable = Unusable("the claims have a part this version does not know");
const MORE: Unusable = Unusable("the claims are followed by something else");

/// Bytes being read from the front.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Unusable> {
        let (first, rest) = self.0.split_first_chunk().ok_or(CUT)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Unusable> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Unusable> {
        let (first, rest) = self.0.split_at_checked(length).ok_or(CUT)?;
        self.0 = rest;
        Ok(first)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Unusable> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Unusable> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Unusable> {
        let length = self.byte()?;
        let bytes = self.bytes(usize::from(length))?;
        std::str::from_utf8(bytes).map_err(|_| Unusable("a name is UTF-8"))
    }

    pub(crate) fn list(&mut self) -> Result<Vec<&'a str>, Unusable> {
        let count = usize::from(self.byte()?);
        if count > LIST_MAX {
            return Err(Unusable("a list has 16 entries at most"));
        }
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(self.text()?);
        }
        Ok(list)
    }

    pub(crate) fn end(&self) -> Result<(), Unusable> {
        if self.0.is_empty() { Ok(()) } else { Err(MORE) }
    }
}

/// Reads claims and checks them.
pub(crate) fn read(bytes: &[u8]) -> Result<Claims<'_>, Unusable> {
    let mut from = Reader(bytes);
    let (kind, present) = (from.byte()?, from.byte()?);
    if present & (1 << 7) != 0 {
        return Err(ODD);
    }
    let has = |bit: u8| present & bit != 0;
    let id = Id(from.array()?);
    let (not_before, expires) = (Time(from.u64()?), Time(from.u64()?));
    let epoch = u32::from_be_bytes(from.array()?);
    let (nonce, uses) = (from.u64()?, from.u16()?);
    let tenant = from.text()?;
    let project = has(PROJECT).then(|| from.text()).transpose()?;
    let principal = from.text()?;
    let peer = has(PEER).then(|| from.text()).transpose()?;
    let audience = match kind {
        TOOLS => Audience::Tools(from.list()?),
        WORKFLOW => Audience::Workflow(from.text()?),
        _ => return Err(ODD),
    };
    let arguments: Option<Digest> = has(ARGUMENTS).then(|| from.array()).transpose()?;
    let paths = has(PATHS).then(|| from.list()).transpose()?;
    let hosts = has(HOSTS).then(|| from.list()).transpose()?;
    let scopes = from.list()?;
    let profile = has(PROFILE).then(|| from.array()).transpose()?;
    let policy = has(POLICY).then(|| from.array()).transpose()?;
    from.end()?;
    let claims = Claims {
        id,
        tenant,
        project,
        principal,
        peer,
        audience,
        arguments,
        paths,
        hosts,
        scopes,
        profile,
        policy,
        not_before,
        expires,
        uses,
        nonce,
        epoch,
    };
    claims.check()?;
    Ok(claims)
}

/// Writes claims that were checked.
pub(crate) fn write(claims: &Claims<'_>, to: &mut Vec<u8>) {
    let present = [
        (claims.project.is_some(), PROJECT),
        (claims.peer.is_some(), PEER),
        (claims.arguments.is_some(), ARGUMENTS),
        (claims.paths.is_some(), PATHS),
        (claims.hosts.is_some(), HOSTS),
        (claims.profile.is_some(), PROFILE),
        (claims.policy.is_some(), POLICY),
    ];
    to.push(match claims.audience {
        Audience::Tools(_) => TOOLS,
        Audience::Workflow(_) => WORKFLOW,
    });
    to.push(present.iter().filter(|(has, _)| *has).fold(0, |bits, (_, bit)| bits | bit));
    to.extend(claims.id.0);
    to.extend(claims.not_before.0.to_be_bytes());
    to.extend(claims.expires.0.to_be_bytes());
    to.extend(claims.epoch.to_be_bytes());
    to.extend(claims.nonce.to_be_bytes());
    to.extend(claims.uses.to_be_bytes());
    write_text(claims.tenant, to);
    claims.project.iter().for_each(|one| write_text(one, to));
    write_text(claims.principal, to);
    claims.peer.iter().for_each(|one| write_text(one, to));
    match &claims.audience {
        Audience::Tools(tools) => write_list(tools, to),
        Audience::Workflow(name) => write_text(name, to),
    }
    to.extend(claims.arguments.iter().flatten());
    claims.paths.iter().for_each(|list| write_list(list, to));
    claims.hosts.iter().for_each(|list| write_list(list, to));
    write_list(&claims.scopes, to);
    to.extend(claims.profile.iter().flatten());
    to.extend(claims.policy.iter().flatten());
}

/// Lengths were checked: texts have at most 255 bytes and lists at most 16 entries.
pub(crate) fn write_text(text: &str, to: &mut Vec<u8>) {
    to.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    to.extend(text.as_bytes());
}

pub(crate) fn write_list(list: &[&str], to: &mut Vec<u8>) {
    to.push(u8::try_from(list.len()).unwrap_or(u8::MAX));
    list.iter().for_each(|one| write_text(one, to));
}
