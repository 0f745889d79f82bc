//! What can be asked, and what is answered.
//! Each answer has an exit code of its own.

use std::path::Path;

use crate::note::{Checkpoint, Key, checkpoint};
use crate::{Checked, Refusal, base64, disclosure, folder, proof};

pub(crate) const USAGE: &str = "\
palisade-verify checkpoint FILE --key KEY    a signed checkpoint
palisade-verify proof FILE --key KEY         a .tlog-proof of one record
palisade-verify disclosure FILE --key KEY    what a value was that a record has a commitment to
palisade-verify tiles FOLDER --key KEY       a folder of tiles: every entry, hash and link
palisade-verify grown FILE FOLDER --key KEY  that the folder's tree began as the checkpoint in FILE
KEY is `name+id+base64`, or a file with it, as `palisade audit checkpoint --key` prints it; the key of a node is good for
all of its logs. Exit codes: 0 verified, 1 does not verify, 2 wrong command, 3 a file cannot be read.";

/// Carries out a command line.
pub(crate) fn run(arguments: &[String]) -> Checked<String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--help" | "-h" | "help"] => Ok(USAGE.to_owned()),
        ["checkpoint", file, "--key", key] => {
            Ok(told(&checkpoint(&folder::read_text(Path::new(file))?, &named(key)?)?))
        }
        ["proof", file, "--key", key] => {
            let shown = proof::verify(&folder::read_text(Path::new(file))?, &named(key)?)?;
            let record = format!("record {} is in {}", shown.sequence, told(&shown.log));
            Ok(shown
                .logs
                .map_or(record.clone(), |logs| format!("{record}\nwhich is in {}", told(&logs))))
        }
        ["disclosure", file, "--key", key] => {
            let text = folder::read_text(Path::new(file))?;
            let found = disclosure::verify(&text, &named(key)?)?;
            let place = format!("record {} in {}", found.shown.sequence, told(&found.shown.log));
            // What comes from a file reaches no terminal with its control characters.
            let (field, value) = (found.field.escape_debug(), found.value.escape_debug());
            Ok(format!("{place}\nhas committed to this at {field}:\n{value}"))
        }
        ["tiles", path, "--key", key] => {
            Ok(format!("all of {}", told(&folder::verify(Path::new(path), &named(key)?)?)))
        }
        ["grown", file, path, "--key", key] => {
            let key = named(key)?;
            let old = checkpoint(&folder::read_text(Path::new(file))?, &key)?;
            let new = folder::consistent(&old, Path::new(path), &key)?;
            Ok(format!("{} begins with its first {}", told(&new), old.size))
        }
        _ => Err(Refusal::Usage("no such command".to_owned())),
    }
}

/// A key as it was typed, or in the file that was named.
fn named(typed: &str) -> Checked<Key> {
    let path = Path::new(typed);
    if path.is_file() { Key::parse(folder::read_text(path)?.trim()) } else { Key::parse(typed) }
}

fn told(found: &Checkpoint) -> String {
    let Checkpoint { origin, size, root } = found;
    format!("{origin}, size {size}, root {}", base64::encode(root))
}
