//! The JSON of events and views, as the journal and the projections keep it.
//!
//! Every kind of fact is written out here once: a change of any of them breaks old journals.

use crate::world::{World, approval_id, completion, grant, steps};
use engine::run::{
    ApprovalRequest, ArtifactRef, Cancellation, Command, Completion, Digest, Ended, Event, Fact,
    Fence, Guard, Hold, Loss, Micros, RunEnd, RunId, RunSummary, RunView, SkipReason, StoppedBy,
    StreamRef, Submission, Usage, Verdict,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

fn check(fact: Fact, expected: Value) {
    let json = serde_json::to_value(&fact).unwrap();
    assert_eq!(json, expected);
    assert_eq!(json["type"], fact.kind());
    assert_eq!(serde_json::from_value::<Fact>(expected.clone()).unwrap(), fact);
    let event = Event { run: RunId([1; 16]), at: Micros(5), fact };
    let whole = serde_json::to_value(&event).unwrap();
    assert_eq!(whole["run"], "run_01040g2081040g2081040g2081");
    assert_eq!(serde_json::from_value::<Event>(whole).unwrap(), event);
}

#[test]
fn facts_of_runs() {
    let digest = "07".repeat(32);
    let submission = Submission {
        workflow: Digest([7; 32]),
        name: "w".into(),
        source: Digest([7; 32]),
        inputs: json!({ "n": 1 }),
        principal: "user:ada".into(),
        started_by: None,
        key: Some("k".into()),
        repeats: None,
    };
    let expected = json!({
        "type": "run.submitted", "workflow": digest, "name": "w", "source": digest,
        "inputs": { "n": 1 }, "principal": "user:ada", "key": "k",
    });
    check(Fact::RunSubmitted(Arc::new(submission)), expected);
    check(Fact::ShardRecovered { epoch: 2 }, json!({ "type": "shard.recovered", "epoch": 2 }));
    check(Fact::RunStarted, json!({ "type": "run.started" }));
    check(
        Fact::RunRecovered { epoch: 2, leases: 1 },
        json!({ "type": "run.recovered", "epoch": 2, "leases": 1 }),
    );
    check(
        Fact::RunCancelRequested { by: "b".into(), reason: "r".into(), deadline: Micros(9) },
        json!({ "type": "run.cancel_requested", "by": "b", "reason": "r", "deadline": 9 }),
    );
    check(
        Fact::RunRetried { by: "b".into(), step: "a".into(), reset: vec!["a".into(), "c".into()] },
        json!({ "type": "run.retried", "by": "b", "step": "a", "reset": ["a", "c"] }),
    );
    check(
        Fact::RunFinished {
            state: RunEnd::Failed,
            failure: Some("f".into()),
            outputs: Value::Null,
        },
        json!({ "type": "run.finished", "state": "failed", "failure": "f" }),
    );
}

#[test]
fn facts_of_attempts() {
    let (step, fence) = (Arc::<str>::from("a"), Fence::new(1, 4_294_967_295));
    let expected = json!({
        "type": "step.started", "step": "a", "attempt": 2, "fence": "1-4294967295", "deadline": 9,
        "grant": { "tool": "exec.run", "call": "07".repeat(32), "decision": "allow", "key": "k" },
    });
    let deadline = Micros(9);
    check(
        Fact::StepStarted { step: step.clone(), attempt: 2, fence, deadline, grant: grant() },
        expected,
    );
    let result = Arc::new(completion(Ended::Failed));
    check(
        Fact::StepFinished { step: step.clone(), attempt: 2, fence, retrying: true, result },
        json!({
            "type": "step.finished", "step": "a", "attempt": 2, "fence": "1-4294967295",
            "retrying": true, "result": { "outcome": "failed", "exit": 1, "failure": "exit_code",
            "retryable": true, "message": "exit code 1" },
        }),
    );
    check(
        Fact::StepRetryScheduled { step: step.clone(), attempt: 3, due: Micros(8) },
        json!({ "type": "step.retry_scheduled", "step": "a", "attempt": 3, "due": 8 }),
    );
    check(
        Fact::StepRequeued { step: step.clone(), fence, loss: Loss::Restart },
        json!({ "type": "step.requeued", "step": "a", "fence": "1-4294967295", "loss": "restart" }),
    );
    check(
        Fact::StepOutcomeUnknown { step: step.clone(), fence, loss: Loss::Expired },
        json!({
            "type": "step.outcome_unknown", "step": "a", "fence": "1-4294967295", "loss": "expired",
        }),
    );
    let outcome = Ended::Succeeded;
    check(
        Fact::StepStaleResult { step, fence, current: None, outcome, receipt: None },
        json!({
            "type": "step.stale_result", "step": "a", "fence": "1-4294967295",
            "outcome": "succeeded",
        }),
    );
}

#[test]
fn facts_of_steps_without_an_attempt() {
    let step = Arc::<str>::from("a");
    let stopped_by =
        StoppedBy { kind: Guard::Policy, name: "no-network".into(), detail: "".into() };
    check(
        Fact::StepDenied { step: step.clone(), stopped_by, decision: json!({ "verdict": "deny" }) },
        json!({
            "type": "step.denied", "step": "a", "decision": { "verdict": "deny" },
            "stopped_by": { "kind": "policy", "name": "no-network" },
        }),
    );
    check(
        Fact::StepInvalid { step: step.clone(), message: "m".into() },
        json!({ "type": "step.invalid", "step": "a", "message": "m" }),
    );
    check(
        Fact::StepSkipped { step: step.clone(), reason: SkipReason::Condition },
        json!({ "type": "step.skipped", "step": "a", "reason": { "cause": "condition" } }),
    );
    let outcome = engine::run::Outcome::Denied;
    let reason = SkipReason::Dependency { step: "b".into(), outcome };
    check(
        Fact::StepSkipped { step: step.clone(), reason },
        json!({
            "type": "step.skipped", "step": "a",
            "reason": { "cause": "dependency", "step": "b", "outcome": "denied" },
        }),
    );
    check(
        Fact::StepCancelled { step: step.clone() },
        json!({ "type": "step.cancelled", "step": "a" }),
    );
    check(
        Fact::StepResolved { step, by: "b".into(), verdict: Verdict::Failed },
        json!({ "type": "step.resolved", "step": "a", "by": "b", "verdict": { "outcome": "failed" } }),
    );
}

#[test]
fn facts_of_approvals() {
    let (step, approval, fence) = (Arc::<str>::from("a"), approval_id(0), Fence::new(1, 2));
    let id = "apr_00000000000000000000000001";
    let (mut world, run) = World::of(&steps("a:"));
    let Command::Suspend { request, .. } = world.suspend(run, "a", 2) else { unreachable!() };
    let request = Arc::new(ApprovalRequest { id: approval, ..(*request).clone() });
    let digest = |byte: &str| byte.repeat(32);
    let expected = json!({
        "type": "step.approval_requested", "step": "a",
        "request": {
            "id": id, "digest": request.digest.to_string(), "reasons": [],
            "subject": {
                "run": "run_00000000000000000000000001", "step": "a", "tool": "exec.run",
                "definition": digest("02"), "arguments": { "argv": ["true"] },
                "call": digest("07"), "target": "/project", "principal": "user:ada",
                "policy": digest("03"),
            },
            "terms": { "count": 2, "expires": 1_100_000_000 },
        },
    });
    check(Fact::StepApprovalRequested { step: step.clone(), request }, expected);
    check(
        Fact::ApprovalGranted {
            step: step.clone(),
            approval,
            by: "user:bob".into(),
            reason: "r".into(),
            complete: true,
        },
        json!({
            "type": "approval.granted", "step": "a", "approval": id, "by": "user:bob",
            "reason": "r", "complete": true,
        }),
    );
    check(
        Fact::ApprovalDenied { step: step.clone(), approval, by: "b".into(), reason: "".into() },
        json!({ "type": "approval.denied", "step": "a", "approval": id, "by": "b" }),
    );
    check(
        Fact::ApprovalExpired { step: step.clone(), approval },
        json!({ "type": "approval.expired", "step": "a", "approval": id }),
    );
    check(
        Fact::ApprovalStale { step: step.clone(), approval, why: "w".into() },
        json!({ "type": "approval.stale", "step": "a", "approval": id, "why": "w" }),
    );
    check(
        Fact::ApprovalConsumed { step, approval, fence },
        json!({ "type": "approval.consumed", "step": "a", "approval": id, "fence": "1-2" }),
    );
}

#[test]
fn a_full_completion_survives() {
    let stream = |size| Some(StreamRef { digest: Digest([2; 32]), size, truncated: size > 5 });
    let outputs: Map<_, _> = [("x".to_owned(), json!([1, 2.5, null]))].into_iter().collect();
    let full = Completion {
        exit: Some(-1),
        stopped_by: Some(StoppedBy {
            kind: Guard::Isolation,
            name: "network namespace".into(),
            detail: "connect: Network is unreachable".into(),
        }),
        outputs,
        artifacts: vec![ArtifactRef {
            path: "notes/a.md".into(),
            digest: Digest([3; 32]),
            size: 1 << 53,
            media_type: Some("text/markdown".into()),
        }],
        stdout: stream(9),
        stderr: stream(1),
        usage: Usage { wall_us: (1 << 53) - 1, peak_memory: u64::MAX, ..Usage::default() },
        receipt: Some(Digest([4; 32])),
        ..completion(Ended::TimedOut)
    };
    let json = serde_json::to_value(&full).unwrap();
    assert_eq!(json["artifacts"][0]["size"], "9007199254740992");
    assert_eq!(json["usage"]["wall_us"], 9_007_199_254_740_991_u64);
    assert_eq!(json["usage"]["peak_memory"], "18446744073709551615");
    assert_eq!(serde_json::from_value::<Completion>(json).unwrap(), full);
    // What a newer version adds is passed over by this one.
    let newer = json!({ "outcome": "succeeded", "mood": "good" });
    let read: Completion = serde_json::from_value(newer).unwrap();
    assert_eq!(read, Completion::new(Ended::Succeeded));
}

#[test]
fn views_survive() {
    let (mut world, run) = World::of(&steps("a:\nb: a\nc:\nfinally\nz:"));
    world.pass(run, "a", Ended::Failed);
    world.ask(&world.start(run, "c")).unwrap();
    world.ask(&World::cancel(run)).unwrap();
    let view = world.run(run).view();
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(serde_json::from_value::<RunView>(json.clone()).unwrap(), view);
    let expected = json!({
        "total": 4, "open": 2, "running": 1, "succeeded": 0, "failed": 1, "denied": 0,
        "skipped": 1, "cancelled": 0,
    });
    assert_eq!(json["counts"], expected);
    assert_eq!(json["state"], "running");
    assert_eq!(json["steps"][0]["line"], "failed: exit code 1");
    assert_eq!(json["steps"][3]["finally"], true);
    let cancel: Cancellation = serde_json::from_value(json["cancel"].clone()).unwrap();
    assert_eq!(Some(&cancel), world.run(run).cancellation());
    let row = serde_json::to_vec(&world.run(run).summary()).unwrap();
    let read: RunSummary = serde_json::from_slice(&row).unwrap();
    assert_eq!(read, world.run(run).summary());
    let explained = serde_json::to_value(world.state.explain(&run, world.now).unwrap()).unwrap();
    assert_eq!(explained["steps"][0]["hold"]["hold"], "cancelling");
    let hold: Hold = serde_json::from_value(explained["steps"][1]["hold"].clone()).unwrap();
    assert_eq!(hold, Hold::Others { open: 1 });
}

#[test]
fn an_ordinary_step_is_small_on_the_record() {
    let (mut world, run) = World::of(&steps("a:"));
    world.pass(run, "a", Ended::Succeeded);
    let sizes = world.history.iter().map(|event| serde_json::to_vec(&event.fact).unwrap().len());
    let all: usize = sizes.sum();
    assert!(all < 900, "{all} bytes for submit, start, finish, end");
}
