//! `palisade config`: every setting, with `--origin` where it came from, and the schema of the files.
//! Settings are changed in their files; nothing is written here.

use crate::arguments::Global;
use crate::configuration::{self, Configuration};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::session;

pub(crate) fn show(global: &Global, origin: bool) -> Result<Exit, Failure> {
    let configuration = session::configuration(global)?;
    if global.json {
        output::json(&as_json(configuration));
        return Ok(Exit::Ok);
    }
    let mut table =
        Table::new(if origin { &["setting", "value", "origin"] } else { &["setting", "value"] });
    for (name, setting) in configuration.all() {
        let value = setting.value.clone().unwrap_or_else(|| "not set".to_owned());
        if origin {
            table.row([name.to_owned(), value, setting.origin.to_string()]);
        } else {
            table.row([name.to_owned(), value]);
        }
    }
    output::line(table.render());
    Ok(Exit::Ok)
}

/// The JSON Schema of a configuration file, for editors.
pub(crate) fn schema() -> Exit {
    output::json(&configuration::schema::document());
    Exit::Ok
}

fn as_json(configuration: &Configuration) -> serde_json::Value {
    let rows = configuration.all().map(|(name, setting)| {
        (
            name.to_owned(),
            serde_json::json!({ "value": setting.value, "origin": setting.origin.to_string() }),
        )
    });
    serde_json::Value::Object(rows.collect())
}
