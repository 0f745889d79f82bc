//! What is shown to allow nothing more is that for every call; whatever is only likely is a doubt.
//! Calls that come out differently are found in `change`, which is a search.

mod fixture;

use fixture::policy;
use policy::only_narrows;

const RULES: [&str; 4] = [
    "{ name: read, match: { tool: \"fs.*\", path_glob: [\"docs/**\"] }, action: allow }",
    "{ name: run, match: { tool: exec.run, args: { program: git } }, except: [ { role: [guest] } ], action: allow, limits: [ { count: 3, per: run } ] }",
    "{ name: keys, match: { path_glob: [\"**/*.key\"] }, action: deny }",
    "{ name: look, match: { tool: exec.run, principal: \"bot-*\" }, action: require_review, approve: { count: 2 } }",
];

fn of(rules: &[&str]) -> policy::Policy {
    policy(&rules.iter().map(|rule| format!("  - {rule}\n")).collect::<String>())
}

#[track_caller]
fn check(after: &[&str], expected: bool) {
    assert_eq!(only_narrows(&of(&RULES), &of(after)), expected);
}

#[test]
fn only_what_takes_grants_away_or_adds_denials_is_certain() {
    let [read, run, keys, look] = RULES;
    let also = |rule| [read, run, keys, look, rule];
    check(&RULES, true);
    check(&[look, keys, run, read], true);
    check(&[keys, look], true);
    check(&also("{ name: no, match: { role: [agent] }, action: deny }"), true);
    // What denied or asked is gone, or says something else.
    check(&[read, run, look], false);
    check(&[read, run, keys], false);
    check(&[read, run, &keys.replace(".key", ".pem"), look], false);
    check(&[read, run, keys, &look.replace("count: 2", "count: 1")], false);
    // What lets calls through is new, or says something else.
    check(&[&read.replace("docs/**", "{docs,src}/**"), run, keys, look], false);
    check(&[read, &run.replace("count: 3", "count: 4"), keys, look], false);
    check(&[read, &run.replace("except: [ { role: [guest] } ], ", ""), keys, look], false);
    check(&[read, &run.replace("git", "[git, sh]"), keys, look], false);
    check(&also("{ name: more, match: { tool: fs.read }, action: allow }"), false);
    check(&also("{ name: ask, match: { role: [x] }, action: require_review }"), false);
    check(&[&read.replace("name: read", "name: other"), run, keys, look], false);
}
