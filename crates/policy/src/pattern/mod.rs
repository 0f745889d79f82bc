//! The four kinds of patterns in a rule: names, paths, hosts and argument text.
//!
//! Each file reads one kind, says what is wrong with a bad one, and gives the form the compiler
//! puts into its sets. Nothing here matches a call; `program/` does.

mod glob;
mod host;
mod name;
mod network;
mod path;
mod target;

pub(crate) use glob::text_glob;
pub(crate) use host::{HostPattern, host_of};
pub(crate) use name::NamePattern;
pub(crate) use network::Network;
pub(crate) use path::{PathPattern, PathValue, path_value};
pub(crate) use target::Target;
pub use target::{TargetError, check_target};

/// Longest pattern, in bytes.
pub(crate) const PATTERN_BYTES_MAX: usize = 1_024;

/// Longest text matched by a glob or as a host, in bytes; a longer one is unknown.
pub(crate) const TEXT_BYTES_MAX: usize = 4_096;

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("the pattern is empty")]
    Empty,
    #[error("the pattern is longer than 1024 bytes")]
    TooLong,
    #[error("`{0}` negates, which patterns cannot")]
    Negated(String),
    #[error("`{0}` can never match a path")]
    NeverMatches(String),
    #[error("`{pattern}` is not a glob: {reason}")]
    Glob { pattern: String, reason: String },
    #[error("`{0}` is not a host")]
    Host(String),
}

impl PatternError {
    /// The remedy, where there is one to name.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            PatternError::Negated(_) => Some("use `except` for what a rule leaves out"),
            PatternError::NeverMatches(_) => Some(
                "paths are relative to the root, without `.`, `..`, doubled or trailing slashes; \
                 `docs/**` is everything below `docs`, `.` is the root itself",
            ),
            PatternError::Host(_) => Some(
                "write a name without scheme, port or path, an IP address or a range of them such \
                 as `10.0.0.0/8`, `*` for any host, or `*.example.org` for every name below \
                 `example.org`",
            ),
            PatternError::Empty | PatternError::TooLong | PatternError::Glob { .. } => None,
        }
    }
}
