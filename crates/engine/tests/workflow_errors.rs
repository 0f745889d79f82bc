//! What people see for a wrong workflow document: the exact text, with line and caret.
//!
//! One case per kind of mistake, each a whole small document. A change of wording shows up here
//! on purpose. What is accepted is tested in `workflow_load.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

use engine::policy::document::Source;
use engine::workflow::Workflow;

const TOOLS: [&str; 2] = ["fs.read", "search.grep"];

/// Loads a document that must be refused and compares everything that is reported.
fn check(document: &str, expected: &str) {
    let source = Source::new("w.yaml", document);
    let found = Workflow::load(&source, &TOOLS).expect_err("the document should be refused");
    let rendered: Vec<String> = found.iter().map(|found| found.render(&source)).collect();
    let rendered = rendered.join("\n");
    assert_eq!(rendered, expected, "\n--- found ---\n{rendered}");
}

/// A document whose steps are `steps`, on lines from 4 on.
fn steps(steps: &str) -> String {
    format!("version: 1\nname: w\nsteps:\n{steps}")
}

#[test]
fn an_empty_file() {
    check(
        "# nothing here\n",
        r#"error: the file is empty
  --> w.yaml:1:1
   |
 1 | # nothing here
   | ^
   = help: a workflow has at least `version`, `name` and `steps`
"#,
    );
}

#[test]
fn a_list_instead_of_a_map() {
    check(
        "- a\n- b\n",
        r#"error: workflow must be a map, found a list
  --> w.yaml:1:1
   |
 1 | - a
   | ^
"#,
    );
}

#[test]
fn missing_everything() {
    check(
        "description: x\n",
        r#"error: workflow: missing required field "version"
  --> w.yaml:1:1
   |
 1 | description: x
   | ^

error: workflow: missing required field "name"
  --> w.yaml:1:1
   |
 1 | description: x
   | ^

error: workflow: missing required field "steps"
  --> w.yaml:1:1
   |
 1 | description: x
   | ^
"#,
    );
}

#[test]
fn unknown_key_with_suggestion() {
    check(
        r#"version: 1
name: w
stpes:
  - name: a
    run: ["true"]
"#,
        r#"error: workflow: missing required field "steps"
  --> w.yaml:1:1
   |
 1 | version: 1
   | ^

error: workflow: unknown key `stpes`
  --> w.yaml:3:1
   |
 3 | stpes:
   | ^^^^^
   = help: did you mean `steps`?
"#,
    );
}

#[test]
fn several_mistakes_in_order() {
    check(
        r#"version: 2
name: W!
steps:
  - name: a
    rum: ["true"]
  - name: b
    run: "ls -l"
    timeout: 5 minutes
"#,
        r#"error: unknown version of the document
  --> w.yaml:1:10
   |
 1 | version: 2
   |          ^
   = help: write `version: 1`

error: `W!` is not a name
  --> w.yaml:2:7
   |
 2 | name: W!
   |       ^^
   = help: use at most 63 of a-z 0-9 _ - ., beginning with a letter or a digit

error: step `a` does nothing
  --> w.yaml:4:5
   |
 4 |   - name: a
   |     ^
   = help: add `run`, `shell` or `tool`

error: step `a`: unknown key `rum`
  --> w.yaml:5:5
   |
 5 |     rum: ["true"]
   |     ^^^
   = help: did you mean `run`?

error: run must be a list, found a text
  --> w.yaml:7:10
   |
 7 |     run: "ls -l"
   |          ^^^^^^^
   = help: write the program and its arguments as a list, or use `shell`

error: timeout: unknown unit ` minutes` in `5 minutes`
  --> w.yaml:8:14
   |
 8 |     timeout: 5 minutes
   |              ^^^^^^^^^
   = help: sizes end in KiB, MiB, GiB, KB, MB or GB, times in ms, s, m, h or d
"#,
    );
}

