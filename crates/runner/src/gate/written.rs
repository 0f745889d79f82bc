//! What of a call may be written down: its arguments without what its tool's schema marks as sensitive.
//!
//! Policy sees the values and the call runs with them; whatever is recorded, shown to an approver or hashed for a
//! record is made from what comes out of here. Which fields are marked is the schema's to say (`x-sensitivity`).

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::policy::Catalogue;
use engine::run::Digest;
use redaction::{Fields, Tagger};
use serde_json::Value;

use super::{Admitted, Gate, digest};

/// Which tools have marked arguments, and what stands in their place.
#[derive(Debug)]
pub(super) struct Written {
    marked: BTreeSet<String>,
    tagger: Option<Tagger>,
}

impl Written {
    pub(super) fn of(catalogue: &Catalogue) -> Self {
        let marked = catalogue.tools().filter(|tool| Fields::of(&tool.schema).any());
        Self { marked: marked.map(|tool| tool.name.clone()).collect(), tagger: None }
    }
}

/// What stands in the place of one value; the one place where that is made.
fn replaced(tagger: Option<&Tagger>, level: &str, value: &Value) -> Value {
    match tagger {
        Some(tagger) => tagger.mark(level, value.to_string().as_bytes()).into(),
        // Without a key there is no tag that would not say something of the value.
        None => format!("‹redacted:{level}›").into(),
    }
}

impl Gate {
    /// The same gate, which makes marks under the key of `tagger`.
    #[must_use]
    pub fn with_tagger(self, tagger: Tagger) -> Self {
        let marked = self.written.marked.clone();
        Self { written: Arc::new(Written { marked, tagger: Some(tagger) }), ..self }
    }

    /// The arguments of a call of `tool` as records have them.
    #[must_use]
    pub fn written(&self, tool: &str, arguments: &Value) -> Value {
        let Written { marked, tagger } = &*self.written;
        match self.catalogue.tool(tool) {
            Some(known) if marked.contains(tool) => Fields::of(&known.schema)
                .replace(arguments, &|level, value| replaced(tagger.as_ref(), level, value)),
            _ => arguments.clone(),
        }
    }

    /// SHA-256 over tool and arguments as records have them: says nothing of what is left out.
    #[must_use]
    pub fn written_digest(&self, admitted: &Admitted) -> Digest {
        if !self.written.marked.contains(&admitted.tool) {
            return admitted.digest();
        }
        digest(&admitted.tool, &self.written(&admitted.tool, &admitted.arguments))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use engine::policy::document::Source;
    use engine::policy::{Effect, Policy, Tool};
    use serde_json::json;

    use super::*;
    use crate::gate::{Asked, Principal, Refused};

    const POLICY: &str = "version: 1\nname: p\nrules:\n  - { name: known, match: { tool: db.query, args: { password: hunter22 } }, action: allow }\n";

    fn gate(password: &Value) -> Gate {
        let properties = json!({ "password": password, "table": { "type": "string" } });
        let tool = Tool {
            name: "db.query".to_owned(),
            effect: Effect::Read,
            tags: Vec::new(),
            schema: json!({ "type": "object", "properties": properties }),
            paths: Vec::new(),
            hosts: Vec::new(),
        };
        let catalogue = Catalogue::new(vec![tool]).unwrap();
        let policy = Policy::load(&Source::new("p", POLICY), &catalogue).unwrap().policy;
        Gate::new(PathBuf::from("/"), None, Arc::new(policy), catalogue).unwrap()
    }

    fn admit(gate: &Gate, password: &str) -> Result<Admitted, Refused> {
        let arguments = json!({ "password": password, "table": "t" });
        gate.admit(
            &Principal::recorded("user:ada"),
            Asked { tool: "db.query".to_owned(), arguments },
        )
    }

    #[test]
    fn policy_sees_and_the_call_has_what_no_record_gets() {
        let marked = json!({ "type": "string", "x-sensitivity": "secret" });
        for gate in [gate(&marked), gate(&marked).with_tagger(Tagger::new([7; 32]))] {
            let admitted = admit(&gate, "hunter22").unwrap();
            assert!(admit(&gate, "hunter23").is_err(), "policy saw the value");
            assert_eq!(admitted.arguments["password"], "hunter22", "the call runs with it");
            let written = gate.written("db.query", &admitted.arguments);
            assert_eq!(written["table"], "t");
            assert!(written["password"].as_str().unwrap().starts_with("‹redacted:secret"));
            assert_eq!(gate.written_digest(&admitted), digest("db.query", &written));
            assert_ne!(gate.written_digest(&admitted), admitted.digest());
            assert!(!admitted.decision.to_string().contains("hunter22"));
        }
        // Control: without the mark everything is written as it is.
        let gate = gate(&json!({ "type": "string" }));
        let admitted = admit(&gate, "hunter22").unwrap();
        assert_eq!(gate.written("db.query", &admitted.arguments), admitted.arguments);
        assert_eq!(gate.written_digest(&admitted), admitted.digest());
    }
}
