//! Secrets from the vault to the program and nowhere else: the whole way, with the real binary.
//!
//! Fifty canaries go into one workflow that shows each in every form it can, through every way out there is. After
//! it no form of any of them is in any file of the project, its state, the home or what was printed. The control is
//! the same workflow with other values where nobody knows that they are secrets. Canaries are made when the tests run;
//! after the whole suite `cargo xtask test` looks for them in everything that tests have written.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;

use crate::support::{Project, Ran, Running, run, workflow};

/// How many there are.
const CANARIES: usize = 50;

/// A value that no other text holds by chance, with characters that every encoding has to write otherwise. It differs
/// from one run of the suite to the next.
fn canary(place: usize) -> String {
    made("cnry", place)
}

/// A value like a canary that is none: it may be found.
fn decoy(place: usize) -> String {
    made("dcoy", place)
}

fn made(kind: &str, place: usize) -> String {
    let drawn = std::env::var("PALISADE_CANARY_SEED").ok().and_then(|seed| seed.parse().ok());
    let drawn: u64 = drawn.unwrap_or_else(|| u64::from(std::process::id()));
    let seed = (place as u64 + 1).wrapping_add(drawn).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{kind}{place:02}/{seed:016x}+\"q' &<{:06x}", seed >> 40)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes.chunks_exact(3).fold(String::new(), |mut text, three| {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        for shift in [18, 12, 6, 0] {
            text.push(char::from(DIGITS[(bits >> shift & 63) as usize]));
        }
        text
    })
}

/// The forms of a canary that are looked for; none is shared with the crate that removes them.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = value
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    let json = serde_json::Value::from(value).to_string();
    let inner = |before: &str| {
        // The digits that the value alone decides.
        let text = base64(format!("{before}{value}").as_bytes());
        text[(before.len() * 8).div_ceil(6)..].to_owned()
    };
    let texts = [
        value.to_owned(),
        json[1..json.len() - 1].to_owned(),
        percent,
        hex.to_uppercase(),
        hex,
        inner(""),
        inner("x"),
        inner("xx"),
        inner("").replace('+', "-").replace('/', "_"),
        value.replace('\'', "'\\''"),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// What of some values is looked for, by the first bytes of each form.
struct Wanted {
    forms: Vec<Vec<u8>>,
    pairs: Vec<bool>,
    starts: HashMap<Vec<u8>, Vec<usize>>,
}

impl Wanted {
    fn of(values: &[String]) -> Self {
        let forms: Vec<Vec<u8>> = values.iter().flat_map(|value| forms(value)).collect();
        let (mut pairs, mut starts) = (vec![false; 1 << 16], HashMap::new());
        for (which, form) in forms.iter().enumerate() {
            pairs[usize::from(form[0]) << 8 | usize::from(form[1])] = true;
            starts.entry(form[..4].to_vec()).or_insert_with(Vec::new).push(which);
        }
        Self { forms, pairs, starts }
    }

    /// The forms that stand in `bytes`.
    fn inside(&self, bytes: &[u8]) -> Vec<&[u8]> {
        let mut found = Vec::new();
        for (at, four) in bytes.windows(4).enumerate() {
            if !self.pairs[usize::from(four[0]) << 8 | usize::from(four[1])] {
                continue;
            }
            for which in self.starts.get(four).into_iter().flatten() {
                if bytes[at..].starts_with(&self.forms[*which]) {
                    found.push(self.forms[*which].as_slice());
                }
            }
        }
        found
    }

    /// Every form in any file below `folder` or in its name, as `path: form`. What goes away meanwhile is not there.
    fn below(&self, folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() {
                    folders.push(path.clone());
                }
                let mut bytes = entry.file_name().as_encoded_bytes().to_vec();
                if kind.is_file() {
                    bytes.push(0);
                    bytes.extend(fs::read(&path).unwrap_or_default());
                }
                let show =
                    |form: &[u8]| format!("{}: {}", path.display(), String::from_utf8_lossy(form));
                found.extend(self.inside(&bytes).into_iter().map(show));
            }
        }
        found
    }
}

fn canaries() -> Vec<String> {
    (0..CANARIES).map(canary).collect()
}

/// Every canary form in any file below `folder`, as `path: form`.
fn found(folder: &Path) -> Vec<String> {
    Wanted::of(&canaries()).below(folder)
}