#[test]
fn planned_keys_are_named_as_such() {
    check(
        r#"version: 1
name: w
concurrency: { max: 1 }
steps:
  - name: publish
    run: ["./publish.sh"]
    action: true
    approval: { from: "role:maintainer" }
    sandbox: { network: true, secrets: [a], driver: modal }
"#,
        r#"error: workflow: `concurrency` is not supported by this version
  --> w.yaml:3:1
   |
 3 | concurrency: { max: 1 }
   | ^^^^^^^^^^^
   = help: limits between runs are not part of this version

error: step `publish`: `action` is not supported by this version
  --> w.yaml:7:5
   |
 7 |     action: true
   |     ^^^^^^
   = help: name what the workflow does outside in `actions`, beside `steps`

error: step `publish`: `approval` is not supported by this version
  --> w.yaml:8:5
   |
 8 |     approval: { from: "role:maintainer" }
   |     ^^^^^^^^
   = help: ask for review with a `require_review` rule in the policy

error: sandbox: `network` is not supported by this version
  --> w.yaml:9:16
   |
 9 |     sandbox: { network: true, secrets: [a], driver: modal }
   |                ^^^^^^^
   = help: name what the step may reach in `hosts`

error: sandbox: `secrets` is not supported by this version
  --> w.yaml:9:31
   |
 9 |     sandbox: { network: true, secrets: [a], driver: modal }
   |                               ^^^^^^^
   = help: write them into the step, beside `env`

error: driver `modal` is not supported by this version
  --> w.yaml:9:53
   |
 9 |     sandbox: { network: true, secrets: [a], driver: modal }
   |                                                     ^^^^^
   = help: use local or container
"#,
    );
}

#[test]
fn keys_of_other_systems() {
    check(
        &steps(
            r#"  - name: a
    command: [ls]
    depends_on: [b]
    continue-on-error: true
"#,
        ),
        r#"error: step `a` does nothing
  --> w.yaml:4:5
   |
 4 |   - name: a
   |     ^
   = help: add `run`, `shell` or `tool`

error: step `a`: unknown key `command`
  --> w.yaml:5:5
   |
 5 |     command: [ls]
   |     ^^^^^^^
   = help: did you mean `run`?

error: step `a`: unknown key `depends_on`
  --> w.yaml:6:5
   |
 6 |     depends_on: [b]
   |     ^^^^^^^^^^
   = help: did you mean `needs`?

error: step `a`: unknown key `continue-on-error`
  --> w.yaml:7:5
   |
 7 |     continue-on-error: true
   |     ^^^^^^^^^^^^^^^^^
   = help: did you mean `allow_failure`?
"#,
    );
}

#[test]
fn unknown_need() {
    check(
        &steps(
            r#"  - name: build
    run: [make]
  - name: test
    needs: [biuld]
    run: [make, test]
"#,
        ),
        r#"error: unknown step `biuld` in `needs`
  --> w.yaml:7:13
   |
 7 |     needs: [biuld]
   |             ^^^^^
   = help: did you mean `build`?
"#,
    );
}

#[test]
fn a_step_needs_itself() {
    check(
        &steps(
            r#"  - name: a
    needs: [a]
    run: [ls]
"#,
        ),
        r#"error: step `a` needs itself
  --> w.yaml:5:13
   |
 5 |     needs: [a]
   |             ^
"#,
    );
}

#[test]
fn a_cycle_of_two() {
    check(
        &steps(
            r#"  - name: a
    needs: [b]
    run: [ls]
  - name: b
    needs: [a]
    run: [ls]
"#,
        ),
        r#"error: steps wait for each other: a → b → a
  --> w.yaml:5:13
   |
 5 |     needs: [b]
   |             ^
   = help: take one of these out of `needs`
"#,
    );
}

