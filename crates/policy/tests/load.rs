//! What does not load, in which words and at which place, and what loads with a warning.
//!
//! Each table has rows that must load, so that a reader which refuses everything fails too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod fixture;

use fixture::{catalogue, errors, file, policy, tools, warnings};
use policy::document::Source;
use policy::{Catalogue, CatalogueError, Policy};
use serde_json::json;

/// One rule on line 3 that must be refused with exactly this.
fn refused(rule: &str, expected: &[&str]) {
    assert_eq!(errors(&file(&format!("- {rule}\n"))), expected, "{rule}");
}

#[test]
fn rules_name_themselves_and_their_place() {
    refused(
        "{ match: { tool: fs.read }, action: allow }",
        &["3:3: rule 1: missing required field \"name\""],
    );
    refused("{ name: a, action: allow }", &["3:3: rule 1 `a`: missing required field \"match\""]);
    refused(
        "{ name: a, match: { tool: fs.read } }",
        &["3:3: rule 1 `a`: missing required field \"action\""],
    );
    refused(
        "{ name: a, match: { tool: fs.read }, action: permit }",
        &["3:48: rule 1 `a`: invalid action \"permit\", must be allow, deny or require_review"],
    );
    refused("just a text", &["3:3: rule 1 must be a map, found a text"]);
    refused(
        "{ name: 7, match: { tool: fs.read }, action: allow }",
        &["3:11: rule 1: name must be a text, found a whole number"],
    );
    refused(
        "{ name: \"\", match: { tool: fs.read }, action: allow }",
        &["3:11: rule 1: name must be 1 to 256 bytes without control characters"],
    );
    refused(
        "{ nmae: a, match: {}, acton: allow }",
        &[
            "3:3: rule 1: missing required field \"name\"",
            "3:3: rule 1: missing required field \"action\"",
            "3:5: rule 1: unknown key `nmae`",
            "3:21: rule 1: match must not be empty",
            "3:25: rule 1: unknown key `acton`",
        ],
    );
}

#[test]
fn the_third_rule_is_called_the_third() {
    let rule = "- { name: NAME, match: { tool: fs.read }, action: allow }\n";
    let text = file(&format!(
        "{}{}- {{ match: {{ tool: fs.read }}, action: allow }}\n",
        rule.replace("NAME", "a"),
        rule.replace("NAME", "b")
    ));
    assert_eq!(errors(&text), ["5:3: rule 3: missing required field \"name\""]);
    let twice = file(&format!("{0}{0}", rule.replace("NAME", "a")));
    assert_eq!(errors(&twice), ["4:11: rule 2 `a`: rule 1 has the same name"]);
    // The same name in another Unicode form is the same name.
    let forms = file(&format!(
        "{}{}",
        rule.replace("NAME", "caf\u{e9}"),
        rule.replace("NAME", "cafe\u{301}")
    ));
    assert_eq!(errors(&forms).len(), 1);
}

/// A match on line 3, whose fields start at column 21.
fn unmatched(fields: &str, expected: &str) {
    refused(
        &format!("{{ name: a, match: {{ {fields} }}, action: allow }}"),
        &[&format!("3:{expected}")],
    );
}

#[test]
fn conditions_are_checked() {
    unmatched("tool: fs.raed", "29: rule 1 `a`: unknown tool `fs.raed`");
    unmatched("tool: []", "29: rule 1 `a`: match: tool must not be an empty list");
    unmatched("tool: \"\"", "29: rule 1 `a`: match: tool: the pattern is empty");
    unmatched("role: []", "29: rule 1 `a`: match: role must not be an empty list");
    unmatched("role: [[x]]", "30: rule 1 `a`: match: role must be a text, found a list");
    unmatched("mode: strcit", "29: rule 1 `a`: match: mode: unknown mode `strcit`");
    unmatched(
        "tool: fs.read, path_glob: \"!a\"",
        "49: rule 1 `a`: match: path_glob: `!a` negates, which patterns cannot",
    );
    unmatched(
        "tool: fs.read, path_glob: docs/",
        "49: rule 1 `a`: match: path_glob: `docs/` can never match a path",
    );
    unmatched(
        "tool: http.get, host: \"a:80\"",
        "45: rule 1 `a`: match: host: `a:80` is not a host",
    );
    unmatched("tool: fs.read, pathglob: x", "38: rule 1 `a`: match: unknown key `pathglob`");
    unmatched("tool: fs.read, because: x", "38: rule 1 `a`: match: unknown key `because`");
    unmatched(
        "tool: clock.now, path_glob: x",
        "40: rule 1 `a`: path_glob: tool `clock.now` has no path argument",
    );
    unmatched(
        "tool: \"http.*\", path_glob: x",
        "39: rule 1 `a`: path_glob: none of its tools has a path argument",
    );
    unmatched(
        "tool: fs.read, host: x",
        "38: rule 1 `a`: host: tool `fs.read` has no host argument",
    );
}

