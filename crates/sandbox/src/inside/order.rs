//! The wait of a slot: everything is in force and proved, and only the program is missing.
//!
//! The filter is on already, so this makes only calls that every profile allows. It reads from its
//! supervisor alone, and the end of the supervisor ends it: then the read returns nothing.

use rustix::io::Errno;

use super::report::{Fault, Message, Stage};
use super::{Wires, program, send};
use crate::sys::clone;
use crate::sys::letter::Letter;

/// Waits for the order and executes it; returns why that was not possible.
pub(super) fn carry_out(wires: &Wires, letter: &mut Letter) -> Fault {
    let length = loop {
        match rustix::io::read(&wires.setup, letter.space()) {
            Err(Errno::INTR) => {}
            Ok(0) | Err(_) => clone::exit(0),
            Ok(length) => break length,
        }
    };
    let Some(order) = letter.open(length) else {
        return Fault { stage: Stage::Program, index: 0, errno: Errno::BADMSG };
    };
    if !order.folder.is_empty()
        && let Err(errno) = program::enter(order.folder)
    {
        return Fault { stage: Stage::WorkingDirectory, index: 0, errno };
    }
    if order.has_input
        && let Some(stdin) = &wires.stdin
        && let Err(errno) = rustix::stdio::dup2_stdin(stdin)
    {
        return Fault { stage: Stage::Streams, index: 0, errno };
    }
    send(&wires.setup, Message::Taken);
    program::execute(order.candidates, order.arguments, order.environment)
}