#[test]
fn two_cycles_are_two_errors() {
    check(
        &steps(
            r#"  - { name: a, needs: [c], run: [ls] }
  - { name: b, needs: [a], run: [ls] }
  - { name: c, needs: [b], run: [ls] }
  - { name: d, needs: [e], run: [ls] }
  - { name: e, needs: [d], run: [ls] }
"#,
        ),
        r#"error: steps wait for each other: a → c → b → a
  --> w.yaml:4:24
   |
 4 |   - { name: a, needs: [c], run: [ls] }
   |                        ^
   = help: take one of these out of `needs`

error: steps wait for each other: d → e → d
  --> w.yaml:7:24
   |
 7 |   - { name: d, needs: [e], run: [ls] }
   |                        ^
   = help: take one of these out of `needs`
"#,
    );
}

#[test]
fn duplicate_step_name() {
    check(
        &steps(
            r#"  - { name: a, run: [ls] }
  - { name: a, run: [ls] }
"#,
        ),
        r#"error: step name `a` is already used on line 4
  --> w.yaml:5:13
   |
 5 |   - { name: a, run: [ls] }
   |             ^
"#,
    );
}

#[test]
fn body_and_finally_do_not_mix() {
    check(
        r#"version: 1
name: w
steps:
  - { name: a, needs: [clean], run: [ls] }
finally:
  - { name: clean, needs: [a], run: [ls] }
"#,
        r#"error: step `clean` is in `finally` and runs last
  --> w.yaml:4:24
   |
 4 |   - { name: a, needs: [clean], run: [ls] }
   |                        ^^^^^
   = help: move `clean` to `steps`

error: a `finally` step cannot need `a` of `steps`
  --> w.yaml:6:28
   |
 6 |   - { name: clean, needs: [a], run: [ls] }
   |                            ^
   = help: `finally` begins when every step is over; leave this out
"#,
    );
}

#[test]
fn a_step_that_does_nothing_or_too_much() {
    check(
        &steps(
            r#"  - name: a
  - name: b
    run: [ls]
    shell: ls
  - name: c
    run: [ls]
    with: { a: 1 }
"#,
        ),
        r#"error: step `a` does nothing
  --> w.yaml:4:5
   |
 4 |   - name: a
   |     ^
   = help: add `run`, `shell` or `tool`

error: step `b` has both `run` and `shell`
  --> w.yaml:7:5
   |
 7 |     shell: ls
   |     ^^^^^
   = help: make two steps of it

error: step `c`: `with` has a meaning with `tool` only
   --> w.yaml:10:5
    |
 10 |     with: { a: 1 }
    |     ^^^^
"#,
    );
}

#[test]
fn an_expression_in_a_shell_script() {
    check(
        &steps(
            r#"  - name: a
    shell: |
      echo start
      rm -rf ${{ run.id }}
"#,
        ),
        r#"error: a value in a shell script would be read as shell text
  --> w.yaml:7:18
   |
 7 |       rm -rf ${{ run.id }}
   |                  ^^^^^^
   = help: put the expression into `env` and write "$NAME" in the script
"#,
    );
}

#[test]
fn unknown_root_and_function() {
    check(
        &steps(
            r#"  - name: a
    run: [echo, "${{ input.repo }}"]
    if: sucess()
"#,
        ),
        r#"error: unknown name `input`
  --> w.yaml:5:22
   |
 5 |     run: [echo, "${{ input.repo }}"]
   |                      ^^^^^
   = help: did you mean `inputs`?

error: unknown function `sucess`
  --> w.yaml:6:9
   |
 6 |     if: sucess()
   |         ^^^^^^
   = help: did you mean `success`?
"#,
    );
}

#[test]
fn unknown_input() {
    check(
        r#"version: 1
name: w
inputs:
  type: object
  properties: { repo: { type: string } }
steps:
  - name: a
    run: ["git", "-C", "${{ inputs.rpeo }}"]
"#,
        r#"error: unknown input `rpeo`
  --> w.yaml:8:36
   |
 8 |     run: ["git", "-C", "${{ inputs.rpeo }}"]
   |                                    ^^^^
   = help: did you mean `repo`?
"#,
    );
}

