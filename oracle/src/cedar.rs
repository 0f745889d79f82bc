//! The rules as Cedar policies, decided by Cedar.
//!
//! A principal is an entity in its roles, a tool a resource, everything else the context. Cedar skips a
//! policy whose evaluation fails, so what is unknown is said in the policy itself: a field is written so
//! that it is certain (the argument is there and fits) or possible (it is missing or fits), whichever the
//! place in the rule asks for.

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use serde_json::{Value, json};

use crate::model::{Accepted, Action, Asked, Condition, OracleError, Outcome, Rule};

/// From here on our engine takes no number for a size.
const SIZE_END: u64 = 1 << 53;

/// What a translation makes of a value that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Kept apart from false, as our rule language has it.
    Kept,
    /// Taken for false, as Cedar by itself would: the control, which must disagree.
    False,
}

/// Cedar with the policies loaded.
#[derive(Debug)]
pub struct Cedar {
    policies: PolicySet,
    authorizer: Authorizer,
}

/// A request with the entities it speaks of.
#[derive(Debug)]
pub struct Prepared {
    request: Request,
    entities: Entities,
}

impl Cedar {
    /// Translates and loads the rules.
    ///
    /// # Errors
    /// A path pattern without an exact meaning, or text that Cedar does not take.
    pub fn load(rules: &[Rule], unknown: Unknown) -> Result<Cedar, OracleError> {
        let mut text = String::new();
        for rule in rules {
            text.push_str(&policy(rule, unknown)?);
        }
        let policies = text.parse::<PolicySet>().map_err(refused)?;
        Ok(Cedar { policies, authorizer: Authorizer::new() })
    }

    /// Decides one request.
    ///
    /// # Errors
    /// [`OracleError::Cedar`] where a policy could not be evaluated: a fault of the translation.
    pub fn decide(&self, asked: &Prepared) -> Result<Outcome, OracleError> {
        let response =
            self.authorizer.is_authorized(&asked.request, &self.policies, &asked.entities);
        if let Some(error) = response.diagnostics().errors().next() {
            return Err(refused(error));
        }
        let place = |id: &str| id.strip_prefix("policy").and_then(|number| number.parse().ok());
        let reasons = response.diagnostics().reason();
        Ok(Outcome {
            allowed: response.decision() == Decision::Allow,
            by: reasons.filter_map(|id| place(id.as_ref())).collect(),
        })
    }
}

impl Prepared {
    /// A call as Cedar's request.
    ///
    /// # Errors
    /// [`OracleError::Cedar`] where an argument has no counterpart, such as null.
    pub fn new(asked: &Asked) -> Result<Prepared, OracleError> {
        let uid = |kind: &str, id: &str| json!({ "type": kind, "id": id });
        let roles: Vec<Value> = asked.roles.iter().map(|role| uid("Role", role)).collect();
        let entities = json!([
            { "uid": uid("User", &asked.principal), "attrs": { "id": asked.principal }, "parents": roles },
            { "uid": uid("Tool", &asked.tool), "attrs": { "name": asked.tool }, "parents": [] },
        ]);
        let mut context = json!({ "tags": asked.tags, "args": asked.arguments });
        if let (Some(mode), Some(fields)) = (&asked.mode, context.as_object_mut()) {
            fields.insert("mode".to_owned(), json!(mode));
        }
        let context = Context::from_json_value(context, None).map_err(refused)?;
        let of = |kind: &str, id: &str| {
            format!("{kind}::{}", quoted(id)).parse::<EntityUid>().map_err(refused)
        };
        let (principal, action) = (of("User", &asked.principal)?, of("Action", "call")?);
        let request = Request::new(principal, action, of("Tool", &asked.tool)?, context, None);
        Ok(Prepared {
            request: request.map_err(refused)?,
            entities: Entities::from_json_value(entities, None).map_err(refused)?,
        })
    }
}

fn refused(error: impl std::fmt::Display) -> OracleError {
    OracleError::Cedar(error.to_string())
}

/// An allow holds and is excepted, and a denial holds and is excepted, in opposite doubt.
fn policy(rule: &Rule, unknown: Unknown) -> Result<String, OracleError> {
    let (word, doubtful) = match rule.action {
        Action::Allow => ("permit", false),
        Action::Deny => ("forbid", true),
    };
    let possible = |wanted: bool| wanted && unknown == Unknown::Kept;
    let matched = condition(&rule.condition, possible(doubtful))?;
    let mut text = format!("{word} (principal, action, resource) when {{ {matched} }}");
    let items = rule.except.iter().map(|item| condition(item, possible(!doubtful)));
    let items = items.collect::<Result<Vec<_>, _>>()?;
    if !items.is_empty() {
        text.push_str(&format!(" unless {{ {} }}", any(items)));
    }
    text.push_str(";\n");
    Ok(text)
}

