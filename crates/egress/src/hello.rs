//! The first message of a TLS client, read strictly for the one host it names (RFC 8446, 6066).
//!
//! It decides nothing and ends no TLS: what cannot be read in full, or hides the name, is an
//! error. Bytes behind the greeting are not looked at.

use crate::host::{Host, HostError};

/// Bytes of a greeting. Large ones, with post-quantum keys, have about two thousand.
const GREETING: usize = 16 * 1024;
/// Records a greeting may be spread over; programs that split it use a handful.
const RECORDS: usize = 64;
/// Bytes of one record's content (RFC 8446 §5.1).
const RECORD: usize = 1 << 14;
/// Extensions of a greeting; programs send about twenty.
const EXTENSIONS: usize = 64;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
/// Encrypted client hello, its outer list, and the draft before it: all hide the real name.
const HIDDEN_NAMES: [u16; 3] = [0xfe0d, 0xfd00, 0xffce];

/// What a greeting says of its destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The one host it names, if it names one.
    pub(crate) host: Option<Host>,
}

/// Why bytes are no greeting that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HelloError {
    #[error("what came first is not TLS")]
    NotTls,
    #[error("the TLS greeting is too large or in too many pieces")]
    Large,
    #[error("the TLS greeting cannot be read")]
    Malformed,
    #[error("the TLS greeting holds an extension twice")]
    Twice,
    #[error("the TLS greeting names several hosts, or a kind of name that is unknown")]
    Names,
    #[error("the host in the TLS greeting cannot be read: {0}")]
    Host(HostError),
    #[error("the TLS greeting hides its host (encrypted client hello)")]
    Hidden,
}

/// Reads a greeting from the first bytes of a stream; `None` asks for more of them.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<Hello>, HelloError> {
    let Some(message) = message(bytes)? else { return Ok(None) };
    client_hello(&message).map(Some)
}

/// The handshake message put together from its records, without its header.
fn message(bytes: &[u8]) -> Result<Option<Vec<u8>>, HelloError> {
    let mut rest = bytes;
    let mut content = Vec::new();
    for _ in 0..RECORDS {
        // What is there of a record's header must already be right: waiting for more of
        // something that is not TLS would only hold the connection.
        check_start(rest)?;
        let Some((header, behind)) = rest.split_at_checked(5) else { return Ok(None) };
        let length = match header {
            [_, _, _, high, low] => usize::from(u16::from_be_bytes([*high, *low])),
            _ => return Err(HelloError::Malformed),
        };
        if length == 0 || length > RECORD {
            return Err(HelloError::Malformed);
        }
        let available = behind.get(..length.min(behind.len())).unwrap_or_default();
        content.extend_from_slice(available);
        match complete(&content)? {
            Some(message) if available.len() == length => return Ok(Some(message)),
            _ if available.len() < length => return Ok(None),
            _ => rest = behind.get(length..).unwrap_or_default(),
        }
    }
    Err(HelloError::Large)
}

fn check_start(rest: &[u8]) -> Result<(), HelloError> {
    match rest {
        [HANDSHAKE] | [HANDSHAKE, 3] | [HANDSHAKE, 3, 0..=4, ..] | [] => Ok(()),
        _ => Err(HelloError::NotTls),
    }
}

/// The body of the message, once all of it is there; another message behind it is refused.
fn complete(content: &[u8]) -> Result<Option<Vec<u8>>, HelloError> {
    match content {
        [] => return Ok(None),
        [CLIENT_HELLO, ..] => {}
        _ => return Err(HelloError::NotTls),
    }
    let Some((header, body)) = content.split_at_checked(4) else { return Ok(None) };
    let length = match header {
        [_, high, middle, low] => u32::from_be_bytes([0, *high, *middle, *low]) as usize,
        _ => return Err(HelloError::Malformed),
    };
    if length > GREETING {
        return Err(HelloError::Large);
    }
    match body.len() {
        got if got < length => Ok(None),
        got if got == length => Ok(Some(body.to_vec())),
        _ => Err(HelloError::Malformed),
    }
}

/// A place in the message; every read moves it and fails where the message ends too early.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], HelloError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(HelloError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self, width: usize) -> Result<usize, HelloError> {
        let bytes = self.take(width)?;
        Ok(bytes.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
    }

    /// A vector with its length in `width` bytes before it.
    fn vector(&mut self, width: usize) -> Result<Cursor<'a>, HelloError> {
        let length = self.number(width)?;
        self.take(length).map(Cursor)
    }

    fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn length(&self) -> usize {
        self.0.len()
    }
}