#[test]
fn a_step_that_is_not_an_ancestor() {
    check(
        &steps(
            r#"  - name: a
    run: [ls]
    outputs: { text: stdout }
  - name: b
    run: [echo, "got ${{ steps.a.outputs.text }}"]
"#,
        ),
        r#"error: step `a` may not be over here: no chain of `needs` leads to it
  --> w.yaml:8:32
   |
 8 |     run: [echo, "got ${{ steps.a.outputs.text }}"]
   |                                ^
   = help: add `a` to this step's `needs`
"#,
    );
}

#[test]
fn unknown_step_and_output() {
    check(
        &steps(
            r#"  - name: log
    run: [ls]
    outputs: { text: stdout }
  - name: b
    needs: [log]
    env: { A: "${{ steps.lgo.outputs.text }}", B: "${{ steps.log.outputs.txt }}" }
    run: [env]
"#,
        ),
        r#"error: unknown step `lgo`
  --> w.yaml:9:26
   |
 9 |     env: { A: "${{ steps.lgo.outputs.text }}", B: "${{ steps.log.outputs.txt }}" }
   |                          ^^^
   = help: did you mean `log`?

error: step `log` has no output `txt`
  --> w.yaml:9:74
   |
 9 |     env: { A: "${{ steps.lgo.outputs.text }}", B: "${{ steps.log.outputs.txt }}" }
   |                                                                          ^^^
   = help: did you mean `text`?
"#,
    );
}

#[test]
fn a_dash_in_a_step_name() {
    check(
        &steps(
            r#"  - name: git-log
    run: [ls]
    outputs: { text: stdout }
  - name: b
    needs: [git-log]
    stdin: "${{ steps.git-log.outputs.text }}"
    run: [cat]
"#,
        ),
        r#"error: a step is not a value by itself
  --> w.yaml:9:17
   |
 9 |     stdin: "${{ steps.git-log.outputs.text }}"
   |                 ^^^^^^^^^
   = help: write `steps.NAME.outputs.FIELD`, `.outcome`, `.exit_code` or `.artifacts`; a NAME with `-` in it is written `steps["my-step"]`
"#,
    );
}

#[test]
fn conditions_are_boolean() {
    check(
        &steps(
            r#"  - name: a
    run: [ls]
  - name: b
    needs: [a]
    if: "${{ steps.a.outcome }}"
    run: [ls]
  - name: c
    needs: [a]
    if: steps.a.outcome == "success"
    run: [ls]
  - name: d
    if: "${{ true }} or so"
    run: [ls]
"#,
        ),
        r#"error: `if` takes a boolean, and this is a string
  --> w.yaml:8:14
   |
 8 |     if: "${{ steps.a.outcome }}"
   |              ^^^^^^^^^^^^^^^

error: `success` is not an outcome of a step
   --> w.yaml:12:28
    |
 12 |     if: steps.a.outcome == "success"
    |                            ^^^^^^^^^
    = help: the outcomes are succeeded, failed, timed_out, cancelled, skipped

error: `if` is one expression, not a text with expressions in it
   --> w.yaml:15:10
    |
 15 |     if: "${{ true }} or so"
    |          ^^^^^^^^^^^^^^^^^
    = help: put the whole condition into one `${{ … }}`
"#,
    );
}

