//! Inputs of a run, from a file and from `-i name=value`.
//!
//! A value on the command line is text; where the workflow's schema wants another type, it is read as that type.

use std::path::Path;

use runner::document::{self, Source};
use serde_json::{Map, Value};

use super::workflow::read_file;
use crate::exit::Exit;
use crate::failure::Failure;

/// The inputs of the file, overlaid by those of the command line.
pub(super) fn of(file: Option<&Path>, given: &[String], schema: &Value) -> Result<Value, Failure> {
    let mut inputs = match file {
        Some(path) => from_file(path)?,
        None => Map::new(),
    };
    for pair in given {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            Failure::new(Exit::Usage, format!("input `{pair}` has no `=`")).fix("write it as `-i name=value`")
        })?;
        let wanted = schema.get("properties").and_then(|properties| properties.get(name)).and_then(|of| of.get("type"));
        inputs.insert(name.to_owned(), typed(value, wanted));
    }
    Ok(Value::Object(inputs))
}

fn from_file(path: &Path) -> Result<Map<String, Value>, Failure> {
    let source = Source { name: path.display().to_string(), text: read_file(path)? };
    let node = document::read(&source).map_err(|finding| {
        Failure::new(Exit::Usage, "the inputs file is not valid").findings(vec![finding.render(&source)])
    })?;
    match node.to_json() {
        Value::Object(map) => Ok(map),
        _ => Err(Failure::new(Exit::Usage, format!("`{}` is not a map of inputs", path.display()))),
    }
}

/// `text` as the type the schema wants; as text where it cannot be read so, for the schema to complain about.
fn typed(text: &str, wanted: Option<&Value>) -> Value {
    match wanted.and_then(Value::as_str) {
        Some("string") | None => Value::String(text.to_owned()),
        Some(_) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_has_the_type_the_schema_wants() {
        let schema = json!({ "properties": {
            "count": { "type": "integer" }, "name": { "type": "string" }, "on": { "type": "boolean" }, "any": {},
        } });
        let given = ["count=3", "name=3", "on=true", "any=3", "other=a=b"].map(str::to_owned);
        let expect = json!({ "count": 3, "name": "3", "on": true, "any": "3", "other": "a=b" });
        assert_eq!(of(None, &given, &schema).unwrap(), expect);
        assert!(of(None, &["no-value".to_owned()], &schema).is_err());
    }
}
