//! A call in its one form: what policy sees, what runs, and what a ticket for exactly one call names.
//! Only shape is looked at here; what may run is decided in `gate`.

use engine::run::Digest;
use serde_json::Value;

use super::{Asked, Gate, Refused, digest, network, oversized};

/// A call in its one form.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) tool: String,
    pub(crate) arguments: Value,
    pub(crate) digest: Digest,
}

impl Gate {
    /// The one form of what was asked for. The arguments of a tool nobody knows stay as they are.
    ///
    /// # Errors
    /// [`Refused`] where it can have none.
    pub(crate) fn form(&self, asked: Asked) -> Result<Form, Refused> {
        schema::check_payload(&asked.arguments).map_err(|excess| oversized(&excess))?;
        let known = self.catalogue.tool(&asked.tool).is_some();
        let arguments = if known { self.validate(&asked)? } else { asked.arguments };
        if known {
            network::coherent(&arguments).map_err(Refused::Invalid)?;
        }
        let digest = digest(&asked.tool, &arguments);
        Ok(Form { tool: asked.tool, arguments, digest })
    }
}
