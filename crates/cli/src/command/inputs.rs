//! Inputs of a run, from a file and from `-i name=value`.
//!
//! A value on the command line is text; the workflow's schema says what it is read as.

use std::path::Path;

use runner::document::{self, Source};
use serde_json::{Map, Value};

use super::workflow::read_file;
use crate::exit::Exit;
use crate::failure::Failure;

/// The inputs of the file, overlaid by those of the command line after `flag`, whose values `read` turns from text.
///
/// # Errors
/// A file that is not a map, or an input without a value.
pub(super) fn of(
    file: Option<&Path>,
    (flag, given): (&str, &[String]),
    read: impl Fn(&str, &str) -> Value,
) -> Result<Value, Failure> {
    let mut inputs = match file {
        Some(path) => from_file(path)?,
        None => Map::new(),
    };
    for pair in given {
        let (name, text) = pair.split_once('=').ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{pair}` has no `=`"))
                .fix(format!("write it as `{flag} name=value`"))
        })?;
        inputs.insert(name.to_owned(), read(name, text));
    }
    Ok(Value::Object(inputs))
}

fn from_file(path: &Path) -> Result<Map<String, Value>, Failure> {
    let source = Source { name: path.display().to_string(), text: read_file(path)? };
    let wrong = |what: &str| {
        Failure::new(Exit::Usage, format!("inputs file `{}` is not {what}", source.name))
            .fix("write one `name: value` per line")
    };
    let node =
        document::read(&source).map_err(|finding| wrong("valid").findings(&source, &[finding]))?;
    match node.to_json() {
        Value::Object(map) => Ok(map),
        _ => Err(wrong("a map of inputs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_split_at_the_first_sign_and_read() {
        let given = ["count=3", "name=a=b", "empty="].map(str::to_owned);
        let read = |name: &str, text: &str| json!(format!("{name}:{text}"));
        let expect = json!({ "count": "count:3", "name": "name:a=b", "empty": "empty:" });
        assert_eq!(of(None, ("-i", &given), read).unwrap(), expect);
        assert!(of(None, ("-i", &["no-value".to_owned()]), read).is_err());
    }
}
