//! What can be typed: one definition that gives the parser, the help and the completion scripts.
//!
//! Nothing is interpreted here; each command turns its own arguments into a request to `runner`.

mod approval;
mod policy;
mod records;
mod secret;
mod ticket;

use std::cell::OnceCell;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::approval::{Approval, Ruled};
pub(crate) use self::policy::{Apply, Explain, Policy};
pub(crate) use self::records::{
    Archive, ArchiveCommand, Audit, Due, Export, Format, Journal, Search,
};
pub(crate) use self::secret::{Secret, SecretValue};
pub(crate) use self::ticket::{
    Attenuate, InspectTicket, Mint, Presented, TicketCommand, VerifyTicket,
};
use crate::configuration::Configuration;

/// Lets agents and automation act: sandboxed, behind a policy, on the record.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, arg_required_else_help = true, disable_help_subcommand = true, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Settings every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  palisade init                                    a policy and a first workflow in this folder
  palisade run examples/release-notes.yaml         run a workflow
  palisade runs show                               what the last run did, step by step
  palisade policy explain exec.run --arg program=git
  palisade audit verify                            check every record of the journal

More: `palisade help exit-codes`, `palisade help environment`, `palisade help config`";

/// Where help shows the settings that every command takes, apart from its own.
const EVERYWHERE: &str = "Options of every command";

/// Settings every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Project folder
    #[arg(
        long,
        short = 'C',
        global = true,
        value_name = "DIR",
        default_value = ".",
        env = "PALISADE_PROJECT",
        help_heading = EVERYWHERE
    )]
    pub(crate) project: PathBuf,
    /// Policy file, instead of the configured one
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    pub(crate) policy: Option<PathBuf>,
    /// Steps that run at the same time
    #[arg(long, global = true, value_name = "N", help_heading = EVERYWHERE)]
    pub(crate) slots: Option<u64>,
    /// Run programs without the sandbox; needs `sandbox.allow_unsafe: true` in your own configuration
    #[arg(long = "unsafe", global = true, help_heading = EVERYWHERE)]
    pub(crate) without_sandbox: bool,
    /// Machine-readable output on standard output
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// What was typed and every other source of settings come to, once a command has asked for it.
    #[arg(skip)]
    pub(crate) configuration: OnceCell<Configuration>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a workflow to its end
    Run(Run),
    /// Runs of this project
    #[command(subcommand)]
    Runs(Runs),
    /// Calls that wait for somebody's approval
    #[command(subcommand)]
    Approval(Approval),
    /// Workflow files
    #[command(subcommand)]
    Workflow(Workflow),
    /// The policy
    #[command(subcommand)]
    Policy(Policy),
    /// The journal as an audit log
    #[command(subcommand)]
    Audit(Audit),
    /// The journal as a database
    #[command(subcommand)]
    Journal(Journal),
    /// Files that steps produced
    #[command(subcommand)]
    Artifact(Artifact),
    /// The sandbox
    #[command(subcommand)]
    Sandbox(Sandbox),
    /// What steps changed: show it, bring it into the project, take it back
    #[command(subcommand)]
    Workspace(Workspace),
    /// Tickets: the right to do something, for a time and a number of uses
    #[command(subcommand)]
    Ticket(TicketCommand),
    /// Secrets that steps may read, by name
    #[command(subcommand)]
    Secret(Secret),
    /// Where programs can run
    #[command(subcommand)]
    Driver(Driver),
    /// The egress proxy of one sandbox; started by this program itself
    #[command(hide = true)]
    EgressProxy,
    /// Check this machine and project, with a fix for everything missing
    Doctor,
    /// Tools, and calling one of them without a workflow file
    #[command(subcommand)]
    Tool(Tool),
    /// Own the project and answer other programs until interrupted
    Serve,
    /// Settings and where they come from
    #[command(subcommand)]
    Config(Config),
    /// Write a starting policy and workflow
    Init {
        /// Folder to write into
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Measure this machine, with a baseline in the same run
    Bench {
        /// What to measure
        #[arg(value_enum)]
        what: Bench,
    },
    /// Print a completion script
    Completion {
        /// For which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Help for a command, or a topic: exit-codes, environment, config
    Help {
        /// A topic or a command
        words: Vec<String>,
    },
}

/// `palisade run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Workflow file
    pub(crate) workflow: PathBuf,
    /// An input, `name=value`; the value is read by the input's type
    #[arg(short = 'i', long = "input", value_name = "NAME=VALUE")]
    pub(crate) inputs: Vec<String>,
    /// A YAML or JSON file with inputs
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) inputs_file: Option<PathBuf>,
    /// A key under which this run happens at most once
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Tickets for the workflow's actions, and for the calls of the run
    #[command(flatten)]
    pub(crate) ticket: Presented,
    /// Act as this agent, `agent:NAME`, which may do less than you; you can approve what it asks for
    #[arg(long = "as", value_name = "AGENT")]
    pub(crate) agent: Option<String>,
    /// Leave the run to wait when all it does is wait for an approval; `runs resume` goes on
    #[arg(long)]
    pub(crate) detach: bool,
}

