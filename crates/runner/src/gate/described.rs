//! A call that somebody describes, to be told what would come of it: put through the checks before policy as one that
//! is made, then explained. Nothing is admitted, and no ticket or extension is asked.

use engine::policy::Explanation;
use engine::policy::units::Quantity;
use engine::workflow::DEFAULT_STEP_TIMEOUT;
use serde_json::{Map, Value, json};

use super::{Asked, Call, Gate, Principal, Refused, call};
use crate::tool;

/// What a described call says of an agent's session; one without a session has none of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Session<'a> {
    /// Its mode.
    pub mode: Option<&'a str>,
    /// Its state.
    pub state: Option<&'a str>,
}

impl Gate {
    /// Why a call would be decided as it would be, with its arguments in the form in which rules see them. What a step
    /// without any settings says of its program is taken where the description leaves it out.
    ///
    /// # Errors
    /// What would stop the call before a rule is asked, in words.
    pub fn explain(
        &self,
        principal: &Principal,
        session: Session<'_>,
        mut asked: Asked,
    ) -> Result<Explanation, String> {
        complete(&asked.tool, &mut asked.arguments);
        let form = self.form(asked).map_err(|refused| match refused {
            Refused::Invalid(why) => why,
            Refused::Stopped { by, .. } => by.detail.to_string(),
            Refused::Review(_) => "it waits for a review".to_owned(),
        })?;
        let Session { mode, state } = session;
        let call = Call { mode, state, ..call(principal, &form.tool, &form.arguments) };
        Ok(self.policy.explain(&call))
    }
}

fn complete(tool: &str, arguments: &mut Value) {
    let Some(all) = arguments.as_object_mut() else { return };
    match tool {
        tool::EXEC_RUN => same_program(all),
        tool::EXEC_SHELL => {}
        _ => return,
    }
    let hosts = all.get("hosts").and_then(Value::as_array).is_some_and(|hosts| !hosts.is_empty());
    let reaches = hosts || all.get("network") == Some(&Value::Bool(true));
    let profile = if reaches { "standard-net" } else { "standard" };
    let profile = all.entry("profile").or_insert_with(|| profile.into());
    let network = profile.as_str().is_some_and(|profile| profile.ends_with("-net"));
    let stdin = all.get("stdin").and_then(Value::as_str).map_or(0, str::len);
    let timeout = Quantity::of_time(DEFAULT_STEP_TIMEOUT).to_string();
    let usual = [
        ("network", network.into()),
        ("action", false.into()),
        ("cwd", ".".into()),
        ("env", json!([])),
        ("stdin_bytes", stdin.into()),
        ("timeout", timeout.into()),
    ];
    for (name, value) in usual {
        all.entry(name).or_insert(value);
    }
}