fn client_hello(message: &[u8]) -> Result<Hello, HelloError> {
    let mut cursor = Cursor(message);
    if cursor.number(1)? != 3 {
        return Err(HelloError::Malformed);
    }
    cursor.take(1)?;
    cursor.take(32)?;
    if cursor.vector(1)?.length() > 32 {
        return Err(HelloError::Malformed);
    }
    let suites = cursor.vector(2)?.length();
    if suites < 2 || suites % 2 != 0 || cursor.vector(1)?.is_at_end() {
        return Err(HelloError::Malformed);
    }
    if cursor.is_at_end() {
        return Ok(Hello { host: None });
    }
    let mut extensions = cursor.vector(2)?;
    if !cursor.is_at_end() {
        return Err(HelloError::Malformed);
    }
    read_extensions(&mut extensions)
}

fn read_extensions(extensions: &mut Cursor<'_>) -> Result<Hello, HelloError> {
    let mut seen: Vec<usize> = Vec::new();
    let mut hello = Hello { host: None };
    while !extensions.is_at_end() {
        let kind = extensions.number(2)?;
        let content = extensions.vector(2)?;
        if seen.contains(&kind) {
            return Err(HelloError::Twice);
        }
        seen.push(kind);
        if seen.len() > EXTENSIONS {
            return Err(HelloError::Large);
        }
        if HIDDEN_NAMES.iter().any(|hidden| usize::from(*hidden) == kind) {
            return Err(HelloError::Hidden);
        }
        if kind == usize::from(SERVER_NAME) {
            hello.host = Some(server_name(content)?);
        }
    }
    Ok(hello)
}

/// Exactly one entry, of the kind `host_name`.
fn server_name(mut content: Cursor<'_>) -> Result<Host, HelloError> {
    let mut list = content.vector(2)?;
    if !content.is_at_end() || list.is_at_end() {
        return Err(HelloError::Malformed);
    }
    if list.number(1)? != 0 {
        return Err(HelloError::Names);
    }
    let name = list.vector(2)?;
    if !list.is_at_end() {
        return Err(HelloError::Names);
    }
    let name = std::str::from_utf8(name.0).map_err(|_| HelloError::Host(HostError::Characters))?;
    Host::parse(name).map_err(HelloError::Host)
}

#[cfg(test)]
mod tests {
    use super::{GREETING, Hello, HelloError, read};
    use crate::host::Host;
    use proptest::prelude::*;

