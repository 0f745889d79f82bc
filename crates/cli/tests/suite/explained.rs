//! What is said about a decision, held against what really happens: `policy explain`, `tool show`, a denial, a limit.
//! What a decision is, and each condition of it, is tested where it is made.

use std::fs;

use crate::support::{Project, Ran};

fn with(rules: &str) -> Project {
    let project = Project::bare();
    project.file(".palisade/policy.yaml", format!("version: 1\nrules:\n{rules}"));
    project.file("docs/a.md", "text\n");
    project
}

fn explain(project: &Project, words: &str) -> Ran {
    let words: Vec<&str> = words.split(' ').collect();
    project.palisade(&[&["policy", "explain"], &words[..]].concat())
}

#[test]
fn an_explanation_and_a_call_end_alike() {
    let project = with(
        "  - { name: read, match: { tool: \"fs.*\" }, action: allow }\n  - { name: x, match: { tool: fs.read, path_glob: /x }, action: deny }\n  - { name: run, match: { tool: \"exec.*\" }, action: allow }\n",
    );
    project.file("x", "text\n");
    let check = |path: &str, explained: i32, called: i32, says: &str| {
        let told = explain(&project, &format!("fs.read -a path={path}")).exits(explained);
        assert!(told.stdout.contains(says), "{told:?}");
        project.palisade(&["tool", "call", "fs.read", "-a", &format!("path={path}")]).exits(called);
    };
    check("docs/a.md", 0, 0, "allow: allowed by `read`");
    check("x/../docs/./a.md", 0, 0, "allow");
    check("docs/../x", 6, 6, "denied by `x`");
    check(
        "/etc/passwd",
        6,
        6,
        "refused: at validation, before any rule: path `/etc/passwd` leaves the project root",
    );
    for (words, says) in [
        ("fs.read", "path"),
        ("fs.read -a pathx=a", "pathx"),
        ("exec.run -a program=ls -a nothing=1", "nothing"),
        ("exec.run -a program=ls -a hosts=[\"https://example.org/a\"]", "is more than a host"),
    ] {
        let told = explain(&project, words).exits(6).stdout;
        assert!(told.contains("refused: at validation") && told.contains(says), "{words}: {told}");
        let json = explain(&project, &format!("{words} --json")).exits(6).json();
        assert!(json["refused"].as_str().unwrap().contains(says), "{json}");
    }
    explain(&project, "exec.run -a program=ls -a timeout=40s").exits(0);
}

#[test]
fn whoever_is_named_is_explained_as_registered() {
    let project = with(
        "  - { name: tagged, match: { tool: exec.run, caller_tag: core_plugin, role: planner }, action: allow }\n  - { name: own, match: { tool: fs.read, caller_tag: mine }, action: allow }\n  - { name: late, match: { tool: fs.list, mode: explore, state: busy }, action: allow }\n",
    );
    let folder = project.home().join(".config/palisade");
    fs::create_dir_all(&folder).unwrap();
    let uid = rustix::process::geteuid().as_raw();
    let text = format!(
        "principals:\n  \"agent:planner-1\": {{ roles: [agent, planner], tags: [core_plugin] }}\n  \"{uid}\": {{ id: \"user:ada\", tags: [mine] }}\n"
    );
    fs::write(folder.join("palisade.yaml"), text).unwrap();
    explain(&project, "exec.run -a program=true --principal agent:planner-1").exits(0);
    explain(&project, "exec.run -a program=true --principal agent:other").exits(6);
    explain(&project, "exec.run -a program=true").exits(6);
    project.file("steps.yaml", crate::support::workflow("  - { name: a, run: [\"true\"] }\n"));
    project.palisade(&["run", "steps.yaml", "--as", "agent:planner-1"]).exits(0);
    project.palisade(&["run", "steps.yaml", "--as", "agent:other"]).exits(10);
    // The tags of whoever asks are theirs alone.
    explain(&project, "fs.read -a path=docs/a.md").exits(0);
    explain(&project, "fs.read -a path=docs/a.md --principal agent:planner-1").exits(6);
    explain(&project, "fs.read -a path=docs/a.md --principal agent:planner-1 --tag mine").exits(0);
    explain(&project, "exec.run -a program=true --role planner --tag core_plugin").exits(0);
    explain(&project, "fs.list -a path=docs --mode explore --state busy").exits(0);
    explain(&project, "fs.list -a path=docs --mode explore").exits(6);
    let checked = project.palisade(&["policy", "check"]).exits(0);
    assert!(checked.stderr.contains("no caller has a session"), "{checked:?}");
    assert!(checked.stdout.contains("3 rules, 1 warning\n"), "{checked:?}");
}

