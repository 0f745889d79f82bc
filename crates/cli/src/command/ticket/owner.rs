//! Asking the process that owns the project, where one does.
//! What it is asked for is decided and recorded there, in the name of the user of this process.

use runner::Layout;
use runner::peer::{Client, ClientError};
use serde_json::Value;

use super::failed::not_answered;
use crate::failure::Failure;

/// What the owner answers; `None` where there is none.
pub(super) fn ask(layout: &Layout, method: &str, params: Value) -> Result<Option<Value>, Failure> {
    let answer =
        Client::connect(&layout.peer()).and_then(|mut client| client.request(method, params));
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ClientError::NoOwner) => Ok(None),
        Err(error) => Err(not_answered(&error)),
    }
}
