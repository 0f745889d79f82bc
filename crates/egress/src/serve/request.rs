//! The head of a request from the sandbox: read strictly, or refused with what to do instead.
//!
//! What two programs could read differently is refused, never repaired. Nothing is decided here;
//! whether the host is granted is the `office`'s.

use super::framing::Framing;
use super::head::{Fields, length, write_field};
use crate::event::{Access, Reason};
use crate::host::{Host, HostError, split_port};

/// Header fields of one request.
const FIELDS: usize = 100;

/// What is asked of the proxy, as decisions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) access: Access,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// A readable request.
#[derive(Debug)]
pub(crate) enum Asked {
    Tunnel(Wish),
    Plain(Plain),
}

/// A plain request, ready to be written anew.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) wish: Wish,
    pub(crate) method: String,
    /// Path and query.
    path: String,
    fields: Fields,
    pub(crate) framing: Framing,
    /// Whether it is HTTP/1.1; otherwise HTTP/1.0.
    pub(crate) modern: bool,
    /// Whether the connection stays open for another request.
    pub(crate) keep: bool,
}

/// Why a request is not read, and what would be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) reason: Reason,
    pub(crate) status: u16,
    pub(crate) detail: String,
    pub(crate) hint: &'static str,
    /// What was asked for, as far as it could be read.
    pub(crate) wish: Option<Wish>,
}

pub(crate) const USE: &str = "send `GET http://host/path` or, for HTTPS, `CONNECT host:443`; \
                              programs do so with http_proxy and https_proxy set";

fn bad(detail: impl Into<String>) -> Bad {
    Bad { reason: Reason::Malformed, status: 400, detail: detail.into(), hint: USE, wish: None }
}

fn unsupported(detail: impl Into<String>, hint: &'static str) -> Bad {
    Bad { reason: Reason::Unsupported, hint, ..bad(detail) }
}

/// Reads the head at the beginning of `bytes`; with it, how long it is. `None` asks for more.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<(Asked, usize)>, Bad> {
    check_bytes(bytes)?;
    let mut headers = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut headers);
    let end = match request.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(many()),
        Err(httparse::Error::Version) => return Err(version(bytes)),
        Err(error) => return Err(bad(format!("this is no HTTP/1.1 request: {error}"))),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(bad("this is no HTTP/1.1 request"));
    };
    let fields = Fields::read(request.headers);
    let asked = match method {
        "CONNECT" => tunnel(target, &fields, minor)?,
        _ => plain(method, target, fields, minor)?,
    };
    Ok(Some((asked, end)))
}

/// What the parser would overlook: line ends that are not CRLF, a line of nothing at the start,
/// folded lines.
fn check_bytes(bytes: &[u8]) -> Result<(), Bad> {
    if bytes.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
        return Err(bad("this does not begin like an HTTP request"));
    }
    let head =
        bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let head = bytes.get(..head).unwrap_or_default();
    let mut before = b' ';
    for byte in head {
        match (before, *byte) {
            (b'\r', b'\n') => {}
            (b'\r', _) | (_, b'\n') => return Err(bad("a line does not end with CR and LF")),
            (b'\n', b' ' | b'\t') => return Err(bad("a header field is folded over two lines")),
            (_, 0) => return Err(bad("the head holds a NUL")),
            _ => {}
        }
        before = *byte;
    }
    Ok(())
}

fn many() -> Bad {
    let detail = format!("there are more than {FIELDS} header fields");
    Bad { reason: Reason::Limit, status: 431, ..bad(detail) }
}

fn version(bytes: &[u8]) -> Bad {
    if bytes.starts_with(b"PRI ") {
        return unsupported("HTTP/2 is not spoken by this proxy", USE);
    }
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    match line.split(|byte| *byte == b' ').collect::<Vec<_>>().as_slice() {
        [_, _, version] if version.starts_with(b"HTTP/") => {
            Bad { status: 505, ..unsupported("only HTTP/1.0 and HTTP/1.1 are spoken here", USE) }
        }
        _ => bad("the first line is not `METHOD target HTTP/1.1`"),
    }
}

/// The host with its port, as the target or the `Host` field names it.
fn authority(text: &str, usual: Option<u16>) -> Result<(Host, u16), HostError> {
    let (host, port) = split_port(text)?;
    let port = port.or(usual).ok_or(HostError::Port)?;
    Ok((Host::parse(host)?, port))
}

fn tunnel(target: &str, fields: &Fields, minor: u8) -> Result<Asked, Bad> {
    let (host, port) = authority(target, None)
        .map_err(|why| bad(format!("the target of CONNECT is not `host:port`: {why}")))?;
    let wish = Wish { access: Access::Tunnel, host, port };
    let known = |problem: Bad| Bad { wish: Some(wish.clone()), ..problem };
    check_host(fields, &wish, minor).map_err(known)?;
    let framing = framing(fields, minor).map_err(known)?;
    if !matches!(framing, Framing::None | Framing::Length(0)) {
        return Err(known(bad("CONNECT has no body")));
    }
    Ok(Asked::Tunnel(wish))
}

