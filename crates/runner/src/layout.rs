//! Where things live on disk, relative to one project folder.
//!
//! `.palisade/` holds the journal, the artifacts, the project's policy and the peer socket. Nothing else in
//! this crate spells these names. This file creates the folder and knows no contents.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::state;

/// Name of the state folder inside a project.
pub const STATE_FOLDER: &str = ".palisade";
/// What the names of the journal's files begin with.
pub(crate) const JOURNAL: &str = "palisade.db";
/// The other names in a state folder that are ours, but for the two that the journal gives to its own folders.
pub(crate) const ANCHORS: &str = "anchors.git";
pub(crate) const EMPTY: &str = "empty";
pub(crate) const KEYS: &str = "keys";
pub(crate) const MERGES: &str = "merges";
pub(crate) const OPENINGS: &str = "openings";
pub(crate) const PEER: &str = "peer.sock";
pub(crate) const SECRETS: &str = "secrets";
pub(crate) const TILES: &str = "tiles";

/// What only state folders hold, whatever they are called: the journal and the owner's socket.
pub(crate) const STATE_FILES: [&str; 2] = ["palisade.db", "peer.sock"];

/// The paths of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    project: PathBuf,
    state: PathBuf,
}

/// Why a project folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The project folder itself is missing or not a folder.
    #[error("project folder `{}` cannot be used", path.display())]
    Project {
        /// What was asked for.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A symbolic link stands where the state folder, or something of ours in it, should be. Nothing was changed.
    #[error("`{}` is a symbolic link, and state is kept in nothing a link leads to", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The state folder is somebody else's. Nothing was changed.
    #[error("state folder `{}` belongs to user #{owner}", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// The state folder or a part of it cannot be looked at, so that nobody knows whether it may be used.
    #[error("`{}` cannot be looked at", path.display())]
    Unread {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The state folder cannot be created or made private.
    #[error("state folder `{}` cannot be created", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl LayoutError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Project { .. } => "name the project folder with `--project DIR`",
            Self::Link { .. } => {
                "look where it leads and remove it: a repository may have brought it; to keep the state elsewhere, \
                 name the real folder in PALISADE_STATE__FOLDER"
            }
            Self::Foreign { .. } => {
                "make it yours with chown, or keep the state elsewhere with PALISADE_STATE__FOLDER"
            }
            Self::Unread { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                "only the user whose project it is, and root, can use it; run the command as that user"
            }
            Self::Unread { .. } => {
                "make it readable for yourself, or keep the state elsewhere with PALISADE_STATE__FOLDER"
            }
            Self::State { .. } => {
                "make the folder writable, or keep the state elsewhere with PALISADE_STATE__FOLDER"
            }
        }
    }
}

impl Layout {
    /// The layout of `project`, with the state folder at its usual place.
    ///
    /// # Errors
    /// [`LayoutError::Project`] when the folder does not exist or cannot be entered.
    pub fn of(project: &Path) -> Result<Self, LayoutError> {
        let found = project.canonicalize().and_then(|path| {
            if path.is_dir() { Ok(path) } else { Err(ErrorKind::NotADirectory.into()) }
        });
        match found {
            Ok(project) => Ok(Self { state: project.join(STATE_FOLDER), project }),
            Err(source) => Err(LayoutError::Project { path: project.to_path_buf(), source }),
        }
    }

    /// The same project with its state kept in `state` instead.
    #[must_use]
    pub fn with_state(mut self, state: PathBuf) -> Self {
        // Without a slash at the end, which would follow a link.
        self.state = state.components().collect();
        self
    }

    /// Looks whether the state folder may be used: none of it is a symbolic link, and it is this user's or root's own.
    /// A folder that is not there yet may. Changes nothing.
    ///
    /// # Errors
    /// [`LayoutError::Link`], [`LayoutError::Foreign`] and [`LayoutError::Unread`].
    pub fn check(&self) -> Result<(), LayoutError> {
        state::check(&self.state)
    }

    /// Creates the state folder, private to its owner (mode 0700), if it is not there yet; one that is keeps its mode.
    ///
    /// # Errors
    /// As [`Layout::check`]; [`LayoutError::State`] when it cannot be created, for example in a read-only home.
    pub fn create(&self) -> Result<(), LayoutError> {
        self.check()?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.state)
            .map_err(|source| LayoutError::State { path: self.state.clone(), source })
    }

    /// The project folder, absolute and without symbolic links.
    #[must_use]
    pub fn project(&self) -> &Path {
        &self.project
    }

    /// The state folder.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The journal's database file.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.state.join(JOURNAL)
    }

    /// The key this node signs its checkpoints with.
    #[must_use]
    pub fn node_key(&self) -> PathBuf {
        self.state.join(KEYS).join("node.ed25519")
    }

    /// Whether something lies beside the journal's file that only a journal leaves.
    pub(crate) fn has_evidence(&self) -> bool {
        self.state.join("palisade.db.checkpoint").exists() || self.tiles().exists()
    }

    /// Signed checkpoints, and the tiles that proofs are made of.
    #[must_use]
    pub fn tiles(&self) -> PathBuf {
        self.state.join(TILES)
    }

    /// What is on its way to a git repository that keeps checkpoints for this node.
    #[must_use]
    pub fn anchors(&self) -> PathBuf {
        self.state.join(ANCHORS)
    }

    /// The project's own policy file.
    #[must_use]
    pub fn policy(&self) -> PathBuf {
        self.project.join(STATE_FOLDER).join("policy.yaml")
    }

    /// The vault's secrets, encrypted.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.state.join(SECRETS)
    }

    /// What opens the commitments in records, encrypted; it can be erased, and no record changes.
    #[must_use]
    pub fn openings(&self) -> PathBuf {
        self.state.join(OPENINGS)
    }

    /// The key of the openings.
    #[must_use]
    pub fn openings_key(&self) -> PathBuf {
        self.keys().join("openings")
    }

    /// The keys of this project's node, each readable by its owner alone.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.state.join(KEYS)
    }

    /// Where merges keep what they need to be gone on with or taken back.
    #[must_use]
    pub fn merges(&self) -> PathBuf {
        self.state.join(MERGES)
    }

    /// An empty folder, to be shown where a sandbox needs a project and must not see any.
    #[must_use]
    pub fn empty(&self) -> PathBuf {
        self.state.join(EMPTY)
    }

    /// The socket on which the owning process takes requests from other processes of the same user.
    #[must_use]
    pub fn peer(&self) -> PathBuf {
        self.state.join(PEER)
    }
}
