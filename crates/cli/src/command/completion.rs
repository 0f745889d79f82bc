//! `palisade completion`: a script for one shell, from the same definition as the parser.

use clap::CommandFactory;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "palisade", &mut script);
    output::bytes(&script);
    Exit::Ok
}
