//! The answer of a host on its way to the sandbox: head read and written anew, body in its framing.
//!
//! It decides nothing about hosts; a redirect is an answer like any other, and following it is a
//! new request.

use super::framing::{Body, Broken, Framing};
use super::head::{Fields, length, write_field};
use super::request::Plain;
use crate::event::Access;

/// Bytes of an answer's head.
const HEAD: usize = 64 * 1024;
/// Header fields of an answer.
const FIELDS: usize = 128;
/// Answers before the final one (status 1xx).
const INTERIM: u32 = 16;

/// What the answer depends on in its request.
#[derive(Clone, Copy, Debug)]
struct Asked {
    is_head: bool,
    is_upgrade: bool,
    is_modern: bool,
    keeps: bool,
}

/// One answer on its way through.
#[derive(Debug)]
pub(crate) struct Answer {
    asked: Asked,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Head { interim: u32 },
    Body { body: Body, keeps: bool },
    Switched,
}

impl Answer {
    pub(crate) fn to(request: &Plain) -> Self {
        let asked = Asked {
            is_head: request.method == "HEAD",
            is_upgrade: request.wish.access == Access::Upgrade,
            is_modern: request.modern,
            keeps: request.keep,
        };
        Self { asked, stage: Stage::Head { interim: 0 } }
    }

    /// Whether all of it has been passed on.
    pub(crate) fn is_done(&self) -> bool {
        match &self.stage {
            Stage::Head { .. } => false,
            Stage::Body { body, .. } => body.is_done(),
            Stage::Switched => true,
        }
    }

    /// Whether both sides now speak another protocol.
    pub(crate) fn has_switched(&self) -> bool {
        matches!(self.stage, Stage::Switched)
    }

    /// Whether the client was told that its connection stays open.
    pub(crate) fn keeps(&self) -> bool {
        matches!(self.stage, Stage::Body { keeps: true, .. })
    }

    /// Moves what it can from `input` to `output`; how many bytes it used.
    pub(crate) fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Broken> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            match &mut self.stage {
                Stage::Switched => return Ok(used),
                Stage::Body { body, .. } => return Ok(used + body.feed(rest, output)?),
                Stage::Head { .. } => match self.head(rest, output)? {
                    0 => return Ok(used),
                    length => used += length,
                },
            }
        }
    }

    /// The host has ended the stream.
    pub(crate) fn end(&mut self) -> Result<(), Broken> {
        match &mut self.stage {
            Stage::Head { .. } => Err(Broken),
            Stage::Body { body, .. } => body.end(),
            Stage::Switched => Ok(()),
        }
    }

    /// Reads a head; zero when it is not all there.
    fn head(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Broken> {
        let mut headers = [httparse::EMPTY_HEADER; FIELDS];
        let mut response = httparse::Response::new(&mut headers);
        let end = match response.parse(input) {
            Ok(httparse::Status::Complete(end)) if end <= HEAD => end,
            Ok(httparse::Status::Partial) if input.len() <= HEAD => return Ok(0),
            _ => return Err(Broken),
        };
        let (Some(code), Some(minor)) = (response.code, response.version) else {
            return Err(Broken);
        };
        let fields = Fields::read(response.headers);
        match code {
            101 => self.switch(&fields, output)?,
            100..=199 => self.interim(code, &fields, output)?,
            // A host that asks for the proxy's credentials is after what is not its own.
            407 => return Err(Broken),
            200..=599 => self.last(code, minor, &fields, output)?,
            _ => return Err(Broken),
        }
        Ok(end)
    }

    fn switch(&mut self, fields: &Fields, output: &mut Vec<u8>) -> Result<(), Broken> {
        if !self.asked.is_upgrade || !fields.says("upgrade", "websocket") {
            return Err(Broken);
        }
        status_line(output, 101);
        fields.write_on(output);
        write_field(output, "Connection", b"Upgrade");
        write_field(output, "Upgrade", b"websocket");
        output.extend_from_slice(b"\r\n");
        self.stage = Stage::Switched;
        Ok(())
    }

    fn interim(&mut self, code: u16, fields: &Fields, output: &mut Vec<u8>) -> Result<(), Broken> {
        let Stage::Head { interim } = &mut self.stage else { return Err(Broken) };
        *interim += 1;
        if *interim > INTERIM {
            return Err(Broken);
        }
        if self.asked.is_modern {
            status_line(output, code);
            fields.write_on(output);
            output.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn last(
        &mut self,
        code: u16,
        minor: u8,
        fields: &Fields,
        output: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let framing = framing(fields, minor)?;
        let empty = self.asked.is_head || code == 204 || code == 304;
        let delimited = empty
            || matches!(framing, Framing::Length(_) | Framing::None)
            || (framing == Framing::Chunked && self.asked.is_modern);
        let keeps = self.asked.keeps && delimited;
        status_line(output, code);
        fields.write_on(output);
        match framing {
            Framing::Length(length) if code != 204 => {
                write_field(output, "Content-Length", length.to_string().as_bytes());
            }
            Framing::Chunked if !empty && self.asked.is_modern => {
                write_field(output, "Transfer-Encoding", b"chunked");
            }
            _ => {}
        }
        write_field(output, "Connection", if keeps { b"keep-alive" } else { b"close" });
        output.extend_from_slice(b"\r\n");
        let framing = if empty { Framing::None } else { framing };
        let modern = self.asked.is_modern;
        let body = if modern { Body::new(framing) } else { Body::bare(framing) };
        self.stage = Stage::Body { body, keeps };
        Ok(())
    }
}

/// How the answer's body is delimited; repeated lengths may agree (RFC 9112 §6.3), nothing else
/// may be said twice.
fn framing(fields: &Fields, minor: u8) -> Result<Framing, Broken> {
    let encoding = fields.only("transfer-encoding").map_err(|()| Broken)?;
    let mut lengths = fields.all("content-length");
    let first = lengths.next();
    if lengths.any(|other| Some(other) != first) {
        return Err(Broken);
    }
    match (encoding, first) {
        (None, None) => Ok(Framing::UntilClose),
        (None, Some(value)) => length(value).map(Framing::Length).ok_or(Broken),
        (Some(value), None) if minor == 1 && value.eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked)
        }
        _ => Err(Broken),
    }
}

