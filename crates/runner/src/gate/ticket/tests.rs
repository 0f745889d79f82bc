//! A ticket is redeemed for exactly what was decided, once, in the process that decided it.
//! Each refusal changes one thing of an attempt whose control is permitted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::policy::Policy;
use engine::policy::document::Source;
use engine::run::{Fence, Micros, RunId};
use engine::workflow::{Changes, StepIndex};
use sandbox::{Access, Mount, Spec};
use serde_json::{Value, json};
use ticket::{Binding, Refused};

use engine::policy::Redact;

use super::super::{Admitted, Asked, FileFilter, Gate, Principal};
use super::{Allows, Lease, Permit, Unpermitted};
use crate::executor::{Fast, Job, Place, Program, Work};

const NOW: Micros = Micros(1_000_000_000);
const POLICY: &str =
    "version: 1\nname: test\nrules:\n  - { name: all, match: { tool: [\"*\"] }, action: allow }\n";

fn gate() -> Arc<Gate> {
    let catalogue = crate::gate::catalogue().unwrap();
    let source = Source { name: "test".to_owned(), text: POLICY.to_owned() };
    let policy = Arc::new(Policy::load(&source, &catalogue).unwrap().policy);
    Arc::new(Gate::new(std::env::temp_dir(), None, policy, catalogue).unwrap())
}

fn admitted(gate: &Gate, tool: &str, arguments: Value) -> Admitted {
    let asked = Asked { tool: tool.to_owned(), arguments };
    gate.admit(&Principal::recorded("user:alice"), asked).unwrap()
}

fn echo(gate: &Gate) -> (Admitted, Work) {
    let arguments = json!({
        "program": "echo", "argv": ["echo", "hello"], "env": ["A"], "env_values": { "A": "b" },
        "stdin": "in", "stdin_bytes": 2, "timeout": "5m", "files": { "f": "text" },
    });
    let admitted = admitted(gate, "exec.run", arguments);
    let mut spec = Spec::new(gate.project(), ["echo", "hello"]);
    spec.env.push(("A".into(), "b".into()));
    spec.stdin = b"in".to_vec();
    spec.workspace.files = vec![(PathBuf::from("f"), b"text".to_vec())];
    let program = Program {
        redact: Redact::None,
        schemas: Vec::new(),
        tool: admitted.tool.clone(),
        arguments: admitted.arguments.clone(),
        secrets: Vec::new(),
        spec,
        place: Place::Local,
        hosts: Vec::new(),
        transfer: None,
        changes: Changes::None,
        outputs: Vec::new(),
    };
    (admitted, Work::Program(Box::new(program)))
}

fn job(gate: &Gate, admitted: &Admitted, work: Work) -> Job {
    let lease = Lease { run: RunId([7; 16]), step: StepIndex(2), fence: Fence::new(3, 4) };
    let ticket = gate.ticket(admitted, lease, &work, NOW).unwrap();
    let Lease { run, step, fence } = lease;
    Job { run, step, name: "a".into(), attempt: 1, fence, secrets: Arc::from([]), work, ticket }
}

fn redeem(gate: &Gate, job: Job) -> Result<Permit, Unpermitted> {
    gate.redeemer().redeem(job, NOW)
}

/// What becomes of `echo hello` when something of it changes between its ticket and its start.
#[track_caller]
fn changed(what: &str, change: impl FnOnce(&mut Job, &mut dyn FnMut(&dyn Fn(&mut Program)))) {
    let gate = gate();
    let (admitted, work) = echo(&gate);
    let mut job = job(&gate, &admitted, work);
    let mut program = match std::mem::replace(&mut job.work, Work::Nothing) {
        Work::Program(program) => program,
        _ => panic!("not a program"),
    };
    change(&mut job, &mut |edit| edit(&mut program));
    job.work = Work::Program(program);
    let refused = redeem(&gate, job).expect_err(what);
    assert!(matches!(refused, Unpermitted::Refused(_)), "{what}: {refused}");
}

