//! What steps print and leave behind: any bytes, any amount, any name — kept as it was, and never a danger to the
//! terminal.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Project, Running, state, wait_for, workflow};

#[test]
fn bytes_that_are_no_text_are_kept_exactly() {
    let project = Project::new();
    let step = "  - { name: a, shell: \"printf '\\\\377\\\\000\\\\033[2Jb\\\\n'; printf '\\\\200' >&2\" }\n";
    project.run_steps(step).exits(0);
    let output = project.command(&["runs", "logs"]).stderr(Stdio::null()).output().unwrap();
    assert_eq!(output.stdout, b"\xff\0\x1b[2Jb\n");
    let lines = project.palisade(&["runs", "logs", "--json"]).exits(0).json_lines();
    let stdout = lines.iter().find(|piece| piece["stream"] == "stdout").unwrap();
    assert_eq!(stdout["hex"], "ff001b5b324a620a");
    project.palisade(&["runs", "show", "--json"]).exits(0).json();
    // Where later steps want it as text, it is refused by name.
    let ran = project
        .run_steps("  - { name: a, shell: \"printf '\\\\377'\", outputs: { text: stdout } }\n")
        .exits(10);
    assert!(ran.stdout.contains("output `text` is not UTF-8 text (byte 0 of stdout)"), "{ran:?}");
    project.verifies();
}

/// Memory that the process may need for itself and its buffers, in KiB; the output is 64 times as much.
const MEMORY_KIB: u64 = 256 * 1024;
/// Far longer than it takes; reading a gibibyte through pipes takes longer than this in a build without optimisation.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_gibibyte_of_output_ends_at_the_limit_and_in_bounded_memory() {
    let project = Project::new();
    project.file(
        "flood.yaml",
        workflow("  - { name: flood, run: [head, -c, \"1073741824\", /dev/zero] }\n"),
    );
    let begun = Instant::now();
    let mut running = Running::start(&mut project.command(&["run", "flood.yaml"]));
    let status = format!("/proc/{}/status", running.pid());
    let mut peak = 0;
    // The kernel forgets the peak when the process ends, so it is read until then.
    wait_for("the end of the run", || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = kib.unwrap_or(peak);
        !running.lives()
    });
    let ran = running.end().exits(10);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert!(peak > 0 && peak < MEMORY_KIB, "{peak} KiB");
    assert!(ran.stdout.contains("by limit `output`"), "{ran:?}");
    let run = project.latest();
    assert_eq!(run["steps"][0]["stopped_by"]["name"], "output");
    project.verifies();
}

#[test]
fn a_missing_program_is_told() {
    let project = Project::new();
    let ran = project.run_steps("  - { name: a, run: [no-such-program, x] }\n").exits(10);
    assert!(ran.stdout.contains("no-such-program"), "{ran:?}");
    let shown = project.palisade(&["runs", "show"]).exits(0);
    assert!(shown.stdout.contains("no-such-program"), "{shown:?}");
    assert_eq!(project.latest()["steps"][0]["result"]["failure"], "not_found");
    project.verifies();
}

/// What a program could do to a terminal: clear it, name its window, write over a line, turn its direction.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\rerased\u{9b}31m\u{202e}";

/// Whether `text` has a character that drives a terminal, line ends aside.
fn drives(text: &str) -> bool {
    text.chars().any(|letter| letter != '\n' && (letter.is_control() || letter == '\u{202e}'))
}