fn args(tool: &str, args: &str, expected: &str) {
    unmatched(&format!("tool: {tool}, args: {{ {args} }}"), expected);
}

#[test]
fn arguments_are_checked_against_the_schema() {
    args("http.get", "timout: 1", "47: rule 1 `a`: args: tool `http.get` has no argument `timout`");
    args(
        "http.get",
        "url.host: x",
        "47: rule 1 `a`: args: tool `http.get` has no argument `url.host`",
    );
    args("\"fs.*\"", "env: prod", "45: rule 1 `a`: args: none of its tools has an argument `env`");
    args("deploy.apply", "env: 7", "51: rule 1 `a`: args: `env` can never be held against `7`");
    args(
        "deploy.apply",
        "count: { glob: x }",
        "51: rule 1 `a`: args: `count` can never be held against `glob x`",
    );
    args(
        "deploy.apply",
        "count: \"< 30s\"",
        "51: rule 1 `a`: args: `count` can never be held against `< 30s`",
    );
}

/// A tool whose text is shown in one of two forms, as that of a program is.
fn shell() -> Catalogue {
    let text = json!({ "type": ["string", "object"], "contentMediaType": "text/plain",
                       "properties": { "bytes": { "type": "integer" } } });
    let values = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let list = json!({ "type": "array", "items": { "type": "string" } });
    let schema = json!({ "type": "object", "additionalProperties": false, "properties": {
        "program": { "type": "string" }, "argv": list, "env": list, "env_values": values,
        "stdin": text, "stdin_bytes": { "type": "integer" }, "timeout": { "type": "string" } } });
    let tool =
        policy::Tool { name: "sh".to_owned(), schema, paths: Vec::new(), ..tools().remove(0) };
    Catalogue::new(vec![tool]).unwrap()
}

/// What is said of a condition on an argument of that tool, with the hint.
fn hinted(args: &str) -> (String, String) {
    let text = file(&format!(
        "- {{ name: a, match: {{ tool: sh, args: {{ {args} }} }}, action: allow }}\n"
    ));
    let loaded = Policy::load(&Source::new("p.yaml", text), &shell());
    let found = loaded.map_or_else(|found| found, |loaded| loaded.warnings);
    let first = found.first().map(|found| (found.message.clone(), found.hint.clone()));
    let (message, hint) = first.unwrap_or_default();
    (message.replace("rule 1 `a`: ", ""), hint.unwrap_or_default())
}

#[test]
fn a_condition_no_argument_can_meet_says_what_to_write() {
    for (args, message, hint) in [
        (
            "programm: x",
            "args: tool `sh` has no argument `programm`",
            "did you mean `program`? arguments are argv, env, ",
        ),
        (
            "zzz: x",
            "args: tool `sh` has no argument `zzz`",
            "arguments are argv, env, env_values, program, stdin, ",
        ),
        ("\"argv[1]\": x", "args: tool `sh` has no argument `argv[1]`", "write `argv.1`"),
        (
            "env.STAGE: x",
            "args: tool `sh` has no argument `env.STAGE`",
            "did you mean `env_values.STAGE`?",
        ),
        (
            "env: [CI]",
            "args: `env` can never be held against `CI`",
            "it is a list, and a condition is about one value: `env.0`",
        ),
        (
            "stdin: \"<= 1MiB\"",
            "args: `stdin` can never be held against `<= 1MiB`",
            "did you mean `stdin_bytes`?",
        ),
        (
            "stdin.bytes: \"<= 1MiB\"",
            "`stdin.bytes` is unknown where `stdin` is given in full",
            "`stdin_bytes` is always known",
        ),
        ("timeout: 30", "args: `timeout` can never be held against `30`", "another kind of value"),
    ] {
        let (told, help) = hinted(args);
        assert_eq!(told, message, "{args}");
        assert!(help.contains(hint), "{args}: {help}");
    }
    for good in [
        "program: x",
        "argv.1: x",
        "env_values.STAGE: x",
        "timeout: \"<= 30s\"",
        "stdin_bytes: \"<= 1MiB\"",
        "stdin: x",
    ] {
        assert_eq!(hinted(good), (String::new(), String::new()), "{good}");
    }
}

