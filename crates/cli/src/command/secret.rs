//! `palisade secret`: the vault's secrets, set, listed by name, removed, rotated.
//!
//! A value comes from standard input or a file, never from the command line, where every process can read it, and is
//! never printed. Each change is a call: policy decides it and it is on record, by name.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use runner::Adopt;
use runner::secrecy::{self, Changed, Keeping, SecrecyError, SecretRefused};
use serde_json::json;

use super::confirm;
use crate::arguments::{Global, Secret, SecretValue};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::session;

/// One byte more than any value has, and the end of a line.
const READ_BYTES: u64 = 64 * 1024 + 3;

pub(super) fn run(global: &Global, command: &Secret) -> Result<Exit, Failure> {
    match command {
        Secret::List => list(global),
        Secret::Set { name, value } => {
            let value = read(value)?;
            change(global, Some(name), |keeping| keeping.set(name, value))
        }
        Secret::Rm { name, yes } => {
            let shown = output::printable(name);
            confirm::sure(&format!("take secret {shown} away for good?"), *yes)?;
            change(global, Some(name), |keeping| keeping.remove(name))
        }
        Secret::Rotate { name: Some(name), value, .. } => {
            let value = read(value)?;
            change(global, Some(name), |keeping| keeping.rotate(name, value))
        }
        Secret::Rotate { name: None, .. } => change(global, None, |keeping| keeping.renew_key()),
    }
}

fn list(global: &Global) -> Result<Exit, Failure> {
    let layout = session::layout(global)?;
    let listed = secrecy::vault(&layout).list();
    let listed = listed.map_err(|error| refused(&SecretRefused::Secrecy(error.into())))?;
    if global.json {
        let rows = listed.iter().map(|one| match &one.version {
            Ok(version) => json!({ "name": one.name, "version": version }),
            Err(why) => json!({ "name": one.name, "version": null, "unusable": why }),
        });
        output::json(&rows.collect::<Vec<_>>());
    } else {
        let mut table = Table::new(&["name", "version"]);
        for one in &listed {
            let version = one.version.as_ref().map_or("unusable".to_owned(), u64::to_string);
            table.row([output::printable(&one.name), version]);
        }
        output::line(table.render());
    }
    let bad: Vec<_> = listed.iter().filter_map(|one| one.version.as_ref().err()).collect();
    let Some(first) = bad.first() else { return Ok(Exit::Ok) };
    if global.json {
        // Standard output is one value, which has the reason.
        return Ok(Exit::Failure);
    }
    Err(Failure::new(
        Exit::Failure,
        format!("{} of {} secrets cannot be used", bad.len(), listed.len()),
    )
    .because(output::printable(first))
    .fix("restore its file from a backup, or remove the secret and set it again"))
}

fn change(
    global: &Global,
    name: Option<&str>,
    change: impl FnOnce(&Keeping<'_>) -> Result<Changed, SecretRefused>,
) -> Result<Exit, Failure> {
    let (node, _) = session::start(global, Adopt::Nothing)?;
    let changed = change(&node.keeping());
    let ended = node.stop();
    let changed = changed.map_err(|error| refused(&error))?;
    ended.map_err(|error| Failure::new(Exit::Failure, error))?;
    if global.json {
        let (version, count) = match changed {
            Changed::Version(version) => (Some(version), None),
            Changed::Removed => (None, None),
            Changed::Key(count) => (None, Some(count)),
        };
        output::json(&json!({ "name": name, "version": version, "sealed": count }));
        return Ok(Exit::Ok);
    }
    let name = output::printable(name.unwrap_or_default());
    output::line(match changed {
        Changed::Version(version) => format!("{name} is set, version {version}"),
        Changed::Removed => format!("{name} is gone"),
        Changed::Key(count) => format!("{} sealed with a new key", output::count(count, "secret")),
    });
    Ok(Exit::Ok)
}

/// The value a person gives. One end of line at its end is the line's, not the value's.
fn read(from: &SecretValue) -> Result<Vec<u8>, Failure> {
    let mut value = Vec::new();
    let read = match &from.file {
        Some(file) => std::fs::File::open(file)
            .and_then(|file| file.take(READ_BYTES).read_to_end(&mut value))
            .map_err(|error| unread(&format!("`{}`", shown(file)), &error)),
        None if std::io::stdin().is_terminal() => {
            return Err(Failure::new(Exit::Usage, "there is no value on standard input")
                .because("it is a terminal, which would show what is typed")
                .fix("pipe the value in, or name a file with `--file FILE`"));
        }
        None => std::io::stdin()
            .lock()
            .take(READ_BYTES)
            .read_to_end(&mut value)
            .map_err(|error| unread("standard input", &error)),
    };
    read?;
    for end in [b'\n', b'\r'] {
        if value.last() == Some(&end) {
            value.pop();
        }
    }
    Ok(value)
}

fn shown(path: &Path) -> String {
    output::printable(&path.display().to_string())
}

fn unread(what: &str, error: &std::io::Error) -> Failure {
    let exit = match error.kind() {
        std::io::ErrorKind::NotFound => Exit::NotFound,
        _ => Exit::Failure,
    };
    Failure::new(exit, format!("{what} cannot be read"))
        .because(error.to_string())
        .fix("name a file that can be read with `--file FILE`, or pipe the value in")
}

fn refused(error: &SecretRefused) -> Failure {
    let (exit, fix) = match error {
        SecretRefused::Stopped(_) => (
            Exit::Denied,
            Some("a rule that allows `secret.set`, `secret.rm` or `secret.rotate` has to name it"),
        ),
        SecretRefused::Invalid(_) => (Exit::Usage, None),
        SecretRefused::Secrecy(secrecy) => {
            let missing = matches!(secrecy, SecrecyError::Vault(vault) if vault.is_missing());
            let input = matches!(secrecy, SecrecyError::Known(_))
                || matches!(secrecy, SecrecyError::Vault(vault) if vault.is_input());
            let exit = match (missing, input) {
                (true, _) => Exit::NotFound,
                (_, true) => Exit::Usage,
                _ => Exit::Failure,
            };
            (exit, secrecy.fix())
        }
        SecretRefused::Journal(_) => {
            (Exit::Failure, Some("`palisade audit verify` checks the journal"))
        }
    };
    let failure = Failure::of(exit, error);
    match fix {
        Some(fix) => failure.fix(fix),
        None => failure,
    }
}
