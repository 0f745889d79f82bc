//! What the gate admits, and what stops a call.
//! Only decisions are looked at here; `node` runs what was admitted.

use std::path::Path;

use crate::support::{Project, to_the_end, user};
use runner::gate::{Admitted, Asked, Refused};
use runner::{Adopt, Doing, Guard};
use serde_json::{Value, json};

fn admit(project: &Project, tool: &str, arguments: Value) -> Result<Admitted, Refused> {
    project.gate().admit(&user(), Asked { tool: tool.to_owned(), arguments })
}

fn stopped(refused: Result<Admitted, Refused>) -> (Guard, String, String) {
    match refused {
        Err(Refused::Stopped { by, .. }) => (by.kind, by.name.to_string(), by.detail.to_string()),
        other => panic!("not stopped: {other:?}"),
    }
}

fn run(program: &str, mounts: Value) -> Value {
    json!({ "program": program, "argv": [program], "mounts": mounts })
}

#[test]
fn what_policy_saw_is_what_runs() {
    let project = Project::new();
    let admitted = admit(&project, "fs.read", json!({ "path": "docs/./x/../a.md" })).unwrap();
    assert_eq!(admitted.arguments, json!({ "path": "docs/a.md" }));
    let again = admit(&project, "fs.read", json!({ "path": "docs/a.md" })).unwrap();
    assert_eq!(admitted.digest(), again.digest());
    let other = admit(&project, "fs.read", json!({ "path": "docs/b.md" })).unwrap();
    assert_ne!(admitted.digest(), other.digest());
}

#[test]
fn a_call_no_rule_allows_is_denied() {
    let project = Project::new();
    for tool in ["http.get", "exec.runs", "Fs.read", ""] {
        assert_eq!(stopped(admit(&project, tool, json!({}))).0, Guard::Policy, "{tool}");
    }
    let excepted = stopped(admit(&project, "fs.read", json!({ "path": "secret/a" })));
    assert_eq!((excepted.0, excepted.1.as_str()), (Guard::Policy, "default deny"));
    let denied = stopped(admit(&project, "exec.run", run("curl", json!([]))));
    assert_eq!((denied.0, denied.1.as_str()), (Guard::Policy, "no-curl"));
}

#[test]
fn a_call_that_needs_review_does_not_run() {
    let project = Project::new();
    let Err(Refused::Review(reviewed)) = admit(&project, "exec.run", run("rm", json!([]))) else {
        panic!("let through or denied");
    };
    assert_eq!(reviewed.reasons, [Box::from("ask-rm: dangerous")]);
    // What cannot wait, such as a merge, is stopped.
    let (by, _) = reviewed.unanswered();
    assert_eq!((by.kind, &*by.name), (Guard::Approval, "ask-rm"));
    assert!(by.detail.contains("dangerous"), "{}", by.detail);
}

#[test]
fn a_path_that_leaves_the_project_is_stopped_by_its_root() {
    let project = Project::new();
    for path in ["/etc/shadow", "../x", "a/../../x"] {
        let (kind, name, _) = stopped(admit(&project, "fs.read", json!({ "path": path })));
        assert_eq!((kind, name.as_str()), (Guard::Isolation, "project root"), "{path}");
    }
}

#[test]
fn keys_cannot_be_mounted_however_they_are_spelled() {
    let project = Project::new();
    let keys = project.path().join("home/.ssh");
    std::fs::create_dir_all(&keys).unwrap();
    std::os::unix::fs::symlink(&keys, project.path().join("innocent")).unwrap();
    for source in ["~/.ssh", "home/.ssh", "innocent", "/root/.ssh", "home/../home/.ssh/."] {
        let mounts = json!([{ "source": source, "target": "/mnt", "access": "read" }]);
        let (kind, rule, _) = stopped(admit(&project, "exec.run", run("ls", mounts)));
        assert_eq!((kind, rule.as_str()), (Guard::Policy, "builtin:keys"), "{source}");
    }
    // The same folder under a name that is no key's: only the name decides, so this is the control.
    std::fs::create_dir_all(project.path().join("home/plain")).unwrap();
    let mounts = json!([{ "source": "home/plain", "target": "/mnt", "access": "read" }]);
    assert!(admit(&project, "exec.run", run("ls", mounts)).is_ok());
}

#[test]
fn a_mount_cannot_write_into_the_project() {
    let project = Project::new();
    std::fs::create_dir(project.path().join("out")).unwrap();
    let outside = tempfile::tempdir().unwrap();
    let mount = |source: &str| json!([{ "source": source, "target": "/out", "access": "write" }]);
    let inside = admit(&project, "exec.run", run("ls", mount("out")));
    assert!(matches!(inside, Err(Refused::Invalid(reason)) if reason.contains("artifacts")));
    let outside = outside.path().to_str().unwrap();
    assert!(admit(&project, "exec.run", run("ls", mount(outside))).is_ok());
}

