//! `palisade egress-proxy`: the process that is the way out of one sandbox.
//! It is started by the runner, confined, with the control socket as its only descriptor; a person has no use for it.

use crate::exit::Exit;
use crate::failure::Failure;

pub(super) fn run() -> Result<Exit, Failure> {
    match runner::executor::serve_egress() {
        Ok(()) => Ok(Exit::Ok),
        Err(error) => Err(Failure::of(Exit::Failure, &error)
            .fix("it is not started by hand; write `hosts` into a step's `sandbox`")),
    }
}
