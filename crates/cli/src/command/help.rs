//! `palisade help`: a topic, or the help of a command.

use clap::CommandFactory;

use crate::arguments::Arguments;
use crate::configuration::KEYS;
use crate::exit::{Exit, TABLE};
use crate::failure::Failure;
use crate::output::{self, Table};

const TOPICS: [&str; 3] = ["exit-codes", "environment", "config"];

pub(crate) fn run(words: &[String], json: bool) -> Result<Exit, Failure> {
    match words {
        [topic] if topic == "exit-codes" => exit_codes(json),
        [topic] if topic == "environment" => environment(),
        [topic] if topic == "config" => settings(),
        words => return command(words),
    }
    Ok(Exit::Ok)
}

fn exit_codes(json: bool) {
    if json {
        let rows: Vec<_> = TABLE
            .iter()
            .map(|(_, code, name, about)| serde_json::json!({ "code": code, "name": name, "about": about }))
            .collect();
        return output::json(&rows);
    }
    let mut table = Table::new(&["code", "name", "meaning"]);
    for (_, code, name, about) in TABLE {
        table.row([code.to_string(), (*name).to_owned(), (*about).to_owned()]);
    }
    output::line(table.render());
}

fn environment() {
    let mut table = Table::new(&["variable", "meaning"]);
    for key in KEYS.iter().filter(|key| !key.security) {
        table.row([key.variable(), format!("sets `{}`: {}", key.name, key.about)]);
    }
    table.row(["PALISADE_PROJECT", "the project folder, as `--project`"]);
    table.row(["NO_COLOR", "no colour, whatever its value"]);
    table.row(["NON_INTERACTIVE_MODE", "`1`: plain lines instead of a live display"]);
    table.row(["XDG_CONFIG_HOME", "where the user's palisade/palisade.yaml is looked for"]);
    output::line(table.render());
}

fn settings() {
    let mut table = Table::new(&["setting", "default", "meaning"]);
    for key in KEYS {
        let note = if key.security { " (not from a project's file or the environment)" } else { "" };
        table.row([key.name.to_owned(), key.default.unwrap_or("not set").to_owned(), format!("{}{note}", key.about)]);
    }
    output::line(table.render());
    output::line("\nOrder, later wins: defaults, /etc/palisade/palisade.yaml, $XDG_CONFIG_HOME/palisade/palisade.yaml,");
    output::line("./palisade.yaml, PALISADE_* variables (`__` for each dot), flags.");
}

/// The help of the command named by `words`, or of everything.
fn command(words: &[String]) -> Result<Exit, Failure> {
    let mut command = Arguments::command();
    command.build();
    for word in words {
        let Some(inner) = command.find_subcommand(word) else {
            return Err(Failure::new(Exit::Usage, format!("no help on `{word}`"))
                .fix(format!("name a command, or one of the topics {}", TOPICS.join(", "))));
        };
        command = inner.clone();
    }
    output::line(command.render_long_help().to_string().trim_end());
    Ok(Exit::Ok)
}