#[test]
fn what_a_step_prints_and_names_cannot_drive_the_terminal() {
    assert!(drives(HOSTILE), "the control");
    let project = Project::new();
    let steps = "  - name: fails
    stdin: \"${{ inputs.text }}\"
    shell: cat >&2; exit 3
  - name: names
    env: { NAME: \"${{ inputs.text }}\" }
    shell: mkdir out && echo x > \"out/$NAME\"
    artifacts: [\"out/*\"]
  - name: denied
    tool: fs.read
    with: { path: \"/etc/${{ inputs.text }}\" }
";
    let inputs = "inputs: { type: object, properties: { text: { type: string } } }\n";
    project.file("hostile.yaml", format!("version: 1\nname: hostile\n{inputs}steps:\n{steps}"));
    let given = format!("text={HOSTILE}");
    let ran = project.palisade(&["run", "hostile.yaml", "-i", &given]).exits(10);
    assert!(ran.all().contains("erased"), "the program's words are shown: {ran:?}");
    assert_eq!(state(&project.latest(), "names"), "succeeded");
    let mut talks = vec![ran];
    for arguments in [
        &["runs", "show"][..],
        &["runs", "list"],
        &["runs", "explain"],
        &["artifact", "list"],
        &["audit", "tail"],
        &["runs", "show", "--json"],
        &["audit", "export"],
    ] {
        talks.push(project.palisade(arguments).exits(0));
    }
    for told in talks {
        // JSON escapes control characters; direction marks are text there.
        let text = if told.stdout.starts_with('{') { told.stderr.clone() } else { told.all() };
        assert!(!drives(&text), "{told:?}");
    }
}

#[test]
fn a_document_cannot_drive_the_terminal() {
    let project = Project::new();
    project.file(
        "hostile.yaml",
        format!("version: 1\nname: x\n{HOSTILE}: 1\nsteps: [] # {HOSTILE}\n"),
    );
    project.file(
        "hostile policy.yaml",
        format!("version: 1 # {HOSTILE}\nname: {HOSTILE}\nrules: 3\n"),
    );
    for arguments in [
        &["run", "hostile.yaml"][..],
        &["run", HOSTILE],
        &["run", "hostile.yaml", "-f", "hostile policy.yaml"],
        &["policy", "check", "hostile policy.yaml"],
        &["runs", "show", HOSTILE],
    ] {
        let ran = project.palisade(arguments);
        assert_ne!(ran.code, 0);
        assert!(!drives(&ran.all()), "{ran:?}");
    }
}

#[test]
fn a_project_with_symlink_loops_and_odd_names_runs() {
    let project = Project::new();
    let path = project.path();
    symlink("loop", path.join("loop")).unwrap();
    symlink(".", path.join("here")).unwrap();
    fs::create_dir(path.join("a")).unwrap();
    symlink("../a", path.join("a/b")).unwrap();
    symlink("/nowhere/at/all", path.join("dangling")).unwrap();
    let names: [&[u8]; 5] = [b"new\nline", b"not-\xff-utf8", b"-rf", b" blank ", b"quote'\"`$(x)"];
    for name in names {
        fs::write(path.join(OsStr::from_bytes(name)), "odd").unwrap();
    }
    let steps = "  - name: list
    shell: ls -1A > /dev/null && cat ./-rf && cat ./*line && test -L loop
  - name: walk
    tool: search.glob
    with: { pattern: \"**/*\" }
  - name: grep
    tool: search.grep
    with: { path: \".\", pattern: odd }
  - name: keep
    shell: mkdir kept && cp ./-rf kept/-rf && cp ./*line kept/ && ln -s kept kept/loop && printf x > \"$(printf 'kept/\\377')\"
    artifacts: [\"kept/**\"]
";
    let ran = project.run_steps(steps);
    let run = project.latest();
    for step in ["list", "walk", "grep", "keep"] {
        assert_eq!(state(&run, step), "succeeded", "{ran:?}");
    }
    let grep = run["steps"].as_array().unwrap().iter().find(|step| step["name"] == "grep").unwrap();
    assert!(grep["result"]["outputs"]["matches"].as_u64().unwrap() >= 4, "{grep}");
    let listed = project.palisade(&["artifact", "list"]).exits(0).stdout;
    assert!(listed.contains("kept/-rf") && !listed.contains("line"), "{listed}");
    // Names that are no plain text, and links, are not kept, and that is said wherever the run is told.
    for told in [&ran.stdout, &ran.stderr, &project.palisade(&["runs", "show"]).stdout] {
        let mut lines = told.lines().filter(|line| line.contains("keep"));
        assert!(lines.any(|line| line.contains("3 artifacts not kept")), "{told}");
    }
    let got = project.palisade(&["artifact", "get", "kept/-rf"]).exits(0);
    assert_eq!(got.stdout, "odd");
    project.verifies();
    for name in names {
        assert_eq!(fs::read(path.join(OsStr::from_bytes(name))).unwrap(), b"odd");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let project = Project::new();
    project.run_steps("  - { name: a, run: [seq, \"20000\"] }\n").exits(0);
    for arguments in [
        "audit export",
        "runs logs",
        "audit tail",
        "runs list",
        "runs show",
        "help",
        "completion bash",
        "run steps.yaml --json",
    ] {
        let binary = env!("CARGO_BIN_EXE_palisade");
        let script = format!("set -o pipefail; {binary} {arguments} | head -n 1 > /dev/null");
        let ran = crate::support::run(
            project.command_of("bash".as_ref(), &["-c", &script]).env("RUST_BACKTRACE", "1"),
        );
        assert_eq!((ran.code, ran.stderr.contains("panicked")), (0, false), "{arguments}: {ran:?}");
    }
    // Nobody on standard error either.
    let mut closed = Command::new("bash");
    let script = format!("{} run steps.yaml 2>&-", env!("CARGO_BIN_EXE_palisade"));
    crate::support::run(closed.args(["-c", &script]).current_dir(project.path())).exits(0);
    project.verifies();
}

#[test]
fn data_that_cannot_be_written_is_a_failure() {
    let project = Project::new();
    project.run_steps("  - { name: a, run: [echo, x] }\n").exits(0);
    let script = format!("{} audit export > /dev/full", env!("CARGO_BIN_EXE_palisade"));
    let ran = crate::support::run(&mut project.command_of("bash".as_ref(), &["-c", &script]));
    ran.exits(1).says("standard output cannot be written", "No space left", "make room");
}
