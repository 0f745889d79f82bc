//! How a step asks to be held: every key, what each inherits, and every wrong combination.
//!
//! What the loader says for other parts of a document is in `workflow_errors.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

use engine::expression::{Scope, Status};
use engine::policy::document::Source;
use engine::workflow::{
    Changes, Driver, Limits, Loaded, Profile, SandboxRequest, SandboxTemplate, Step, Workflow,
    resolve,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const IMAGE: &str =
    "registry.test/tools@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn document(defaults: &str, step: &str) -> String {
    let defaults = match defaults {
        "" => String::new(),
        text => format!("defaults: {{ {text} }}\n"),
    };
    format!(
        "version: 1\nname: w\ninputs: {{ type: object, properties: {{ host: {{ type: string }} }} }}\n\
         {defaults}steps:\n  - {{ name: a, run: [ls], {step} }}\n"
    )
}

fn load(defaults: &str, step: &str) -> Loaded {
    let source = Source::new("w.yaml", document(defaults, step));
    Workflow::load(&source, &[]).unwrap_or_else(|found| {
        let rendered: Vec<String> = found.iter().map(|found| found.render(&source)).collect();
        panic!("{}", rendered.join("\n"))
    })
}

fn step(defaults: &str, sandbox: &str) -> Step {
    let sandbox =
        if sandbox.is_empty() { String::new() } else { format!("sandbox: {{ {sandbox} }}") };
    load(defaults, &sandbox).workflow.steps.remove(0)
}

fn request(defaults: &str, sandbox: &str) -> SandboxRequest {
    step(defaults, sandbox).sandbox
}

/// The message, the text under the caret and the hint of everything that is wrong.
fn wrong(defaults: &str, sandbox: &str) -> Vec<(String, String, String)> {
    let text = document(defaults, &format!("sandbox: {{ {sandbox} }}"));
    let source = Source::new("w.yaml", text.as_str());
    let found = Workflow::load(&source, &[]).expect_err("the document should be refused");
    found
        .into_iter()
        .map(|found| {
            let span = found.span.unwrap();
            let line = text.lines().nth(span.line - 1).unwrap();
            let under: String = line.chars().skip(span.column - 1).take(span.len).collect();
            (found.message, under, found.hint.unwrap_or_default())
        })
        .collect()
}

fn check(sandbox: &str, message: &str, under: &str, hint: &str) {
    let expected = [(message.to_owned(), under.to_owned(), hint.to_owned())];
    assert_eq!(wrong("", sandbox), expected, "{sandbox}");
}

#[test]
fn every_key_finds_its_place() {
    let found = request(
        "",
        "profile: standard-net, hosts: [example.org, \"*.example.org:8443\", 10.0.0.0/8], changes: full, \
         limits: { memory: 1MiB, cpu: 0.5, pids: 3, open_files: 4, output: 5, workspace: 6, inodes: 7, artifacts: 8 }",
    );
    let hosts: Vec<&str> = found.hosts.iter().map(|host| host.source()).collect();
    assert_eq!(hosts, ["example.org", "*.example.org:8443", "10.0.0.0/8"]);
    assert_eq!((found.profile, found.changes), (Profile::StandardNet, Changes::Full));
    let limits = Limits {
        memory_bytes: Some(1 << 20),
        cpu_thousandths: Some(500),
        pids: Some(3),
        open_files: Some(4),
        output_bytes: Some(5),
        workspace_bytes: Some(6),
        workspace_inodes: Some(7),
        artifact_bytes: Some(8),
    };
    assert_eq!(found.limits, limits);
    let container = format!("driver: container, image: \"{IMAGE}\", allow_gaps: [landlock]");
    let found = request("", &container);
    assert_eq!(found.allow_gaps, ["landlock"]);
    assert_eq!((found.driver, found.image.as_deref()), (Driver::Container, Some(IMAGE)));
    assert_eq!(request("", ""), SandboxRequest::default());
}

#[test]
fn a_template_sets_what_the_step_does_not_say() {
    for template in SandboxTemplate::ALL {
        let found = step("", &format!("template: {}", template.name()));
        assert_eq!(found.sandbox.profile, template.profile());
        assert_eq!(found.sandbox.limits, template.limits());
        let usual = Duration::from_secs(300);
        assert_eq!(found.timeout, template.timeout().unwrap_or(usual));
    }
    let own = request("", "template: ai-provider, profile: standard, limits: { pids: 77 }");
    assert_eq!(own.profile, Profile::Standard);
    assert_eq!((own.limits.pids, own.limits.memory_bytes), (Some(77), Some(256 << 20)));
}

#[test]
fn what_counts_goes_from_the_step_to_its_template_to_the_defaults() {
    let defaults =
        "timeout: 7s, sandbox: { template: code-executor, limits: { pids: 9, open_files: 8 } }";
    let inherited = step(defaults, "");
    assert_eq!(
        (inherited.sandbox.limits.pids, inherited.timeout),
        (Some(9), Duration::from_secs(7))
    );
    let over = step(defaults, "template: ai-provider");
    assert_eq!((over.sandbox.limits.pids, over.sandbox.limits.open_files), (Some(10), Some(8)));
    assert_eq!(
        (over.sandbox.profile, over.timeout),
        (Profile::StrictNet, Duration::from_secs(120))
    );
    let templated = step("sandbox: { template: ai-provider }", "");
    assert_eq!(templated.timeout, Duration::from_secs(120));
}

