//! A call with any arguments under a policy with every kind of condition: it is decided, a denial of
//! everything outside is kept, and its explanation says the same as the decision.
#![no_main]

#[path = "tools.rs"]
mod tools;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use policy::document::Source;
use policy::{Call, Policy, Verdict};
use serde_json::{Value, json};

const RULES: &str = r#"
version: 1
rules:
  - { name: files, match: { tool: "fs.*", path_glob: ["docs/**", "*.md", "/src/*/x[!a]?.rs", "{a,b}/**/c"] }, action: allow, except: [ { path_glob: "docs/private/**" } ] }
  - { name: web, match: { tool: http.get, host: ["docs.rs", "*.python.org", "10.0.0.0/8"], args: { timeout: "<= 30s", size: ["< 10MiB", ">= 1GiB"] } }, action: allow }
  - { name: run, match: { tool: exec.run, host: "*", principal: "p*r", args: { env: [ { glob: "a*/b" }, prod, 7, true ] } }, action: allow }
  - { name: never, match: { args: { secret: { glob: "*" } } }, action: deny }
"#;

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let source = Source { name: "policy.yaml".to_owned(), text: RULES.to_owned() };
    Policy::load(&source, &tools::catalogue()).expect("these rules load").policy
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // The first line is the tool and the principal, the rest arguments: JSON, or the text of each.
    let (names, rest) = text.split_once('\n').unwrap_or(("fs.read", text));
    let (tool, principal) = names.split_once(' ').unwrap_or((names, "p-r"));
    let everywhere = || {
        json!({ "path": rest, "to": [rest, ""], "url": rest, "hosts": [rest], "timeout": rest, "size": rest, "env": rest,
                "mounts": [{ "source": rest }] })
    };
    let args: Value = serde_json::from_str(rest).unwrap_or_else(|_| everywhere());
    let call = Call { tool, principal, roles: &[], tags: &[], mode: None, state: None, args: &args };
    let decision = POLICY.decide(&call);
    assert_eq!(POLICY.explain(&call).decision, decision);
    if decision.verdict == Verdict::Allow && tool == "fs.read" {
        let path = args.get("path").and_then(Value::as_str).unwrap_or_default();
        assert!(!path.split('/').any(|part| part == ".."), "{path}");
        assert!(!path.is_empty() && !path.starts_with('/'), "{path}");
        assert!(args.get("secret").is_none_or(|secret| !secret.is_string()), "{args}");
    }
});
