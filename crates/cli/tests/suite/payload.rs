//! Inputs at the limits of size and shape, each at its edge and one past it, and how long ones are shown.
//! That a call's arguments have the same limits is tested where both are checked.

use serde_json::{Value, json};

use crate::support::Project;

const WORKFLOW: &str = "\
version: 1
name: sized
inputs: { type: object, properties: { v: {} } }
steps:
  - { name: read, tool: fs.read, with: { path: sized.yaml } }
";

fn project() -> Project {
    let project = Project::new();
    project.file("sized.yaml", WORKFLOW);
    project
}

/// A value with so many levels below it.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

#[test]
fn inputs_have_the_limits_of_arguments() {
    let project = project();
    let run = |value: &Value| {
        project.file("given.json", json!({ "v": value }).to_string());
        project.palisade(&["run", "sized.yaml", "-f", "given.json"])
    };
    let past = [
        (nested(10), "nested deeper than 10 levels"),
        (nested(60), "nested deeper than 10 levels"),
        (json!("x".repeat(100_001)), "`/v` is a text of more than 100000 characters"),
        (json!(vec![0; 10_001]), "`/v` has more than 10000 entries"),
        (json!(9_007_199_254_740_993_u64), "`/v` is a number of 2^53 or more"),
        (json!([-9_007_199_254_740_992_i64]), "`/v/0` is a number of 2^53 or more"),
    ];
    for (value, why) in past {
        run(&value).exits(2).says("the inputs do not fit the workflow", why, "-f FILE");
    }
    let number = run(&json!(1e300)).exits(2);
    number.says("do not fit", "write it as a string", "");
    assert!(!project.database().exists(), "refused before anything is touched");
    // The controls, each at its edge.
    let edges = [
        nested(9),
        json!("x".repeat(100_000)),
        json!(vec![0; 10_000]),
        json!(9_007_199_254_740_991_u64),
        json!("9007199254740993"),
    ];
    for value in edges {
        run(&value).exits(0);
        assert_eq!(project.latest()["inputs"]["v"], value);
    }
}

#[test]
fn of_long_inputs_a_person_sees_the_beginning() {
    let project = project();
    project.file("given.json", json!({ "v": "x".repeat(20_000) }).to_string());
    project.palisade(&["run", "sized.yaml", "-f", "given.json"]).exits(0);
    let shown = project.palisade(&["runs", "show"]).exits(0).stdout;
    assert!(shown.len() < 2_000, "{}", shown.len());
    assert!(shown.contains("xxx… (20 KiB; `--json` has all of it)"), "{shown}");
    assert_eq!(project.latest()["inputs"]["v"].as_str().unwrap().len(), 20_000);
    project.palisade(&["run", "sized.yaml", "-i", "v=short"]).exits(0);
    let shown = project.palisade(&["runs", "show"]).exits(0).stdout;
    assert!(shown.contains("inputs     v: \"short\"\n"), "{shown}");
}