fn status_line(output: &mut Vec<u8>, code: u16) {
    output.extend_from_slice(format!("HTTP/1.1 {code} {}\r\n", phrase(code)).as_bytes());
}

/// The usual words for a status; the host's own are not passed on.
pub(crate) fn phrase(code: u16) -> &'static str {
    match code {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Asked, Stage};
    use proptest::prelude::*;

    fn answer(is_upgrade: bool) -> Answer {
        let asked = Asked { is_head: false, is_upgrade, is_modern: true, keeps: true };
        Answer { asked, stage: Stage::Head { interim: 0 } }
    }

    fn check(input: &str, expect: Option<&str>) {
        let (mut answer, mut output) = (answer(false), Vec::new());
        let result = answer
            .feed(input.as_bytes(), &mut output)
            .and_then(|_| if answer.is_done() { Ok(()) } else { answer.end() });
        let found = result.ok().map(|()| String::from_utf8(output).unwrap());
        assert_eq!(found.as_deref(), expect, "{input:?}");
    }

    #[test]
    fn an_answer_is_written_anew() {
        check(
            "HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nA: b\r\n\r\nhiGET",
            Some(
                "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi",
            ),
        );
        check(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            Some(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n",
            ),
        );
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\n0\r\nT: u\r\n\r\n",
            Some(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            ),
        );
        check("HTTP/1.0 200 OK\r\n\r\nhi", Some("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi"));
    }

    #[test]
    fn answers_with_two_readings_are_broken() {
        for input in [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
            "HTTP/1.1 407 Give\r\nProxy-Authenticate: Basic\r\n\r\n",
            "HTTP/1.1 101 Switch\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            "HTTP/1.1 099 X\r\n\r\n",
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 200 OK\r\n",
        ] {
            check(input, None);
        }
        check(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(20), None);
        check(&format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(70_000)), None);
    }

    #[test]
    fn a_websocket_switches_when_it_was_asked_for() {
        let (mut answer, mut output) = (answer(true), Vec::new());
        let input = b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: k\r\n\r\nrest";
        assert_eq!(answer.feed(input, &mut output), Ok(input.len() - 4));
        assert!(answer.has_switched());
    }

    proptest! {
        #[test]
        fn any_bytes_pass_or_break(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = answer(false).feed(&bytes, &mut Vec::new());
            let text = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), bytes].concat();
            let _ = answer(false).feed(&text, &mut Vec::new());
        }
    }
}