/// The states of runs, as views have them.
const RUN_STATES: [&str; 6] = ["queued", "running", "waiting", "succeeded", "failed", "cancelled"];

/// A count of which none makes no sense.
fn positive<N: FromStr + From<u8> + PartialOrd>(text: &str) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| *number >= N::from(1));
    number.ok_or_else(|| "it is not a whole number from 1 on".to_owned())
}

/// `palisade runs`.
#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// The latest runs
    List {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = positive::<usize>)]
        limit: usize,
        /// Only runs in this state
        #[arg(long, value_parser = RUN_STATES)]
        state: Option<String>,
    },
    /// A run step by step; the latest without an id
    Show {
        /// Run id or a unique beginning of one
        run: Option<String>,
        /// Also the isolation receipts
        #[arg(long)]
        receipt: bool,
    },
    /// Follow a run until it ends
    Watch {
        /// Run id or a unique beginning of one
        run: Option<String>,
    },
    /// What the steps printed
    Logs {
        /// Run id or a unique beginning of one
        run: Option<String>,
        /// Only this step
        #[arg(long)]
        step: Option<String>,
    },
    /// Why unfinished steps wait
    Explain {
        /// Run id or a unique beginning of one
        run: Option<String>,
    },
    /// Cancel a run
    Cancel {
        /// Run id or a unique beginning of one
        run: String,
        /// Why
        #[arg(long, default_value = "cancelled from the command line")]
        reason: String,
    },
    /// Run failed steps again, and what they held back
    Retry {
        /// Run id or a unique beginning of one
        run: String,
        /// Only this step and what depends on it
        #[arg(long)]
        step: Option<String>,
        /// Tickets for the workflow's actions, which it does again, and for the calls of the run
        #[command(flatten)]
        ticket: Presented,
    },
    /// Continue runs whose process went away
    ///
    /// Without an id every one that can go on, one after the other; those that only wait for an approval are left to
    /// wait. A signal ends it: what it stopped in is cancelled, and what comes after is not begun.
    Resume {
        /// Run id or a unique beginning of one; every interrupted run without it
        run: Option<String>,
        /// Leave the run to wait when all it does is wait for an approval
        #[arg(long)]
        detach: bool,
    },
}

/// `palisade workflow`.
#[derive(Debug, Subcommand)]
pub(crate) enum Workflow {
    /// The JSON Schema of a workflow file, for editors
    Schema,
    /// Check a workflow file without running anything
    Validate {
        /// Workflow file
        file: PathBuf,
    },
}

