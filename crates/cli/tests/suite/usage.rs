//! The command line as such: exit codes, ids, colour, help, completion, starting a project, settings.
//! No workflow of any weight is run here.

use std::collections::BTreeMap;
use std::process::Command;

use crate::support::{POLICY, Project, Running, run, workflow};

#[test]
fn a_setting_that_is_not_taken_is_told_once() {
    let project = Project::new();
    project.file("good.yaml", workflow("  - { name: a, run: [\"true\"] }\n"));
    project.file("palisade.yaml", "policy: { file: loose.yaml }\n");
    for (arguments, code) in [
        ("tool call fs.read -a path=good.yaml", 0),
        ("run good.yaml", 0),
        ("runs show", 0),
        ("ticket rotate", 0),
        ("policy apply good.yaml --yes", 2),
        ("policy explain exec.run -a program=git", 0),
        ("doctor", 0),
        ("config show", 0),
        ("help", 0),
    ] {
        let words: Vec<&str> = arguments.split(' ').collect();
        let ran = project.palisade(&words).exits(code);
        let told = ran.stderr.matches("`policy.file` from ").count();
        assert_eq!(told, usize::from(arguments != "help"), "{arguments}: {ran:?}");
    }
}

#[test]
fn the_table_of_exit_codes_is_what_commands_do() {
    let project = Project::new();
    let told = project.palisade(&["help", "exit-codes", "--json"]).exits(0).json();
    let rows = told.as_array().unwrap().iter();
    let table: BTreeMap<i64, &str> =
        rows.map(|row| (row["code"].as_i64().unwrap(), row["name"].as_str().unwrap())).collect();
    let plain = project.palisade(&["help", "exit-codes"]).exits(0).stdout;
    assert!(
        table
            .iter()
            .all(|(code, name)| plain.contains(&format!(" {code} ")) && plain.contains(name)),
        "{plain}"
    );
    project.file("good.yaml", workflow("  - { name: a, run: [\"true\"] }\n"));
    project.file("bad.yaml", workflow("  - { name: a, run: [\"false\"] }\n"));
    // The rest of the table is met where it arises: conflict, cancelled, verification, interrupted.
    let check = |code: i32, name: &str, arguments: &str| {
        assert_eq!(table[&i64::from(code)], name);
        project.palisade(&arguments.split(' ').collect::<Vec<_>>()).exits(code);
    };
    check(0, "ok", "run good.yaml");
    check(1, "failure", "run .");
    check(2, "usage", "run");
    check(2, "usage", "frobnicate");
    check(2, "usage", "run good.yaml --slots 0");
    check(2, "usage", "help nothing");
    check(3, "not found", "run none.yaml");
    check(3, "not found", "runs show run_nothing");
    check(5, "conflict", "runs retry run_");
    check(6, "denied", "policy explain exec.run -a program=curl");
    check(10, "run failed", "run bad.yaml");
    let others = [(11, "run cancelled"), (20, "verification failed"), (130, "interrupted")];
    assert!(others.iter().all(|(code, name)| table[code] == *name));
    assert_eq!(table.len(), 10);
}

#[test]
fn a_run_is_meant_by_any_unique_beginning_of_its_id() {
    let project = Project::new();
    project.file("good.yaml", workflow("  - { name: a, run: [\"true\"] }\n"));
    project.palisade(&["run", "good.yaml"]).exits(0);
    project.palisade(&["run", "good.yaml"]).exits(0);
    let listed = project.palisade(&["runs", "list", "--json"]).exits(0).json();
    let ids: Vec<&str> =
        listed.as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap()).collect();
    assert!(ids[0] > ids[1], "the latest comes first");
    let shared = ids[0].bytes().zip(ids[1].bytes()).take_while(|(a, b)| a == b).count();
    for id in ids {
        for written in [id, &id[..=shared], id.strip_prefix("run_").unwrap()] {
            let shown = project.palisade(&["runs", "show", written, "--json"]).exits(0).json();
            assert_eq!(shown["run"]["id"], id);
        }
        let several = project.palisade(&["runs", "show", &id[..shared]]).exits(2);
        several.says("is the beginning of 2 ids", "", "give more of the id");
    }
    let nothing = project.palisade(&["runs", "show", ""]).exits(3);
    nothing.says("no run", "", "palisade runs list");
}