#[test]
fn mismatched_operands() {
    check(
        r#"version: 1
name: w
inputs:
  properties: { n: { type: integer, default: 3 }, t: { type: string } }
steps:
  - name: a
    if: inputs.n > "3"
    run: ["echo", "${{ inputs.t + 1 }}", "${{ inputs.n.x }}"]
"#,
        r#"error: `>` cannot take a number and a string
  --> w.yaml:7:9
   |
 7 |     if: inputs.n > "3"
   |         ^^^^^^^^^^^^^^
   = help: make a number of the text with `int(…)`

error: `+` cannot take a string and an integer
  --> w.yaml:8:24
   |
 8 |     run: ["echo", "${{ inputs.t + 1 }}", "${{ inputs.n.x }}"]
   |                        ^^^^^^^^^^^^
   = help: make a text of the other side with `string(…)`

error: a number has no field `x`
  --> w.yaml:8:56
   |
 8 |     run: ["echo", "${{ inputs.t + 1 }}", "${{ inputs.n.x }}"]
   |                                                        ^
"#,
    );
}

#[test]
fn status_functions_outside_conditions() {
    check(
        &steps(
            r#"  - name: a
    run: [echo, "${{ failure() }}"]
"#,
        ),
        r#"error: `failure()` has a meaning in `if` only
  --> w.yaml:5:22
   |
 5 |     run: [echo, "${{ failure() }}"]
   |                      ^^^^^^^^^
"#,
    );
}

#[test]
fn event_does_not_exist_yet() {
    check(
        &steps(
            r#"  - name: a
    run: [echo, "${{ event.type }}"]
"#,
        ),
        r#"error: `event` has no value: triggers are not part of this version
  --> w.yaml:5:22
   |
 5 |     run: [echo, "${{ event.type }}"]
   |                      ^^^^^
   = help: pass the value as an input
"#,
    );
}

#[test]
fn a_place_inside_a_block_scalar() {
    check(
        &steps(
            r#"  - name: a
    files:
      notes/a.md: |
        # Title

        by ${{ inputs.who }}
    run: [ls]
"#,
        ),
        r#"error: unknown input `who`
  --> w.yaml:9:23
   |
 9 |         by ${{ inputs.who }}
   |                       ^^^
   = help: the workflow has no inputs
"#,
    );
}

#[test]
fn an_expression_that_is_not_closed() {
    check(
        &steps(
            r#"  - name: a
    run: [echo, "${{ 1 + }}", "${{ 1", "${{ 'a }}"]
"#,
        ),
        r#"error: expression ends where a value is expected
  --> w.yaml:5:26
   |
 5 |     run: [echo, "${{ 1 + }}", "${{ 1", "${{ 'a }}"]
   |                          ^

error: `${{` is not closed
  --> w.yaml:5:32
   |
 5 |     run: [echo, "${{ 1 + }}", "${{ 1", "${{ 'a }}"]
   |                                ^^^
   = help: end it with `}}`

error: string is not closed
  --> w.yaml:5:45
   |
 5 |     run: [echo, "${{ 1 + }}", "${{ 1", "${{ 'a }}"]
   |                                             ^
   = help: add the closing '
"#,
    );
}

#[test]
fn paths_that_leave_the_workspace() {
    check(
        &steps(
            r#"  - name: a
    run: [ls]
    files: { ../x: a, /etc/x: b }
    artifacts: ["../*", "a["]
    mounts: [ { source: "" }, { source: a, target: ../b } ]
"#,
        ),
        r#"error: path `../x` must not contain `.`, `..` or empty parts
  --> w.yaml:6:14
   |
 6 |     files: { ../x: a, /etc/x: b }
   |              ^^^^

error: path `/etc/x` must be relative to the workspace
  --> w.yaml:6:23
   |
 6 |     files: { ../x: a, /etc/x: b }
   |                       ^^^^^^

error: glob `../*` must not contain `.`, `..` or empty parts
  --> w.yaml:7:17
   |
 7 |     artifacts: ["../*", "a["]
   |                 ^^^^^^

error: glob `a[` has a `[` or `{` that is not closed
  --> w.yaml:7:25
   |
 7 |     artifacts: ["../*", "a["]
   |                         ^^^^

error: source is empty
  --> w.yaml:8:25
   |
 8 |     mounts: [ { source: "" }, { source: a, target: ../b } ]
   |                         ^^^

error: target must not contain `.`, `..` or empty parts
  --> w.yaml:8:52
   |
 8 |     mounts: [ { source: "" }, { source: a, target: ../b } ]
   |                                                    ^^^^
"#,
    );
}

