//! What a waiting slot is told: program, arguments, environment and folder in one message.
//!
//! The supervisor writes it (`write`), a slot reads it into memory that was set aside before it
//! was cloned (`Letter`), and builds the pointer tables `execve` wants without allocating. The two
//! share no memory and exchange no address: a letter holds text and counts.

use std::ffi::{CStr, CString, c_char};

use super::exec::{Strings, Table};

/// Bytes of a letter; a program that needs more is started cold. Far below what a socket takes.
pub(crate) const BYTES_MAX: usize = 128 * 1024;
/// Texts in a letter; a program that needs more is started cold.
pub(crate) const TEXTS_MAX: usize = 4096;

/// Counts at the head of a letter, four bytes each: the flag, then how many texts of each kind.
const HEAD: usize = 4;
const HEAD_BYTES: usize = HEAD * 4;
/// Candidates, arguments and environment each end with a null pointer.
const NULLS: usize = 3;

/// What a letter says.
pub(crate) struct Order<'a> {
    /// Whether standard input holds anything.
    pub(crate) has_input: bool,
    /// Where the program starts; empty means where the slot is already.
    pub(crate) folder: &'a CStr,
    /// Paths tried in this order.
    pub(crate) candidates: Texts<'a>,
    pub(crate) arguments: Table<'a>,
    pub(crate) environment: Table<'a>,
}

/// Writes a letter, or `None` where it would be too long. Allocates, so only for the supervisor.
pub(crate) fn write(
    has_input: bool,
    folder: &CStr,
    candidates: &[CString],
    arguments: &Strings,
    environment: &Strings,
) -> Option<Vec<u8>> {
    let lists = [candidates, arguments.texts(), environment.texts()];
    let texts = lists.iter().map(|list| list.len()).sum::<usize>();
    let size = lists.iter().copied().flatten().map(|text| text.count_bytes() + 1).sum::<usize>();
    let whole = HEAD_BYTES + folder.count_bytes() + 1 + size;
    if texts + NULLS > TEXTS_MAX || whole > BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(whole);
    bytes.extend_from_slice(&u32::from(has_input).to_le_bytes());
    for list in lists {
        bytes.extend_from_slice(&u32::try_from(list.len()).ok()?.to_le_bytes());
    }
    bytes.extend_from_slice(folder.to_bytes_with_nul());
    for text in lists.iter().copied().flatten() {
        bytes.extend_from_slice(text.as_bytes_with_nul());
    }
    Some(bytes)
}

/// Room for one letter and its pointer tables.
pub(crate) struct Letter {
    bytes: Box<[u8]>,
    table: Box<[*const c_char]>,
    /// Bytes that were read into; only these are erased, to touch no page for nothing.
    used: usize,
}

impl Letter {
    /// Allocates, so only for the supervisor.
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; BYTES_MAX].into(),
            table: vec![std::ptr::null(); TEXTS_MAX].into(),
            used: 0,
        }
    }

    /// Where the message is to be read to.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Reads a letter of `length` bytes; `None` for bytes that are not one.
    pub(crate) fn open(&mut self, length: usize) -> Option<Order<'_>> {
        self.used = self.used.max(length);
        let (head, rest) = self.bytes.get(..length)?.split_at_checked(HEAD_BYTES)?;
        let mut counts = [0_usize; HEAD];
        for (count, bytes) in counts.iter_mut().zip(head.chunks_exact(4)) {
            *count = usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()?;
        }
        let [flag, candidates, arguments, variables] = counts;
        let mut texts = Texts { rest, left: usize::MAX };
        let folder = texts.next()?;
        let tried = Texts { rest: texts.rest, left: candidates };
        for _ in 0..candidates {
            texts.next()?;
        }
        let (first, second) = self.table.split_at_mut_checked(arguments.checked_add(1)?)?;
        fill(first, &mut texts)?;
        let second = second.get_mut(..variables.checked_add(1)?)?;
        fill(second, &mut texts)?;
        Some(Order {
            has_input: flag != 0,
            folder,
            candidates: tried,
            arguments: Table::terminated(first)?,
            environment: Table::terminated(second)?,
        })
    }

    /// Overwrites what was read, so that a process which stays does not keep it.
    pub(crate) fn erase(&mut self) {
        let used = self.used.min(self.bytes.len());
        self.bytes.iter_mut().take(used).for_each(|byte| *byte = 0);
        std::hint::black_box(&self.bytes);
    }
}

