//! The name of a seccomp profile: how tightly a program is held.
//!
//! Not the filter itself: the allowed calls of each profile, with a reason per call, are data in
//! `seccomp`. What else differs by profile (who may execute files it wrote, what of the host is
//! shown) is decided where the layer is built; which network goes with which, in `check`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How tightly a program is held; fixed before it starts and named in the receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The smallest set of calls, and nothing the program wrote can be executed.
    Strict,
    /// Compilers, shells and interpreters run; no network, namespaces, mounts or tracing.
    Standard,
    /// As `standard`, with TCP inside the sandbox, where an egress proxy may listen.
    StandardNet,
    /// As `strict`, with the same.
    StrictNet,
    /// The egress proxy's own process: outgoing connections and name lookup, no file is written, and
    /// nothing is executed but what was mounted for it. Nothing of the project is shown.
    Proxy,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 5] =
        [Self::Strict, Self::Standard, Self::StrictNet, Self::StandardNet, Self::Proxy];

    /// The name in documents, text and machine output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Standard => "standard",
            Self::StandardNet => "standard-net",
            Self::StrictNet => "strict-net",
            Self::Proxy => "proxy",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