#[test]
fn settings_out_of_bounds() {
    check(
        &steps(
            r#"  - name: a
    run: [ls]
    timeout: 0s
    retry: { max_attempts: 0, backoff: { base: 2h, factor: 1000 } }
    sandbox: { profile: standrad, limits: { memory: 1.5GiB, pids: -1, cpu: 0.0001 } }
"#,
        ),
        r#"error: timeout must be more than nothing and at most 7d
  --> w.yaml:6:14
   |
 6 |     timeout: 0s
   |              ^^

error: max_attempts must be from 1 to 100
  --> w.yaml:7:28
   |
 7 |     retry: { max_attempts: 0, backoff: { base: 2h, factor: 1000 } }
   |                            ^

error: backoff: `base` must be at most `max`, and `max` at most 7d
  --> w.yaml:7:40
   |
 7 |     retry: { max_attempts: 0, backoff: { base: 2h, factor: 1000 } }
   |                                        ^^

error: factor must be from 1 to 100
  --> w.yaml:7:60
   |
 7 |     retry: { max_attempts: 0, backoff: { base: 2h, factor: 1000 } }
   |                                                            ^^^^

error: unknown profile `standrad`
  --> w.yaml:8:25
   |
 8 |     sandbox: { profile: standrad, limits: { memory: 1.5GiB, pids: -1, cpu: 0.0001 } }
   |                         ^^^^^^^^
   = help: did you mean `standard`?

error: memory: `1.5GiB` has a fraction, only whole numbers are exact
  --> w.yaml:8:53
   |
 8 |     sandbox: { profile: standrad, limits: { memory: 1.5GiB, pids: -1, cpu: 0.0001 } }
   |                                                     ^^^^^^
   = help: sizes end in KiB, MiB, GiB, KB, MB or GB, times in ms, s, m, h or d

error: pids must be from 1 to 4294967295
  --> w.yaml:8:67
   |
 8 |     sandbox: { profile: standrad, limits: { memory: 1.5GiB, pids: -1, cpu: 0.0001 } }
   |                                                                   ^^

error: cpu must be a number of processors from 0.001 to 1024
  --> w.yaml:8:76
   |
 8 |     sandbox: { profile: standrad, limits: { memory: 1.5GiB, pids: -1, cpu: 0.0001 } }
   |                                                                            ^^^^^^
   = help: `0.5` is half of one processor, `2` are two
"#,
    );
}

#[test]
fn outputs_come_from_streams() {
    check(
        &steps(
            r#"  - name: a
    run: [ls]
    outputs: { a: stduot, b: exit_code, 1c: stdout }
"#,
        ),
        r#"error: output `a` cannot come from `stduot`
  --> w.yaml:6:19
   |
 6 |     outputs: { a: stduot, b: exit_code, 1c: stdout }
   |                   ^^^^^^
   = help: did you mean `stdout`?

error: output `b` cannot come from `exit_code`
  --> w.yaml:6:30
   |
 6 |     outputs: { a: stduot, b: exit_code, 1c: stdout }
   |                              ^^^^^^^^^
   = help: it is there without being declared

error: `1c` is not a name of an output
  --> w.yaml:6:41
   |
 6 |     outputs: { a: stduot, b: exit_code, 1c: stdout }
   |                                         ^^
   = help: use at most 63 letters, digits and `_`, not beginning with a digit
"#,
    );
}