#[test]
fn a_key_makes_a_run_happen_once() {
    let project = Project::new();
    project.file("good.yaml", workflow("  - { name: a, run: [echo, x] }\n"));
    project.file("other.yaml", workflow("  - { name: b, run: [echo, x] }\n"));
    let once = |file: &str| project.palisade(&["run", file, "--idempotency-key", "k", "--json"]);
    let first = once("good.yaml").exits(0).json_lines();
    let again = once("good.yaml").exits(0).json_lines();
    assert_eq!((&first[0]["existing"], &again[0]["existing"]), (&false.into(), &true.into()));
    assert_eq!(first[0]["run"], again[0]["run"]);
    assert_eq!(project.palisade(&["runs", "list", "--json"]).json().as_array().unwrap().len(), 1);
    once("other.yaml").exits(5);
    let odd = project.palisade(&["run", "good.yaml", "--idempotency-key", "a b"]).exits(2);
    odd.says("an idempotency key is 1 to 255", "", "another key");
}

/// The binary behind a terminal, as `script` of util-linux makes one; `None` where that is missing.
fn on_a_terminal(
    project: &Project,
    arguments: &str,
    environment: &[(&str, &str)],
) -> Option<String> {
    sized(project, None, arguments, environment)
}

/// The same, with so many columns.
fn sized(
    project: &Project,
    columns: Option<u16>,
    arguments: &str,
    environment: &[(&str, &str)],
) -> Option<String> {
    let size = columns.map(|columns| format!("stty rows 24 cols {columns}; "));
    let shell =
        format!("{}{} {arguments}", size.unwrap_or_default(), env!("CARGO_BIN_EXE_palisade"));
    let mut command: Command =
        project.command_of("script".as_ref(), &["-qec", &shell, "/dev/null"]);
    command.env("TERM", "xterm").envs(environment.iter().copied());
    if Command::new("script").arg("--version").output().is_err() {
        crate::support::not_tried("a terminal", "the program `script` is missing");
        return None;
    }
    Some(run(&mut command).stdout)
}

#[test]
fn colour_and_the_board_appear_on_a_terminal_only_and_never_where_not_wanted() {
    let project = Project::new();
    project.file("two.yaml", workflow("  - { name: good, run: [\"true\"] }\n  - { name: bad, needs: [good], run: [\"false\"] }\n"));
    let plain = project.palisade(&["run", "two.yaml"]).exits(10);
    assert!(!plain.all().contains('\u{1b}'), "{plain:?}");
    let Some(board) = on_a_terminal(&project, "run two.yaml", &[]) else { return };
    assert!(board.contains("\u{1b}[32m●") && board.contains("\u{1b}[31m✗"), "{board:?}");
    // The last state stays on the screen as ordinary lines, below what was redrawn.
    let last = board.rsplit("\u{1b}[J").next().unwrap();
    assert!(last.contains("good") && last.contains("failed: exit code 1"), "{board:?}");
    for (name, value, colour, redrawn) in [
        ("NO_COLOR", "1", false, true),
        ("NON_INTERACTIVE_MODE", "1", false, false),
        ("TERM", "dumb", false, false),
        ("NO_COLOR", "", true, true),
    ] {
        let text = on_a_terminal(&project, "run two.yaml", &[(name, value)]).unwrap();
        assert_eq!(text.contains("\u{1b}[32m"), colour, "{name}={value}: {text:?}");
        assert_eq!(text.contains("\u{1b}[J"), redrawn, "{name}={value}: {text:?}");
    }
    // What a step printed is shown on a terminal without what could drive it.
    project.run_steps("  - { name: a, run: [printf, \"x\\\\033[2Jy\\\\n\"] }\n").exits(0);
    let logs = on_a_terminal(&project, "runs logs", &[]).unwrap();
    assert!(logs.contains("x·[2Jy") && !logs.contains("\u{1b}[2J"), "{logs:?}");
}

