//! Ctrl-C and termination signals as messages.
//!
//! The first asks whoever listens to end in order; the next, or one that nobody listens for, ends the process at once,
//! which loses nothing that was acknowledged.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;

/// Who is told of the next interrupt. A process has one set of signals, so this is the process's too.
static LISTENER: Mutex<Listener> = Mutex::new(Listener { watched: false, next: None });

struct Listener {
    /// Whether a thread watches the signals already.
    watched: bool,
    next: Option<Sender<()>>,
}

/// A message at the first interrupt from now on. Whoever listened before is not told any more.
///
/// # Errors
/// When the system refuses to deliver the signals.
pub(crate) fn listen() -> io::Result<Receiver<()>> {
    let (sender, receiver) = channel();
    let mut listener = listener();
    if !listener.watched {
        let signals = Signals::new([SIGINT, SIGTERM])?;
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || watch(signals))?;
        listener.watched = true;
    }
    listener.next = Some(sender);
    Ok(receiver)
}

fn watch(mut signals: Signals) {
    for _ in signals.forever() {
        let next = listener().next.take();
        if next.is_none_or(|next| next.send(()).is_err()) {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    }
}

fn listener() -> MutexGuard<'static, Listener> {
    // A panic while it was held left a whole value: it is only ever replaced.
    LISTENER.lock().unwrap_or_else(PoisonError::into_inner)
}
