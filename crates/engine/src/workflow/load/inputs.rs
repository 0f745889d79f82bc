//! The `inputs` of a document: the JSON Schema with its mistakes put where they are written.
//! What a schema may contain is judged in `crate::workflow::inputs`; values are not looked at here.

use super::{InputSchema, Loader};
use crate::workflow::inputs::{marked, unknown_keywords};
use policy::document::{Diagnostic, Node, Span, Yaml};
use schema::Fault;
use serde_json::Value;

impl<'n> Loader<'n> {
    /// Compiles the schema; a document without one takes no inputs.
    pub(super) fn inputs(&mut self, node: Option<&'n Node>) -> Option<InputSchema> {
        let schema = node.map_or(Value::Null, Node::to_json);
        match InputSchema::compile(schema) {
            Ok(inputs) => {
                for fault in unknown_keywords(inputs.compiled()) {
                    self.schema_fault(node, fault, Diagnostic::warning);
                }
                for fault in marked(inputs.compiled()) {
                    self.schema_fault(node, fault, Diagnostic::error);
                }
                Some(inputs)
            }
            Err(faults) => {
                for fault in faults {
                    self.schema_fault(node, fault, Diagnostic::error);
                }
                None
            }
        }
    }

    /// Tells a fault of the schema at `node` where it is written.
    pub(super) fn schema_fault(
        &mut self,
        node: Option<&Node>,
        fault: Fault,
        diagnostic: fn(Span, String) -> Diagnostic,
    ) {
        let span = node.map(|node| find(node, &fault.pointer)).unwrap_or_default();
        let diagnostic = diagnostic(span, fault.message);
        self.report.add(match fault.hint {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        });
    }
}

/// The place a JSON Pointer leads to: the key for something that is named, as far as the pointer
/// can be followed.
fn find(node: &Node, pointer: &str) -> Span {
    let mut node = node;
    let mut span = Span { len: 1, ..node.span };
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        let next = match &node.value {
            Yaml::Map(entries) => entries
                .iter()
                .find(|(key, _)| key.name == name)
                .map(|(key, value)| (key.span, value)),
            Yaml::List(items) => {
                let item = name.parse().ok().and_then(|place: usize| items.get(place));
                item.map(|item| (item.span, item))
            }
            _ => None,
        };
        let Some((found, value)) = next else { break };
        (span, node) = (found, value);
    }
    span
}
