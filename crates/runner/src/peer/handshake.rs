//! The handshake: both sides say their versions before anything else is asked.
//!
//! A version is one whole number. It rises when a method is taken away or renamed, when what it requires or returns
//! changes; new methods and new optional parameters do not raise it. The current one and the one before are served.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::message::{Code, Fault, Message};

/// The newest version this build speaks.
pub const API_VERSION: u32 = 1;
/// The method of the handshake.
pub(super) const HANDSHAKE: &str = "handshake";

/// What a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Greeting {
    /// Its name, for the record.
    pub(super) client: String,
    /// Its own version, for the record.
    #[serde(default)]
    pub(super) client_version: String,
    /// The version of the protocol it speaks.
    pub(super) api_version: u32,
}

/// The oldest and newest version served by a build whose newest is `current`.
#[must_use]
pub const fn supported(current: u32) -> (u32, u32) {
    // The first version has none before it.
    (if current > 1 { current - 1 } else { 1 }, current)
}

/// Answers the first message of a connection.
///
/// # Errors
/// A fault to be sent before the connection ends.
pub(super) fn greet(first: &Message) -> Result<Value, Fault> {
    if first.method.as_deref() != Some(HANDSHAKE) {
        let message =
            "the first request is the handshake: `handshake` with `client` and `api_version`";
        return Err(Fault::new(Code::HandshakeRequired, message));
    }
    let greeting: Greeting = Message::read_params(first.params.clone())
        .map_err(|fault| Fault { message: format!("handshake: {}", fault.message), ..fault })?;
    let version = negotiate(greeting.api_version, API_VERSION)?;
    let (oldest, newest) = supported(API_VERSION);
    Ok(json!({
        "server_version": env!("CARGO_PKG_VERSION"),
        "supported_api_versions": [oldest, newest],
        "negotiated_api_version": version,
    }))
}

fn negotiate(asked: u32, current: u32) -> Result<u32, Fault> {
    let (oldest, newest) = supported(current);
    if (oldest..=newest).contains(&asked) {
        return Ok(asked);
    }
    let message = format!("version {asked} is not spoken here; versions {oldest} to {newest} are");
    Err(Fault::new(Code::UnsupportedVersion, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_version_and_the_one_before_are_served_and_no_other() {
        let table = [
            (1, 1, true),
            (0, 1, false),
            (2, 1, false),
            (6, 7, true),
            (7, 7, true),
            (5, 7, false),
            (8, 7, false),
            (u32::MAX, 7, false),
        ];
        for (asked, current, served) in table {
            let answer = negotiate(asked, current);
            assert_eq!(answer.is_ok(), served, "{asked} at {current}");
            assert!(answer.is_ok() || answer.unwrap_err().code == Code::UnsupportedVersion);
        }
    }
}
