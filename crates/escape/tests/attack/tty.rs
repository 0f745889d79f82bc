//! Terminals: typing into one, changing one, writing to one of the host.
//! The terminal is one that somebody left open, or one of the host by its path.

use super::Attempt;
use super::raw::{Held, IOCTL, Try, call, number, open, proved, word, write};

pub const ATTEMPTS: &[Attempt] = &[
    ("type", type_in),
    ("change-line-discipline", change_line_discipline),
    ("change-size", change_size),
    ("take-terminal", take_terminal),
    ("write-terminal", write_terminal),
];

const ATTRIBUTES: usize = 0x5401;
const CONTROL: usize = 0x540E;
const GROUP: usize = 0x540F;

/// Inherited terminals.
fn terminals() -> impl Iterator<Item = usize> {
    let is_terminal = |fd: &usize| {
        let mut attributes = [0_u8; 64];
        call(IOCTL, [*fd, ATTRIBUTES, attributes.as_mut_ptr() as usize]).is_ok()
    };
    (0..300).filter(is_terminal)
}

/// Makes an inherited terminal the controlling one.
fn controlled() -> Result<usize, Held> {
    let terminal = terminals().next().ok_or_else(|| Held("EBADF".to_owned()))?;
    let _not_a_leader_yet = call(super::raw::Call(112, 157), [0; 0]);
    call(IOCTL, [terminal, CONTROL, 0])?;
    Ok(terminal)
}

/// Types a text into the terminal as if somebody sat there. The request may have high bits that
/// the kernel does not look at.
fn type_in(arguments: &[String]) -> Try {
    let (mark, request) = (word(arguments, 0), number(arguments, 1));
    let terminal = controlled()?;
    for letter in mark.bytes() {
        call(IOCTL, [terminal, request, (&raw const letter) as usize])?;
    }
    Ok(mark.to_owned())
}

fn change_line_discipline(arguments: &[String]) -> Try {
    const SET: usize = 0x5423;
    let nothing = 27_i32;
    let terminal = controlled()?;
    call(IOCTL, [terminal, SET, (&raw const nothing) as usize])?;
    Ok(word(arguments, 0).to_owned())
}

fn change_size(arguments: &[String]) -> Try {
    const SET: usize = 0x5414;
    let terminal = terminals().next().ok_or_else(|| Held("EBADF".to_owned()))?;
    let size = [number(arguments, 1) as u16, 7, 0, 0];
    call(IOCTL, [terminal, SET, size.as_ptr() as usize])?;
    Ok(word(arguments, 0).to_owned())
}

/// Becomes the foreground of an inherited terminal.
fn take_terminal(arguments: &[String]) -> Try {
    let terminal = controlled()?;
    let mut group = 0_i32;
    call(IOCTL, [terminal, GROUP, (&raw mut group) as usize])?;
    proved(group > 0, word(arguments, 0), "no foreground")
}

fn write_terminal(arguments: &[String]) -> Try {
    const WRITE_NO_CONTROL: usize = 0o1 | 0o400;
    let mark = word(arguments, 1);
    write(open(word(arguments, 0), WRITE_NO_CONTROL)?, mark.as_bytes())?;
    Ok(mark.to_owned())
}
