//! Messages: one JSON object a frame, read strictly, with one id from request to response.
//! Which methods there are is not known here.

use schema::ReadLimits;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::frame::FRAME_BYTES;

/// Deepest nesting of a message; a deeper one is refused.
pub const MESSAGE_DEPTH: usize = 32;
/// Longest id, in bytes.
const ID_BYTES: usize = 128;

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    /// Chosen by whoever asks; the response has the same. Empty where a request had none that could be read.
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) params: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Fault>,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Request,
    Response,
    Event,
}

/// Why a request is not done. Nothing changed, unless the code is [`Code::Internal`] or [`Code::TooLarge`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What kind of fault.
    pub code: Code,
    /// One line for people.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The frame or the message in it is not one; the connection ends.
    BadMessage,
    /// Only requests are answered.
    NotARequest,
    /// The handshake has to come first, once.
    HandshakeRequired,
    /// No version in common; the connection ends.
    UnsupportedVersion,
    /// There is no such method.
    UnknownMethod,
    /// The parameters are not those of the method.
    InvalidParams,
    /// There is no such run or tool.
    NotFound,
    /// The policy does not allow it.
    Denied,
    /// The state does not allow it.
    Conflict,
    /// Too many peers, or the node is ending.
    Busy,
    /// The answer does not fit into a frame; what was asked is done.
    TooLarge,
    /// The journal could not be written or read; whether it took effect is unknown.
    Internal,
}

impl Fault {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: code == Code::Busy }
    }
}

impl Message {
    /// A request.
    pub(super) fn request(id: &str, method: &str, params: Value) -> Self {
        let (method, params) = (Some(method.to_owned()), Some(params));
        Self { id: id.to_owned(), kind: Kind::Request, method, params, result: None, error: None }
    }

    /// The response to the message with this id.
    pub(super) fn response(id: &str, answer: Result<Value, Fault>) -> Self {
        let (result, error) = match answer {
            Ok(result) => (Some(result), None),
            Err(fault) => (None, Some(fault)),
        };
        Self { id: id.to_owned(), kind: Kind::Response, method: None, params: None, result, error }
    }

    /// Reads a message: UTF-8, no duplicate keys, no unknown fields, [`MESSAGE_DEPTH`] levels.
    ///
    /// # Errors
    /// [`Code::BadMessage`].
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let bad = |why: String| Fault::new(Code::BadMessage, why);
        let limits = ReadLimits { bytes: FRAME_BYTES, depth: MESSAGE_DEPTH };
        let value = schema::read(bytes, limits).map_err(|error| bad(error.to_string()))?;
        // A list of a struct's fields is as good as the struct to its reader, and no message.
        let Some(fields) = value.as_object() else {
            return Err(bad("not a message: it is not an object".to_owned()));
        };
        let answers = fields.contains_key("result") || fields.contains_key("error");
        let message: Self = serde_json::from_value(value)
            .map_err(|error| bad(format!("not a message: {error}")))?;
        if answers && message.kind == Kind::Request {
            return Err(bad("not a message: a request has no `result` and no `error`".to_owned()));
        }
        if message.id.len() > ID_BYTES || message.id.chars().any(char::is_control) {
            return Err(bad(format!("an id is at most {ID_BYTES} bytes of plain text")));
        }
        Ok(message)
    }

    /// The parameters of a request, as `P` has them; absent ones count as an empty object.
    ///
    /// # Errors
    /// [`Code::InvalidParams`], also for anything but an object: a list of a struct's fields reads as the struct.
    pub(super) fn read_params<P: DeserializeOwned>(params: Option<Value>) -> Result<P, Fault> {
        let invalid = |why: String| Fault::new(Code::InvalidParams, why);
        let params = match params {
            None | Some(Value::Null) => Value::Object(Map::new()),
            Some(Value::Object(params)) => Value::Object(params),
            Some(_) => return Err(invalid("`params` is an object".to_owned())),
        };
        serde_json::from_value(params).map_err(|error| invalid(error.to_string()))
    }

    /// The message's bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        // Our own values serialise; were one not to, the empty frame would be refused at the other end.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