#[test]
fn completion_and_help_come_from_one_definition() {
    let project = Project::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = project.palisade(&["completion", shell]).exits(0).stdout;
        for word in ["runs", "explain", "idempotency-key", "palisade"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let checked = run(project.command_of("bash".as_ref(), &["-n"]).arg({
        let script = project.palisade(&["completion", "bash"]).stdout;
        project.file("completion.bash", script)
    }));
    checked.exits(0);
    let help = project.palisade(&["help", "runs", "retry"]).exits(0).stdout;
    let flag = project.palisade(&["runs", "retry", "--help"]).exits(0).stdout;
    assert!(help.contains("--step") && flag.contains("--step"));
    for topic in ["exit-codes", "environment", "config"] {
        project.palisade(&["help", topic]).exits(0);
    }
    assert!(project.palisade(&["--version"]).exits(0).stdout.starts_with("palisade "));
}

#[test]
fn a_project_begun_twice_is_not_changed() {
    let project = Project::bare();
    let begun = project.palisade(&["init"]).exits(0);
    assert!(
        begun.stdout.contains(".palisade/policy.yaml") && begun.stdout.contains("hello.yaml"),
        "{begun:?}"
    );
    project.palisade(&["policy", "test"]).exits(0);
    let ran = project.palisade(&["run", "hello.yaml", "-i", "name=you"]).exits(0);
    assert!(ran.stdout.contains("succeeded"), "{ran:?}");
    project.file("hello.yaml", "mine\n");
    let again = project.palisade(&["init"]).exits(0);
    assert_eq!(again.stdout, "");
    assert!(again.stderr.contains("nothing to write"), "{again:?}");
    assert_eq!(std::fs::read_to_string(project.path().join("hello.yaml")).unwrap(), "mine\n");
    // Elsewhere: the command that is suggested works as it is.
    let new = project.outside().join("new").display().to_string();
    let begun = project.palisade(&["init", &new]).exits(0);
    let next = begun.stderr.lines().find_map(|line| line.strip_prefix("next: palisade ")).unwrap();
    project.palisade(&next.split(' ').collect::<Vec<_>>()).exits(0);
}

#[test]
fn settings_say_where_they_come_from_and_a_project_loosens_nothing() {
    let project = Project::new();
    project.file("palisade.yaml", "engine: { slots: 2 }\npolicy: { file: loose.yaml }\n");
    let shown = project.palisade(&["config", "show", "--origin"]).exits(0);
    assert!(shown.stdout.contains("palisade.yaml:1"), "{shown:?}");
    assert!(
        shown.stderr.contains("`policy.file`") && shown.stderr.contains("is ignored"),
        "{shown:?}"
    );
    let flag = project.palisade(&["config", "show", "--slots", "3", "--json"]).exits(0).json();
    assert_eq!(
        (&flag["engine.slots"]["value"], &flag["engine.slots"]["origin"]),
        (&"3".into(), &"flag --slots".into())
    );
    for (text, what) in [
        ("engine: { slots: many }\n", "`engine.slots` must be an integer"),
        ("engine: { slts: 2 }\n", "did you mean `engine.slots`"),
        ("state: { folder: /etc }\n", "not inside the project"),
        ("[\n", "not valid YAML"),
    ] {
        project.file("palisade.yaml", text);
        let ran = project.palisade(&["runs", "list"]).exits(2);
        assert!(ran.stderr.contains(what) && ran.stderr.contains("palisade.yaml"), "{ran:?}");
        ran.says("", "", "palisade help config");
    }
    project.file("good.yaml", workflow("  - { name: a, run: [\"true\"] }\n"));
    for shown in ["kept/here", "."] {
        project.file("palisade.yaml", format!("state: {{ folder: {shown} }}\n"));
        let ran = project.palisade(&["run", "good.yaml"]).exits(2);
        ran.says("`state.folder` cannot be", "steps would see the journal", "below `.palisade`");
    }
    project.file("palisade.yaml", "state: { folder: .palisade/kept }\n");
    project.palisade(&["run", "good.yaml"]).exits(0);
    assert!(project.path().join(".palisade/kept/palisade.db").exists());
}

#[test]
fn a_failed_run_is_told_retried_and_explained() {
    let project = Project::new();
    let outside = project.outside();
    let steps = format!(
        "  - name: flaky\n    shell: test -e /mnt/fixed || {{ echo one; echo two >&2; echo broken >&2; exit 4; }}\n    mounts: [{{ source: {}, target: /mnt }}]\n  - {{ name: after, needs: [flaky], run: [echo, after] }}\n",
        outside.display()
    );
    let ran = project.run_steps(&steps).exits(10);
    for wanted in ["failed    flaky", "exit code 4", "| broken"] {
        assert!(ran.stdout.contains(wanted), "{wanted}: {ran:?}");
    }
    assert!(ran.stderr.contains("skipped: dependency failed: flaky"), "{ran:?}");
    let logs = project.palisade(&["runs", "logs", "--step", "flaky"]).exits(0);
    assert_eq!((logs.stdout.as_str(), logs.stderr.as_str()), ("one\n", "two\nbroken"));
    let id = project.latest()["id"].as_str().unwrap().to_owned();
    project.palisade(&["runs", "retry", &id, "--step", "none"]).exits(3).says(
        "no step `none`",
        "",
        "lists the steps",
    );
    std::fs::write(outside.join("fixed"), "").unwrap();
    let retried = project.palisade(&["runs", "retry", &id]).exits(0);
    assert!(retried.stderr.contains("attempt 2"), "{retried:?}");
    assert_eq!(project.latest()["state"], "succeeded");
    let again = project.palisade(&["runs", "retry", &id]).exits(5);
    again.says("no step of the run failed", "", "palisade runs show");
    let done = project.palisade(&["runs", "explain"]).exits(0).stdout;
    assert!(done.contains("succeeded") && done.contains("no step waits"), "{done}");
    // Watching a run that has ended tells how.
    let watched = Running::start(&mut project.command(&["runs", "watch"])).end().exits(0);
    assert!(
        watched.stdout.contains("succeeded") && watched.stderr.contains("attempt 2"),
        "{watched:?}"
    );
    project.verifies();
}

#[test]
fn a_decision_is_explained_with_its_rule() {
    let project = Project::new();
    let denied =
        project.palisade(&["policy", "explain", "exec.run", "-a", "program=curl"]).exits(6).stdout;
    assert!(denied.contains("deny") && denied.contains("no-curl"), "{denied}");
    let keys = project
        .palisade(&["policy", "explain", "fs.read", "-a", "path=.ssh/id_rsa"])
        .exits(6)
        .stdout;
    assert!(keys.contains("builtin:keys"), "{keys}");
    let unknown = project.palisade(&["policy", "explain", "no.such.tool"]).exits(6).stdout;
    assert!(unknown.contains("deny"), "{unknown}");
    assert!(project.palisade(&["policy", "test"]).exits(0).stdout.contains("1 passed, 0 failed"));
    project.file(".palisade/policy.yaml", POLICY.replace("decision: allow", "decision: deny"));
    assert!(project.palisade(&["policy", "test"]).exits(1).stdout.contains("0 passed, 1 failed"));
}

/// Limits, constraints, approvals and layers, for people and for programs.
#[test]
fn an_explanation_says_what_a_call_is_held_to() {
    let project = Project::new();
    project.file(
        ".palisade/policy.yaml",
        "version: 1\nrules:\n\
         - { name: read, match: { tool: fs.read }, action: allow, limits: [{ count: 5, per: run }], \
             constraints: { redact: output } }\n\
         - { name: ask, match: { tool: fs.read, path_glob: \"docs/**\" }, action: require_review, \
             approve: { from: \"role:sre\", count: 2, expires: 15m } }\n",
    );
    let words = ["policy", "explain", "fs.read", "-a", "path=docs/a"];
    let told = project.palisade(&words).exits(6).stdout;
    for line in [
        "require_review: review required by `ask`",
        "  constraints: output redacted",
        "  limit 1 of `read`: at most 5 calls per run; this call takes 1",
        "  approval: 2 approvals from role:sre within 900s",
        "  rules: require_review (asked where no ticket decides)",
        "  extension: nothing (would be asked, if there is one)",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let json = project.palisade(&[&words[..], &["--json"]].concat()).exits(6).json();
    assert_eq!(json["limits"][0]["wanted"], "at most 5 calls per run");
    assert_eq!(json["decision"]["approve"]["count"], 2);
    assert_eq!(json["layers"][2]["verdict"], "require_review");
}

#[test]
fn tables_are_as_wide_as_the_terminal() {
    let project = Project::new();
    let long = "a-rather-long-name-of-a-step-that-fails";
    let steps = format!("  - {{ name: {long}, run: [\"false\"] }}\n");
    project.file(
        "long.yaml",
        workflow(&steps).replace("name: test", "name: a-workflow-with-a-long-name"),
    );
    project.palisade(&["run", "long.yaml"]).exits(10);
    let id = project.latest()["id"].as_str().unwrap().to_owned();
    let longest = |text: &str| text.lines().map(|line| line.trim_end().chars().count()).max();
    for (arguments, word) in [
        ("runs list", id.as_str()),
        ("help config", "PALISADE_*"),
        ("help environment", "PALISADE_TICKET"),
        ("runs show", id.as_str()),
    ] {
        let plain = project.palisade(&arguments.split(' ').collect::<Vec<_>>()).exits(0).stdout;
        assert!(plain.contains(word) && !plain.contains("+00:00"), "{plain}");
        let Some(shown) = sized(&project, Some(80), arguments, &[]) else { return };
        assert!(shown.contains(word), "{arguments}: {shown}");
        let wide = sized(&project, Some(300), arguments, &[]).unwrap();
        if arguments != "runs show" {
            assert!(longest(&wide) > Some(80), "the control: {wide}");
            assert!(longest(&shown) <= Some(80), "{arguments}: {shown}");
        }
    }
    // What no call meets of the built-in rules is not among what decided this one.
    let words = ["policy", "explain", "fs.read", "-a", "path=a"];
    let told = project.palisade(&words).exits(0).stdout;
    assert!(told.contains("read") && !told.contains("builtin:"), "{told}");
    let keys = project.palisade(&["policy", "explain", "fs.read", "-a", "path=.ssh/id_rsa"]);
    assert!(keys.exits(6).stdout.contains("builtin:keys"), "the control");
    // No line ends in blanks, and none is empty.
    let tail = project.palisade(&["audit", "tail"]).exits(0).stdout;
    assert!(tail.lines().all(|line| line.trim_end() == line && !line.is_empty()), "{tail:?}");
}

#[test]
fn options_of_every_command_stand_apart_in_its_help() {
    let project = Project::new();
    let help = project.palisade(&["help", "runs", "list"]).exits(0).stdout;
    let (own, every) = help.split_once("Options of every command:").unwrap();
    for (option, mine) in
        [("--limit", true), ("--state", true), ("--unsafe", false), ("--json", false)]
    {
        assert_eq!(
            (own.contains(option), every.contains(option)),
            (mine, !mine),
            "{option}: {help}"
        );
    }
    assert!(own.contains("succeeded"), "{help}");
}

#[test]
fn every_mistake_on_the_command_line_says_what_why_and_how_to_fix_it() {
    let project = Project::new();
    let check = |line: &str, code: i32, what: &str, why: &str, fix: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        project.palisade(&words).exits(code).says(what, why, fix);
    };
    check(
        "runs list --limit x",
        2,
        "`x` cannot be",
        "not a whole number",
        "palisade runs list --help",
    );
    check("audit anchor", 2, "--git <REPOSITORY>", "", "palisade audit anchor --help");
    check("policy check nope", 3, "nope", "No such file", "name a policy file that can be read");
    check("tool call fs.read -a path", 2, "`path` has no `=`", "", "-a name=value");
    check("run nope -i path", 3, "nope", "", "name a file");
    check("ticket inspect --ticket-file nope", 3, "nope", "", "name a file that exists");
    check("secret set db --file nope", 3, "nope", "", "--file FILE");
    project.file("empty", "");
    check("secret set a/b --file palisade.yaml", 3, "", "", "--file FILE");
    check("secret set db --file empty", 2, "", "", "give a text");
}
