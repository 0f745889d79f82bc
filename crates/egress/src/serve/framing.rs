//! Where the body of an HTTP/1.1 message ends, and its bytes in our own framing (RFC 9112 §6, §7).
//!
//! Chunks are decoded and written anew, their extensions and trailers dropped, so that what
//! passes has one reading only. Which framing a head asks for is `request`'s and `answer`'s.

use std::fmt::Write;

/// Bytes of the line before a chunk: its size and extensions.
const SIZE_LINE: usize = 256;
/// Bytes of all trailers together.
const TRAILERS: usize = 8 * 1024;

/// How a message's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks up to an empty one.
    Chunked,
    /// Everything up to the end of the connection; answers only.
    UntilClose,
}

/// The body breaks its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// One body on its way through.
#[derive(Debug)]
pub(crate) struct Body {
    state: State,
    /// Whether chunks are written out as chunks again.
    chunks: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Length(u64),
    UntilClose,
    Size(Vec<u8>),
    Chunk(u64),
    /// Behind a chunk's bytes, with so much of the line end seen.
    Behind(usize),
    /// The current line, and bytes of the lines before it.
    Trailer(Vec<u8>, usize),
    Done,
}

impl Body {
    pub(crate) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size(Vec::new()),
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, chunks: true }
    }

    /// A body whose chunks are written out bare, for a reader that knows no chunks.
    pub(crate) fn bare(framing: Framing) -> Self {
        Self { chunks: false, ..Self::new(framing) }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Moves what it can from `input` to `output` and says how many bytes it used. What is
    /// behind the end of the body stays unused.
    pub(crate) fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Broken> {
        let mut used = 0;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            let step = self.step(rest, output)?;
            if step == 0 {
                break;
            }
            used += step;
        }
        Ok(used)
    }

    /// The stream has ended; whether the body may end there.
    pub(crate) fn end(&mut self) -> Result<(), Broken> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(Broken),
        }
    }

    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Broken> {
        match &mut self.state {
            State::Done => Ok(0),
            State::UntilClose => {
                output.extend_from_slice(input);
                Ok(input.len())
            }
            State::Length(left) => {
                let taken = pass(*left, input, output);
                *left = left.saturating_sub(taken as u64);
                if *left == 0 {
                    self.state = State::Done;
                }
                Ok(taken)
            }
            State::Chunk(left) => {
                let taken = pass_chunk(*left, input, output, self.chunks);
                *left = left.saturating_sub(taken as u64);
                if *left == 0 {
                    self.state = State::Behind(0);
                }
                Ok(taken)
            }
            State::Size(_) | State::Behind(_) | State::Trailer(..) => {
                self.line_byte(input.first().copied().ok_or(Broken)?, output)?;
                Ok(1)
            }
        }
    }

    fn line_byte(&mut self, byte: u8, output: &mut Vec<u8>) -> Result<(), Broken> {
        match &mut self.state {
            State::Size(line) => {
                line.push(byte);
                if line.len() > SIZE_LINE {
                    return Err(Broken);
                }
                if let Some(line) = whole_line(line)? {
                    self.state = match chunk_size(line)? {
                        0 => State::Trailer(Vec::new(), 0),
                        size => State::Chunk(size),
                    };
                }
            }
            State::Behind(seen) => {
                match (*seen, byte) {
                    (0, b'\r') => *seen = 1,
                    (1, b'\n') => self.state = State::Size(Vec::new()),
                    _ => return Err(Broken),
                };
            }
            State::Trailer(line, before) => {
                line.push(byte);
                if line.len() + *before > TRAILERS {
                    return Err(Broken);
                }
                match whole_line(line)? {
                    Some([]) => {
                        if self.chunks {
                            output.extend_from_slice(b"0\r\n\r\n");
                        }
                        self.state = State::Done;
                    }
                    Some(_) => self.state = State::Trailer(Vec::new(), *before + line.len()),
                    None => {}
                }
            }
            _ => return Err(Broken),
        }
        Ok(())
    }
}

fn pass(left: u64, input: &[u8], output: &mut Vec<u8>) -> usize {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    output.extend_from_slice(input.get(..taken).unwrap_or_default());
    taken
}

