//! Resource limits: what each process may use by itself.
//! What everything inside may use together is the business of `group`.

use rustix::process::{Resource, Rlimit, getrlimit};

use crate::spec::Limits;

/// Memory a process may lock, in bytes; enough for key handling of usual libraries.
const LOCKED_BYTES: u64 = 8 * 1024 * 1024;
/// Stack of a process: the usual default, and what it may ask for, in bytes.
const STACK_BYTES: u64 = 8 * 1024 * 1024;
const STACK_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Signals that wait, and with them timers, which each keep one ready.
pub(super) const SIGNALS_MAX: u64 = 4096;

/// The limits every program gets, with or without a cgroup.
pub(super) fn always(limits: &Limits) -> Vec<(Resource, Rlimit)> {
    let stack = clamp(Resource::Stack, STACK_BYTES_MAX);
    vec![
        exact(Resource::Core, 0),
        exact(Resource::Nofile, limits.open_files.into()),
        exact(Resource::Fsize, limits.largest_file()),
        exact(Resource::Memlock, LOCKED_BYTES),
        exact(Resource::Sigpending, SIGNALS_MAX),
        exact(Resource::Msgqueue, 0),
        exact(Resource::Rtprio, 0),
        (Resource::Stack, Rlimit { current: Some(STACK_BYTES.min(stack)), maximum: Some(stack) }),
    ]
}

/// The same soft and hard limit, or the caller's own hard limit where that is lower.
pub(super) fn exact(resource: Resource, value: u64) -> (Resource, Rlimit) {
    let value = clamp(resource, value);
    (resource, Rlimit { current: Some(value), maximum: Some(value) })
}

/// The number of processes. The kernel counts them per user *and* user namespace (since 5.14),
/// so the count starts at zero in each sandbox; but it never counts the host's root.
pub(super) fn processes(count: u64) -> Option<(Resource, Rlimit)> {
    (!is_root_of_host()).then(|| exact(Resource::Nproc, count))
}

fn is_root_of_host() -> bool {
    let identity = "0          0 4294967295";
    let whole = std::fs::read_to_string("/proc/self/uid_map")
        .map_or(true, |map| map.split_whitespace().eq(identity.split_whitespace()));
    rustix::process::geteuid().is_root() && whole
}

fn clamp(resource: Resource, value: u64) -> u64 {
    getrlimit(resource).maximum.map_or(value, |hard| hard.min(value))
}
