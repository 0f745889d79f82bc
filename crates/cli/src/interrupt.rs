//! Ctrl-C and termination signals as messages.
//!
//! The first asks whoever listens to end in order; the second ends the process at once, which loses nothing that
//! was acknowledged.

use std::sync::mpsc::Sender;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;

/// Calls `first` on the first interrupt; the second ends the process with the code for interrupted.
///
/// # Errors
/// When the system refuses to deliver the signals.
pub(crate) fn on_first(first: Sender<()>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for (count, _) in signals.forever().enumerate() {
            if count > 0 || first.send(()).is_err() {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
        }
    })?;
    Ok(())
}
