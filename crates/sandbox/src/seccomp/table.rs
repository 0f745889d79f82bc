//! The lists joined: for a profile, every system call with its verdict and the reason.
//!
//! Not the lists themselves (`strict.rs` and its neighbours) and not the compiled form
//! (`emit.rs`). `docs/syscalls.md` is printed from here by `conformance.rs`.

use std::collections::BTreeMap;

use super::number::{Architecture, SYSCALLS};
use super::rule::{Entry, Errno, Rule, refuse};
use super::{net, proxy, refused, standard, strict};
use crate::profile::Profile;

/// The verdict of a profile on one system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The kernel's name of the call, without prefix.
    pub name: &'static str,
    /// Its number on x86_64, if it has one there.
    pub x86_64: Option<u32>,
    /// Its number on aarch64, if it has one there.
    pub aarch64: Option<u32>,
    /// Allowed, allowed for some arguments, or refused.
    pub rule: Rule,
    /// The reason, a fragment of English.
    pub why: &'static str,
}

/// The verdicts of a profile on every system call Palisade knows, in the order of the x86_64
/// numbers. A number without a line here is answered `ENOSYS`, as an older kernel would.
pub fn table(profile: Profile) -> impl Iterator<Item = Verdict> {
    let entries = entries(profile);
    SYSCALLS.iter().map(move |call| {
        let unlisted = refuse(call.name, "in no list");
        let Entry { rule, why, .. } = *entries.get(call.name).unwrap_or(&unlisted);
        Verdict { name: call.name, x86_64: call.x86_64, aarch64: call.aarch64, rule, why }
    })
}

/// The verdict of a profile on the call of this name; `None` for a name that is no system call.
pub fn verdict(profile: Profile, name: &str) -> Option<Verdict> {
    table(profile).find(|verdict| verdict.name == name)
}

/// The rules of a profile by call number on one architecture, in no particular order.
pub(super) fn rules(profile: Profile, architecture: Architecture) -> Vec<(u32, Rule)> {
    let entries = entries(profile);
    let unlisted = Rule::Refuse(Errno::NotPermitted);
    SYSCALLS
        .iter()
        .filter_map(|call| {
            let rule = entries.get(call.name).map_or(unlisted, |entry| entry.rule);
            Some((call.number(architecture)?, rule))
        })
        .collect()
}

/// Later lists win: `standard` widens `strict`, the profiles with a network widen those, and what
/// only `standard` allows is refused by `strict` and its kind.
fn entries(profile: Profile) -> BTreeMap<&'static str, Entry> {
    let beyond = |entry: &Entry| refuse(entry.name, "beyond what `strict` needs");
    let refused = refused::ENTRIES.iter().copied();
    let named = |entry: Entry| (entry.name, entry);
    let own: &[Entry] = match profile {
        Profile::Strict | Profile::Standard => &[],
        Profile::StandardNet | Profile::StrictNet => net::ENTRIES,
        Profile::Proxy => proxy::ENTRIES,
    };
    let standard = standard::ENTRIES.iter();
    let (before, after): (Vec<Entry>, &[Entry]) = match profile {
        Profile::Strict | Profile::StrictNet | Profile::Proxy => {
            (standard.map(beyond).collect(), &[])
        }
        Profile::Standard | Profile::StandardNet => (Vec::new(), standard::ENTRIES),
    };
    before
        .into_iter()
        .chain(refused)
        .chain(strict::ENTRIES.iter().copied())
        .chain(after.iter().copied())
        .chain(own.iter().copied())
        .map(named)
        .collect()
}