#[test]
fn a_tool_has_no_program() {
    check(
        &steps(
            r#"  - name: a
    tool: fs.read
    with: { path: "${{ inputs.path }}" }
    env: { A: b }
    outputs: { text: stdout }
"#,
        ),
        r#"error: unknown input `path`
  --> w.yaml:6:31
   |
 6 |     with: { path: "${{ inputs.path }}" }
   |                               ^^^^
   = help: the workflow has no inputs

error: step `a`: `env` has no meaning for a tool call
  --> w.yaml:7:5
   |
 7 |     env: { A: b }
   |     ^^^
   = help: the arguments of a tool are in `with`

error: step `a`: `outputs` has no meaning for a tool call
  --> w.yaml:8:5
   |
 8 |     outputs: { text: stdout }
   |     ^^^^^^^
   = help: the fields of a tool's result are its outputs already
"#,
    );
}

#[test]
fn values_must_be_quoted_to_be_texts() {
    check(
        &steps(
            r#"  - name: a
    run: [sleep, 5]
    env: { DEBUG: true }
"#,
        ),
        r#"error: an item of `run` must be a text, found a whole number
  --> w.yaml:5:18
   |
 5 |     run: [sleep, 5]
   |                  ^
   = help: quote the value to make it a text

error: env `DEBUG` must be a text, found true or false
  --> w.yaml:6:19
   |
 6 |     env: { DEBUG: true }
   |                   ^^^^
   = help: quote the value to make it a text
"#,
    );
}

#[test]
fn a_wrong_input_schema() {
    check(
        r#"version: 1
name: w
inputs:
  type: object
  properties:
    a: { type: strng }
    b: { type: string, pattern: "(" }
    c: { $ref: "https://example.com/x.json" }
steps:
  - { name: a, run: [ls] }
"#,
        r##"error: `$ref` can only reach a place in this schema
  --> w.yaml:8:10
   |
 8 |     c: { $ref: "https://example.com/x.json" }
   |          ^^^^
   = help: write `$ref: "#/$defs/NAME"`
"##,
    );
}

#[test]
fn a_wrong_input_type() {
    check(
        r#"version: 1
name: w
inputs:
  type: object
  properties:
    a: { type: strng }
steps:
  - { name: a, run: [ls] }
"#,
        r#"error: input schema is not valid: the types are string, integer, number, boolean, array, object and null
  --> w.yaml:6:10
   |
 6 |     a: { type: strng }
   |          ^^^^
"#,
    );
}

#[test]
fn a_pattern_that_is_not_linear() {
    check(
        r#"version: 1
name: w
inputs:
  type: object
  properties:
    a: { type: string, pattern: "(?=x)y" }
steps:
  - { name: a, run: [ls] }
"#,
        r#"error: input schema is not valid: `pattern` is not a regular expression without look-around and back-references
  --> w.yaml:6:24
   |
 6 |     a: { type: string, pattern: "(?=x)y" }
   |                        ^^^^^^^
"#,
    );
}

#[test]
fn a_default_against_its_schema() {
    check(
        r#"version: 1
name: w
inputs:
  properties:
    n: { type: integer, minimum: 1, default: 0 }
    s: { type: string, default: [1] }
steps:
  - { name: a, run: [ls] }
"#,
        r#"error: default of input `n` must be at least 1
  --> w.yaml:5:37
   |
 5 |     n: { type: integer, minimum: 1, default: 0 }
   |                                     ^^^^^^^

error: default of input `s` must be a string, found a list
  --> w.yaml:6:24
   |
 6 |     s: { type: string, default: [1] }
   |                        ^^^^^^^
"#,
    );
}

#[test]
fn recursive_input_schema() {
    check(
        r##"version: 1
name: w
inputs:
  $defs: { tree: { properties: { kids: { items: { $ref: "#/$defs/tree" } } } } }
  properties: { t: { $ref: "#/$defs/tree" } }
steps:
  - { name: a, run: [ls] }
"##,
        r##"error: `$ref` to `#/$defs/tree` goes round in a circle
  --> w.yaml:4:51
   |
 4 |   $defs: { tree: { properties: { kids: { items: { $ref: "#/$defs/tree" } } } } }
   |                                                   ^^^^
   = help: recursive input schemas are not supported by this version
"##,
    );
}

