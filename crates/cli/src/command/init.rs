//! `palisade init`: a starting policy and a first workflow, without touching what is there.
//! A file that exists is left as it is, whatever it holds.

use std::fs;
use std::io::Write;
use std::path::Path;

use runner::Layout;

use crate::arguments::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session;

const POLICY: &str = "\
# What may run in this project. Everything that no rule allows is denied.
version: 1
name: project
rules:
  - name: read-project
    match: { tool: [\"fs.*\", \"search.*\"] }
    action: allow
    reason: reading the project is safe; its state folder and keys are protected by built-in rules

  - name: ordinary-programs
    match:
      tool: exec.run
      args: { program: [git, ls, cat, wc, sort, echo, python3], secrets: \"\" }
    action: allow
    reason: ordinary programs, in the sandbox, without network and secrets

  - name: secrets-by-a-person
    match: { tool: [\"secret.set\", \"secret.rm\", \"secret.rotate\"], role: operator }
    action: allow
    reason: whoever runs palisade keeps the vault; a step gets a secret by name, and no rule here names one

  - name: merge-by-a-person
    match: { tool: [\"workspace.merge\", \"workspace.undo\"], role: operator }
    action: allow
    reason: whoever runs palisade may bring a step's changes into the project and take them back

  # A program reaches a host only where a rule names it:
  # - name: fetch
  #   match: { tool: exec.run, args: { program: curl }, host: [example.org, \"*.example.org\"] }
  #   action: allow

tests:
  - name: echo may run
    call: { tool: exec.run, args: { program: echo, argv: [echo, hello] } }
    expect: { decision: allow, rule: ordinary-programs }
  - name: curl may not
    call: { tool: exec.run, args: { program: curl, argv: [curl, example.com] } }
    expect: { decision: deny }
";

const WORKFLOW: &str = "\
version: 1
name: hello
description: a first workflow
inputs:
  type: object
  properties:
    name: { type: string, default: world }
steps:
  - name: greet
    run: [\"echo\", \"hello, ${{ inputs.name }}\"]
    outputs: { text: stdout }
  - name: count
    needs: [greet]
    tool: search.grep
    with: { text: \"${{ steps.greet.outputs.text }}\", pattern: \"hello\" }
";

const IGNORE: &str = "\
# The journal, artifacts and sockets stay on this machine; the policy is part of the project.
*
!.gitignore
!policy.yaml
";

pub(crate) fn run(global: &Global, folder: Option<&Path>) -> Result<Exit, Failure> {
    let folder = folder.unwrap_or(&global.project);
    let files = [
        (".palisade/.gitignore", IGNORE),
        (".palisade/policy.yaml", POLICY),
        ("hello.yaml", WORKFLOW),
    ];
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let layout = Layout::of(folder).map_err(|error| Failure::of(Exit::NotFound, &error))?;
    session::usable(layout)?;
    let mut written = Vec::new();
    for (name, text) in files {
        if create(&folder.join(name), text)? {
            written.push(name);
        }
    }
    if global.json {
        output::json(&serde_json::json!({ "folder": folder, "written": written }));
        return Ok(Exit::Ok);
    }
    for name in &written {
        output::line(format!("wrote {}", folder.join(name).display()));
    }
    if written.is_empty() {
        output::talk("nothing to write: the files are there already");
    }
    let again = if folder == Path::new(".") {
        "palisade run hello.yaml".to_owned()
    } else {
        format!("palisade -C {0} run {0}/hello.yaml", folder.display())
    };
    output::talk(format!("next: {again}"));
    Ok(Exit::Ok)
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failure, format!("`{}` cannot be written", path.display()))
        .because(error.to_string())
        .fix("name a folder that can be written and has room")
}

/// Writes `text` to a new file; `false` when a file is there already.
fn create(path: &Path, text: &str) -> Result<bool, Failure> {
    let failed = |error: std::io::Error| failed(path, &error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    match fs::File::create_new(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true).map_err(failed),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
