//! What can be typed about records: finding, exporting and archiving them.
//!
//! Nothing is interpreted here but moments, ages and sizes, by `moment`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::positive;
use crate::moment::{self, Moment};

/// `palisade audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// The newest records
    Tail {
        /// How many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
        count: u64,
        /// Keep printing new records
        #[arg(long, short = 'f')]
        follow: bool,
    },
    /// Records that match, the newest first
    Search(Search),
    /// Check records against their hashes and each other
    #[command(group(clap::ArgGroup::new("kept").args(["proof", "disclosure", "checkpoint"])))]
    Verify {
        /// Only the newest N records
        #[arg(long, value_name = "N", value_parser = positive::<u64>)]
        tail: Option<u64>,
        /// Only what came after the checkpoint in this file, by `--write-checkpoint`, which must still be true
        #[arg(long, value_name = "FILE", conflicts_with = "tail")]
        since: Option<PathBuf>,
        /// A checkpoint kept elsewhere, signed or not; finds truncation and rewriting
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Write an unsigned checkpoint of what was verified; the file must not exist
        #[arg(long, value_name = "FILE")]
        write_checkpoint: Option<PathBuf>,
        /// Check the proof of one record instead; needs no journal, only `--key`
        #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = ["tail", "since", "checkpoint", "write_checkpoint"])]
        proof: Option<PathBuf>,
        /// Check the disclosure of one value instead; needs no journal, only `--key`
        #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = ["tail", "since", "checkpoint", "write_checkpoint", "proof"])]
        disclosure: Option<PathBuf>,
        /// The public key of the node that signed what was kept elsewhere, or a file with it; for a checkpoint this
        /// project's own without it
        #[arg(long, value_name = "KEY", requires = "kept")]
        key: Option<String>,
    },
    /// Sign what is recorded and print the checkpoint
    Checkpoint {
        /// Into a file, which must not exist
        #[arg(long, short = 'o', value_name = "FILE")]
        output: Option<PathBuf>,
        /// Of the log of logs, which stands for all tenants
        #[arg(long)]
        all: bool,
        /// Print the public key instead
        #[arg(long, conflicts_with_all = ["output", "all"])]
        key: bool,
    },
    /// Prove to somebody with the public key that a record is in the log, or that the log only grew
    #[command(group(clap::ArgGroup::new("what").required(true).args(["sequence", "since"])))]
    Prove {
        /// The record
        #[arg(value_name = "SEQUENCE", value_parser = positive::<u64>)]
        sequence: Option<u64>,
        /// Into a file, which must not exist; by custom `NAME.tlog-proof`
        #[arg(long, short = 'o', value_name = "FILE")]
        output: Option<PathBuf>,
        /// A signed checkpoint kept elsewhere, from which the log has only grown
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
    },
    /// Prove to somebody with the public key what a value was that was taken out of a record
    Disclose {
        /// A record of type `redaction.committed`
        #[arg(value_name = "SEQUENCE")]
        sequence: u64,
        /// Which of its values, by its place, such as /outputs/token
        #[arg(long, value_name = "POINTER")]
        field: Option<String>,
        /// A file with the value as JSON, where only its salt is kept
        #[arg(long, value_name = "FILE")]
        value: Option<PathBuf>,
        /// Into a file, which must not exist
        #[arg(long, short = 'o', value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Erase what opens commitments, for good: nobody can prove or guess these values any more
    #[command(group(clap::ArgGroup::new("which").required(true).args(["run", "all"])))]
    Erase {
        /// Of this run: its id or a unique beginning of one
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
        /// Of every run
        #[arg(long)]
        all: bool,
    },
    /// Write the log as a folder of tiles (C2SP tlog-tiles), for a web server or an auditor
    Tiles {
        /// Where to; what is there already is not written again
        folder: PathBuf,
    },
    /// Put the newest checkpoint where nobody on this machine can change it, and record the receipt
    #[command(group(clap::ArgGroup::new("place").required(true).args(["file", "git"])))]
    Anchor {
        /// Into a file, say on another machine's disk
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Into a git repository: a path or an address to push to
        #[arg(long, value_name = "REPOSITORY")]
        git: Option<String>,
        /// The branch
        #[arg(long, default_value = "checkpoints", requires = "git")]
        branch: String,
    },
    /// Every record for another program
    Export(Export),
}

/// `palisade audit search`.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Only event types that begin so, such as `step.` or `step.denied`
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Only records of this principal
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) principal: Option<String>,
    /// Only records of this run: its id or a unique beginning of one
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// When
    #[command(flatten)]
    pub(crate) period: Period,
    /// Only records with this in their payload
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = positive::<usize>)]
    pub(crate) limit: usize,
}

/// A period of time.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Period {
    /// From then on: 2026-11-21, 2026-11-21T08:00:00Z, or an age such as 90d
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    pub(crate) since: Option<Moment>,
    /// Before then
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    pub(crate) until: Option<Moment>,
}

/// `palisade audit export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// First sequence
    #[arg(long, value_name = "SEQUENCE", default_value_t = 1)]
    pub(crate) from: u64,
    /// As what
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    pub(crate) format: Format,
    /// When
    #[command(flatten)]
    pub(crate) period: Period,
    /// Write to this file instead of standard output; must not exist
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What records are exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line of JSON each, with the payload as it was recorded
    Ndjson,
    /// Events of the Open Cybersecurity Schema Framework 1.6
    Ocsf,
}

/// `palisade journal`.
#[derive(Debug, Subcommand)]
pub(crate) enum Journal {
    /// Recreate every derived table from the records
    Rebuild {
        /// Only say whether they are as the records imply
        #[arg(long)]
        check: bool,
    },
    /// Move old records into files beside the journal, where they go on being read and verified
    Archive(Archive),
    /// Copy the journal while it is in use
    Backup {
        /// Where to; must not exist
        destination: PathBuf,
    },
    /// Make a backup the journal of a project that has none, apart from the one it was taken from
    Restore {
        /// A folder written by `palisade journal backup`
        backup: PathBuf,
    },
}

/// `palisade journal archive`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Archive {
    /// What else
    #[command(subcommand)]
    pub(crate) command: Option<ArchiveCommand>,
    /// Which records
    #[command(flatten)]
    pub(crate) due: Due,
}

/// Which records are archived.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Due {
    /// Those recorded before then
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    pub(crate) before: Option<Moment>,
    /// Those older than this, such as 90d
    #[arg(long, value_name = "AGE", value_parser = moment::age)]
    pub(crate) keep: Option<Moment>,
    /// The oldest, until the database uses at most so much, such as 512MiB
    #[arg(long, value_name = "SIZE", value_parser = moment::size)]
    pub(crate) max_size: Option<u64>,
}

/// `palisade journal archive …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// What was archived
    List,
}
