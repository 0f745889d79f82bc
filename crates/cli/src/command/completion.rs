//! `palisade completion`: a script for one shell, from the same definition as the parser.
//! It knows no run ids: a script is text, printed once and installed by whoever wants it.

use clap::CommandFactory;
use serde_json::json;

use crate::arguments::{Arguments, Global};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(global: &Global, shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "palisade", &mut script);
    if global.json {
        let script = String::from_utf8_lossy(&script);
        output::json(&json!({ "shell": shell.to_string(), "script": script }));
    } else {
        output::data(&script);
    }
    Exit::Ok
}