fn plain(method: &str, target: &str, fields: Fields, minor: u8) -> Result<Asked, Bad> {
    let letters = |byte: u8| byte.is_ascii_uppercase() || byte == b'-' || byte == b'_';
    if !method.bytes().all(letters) {
        return Err(bad("the method is not in capital letters"));
    }
    let (host, port, path) = absolute(target)?;
    let upgrade = wants_upgrade(method, &fields, minor);
    let access = match method {
        _ if upgrade => Access::Upgrade,
        "GET" | "HEAD" | "OPTIONS" => Access::Read,
        _ => Access::Write,
    };
    let wish = Wish { access, host, port };
    let known = |problem: Bad| Bad { wish: Some(wish.clone()), ..problem };
    if method == "TRACE" {
        return Err(known(unsupported("TRACE is not passed on", "use another method")));
    }
    check_host(&fields, &wish, minor).map_err(known)?;
    let framing = framing(&fields, minor).map_err(known)?;
    if upgrade && !matches!(framing, Framing::None | Framing::Length(0)) {
        return Err(known(bad("a request to change the protocol has no body")));
    }
    check_expect(&fields).map_err(known)?;
    let keep = minor == 1 && !fields.says("connection", "close") && !upgrade;
    let method = method.to_owned();
    Ok(Asked::Plain(Plain { wish, method, path, fields, framing, modern: minor == 1, keep }))
}

/// Host, port and path of `http://host:port/path`.
fn absolute(target: &str) -> Result<(Host, u16, String), Bad> {
    if target.starts_with('/') || target == "*" {
        return Err(bad("this is the egress proxy, not a server: the request names no host"));
    }
    let Some((scheme, rest)) = target.split_once("://") else {
        return Err(bad("the target of the request is not `http://host/path`"));
    };
    if scheme.eq_ignore_ascii_case("https") {
        let hint = "open a tunnel with `CONNECT host:443` and speak TLS inside";
        return Err(unsupported("the proxy does not speak TLS for others", hint));
    }
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(unsupported("only `http://` is passed on", USE));
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) || target.contains(['#', '\\']) {
        return Err(bad("the target of the request holds characters no URL has"));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let (host, port) = authority(host, Some(80))
        .map_err(|why| bad(format!("the host of the request cannot be read: {why}")))?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok((host, port, path))
}

/// The `Host` field names the same host as the target; HTTP/1.0 may do without.
fn check_host(fields: &Fields, wish: &Wish, minor: u8) -> Result<(), Bad> {
    let twice = || bad("there are several `Host` fields");
    let Some(value) = fields.only("host").map_err(|()| twice())? else {
        return if minor == 0 { Ok(()) } else { Err(bad("there is no `Host` field")) };
    };
    let usual = if wish.access == Access::Tunnel { wish.port } else { 80 };
    let text = std::str::from_utf8(value).map_err(|_| HostError::Characters);
    let named = text.and_then(|text| authority(text, Some(usual)));
    match named {
        Ok((host, port)) if host == wish.host && port == wish.port => Ok(()),
        Ok((host, port)) => Err(Bad {
            reason: Reason::Mismatch,
            hint: "name the same host in the target and in `Host`",
            ..bad(format!("the `Host` field names `{host}:{port}`, the target another host"))
        }),
        Err(why) => Err(bad(format!("the `Host` field cannot be read: {why}"))),
    }
}

/// How the body is delimited, when there is one way to read it.
fn framing(fields: &Fields, minor: u8) -> Result<Framing, Bad> {
    let lookalike = |name: &str| {
        let name = name.replace('_', "-").to_ascii_lowercase();
        matches!(name.as_str(), "content-length" | "transfer-encoding" | "host")
    };
    if fields.0.iter().any(|(name, _)| name.contains('_') && lookalike(name)) {
        return Err(bad("a header field resembles one that delimits the body"));
    }
    let encodings = fields.only("transfer-encoding");
    let lengths = fields.only("content-length");
    match (encodings, lengths) {
        (Ok(None), Ok(None)) => Ok(Framing::None),
        (Ok(None), Ok(Some(value))) => length(value)
            .map(Framing::Length)
            .ok_or_else(|| bad("`Content-Length` is not a number of bytes")),
        (Ok(Some(value)), Ok(None)) if minor == 1 && value.eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked)
        }
        (Ok(Some(_)), Ok(None)) => {
            Err(bad("`Transfer-Encoding` is something else than `chunked` in HTTP/1.1"))
        }
        _ => Err(bad("the length of the body is given more than once")),
    }
}

fn check_expect(fields: &Fields) -> Result<(), Bad> {
    let known = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
    if fields.all("expect").all(known) {
        return Ok(());
    }
    let problem = unsupported("`Expect` asks for something unknown", "send `Expect: 100-continue`");
    Err(Bad { status: 417, ..problem })
}

