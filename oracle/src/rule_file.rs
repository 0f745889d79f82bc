//! The rules as a rule file, decided by our engine.
//!
//! The file is written as JSON, which every YAML reader takes, so nothing has to be quoted by hand.

use policy::document::{Severity, Source};
use policy::{Call, Catalogue, Policy, Tool, Verdict};
use serde_json::{Map, Value, json};

use crate::model::{Accepted, Action, Asked, Condition, OracleError, Outcome, Rule};

/// Our engine with the rules loaded.
#[derive(Debug)]
pub struct Ours {
    policy: Policy,
}

impl Ours {
    /// Loads the rules against `tools`.
    ///
    /// # Errors
    /// [`OracleError::RuleFile`] with the first error.
    pub fn load(rules: &[Rule], tools: Vec<Tool>) -> Result<Ours, OracleError> {
        let catalogue =
            Catalogue::new(tools).map_err(|error| OracleError::RuleFile(error.to_string()))?;
        let rules: Vec<Value> = rules.iter().enumerate().map(rule).collect();
        let text = json!({ "version": 1, "name": "oracle", "rules": rules }).to_string();
        let source = Source { name: "oracle.yaml".to_owned(), text };
        let loaded = Policy::load(&source, &catalogue).map_err(|findings| {
            OracleError::RuleFile(
                findings
                    .iter()
                    .find(|finding| finding.severity == Severity::Error)
                    .map_or_else(String::new, ToString::to_string),
            )
        })?;
        Ok(Ours { policy: loaded.policy })
    }

    /// Decides one call.
    #[must_use]
    pub fn decide(&self, asked: &Asked) -> Outcome {
        let decision = self.policy.decide(&Call {
            tool: &asked.tool,
            principal: &asked.principal,
            roles: &asked.roles,
            tags: &asked.tags,
            mode: asked.mode.as_deref(),
            state: None,
            args: &asked.arguments,
        });
        let place = |name: &str| name.strip_prefix("rule-").and_then(|number| number.parse().ok());
        let by = decision.reasons.iter().filter_map(|reason| place(&reason.rule)).collect();
        Outcome { allowed: decision.verdict == Verdict::Allow, by }
    }
}

fn rule((place, rule): (usize, &Rule)) -> Value {
    let mut fields = Map::new();
    fields.insert("name".to_owned(), json!(format!("rule-{place}")));
    fields.insert("match".to_owned(), condition(&rule.condition));
    let action = match rule.action {
        Action::Allow => "allow",
        Action::Deny => "deny",
    };
    fields.insert("action".to_owned(), json!(action));
    if !rule.except.is_empty() {
        let except: Vec<Value> = rule.except.iter().map(condition).collect();
        fields.insert("except".to_owned(), json!(except));
    }
    Value::Object(fields)
}

fn condition(condition: &Condition) -> Value {
    let lists = [
        ("tool", &condition.tools),
        ("principal", &condition.principals),
        ("role", &condition.roles),
        ("caller_tag", &condition.tags),
        ("mode", &condition.modes),
        ("path_glob", &condition.paths),
    ];
    let written = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let mut fields: Map<String, Value> =
        written.map(|(name, list)| (name.to_owned(), json!(list))).collect();
    if !condition.arguments.is_empty() {
        let arguments = condition.arguments.iter().map(|(key, accepted)| {
            (key.clone(), Value::Array(accepted.iter().map(alternative).collect()))
        });
        fields.insert("args".to_owned(), Value::Object(arguments.collect()));
    }
    Value::Object(fields)
}

fn alternative(accepted: &Accepted) -> Value {
    match accepted {
        Accepted::Text(text) => json!(text),
        Accepted::Glob(glob) => json!({ "glob": glob }),
        Accepted::Int(number) => json!(number),
        Accepted::Bool(value) => json!(value),
        Accepted::AtMost(limit) => json!(format!("<= {limit}")),
        Accepted::Above(limit) => json!(format!("> {limit}")),
    }
}
