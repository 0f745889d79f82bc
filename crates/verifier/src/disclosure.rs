//! Disclosures: a value, its salt, the record that committed to it, and that record's proof.
//! The commitment is that of the journal's `FORMAT.md`, written from its text.

use crate::json::Json;
use crate::note::Key;
use crate::proof::{self, Shown};
use crate::tree::{Hash, hash};
use crate::{Checked, invalid};

const FORMAT: &str = "palisade disclosure 1";
const KIND: &str = "redaction.committed";

/// What a disclosure has shown.
#[derive(Debug)]
pub(crate) struct Revealed {
    pub(crate) shown: Shown,
    pub(crate) field: String,
    /// As JSON text.
    pub(crate) value: String,
}

/// Verifies a disclosure.
pub(crate) fn verify(text: &str, key: &Key) -> Checked<Revealed> {
    let read = Json::parse(text)?;
    if read.text("format")? != FORMAT {
        return Err(invalid(format!("its format is not `{FORMAT}`")));
    }
    let shown = proof::verify(read.text("proof")?, key)?;
    let record = read.text("record")?;
    if shown.kind != KIND || shown.payload != hash(&[&[1], record.as_bytes()]) {
        return Err(invalid("its record is not the one that is proved"));
    }
    let record = Json::parse(record)?;
    let (field, value) = (read.text("field")?, read.text("value")?);
    let salt = bytes(read.text("salt")?)?;
    let context = format!("{}\n{field}", record.text("id")?);
    let length = u32::try_from(context.len()).map_err(|_| invalid("its place is too long"))?;
    let found = hash(&[
        b"\x02palisade commitment 1\n",
        &salt,
        &length.to_be_bytes(),
        context.as_bytes(),
        value.as_bytes(),
    ]);
    for commitment in record.list("commitments")? {
        if commitment.text("field")? != field {
            continue;
        }
        if bytes(commitment.text("commitment")?)? == found {
            return Ok(Revealed { shown, field: field.to_owned(), value: value.to_owned() });
        }
        return Err(invalid(format!("the value of `{field}` is not the one committed to")));
    }
    Err(invalid(format!("the record has no commitment to `{field}`")))
}

/// Thirty-two bytes in lowercase hexadecimal.
fn bytes(text: &str) -> Checked<Hash> {
    let wrong = || invalid("a salt or commitment is not 64 hexadecimal digits");
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let read: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    read.filter(|_| rest.is_empty()).and_then(|read| read.try_into().ok()).ok_or_else(wrong)
}
