//! Gives up everything that could undo the set-up: capabilities, new privileges, file access.
//!
//! Done in the first process, so that it and the program hold equally little. Seccomp comes last
//! of all, in the program's own process.

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits,
    set_no_new_privs,
};
use std::os::fd::AsFd;

use super::report::{Fault, Stage};
use crate::plan::{Confinement, Rule};
use crate::sys::landlock;

/// The kernel has 41 today and room for 64; it says `EINVAL` after the last it knows.
pub(super) const CAPABILITIES_MAX: u32 = 64;

/// Empties every capability set and locks the switches that could fill one again.
pub(super) fn drop_capabilities() -> Result<(), Errno> {
    #[cfg(weaken)]
    if !crate::weaken::stands(crate::weaken::Wall::Capabilities) {
        return crate::weaken::keep_capabilities();
    }
    let locked = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    set_capabilities_secure_bits(locked)?;
    for number in 0..CAPABILITIES_MAX {
        match remove_capability_from_bounding_set(capability(number)) {
            Err(Errno::INVAL) => break,
            other => other?,
        }
    }
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    let empty = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, empty)
}

pub(super) fn capability(number: u32) -> CapabilitySet {
    CapabilitySet::from_bits_retain(1_u64.wrapping_shl(number))
}

/// From here on no program can gain privileges by being executed.
pub(super) fn renounce() -> Result<(), Errno> {
    set_no_new_privs(true)
}

/// Adds the rules to the prepared ruleset and puts it in force.
pub(super) fn restrict_files(confinement: &Confinement) -> Result<(), Fault> {
    for (index, rule) in confinement.rules.iter().enumerate() {
        add(confinement, rule).map_err(Fault::at(Stage::Landlock, index))?;
    }
    let all = Fault::at(Stage::Landlock, confinement.rules.len());
    landlock::restrict(confinement.ruleset.as_fd()).map_err(all)
}

fn add(confinement: &Confinement, rule: &Rule) -> Result<(), Errno> {
    let how = OFlags::PATH | OFlags::CLOEXEC;
    let place = rustix::fs::open(rule.path.as_c_str(), how, Mode::empty())?;
    landlock::allow(confinement.ruleset.as_fd(), place.as_fd(), rule.access)
}