#[test]
fn an_attempt_is_permitted_once_and_as_it_was_decided() {
    let gate = gate();
    let (admitted, work) = echo(&gate);
    let job = job(&gate, &admitted, work);
    let again = {
        let (_, work) = echo(&gate);
        Job { ticket: job.ticket.clone(), name: job.name.clone(), work, ..job_like(&job) }
    };
    let permit = redeem(&gate, job).unwrap().with_landlock_floor(4);
    let Allows::Program(program) = permit.allows() else { panic!("not a program") };
    assert_eq!(program.what().spec.landlock_floor, Some(4));
    assert!(matches!(redeem(&gate, again), Err(Unpermitted::Used)));
}

/// Another job with the same lease.
fn job_like(job: &Job) -> Job {
    let Job { run, step, fence, attempt, .. } = *job;
    let (name, ticket) = (Arc::clone(&job.name), job.ticket.clone());
    let secrets = Arc::clone(&job.secrets);
    Job { run, step, name, attempt, fence, secrets, work: Work::Nothing, ticket }
}

#[test]
fn what_changes_after_the_decision_does_not_run() {
    changed("other words", |_, edit| edit(&|one| one.spec.argv = vec!["rm".into()]));
    changed("other arguments", |_, edit| {
        edit(&|one| one.arguments = json!({ "program": "rm", "argv": ["rm"] }));
    });
    changed("both alike", |_, edit| {
        edit(&|one| {
            one.arguments = json!({ "program": "rm", "argv": ["rm"] });
            one.spec.argv = vec!["rm".into()];
        });
    });
    changed("another tool", |_, edit| edit(&|one| one.tool = "exec.shell".to_owned()));
    changed("a variable", |_, edit| edit(&|one| one.spec.env.push(("A".into(), "b".into()))));
    changed("input", |_, edit| edit(&|one| one.spec.stdin = b"x".to_vec()));
    changed("no sandbox", |_, edit| edit(&|one| one.place = Place::Bare));
    changed("a container", |_, edit| {
        edit(&|one| one.place = Place::Container { image: "x".to_owned(), gaps: Vec::new() });
    });
    changed("a wider profile", |_, edit| {
        edit(&|one| one.spec.profile = sandbox::Profile::StandardNet);
    });
    changed("a network", |_, edit| edit(&|one| one.spec.network = sandbox::Network::Host));
    changed("a mount", |_, edit| {
        edit(&|one| {
            let (source, target) = (PathBuf::from("/etc"), PathBuf::from("/x"));
            one.spec.mounts.push(Mount { source, target, access: Access::Write });
        });
    });
    changed("nothing hidden", |_, edit| {
        edit(&|one| one.spec.workspace.hidden = vec![PathBuf::from("nothing")]);
    });
    changed("more time", |_, edit| {
        edit(&|one| one.spec.limits.wall += Duration::from_micros(1));
    });
    changed("larger files", |_, edit| edit(&|one| one.spec.limits.file_bytes = Some(1)));
    changed("a secret", |_, edit| {
        edit(&|one| one.secrets.push(("A".to_owned(), "a".to_owned())));
    });
    changed("more bytes", |_, edit| edit(&|one| one.transfer = Some(1)));
    changed("another lease", |job, _| job.fence = Fence::new(3, 5));
    changed("another step", |job, _| job.step = StepIndex(3));
    changed("another run", |job, _| job.run = RunId([8; 16]));
}

