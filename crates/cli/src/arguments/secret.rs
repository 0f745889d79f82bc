//! What can be typed after `palisade secret`. A value is never among it.
//! What becomes of it is in `command::secret`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `palisade secret`.
#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Set a secret, its value from standard input or a file
    Set {
        /// Its name
        name: String,
        #[command(flatten)]
        value: SecretValue,
    },
    /// Names and versions; values are never shown
    List,
    /// Take a secret away
    Rm {
        /// Its name
        name: String,
        /// Confirm without being asked
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// Give a secret a new value, or seal all of them with a new key
    #[command(group(clap::ArgGroup::new("what").required(true).args(["name", "key"])))]
    Rotate {
        /// Its name
        name: Option<String>,
        #[command(flatten)]
        value: SecretValue,
        /// Draw a new key instead, and seal every secret with it
        #[arg(long, conflicts_with = "file")]
        key: bool,
    },
}

/// Where a value comes from; never from the command line.
#[derive(Debug, Args)]
pub(crate) struct SecretValue {
    /// Read the value from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}
