//! What a ticket is bound to besides the arguments: everything an attempt's sandbox is given, and that this is what
//! the arguments say.
//!
//! Every field is named, so that a new one has to be thought about here. Nothing is decided: the policy saw the
//! arguments, and a program that is not theirs does not run.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use engine::policy::{Redact, units};
use engine::workflow::{SECRET_SUFFIX, shows};
use sandbox::{Limits, Network, Spec};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::executor::{Fast, Place, Program, Work};
use crate::owner::{IDEMPOTENCY_VARIABLE, RUN_VARIABLE, STEP_VARIABLE};
use crate::tool;

/// Where an attempt is not what its arguments say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its {0} differ from the arguments that were decided on")]
pub(crate) struct Disagreement(&'static str);

/// The tool and the arguments an attempt is really about; none where it does nothing.
pub(super) fn asked(work: &Work) -> Option<(&str, &Value)> {
    match work {
        Work::Program(program) => Some((&program.tool, &program.arguments)),
        Work::Fast(fast) => Some((&fast.tool, &fast.arguments)),
        Work::Deed(deed) => Some((&deed.tool, &deed.arguments)),
        Work::Nothing => None,
    }
}

/// Names everything that holds an attempt.
pub(super) fn digest(work: &Work) -> [u8; 32] {
    match work {
        Work::Program(program) => of_program(program),
        Work::Fast(fast) => of_fast(fast),
        // Its arguments have a claim of their own, and nothing else holds it.
        Work::Deed(_) => [2; 32],
        Work::Nothing => [0; 32],
    }
}

/// A read-only call is held by its arguments, the largest file it may read, its time and what is redacted: few bytes,
/// which name themselves.
fn of_fast(fast: &Fast) -> [u8; 32] {
    let size = fast.largest.unwrap_or(0).to_be_bytes();
    let redact = match fast.redact {
        Redact::None => 0,
        Redact::Input => 1,
        Redact::Output => 2,
        Redact::Both => 3,
    };
    let within = fast.within.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    let named = [1, u8::from(fast.largest.is_some()), redact, u8::from(within.is_some())];
    let named = named.into_iter().chain(size).chain(within.unwrap_or(0).to_be_bytes());
    let mut digest = [0; 32];
    digest.iter_mut().zip(named).for_each(|(slot, byte)| *slot = byte);
    digest
}

/// A hash over parts, each with its length before it.
struct Parts(Sha256);

impl Parts {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    fn maybe(&mut self, number: Option<u64>) {
        self.number(u64::from(number.is_some()));
        self.number(number.unwrap_or(0));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn path(&mut self, path: &Path) {
        self.bytes(path.as_os_str().as_bytes());
    }

    fn each<T>(&mut self, list: &[T], one: impl Fn(&mut Self, &T)) {
        self.number(list.len() as u64);
        list.iter().for_each(|item| one(self, item));
    }
}

fn of_program(program: &Program) -> [u8; 32] {
    // The tool and its arguments have a claim of their own.
    let Program {
        tool: _,
        arguments: _,
        secrets,
        spec,
        place,
        hosts,
        transfer,
        changes,
        outputs,
        schemas,
        redact,
    } = program;
    let mut parts = Parts(Sha256::new_with_prefix(b"palisade attempt 1\n"));
    of_spec(spec, &mut parts);
    match place {
        Place::Local => parts.number(1),
        Place::Container { image, gaps } => {
            parts.number(2);
            parts.bytes(image.as_bytes());
            parts.each(gaps, |parts, gap| parts.bytes(gap.as_bytes()));
        }
        Place::Bare => parts.number(3),
    }
    parts.each(hosts, |parts, host| {
        parts.bytes(host.target.as_bytes());
        parts.bytes(host.rule.as_bytes());
    });
    parts.each(secrets, |parts, (file, name)| {
        parts.bytes(file.as_bytes());
        parts.bytes(name.as_bytes());
    });
    parts.maybe(*transfer);
    parts.each(schemas, |parts, (name, schema)| {
        parts.bytes(name.as_bytes());
        parts.bytes(&schema.digest());
    });
    parts.bytes(format!("{changes:?} {outputs:?} {redact:?}").as_bytes());
    parts.0.finalize().into()
}

fn of_spec(spec: &Spec, parts: &mut Parts) {
    // The floor of Landlock is the executor's, and only tightens.
    let Spec {
        argv,
        env,
        cwd,
        stdin,
        profile,
        workspace,
        mounts,
        network,
        handed,
        limits,
        artifacts,
        landlock_floor: _,
        secrets: contents,
    } = spec;
    parts.each(argv, |parts, word| parts.bytes(word.as_bytes()));
    parts.each(env, |parts, (name, value)| {
        parts.bytes(name.as_bytes());
        parts.bytes(value.as_bytes());
    });
    parts.path(cwd);
    parts.bytes(stdin);
    parts.path(&workspace.lower);
    parts.each(&workspace.hidden, |parts, path| parts.path(path));
    parts.each(&workspace.files, |parts, (path, text)| {
        parts.path(path);
        parts.bytes(text);
    });
    parts.each(mounts, |parts, mount| {
        parts.path(&mount.source);
        parts.path(&mount.target);
        parts.number(u64::from(mount.access == sandbox::Access::Write));
    });
    // Contents are filled in by name once it is permitted.
    parts.number(contents.len() as u64);
    parts.number(handed.len() as u64);
    parts.each(artifacts, |parts, glob| parts.bytes(glob.as_bytes()));
    parts.bytes(format!("{profile:?} {network:?}").as_bytes());
    of_limits(limits, parts);
}

fn of_limits(limits: &Limits, parts: &mut Parts) {
    let Limits {
        wall,
        output_bytes,
        artifact_bytes,
        artifact_count,
        memory_bytes,
        pids,
        open_files,
        workspace_bytes,
        file_bytes,
        workspace_inodes,
        cpu_thousandths,
        cpu_time,
    } = limits;
    let micros = |time: &std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let numbers = [
        micros(wall),
        *output_bytes,
        *artifact_bytes,
        (*artifact_count).into(),
        (*pids).into(),
        (*open_files).into(),
        *workspace_bytes,
        *workspace_inodes,
    ];
    numbers.into_iter().for_each(|number| parts.number(number));
    parts.maybe(*memory_bytes);
    parts.maybe(*file_bytes);
    parts.maybe(cpu_thousandths.map(u64::from));
    parts.maybe(cpu_time.as_ref().map(micros));
}

/// Whether a program is the one its arguments describe.
pub(super) fn agrees(work: &Work) -> Result<(), Disagreement> {
    let Work::Program(program) = work else { return Ok(()) };
    let (arguments, spec) = (&program.arguments, &program.spec);
    let files = &spec.workspace.files;
    let list = |name: &str| arguments.get(name).and_then(Value::as_array).into_iter().flatten();
    let holds = |name: &str, wanted: &OsStr| {
        list(name).any(|one| one.as_str().is_some_and(|one| wanted == one))
    };
    let shown = |name: &str, key: &OsStr, bytes: &[u8]| {
        let text = arguments.get(name).zip(key.to_str()).and_then(|(texts, key)| texts.get(key));
        text.is_some_and(|text| shows(text, bytes))
    };
    let ours = [IDEMPOTENCY_VARIABLE, RUN_VARIABLE, STEP_VARIABLE];
    let names = |name: &OsStr| {
        let variable =
            |(file, _): &(String, String)| name == OsStr::new(&format!("{file}{SECRET_SUFFIX}"));
        program.secrets.iter().any(variable)
    };
    let known =
        |name: &OsStr, value: &OsStr| match ours.iter().any(|one| name == *one) || names(name) {
            true => true,
            false => holds("env", name) && shown("env_values", name, value.as_bytes()),
        };
    let size = arguments.get("stdin_bytes").and_then(Value::as_u64).unwrap_or(0);
    let reads = size == spec.stdin.len() as u64
        && match arguments.get("stdin") {
            Some(stdin) => shows(stdin, &spec.stdin),
            None => spec.stdin.is_empty(),
        };
    // One text with a comma before, between and after the names, as rules match it.
    let secrets = arguments.get("secrets").and_then(Value::as_str).unwrap_or_default();
    let given = |name: &str| !name.contains(',') && secrets.contains(&format!(",{name},"));
    let reaches = arguments
        .get("profile")
        .and_then(Value::as_str)
        .is_some_and(|profile| profile.ends_with("-net"));
    let checks = [
        ("program and words", same_words(program)),
        ("variables", spec.env.iter().all(|(name, value)| known(name, value))),
        ("standard input", reads),
        ("time", in_time(arguments, spec)),
        ("files", files.iter().all(|(path, text)| shown("files", path.as_os_str(), text))),
        ("mounts", spec.mounts.iter().all(|mount| is_mounted(mount, spec, arguments))),
        ("hosts", program.hosts.iter().all(|host| holds("hosts", host.target.as_ref()))),
        ("network", spec.network == Network::None || reaches),
        ("descriptors", spec.handed.is_empty()),
        ("secrets", spec.secrets.is_empty() && program.secrets.iter().all(|(_, name)| given(name))),
    ];
    checks.into_iter().find(|(_, same)| !same).map_or(Ok(()), |(what, _)| Err(Disagreement(what)))
}

/// Whether a program may run no longer than its arguments say.
fn in_time(arguments: &Value, spec: &Spec) -> bool {
    let Some(timeout) = arguments.get("timeout") else { return true };
    let timeout = timeout.as_str().and_then(|text| units::duration(text).ok());
    timeout.is_some_and(|timeout| spec.limits.wall <= timeout)
}

/// Whether the words of a program are its arguments': all of them, or those that run its script.
fn same_words(program: &Program) -> bool {
    let argv = program.spec.argv.iter().map(|word| word.as_bytes());
    let text = |name: &str| program.arguments.get(name).and_then(Value::as_str);
    match (program.tool.as_str(), program.arguments.get("argv").and_then(Value::as_array)) {
        (tool::EXEC_RUN, Some(words)) => {
            argv.eq(words.iter().map(|word| word.as_str().unwrap_or_default().as_bytes()))
                && text("program").map(str::as_bytes)
                    == program.spec.argv.first().map(|word| word.as_bytes())
        }
        (tool::EXEC_SHELL, _) => {
            let script = text("script").unwrap_or_default();
            argv.eq(["/bin/sh", "-e", "-c", script].map(str::as_bytes))
        }
        _ => false,
    }
}

fn is_mounted(mount: &sandbox::Mount, spec: &Spec, arguments: &Value) -> bool {
    let decided = arguments.get("mounts").and_then(Value::as_array);
    decided.into_iter().flatten().any(|one| {
        let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
        // Written from the project, where it lies in it; the project itself is `.`.
        let source = spec.workspace.lower.join(text("source"));
        let writes = mount.access == sandbox::Access::Write;
        source.components().eq(mount.source.components()) && (text("access") == "write") == writes
    })
}