#[test]
fn a_program_that_is_not_its_arguments_does_not_run_even_with_a_ticket() {
    type Edit = fn(&mut Program);
    let table: [(&str, Edit); 9] = [
        ("program and words", |one| one.spec.argv.push("more".into())),
        ("variables", |one| one.spec.env.push(("LD_PRELOAD".into(), "x".into()))),
        ("variables", |one| one.spec.env = vec![("A".into(), "c".into())]),
        ("standard input", |one| one.spec.stdin.push(b'.')),
        ("time", |one| one.spec.limits.wall += Duration::from_micros(1)),
        ("files", |one| one.spec.workspace.files.push((PathBuf::from("g"), Vec::new()))),
        ("files", |one| one.spec.workspace.files = vec![(PathBuf::from("f"), Vec::new())]),
        ("mounts", |one| {
            let (source, target) = (PathBuf::from("/etc"), PathBuf::from("/x"));
            one.spec.mounts.push(Mount { source, target, access: Access::Read });
        }),
        ("network", |one| one.spec.network = sandbox::Network::Proxy),
    ];
    for (wanted, edit) in table {
        let gate = gate();
        let (admitted, work) = echo(&gate);
        let Work::Program(mut program) = work else { panic!("not a program") };
        edit(&mut program);
        let refused = redeem(&gate, job(&gate, &admitted, Work::Program(program)));
        let refused = crate::cause::line(&refused.expect_err(wanted));
        assert!(refused.contains(wanted), "{refused} is not {wanted}");
    }
}

#[test]
fn a_read_is_permitted_for_its_own_path_and_size() {
    let gate = gate();
    let admitted = admitted(&gate, "fs.read", json!({ "path": "a.md" }));
    let principal = Arc::new(Principal::recorded("user:alice"));
    let fast = |path: &str, largest| {
        Work::Fast(Box::new(Fast {
            redact: Redact::None,
            within: None,
            tool: "fs.read".to_owned(),
            arguments: json!({ "path": path }),
            files: FileFilter::new(Arc::clone(&gate), Arc::clone(&principal), &admitted),
            largest,
        }))
    };
    let attempt = |then| {
        let mut job = job(&gate, &admitted, fast("a.md", Some(10)));
        job.work = then;
        redeem(&gate, job).map(drop)
    };
    assert!(attempt(fast("a.md", Some(10))).is_ok());
    let refused = |then| match attempt(then) {
        Err(Unpermitted::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(fast("b.md", Some(10))), Refused::Bound(Binding::Arguments));
    assert_eq!(refused(fast("a.md", None)), Refused::Bound(Binding::Profile));
    assert_eq!(refused(fast("a.md", Some(11))), Refused::Bound(Binding::Profile));
    assert!(matches!(refused(Work::Nothing), Refused::Audience(_)));
    let Work::Fast(mut longer) = fast("a.md", Some(10)) else { panic!("no read") };
    longer.within = Some(Duration::from_secs(1));
    assert_eq!(refused(Work::Fast(longer)), Refused::Bound(Binding::Profile));
}

#[test]
fn no_ticket_of_another_process_or_of_long_ago_is_valid() {
    let (gate, other) = (gate(), gate());
    let (admitted, work) = echo(&gate);
    let foreign = job(&gate, &admitted, work);
    let refused = redeem(&other, foreign).expect_err("another process");
    assert!(matches!(refused, Unpermitted::Refused(Refused::Signature)), "{refused}");
    let late = |seconds: i64| {
        let (admitted, work) = echo(&gate);
        let job = job(&gate, &admitted, work);
        gate.redeemer().redeem(job, Micros(NOW.0 + seconds * 1_000_000)).map(drop)
    };
    assert!(late(29).is_ok() && late(-59).is_ok(), "a clock that is set back stops nothing");
    assert!(matches!(late(30), Err(Unpermitted::Refused(Refused::Expired(_)))));
}

#[test]
fn what_was_decided_under_the_policy_before_may_begin_and_nothing_older() {
    let (first, other) = (gate(), |name: &str| {
        let catalogue = crate::gate::catalogue().unwrap();
        let text = POLICY.replace("name: test", &format!("name: {name}"));
        let source = Source { name: "test".to_owned(), text };
        Arc::new(Policy::load(&source, &catalogue).unwrap().policy)
    });
    let old = |gate: &Gate| {
        let (admitted, work) = echo(gate);
        job(gate, &admitted, work)
    };
    let jobs = [old(&first), old(&first)];
    let second = first.under(other("second"));
    let [early, late] = jobs;
    assert!(redeem(&second, early).is_ok(), "decided before the change");
    assert!(redeem(&second, old(&second)).is_ok(), "the control: decided after it");
    let third = second.under(other("third"));
    assert!(redeem(&third, late).is_err(), "two changes ago");
}
