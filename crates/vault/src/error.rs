//! What can be wrong with a vault, said without a byte of what is in it.
//! Each kind of fault has its remedy beside it.

use std::io;
use std::path::{Path, PathBuf};

use crate::secret::VALUE_BYTES;

/// Why the vault did not do what was asked. Nothing was changed unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A name outside the grammar.
    #[error(
        "`{0}` is not a name: letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 64"
    )]
    Name(String),
    /// A value that is empty, too long, not text, or with a zero byte.
    #[error("the value is not one: text of 1 to {VALUE_BYTES} bytes without a zero byte")]
    Value,
    /// There is no such secret.
    #[error("there is no secret `{0}`")]
    Missing(String),
    /// The vault holds as many as it may.
    #[error("the vault holds {0} secrets, and no more fit")]
    Many(usize),
    /// Others could read or change it.
    #[error("`{}` can be read or changed by others (mode {mode:04o}, user {user})", path.display())]
    Exposed {
        /// What.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Whose it is.
        user: u32,
    },
    /// A link or something else where a file or folder belongs.
    #[error("`{}` is not a plain {wanted}", path.display())]
    Kind {
        /// What.
        path: PathBuf,
        /// `file` or `folder`.
        wanted: &'static str,
    },
    /// There are secrets and no key to open them with.
    #[error("there is no key file `{}`, and there are secrets sealed with what was in it", .0.display())]
    Lost(PathBuf),
    /// The key file is not one.
    #[error("the key file `{}` is damaged", .0.display())]
    Key(PathBuf),
    /// The file of a secret is not what was written.
    #[error("secret `{name}` cannot be opened: {why}")]
    Damaged {
        /// Whose file.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The system refused.
    #[error("`{}` cannot be used", path.display())]
    System {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl VaultError {
    /// Whether it only says that there is no such secret.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }

    /// Whether what was asked for, and not what is there, is wrong.
    #[must_use]
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Name(_) | Self::Value | Self::Many(_))
    }

    /// What helps, where something does.
    #[must_use]
    pub fn fix(&self) -> Option<&'static str> {
        match self {
            Self::Exposed { .. } => {
                Some("make it yours alone: `chmod go-rwx` and `chown`, and rotate what was in it")
            }
            Self::Damaged { .. } => Some("set it again, or restore its file from a backup"),
            Self::Lost(_) => Some(
                "restore the key file from a backup; where there is none, remove each secret and set it again",
            ),
            Self::Key(_) => {
                Some("restore the key file from a backup; without it the secrets cannot be read")
            }
            Self::Kind { .. } => Some("remove what stands there"),
            Self::Missing(_) => Some(
                "`palisade secret list` lists the secrets, `palisade secret set NAME` adds one",
            ),
            Self::Name(_) => Some("name it so; workflows and rules know it by this name"),
            Self::Value => {
                Some("give a text that is not empty; what is longer belongs into a file of its own")
            }
            Self::Many(_) => Some("`palisade secret rm NAME` takes one away"),
            Self::System { .. } => None,
        }
    }

    pub(crate) fn system(path: &Path) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = path.to_path_buf();
        move |errno| Self::System { path, source: errno.into() }
    }
}
