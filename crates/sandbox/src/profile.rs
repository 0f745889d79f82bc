//! The name of a seccomp profile: how tightly a program is held.
//!
//! Not the filter itself: the allowed calls of each profile, with a reason per call, are data in
//! `seccomp`. What else differs by profile (who may execute files it wrote) is decided where the
//! layer is built.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How tightly a program is held; fixed before it starts and named in the receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The smallest set of calls, and nothing the program wrote can be executed.
    Strict,
    /// Compilers, shells and interpreters run; no network, namespaces, mounts or tracing.
    Standard,
}

impl fmt::Display for Profile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Strict => "strict",
            Self::Standard => "standard",
        })
    }
}
