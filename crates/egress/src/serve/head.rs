//! The header fields of a message on its way through: which go on and which end here.
//!
//! Fields that are about one connection end here (RFC 9110 §7.6.1), and so does everything
//! addressed to a proxy. Requests are read in `request`, answers in `answer`.

/// One field: its name as written, and its value.
pub(crate) type Field = (String, Vec<u8>);

/// Fields that never go on, beside those that `Connection` names and all that begin `proxy-`.
/// Framing and the host are written anew.
const ENDS_HERE: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The fields of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Vec<Field>);

impl Fields {
    pub(crate) fn read(headers: &[httparse::Header<'_>]) -> Self {
        let field = |header: &httparse::Header<'_>| (header.name.to_owned(), header.value.to_vec());
        Self(headers.iter().map(field).collect())
    }

    /// Every value of a field.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let same = move |(own, _): &&Field| own.eq_ignore_ascii_case(name);
        self.0.iter().filter(same).map(|(_, value)| value.as_slice())
    }

    /// The value of a field that stands there once; `Err` when it stands there more often.
    pub(crate) fn only(&self, name: &str) -> Result<Option<&[u8]>, ()> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() { Err(()) } else { Ok(first) }
    }

    /// Whether one of the words of a field's values is this one.
    pub(crate) fn says(&self, name: &str, word: &str) -> bool {
        self.all(name).flat_map(words).any(|own| own.eq_ignore_ascii_case(word))
    }

    /// Writes the fields that go on.
    pub(crate) fn write_on(&self, output: &mut Vec<u8>) {
        let named: Vec<String> = self.all("connection").flat_map(words).collect();
        for (name, value) in &self.0 {
            let lower = name.to_ascii_lowercase();
            let ends = ENDS_HERE.contains(&lower.as_str())
                || lower.starts_with("proxy-")
                || named.iter().any(|word| word.eq_ignore_ascii_case(name));
            if !ends {
                write_field(output, name, value);
            }
        }
    }
}

/// Writes one field.
pub(crate) fn write_field(output: &mut Vec<u8>, name: &str, value: &[u8]) {
    output.extend_from_slice(name.as_bytes());
    output.extend_from_slice(b": ");
    output.extend_from_slice(value);
    output.extend_from_slice(b"\r\n");
}

/// Reads a length: digits only, as many as a number of bytes can have.
pub(crate) fn length(value: &[u8]) -> Option<u64> {
    let plain = (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| plain)?;
    text.parse().ok()
}

fn words(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    text.split(',').map(|word| word.trim().to_owned()).collect()
}