/// A WebSocket is the only other protocol a request can change to. Wishes for anything else are
/// not passed on, which servers and clients take as a no.
fn wants_upgrade(method: &str, fields: &Fields, minor: u8) -> bool {
    let websocket = |value: &[u8]| value.eq_ignore_ascii_case(b"websocket");
    minor == 1
        && method == "GET"
        && fields.says("connection", "upgrade")
        && fields.only("upgrade").is_ok_and(|value| value.is_some_and(websocket))
}

impl Plain {
    /// The head as the host gets it: origin form, one `Host`, own framing, one request only.
    pub(crate) fn head(&self) -> Vec<u8> {
        let minor = u8::from(self.modern);
        let line = format!("{} {} HTTP/1.{minor}\r\n", self.method, self.path);
        let mut head = line.into_bytes();
        let Wish { host, port, access } = &self.wish;
        let host = if *port == 80 { host.to_string() } else { format!("{host}:{port}") };
        write_field(&mut head, "Host", host.as_bytes());
        self.fields.write_on(&mut head);
        match self.framing {
            Framing::Length(length) => {
                write_field(&mut head, "Content-Length", length.to_string().as_bytes());
            }
            Framing::Chunked => write_field(&mut head, "Transfer-Encoding", b"chunked"),
            Framing::None | Framing::UntilClose => {}
        }
        if *access == Access::Upgrade {
            write_field(&mut head, "Connection", b"Upgrade");
            write_field(&mut head, "Upgrade", b"websocket");
        } else {
            write_field(&mut head, "Connection", b"close");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Bad, read};
    use crate::event::Reason;
    use proptest::prelude::*;

    fn on(input: &str) -> String {
        match read(input.as_bytes()) {
            Ok(Some((Asked::Plain(plain), _))) => String::from_utf8(plain.head()).unwrap(),
            Ok(Some((Asked::Tunnel(wish), _))) => format!("tunnel {}:{}", wish.host, wish.port),
            Ok(None) => "more".to_owned(),
            Err(bad) => panic!("{input:?}: {bad:?}"),
        }
    }

    fn refused(input: &str) -> Bad {
        match read(input.as_bytes()) {
            Err(bad) => bad,
            Ok(other) => panic!("{input:?}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_written_anew() {
        assert_eq!(
            on(
                "GET http://Example.com./a?b HTTP/1.1\r\nHost: example.com\r\nProxy-Authorization: x\r\n\
                Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
                Accept: */*\r\nProxy-Connection: keep-alive\r\n\r\n"
            ),
            "GET /a?b HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(
            on("POST http://example.com:8080?q HTTP/1.1\r\nHost: example.com:8080\r\n\
                Transfer-Encoding: Chunked\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
            "POST /?q HTTP/1.1\r\nHost: example.com:8080\r\nTransfer-Encoding: chunked\r\n\
             Connection: close\r\n\r\n"
        );
        assert_eq!(
            on("GET http://example.com/ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: WebSocket\r\n\
                Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: k\r\n\r\n"),
            "GET /ws HTTP/1.1\r\nHost: example.com\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\n\r\n"
        );
        assert_eq!(
            on("GET http://example.com/ HTTP/1.0\r\n\r\n"),
            "GET / HTTP/1.0\r\nHost: example.com\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn a_tunnel_names_host_and_port() {
        assert_eq!(
            on("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
            "tunnel a.example:443"
        );
        assert_eq!(
            on("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n"),
            "tunnel a.example:443"
        );
        assert_eq!(on("CONNECT a.example:443 HTTP/1.0\r\n\r\n"), "tunnel a.example:443");
        assert_eq!(on("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n"), "tunnel [::1]:443");
        assert_eq!(on("CONNECT a.example:443 HTTP/1.1\r\n"), "more");
    }

    #[test]
    fn a_host_named_twice_differently_is_known_in_the_refusal() {
        let bad = refused("GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n");
        assert_eq!(bad.reason, Reason::Mismatch);
        assert_eq!(bad.wish.unwrap().host.to_string(), "a.example");
        assert_eq!(
            refused("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:444\r\n\r\n").reason,
            Reason::Mismatch
        );
    }

    #[test]
    fn an_origin_form_request_is_taught() {
        let bad = refused("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
        assert_eq!(bad.status, 400);
        assert!(bad.detail.contains("egress proxy") && bad.hint.contains("http_proxy"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn what_is_read_has_one_reading(
            head in r"(GET|POST|CONNECT) (http://)?[a-z.@:/%0-9]{1,20} HTTP/1.[01]\r\n(Host: [a-z.:0-9]{1,12}\r\n)?((Content-Length|Transfer-Encoding|X-[a-z]{1,3}): (3|chunked|[ -~]{0,9})\r\n){0,3}\r\n",
        ) {
            if let Ok(Some((Asked::Plain(plain), _))) = read(head.as_bytes()) {
                let again = String::from_utf8(plain.head()).unwrap();
                prop_assert_eq!(again.matches("\r\nHost: ").count(), 1);
                let lengths = again.to_lowercase().matches("\r\ncontent-length:").count()
                    + again.to_lowercase().matches("\r\ntransfer-encoding:").count();
                prop_assert!(lengths <= 1);
                prop_assert_eq!(again.matches("\r\n\r\n").count(), 1);
            }
        }
    }
}
