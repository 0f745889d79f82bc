//! What can be typed about tickets: making, narrowing, reading, checking and revoking them.
//!
//! The text of a ticket is a secret: nothing here shows one.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Tickets somebody hands in. The environment and a file keep them out of the list of processes.
#[derive(Clone, Args)]
pub(crate) struct Presented {
    /// A ticket, once for each; better in PALISADE_TICKET or a file, which the list of processes does not show
    #[arg(long, value_name = "TICKET", env = "PALISADE_TICKET", hide_env_values = true)]
    pub(crate) ticket: Vec<String>,
    /// A file that holds tickets, one on each line; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) ticket_file: Vec<PathBuf>,
}

// Not derived: the text of a ticket is a secret.
impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Presented({})", self.ticket.len() + self.ticket_file.len())
    }
}

/// `palisade ticket`.
#[derive(Debug, Subcommand)]
pub(crate) enum TicketCommand {
    /// Make a ticket, where the policy allows it
    Mint(Mint),
    /// Make a narrower ticket of one; needs no key, but for a signed one that of this project
    Attenuate(Attenuate),
    /// What a ticket says, whether or not it is valid
    Inspect(InspectTicket),
    /// Whether a ticket is valid here and now, and good for a call
    Verify(VerifyTicket),
    /// Revoke a ticket, or all of them
    Revoke {
        /// The ticket's id or a unique beginning of one
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// Every ticket of this project
        #[arg(long)]
        all: bool,
        /// With `--all`: confirm without being asked
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// Make a new secret to sign tickets with
    Rotate {
        /// Remove the secrets before it; their tickets are void at once
        #[arg(long)]
        retire: bool,
        /// A new key pair, for tickets that leave this machine
        #[arg(long)]
        signed: bool,
        /// With `--retire`: confirm without being asked
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// The public keys with which others check the signed tickets of this project
    Key,
}

/// `palisade ticket inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectTicket {
    #[command(flatten)]
    pub(crate) ticket: Presented,
    /// Require that it is signed with a key of this file, as `ticket key` prints them
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// What a ticket is good for.
#[derive(Debug, Clone, Args)]
pub(crate) struct Bounds {
    /// A path at or below which it is good; once for each
    #[arg(long = "path", value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// A host it may reach; once for each
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// A scope; once for each
    #[arg(long = "scope", value_name = "NAME")]
    pub(crate) scopes: Vec<String>,
}

/// `palisade ticket mint`.
#[derive(Debug, Args)]
pub(crate) struct Mint {
    /// A tool it is for; once for each
    #[arg(long = "tool", value_name = "TOOL", required_unless_present = "workflow")]
    pub(crate) tools: Vec<String>,
    /// The workflow with actions it is for
    #[arg(long, visible_alias = "action", value_name = "NAME", conflicts_with = "tools")]
    pub(crate) workflow: Option<String>,
    /// Only with exactly these arguments of its one tool, as one JSON object; `tool call` takes the same
    #[arg(long, value_name = "JSON", conflicts_with = "workflow")]
    pub(crate) args: Option<String>,
    /// One of these arguments, `name=value`; the value is read by the argument's type
    #[arg(long = "arg", short = 'a', value_name = "NAME=VALUE", conflicts_with = "workflow")]
    pub(crate) arguments: Vec<String>,
    /// Who may use it; you, without it
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    #[command(flatten)]
    pub(crate) bounds: Bounds,
    /// How long it lives, at most 24h; 30s for tools and 1h for a workflow without it
    #[arg(long, value_name = "TIME")]
    pub(crate) life: Option<String>,
    /// How often it may be used
    #[arg(long, value_name = "N")]
    pub(crate) uses: Option<u16>,
    /// Only while the policy stays as it is
    #[arg(long)]
    pub(crate) this_policy: bool,
    /// Sign it with the project's key pair, so that others can check it with the public key
    #[arg(long)]
    pub(crate) signed: bool,
}

/// `palisade ticket attenuate`.
#[derive(Debug, Args)]
pub(crate) struct Attenuate {
    #[command(flatten)]
    pub(crate) ticket: Presented,
    /// A tool that is left; once for each
    #[arg(long = "tool", value_name = "TOOL")]
    pub(crate) tools: Vec<String>,
    #[command(flatten)]
    pub(crate) bounds: Bounds,
    /// No scope is left
    #[arg(long, conflicts_with = "scopes")]
    pub(crate) no_scopes: bool,
    /// How long it lives from now on
    #[arg(long, value_name = "TIME")]
    pub(crate) life: Option<String>,
    /// How often it may be used
    #[arg(long, value_name = "N")]
    pub(crate) uses: Option<u16>,
}

/// `palisade ticket verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyTicket {
    #[command(flatten)]
    pub(crate) ticket: Presented,
    /// Good for a call of this tool?
    #[arg(long, value_name = "TOOL")]
    pub(crate) tool: Option<String>,
    /// Good for starting this workflow?
    #[arg(long, visible_alias = "action", value_name = "NAME", conflicts_with = "tool")]
    pub(crate) workflow: Option<String>,
    /// Good in the hands of this principal?
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    #[command(flatten)]
    pub(crate) bounds: Bounds,
    /// Check it without this project, with the public keys of this file, as `ticket key` prints them
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}