#[test]
fn arguments_that_do_not_fit_the_schema_are_refused_before_policy_is_asked() {
    let project = Project::new();
    let cases = [
        ("fs.read", json!({})),
        ("fs.read", json!({ "path": 3 })),
        ("fs.read", json!({ "path": "a", "extra": 1 })),
        ("exec.run", json!({ "program": "ls", "argv": [] })),
        ("exec.run", json!({ "program": "ls", "argv": ["ls"], "profile": "none" })),
        ("fs.read", json!({ "path": "x".repeat(200_000) })),
    ];
    for (tool, arguments) in cases {
        let admitted = admit(&project, tool, arguments.clone());
        assert!(matches!(admitted, Err(Refused::Invalid(_))), "{tool} {arguments}: {admitted:?}");
    }
}

#[test]
fn a_mount_cannot_bring_along_what_is_hidden() {
    let project = Project::new();
    std::fs::create_dir_all(project.path().join("home/.ssh")).unwrap();
    let above = project.path().parent().unwrap().to_str().unwrap().to_owned();
    for source in ["/", above.as_str(), "~", "home"] {
        let mounts = json!([{ "source": source, "target": "/mnt", "access": "read" }]);
        let (kind, name, _) = stopped(admit(&project, "exec.run", run("ls", mounts)));
        assert_eq!((kind, name.as_str()), (Guard::Isolation, "hidden folders"), "{source}");
    }
}

/// Every name under which a mount could show the state of a project that keeps it in `state`.
fn ways_in(project: &Path, state: &Path) -> Vec<(String, String)> {
    let (project, state) = (project.display(), state.display());
    let elsewhere = [
        ".".to_owned(),
        "./".to_owned(),
        "docs/..".to_owned(),
        format!("{project}"),
        format!("{project}/docs/.."),
        format!("{project}/.palisade"),
        ".palisade/keys".to_owned(),
        "link".to_owned(),
        "link/keys".to_owned(),
        "..".to_owned(),
        "/".to_owned(),
        format!("/proc/self/root{project}"),
        format!("/proc/{}/root{state}", std::process::id()),
        "/proc".to_owned(),
        format!("{state}"),
        format!("{state}/../{}", Path::new(&state.to_string()).file_name().unwrap().display()),
        format!("{state}/keys"),
        format!("{state}/keys/node.ed25519"),
        format!("{state}/.."),
    ];
    let targets = ["/k", "k", "/workspace/k", "/tmp/k"];
    elsewhere.iter().flat_map(|source| targets.map(|at| (source.clone(), at.to_owned()))).collect()
}

#[test]
fn no_mount_shows_the_state_of_a_project_under_any_name() {
    let project = Project::new();
    let outside = tempfile::tempdir().unwrap();
    let outside = outside.path().canonicalize().unwrap();
    for state in [project.layout.state().to_path_buf(), outside.join("kept/state")] {
        std::fs::create_dir_all(state.join("keys")).unwrap();
        std::fs::write(state.join("keys/node.ed25519"), "seed").unwrap();
        std::fs::create_dir_all(project.path().join("docs")).unwrap();
        drop(std::fs::remove_file(project.path().join("link")));
        std::os::unix::fs::symlink(&state, project.path().join("link")).unwrap();
        let gate = project.gate().with_state(&state);
        let mount = |source: &str, target: &str| {
            let mounts = json!([{ "source": source, "target": target, "access": "read" }]);
            gate.admit(&user(), Asked { tool: "exec.run".to_owned(), arguments: run("ls", mounts) })
        };
        for (source, target) in ways_in(project.path(), &state) {
            let (kind, name, _) = stopped(mount(&source, &target));
            let told = (kind, name.as_str());
            assert_eq!(told, (Guard::Isolation, "hidden folders"), "{source} at {target}");
        }
        // Controls: the project as the workspace, where its state is hidden, and what lies beside.
        let whole = project.path().to_str().unwrap();
        for (source, target) in [(".", "."), (whole, whole), ("docs", "/k"), ("/usr/lib", "/k")] {
            assert!(mount(source, target).is_ok(), "{source} at {target}");
        }
    }
}