/// Puts a text into every entry but the last, which stays null.
fn fill(table: &mut [*const c_char], texts: &mut Texts<'_>) -> Option<()> {
    let (last, entries) = table.split_last_mut()?;
    *last = std::ptr::null();
    for entry in entries {
        *entry = texts.next()?.as_ptr();
    }
    Some(())
}

/// Texts one after the other, each ended by a NUL byte.
#[derive(Clone)]
pub(crate) struct Texts<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a CStr;

    fn next(&mut self) -> Option<&'a CStr> {
        self.left = self.left.checked_sub(1)?;
        let text = CStr::from_bytes_until_nul(self.rest).ok()?;
        self.rest = self.rest.get(text.count_bytes() + 1..)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Strings {
        Strings::new(texts.iter().map(|text| CString::new(*text).unwrap()).collect())
    }

    fn candidates(texts: &[&str]) -> Vec<CString> {
        texts.iter().map(|text| CString::new(*text).unwrap()).collect()
    }

    fn put(letter: &mut Letter, bytes: &[u8]) -> usize {
        letter.space()[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    #[test]
    fn what_is_written_is_read() {
        let (arguments, environment) = (strings(&["ls", "", "-l"]), strings(&["A=1"]));
        let tried = candidates(&["/bin/ls", "/usr/bin/ls"]);
        let bytes = write(true, c"/workspace", &tried, &arguments, &environment).unwrap();
        let mut letter = Letter::new();
        let length = put(&mut letter, &bytes);
        let order = letter.open(length).unwrap();
        assert!(order.has_input);
        assert_eq!(order.folder, c"/workspace");
        assert_eq!(order.candidates.map(CStr::to_owned).collect::<Vec<_>>(), tried);
        assert_eq!(order.arguments.texts(), ["ls", "", "-l"]);
        assert_eq!(order.environment.texts(), ["A=1"]);
        letter.erase();
        assert!(letter.space().iter().all(|byte| *byte == 0), "nothing is left of it");
    }

    #[test]
    fn no_argument_and_no_variable_are_empty_lists() {
        let bytes = write(false, c"", &candidates(&["/x"]), &strings(&[]), &strings(&[])).unwrap();
        let mut letter = Letter::new();
        let length = put(&mut letter, &bytes);
        let order = letter.open(length).unwrap();
        assert!(!order.has_input);
        assert!(order.arguments.texts().is_empty() && order.environment.texts().is_empty());
    }

    #[test]
    fn too_long_is_not_written() {
        let none = strings(&[]);
        let long = strings(&["x".repeat(BYTES_MAX).as_str()]);
        assert!(write(false, c"", &candidates(&["/x"]), &long, &none).is_none());
        let many = strings(&vec![""; TEXTS_MAX]);
        assert!(write(false, c"", &candidates(&["/x"]), &many, &none).is_none());
    }

    #[test]
    fn every_cut_and_foreign_bytes_are_refused() {
        let (arguments, environment) = (strings(&["ls"]), strings(&["A=1", "B=2"]));
        let bytes = write(false, c"/", &candidates(&["/ls"]), &arguments, &environment).unwrap();
        let mut letter = Letter::new();
        for length in 0..bytes.len() {
            letter.erase();
            put(&mut letter, &bytes[..length]);
            assert!(letter.open(length).is_none(), "{length}");
        }
        for foreign in [&[0xff; 64][..], &[0; 16], &[1; 20]] {
            letter.erase();
            let length = put(&mut letter, foreign);
            assert!(letter.open(length).is_none());
        }
        assert!(letter.open(BYTES_MAX + 1).is_none());
    }
}