/// Everything the test made: project, state, home, outside.
fn everywhere(project: &Project) -> Vec<String> {
    found(project.path().parent().unwrap())
}

fn with_value(project: &Project, arguments: &[&str], value: &str) -> Ran {
    let mut command = project.command(arguments);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), value).unwrap();
    command.stdin(Stdio::from(fs::File::open(file.path()).unwrap()));
    run(&mut command)
}

fn set(project: &Project, name: &str, value: &str) {
    with_value(project, &["secret", "set", name], value).exits(0);
}

const POLICY: &str = "\
version: 1
name: test
rules:
  - { name: run, match: { tool: [\"exec.*\"] }, action: allow }
  - { name: vault, match: { tool: [\"secret.*\"] }, action: allow }
  - { name: not-root, match: { tool: [\"exec.*\"], args: { secrets: { glob: \"*,root-password,*\" } } }, action: deny, reason: nobody gets it }
";

fn keeping() -> Project {
    let project = Project::bare().kept();
    project.file(".palisade/policy.yaml", POLICY);
    project
}

/// A script that shows what is in the files `S0…` of the folder `$D` in every form and by every way out.
const SHOW: &str = r#"
import base64, json, os, subprocess, sys, urllib.parse
folder = os.environ['D']
for name in sorted(os.listdir(folder)):
    with open(os.path.join(folder, name)) as file:
        value = file.read()
    raw = value.encode()
    for before in (b'', b'x', b'xx'):
        print(base64.b64encode(before + raw).decode(), base64.urlsafe_b64encode(before + raw).decode())
    print(value, raw.hex(), raw.hex().upper(), json.dumps({'v': value}), urllib.parse.quote(value, safe=''))
    print("'" + value.replace("'", "'\\''") + "'", file=sys.stderr)
    # In pieces, so that it comes in several reads.
    for letter in value:
        sys.stdout.write(letter)
        sys.stdout.flush()
    print()
    print('hex', end=' ', flush=True)
    # As an argument of a program that complains about it.
    subprocess.run(['/bin/sh', '-c', 'cat "/nowhere/$1"; true', 'sh', value.replace('/', '-') + value], stderr=sys.stderr)
    subprocess.run(['/bin/ls', value])
"#;

/// The steps of the canary workflow; `secrets` names what each may read, or nothing.
fn steps(secrets: &str) -> String {
    let script: String = SHOW.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "        {line}");
        text
    });
    let files = format!("    files:\n      show.py: |\n{script}");
    let shown = format!("{secrets}\n{files}");
    format!(
        "  - name: printed\n    run: [python3, show.py]\n{shown}\
         \x20 - name: output\n    run: [python3, show.py]\n    outputs: {{ out: stdout, err: stderr }}\n    needs: [printed]\n{shown}\
         \x20 - name: handed-on\n    run: [\"echo\", \"${{{{ steps.output.outputs.out }}}}\"]\n    needs: [output]\n\
         \x20 - name: failing\n    shell: \"python3 show.py; exit 3\"\n    allow_failure: true\n    needs: [handed-on]\n{shown}\
         \x20 - name: artifact\n    shell: \"python3 show.py > all.txt 2>&1\"\n    artifacts: [\"*.txt\"]\n    allow_failure: true\n    needs: [failing]\n{shown}\
         \x20 - name: changed\n    shell: \"python3 show.py > kept.txt 2>&1\"\n    sandbox: {{ changes: full }}\n    allow_failure: true\n    needs: [artifact]\n{shown}\
         \x20 - name: named\n    shell: \"for f in $D/*; do touch \\\"$(tr / _ < $f)\\\" \\\"$(od -An -tx1 $f | tr -d ' \\\\n')\\\"; done\"\n    artifacts: [\"*\"]\n    sandbox: {{ changes: full }}\n    allow_failure: true\n    needs: [changed]\n{secrets}\n"
    )
}

/// Sixteen at most in one step, so several workflows.
fn plant(project: &Project) -> Vec<String> {
    let mut workflows = Vec::new();
    for (part, places) in (0..CANARIES).collect::<Vec<_>>().chunks(16).enumerate() {
        let names: Vec<String> =
            places.iter().map(|place| format!("S{place}: canary-{place}")).collect();
        let secrets =
            format!("    env: {{ D: /run/secrets }}\n    secrets: {{ {} }}", names.join(", "));
        let name = format!("canaries-{part}.yaml");
        project.file(&name, workflow(&steps(&secrets)));
        workflows.push(name);
    }
    workflows
}

#[test]
fn no_canary_survives_in_any_form_anywhere() {
    let project = keeping();
    for place in 0..CANARIES {
        set(&project, &format!("canary-{place}"), &canary(place));
    }
    let mut told = String::new();
    for name in plant(&project) {
        let ran = project.palisade(&["run", &name]);
        told += &ran.all();
        told += &project.palisade(&["runs", "logs"]).exits(0).all();
        for json in [
            &["runs", "show", "--json"][..],
            &["workspace", "diff", "--json"],
            &["audit", "export"],
        ] {
            told += &project.palisade(json).exits(0).all();
        }
        let latest = project.latest();
        for (step, outcome) in
            [("printed", "succeeded"), ("output", "succeeded"), ("failing", "failed")]
        {
            assert_eq!(crate::support::state(&latest, step), outcome, "{latest:#}");
        }
    }
    assert!(told.contains("‹redacted:canary-0:"), "{told:.4000}");
    assert!(told.contains("it holds the secret `canary-"), "{told:.4000}");
    let spoken = tempfile::tempdir().unwrap();
    fs::write(spoken.path().join("told"), &told).unwrap();
    assert_eq!(found(spoken.path()), Vec::<String>::new());
    assert_eq!(everywhere(&project), Vec::<String>::new());
    project.verifies();
}

/// Control: values as mere files of the project are in the journal, in every form but that they are not.
#[test]
fn canaries_nobody_knows_of_are_found_where_they_were_shown() {
    let project = keeping();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("S0"), decoy(0)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mount = format!(
        "    env: {{ D: /data }}\n    mounts: [{{ source: {}, target: /data, readonly: true }}]",
        folder.path().display()
    );
    project.file("open.yaml", workflow(&steps(&mount)));
    project.palisade(&["run", "open.yaml"]);
    let found = Wanted::of(&[decoy(0)]).below(project.path().parent().unwrap());
    for form in forms(&decoy(0)) {
        let form = String::from_utf8_lossy(&form).into_owned();
        let json = serde_json::Value::from(form.as_str()).to_string();
        let inner = &json[1..json.len() - 1];
        assert!(
            found.iter().any(|found| found.contains(&form) || found.contains(inner)),
            "{form}: {found:#?}"
        );
    }
}

/// After the suite: what tests have written and not removed, in the folders that `cargo xtask test` names, holds no
/// canary. Alone it looks through an empty folder.
#[test]
fn no_canary_is_left_in_what_the_suite_wrote() {
    let wanted = Wanted::of(&canaries());
    let empty = tempfile::tempdir().unwrap();
    let named = std::env::var_os("PALISADE_CANARY_FOLDERS");
    let folders = named.unwrap_or_else(|| empty.path().into());
    let left: Vec<String> =
        std::env::split_paths(&folders).flat_map(|folder| wanted.below(&folder)).collect();
    assert_eq!(left, Vec::<String>::new());
    // Control: one planted in each form is found in each.
    let planted = tempfile::tempdir().unwrap();
    let forms = forms(&canary(3));
    for (place, form) in forms.iter().enumerate() {
        fs::create_dir(planted.path().join(place.to_string())).unwrap();
        let around = [b"before ", form.as_slice(), b" after"].concat();
        fs::write(planted.path().join(place.to_string()).join("file"), around).unwrap();
    }
    let found = wanted.below(planted.path());
    for (place, form) in forms.iter().enumerate() {
        let form = String::from_utf8_lossy(form);
        let path = format!("/{place}/file: {form}");
        assert!(found.iter().any(|found| found.ends_with(&path)), "{form}: {found:#?}");
    }
}

#[test]
fn a_secret_that_the_output_limit_cuts_off_leaves_no_beginning() {
    let project = keeping();
    set(&project, "db", &canary(9));
    let begins = &canary(9)[..12];
    let run = |output: u64| {
        let step = format!(
            "  - {{ name: a, shell: 'cat $D/S9; echo more', env: {{ D: /run/secrets }}, secrets: {{ S9: db }}, sandbox: {{ limits: {{ output: {output} }} }} }}\n"
        );
        project.run_steps(&step)
    };
    run(20).exits(10);
    let export = project.palisade(&["audit", "export"]).exits(0).stdout;
    assert!(export.contains("‹redacted:cut:") && !export.contains(begins), "{export}");
    assert_eq!(everywhere(&project), Vec::<String>::new());
    // Control: with room for all of it the whole value is known.
    run(1000).exits(0);
    assert!(project.palisade(&["runs", "logs"]).stdout.contains("‹redacted:db:"));
}

#[test]
fn a_killed_run_leaves_no_canary() {
    let project = keeping();
    for place in 0..4 {
        set(&project, &format!("canary-{place}"), &canary(place));
    }
    let script = "while :; do cat $D/*; base64 -w0 $D/S0; echo; done";
    let names: Vec<String> = (0..4).map(|place| format!("S{place}: canary-{place}")).collect();
    let steps = format!(
        "  - name: a\n    shell: \"echo begun; {script}\"\n    env: {{ D: /run/secrets }}\n    secrets: {{ {} }}\n    sandbox: {{ limits: {{ output: 1GiB }} }}\n",
        names.join(", ")
    );
    project.file("loop.yaml", workflow(&steps));
    let running = Running::start(&mut project.command(&["run", "loop.yaml"]));
    let grown = || {
        fs::metadata(project.database().with_extension("db-wal"))
            .is_ok_and(|wal| wal.len() > 400_000)
    };
    crate::support::wait_for("the log", grown);
    running.kill();
    assert_eq!(everywhere(&project), Vec::<String>::new());
    let raw = fs::read(project.database().with_extension("db-wal")).unwrap();
    let mark = "‹redacted:canary-0:".as_bytes();
    assert!(raw.windows(mark.len()).any(|bytes| bytes == mark), "control: it was printed");
}

#[test]
fn the_value_is_in_a_file_of_the_program_and_in_no_environment_or_command_line() {
    let project = keeping();
    set(&project, "db", &canary(7));
    let script = "test \\\"$(cat $DB_FILE)\\\" = \\\"$(cat /run/secrets/DB)\\\" && ! env | grep -q c[n]ry && ! grep -aq c[n]ry /proc/*/environ /proc/*/cmdline && stat -c %a $DB_FILE && ! echo x 2>/dev/null > $DB_FILE; cat; echo begun; sleep 30";
    let steps = format!(
        "  - name: a\n    shell: \"{script}\"\n    secrets: {{ DB: db }}\n    outputs: {{ out: stdout }}\n    timeout: 2m\n"
    );
    project.file("steps.yaml", workflow(&steps));
    let running = Running::start(&mut project.command(&["run", "steps.yaml"]));
    let logged = || project.palisade(&["runs", "logs"]).stdout.contains("begun");
    crate::support::wait_for("the step", logged);
    assert!(project.palisade(&["runs", "logs"]).stdout.contains("444"));
    let mut seen = 0;
    for process in fs::read_dir("/proc").unwrap().flatten() {
        for what in ["environ", "cmdline"] {
            let Ok(bytes) = fs::read(process.path().join(what)) else { continue };
            seen += 1;
            let hit = forms(&canary(7))
                .iter()
                .any(|form| bytes.windows(form.len()).any(|window| window == form.as_slice()));
            assert!(!hit, "{:?} of {:?}", what, process.path());
        }
    }
    assert!(seen > 4, "control: processes were looked at");
    drop(running);
}

#[test]
fn one_bad_file_is_named_beside_the_other_secrets() {
    let project = keeping();
    for name in ["bad", "good"] {
        with_value(&project, &["secret", "set", name], "hunter22-of-two").exits(0);
    }
    project.palisade(&["secret", "list"]).exits(0);
    fs::write(project.path().join(".palisade/secrets/bad"), "cut").unwrap();
    let listed = project.palisade(&["secret", "list", "--json"]).exits(1);
    let rows = listed.json();
    assert_eq!((&rows[0]["name"], &rows[0]["version"]), (&"bad".into(), &serde_json::Value::Null));
    assert_eq!(rows[1], serde_json::json!({ "name": "good", "version": 1 }));
    let table = project.palisade(&["secret", "list"]).exits(1);
    assert!(table.stdout.contains("unusable") && table.stdout.contains("good"), "{table:?}");
    table.says("1 of 2 secrets cannot be used", "`bad`", "from a backup");
    // A lost key is told before anything is sealed with another one.
    let key = project.path().join(".palisade/keys/vault.key");
    fs::rename(&key, key.with_extension("away")).unwrap();
    let lost = with_value(&project, &["secret", "set", "new"], "hunter22-of-new").exits(1);
    lost.says("there is no key file", "", "from a backup");
    assert!(!key.exists());
}

#[test]
fn a_secret_is_set_listed_rotated_and_removed_and_every_change_is_on_record() {
    let project = keeping();
    let shown = with_value(&project, &["secret", "set", "db"], "hunter22-one\n").exits(0);
    assert_eq!(shown.stdout, "db is set, version 1\n");
    let json =
        with_value(&project, &["secret", "rotate", "db", "--json"], "hunter22-two").exits(0).json();
    assert_eq!(json["version"], 2);
    assert_eq!(
        project.palisade(&["secret", "rotate", "--key", "--json"]).exits(0).json()["sealed"],
        1
    );
    let listed = project.palisade(&["secret", "list", "--json"]).exits(0).json();
    assert_eq!(listed, serde_json::json!([{ "name": "db", "version": 2 }]));
    let step =
        "  - { name: a, shell: 'printf %s \"$(cat $DB_FILE)\" | wc -c', secrets: { DB: db } }\n";
    project.run_steps(step).exits(0);
    assert_eq!(project.palisade(&["runs", "logs"]).stdout, "12\n");
    project.palisade(&["secret", "rm", "db", "--yes"]).exits(0);
    let gone = project.run_steps(step).exits(10).all();
    assert!(gone.contains("there is no secret `db`"), "{gone}");
    let export = project.palisade(&["audit", "export"]).exits(0).stdout;
    for (kind, count) in [("secret.started", 4), ("secret.finished", 4)] {
        assert_eq!(export.matches(&format!("\"kind\":\"{kind}\"")).count(), count, "{kind}");
    }
    assert!(!export.contains("hunter22"), "{export}");
    project.verifies();
}

#[test]
fn what_is_wrong_with_a_secret_is_said_without_it() {
    let project = keeping();
    let check = |arguments: &[&str], value: &str, code: i32, what: &str| {
        let ran = with_value(&project, arguments, value).exits(code);
        assert!(ran.stderr.contains(what), "{}", ran.stderr);
        assert!(value.is_empty() || !ran.all().contains(value), "{}", ran.all());
    };
    check(&["secret", "set", "a/b"], "hunter22-x", 2, "is not a name");
    check(&["secret", "set", "db"], "short7!", 2, "shorter than 8 characters");
    check(&["secret", "set", "db"], "", 2, "not one");
    check(&["secret", "set", "db"], "hunter\0zero-byte", 2, "zero byte");
    check(&["secret", "set", "db"], &"x".repeat(70_000), 2, "65536 bytes");
    check(&["secret", "set", "db", "hunter22-on-the-command-line"], "", 2, "unexpected argument");
    check(&["secret", "rotate", "db"], "hunter22-x", 3, "there is no secret `db`");
    check(&["secret", "rm", "db", "--yes"], "", 3, "there is no secret `db`");
    check(&["secret", "set", "db", "--file", "none"], "", 3, "cannot be read");
    set(&project, "db", "hunter22-x");
    let key = project.path().join(".palisade/keys/vault.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let step = "  - { name: a, shell: 'cat $DB_FILE', secrets: { DB: db } }\n";
    let ran = project.run_steps(step).exits(10).all();
    assert!(ran.contains("by others") && ran.contains("chmod"), "{ran}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(project.path().join(".palisade/secrets/db"), "damaged").unwrap();
    let ran = project.run_steps(step).exits(10).all();
    assert!(ran.contains("secret `db` cannot be opened"), "{ran}");
    assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn policy_decides_who_gets_a_secret_and_who_changes_one() {
    let project = keeping();
    set(&project, "root-password", "hunter22-root");
    set(&project, "db", "hunter22-db");
    let ran =
        project.run_steps("  - { name: a, run: [ls], secrets: { R: root-password } }\n").exits(10);
    assert!(ran.all().contains("not-root"), "{}", ran.all());
    project.run_steps("  - { name: a, run: [ls], secrets: { D: db } }\n").exits(0);
    project.file(".palisade/policy.yaml", POLICY.replace("secret.*", "nothing.*"));
    let denied = with_value(&project, &["secret", "set", "db"], "hunter22-new").exits(6);
    assert!(denied.stderr.contains("secret.set"), "{}", denied.stderr);
    let listed = project.palisade(&["secret", "list", "--json"]).exits(0).json();
    assert_eq!(listed[0]["version"], 1, "unchanged");
    assert!(project.palisade(&["audit", "export"]).stdout.contains("secret.denied"));
}

#[test]
fn what_looks_like_a_credential_is_not_in_the_log_unless_the_user_says_so() {
    let project = keeping();
    let token = format!("ghp_{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
    let step = "  - { name: a, shell: 'printf \"%s_%s\\\\n\" ghp a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8; echo badge-12ab', outputs: { out: stdout } }\n";
    let logs = || {
        project.run_steps(step).exits(0);
        project.palisade(&["runs", "logs"]).stdout
    };
    let hidden = logs();
    assert!(hidden.contains("‹redacted:github-pat:") && hidden.contains("badge-12ab"), "{hidden}");
    // An output is for later steps, and policy says where it is for nobody.
    let shown = project.latest().to_string();
    assert!(shown.contains(&token), "{shown}");
    let config = project.home().join(".config/palisade/palisade.yaml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    let rules = project.outside().join("rules.toml");
    fs::write(&rules, "[[rules]]\nid = 'badge'\nregex = 'badge-[0-9a-z]{4}'\n").unwrap();
    fs::write(&config, format!("redaction:\n  rules: {}\n", rules.display())).unwrap();
    assert!(logs().contains("‹redacted:badge:"));
    fs::write(&config, "redaction:\n  patterns: false\n").unwrap();
    assert!(logs().contains(&token));
    // Neither a project nor the environment can switch it off.
    fs::remove_file(&config).unwrap();
    project.file("palisade.yaml", "redaction:\n  patterns: false\n");
    assert!(logs().contains("‹redacted:github-pat:"));
    fs::write(&rules, "[[rules]]\nid = 'badge'\nregex = '('\n").unwrap();
    fs::write(&config, format!("redaction:\n  rules: {}\n", rules.display())).unwrap();
    project.file("steps.yaml", workflow(step));
    project.palisade(&["run", "steps.yaml"]).exits(1).says("rule `badge`", "", "redaction.rules");
}

#[test]
fn where_there_is_no_private_file_a_secret_is_refused() {
    let project = keeping();
    set(&project, "db", "hunter22-db");
    let config = project.home().join(".config/palisade/palisade.yaml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "sandbox:\n  allow_unsafe: true\n").unwrap();
    project.file("steps.yaml", workflow("  - { name: a, run: [ls], secrets: { D: db } }\n"));
    let ran = project.palisade(&["run", "steps.yaml", "--unsafe"]).exits(10).all();
    assert!(ran.contains("this one has `secrets`"), "{ran}");
}

#[test]
fn no_digest_of_a_file_that_holds_a_secret_is_kept() {
    let project = keeping();
    set(&project, "weak", "hunter2024");
    for (name, value) in [("secret", "W: weak"), ("none", "V: weak")] {
        // The control writes the same bytes from its own words.
        let script = match name {
            "secret" => "cat /run/secrets/W > token.txt",
            _ => "printf '%s%s' hunter 2024 > token.txt",
        };
        let secrets =
            if name == "secret" { format!("\n    secrets: {{ {value} }}") } else { String::new() };
        let step = format!("  - name: a\n    shell: \"{script}\"{secrets}\n");
        project.file(&format!("{name}.yaml"), workflow(&step));
    }
    let digest = "0ac14a0f";
    let kept = || {
        let mut folders = vec![project.path().join(".palisade")];
        let mut kept = false;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                match entry.file_type().unwrap() {
                    kind if kind.is_dir() => folders.push(entry.path()),
                    kind if kind.is_file() => {
                        let bytes = fs::read(entry.path()).unwrap();
                        kept |= bytes.windows(digest.len()).any(|part| part == digest.as_bytes());
                    }
                    _ => {}
                }
            }
        }
        kept
    };
    project.palisade(&["run", "secret.yaml"]).exits(0);
    assert!(!kept());
    project.palisade(&["run", "none.yaml"]).exits(0);
    assert!(kept(), "the control is a digest that anybody may know");
}