#[test]
fn no_reading_tool_is_given_anything_of_the_state_folder() {
    let project = Project::new();
    let node = project.node(Doing::Really, Adopt::Nothing);
    to_the_end(
        &node,
        "version: 1\nname: n\nsteps:\n  - { name: s, tool: fs.list, with: { path: . } }\n",
    );
    node.stop().unwrap();
    let mut names: Vec<String> = files(project.layout.state());
    assert!(names.iter().any(|name| name.ends_with("keys/node.ed25519")), "{names:?}");
    // What a project has that was used for longer.
    let later =
        ["keys/token-1.secret", "keys/vault.key", "secrets/db", "openings/run", "archive/1"];
    names.extend(later.map(|name| format!(".palisade/{name}")));
    names.extend([".palisade".to_owned(), "sub/.palisade/keys/x".to_owned()]);
    for name in names {
        for tool in ["fs.read", "fs.list", "fs.exists", "search.grep", "search.glob"] {
            let mut arguments = json!({ "path": name });
            if tool.starts_with("search") {
                arguments["pattern"] = "*".into();
            }
            let (kind, rule, _) = stopped(admit(&project, tool, arguments));
            assert_eq!(kind, Guard::Policy, "{tool} {name}");
            assert!(rule.starts_with("builtin:"), "{tool} {name}: {rule}");
        }
    }
    // Control: beside it everything is read.
    assert!(admit(&project, "fs.read", json!({ "path": "palisade/keys/x" })).is_ok());
}

/// Every file and folder below, as the project's tools name it.
fn files(state: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![state.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let inner = path.strip_prefix(state.parent().unwrap()).unwrap();
            found.push(inner.to_str().unwrap().to_owned());
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    found
}

/// A gate whose policy lets programs reach what `hosts` says.
fn reaching(hosts: &str) -> Project {
    let project = Project::new();
    let rules = format!(
        "version: 1\nname: test\nrules:\n  - {{ name: run, match: {{ tool: \"exec.*\" }}, action: allow }}\n  \
         - {{ name: reach, match: {{ tool: \"exec.*\", host: [{hosts}] }}, action: allow }}\n"
    );
    std::fs::write(project.layout.policy(), rules).unwrap();
    project
}

fn net(hosts: &[&str]) -> Value {
    json!({
        "program": "curl", "argv": ["curl"], "hosts": hosts, "network": true, "profile": "standard-net",
    })
}

#[test]
fn a_host_is_granted_with_the_rule_that_names_it() {
    let project = reaching("example.org, \"*.example.net\"");
    let admitted =
        admit(&project, "exec.run", net(&["example.org:8443", "a.example.net"])).unwrap();
    let granted: Vec<(&str, &str)> =
        admitted.hosts.iter().map(|host| (host.target.as_str(), &*host.rule)).collect();
    assert_eq!(granted, [("example.org:8443", "reach"), ("a.example.net", "reach")]);
    let hosts = &admitted.decision["hosts"];
    assert_eq!(
        (&hosts[0]["host"], &hosts[0]["rules"][0]),
        (&"example.org:8443".into(), &"reach".into())
    );
    let plain = json!({ "program": "curl", "argv": ["curl"] });
    assert_eq!(admit(&project, "exec.run", plain).unwrap().hosts, []);
    let (kind, name, detail) = stopped(admit(&project, "exec.run", net(&["example.net"])));
    assert_eq!((kind, name.as_str()), (Guard::Policy, "default deny"));
    assert!(detail.contains("`example.net`"), "{detail}");
}

#[test]
fn hosts_without_their_profile_are_no_call() {
    let project = reaching("\"*\"");
    for (profile, network) in [("standard", true), ("strict", true), ("standard-net", false)] {
        let mut arguments = net(&["example.org"]);
        arguments["profile"] = profile.into();
        arguments["network"] = network.into();
        let admitted = admit(&project, "exec.run", arguments);
        assert!(matches!(admitted, Err(Refused::Invalid(_))), "{profile} {network}");
    }
    assert!(admit(&project, "exec.run", net(&["example.org"])).is_ok());
}

#[test]
fn the_drivers_gaps_and_templates_are_those_of_the_sandbox() {
    let gaps = sandbox::GapName::ALL.map(sandbox::GapName::name);
    assert_eq!(engine::workflow::GAPS, gaps);
    for profile in engine::workflow::Profile::ALL {
        let found = sandbox::Profile::ALL.into_iter().find(|known| known.name() == profile.name());
        assert!(found.is_some(), "{}", profile.name());
    }
    for (ours, theirs) in
        engine::workflow::SandboxTemplate::ALL.into_iter().zip(sandbox::Template::ALL)
    {
        assert_eq!((ours.name(), ours.profile().name()), (theirs.name(), theirs.profile().name()));
        let (limits, known) = (ours.limits(), theirs.limits());
        assert_eq!(limits.memory_bytes, known.memory_bytes, "{}", ours.name());
        assert_eq!(limits.cpu_thousandths, known.cpu_thousandths, "{}", ours.name());
        assert_eq!(limits.pids, Some(u64::from(known.pids)), "{}", ours.name());
    }
}
