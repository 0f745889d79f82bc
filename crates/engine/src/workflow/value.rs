//! JSON values with templates in their texts: the `with` of a tool step.
//!
//! The keys of maps are never templates, so the shape of the arguments is known at load. Next:
//! `resolve`, which fills values in for a call.

use crate::expression::{Fault, Scope, Template};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A JSON value whose texts may be templates.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueTemplate {
    /// A value without templates in it.
    Literal(Value),
    /// A text with at least one expression.
    Text(Template),
    /// A list with a template somewhere inside.
    List(Vec<ValueTemplate>),
    /// A map with a template somewhere inside.
    Map(BTreeMap<String, ValueTemplate>),
}

/// A template inside a value that could not be filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfilled {
    /// The way to it: `.name` and `[index]` behind each other.
    pub path: String,
    /// The template as written.
    pub template: String,
    /// What is wrong, placed in the template.
    pub fault: Fault,
}

impl Unfilled {
    fn below(self, part: &str) -> Self {
        Self { path: format!("{part}{}", self.path), ..self }
    }
}

impl ValueTemplate {
    /// The value with every template filled in.
    ///
    /// # Errors
    /// The first template that cannot be.
    pub fn fill(&self, scope: &Scope<'_>) -> Result<Value, Unfilled> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Text(template) => template.value(scope).map_err(|fault| Unfilled {
                path: String::new(),
                template: template.source().to_owned(),
                fault,
            }),
            Self::List(items) => {
                let filled = items.iter().enumerate().map(|(place, item)| {
                    item.fill(scope).map_err(|error| error.below(&format!("[{place}]")))
                });
                filled.collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Map(fields) => Self::fill_map(fields, scope).map(Value::Object),
        }
    }

    /// As [`ValueTemplate::fill`] for the fields of a map.
    ///
    /// # Errors
    /// As [`ValueTemplate::fill`].
    pub fn fill_map(
        fields: &BTreeMap<String, Self>,
        scope: &Scope<'_>,
    ) -> Result<Map<String, Value>, Unfilled> {
        let filled = fields.iter().map(|(name, value)| match value.fill(scope) {
            Ok(value) => Ok((name.clone(), value)),
            Err(error) => Err(error.below(&format!(".{name}"))),
        });
        filled.collect()
    }
}
