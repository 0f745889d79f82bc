//! What the sandbox is told when something is refused: a short text, or a TLS alert.
//!
//! A refusal ends the connection. Its text names the rule of the proxy that refused and what to
//! do; it holds nothing that the sandbox did not send or the grant does not say.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::answer::phrase;
use super::office::Refusal;
use super::wait::{Stop, read, write};
use crate::event::Reason;

/// Time the client has to take the text and to stop sending.
const FAREWELL: Duration = Duration::from_secs(2);
/// Bytes read and thrown away so that the text is not lost to a reset.
const DRAINED: usize = 256 * 1024;

/// TLS alerts (RFC 8446 §6).
const ACCESS_DENIED: u8 = 49;
const INTERNAL_ERROR: u8 = 80;

/// Tells a refusal as an HTTP answer and ends the connection.
pub(crate) fn refuse(stop: &Stop, client: impl AsFd, refusal: &Refusal) {
    let Refusal { reason, status, detail, hint, .. } = refusal;
    let text = format!("egress denied: {detail}\nhint: {hint}\n");
    tell(stop, client, *status, &format!("denied; reason={reason}"), &text);
}

/// Tells that an allowed host could not be reached or did not answer properly.
pub(crate) fn fail(stop: &Stop, client: impl AsFd, status: u16, what: &str) {
    let text = format!("egress failed: {what}\n");
    tell(stop, client, status, "failed", &text);
}

fn tell(stop: &Stop, client: impl AsFd, status: u16, verdict: &str, text: &str) {
    let length = text.len();
    let phrase = phrase(status);
    let answer = format!(
        "HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\nPalisade-Egress: {verdict}\r\nConnection: close\r\n\r\n{text}"
    );
    farewell(stop, client, answer.as_bytes());
}

/// Ends a tunnel in which TLS was expected.
pub(crate) fn alert(stop: &Stop, client: impl AsFd, reason: Option<Reason>) {
    let code = if reason.is_some() { ACCESS_DENIED } else { INTERNAL_ERROR };
    farewell(stop, client, &[21, 3, 3, 0, 2, 2, code]);
}

/// The last bytes to a client. It is read from until it stops, or closing would throw them away.
fn farewell(stop: &Stop, client: impl AsFd, bytes: &[u8]) {
    let until = Instant::now() + FAREWELL;
    let client = client.as_fd();
    if write(stop, client, bytes, until).is_err() {
        return;
    }
    if rustix::net::shutdown(client, rustix::net::Shutdown::Write).is_err() {
        return;
    }
    let mut drained = 0;
    let mut buffer = [0; 4096];
    while drained < DRAINED {
        match read(stop, client, &mut buffer, until) {
            Ok(0) | Err(_) => return,
            Ok(more) => drained += more,
        }
    }
}
