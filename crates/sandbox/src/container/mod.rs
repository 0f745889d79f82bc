//! The container driver: the same spec in a container of Podman or Docker, by their command line.
//!
//! For programs that come in an image, not for speed: a container takes a hundred times as long to
//! start as the local sandbox. It has no Landlock and no self-probe, which has to be allowed by
//! name; everything else is as strict as the local driver where root's own Podman runs it.
//! The way through: `examine` → `start` → `held` → the same `wait` as for the local driver;
//! `command` has every option, `lifecycle` the states, `sweep` what a killed supervisor left.

mod check;
mod command;
mod error;
mod examine;
mod first;
mod gate;
mod group;
mod held;
mod image;
pub mod lifecycle;
mod network;
mod oom;
mod owner;
mod place;
mod receipt;
mod runtime;
mod start;
mod sweep;

pub use crate::epoch::Epoch;
pub use check::{Finding, Standing, check};
pub use error::ContainerError;
pub use image::Image;
pub use runtime::{ANSWER_MAX, Kind, Runtime, TRANSFER_MAX};
pub use start::CREATE_MAX;
pub use sweep::{Swept, sweep};

pub(crate) use examine::examine;
pub(crate) use held::Held;
pub(crate) use start::launch;

/// Label with the name of the sandbox, on every container of ours.
pub const NAME_LABEL: &str = "palisade.sandbox";
/// Label with the supervisor's [`Epoch`], on every container of ours.
pub const EPOCH_LABEL: &str = "palisade.epoch";

/// How the container driver is to run a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which runtime; `None` takes Podman, or else Docker.
    pub runtime: Option<Kind>,
    /// The image, by its content.
    pub image: Image,
}

impl Settings {
    /// With whatever runtime this host has.
    #[must_use]
    pub fn new(image: Image) -> Self {
        Self { runtime: None, image }
    }
}

/// Fetches an image from its registry. Never done by a launch: it takes long and needs a network.
///
/// Blocks for at most [`TRANSFER_MAX`].
pub fn pull(kind: Option<Kind>, image: &Image) -> Result<(), ContainerError> {
    let runtime = Runtime::find(kind)?;
    image::pull(&runtime, image)
}

/// Whether `image` is on this host and is what its digest says.
pub fn is_present(kind: Option<Kind>, image: &Image) -> Result<bool, ContainerError> {
    match Runtime::find(kind)?.resolve(image) {
        Ok(_) => Ok(true),
        Err(ContainerError::ImageMissing { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
