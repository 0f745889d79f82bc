//! `palisade workflow`: a file is validated or the schema of all of them printed, and reading a workflow file for
//! everyone who needs one. Nothing is run or recorded by a validation.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use runner::Outline;
use runner::document::Source;
use runner::workflow::{self, DOCUMENT_BYTES, Loaded};

use crate::arguments::{Global, Workflow};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(global: &Global, command: &Workflow) -> Result<Exit, Failure> {
    match command {
        Workflow::Schema => Ok(schema()),
        Workflow::Validate { file } => validate(global, file),
    }
}

/// The JSON Schema of a workflow file, for editors, in its own words and order.
fn schema() -> Exit {
    output::line(workflow::SCHEMA.trim_end());
    Exit::Ok
}

fn validate(global: &Global, file: &Path) -> Result<Exit, Failure> {
    let (loaded, _) = load(file)?;
    let outline = Outline::of(&loaded.workflow);
    if global.json {
        output::json(
            &serde_json::json!({ "valid": true, "outline": outline, "warnings": loaded.warnings }),
        );
        return Ok(Exit::Ok);
    }
    output::line(format!(
        "{} is valid: {}",
        file.display(),
        output::count(outline.steps.len(), "step")
    ));
    for step in &outline.steps {
        let needs = if step.needs.is_empty() {
            String::new()
        } else {
            format!("  needs {}", step.needs.join(", "))
        };
        output::line(format!("{}{}{needs}", "  ".repeat(step.depth + 1), step.name));
    }
    Ok(Exit::Ok)
}

/// A workflow file, loaded, its warnings told.
pub(super) fn load(file: &Path) -> Result<(Loaded, Source), Failure> {
    let source = Source { name: file.display().to_string(), text: read_file(file)? };
    match workflow::load(&source) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                output::talk(output::tame(warning.render(&source).trim_end()));
            }
            Ok((loaded, source))
        }
        Err(findings) => {
            let count = output::count(findings.len(), "error");
            let what = format!("`{}` is not a valid workflow ({count})", source.name);
            Err(Failure::new(Exit::Usage, what)
                .fix("correct the file; nothing was run")
                .findings(&source, &findings))
        }
    }
}

/// The text of a document of bounded size.
pub(super) fn read_file(path: &Path) -> Result<String, Failure> {
    let named = path.display();
    let failed = |error: std::io::Error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound {
            Exit::NotFound
        } else {
            Exit::Failure
        };
        Failure::new(exit, format!("`{named}` cannot be read"))
            .because(error.to_string())
            .fix("name a file that exists and can be read; paths start where the command was typed")
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(DOCUMENT_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > DOCUMENT_BYTES {
        return Err(Failure::new(Exit::Usage, format!("`{named}` is too long"))
            .because(format!("a document has at most {DOCUMENT_BYTES} bytes"))
            .fix("pass data to steps as files or inputs, not inside the document"));
    }
    String::from_utf8(bytes).map_err(|error| {
        Failure::new(Exit::Usage, format!("`{named}` is not UTF-8 text"))
            .because(format!("byte {} begins no character", error.utf8_error().valid_up_to()))
            .fix("save the file as UTF-8")
    })
}