    /// A vector with its length in `width` bytes before it.
    fn vector(width: usize, content: &[u8]) -> Vec<u8> {
        let mut bytes = (content.len() as u64).to_be_bytes()[8 - width..].to_vec();
        bytes.extend_from_slice(content);
        bytes
    }

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [kind.to_be_bytes().to_vec(), vector(2, content)].concat()
    }

    fn names(list: &[(u8, &str)]) -> Vec<u8> {
        let entry = |(kind, name): &(u8, &str)| [vec![*kind], vector(2, name.as_bytes())].concat();
        let list: Vec<u8> = list.iter().flat_map(entry).collect();
        extension(0, &vector(2, &list))
    }

    fn sni(name: &str) -> Vec<u8> {
        names(&[(0, name)])
    }

    fn handshake(extensions: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend(vector(1, &[9; 32]));
        body.extend(vector(2, &[0x13, 1, 0x13, 2]));
        body.extend(vector(1, &[0]));
        body.extend(vector(2, &extensions.concat()));
        [vec![1], vector(3, &body)].concat()
    }

    fn record(content: &[u8]) -> Vec<u8> {
        [vec![22, 3, 1], vector(2, content)].concat()
    }

    fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
        record(&handshake(extensions))
    }

    fn named(name: &str) -> Result<Option<Hello>, HelloError> {
        Ok(Some(Hello { host: Some(Host::parse(name).unwrap()) }))
    }

    #[test]
    fn the_one_host_is_read() {
        assert_eq!(read(&hello(&[sni("example.com")])), named("example.com"));
        assert_eq!(read(&hello(&[sni("EXAMPLE.com")])), named("example.com"));
        let others = [extension(10, &[0, 2, 0, 29]), sni("example.com"), extension(21, &[0; 200])];
        assert_eq!(read(&hello(&others)), named("example.com"));
        assert_eq!(read(&hello(&[])), Ok(Some(Hello { host: None })));
    }

    #[test]
    fn bytes_behind_the_greeting_are_not_looked_at() {
        let mut bytes = hello(&[sni("example.com")]);
        bytes.extend([23, 3, 3, 0, 1, 0]);
        assert_eq!(read(&bytes), named("example.com"));
    }

    #[test]
    fn hidden_and_doubtful_names_are_refused() {
        let check = |extensions: &[Vec<u8>], expect| {
            assert_eq!(read(&hello(extensions)), Err(expect), "{extensions:?}");
        };
        check(&[names(&[(0, "a.example"), (0, "b.example")])], HelloError::Names);
        check(&[names(&[(1, "a.example")])], HelloError::Names);
        check(&[names(&[])], HelloError::Malformed);
        check(&[sni("a.example"), sni("b.example")], HelloError::Twice);
        check(&[sni("a.example"), extension(0xfe0d, &[0; 8])], HelloError::Hidden);
        check(&[extension(0xffce, &[]), sni("a.example")], HelloError::Hidden);
        for name in ["", "a b", "a\0b", "a/b", "127.1", "b\u{fc}cher.example", "a..b"] {
            assert!(matches!(read(&hello(&[sni(name)])), Err(HelloError::Host(_))), "{name:?}");
        }
    }

    #[test]
    fn what_is_not_tls_is_refused_at_its_first_byte() {
        for bytes in [&b"GET"[..], b"S", b"\x05\x01", b"\x17\x03\x03", b"\x16\x02", b"\x80\x2e"] {
            assert_eq!(read(bytes), Err(HelloError::NotTls), "{bytes:?}");
        }
        assert_eq!(read(&record(&[2, 0, 0, 0])), Err(HelloError::NotTls));
    }

    #[test]
    fn a_greeting_in_many_pieces_is_put_together() {
        let whole = handshake(&[sni("example.com")]);
        for size in [7, 50, whole.len()] {
            let bytes: Vec<u8> = whole.chunks(size).flat_map(record).collect();
            assert_eq!(read(&bytes), named("example.com"), "pieces of {size}");
        }
        let bytes: Vec<u8> = whole.chunks(1).flat_map(record).collect();
        assert_eq!(read(&bytes), Err(HelloError::Large));
    }

    #[test]
    fn sizes_are_limited_and_counted_right() {
        let large = hello(&[extension(21, &vec![0; 16_000]), sni("example.com")]);
        assert_eq!(read(&large), named("example.com"));
        let mut huge = vec![22, 3, 1, 0x40, 0, 1];
        huge.extend(&u32::try_from(GREETING + 1).unwrap().to_be_bytes()[1..]);
        assert_eq!(read(&huge), Err(HelloError::Large));
        let mut behind = handshake(&[sni("example.com")]);
        behind.extend([0, 0]);
        assert_eq!(read(&record(&behind)), Err(HelloError::Malformed));
        assert_eq!(read(&[22, 3, 1, 0, 0]), Err(HelloError::Malformed));
        assert_eq!(read(&[22, 3, 1, 0x40, 1]), Err(HelloError::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = read(&bytes);
            let _ = read(&record(&bytes));
            let _ = read(&record(&[vec![1], vector(3, &bytes)].concat()));
        }

        #[test]
        fn a_greeting_cut_anywhere_asks_for_more(cut in 0_usize..1000) {
            let bytes = hello(&[extension(10, &[0, 2, 0, 29]), sni("example.com")]);
            let cut = cut % bytes.len();
            prop_assert_eq!(read(&bytes[..cut]), Ok(None));
        }

        #[test]
        fn a_changed_byte_never_yields_another_host(at in 0_usize..1000, to in any::<u8>()) {
            let mut bytes = hello(&[sni("example.com"), extension(10, &[0, 2, 0, 29])]);
            let at = at % bytes.len();
            let before = bytes[at];
            bytes[at] = to;
            if let Ok(Some(Hello { host: Some(host) })) = read(&bytes) {
                // The name itself may be changed; nothing else may pass for a name.
                let name = host.to_string();
                prop_assert!(name.len() == "example.com".len() || before == to);
            }
        }

        #[test]
        fn any_split_into_records_reads_the_same(cuts in proptest::collection::vec(1_usize..90, 1..20)) {
            let whole = handshake(&[sni("example.com")]);
            let mut bytes = Vec::new();
            let mut rest = &whole[..];
            for cut in cuts {
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                if !piece.is_empty() {
                    bytes.extend(record(piece));
                }
                rest = behind;
            }
            if !rest.is_empty() {
                bytes.extend(record(rest));
            }
            prop_assert_eq!(read(&bytes), named("example.com"));
        }
    }
}
