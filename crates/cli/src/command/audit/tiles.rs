//! `palisade audit tiles`: the log as files that any web server can serve and any C2SP client can check.
//! The files are the journal's; this says how many were written.

use std::path::Path;

use runner::audit::Signed;
use serde_json::{Value, json};

use super::signed_failure;
use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session;

pub(super) fn run(global: &Global, folder: &Path) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let signed = Signed::now(&layout).map_err(|error| signed_failure(&error))?;
    let exported = signed.export(folder).map_err(|error| signed_failure(&error))?;
    if global.json {
        let one = |(folder, head): &(std::path::PathBuf, runner::audit::TreeHead)| {
            let mut value = super::tree(head);
            if let Value::Object(fields) = &mut value {
                fields.insert("folder".to_owned(), json!(folder.display().to_string()));
            }
            value
        };
        output::json(&exported.iter().map(one).collect::<Vec<Value>>());
        return Ok(Exit::Ok);
    }
    for (folder, head) in exported {
        output::line(format!("{}  {} of size {}", folder.display(), head.origin, head.size));
    }
    Ok(Exit::Ok)
}
