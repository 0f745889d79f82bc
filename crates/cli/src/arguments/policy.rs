//! The arguments of `palisade policy`.
//! What they lead to is in `command::policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::positive;
use crate::moment::{self, Moment};

/// `palisade policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Check a policy file
    Check {
        /// Policy file; the one in force without it
        file: Option<PathBuf>,
    },
    /// Run the tests a policy file carries
    Test {
        /// Policy file; the one in force without it
        file: Option<PathBuf>,
        /// Also count which rules, exceptions and argument conditions the tests exercise
        #[arg(long)]
        coverage: bool,
        /// Also change every rule in small ways; fails if the tests miss a change
        #[arg(long)]
        mutate: bool,
    },
    /// Say why one call is, or was, decided as it is
    Explain(Explain),
    /// Show what a second policy file decides differently from a first
    ///
    /// The calls are those of the tests of both files, and calls made from the conditions of both; a difference
    /// that none of them meets is not shown.
    Diff {
        /// Policy file before
        before: PathBuf,
        /// Policy file after
        after: PathBuf,
    },
    /// Decide recorded calls again under another policy file, and show what changes
    Replay {
        /// Policy file to try
        file: PathBuf,
        /// Only calls from then on: 2026-11-21, 2026-11-21T08:00:00Z, or an age such as 7d
        #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
        since: Option<Moment>,
        /// At most this many calls, the newest
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = positive::<usize>)]
        limit: usize,
    },
    /// Put another policy in force, under review
    ///
    /// The new policy has to be valid and pass its own tests. The last 100 recorded calls are decided again, and what
    /// changes is shown. What allows more waits for a second person's approval.
    Apply(Apply),
}

/// `palisade policy explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Tool
    #[arg(required_unless_present = "record", conflicts_with = "record")]
    pub(crate) tool: Option<String>,
    /// A call on record, by the sequence of its `call.decided`, under the rules in force then
    #[arg(long, value_name = "SEQUENCE", conflicts_with_all = ["arguments", "principal", "role", "tag", "mode", "state"])]
    pub(crate) record: Option<u64>,
    /// An argument as rules see it, `name=value`; JSON is taken as JSON where the argument is no text
    #[arg(long = "arg", short = 'a', value_name = "NAME=VALUE")]
    pub(crate) arguments: Vec<String>,
    /// Who calls, with the roles and tags that are registered; this process's user without it
    #[arg(long)]
    pub(crate) principal: Option<String>,
    /// A role of the caller, instead of those that are registered
    #[arg(long)]
    pub(crate) role: Vec<String>,
    /// A tag of the caller, instead of those that are registered
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// The mode of the caller's session
    #[arg(long)]
    pub(crate) mode: Option<String>,
    /// The state of the caller's session
    #[arg(long)]
    pub(crate) state: Option<String>,
}

/// `palisade policy apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// File with the new policy
    pub(crate) file: PathBuf,
    /// Confirm without being asked
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
    /// What has to be typed where more than five recorded calls would be denied
    #[arg(long, value_name = "TEXT")]
    pub(crate) phrase: Option<String>,
    /// Ask as this agent, `agent:NAME`; somebody else then approves it in any case
    #[arg(long = "as", value_name = "AGENT")]
    pub(crate) agent: Option<String>,
    /// Leave it to wait when all it does is wait for an approval; `runs resume` goes on
    #[arg(long)]
    pub(crate) detach: bool,
    /// Only show what would change
    #[arg(long)]
    pub(crate) dry_run: bool,
}
