//! The guide to policies: its examples are checked, their tests are run, and its commands exist.
//! What the guide says in words is tested where it is built.

use crate::support::Project;

const GUIDE: &str = include_str!("../../../../docs/policy.md");

/// The blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let after = GUIDE.split(fence.as_str()).skip(1);
    after.map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_example_of_the_guide_is_a_policy_whose_tests_pass() {
    let project = Project::bare();
    let examples = blocks("yaml");
    assert!(examples.len() >= 5, "{}", examples.len());
    for example in &examples {
        project.file("example.yaml", example);
        let checked = project.palisade(&["policy", "check", "example.yaml"]).exits(0);
        assert!(checked.stdout.contains(" 0 warnings"), "{checked:?}\n{example}");
        project.palisade(&["policy", "test", "example.yaml"]).exits(0);
    }
    // The control: an example that is wrong is noticed.
    project.file("example.yaml", examples[0].replace("decision: deny", "decision: allow"));
    project.palisade(&["policy", "test", "example.yaml"]).exits(1);
}

#[test]
fn every_command_of_the_guide_exists() {
    let project = Project::bare();
    let lines = blocks("sh").into_iter().flat_map(str::lines);
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().take(3).collect();
        let ["palisade", group, command] = words.as_slice() else { panic!("{line}") };
        project.palisade(&["help", group, command]).exits(0);
    }
}
