//! Which system calls a sandboxed program may make: allowlists, compiled once, installed last.
//!
//! The lists are data with a reason per call: `strict.rs`, `standard.rs`, `net.rs`, `proxy.rs`,
//! and `refused.rs` for what no profile allows; `rule.rs` has their words, `number.rs` the numbers, `emit.rs` the compiler,
//! `table.rs` the verdicts and `conformance.rs` the page printed from them. Nothing is installed
//! here: the launcher hands [`Filter::instructions`] to the kernel, after `no_new_privs`.
//!
//! Killed are only calls of a foreign table: another architecture's (i386 by `int 0x80`) or x32's.
//! Every other refused call gets an error number, so that programs can say what failed.

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("system call numbers are known for x86_64 and aarch64 only");

mod conformance;
mod emit;
#[cfg(test)]
mod equivalence;
mod internet;
#[cfg(test)]
mod interpreter;
mod net;
mod number;
mod oci;
mod proxy;
mod refused;
mod rule;
mod standard;
mod strict;
mod table;

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use self::number::Architecture;
use crate::profile::Profile;

pub use self::conformance::conformance_table;
pub use self::oci::container_profile;
pub use self::rule::{Case, Condition, Errno, Rule, Width};
pub use self::table::{Verdict, table, verdict};

/// A compiled filter of this machine's architecture, ready for `seccomp(SECCOMP_SET_MODE_FILTER)`.
#[derive(Debug)]
pub struct Filter {
    /// The program, at most 4096 instructions, in the kernel's own layout.
    pub instructions: Box<[libc::sock_filter]>,
    /// SHA-256 of the instructions' bytes as the kernel receives them; named in the receipt.
    pub digest: [u8; 32],
}

/// The filter of a profile, compiled at the first call.
///
/// Call it before a process is cloned: a child must not wait for a lock its parent's threads hold.
pub fn filter(profile: Profile) -> &'static Filter {
    static STRICT: LazyLock<Filter> = LazyLock::new(|| compile(Profile::Strict));
    static STANDARD: LazyLock<Filter> = LazyLock::new(|| compile(Profile::Standard));
    static STANDARD_NET: LazyLock<Filter> = LazyLock::new(|| compile(Profile::StandardNet));
    static STRICT_NET: LazyLock<Filter> = LazyLock::new(|| compile(Profile::StrictNet));
    static PROXY: LazyLock<Filter> = LazyLock::new(|| compile(Profile::Proxy));
    match profile {
        Profile::Strict => &STRICT,
        Profile::Standard => &STANDARD,
        Profile::StandardNet => &STANDARD_NET,
        Profile::StrictNet => &STRICT_NET,
        Profile::Proxy => &PROXY,
    }
}

fn compile(profile: Profile) -> Filter {
    let architecture = Architecture::NATIVE;
    let instructions = emit::emit(architecture, table::rules(profile, architecture));
    let mut hash = Sha256::new();
    for instruction in &instructions {
        hash.update(instruction.code.to_ne_bytes());
        hash.update([instruction.jt, instruction.jf]);
        hash.update(instruction.k.to_ne_bytes());
    }
    Filter { instructions: instructions.into(), digest: hash.finalize().into() }
}