/// `palisade artifact`.
#[derive(Debug, Subcommand)]
pub(crate) enum Artifact {
    /// Artifacts of a run
    List {
        /// Run id or a unique beginning of one
        run: Option<String>,
    },
    /// Print or save one artifact
    Get {
        /// Path as listed, or a digest
        name: String,
        /// Run id or a unique beginning of one
        #[arg(long)]
        run: Option<String>,
        /// Write to this file instead of standard output; must not exist
        #[arg(long, short = 'o', value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// `palisade sandbox`.
#[derive(Debug, Subcommand)]
pub(crate) enum Sandbox {
    /// What isolation this machine offers, and how to get what is missing
    Probe,
    /// Remove what sandboxes of killed processes left behind
    Sweep,
    /// Run one command in a sandbox, through the gate
    Exec(Exec),
}

/// `palisade sandbox exec`.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// A usual way to be held: ai-provider, code-executor, policy-sandbox, integration-test
    #[arg(long, value_name = "NAME")]
    pub(crate) template: Option<String>,
    /// How tight: strict, standard, strict-net, standard-net
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// What it may reach, such as example.org or 127.0.0.1:8080; the policy must name it too
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    pub(crate) hosts: Vec<String>,
    /// Where: local, container
    #[arg(long, value_name = "NAME")]
    pub(crate) driver: Option<String>,
    /// The container's image, name@sha256:…
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// What the driver may leave out
    #[arg(long, value_name = "GAP", value_delimiter = ',')]
    pub(crate) allow_gaps: Vec<String>,
    /// What is kept of what it changes: none, patch, full
    #[arg(long, value_name = "WHAT")]
    pub(crate) changes: Option<String>,
    /// Print the isolation receipt
    #[arg(long)]
    pub(crate) receipt: bool,
    /// Command and arguments
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<String>,
}

/// `palisade workspace`.
#[derive(Debug, Subcommand)]
pub(crate) enum Workspace {
    /// What the steps of a run changed
    Diff {
        /// Run id or a unique beginning of one; the latest run without it
        run: Option<String>,
        /// Only this step
        step: Option<String>,
        /// The unified diff
        #[arg(long, conflicts_with = "stat")]
        patch: bool,
        /// Only how many of each kind
        #[arg(long)]
        stat: bool,
    },
    /// Bring what a step changed into the project
    Merge(Merge),
    /// Take back what was merged of a step
    Undo {
        /// Run id or a unique beginning of one; the latest run without it
        run: Option<String>,
        /// The step, where several changed something
        step: Option<String>,
    },
}

/// `palisade workspace merge`.
#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// Run id or a unique beginning of one; the latest run without it
    pub(crate) run: Option<String>,
    /// The step, where several changed something
    pub(crate) step: Option<String>,
    /// Only if nobody has to look: tests passed, nothing flagged, at most 500 lines
    #[arg(long, conflicts_with_all = ["include", "include_flagged"])]
    pub(crate) auto: bool,
    /// Say whether it could be done, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A flagged file that may be among it; once for each
    #[arg(long, value_name = "PATH")]
    pub(crate) include: Vec<String>,
    /// Whichever files are flagged may be among it
    #[arg(long)]
    pub(crate) include_flagged: bool,
}

/// `palisade driver`.
#[derive(Debug, Subcommand)]
pub(crate) enum Driver {
    /// The drivers of this build
    List,
    /// Whether each of them works here, and how to get what is missing
    Check,
}

/// `palisade tool`.
#[derive(Debug, Subcommand)]
pub(crate) enum Tool {
    /// Every registered tool
    List,
    /// One tool with the schemas of its arguments and result
    Show {
        /// Tool
        name: String,
    },
    /// Use a tool once, through the gate
    Call(ToolCall),
}

/// `palisade tool call`.
#[derive(Debug, Args)]
pub(crate) struct ToolCall {
    /// Tool
    pub(crate) name: String,
    /// Every argument as one JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) args: Option<String>,
    /// An argument, `name=value`; the value is read by the argument's type
    #[arg(long = "arg", short = 'a', value_name = "NAME=VALUE")]
    pub(crate) arguments: Vec<String>,
    /// Tickets that the call is held against
    #[command(flatten)]
    pub(crate) ticket: Presented,
}

/// `palisade config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// The JSON Schema of a configuration file, for editors
    Schema,
    /// Every setting
    Show {
        /// Also where each value comes from
        #[arg(long)]
        origin: bool,
    },
}

/// `palisade bench`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// Whole steps: claim, run nothing, complete
    Steps,
    /// Appending and verifying records
    Journal,
    /// Starting sandboxes, and containers beside them
    Sandbox,
    /// Starting containers, against a plain `podman run`
    Container,
    /// Deciding calls
    Policy,
    /// Making and checking tickets
    Ticket,
    /// Finding secrets in text
    Redaction,
    /// A whole direct call of `fs.read`, against one fdatasync
    Gate,
}
