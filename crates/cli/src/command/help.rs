//! `palisade help`: a topic, or the help of a command.
//! Help of commands comes from their definition; only topics that are no command are written here.

use clap::CommandFactory;
use serde_json::json;

use crate::arguments::Arguments;
use crate::configuration::KEYS;
use crate::exit::{Exit, TABLE};
use crate::failure::Failure;
use crate::output::{self, Table};

/// A topic: its columns, its rows and a note below them.
struct Topic {
    columns: [&'static str; 3],
    rows: Vec<[String; 3]>,
    note: &'static str,
}

/// What makes a topic.
type Made = fn() -> Topic;

/// The topics by name.
const TOPICS: [(&str, Made); 3] =
    [("exit-codes", exit_codes), ("environment", environment), ("config", settings)];

pub(crate) fn run(words: &[String], as_json: bool) -> Result<Exit, Failure> {
    let topic = match words {
        [name] => TOPICS.iter().find(|(known, _)| known == name),
        _ => None,
    };
    match topic {
        Some((_, topic)) => print(&topic(), as_json),
        None => command(words, as_json)?,
    }
    Ok(Exit::Ok)
}

fn print(topic: &Topic, as_json: bool) {
    let Topic { columns, rows, note } = topic;
    if as_json {
        let object = |row: &[String; 3]| -> serde_json::Map<String, serde_json::Value> {
            columns
                .iter()
                .zip(row)
                .map(|(name, cell)| ((*name).to_owned(), value(name, cell)))
                .collect()
        };
        return output::json(&rows.iter().map(object).collect::<Vec<_>>());
    }
    let mut table = Table::new(columns);
    for row in rows {
        table.row(row);
    }
    output::line(table.render());
    if !note.is_empty() {
        output::line(format!("\n{note}"));
    }
}

/// A cell for machines: codes are numbers.
fn value(column: &str, cell: &str) -> serde_json::Value {
    match cell.parse::<u8>() {
        Ok(code) if column == "code" => code.into(),
        _ => cell.into(),
    }
}

fn exit_codes() -> Topic {
    let row = |(exit, name, about): &(Exit, &str, &str)| {
        [exit.code().to_string(), (*name).to_owned(), (*about).to_owned()]
    };
    Topic { columns: ["code", "name", "meaning"], rows: TABLE.iter().map(row).collect(), note: "" }
}

fn environment() -> Topic {
    let settings = KEYS.iter().filter(|key| !key.security);
    let mut rows: Vec<[String; 3]> =
        settings.map(|key| [key.variable(), key.name.to_owned(), key.about.to_owned()]).collect();
    let others = [
        ("PALISADE_PROJECT", "the project folder, as `--project`"),
        ("PALISADE_TICKET", "a ticket, as `--ticket`"),
        ("PALISADE_UNSAFE", "`1`: as `--unsafe`; counts only where `sandbox.allow_unsafe` is true"),
        ("NO_COLOR", "no colour, whatever its value"),
        ("NON_INTERACTIVE_MODE", "`1`: plain lines instead of a live display"),
        ("XDG_CONFIG_HOME", "where the user's palisade/palisade.yaml is looked for"),
    ];
    rows.extend(others.map(|(name, about)| [name.to_owned(), String::new(), about.to_owned()]));
    Topic { columns: ["variable", "setting", "meaning"], rows, note: "" }
}

fn settings() -> Topic {
    let row = |key: &crate::configuration::Key| {
        let note =
            if key.security { " (not from a project's file or the environment)" } else { "" };
        [
            key.name.to_owned(),
            key.default.unwrap_or("not set").to_owned(),
            format!("{}{note}", key.about),
        ]
    };
    Topic {
        columns: ["setting", "default", "meaning"],
        rows: KEYS.iter().map(row).collect(),
        note: "Order, later wins: defaults, /etc/palisade/palisade.yaml,\n\
               $XDG_CONFIG_HOME/palisade/palisade.yaml, ./palisade.yaml, PALISADE_* variables\n\
               (`__` for each dot), flags.",
    }
}

/// The help of the command named by `words`, or of everything.
fn command(words: &[String], as_json: bool) -> Result<(), Failure> {
    let mut command = Arguments::command();
    command.build();
    for word in words {
        let Some(inner) = command.find_subcommand(word) else {
            let topics = TOPICS.map(|(name, _)| name).join(", ");
            return Err(Failure::new(Exit::Usage, format!("no help on `{word}`"))
                .fix(format!("name a command, or one of the topics {topics}")));
        };
        command = inner.clone();
    }
    let text = command.render_long_help().to_string();
    if as_json {
        output::json(&json!({ "command": words.join(" "), "help": text }));
    } else {
        output::line(text.trim_end());
    }
    Ok(())
}