fn pass_chunk(left: u64, input: &[u8], output: &mut Vec<u8>, framed: bool) -> usize {
    if !framed {
        return pass(left, input, output);
    }
    let size = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    let mut line = String::new();
    // Writing to a string cannot fail.
    let _ = write!(line, "{size:x}\r\n");
    output.extend_from_slice(line.as_bytes());
    let taken = pass(left, input, output);
    output.extend_from_slice(b"\r\n");
    taken
}

/// The line without its end, once it is whole. Control characters and lone line ends break it.
fn whole_line(line: &[u8]) -> Result<Option<&[u8]>, Broken> {
    let visible = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    match line {
        [content @ .., b'\r', b'\n'] if content.iter().all(visible) => Ok(Some(content)),
        [content @ .., b'\r'] | content if content.iter().all(visible) => Ok(None),
        _ => Err(Broken),
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, Broken> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    if !(1..=16).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Broken);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Broken)?;
    u64::from_str_radix(text, 16).map_err(|_| Broken)
}

#[cfg(test)]
mod tests {
    use super::{Body, Broken, Framing};
    use proptest::prelude::*;

    fn check(framing: Framing, input: &str, expect: Result<(&str, &str), Broken>) {
        let mut body = Body::bare(framing);
        let mut output = Vec::new();
        let found = body.feed(input.as_bytes(), &mut output).and_then(|used| {
            let done = if body.is_done() { Ok(()) } else { body.end() };
            done.map(|()| (String::from_utf8(output).unwrap(), input[used..].to_owned()))
        });
        assert_eq!(found, expect.map(|(a, b)| (a.to_owned(), b.to_owned())), "{input:?}");
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        check(Framing::None, "GET", Ok(("", "GET")));
        check(Framing::Length(0), "GET", Ok(("", "GET")));
        check(Framing::Length(3), "abcGET", Ok(("abc", "GET")));
        check(Framing::Length(4), "abc", Err(Broken));
        check(Framing::UntilClose, "abc", Ok(("abc", "")));
        check(Framing::Chunked, "3\r\nabc\r\n0\r\n\r\nGET", Ok(("abc", "GET")));
        check(
            Framing::Chunked,
            "3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\na: b\r\n\r\n",
            Ok(("abc0123456789", "")),
        );
        check(Framing::Chunked, "3\r\nabc\r\n", Err(Broken));
    }

    #[test]
    fn doubtful_chunks_break_the_body() {
        for input in [
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "+3\r\nabc\r\n0\r\n\r\n",
            "-3\r\nabc\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            " 3\r\nabc\r\n0\r\n\r\n",
            "3 \r\nabc\r\n0\r\n\r\n",
            "\r\nabc",
            "g\r\n",
            "10000000000000000\r\n",
            "3\r\nabc\r\n0\r\nx: y\n\r\n",
            "3\r\r\nabc",
            "3\0\r\nabc",
        ] {
            check(Framing::Chunked, input, Err(Broken));
        }
        check(Framing::Chunked, &format!("3;{}\r\n", "x".repeat(300)), Err(Broken));
        check(Framing::Chunked, &format!("0\r\n{}", "a: b\r\n".repeat(2000)), Err(Broken));
    }

    proptest! {
        #[test]
        fn any_bytes_end_or_break(input in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut output = Vec::new();
            let _ = Body::new(Framing::Chunked).feed(&input, &mut output);
        }

        #[test]
        fn chunks_come_out_as_they_went_in_however_they_are_cut(
            chunks in proptest::collection::vec("[a-z]{1,20}", 0..6), cut in 1_usize..9,
        ) {
            let mut input: String =
                chunks.iter().map(|chunk| format!("{:X};e\r\n{chunk}\r\n", chunk.len())).collect();
            input.push_str("0\r\nt: u\r\n\r\n");
            let (mut body, mut framed) = (Body::new(Framing::Chunked), Vec::new());
            for piece in input.as_bytes().chunks(cut) {
                prop_assert_eq!(body.feed(piece, &mut framed), Ok(piece.len()));
            }
            prop_assert!(body.is_done());
            let (mut again, mut bare) = (Body::bare(Framing::Chunked), Vec::new());
            prop_assert_eq!(again.feed(&framed, &mut bare), Ok(framed.len()));
            prop_assert_eq!(String::from_utf8(bare).unwrap(), chunks.concat());
        }
    }
}