#[test]
fn wrong_kinds_everywhere() {
    check(
        r#"version: "1"
name: [w]
description: { a: b }
inputs: 5
defaults: []
steps:
  a: b
outputs: x
"#,
        r#"error: unknown version of the document
  --> w.yaml:1:10
   |
 1 | version: "1"
   |          ^^^
   = help: write `version: 1`

error: name must be a text, found a list
  --> w.yaml:2:7
   |
 2 | name: [w]
   |       ^

error: description must be a text, found a map
  --> w.yaml:3:14
   |
 3 | description: { a: b }
   |              ^^

error: `inputs` must be a JSON Schema, which is a map
  --> w.yaml:4:9
   |
 4 | inputs: 5
   |         ^
   = help: inputs are named, so their schema has `type: object`

error: defaults must be a map, found a list
  --> w.yaml:5:11
   |
 5 | defaults: []
   |           ^

error: steps must be a list, found a map
  --> w.yaml:7:3
   |
 7 |   a: b
   |   ^

error: outputs must be a map, found a text
  --> w.yaml:8:10
   |
 8 | outputs: x
   |          ^
"#,
    );
}

#[test]
fn duplicate_key_in_yaml() {
    check(
        r#"version: 1
name: w
name: v
"#,
        r#"error: duplicate key `name`, first written on line 2
  --> w.yaml:3:1
   |
 3 | name: v
   | ^^^^
"#,
    );
}

#[test]
fn actions_have_names_and_exact_scopes() {
    let of = |actions: &str| {
        let text = format!(
            "version: 1\nname: w\nactions: {actions}\nsteps:\n  - {{ name: a, run: [echo] }}\n"
        );
        let source = Source::new("w.yaml", &text);
        match Workflow::load(&source, &TOOLS) {
            Ok(loaded) => {
                let each = loaded.workflow.actions.iter();
                each.map(|one| format!("{}: {}", one.name, one.scopes.join(" "))).collect()
            }
            Err(found) => vec![found[0].message.clone()],
        }
    };
    let many: Vec<String> = (0..17).map(|n| format!("a{n}: [x]")).collect();
    let table = [
        (
            "{ apply: [ops:write, ops:read], tell: [chat:post] }",
            "apply: ops:write ops:read|tell: chat:post",
        ),
        ("{}", "actions are from 1 to 16"),
        (&format!("{{ {} }}", many.join(", ")), "actions are from 1 to 16"),
        ("[ops:write]", "actions must be a map, found a list"),
        ("true", "actions must be a map, found true or false"),
        ("{ apply: [] }", "action `apply` must not be empty"),
        ("{ apply: ops:write }", "action `apply` must be a list, found a text"),
        ("{ apply: [ops:write, ops:write] }", "action `apply` names `ops:write` twice"),
        ("{ apply: [\"ops:*\"] }", "`ops:*` is not a scope"),
        ("{ apply: [\"ops write\"] }", "`ops write` is not a scope"),
        ("{ apply: [\"\"] }", "`` is not a scope"),
        ("{ apply: [7] }", "a scope must be a text, found a whole number"),
        ("{ \"1\": [x] }", "`1` is not a name of an action"),
    ];
    for (actions, expected) in table {
        assert_eq!(of(actions).join("|"), expected, "{actions}");
    }
}

#[test]
fn secrets_as_a_list() {
    check(
        &steps("  - { name: a, run: [\"true\"], secrets: [token] }\n"),
        r#"error: secrets must be a map, found a list
  --> w.yaml:4:40
   |
 4 |   - { name: a, run: ["true"], secrets: [token] }
   |                                        ^
   = help: write `secrets: { NAME: secret }`: the step has the value in the file of `NAME_FILE`, and `palisade secret list` has the names of secrets
"#,
    );
}