#[test]
fn values_of_arguments_are_checked() {
    args(
        "deploy.apply",
        "count: 1.5",
        "58: rule 1 `a`: match: args: `count`: numbers with a fraction cannot be compared exactly",
    );
    args(
        "deploy.apply",
        "env: ~",
        "56: rule 1 `a`: match: args: `env` must be a text, a whole number, true, false or a glob, found nothing",
    );
    args(
        "deploy.apply",
        "env: []",
        "56: rule 1 `a`: match: args: `env` must list between 1 and 256 values",
    );
    args(
        "deploy.apply",
        "env: [[x]]",
        "57: rule 1 `a`: match: args: `env` must be a text, a whole number, true, false or a glob, found a list",
    );
    args(
        "deploy.apply",
        "env: { golb: x }",
        "58: rule 1 `a`: match: args: `env`: unknown key `golb`",
    );
    args(
        "deploy.apply",
        "env: { glob: \"[x\" }",
        "64: rule 1 `a`: match: args: `env`: `[x` is not a glob: unclosed character class; missing ']'",
    );
    args(
        "http.get",
        "body.size: \"<= 10mb\"",
        "58: rule 1 `a`: match: args: `body.size`: unknown unit `mb` in `10mb`",
    );
    args(
        "http.get",
        "body.size: \"< -1\"",
        "58: rule 1 `a`: match: args: `body.size`: `-1` is negative",
    );
    args(
        "http.get",
        "body.size: \"< 1.5GiB\"",
        "58: rule 1 `a`: match: args: `body.size`: `1.5GiB` has a fraction, only whole numbers are exact",
    );
    args(
        "http.get",
        "body.size: \"< 9007199254740992\"",
        "58: rule 1 `a`: match: args: `body.size`: `9007199254740992` is too large",
    );
    args(
        "http.get",
        "\"a..b\": 1",
        "47: rule 1 `a`: match: args: `a..b`: a name between the dots is empty",
    );
    // Controls: the same forms with nothing wrong.
    for good in [
        "tool: http.get, args: { timeout: \"<= 30s\", body.size: \"<=10MiB\" }",
        "tool: \"*\", args: { env: [staging, { glob: \"prod-*\" }] }",
        "tool: deploy.apply, args: { count: [1, \"> 5\"], dry: true, any: 7, \"a\\\\.b\": x }",
        "tool: exec.run, args: { program: git, argv.0: log }",
    ] {
        policy(&format!("- {{ name: a, match: {{ {good} }}, action: allow }}\n"));
    }
}

#[test]
fn excepts_and_constraints_are_checked() {
    let rule =
        |field: &str| format!("{{ name: a, match: {{ tool: fs.read }}, action: allow, {field} }}");
    refused(&rule("except: []"), &["3:63: rule 1 `a`: except must have between 1 and 64 items"]);
    refused(&rule("except: [{}]"), &["3:64: rule 1 `a`: except item must not be empty"]);
    refused(
        &rule("except: [{ because: x }]"),
        &["3:64: rule 1 `a`: except item must not be empty"],
    );
    refused(
        &rule("except: [{ role: [] }]"),
        &["3:72: rule 1 `a`: except item: role must not be an empty list"],
    );
    refused(
        &rule("except: [{ host: docs.rs }]"),
        &["3:66: rule 1 `a`: host: none of its tools has a host argument"],
    );
    refused(
        &rule("constraints: { timeout: 30 }"),
        &["3:79: rule 1 `a`: constraints: timeout: `30` has no unit of time"],
    );
    refused(
        &rule("constraints: { timeout: 30 s }"),
        &["3:79: rule 1 `a`: constraints: timeout: unknown unit ` s` in `30 s`"],
    );
    refused(
        &rule("constraints: { profile: stict }"),
        &["3:79: rule 1 `a`: constraints: profile: unknown profile `stict`"],
    );
    refused(
        &rule("constraints: { max_file_size: -1 }"),
        &["3:85: rule 1 `a`: constraints: max_file_size: `-1` is negative"],
    );
    refused(
        "{ name: a, match: { tool: fs.read }, action: deny, constraints: { timeout: 1s } }",
        &["3:54: rule 1 `a`: a denial has nothing to constrain"],
    );
}

