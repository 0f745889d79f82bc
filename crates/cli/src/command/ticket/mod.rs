//! `palisade ticket`: making, narrowing, showing, checking and revoking tickets, and the keys they are signed with.
//!
//! What changes something goes through the owning process where there is one (`owner`), otherwise this one owns the
//! project for a moment. A ticket's text is printed where one was asked for, and nowhere else: no error, talk or
//! record has it.

mod failed;
mod keys;
mod mint;
mod owner;
mod revoke;
mod show;
mod told;

use std::io::Read as _;
use std::path::Path;

use runner::tickets::{Refused, TICKETS_MAX, Ticket};

use super::confirm;

pub(super) use self::failed::unstarted;
use self::failed::withheld;
use crate::arguments::{Global, Presented, TicketCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::printable;

/// More than as many tickets have as are handed in at once, in bytes.
const FILE_BYTES: u64 = 128 * 1024;

pub(crate) fn run(global: &Global, command: TicketCommand) -> Result<Exit, Failure> {
    match command {
        TicketCommand::Mint(wanted) => mint::mint(global, wanted),
        TicketCommand::Attenuate(wanted) => mint::attenuate(global, &wanted),
        TicketCommand::Inspect(asked) => show::inspect(global, &asked),
        TicketCommand::Verify(asked) => show::verify(global, asked),
        TicketCommand::Revoke { id, yes, .. } => {
            if id.is_none() {
                confirm::sure("revoke every ticket of this project?", yes)?;
            }
            revoke::run(global, id.as_deref())
        }
        TicketCommand::Rotate { retire, signed, yes } => {
            if retire {
                confirm::sure("remove the earlier keys, and void their tickets?", yes)?;
            }
            keys::rotate(global, keys::scheme(signed), keys::earlier(retire))
        }
        TicketCommand::Key => keys::key(global),
    }
}

/// The tickets that were handed in.
pub(super) fn presented(given: &Presented) -> Result<Vec<Ticket>, Failure> {
    let mut texts = given.ticket.clone();
    for file in &given.ticket_file {
        let text = read(file)?;
        if text.trim().is_empty() {
            let file = printable(&file.display().to_string());
            return Err(Failure::new(Exit::Usage, format!("there is no ticket in {file}"))
                .fix("name a file that holds the whole text that `palisade ticket mint` printed"));
        }
        texts.push(text);
    }
    let parts = |text: &String| -> Vec<String> {
        let split = text.split(|letter: char| letter.is_whitespace() || letter == ',');
        split.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let tickets: Vec<String> = texts.iter().flat_map(parts).collect();
    let count = tickets.len();
    if count > TICKETS_MAX {
        return Err(Failure::new(Exit::Usage, format!("{count} tickets were handed in"))
            .because(format!("at most {TICKETS_MAX} are looked at"))
            .fix("hand in the tickets this one command needs"));
    }
    let parse = |(place, text): (usize, &String)| {
        Ticket::parse(text).map_err(|error| {
            let failure = withheld(&Refused::from(error).into());
            if count == 1 {
                failure
            } else {
                failure.because(format!("it is the ticket {place} of {count}"))
            }
        })
    };
    (1..).zip(&tickets).map(parse).collect()
}

/// The one ticket that was handed in.
fn needed(given: &Presented) -> Result<Ticket, Failure> {
    let mut tickets = presented(given)?;
    match (tickets.pop(), tickets.is_empty()) {
        (Some(ticket), true) => Ok(ticket),
        (None, _) => Err(Failure::new(Exit::Usage, "there is no ticket").fix(
            "set PALISADE_TICKET, or name a file with `--ticket-file` (- for standard input)",
        )),
        (Some(_), false) => Err(Failure::new(Exit::Usage, "there is more than one ticket")
            .fix("hand in one; PALISADE_TICKET counts as well")),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let done = if file == Path::new("-") {
        std::io::stdin().take(FILE_BYTES).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(FILE_BYTES).read_to_string(&mut text))
    };
    match done {
        Ok(_) => Ok(text),
        Err(error) => {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let exit = if missing { Exit::NotFound } else { Exit::Usage };
            let what = format!("{} cannot be read", printable(&file.display().to_string()));
            Err(Failure::new(exit, what).because(error.to_string()).fix(
                "name a file that exists and can be read; paths start where the command was typed",
            ))
        }
    }
}