/// A program is the first of its words.
fn same_program(all: &mut Map<String, Value>) {
    if let (Some(program), None) = (all.get("program"), all.get("argv")) {
        let words = json!([program]);
        all.insert("argv".to_owned(), words);
    }
    let first = all.get("argv").and_then(|words| words.get(0)).cloned();
    if let Some(first) = first {
        all.entry("program").or_insert(first);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use engine::policy::document::Source;
    use engine::policy::{Policy, Verdict};

    use super::*;
    use crate::gate::catalogue;

    const RULES: &str = "version: 1\nrules:\n\
        - { name: read, match: { tool: fs.read, path_glob: [\"docs/**\", \"/etc/**\"] }, action: allow }\n\
        - { name: run, match: { tool: exec.run, host: example.org, args: { profile: [standard, standard-net] } }, action: allow }\n\
        - { name: idle, match: { tool: exec.run, args: { network: false } }, action: allow }\n\
        - { name: small, match: { tool: exec.shell, args: { stdin_bytes: \"<= 3\", timeout: \"<= 10m\" } }, action: allow }\n\
        - { name: late, match: { tool: fs.list, mode: explore }, action: allow }\n";

    fn gate() -> Gate {
        let catalogue = catalogue().unwrap();
        let policy = Policy::load(&Source::new("p.yaml", RULES), &catalogue).unwrap().policy;
        Gate::new(PathBuf::from("/p"), None, Arc::new(policy), catalogue).unwrap()
    }

    /// Explained and, as far as its arguments are whole, admitted: both tell the same.
    fn check(tool: &str, arguments: Value, expected: Result<Verdict, &str>) {
        let (gate, ada) = (gate(), Principal::recorded("user:ada"));
        let asked = Asked { tool: tool.to_owned(), arguments };
        let told = gate.explain(&ada, Session::default(), asked.clone());
        let admitted = gate.admit(&ada, asked.clone());
        match (told, expected) {
            (Ok(told), Ok(verdict)) => {
                assert_eq!(told.decision.verdict, verdict, "{asked:?}");
                let whole = !tool.starts_with("exec.");
                assert!(!whole || admitted.is_ok() == (verdict == Verdict::Allow), "{admitted:?}");
            }
            (Err(told), Err(text)) => {
                assert!(told.contains(text), "{asked:?}: {told}");
                assert!(admitted.is_err(), "{asked:?}: {admitted:?}");
            }
            (told, expected) => panic!("{asked:?}: {told:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_described_call_is_refused_where_a_made_one_would_be() {
        check("fs.read", json!({ "path": "docs/a" }), Ok(Verdict::Allow));
        check("fs.read", json!({ "path": "x/../docs/./a" }), Ok(Verdict::Allow));
        check("fs.read", json!({ "path": "/p/docs/a" }), Ok(Verdict::Allow));
        check("fs.read", json!({ "path": "docs/../x" }), Ok(Verdict::Deny));
        check("fs.read", json!({ "path": "/etc/passwd" }), Err("leaves the project root"));
        check("fs.read", json!({ "pathx": "docs/a" }), Err("pathx"));
        check("fs.read", json!({}), Err("path"));
        check("exec.run", json!({ "program": "ls", "nothing": 1 }), Err("nothing"));
        let url = json!({ "program": "curl", "hosts": ["https://example.org/a"] });
        check("exec.run", url, Err("`https://example.org/a` is more than a host"));
        let tight = json!({ "program": "curl", "hosts": ["example.org"], "profile": "strict" });
        check("exec.run", tight, Err("`hosts` need the profile"));
        check("no.such", json!({ "any": 1 }), Ok(Verdict::Deny));
    }

    #[test]
    fn what_every_program_has_is_filled_in() {
        for words in [json!({ "program": "ls" }), json!({ "argv": ["ls", "-l"] })] {
            check("exec.run", words, Ok(Verdict::Allow));
        }
        let reaching = json!({ "program": "curl", "hosts": ["example.org:8443"] });
        check("exec.run", reaching, Ok(Verdict::Allow));
        check("exec.run", json!({ "program": "a", "network": true }), Ok(Verdict::Deny));
        check("exec.shell", json!({ "script": "cat", "stdin": "abc" }), Ok(Verdict::Allow));
        check("exec.shell", json!({ "script": "cat", "stdin": "abcd" }), Ok(Verdict::Deny));
        let long = json!({ "script": "cat", "timeout": "1h" });
        check("exec.shell", long, Ok(Verdict::Deny));
    }

    #[test]
    fn a_session_is_described_as_well() {
        let (gate, ada) = (gate(), Principal::recorded("user:ada"));
        let verdict = |mode| {
            let asked = Asked { tool: "fs.list".to_owned(), arguments: json!({ "path": "." }) };
            let session = Session { mode, state: None };
            gate.explain(&ada, session, asked).unwrap().decision.verdict
        };
        assert_eq!(verdict(Some("explore")), Verdict::Allow);
        assert_eq!([verdict(Some("strict")), verdict(None)], [Verdict::Deny; 2]);
    }
}