#[test]
fn the_file_itself_is_checked() {
    for (text, expected) in [
        ("rules: []\n", "1:1: policy: missing required field \"version\""),
        ("version: 2\n", "1:10: unknown version `2`"),
        ("version: \"1\"\n", "1:10: version must be a whole number, found a text"),
        ("version: 1\nrulez: []\n", "2:1: policy: unknown key `rulez`"),
        ("version: 1\nrules: {}\n", "2:8: rules must be a list, found a map"),
        ("- 1\n", "1:1: policy must be a map, found a list"),
        ("version: 1\nversion: 1\n", "2:1: duplicate key `version`, first written on line 1"),
        (
            "version: 1\nrules:\n- { name: a, match: { tool: * }, action: allow }\n",
            "3:29: not valid YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character",
        ),
        ("version: 1\ndefault: allow\n", "2:1: policy: unknown key `default`"),
    ] {
        assert_eq!(errors(text), [expected], "{text}");
    }
    let rule = "- { name: NAME, match: { tool: fs.read }, action: allow }\n";
    let many: String =
        (0..=10_000).map(|number| rule.replace("NAME", &format!("r{number}"))).collect();
    assert_eq!(errors(&file(&many)), ["3:3: 10001 rules are more than the 10000 allowed"]);
}

#[test]
fn an_unknown_key_comes_with_its_line_and_a_suggestion() {
    let source = Source::new(
        "policy.yaml",
        file("- { name: a, mtach: { tool: fs.raed }, action: allow, match: { tool: fs.raed } }\n"),
    );
    let found = Policy::load(&source, &catalogue()).unwrap_err();
    assert_eq!(
        found[0].render(&source),
        "error: rule 1 `a`: unknown key `mtach`\n  --> policy.yaml:3:14\n   |\n \
         3 | - { name: a, mtach: { tool: fs.raed }, action: allow, match: { tool: fs.raed } }\n   \
         |              ^^^^^\n   = help: did you mean `match`?\n"
    );
    assert_eq!(found[1].hint.as_deref(), Some("did you mean `fs.read`?"));
}

/// Two rules on lines 3 and 4, and the one warning they cause.
fn warned(first: &str, second: &str, expected: &[&str]) {
    assert_eq!(warnings(&file(&format!("- {first}\n- {second}\n"))), expected, "{first} {second}");
}

#[test]
fn rules_that_cannot_matter_are_warned_about() {
    let rule = |name: &str, fields: &str, action: &str| {
        format!("{{ name: {name}, match: {{ {fields} }}, action: {action} }}")
    };
    let docs = "tool: fs.read, path_glob: \"docs/**\"";
    let deep = "tool: fs.read, path_glob: [\"docs/a/*\", \"docs/b\"], role: agent";
    warned(
        &rule("a", deep, "allow"),
        &rule("d", docs, "deny"),
        &["3:11: rule 1 `a`: can never allow, rule 2 `d` denies all of it"],
    );
    warned(&rule("a", docs, "allow"), &rule("d", deep, "deny"), &[]);
    warned(
        &rule("a", docs, "allow"),
        &rule("b", deep, "allow"),
        &["4:11: rule 2 `b`: has no effect, rule 1 `a` covers all of it"],
    );
    warned(
        &rule("a", deep, "deny"),
        &rule("b", docs, "deny"),
        &["3:11: rule 1 `a`: has no effect, rule 2 `b` covers all of it"],
    );
    warned(
        &rule("a", docs, "allow"),
        &rule("b", docs, "allow"),
        &["4:11: rule 2 `b`: has no effect, rule 1 `a` covers all of it"],
    );
    warned(&rule("a", docs, "allow"), &rule("b", docs, "require_review"), &[]);
    warned(&rule("a", "tool: \"fs.*\"", "allow"), &rule("d", "tool: fs.read", "deny"), &[]);
    warned(
        &rule("a", "tool: fs.read", "allow"),
        &rule("d", "tool: \"*\"", "deny"),
        &["3:11: rule 1 `a`: can never allow, rule 2 `d` denies all of it"],
    );
    let hosts = |hosts: &str| format!("tool: http.get, host: {hosts}");
    warned(
        &rule("a", &hosts("x.docs.rs"), "allow"),
        &rule("d", &hosts("\"*.docs.rs\""), "deny"),
        &["3:11: rule 1 `a`: can never allow, rule 2 `d` denies all of it"],
    );
    warned(
        &rule("a", &hosts("docs.rs"), "allow"),
        &rule("d", &hosts("\"*.docs.rs\""), "deny"),
        &[],
    );
    warned(
        &rule("a", "tool: deploy.apply, args: { env: [x] }", "allow"),
        &rule("d", "tool: deploy.apply, args: { env: [x, y] }", "deny"),
        &["3:11: rule 1 `a`: can never allow, rule 2 `d` denies all of it"],
    );
    warned(
        &rule("a", "tool: deploy.apply, args: { env: [x, z] }", "allow"),
        &rule("d", "tool: deploy.apply, args: { env: [x, y] }", "deny"),
        &[],
    );
    // Whoever is stopped is told every reason, so another reason is an effect.
    for action in ["deny", "require_review"] {
        let said = |name: &str, reason: &str| {
            format!("{{ name: {name}, match: {{ {docs} }}, action: {action}{reason} }}")
        };
        let covered = "4:11: rule 2 `b`: has no effect, rule 1 `a` covers all of it";
        warned(&said("a", ", reason: x"), &said("b", ", reason: y"), &[]);
        warned(&said("a", ", reason: x"), &said("b", ", reason: x"), &[covered]);
        warned(&said("a", ", reason: x"), &said("b", ""), &[covered]);
        let first = "3:11: rule 1 `a`: has no effect, rule 2 `b` covers all of it";
        warned(&said("a", ""), &said("b", ", reason: y"), &[first]);
    }
    let excepted = "{ name: d, match: { tool: fs.read }, action: deny, except: [{ role: admin }] }";
    warned(&rule("a", "tool: fs.read", "allow"), excepted, &[]);
    warned(
        &rule("a", "tool: \"net.*\"", "allow"),
        &rule("b", "tool: fs.read", "allow"),
        &["3:29: rule 1 `a`: no registered tool matches `net.*`"],
    );
}