#[test]
fn a_tool_shows_what_rules_see() {
    let project = Project::bare();
    let show = |name: &str| project.palisade(&["tool", "show", name]).exits(0).stdout;
    for (name, arguments) in [
        ("exec.run", ["\"program\"", "\"stdin_bytes\"", "\"env_values\""]),
        ("workspace.merge", ["\"changeset\"", "\"flagged\"", "palisade workspace"]),
        ("ticket.mint", ["\"life\"", "\"scopes\"", "palisade ticket"]),
        ("policy.update", ["\"widens\"", "\"replaces\"", "palisade policy apply"]),
    ] {
        let told = show(name);
        let rules = told.split_once("\nin rules ").unwrap_or_else(|| panic!("{told}")).1;
        for argument in &arguments[..2] {
            assert!(rules.contains(argument), "{argument}: {told}");
        }
        assert!(told.contains(arguments[2]), "{told}");
    }
    assert!(show("fs.read").contains("\nin rules   the same\n"));
    // Every argument that is shown can be written in a rule.
    let tools = project.palisade(&["tool", "list", "--json"]).exits(0).json();
    for tool in tools.as_array().unwrap() {
        for name in tool["in_rules"]["properties"].as_object().unwrap().keys() {
            let tool = tool["name"].as_str().unwrap();
            let rule = format!(
                "version: 1\nrules:\n  - {{ name: a, match: {{ tool: {tool}, args: {{ {name}: x }} }}, action: allow }}\n"
            );
            project.file("one.yaml", rule);
            let checked = project.palisade(&["policy", "check", "one.yaml"]);
            assert!(!checked.stderr.contains("has no argument"), "{checked:?}");
        }
    }
}

#[test]
fn sums_and_bounds_hold_for_real_arguments() {
    let project = with(
        "  - { name: cat, match: { tool: exec.run, args: { timeout: \"<= 30s\" } }, action: allow, limits: [ { sum: args.stdin_bytes, max: 8, per: principal, window: 1d } ] }\n  - { name: mint, match: { tool: ticket.mint, args: { life: \"<= 1m\" } }, action: allow }\n",
    );
    let cat = |more: &str, code: i32| {
        let step = format!("  - {{ name: a, run: [cat], {more} }}\n");
        project.run_steps(&step).exits(code)
    };
    cat("timeout: 20s, stdin: hello", 0);
    cat("timeout: 20s", 0);
    cat("timeout: 31s", 10);
    cat("timeout: 20s, stdin: hello", 10);
    cat("timeout: 20s, stdin: abc", 0);
    let told =
        explain(&project, "exec.run -a program=cat -a timeout=20s -a stdin=x").exits(6).stdout;
    assert!(told.starts_with("deny: allowed by `cat`, but over a limit"), "{told}");
    explain(&project, "exec.run -a program=cat -a timeout=20s").exits(0);
    let mint = |life: &str| {
        project.palisade(&["ticket", "mint", "--tool", "fs.read", "--path", "docs", "--life", life])
    };
    mint("30s").exits(0);
    mint("60s").exits(0);
    mint("61s").exits(6);
    mint("25h").exits(2).says("a ticket lives 24 hours at most", "", "");
    explain(
        &project,
        "ticket.mint -a tools=[\"fs.read\"] -a principal=user:a -a uses=1 -a life=2m",
    )
    .exits(6);
}

#[test]
fn no_program_leaves_a_file_larger_than_its_rule_says() {
    let project = with(
        "  - { name: small, match: { tool: \"exec.*\" }, action: allow, constraints: { max_file_size: 10KiB } }\n",
    );
    project.file("long", "x".repeat(20_000));
    let run = |script: &str, code: i32| {
        let step =
            format!("  - {{ name: a, shell: \"{script}\", sandbox: {{ changes: full }} }}\n");
        project.run_steps(&step).exits(code);
        project.palisade(&["runs", "show"]).exits(0).stdout
    };
    run("head -c 10000 /dev/zero > f", 0);
    let told = run("head -c 20000 /dev/zero > f", 10);
    assert!(told.contains("a larger file, than allowed"), "{told}");
    run("head -c 20000 /dev/zero > f; ls -l f; exit 0", 10);
    // Reading a long file is no writing; one that is only touched is still too long to be kept.
    run("cat long > /dev/null", 0);
    run("mv long longer", 10);
}

#[test]
fn a_denial_names_what_came_nearest() {
    let project = with(
        "  - { name: docs, match: { tool: fs.read, path_glob: \"docs/**\" }, action: allow, except: [ { path_glob: \"docs/p/**\", because: unreleased } ] }\n  - { name: no, match: { tool: fs.list }, action: deny }\n",
    );
    let nearest = "nearest: `docs` would allow it, but path_glob wants docs/**, found src/a";
    let call = |words: &[&str]| project.palisade(&[&["tool", "call"], words].concat());
    let told = call(&["fs.read", "-a", "path=src/a"]).exits(6).stderr;
    assert!(told.contains(nearest), "{told}");
    let shown = project.palisade(&["runs", "show"]).exits(0).stdout;
    assert!(shown.contains(nearest), "{shown}");
    let record = told.split("policy explain --record ").nth(1).unwrap();
    let record = record.split(' ').next().unwrap();
    let told = project.palisade(&["policy", "explain", "--record", record]).exits(6).stdout;
    assert!(told.contains(nearest), "{told}");
    // What an exception kept from being allowed says so, in the table too.
    let told = explain(&project, "fs.read -a path=docs/p/a").exits(6).stdout;
    assert!(
        told.contains("except 1 wants not path_glob docs/p/**, found docs/p/a (unreleased)"),
        "{told}"
    );
    let row = told.lines().find(|line| line.contains("docs: except 1")).unwrap();
    assert!(row.contains("docs/p/**") && row.contains("true"), "{told}");
    // A rule that denies is its own reason.
    let told = call(&["fs.list", "-a", "path=docs"]).exits(6).stderr;
    assert!(!told.contains("nearest"), "{told}");
}
