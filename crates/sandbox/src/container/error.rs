//! Why a container runtime could not be used, and what to do about it.
//! The sandbox's own refusals are in `refusal`; this is only what concerns a runtime.

use std::io;
use std::time::Duration;

/// Why a container driver cannot do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// No runtime was found, or not the one named.
    #[error("no container runtime was found (looked for {looked_for})")]
    Missing {
        /// The names tried.
        looked_for: String,
    },
    /// The runtime is there and does not answer as one.
    #[error("`{runtime}` does not work: {text}")]
    Broken {
        /// Its path.
        runtime: String,
        /// What it said.
        text: String,
    },
    /// The runtime took longer than a question may take.
    #[error("`{runtime}` did not answer within {} s", limit.as_secs())]
    TooSlow {
        /// Its path.
        runtime: String,
        /// How long it had.
        limit: Duration,
    },
    /// The runtime could not be started or listened to.
    #[error("starting the container runtime")]
    Io(#[from] io::Error),
    /// Not an image pinned to its content.
    #[error("`{name}` does not name an image by its content")]
    ImageName {
        /// As given.
        name: String,
    },
    /// The image is not on this host.
    #[error("image `{image}` is not on this host")]
    ImageMissing {
        /// As given.
        image: String,
    },
    /// Something else is stored under the name.
    #[error("what is stored as `{image}` is not that image")]
    ImageDiffers {
        /// As given.
        image: String,
    },
    /// A variable the runtime offers no safe way to hand on.
    #[error("environment variable `{name}` cannot be handed to a container")]
    Variable {
        /// Its name, escaped.
        name: String,
    },
    /// A path that the command line of a runtime cannot carry.
    #[error("path `{path}` cannot be named to a container runtime")]
    Target {
        /// As given.
        path: String,
    },
    /// No control group can be made for a container.
    #[error("no control group can be made for a container")]
    NoGroup,
    /// Preparing the workspace failed.
    #[error("{step}")]
    Place {
        /// What was being done.
        step: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The runtime refused.
    #[error("{what}: {text}")]
    Refused {
        /// What it was asked for.
        what: &'static str,
        /// What it said, shortened.
        text: String,
    },
}

impl ContainerError {
    /// What to do about it, where there is a remedy.
    #[must_use]
    pub fn fix(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some("install `podman` with `runc` or `crun`, or `docker`"),
            Self::Broken { .. } => Some("run `podman info` or `docker info` and follow its advice"),
            Self::ImageName { .. } => {
                Some("write `name@sha256:…` or `sha256:…`; `podman image ls --digests` shows them")
            }
            Self::ImageMissing { .. } => Some("pull or import it first"),
            Self::ImageDiffers { .. } => Some("remove the stored image and pull it again"),
            Self::Variable { .. } => Some("leave line breaks and `=` out, or write it to a file"),
            Self::Place { .. } => {
                Some("keep the project on ext4, xfs, btrfs or tmpfs, and use Linux 5.19 or later")
            }
            Self::Target { .. } => Some("leave colons, commas, quotes and backslashes out"),
            Self::NoGroup => Some("run in a control group of which groups can be made"),
            Self::TooSlow { .. } | Self::Io(_) | Self::Refused { .. } => None,
        }
    }
}