/// There are no sessions, so a rule about one guards nothing; its author should know.
#[test]
fn a_rule_about_a_session_is_warned_about() {
    for fields in ["mode: explore", "tool: fs.read, state: busy"] {
        for action in ["allow", "deny", "require_review"] {
            let text = file(&format!("- {{ name: a, match: {{ {fields} }}, action: {action} }}\n"));
            let expected = "3:11: rule 1 `a`: rule will never trigger, as no caller has a session with a mode or a state";
            assert_eq!(warnings(&text), [expected], "{fields}");
        }
    }
    let except = "- { name: a, match: { tool: fs.read }, action: deny, except: [{ role: x }, { mode: debug }] }\n";
    let expected = "3:11: rule 1 `a`: except item 2 will never hold, as no caller has a session with a mode or a state";
    assert_eq!(warnings(&file(except)), [expected]);
    let other = except.replace("mode: debug", "role: y");
    assert_eq!(warnings(&file(&other)), Vec::<String>::new(), "control");
}

#[test]
fn a_denial_that_is_unknown_for_a_tool_is_warned_about() {
    assert_eq!(
        warnings(&file(
            "- { name: d, match: { tool: [\"fs.*\", \"*.now\"], path_glob: x }, action: deny }\n"
        )),
        ["3:48: rule 1 `d`: unknown in every call of `clock.now`, so it counts there"]
    );
    assert_eq!(
        warnings(&file("- { name: d, match: { path_glob: x }, action: deny }\n")),
        [
            "3:23: rule 1 `d`: unknown in every call of `clock.now`, `deploy.apply`, `http.get`, so it counts there"
        ]
    );
    assert_eq!(
        warnings(&file("- { name: a, match: { path_glob: x }, action: allow }\n")),
        Vec::<String>::new()
    );
    assert_eq!(
        warnings(&file(
            "- { name: a, match: { tool: \"*\" }, action: allow, except: [{ host: docs.rs }] }\n"
        )),
        [
            "3:62: rule 1 `a`: unknown in every call of `clock.now`, `deploy.apply`, `exec.run` and 4 more, so it counts there"
        ]
    );
}

#[test]
fn every_error_of_a_file_is_reported() {
    let text = file(
        "- { name: a, match: { tool: x }, action: allow }\n- { name: a, match: { path_glob: \"!\" }, action: no }\n",
    );
    let found = errors(&text);
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn catalogues_are_closed_and_sound() {
    let with = |change: &dyn Fn(&mut Vec<policy::Tool>)| {
        let mut all = tools();
        change(&mut all);
        Catalogue::new(all)
    };
    assert!(with(&|_| {}).is_ok());
    assert_eq!(
        with(&|all| all.push(all[0].clone())).unwrap_err(),
        CatalogueError::Duplicate("fs.read".to_owned())
    );
    assert!(matches!(with(&|all| all[0].name = "fs.*".to_owned()), Err(CatalogueError::Name(_))));
    assert!(matches!(with(&|all| all[0].name.clear()), Err(CatalogueError::Name(_))));
    assert!(matches!(
        with(&|all| all[0].paths.push("a..b".to_owned())),
        Err(CatalogueError::Argument { .. })
    ));
    assert!(matches!(
        with(&|all| all[0].paths.push("pth".to_owned())),
        Err(CatalogueError::Absent { .. })
    ));
    assert!(matches!(
        with(&|all| *all = vec![all[0].clone(); 4097]),
        Err(CatalogueError::TooMany(4097))
    ));
}
