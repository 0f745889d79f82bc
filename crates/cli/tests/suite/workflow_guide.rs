//! The guide to workflows: its examples run as it says, and its commands exist.
//! What the guide says in words is tested where it is built.

use crate::support::Project;

const GUIDE: &str = include_str!("../../../../docs/workflows.md");

/// What every example of the guide may do.
const POLICY: &str = "version: 1\nname: guide\nrules:\n  - { name: examples, match: { tool: [\"exec.*\", search.grep, ticket.mint] }, action: allow }\n";

/// The blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let after = GUIDE.split(fence.as_str()).skip(1);
    after.map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_example_of_the_guide_runs() {
    let project = Project::bare();
    project.file("policy.yaml", POLICY);
    for example in blocks("yaml") {
        let name = example.lines().find_map(|line| line.strip_prefix("name: ")).unwrap();
        project.file(&format!("{name}.yaml"), example);
    }
    let run = |name: &str, more: &[&str]| {
        let file = format!("{name}.yaml");
        let words = [&["--policy", "policy.yaml", "run", &file], more].concat();
        project.palisade(&words)
    };
    run("first", &["-i", "who=ada"]).exits(0);
    run("held", &[]).exits(0);
    let order = run("order", &[]).exits(0);
    for line in ["publish   skipped", "complain  skipped", "report    succeeded"] {
        assert!(order.all().contains(line), "{line}: {order:?}");
    }
    // Control: what starts under a ticket does not start without one.
    run("deploy", &[]).exits(6);
    let minted = ["ticket", "mint", "--action", "deploy", "--scope", "env:staging"];
    let ticket =
        project.palisade(&[&["--policy", "policy.yaml"], minted.as_slice()].concat()).exits(0);
    project.file("tickets", &ticket.stdout);
    run("deploy", &["--ticket-file", "tickets"]).exits(0);
}

#[test]
fn every_command_of_the_guide_exists() {
    let project = Project::bare();
    let lines = blocks("sh").into_iter().flat_map(str::lines);
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        let known = |words: &[&str]| {
            let help = [&["help"], words].concat();
            project.palisade(&help).code == 0
        };
        assert!(line.starts_with("palisade "), "{line}");
        assert!(known(&words[..1]) && (words[0] == "run" || known(&words[..2])), "{line}");
    }
}
