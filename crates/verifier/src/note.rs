//! Signed notes and checkpoints: C2SP signed-note and tlog-checkpoint, with Ed25519 alone.
//! Other kinds of signatures are passed over.

use ed25519_dalek::{Signature, VerifyingKey};

use crate::tree::{Hash, hash};
use crate::{Checked, Refusal, base64, invalid};

/// A public key, `name+id+base64`, which speaks for its name and for names below it.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    key: VerifyingKey,
}

impl Key {
    pub(crate) fn parse(text: &str) -> Checked<Self> {
        let refused = |why: &str| Refusal::Usage(format!("`{text}` is not a public key: {why}"));
        let (name, rest) = text.split_once('+').ok_or_else(|| refused("there is no `+`"))?;
        let (id, key) = rest.split_once('+').ok_or_else(|| refused("there is only one `+`"))?;
        let bytes = base64::decode(key).ok_or_else(|| refused("its end is not base64"))?;
        let key = match bytes.split_first() {
            Some((1, key)) => {
                key.try_into().ok().and_then(|key| VerifyingKey::from_bytes(key).ok())
            }
            _ => None,
        };
        let key = key.ok_or_else(|| refused("it is not an Ed25519 key"))?;
        let found = Self { name: name.to_owned(), key };
        let own: String = found.id(name).iter().map(|byte| format!("{byte:02x}")).collect();
        if own != id { Err(refused("the id is of another key or name")) } else { Ok(found) }
    }

    fn id(&self, name: &str) -> [u8; 4] {
        let [a, b, c, d, ..] = hash(&[name.as_bytes(), b"\n\x01", self.key.as_bytes()]);
        [a, b, c, d]
    }

    fn speaks_for(&self, origin: &str) -> bool {
        let rest = origin.strip_prefix(&self.name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// What a checkpoint says, once its signature was verified.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) origin: String,
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// Verifies a signed checkpoint.
pub(crate) fn checkpoint(note: &str, key: &Key) -> Checked<Checkpoint> {
    if note.contains(|character: char| character < ' ' && character != '\n') {
        return Err(invalid("the note has control characters"));
    }
    let (body, signatures) =
        note.rsplit_once("\n\n").ok_or_else(|| invalid("there is no empty line in the note"))?;
    let signatures = signatures
        .strip_suffix('\n')
        .ok_or_else(|| invalid("the note's last line is not ended"))?;
    let text = format!("{body}\n");
    let lines: Vec<&str> = body.split('\n').collect();
    let [origin, size, root] = lines.as_slice() else {
        return Err(invalid("the checkpoint has not exactly three lines"));
    };
    if !key.speaks_for(origin) {
        let why =
            format!("the checkpoint is of `{origin}`, for which `{}` does not speak", key.name);
        return Err(invalid(why));
    }
    signed(&text, origin, signatures, key)?;
    let size = number(size).ok_or_else(|| invalid("the second line is not a size"))?;
    let root = base64::decode(root).and_then(|root| root.try_into().ok());
    let root = root.ok_or_else(|| invalid("the third line is not a hash"))?;
    Ok(Checkpoint { origin: (*origin).to_owned(), size, root })
}

/// Whether the text is signed under its origin by the key; signatures of others are passed over.
fn signed(text: &str, origin: &str, signatures: &str, key: &Key) -> Checked<()> {
    let mut found = false;
    for line in signatures.split('\n') {
        let parts = line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' '));
        let (name, encoded) = parts.ok_or_else(|| invalid("a line is not a signature"))?;
        let bytes = base64::decode(encoded).ok_or_else(|| invalid("a signature is not base64"))?;
        let (id, bytes) =
            bytes.split_first_chunk::<4>().ok_or_else(|| invalid("a signature is too short"))?;
        if name != origin || *id != key.id(origin) {
            continue;
        }
        let signature = <[u8; 64]>::try_from(bytes).map(|bytes| Signature::from_bytes(&bytes));
        if !signature.is_ok_and(|one| key.key.verify_strict(text.as_bytes(), &one).is_ok()) {
            return Err(invalid(format!("the signature of `{origin}` is forged or damaged")));
        }
        found = true;
    }
    if found {
        Ok(())
    } else {
        Err(invalid(format!("no signature is of the key of `{}`", key.name)))
    }
}

/// A decimal number without leading zeros, as large as a log can be.
pub(crate) fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text && number < 1 << 40).then_some(number)
}
