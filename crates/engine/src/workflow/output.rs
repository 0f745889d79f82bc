//! From what a program wrote to the declared outputs of its step.
//!
//! Outputs are values for other steps, so they must be text (or JSON) and small; bytes of any
//! kind and size are artifacts instead. Nothing is guessed: what is not text, not JSON or not
//! complete is an error of the step.

use super::step::OutputSource;
use schema::Schema;
use serde_json::{Map, Value};
use std::str;
use std::sync::Arc;

/// The longest output of a step, in bytes; a longer one is an error of the step.
pub const MAX_OUTPUT_BYTES: usize = 1024 * 1024;

/// Longest account of what is wrong with an output, in characters.
const MISTAKES_SHOWN: usize = 2_000;

/// What was kept of one stream of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<'a> {
    /// The kept bytes, from the beginning.
    pub bytes: &'a [u8],
    /// Whether that is everything the program wrote.
    pub extent: Extent,
}

/// How much of a stream was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    Complete,
    /// The beginning; the rest was over the limit.
    Truncated,
}

/// Why a declared output has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// Text was expected; artifacts may hold any bytes.
    #[error("output `{name}` is not UTF-8 text (byte {offset} of {})", .from.name())]
    NotText {
        /// The output's name.
        name: String,
        /// Where it should have come from.
        from: OutputSource,
        /// The first byte that is no text.
        offset: usize,
    },
    /// The program did not write one JSON value.
    #[error("output `{name}` is not JSON ({message})")]
    NotJson {
        /// The output's name.
        name: String,
        /// What the reader found, with its line and column.
        message: String,
    },
    /// More than [`MAX_OUTPUT_BYTES`].
    #[error("output `{name}` has {size} bytes, more than 1 MiB")]
    TooLong {
        /// The output's name.
        name: String,
        /// Its size without newlines at the end.
        size: usize,
    },
    /// It is not what the document says it is; nobody is given it.
    #[error("output `{name}` does not fit its schema: {mistakes}")]
    Unfit {
        /// The output's name.
        name: String,
        /// Everything that is wrong, as `place: message; …`.
        mistakes: String,
    },
    /// The stream was cut off, and half an output is worse than none.
    #[error("output `{name}` is incomplete: the program wrote more than was kept")]
    Incomplete {
        /// The output's name.
        name: String,
    },
}

/// The values of `declared`, from what the program wrote.
///
/// # Errors
/// The first output, by name, that has no value.
pub fn collect(
    declared: &[(String, OutputSource)],
    stdout: Written<'_>,
    stderr: Written<'_>,
) -> Result<Map<String, Value>, OutputError> {
    let value = |(name, source): &(String, OutputSource)| {
        let written = match source {
            OutputSource::Stdout | OutputSource::StdoutJson => stdout,
            OutputSource::Stderr => stderr,
        };
        let text = text(name, *source, written)?;
        let value = match source {
            OutputSource::Stdout | OutputSource::Stderr => Value::String(text.to_owned()),
            OutputSource::StdoutJson => serde_json::from_str(text).map_err(|error| {
                OutputError::NotJson { name: name.clone(), message: error.to_string() }
            })?,
        };
        Ok((name.clone(), value))
    };
    declared.iter().map(value).collect()
}

/// Holds `outputs` against what they must look like; one that is missing was told before.
///
/// # Errors
/// The first output, by name, that does not fit.
pub fn check_outputs(
    schemas: &[(String, Arc<Schema>)],
    outputs: &Map<String, Value>,
) -> Result<(), OutputError> {
    for (name, schema) in schemas {
        let mistakes = outputs.get(name).and_then(|value| schema.check(value).err());
        if let Some(mistakes) = mistakes {
            let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            let mistakes = lines.join("; ").chars().take(MISTAKES_SHOWN).collect();
            let name = name.clone();
            return Err(OutputError::Unfit { name, mistakes });
        }
    }
    Ok(())
}

/// The text without the newlines at its end, as `$(…)` gives it in a shell.
fn text<'w>(
    name: &str,
    source: OutputSource,
    written: Written<'w>,
) -> Result<&'w str, OutputError> {
    let name = || name.to_owned();
    if written.extent == Extent::Truncated {
        return Err(OutputError::Incomplete { name: name() });
    }
    let text = str::from_utf8(written.bytes).map_err(|error| {
        let offset = error.valid_up_to();
        OutputError::NotText { name: name(), from: source, offset }
    })?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.len() > MAX_OUTPUT_BYTES {
        return Err(OutputError::TooLong { name: name(), size: text.len() });
    }
    Ok(text)
}
