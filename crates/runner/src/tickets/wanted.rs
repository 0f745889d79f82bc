//! A ticket that somebody wants: what it is to say, whether any call could use it, and what policy is asked about it.
//!
//! A ticket nobody can use is refused before policy is asked: it would look like a permission and be none. Whether it
//! may be had is the policy's; making one is `issue`'s.

use std::time::Duration;

use engine::policy::document::suggest;
use engine::policy::units::Quantity;
use engine::run::Micros;
use engine::workflow::is_scope;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use ticket::{Audience, Claims, Digest, Id, LIFE_TOOL, LIFE_WORKFLOW};

use super::book::{paths_of, texts};
use super::issue::NotIssued;
use super::keys::Scheme;
use super::time;
use crate::call::{Call, tools};
use crate::gate::{Form, Gate, Refused};
use crate::tool;

/// How long a ticket lives; written in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Life(pub Duration);

impl From<u64> for Life {
    fn from(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

impl From<Life> for u64 {
    fn from(Life(life): Life) -> Self {
        Self::try_from(life.as_millis()).unwrap_or(Self::MAX)
    }
}

/// A ticket somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// For calls of these tools; none, if it is for a workflow.
    pub tools: Vec<String>,
    /// For starting this action workflow.
    pub workflow: Option<String>,
    /// Who is to use it; whoever asks, without one.
    pub principal: Option<String>,
    /// Only with exactly these arguments of its one tool, as a direct call has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Map<String, Value>>,
    /// Only at or below these paths; all, if there is none.
    pub paths: Vec<String>,
    /// Only these hosts; all, if there is none.
    pub hosts: Vec<String>,
    /// What its holder may ask for by name.
    pub scopes: Vec<String>,
    /// Only under the policy now in force.
    pub this_policy: bool,
    /// How long; 30 s for tools and 1 h for a workflow without it.
    #[serde(rename = "life_ms")]
    pub life: Option<Life>,
    /// How often; once without it.
    pub uses: Option<u16>,
    /// How it is signed.
    pub scheme: Scheme,
}

impl Wanted {
    /// Refuses what no call and no start of a workflow could ever use.
    pub(super) fn is_usable(&self) -> Result<(), NotIssued> {
        let refused = match self.workflow {
            Some(_) => self.misfit_of_start(),
            None => self.tools.iter().find_map(|name| self.misfit_of_call(name)),
        };
        let odd = self.scopes.iter().find(|scope| !is_scope(scope)).map(|scope| {
            format!("`{scope}` is no scope; one is a word such as `ops:write`, compared as it is")
        });
        refused.or(odd).map_or(Ok(()), |why| Err(NotIssued::Useless(why)))
    }

    fn misfit_of_start(&self) -> Option<String> {
        let more = !self.tools.is_empty() || self.args.is_some();
        if more {
            return Some("it is for a workflow or for tools, not for both".to_owned());
        }
        let bound = !self.paths.is_empty() || !self.hosts.is_empty();
        bound.then(|| "the start of a workflow names no paths and hosts; its calls do".to_owned())
    }

    fn misfit_of_call(&self, name: &str) -> Option<String> {
        let Some(found) = tools().iter().find(|tool| tool.name == name) else {
            let names: Vec<&str> = tools().iter().map(|tool| tool.name.as_str()).collect();
            let near = suggest(name, &names).map(|near| format!("; did you mean `{near}`?"));
            let near = near.unwrap_or_else(|| "; each is named in full".to_owned());
            return Some(format!("there is no tool `{name}`{near}"));
        };
        if found.arguments.is_none() {
            let by = tool::command(name).unwrap_or("a command of its own");
            return Some(format!("`{name}` is asked for by `{by}`, which takes no ticket"));
        }
        let program = matches!(name, tool::EXEC_RUN | tool::EXEC_SHELL);
        (program && !self.paths.is_empty()).then(|| {
            format!("`{name}` sees the whole project, so a ticket for some paths never covers it")
        })
    }

    /// The one call it is for, where it is for one.
    pub(super) fn bound(&self, gate: &Gate) -> Result<Option<Form>, NotIssued> {
        let Some(args) = &self.args else { return Ok(None) };
        let [tool] = self.tools.as_slice() else {
            let why = "arguments are those of one tool, and there is not one".to_owned();
            return Err(NotIssued::Useless(why));
        };
        if !self.paths.is_empty() || !self.hosts.is_empty() {
            let why = "the arguments say which paths and hosts already".to_owned();
            return Err(NotIssued::Useless(why));
        }
        let call = Call { tool: tool.clone(), args: args.clone() };
        let useless = |why: String| NotIssued::Useless(why);
        let asked = call.asked().map_err(|error| useless(error.to_string()))?;
        gate.form(asked).map(Some).map_err(|refused| match refused {
            Refused::Stopped { by, .. } => useless(by.detail.into()),
            Refused::Invalid(why) => useless(why),
            // A form is asked of nobody.
            Refused::Review(_) => useless("it cannot be decided".to_owned()),
        })
    }

    /// What it says, but for its id, its nonce, its epoch and its policy.
    pub(super) fn claims<'a>(
        &'a self,
        (tenant, principal): (&'a str, &'a str),
        arguments: Option<Digest>,
        now: Micros,
    ) -> Claims<'a> {
        Claims {
            id: Id([0; 16]),
            tenant,
            project: None,
            principal,
            peer: None,
            audience: match &self.workflow {
                Some(workflow) => Audience::Workflow(workflow),
                None => Audience::Tools(self.tools.iter().map(String::as_str).collect()),
            },
            arguments,
            paths: few(&self.paths),
            hosts: few(&self.hosts),
            scopes: self.scopes.iter().map(String::as_str).collect(),
            profile: None,
            policy: None,
            not_before: time(now),
            expires: time(now).after(self.life()),
            uses: self.uses(),
            nonce: 1,
            epoch: 0,
        }
    }

    /// The arguments of `ticket.mint`. What the one call it is for touches and reaches is among what the ticket does,
    /// so that a rule about that bounds both.
    pub(super) fn asked(&self, principal: &str, call: Option<Value>) -> Value {
        let both = |own: &[String], more: Vec<&str>| -> Vec<String> {
            let more = more.into_iter().filter(|one| !own.iter().any(|own| own == one));
            own.iter().cloned().chain(more.map(str::to_owned)).collect()
        };
        let one = call.as_ref().unwrap_or(&Value::Null);
        let mut asked = json!({
            "tools": self.tools, "principal": principal,
            "paths": both(&self.paths, paths_of(one)),
            "reaches": both(&self.hosts, texts(one, "hosts")),
            "scopes": self.scopes, "uses": self.uses(), "life": Quantity::of_time(self.life()).to_string(),
            "this_policy": self.this_policy, "scheme": self.scheme,
        });
        let workflow = self.workflow.as_deref().map(Value::from);
        for (name, value) in [("workflow", workflow), ("call", call)] {
            if let (Some(asked), Some(value)) = (asked.as_object_mut(), value) {
                asked.insert(name.to_owned(), value);
            }
        }
        asked
    }

    fn life(&self) -> Duration {
        let usual = if self.workflow.is_some() { LIFE_WORKFLOW } else { LIFE_TOOL };
        self.life.map_or(usual, |Life(life)| life)
    }

    fn uses(&self) -> u16 {
        self.uses.unwrap_or(1)
    }
}

/// A list that restricts; one that is empty does not.
fn few(list: &[String]) -> Option<Vec<&str>> {
    (!list.is_empty()).then(|| list.iter().map(String::as_str).collect())
}
