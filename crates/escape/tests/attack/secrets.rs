//! Secrets of others: environments, arguments, memory, names of paths, the record of a run.
//! What is looked for begins with a text that is told; the rest of it is the token.

use std::fs;
use std::os::unix::fs::FileExt as _;

use super::Attempt;
use super::raw::{Held, Try, find_token, held, word};

pub const ATTEMPTS: &[Attempt] = &[
    ("find-in-file", find_in_file),
    ("find-in-own-environment", find_in_own_environment),
    ("find-in-environments", find_in_environments),
    ("find-in-arguments", find_in_arguments),
    ("find-in-memory", find_in_memory),
    ("find-in-roots", find_in_roots),
];

fn find(bytes: &[u8], arguments: &[String]) -> Try {
    find_token(bytes, word(arguments, 0)).ok_or_else(|| Held("not found".to_owned()))
}

fn find_in_file(arguments: &[String]) -> Try {
    find(&fs::read(word(arguments, 1))?, arguments)
}

fn find_in_own_environment(arguments: &[String]) -> Try {
    let values = std::env::vars().map(|(_, value)| value);
    find(values.collect::<Vec<_>>().join("\n").as_bytes(), arguments)
}

/// The same file of every process that can be seen.
fn in_processes(file: &str, arguments: &[String]) -> Try {
    let mut why = Held("no process to look at".to_owned());
    for entry in fs::read_dir("/proc")? {
        let entry = entry?.path();
        let named = entry.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        if named.is_none_or(|pid| pid == std::process::id()) {
            continue;
        }
        match fs::read(entry.join(file)) {
            Ok(bytes) => match find_token(&bytes, word(arguments, 0)) {
                Some(token) => return Ok(token),
                None => why = Held("not found".to_owned()),
            },
            Err(error) => why = error.into(),
        }
    }
    Err(why)
}

fn find_in_environments(arguments: &[String]) -> Try {
    in_processes("environ", arguments)
}

fn find_in_arguments(arguments: &[String]) -> Try {
    in_processes("cmdline", arguments)
}

/// A path beneath the root of every process that can be seen.
fn find_in_roots(arguments: &[String]) -> Try {
    in_processes(word(arguments, 1), arguments)
}

/// Everything a process has written to its memory.
fn find_in_memory(arguments: &[String]) -> Try {
    let folder = format!("/proc/{}", word(arguments, 1));
    let memory = fs::File::open(format!("{folder}/mem"))?;
    for line in fs::read_to_string(format!("{folder}/maps"))?.lines() {
        let Some((range, rest)) = line.split_once(' ') else { continue };
        if !rest.starts_with("rw") {
            continue;
        }
        let Some((start, end)) = range.split_once('-') else { continue };
        let bound = |text| u64::from_str_radix(text, 16).unwrap_or(0);
        let (start, end) = (bound(start), bound(end));
        let mut bytes = vec![0_u8; (end - start).min(64 << 20) as usize];
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        if let Some(token) = find_token(&bytes, word(arguments, 0)) {
            return Ok(token);
        }
    }
    held("not found")
}