#[test]
fn what_is_inherited_without_its_meaning_is_left_out() {
    let net = "sandbox: { profile: standard-net, hosts: [example.org] }";
    assert_eq!(request(net, "").hosts.len(), 1);
    assert_eq!(request(net, "profile: strict").hosts, []);
    assert_eq!(request(net, "template: code-executor").hosts, []);
    let container = format!("sandbox: {{ driver: container, image: \"{IMAGE}\" }}");
    assert_eq!(request(&container, "").image.as_deref(), Some(IMAGE));
    assert_eq!(request(&container, "driver: local").image, None);
}

#[test]
fn a_key_without_what_it_needs_is_refused() {
    check(
        "hosts: [example.org]",
        "sandbox: `hosts` needs `standard-net`, and the profile is `standard`",
        "hosts",
        "add `profile: standard-net`",
    );
    check(
        "profile: strict, hosts: [example.org]",
        "sandbox: `hosts` needs `standard-net`, and the profile is `strict`",
        "hosts",
        "write `profile: standard-net`, or leave `hosts` out",
    );
    assert_eq!(request("", "template: ai-provider, hosts: [example.org]").hosts.len(), 1);
    check(
        "template: policy-sandbox, hosts: [example.org]",
        "sandbox: `hosts` needs `standard-net`, and the profile is `strict`",
        "hosts",
        "add `profile: standard-net`",
    );
    check(
        "driver: container",
        "sandbox: the driver `container` needs an `image`",
        "container",
        "add `image: name@sha256:…`",
    );
    check(
        &format!("image: \"{IMAGE}\""),
        "sandbox: `image` has a meaning with `driver: container` only",
        "image",
        "add `driver: container`, or leave `image` out",
    );
}

#[test]
fn a_gap_is_allowed_by_its_name_and_where_a_driver_has_any() {
    check(
        "allow_gaps: [landlock]",
        "sandbox: `allow_gaps` has a meaning with `driver: container` only",
        "allow_gaps",
        "add `driver: container`, or leave `allow_gaps` out",
    );
    check(
        &format!("driver: container, image: \"{IMAGE}\", allow_gaps: [landlok]"),
        "unknown gap `landlok`",
        "landlok",
        "did you mean `landlock`?",
    );
}

#[test]
fn a_value_that_is_none_of_those_there_are_is_refused() {
    check(
        "template: ai_provider",
        "unknown template `ai_provider`",
        "ai_provider",
        "did you mean `ai-provider`?",
    );
    check("driver: podman", "unknown driver `podman`", "podman", "known: local, container");
    check(
        "driver: e2b",
        "driver `e2b` is not supported by this version",
        "e2b",
        "use local or container",
    );
    check("changes: diff", "unknown changes `diff`", "diff", "known: none, patch, full");
    check("gaps: [x]", "sandbox: unknown key `gaps`", "gaps", "did you mean `allow_gaps`?");
    let own = format!("sha256:{}", "0".repeat(64));
    assert_eq!(request("", &format!("driver: container, image: \"{own}\"")).image, Some(own));
    for image in ["tools:latest", "tools@sha256:12", "tools", "-x@sha256:00"] {
        let found = wrong("", &format!("driver: container, image: \"{image}\""));
        assert_eq!(found[0].0, format!("image `{image}` is not named by its digest"));
        assert_eq!(found.len(), 1, "{found:?}");
    }
    for cpu in ["0", "-1", "0.0005", "2000", "half", "1.00001"] {
        let found = wrong("", &format!("limits: {{ cpu: {cpu} }}"));
        assert_eq!(found[0].0, "cpu must be a number of processors from 0.001 to 1024", "{cpu}");
    }
}

#[test]
fn a_host_is_a_name_an_address_or_a_range() {
    for (host, message) in [
        ("https://example.org/", "host `https://example.org/` is more than a host"),
        ("\"*\"", "host `*` has a `*` that does not stand for the names below one"),
        ("example.org:http", "host `example.org:http` has a port that is none"),
        ("10.0.0.1/8", "host `10.0.0.1/8` is not a host"),
    ] {
        let found = wrong("", &format!("profile: standard-net, hosts: [{host}]"));
        assert_eq!((found.len(), found[0].0.as_str()), (1, message));
    }
    let found = wrong("sandbox: { profile: standard-net, hosts: [\"${{ inputs.host }}\"] }", "");
    assert_eq!(found[0].0, "a host of `defaults` cannot have expressions");
}

fn call(sandbox: &str, host: &str) -> Result<Value, String> {
    let step = step("", sandbox);
    let (inputs, steps) = (json!({ "host": host }), BTreeMap::new());
    let scope = Scope {
        inputs: &inputs,
        steps: &steps,
        run_id: "run_0",
        workflow: "w",
        status: Status::Success,
    };
    resolve(&step, &scope).map(|call| call.args).map_err(|error| error.to_string())
}

#[test]
fn policy_sees_where_how_and_what_for() {
    let args =
        call("profile: standard-net, hosts: [\"${{ inputs.host }}:8443\"]", "example.org").unwrap();
    assert_eq!(args["hosts"], json!(["example.org:8443"]));
    assert_eq!((&args["network"], &args["profile"]), (&json!(true), &json!("standard-net")));
    let args = call(&format!("driver: container, image: \"{IMAGE}\""), "").unwrap();
    assert_eq!((&args["driver"], &args["image"]), (&json!("container"), &json!(IMAGE)));
    assert_eq!((&args["hosts"], &args["network"]), (&json!([]), &json!(false)));
    let error =
        call("profile: standard-net, hosts: [\"${{ inputs.host }}\"]", "http://x/").unwrap_err();
    assert_eq!(error, "`sandbox.hosts[0]`: `http://x/` is more than a host");
}