fn condition(condition: &Condition, possible: bool) -> Result<String, OracleError> {
    let mut fields = Vec::new();
    let named = |subject: &str, exact: &dyn Fn(&str) -> String, names: &[String]| {
        any(names
            .iter()
            .map(|name| {
                if name.contains('*') {
                    format!("{subject} like {}", quoted(name))
                } else {
                    exact(name)
                }
            })
            .collect())
    };
    if !condition.tools.is_empty() {
        let exact = |name: &str| format!("resource == Tool::{}", quoted(name));
        fields.push(named("resource.name", &exact, &condition.tools));
    }
    if !condition.principals.is_empty() {
        let exact = |name: &str| format!("principal == User::{}", quoted(name));
        fields.push(named("principal.id", &exact, &condition.principals));
    }
    if !condition.roles.is_empty() {
        let roles =
            condition.roles.iter().map(|role| format!("principal in Role::{}", quoted(role)));
        fields.push(any(roles.collect()));
    }
    if !condition.tags.is_empty() {
        let tags: Vec<String> = condition.tags.iter().map(|tag| quoted(tag)).collect();
        fields.push(format!("context.tags.containsAny([{}])", tags.join(", ")));
    }
    if !condition.modes.is_empty() {
        let modes = condition.modes.iter().map(|mode| format!("context.mode == {}", quoted(mode)));
        fields.push(format!("(context has mode && {})", any(modes.collect())));
    }
    if !condition.paths.is_empty() {
        let paths = condition.paths.iter().map(|pattern| path(pattern));
        fields.push(there("path", any(paths.collect::<Result<Vec<_>, _>>()?), possible));
    }
    for (key, accepted) in &condition.arguments {
        let each = accepted.iter().map(|accepted| alternative(key, accepted, possible));
        fields.push(there(key, any(each.collect()), possible));
    }
    Ok(fields.join(" && "))
}

/// A test of an argument, and what it is without one.
fn there(key: &str, test: String, possible: bool) -> String {
    let key = quoted(key);
    if possible {
        format!("(!(context.args has {key}) || {test})")
    } else {
        format!("(context.args has {key} && {test})")
    }
}

fn alternative(key: &str, accepted: &Accepted, possible: bool) -> String {
    let value = format!("context.args[{}]", quoted(key));
    let size = |test: String| {
        let known = format!("{value} >= 0 && {value} < {SIZE_END}");
        if possible { format!("(!({known}) || {test})") } else { format!("({known} && {test})") }
    };
    match accepted {
        Accepted::Text(text) => format!("{value} == {}", quoted(text)),
        Accepted::Glob(glob) => format!("{value} like {}", quoted(glob)),
        Accepted::Int(number) => format!("{value} == {number}"),
        Accepted::Bool(wanted) => format!("{value} == {wanted}"),
        Accepted::AtMost(limit) => size(format!("{value} <= {limit}")),
        Accepted::Above(limit) => size(format!("{value} > {limit}")),
    }
}

/// A path pattern, where `like` or equality says exactly the same of a resolved path.
fn path(pattern: &str) -> Result<String, OracleError> {
    let value = "context.args[\"path\"]";
    let special = |text: &str| text.contains(['*', '?', '[', ']', '{', '}', '\\', '!']);
    let anchored = pattern.strip_prefix('/').unwrap_or(pattern);
    let test = match (pattern.strip_prefix('*'), anchored.strip_suffix("/**")) {
        _ if pattern == "**" => "true".to_owned(),
        (_, Some(folder)) if !special(folder) => {
            format!("{value} like {}", quoted(&format!("{folder}/*")))
        }
        (Some(ending), _) if !special(ending) && !ending.contains('/') => {
            format!("{value} like {}", quoted(&format!("*{ending}")))
        }
        _ if special(pattern) => return Err(OracleError::Untranslatable(pattern.to_owned())),
        _ if pattern.contains('/') => format!("{value} == {}", quoted(anchored)),
        _ => {
            let below = quoted(&format!("*/{pattern}"));
            format!("({value} == {} || {value} like {below})", quoted(pattern))
        }
    };
    Ok(test)
}

fn any(tests: Vec<String>) -> String {
    format!("({})", tests.join(" || "))
}

/// A Cedar string; its escapes are those of Rust.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}
