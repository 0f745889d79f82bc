//! Changes of the policy: a reviewed call like any other, and the node decides by the new one once it is on disk.
//! Every change that is refused is looked at from both sides: the old policy stands, and nothing was asked of anybody.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use engine::run::Fact;
use journal::{Journal, LogId};
use runner::amendment::{Amend, AmendError, Amendment, Confirmation, RECENT_CALLS};
use runner::call::{Call, Direct};
use runner::document::Source;
use runner::gate::Principal;
use runner::history::{Calls, History};
use runner::owner::{Asking, Effect, Moment, Owner, Refusing, Ruled, Turn};
use runner::tickets::keys::{self, Scheme};
use runner::{
    Adopt, ApprovalId, Digest, Doing, Micros, Node, Ruling, RunId, RunState, StepState, Unanswered,
    policy, projection, record, workflow,
};
use serde_json::json;
use ticket::{Audience, Claims, Id, Ticket, Time};

use crate::support::{PATIENCE, POLICY, Project, submission, user};

/// Reads are denied now.
const NARROW: &str = "
version: 1
name: narrow
rules:
  - { name: run, match: { tool: [\"exec.*\"] }, action: allow }
  - { name: no-curl, match: { tool: exec.run, args: { program: curl } }, action: deny, reason: not here }
  - { name: ask-rm, match: { tool: exec.run, args: { program: rm } }, action: require_review, reason: dangerous }
";

/// What was excepted is allowed now.
fn wide() -> String {
    POLICY.replace(", except: [ { path_glob: [\"secret/**\"] } ]", "")
}

struct Town {
    project: Project,
    node: Node,
}

impl Town {
    fn new(text: &str) -> Self {
        let project = Project::new();
        std::fs::write(project.layout.policy(), text).unwrap();
        std::fs::create_dir(project.path().join("secret")).unwrap();
        std::fs::write(project.path().join("secret/key"), "x").unwrap();
        std::fs::write(project.path().join("open"), "x").unwrap();
        // A node knows the keys there are when it starts.
        keys::read_or_make(&project.layout, Scheme::Secret).unwrap();
        let node = project.node(Doing::Really, Adopt::Nothing);
        Self { project, node }
    }

    fn history(&self) -> History {
        History::open(&self.project.layout).unwrap()
    }

    /// What is shown of a change to this text.
    fn weighed(&self, text: &str) -> Result<(Amendment, PathBuf), AmendError> {
        let file = self.project.path().join("next.yaml");
        std::fs::write(&file, text).unwrap();
        let after = policy::load(Some(&file))?;
        let calls = Calls { since: None, limit: RECENT_CALLS };
        let calls = self.history().calls(calls).unwrap();
        Ok((Amendment::weigh(&self.project.in_force().policy, &after, calls)?, file))
    }

    fn amend(&self, text: &str, confirmation: Option<Confirmation>) -> Result<RunId, AmendError> {
        let (amendment, file) = self.weighed(text)?;
        self.ask(Amend { file, shown: amendment.shown(), confirmation, agent: None })
    }

    fn ask(&self, wanted: Amend) -> Result<RunId, AmendError> {
        self.node.desk().amend(&user(), &wanted, None).map(|accepted| accepted.run)
    }

    fn yes(&self, text: &str) -> RunId {
        self.amend(text, Some(Confirmation::Yes)).unwrap()
    }

    /// The state of the one step of a run, once it does not move by itself.
    fn settled(&self, run: RunId) -> StepState {
        loop {
            let state = self.history().run(run).unwrap().view.steps[0].state;
            if !matches!(state, StepState::Pending | StepState::Ready | StepState::Running) {
                return state;
            }
            std::thread::yield_now();
        }
    }

    fn why(&self, run: RunId) -> String {
        let view = self.history().run(run).unwrap().view;
        let step = &view.steps[0];
        let stopped = step.stopped_by.as_ref().map(|by| format!("{}: {}", by.name, by.detail));
        stopped.or_else(|| step.line.clone()).unwrap_or_default()
    }

    fn request(&self) -> ApprovalId {
        self.history().approvals(false, Micros(0)).unwrap()[0].request.id
    }

    fn rule(&self, approval: ApprovalId, by: &str) -> Result<(), Unanswered> {
        let by = Principal::recorded(by);
        let (ruling, reason) = (Ruling::Approve, String::new());
        self.node.desk().rule(Ruled { approval, ruling, by, reason })
    }

    /// Whether reading a file is allowed now.
    fn reads(&self, path: &str) -> bool {
        let args = json!({ "path": path }).as_object().cloned().unwrap();
        let call = Call { tool: "fs.read".to_owned(), args };
        let mut direct = Direct::place(self.node.desk(), &user(), &call).unwrap();
        assert!(!direct.wait(PATIENCE, &|| false));
        direct.told(self.node.desk()).unwrap().state == StepState::Succeeded
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.project.layout.policy()).unwrap()
    }

    fn kinds(&self) -> Vec<String> {
        let history = self.history();
        let records = history.reader().by_log(history.log(), 0, 500).unwrap();
        records.iter().map(|record| record.header.kind.to_string()).collect()
    }

    fn runs(&self) -> usize {
        self.history().runs(100, |_| true).unwrap().len()
    }
}

#[test]
fn a_narrower_policy_is_in_force_by_the_word_of_the_person_who_asks() {
    let town = Town::new(POLICY);
    std::fs::set_permissions(town.project.layout.policy(), std::fs::Permissions::from_mode(0o640))
        .unwrap();
    assert!(town.reads("open"));
    let (amendment, _) = town.weighed(NARROW).unwrap();
    assert_eq!((amendment.breaking(), amendment.widening(), amendment.phrase()), (1, 0, None));
    let run = town.yes(NARROW);
    assert_eq!(town.settled(run), StepState::Succeeded, "{}", town.why(run));
    assert_eq!(town.file(), NARROW);
    assert!(!town.reads("open"), "the running node decides by it");
    let digest = |gate: &runner::gate::Gate| Digest(gate.policy().digest());
    assert_eq!(digest(&town.node.merging().gate), amendment.policy, "merges are decided by it too");
    let about = std::fs::metadata(town.project.layout.policy()).unwrap();
    assert_eq!(about.mode() & 0o777, 0o640);
    // The change and its outcome are one commit, after the intent, after the text.
    let kinds = town.kinds();
    let at = |kind: &str| kinds.iter().rposition(|found| found == kind).unwrap();
    let changed = at(record::POLICY_CHANGED_KIND);
    assert_eq!(kinds[changed + 1], "step.finished");
    assert!(at(projection::PROPOSED_KIND) < changed);
    let view = town.history().run(run).unwrap().view;
    let decision = &view.steps[0].grant.as_ref().unwrap().decision;
    assert_eq!(
        (&decision["verdict"], &decision["confirmed_by"]),
        (&json!("require_review"), &json!("user:tester"))
    );
    assert!(matches!(town.amend(NARROW, None), Err(AmendError::Same)));
}

#[test]
fn without_a_confirmation_somebody_else_has_to_look() {
    let town = Town::new(POLICY);
    let run = town.amend(NARROW, None).unwrap();
    assert_eq!(town.settled(run), StepState::AwaitingApproval);
    assert!(town.reads("open") && town.file() == POLICY);
    town.rule(town.request(), "agent:looker").unwrap();
    assert_eq!(town.settled(run), StepState::Succeeded, "{}", town.why(run));
    assert!(!town.reads("open"));
}

#[test]
fn what_allows_more_needs_a_second_person() {
    let town = Town::new(POLICY);
    assert!(!town.reads("secret/key"));
    let run = town.yes(&wide());
    assert_eq!(town.settled(run), StepState::AwaitingApproval, "their own word is not enough");
    let request = town.request();
    let told = town.history().approval(&request.to_string(), Micros(0)).unwrap();
    let lines = told.request.subject.arguments["lines"].to_string();
    assert!(lines.contains("WIDENING deny → allow: fs.read"), "{lines}");
    for (by, why) in [("user:tester", "their own call"), ("agent:looker", "the role of an agent")] {
        let refused = town.rule(request, by).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    assert!(!town.reads("secret/key") && town.file() == POLICY);
    town.rule(request, "user:other").unwrap();
    assert_eq!(town.settled(run), StepState::Succeeded, "{}", town.why(run));
    assert!(town.reads("secret/key") && town.file() == wide());
    let history = town.history();
    let records = history.reader().by_log(history.log(), 0, 500).unwrap();
    let changed = records.iter().find(|record| record.header.kind == record::POLICY_CHANGED_KIND);
    let changed: serde_json::Value = serde_json::from_slice(&changed.unwrap().payload).unwrap();
    assert_eq!(
        (&changed["by"], &changed["approved_by"], &changed["confirmed_by"]),
        (&json!("user:tester"), &json!(["user:other"]), &json!(null))
    );
}

#[test]
fn what_allows_more_of_what_nobody_has_called_yet_needs_a_second_person_too() {
    let town = Town::new(POLICY);
    let (amendment, _) = town.weighed(&wide()).unwrap();
    assert_eq!((amendment.recorded.compared, amendment.widens()), (0, true));
    let run = town.yes(&wide());
    assert_eq!(town.settled(run), StepState::AwaitingApproval);
}

#[test]
fn an_agent_changes_nothing_by_itself_and_its_starter_only_narrows() {
    for (text, starter_may) in [(NARROW.to_owned(), true), (wide(), false)] {
        let town = Town::new(POLICY);
        let (amendment, file) = town.weighed(&text).unwrap();
        let confirmation = Some(Confirmation::Yes);
        let agent = Some("agent:planner".to_owned());
        let run = town.ask(Amend { file, shown: amendment.shown(), confirmation, agent }).unwrap();
        assert_eq!(town.settled(run), StepState::AwaitingApproval);
        let request = town.request();
        assert!(town.rule(request, "agent:planner").is_err());
        assert_eq!(town.rule(request, "user:tester").is_ok(), starter_may);
        if !starter_may {
            town.rule(request, "user:other").unwrap();
        }
        assert_eq!(town.settled(run), StepState::Succeeded, "{}", town.why(run));
    }
}

#[test]
fn a_bad_policy_never_replaces_a_good_one() {
    let town = Town::new(POLICY);
    let failing = format!(
        "{NARROW}tests:\n  - {{ name: reads, call: {{ tool: fs.read, principal: a, args: {{ path: a }} }}, expect: {{ decision: allow }} }}\n"
    );
    assert!(matches!(town.amend("rules: [", None), Err(AmendError::Policy(_))));
    assert!(
        matches!(town.amend(&failing, None), Err(AmendError::Tests(failed)) if failed.len() == 1)
    );
    let (amendment, file) = town.weighed(NARROW).unwrap();
    let shown = amendment.shown();
    let wanted =
        Amend { file: file.clone(), shown, confirmation: Some(Confirmation::Yes), agent: None };
    // The file is another one when it is read again, and then the policy in force is.
    std::fs::write(&file, wide()).unwrap();
    assert!(matches!(town.ask(wanted.clone()), Err(AmendError::Moved)));
    std::fs::write(&file, "rules: [").unwrap();
    assert!(matches!(town.ask(wanted.clone()), Err(AmendError::Policy(_))));
    assert_eq!((town.runs(), town.file().as_str()), (0, POLICY));
    std::fs::write(&file, NARROW).unwrap();
    let run = town.ask(wanted).unwrap();
    assert_eq!(town.settled(run), StepState::Succeeded, "the control");
}

#[test]
fn many_broken_calls_need_a_typed_phrase() {
    let town = Town::new(POLICY);
    for place in 0..6 {
        std::fs::write(town.project.path().join(place.to_string()), "x").unwrap();
    }
    for (count, phrase) in [(5, None), (6, Some("break 6 calls".to_owned()))] {
        (0..count).for_each(|place| assert!(town.reads(&place.to_string())));
        let (amendment, _) = town.weighed(NARROW).unwrap();
        assert_eq!((amendment.breaking(), amendment.phrase()), (count, phrase));
    }
    for wrong in [None, Some(Confirmation::Yes), Some(Confirmation::Phrase("break 5 calls".into()))]
    {
        assert!(matches!(town.amend(NARROW, wrong), Err(AmendError::Phrase { count: 6, .. })));
    }
    let run = town.amend(NARROW, Some(Confirmation::Phrase("break 6 calls".into()))).unwrap();
    assert_eq!(town.settled(run), StepState::Succeeded, "{}", town.why(run));
}

#[test]
fn a_change_that_waits_is_worth_nothing_once_another_was_made() {
    let town = Town::new(POLICY);
    let waiting = town.yes(&wide());
    assert_eq!(town.settled(waiting), StepState::AwaitingApproval);
    let request = town.request();
    let made = town.yes(NARROW);
    assert_eq!(town.settled(made), StepState::Succeeded, "{}", town.why(made));
    town.rule(request, "user:other").unwrap();
    assert_eq!(town.settled(waiting), StepState::Denied);
    assert!(town.why(waiting).contains("policy in force: it would replace policy"));
    assert_eq!(town.file(), NARROW);
}

#[test]
fn what_waits_for_an_approval_is_asked_about_again_under_the_new_policy() {
    let town = Town::new(POLICY);
    let text = "version: 1\nname: t\nsteps:\n  - { name: a, run: [rm, \"-f\", none] }\n";
    let run = town.node.submit(submission(text, None), None).unwrap().run;
    assert_eq!(town.settled(run), StepState::AwaitingApproval);
    let request = town.request();
    let made = town.yes(NARROW);
    assert_eq!(town.settled(made), StepState::Succeeded, "{}", town.why(made));
    town.rule(request, "user:other").unwrap();
    assert_eq!(town.settled(run), StepState::AwaitingApproval, "the answer was to another policy");
    assert_ne!(town.request(), request);
    assert!(town.kinds().contains(&"approval.stale".to_owned()));
    town.rule(town.request(), "user:other").unwrap();
    assert_eq!(town.settled(run), StepState::Succeeded, "{}", town.why(run));
}

#[test]
fn a_policy_may_forbid_its_change_or_ask_for_more_and_never_for_less() {
    let rule = |rule: &str| {
        format!("{POLICY}  - {{ name: own, match: {{ tool: policy.update }}, {rule} }}\n")
    };
    for (own, state, approvers) in [
        ("action: allow", StepState::Succeeded, &[][..]),
        ("action: deny", StepState::Denied, &[]),
        ("action: require_review", StepState::AwaitingApproval, &["user:other"]),
        (
            "action: require_review, approve: { count: 2 }",
            StepState::AwaitingApproval,
            &["user:other", "user:third"],
        ),
    ] {
        let town = Town::new(&rule(own));
        // The same rule stays, so that nothing widens.
        let next = rule(own)
            .replace("  - { name: run, match: { tool: [\"exec.*\"] }, action: allow }\n", "");
        let run = town.yes(&next);
        assert_eq!(town.settled(run), state, "{own}: {}", town.why(run));
        for by in approvers {
            assert_eq!(town.settled(run), StepState::AwaitingApproval);
            town.rule(town.request(), by).unwrap();
        }
        let changed = state == StepState::Succeeded || !approvers.is_empty();
        if changed {
            assert_eq!(town.settled(run), StepState::Succeeded, "{own}: {}", town.why(run));
        }
        assert_eq!(town.file() == next, changed, "{own}");
    }
}

#[test]
fn no_step_and_no_plain_call_changes_the_policy() {
    let text = "version: 1\nname: call.policy.update\nsteps:\n  - { name: call, tool: policy.update, with: { confirmed: \"yes\" } }\n";
    let source = Source { name: "t.yaml".to_owned(), text: text.to_owned() };
    let found = workflow::load(&source).unwrap_err();
    assert!(found[0].message.contains("step `call` calls `policy.update`, which no step can"));
    let town = Town::new(POLICY);
    let mut wanted =
        submission("version: 1\nname: t\nsteps:\n  - { name: a, run: [\"true\"] }\n", None);
    assert!(town.node.submit(wanted.clone(), None).is_ok(), "the control");
    wanted.workflow = Arc::new(workflow::again(&source).unwrap().workflow);
    let refused = town.node.submit(wanted, None);
    assert!(matches!(refused, Err(Unanswered::Refused(Refusing::Deed(_)))), "{refused:?}");
    let call = Call { tool: "policy.update".to_owned(), args: serde_json::Map::new() };
    let refused = Direct::place(town.node.desk(), &user(), &call).unwrap_err().to_string();
    assert!(refused.contains("`palisade policy apply` does"), "{refused}");
}

/// A ticket for calls of a tool under the project's own key, as no command makes one for a deed.
fn forged(town: &Town, tool: &str, nonce: u64) -> Ticket {
    let keys = keys::read_or_make(&town.project.layout, Scheme::Secret).unwrap();
    let (log, now) = (town.history().log().clone(), u64::try_from(runner::now().0).unwrap());
    let claims = Claims {
        id: Id([u8::try_from(nonce).unwrap(); 16]),
        tenant: log.tenant(),
        project: None,
        principal: "user:tester",
        peer: None,
        audience: Audience::Tools(vec![tool]),
        arguments: None,
        paths: None,
        hosts: None,
        scopes: Vec::new(),
        profile: None,
        policy: None,
        not_before: Time(now),
        expires: Time(now).after(PATIENCE),
        uses: 1,
        nonce,
        epoch: 0,
    };
    ticket::mint(claims, &keys.signer(Scheme::Secret).unwrap()).unwrap()
}

#[test]
fn no_ticket_takes_the_place_of_what_a_policy_says_of_its_change() {
    let never = "  - { name: never, match: { tool: policy.update }, action: deny }\n";
    let town = Town::new(&format!("{POLICY}{never}"));
    let run = town.yes(&format!("{NARROW}{never}"));
    assert_eq!(town.settled(run), StepState::Denied);
    drop(town.node.retry(run, None, vec![forged(&town, "policy.update", 1)]));
    assert_eq!(town.settled(run), StepState::Denied);
    // Control: under the same key a call that no rule allows is done.
    let args = json!({ "path": "secret/key" }).as_object().cloned().unwrap();
    let call = Call { tool: "fs.read".to_owned(), args };
    assert!(!town.reads("secret/key"));
    let tickets = vec![forged(&town, "fs.read", 2)];
    let mut direct = Direct::place_with(town.node.desk(), &user(), &call, tickets).unwrap();
    assert!(!direct.wait(PATIENCE, &|| false));
    let told = direct.told(town.node.desk()).unwrap();
    assert_eq!(told.state, StepState::Succeeded, "{told:?}");
}

#[test]
fn of_changes_at_once_one_is_made() {
    let town = Town::new(POLICY);
    let shown = |name: &str| {
        let text = NARROW.replace("name: narrow", &format!("name: {name}"));
        let file = town.project.path().join(format!("{name}.yaml"));
        std::fs::write(&file, &text).unwrap();
        let after = policy::load(Some(&file)).unwrap();
        let amendment = Amendment::weigh(&town.project.in_force().policy, &after, Vec::new());
        let shown = amendment.unwrap().shown();
        (Amend { file, shown, confirmation: Some(Confirmation::Yes), agent: None }, text)
    };
    let all: Vec<_> = (0..8).map(|number| shown(&format!("n{number}"))).collect();
    let desk = town.node.desk();
    let runs: Vec<Option<RunId>> = std::thread::scope(|scope| {
        let ask = |wanted| scope.spawn(move || desk.amend(&user(), wanted, None));
        let asked: Vec<_> = all.iter().map(|(wanted, _)| ask(wanted)).collect();
        asked.into_iter().map(|one| one.join().unwrap().ok().map(|one| one.run)).collect()
    });
    let made =
        |run: &Option<RunId>| run.is_some_and(|run| town.settled(run) == StepState::Succeeded);
    let texts: Vec<&String> =
        runs.iter().zip(&all).filter(|(run, _)| made(run)).map(|(_, (_, text))| text).collect();
    assert_eq!(texts, [&town.file()]);
    let changes = town.kinds().iter().filter(|kind| *kind == record::POLICY_CHANGED_KIND).count();
    assert_eq!(changes, 1);
}

#[test]
fn a_run_that_only_has_the_name_of_a_change_is_none() {
    let project = Project::new();
    let town = Town { node: project.node(Doing::Nothing, Adopt::Nothing), project };
    let text = "version: 1\nname: call.policy.update\nsteps:\n  - { name: call, run: [rm, x], idempotent: false }\n";
    let run = town.node.submit(submission(text, None), None).unwrap().run;
    assert_eq!(town.settled(run), StepState::AwaitingApproval);
    let Town { project, node } = town;
    node.stop().unwrap();
    begin(&project, run);
    // It is nobody's business what the policy file holds, and the run is nobody's that did not ask for it.
    for adopt in [Adopt::Nothing, Adopt::Runs(vec![run])] {
        let taken = adopt != Adopt::Nothing;
        let node = project.node(Doing::Nothing, adopt);
        assert!(node.in_doubt().is_empty());
        node.stop().unwrap();
        let view = History::open(&project.layout).unwrap().run(run).unwrap().view;
        assert_eq!(view.steps[0].state == StepState::Unknown, taken, "{:?}", view.steps[0].state);
    }
}

#[test]
fn what_cannot_be_written_leaves_the_old_policy_in_force() {
    let town = Town::new(POLICY);
    assert!(town.reads("open"));
    // What nobody can take away stands where the new file would be written.
    let beside = town.project.layout.state().join(".policy.yaml.new");
    std::fs::create_dir(&beside).unwrap();
    let run = town.yes(NARROW);
    assert_eq!(town.settled(run), StepState::Failed);
    assert!(town.why(run).contains("cannot be written"), "{}", town.why(run));
    assert!(town.file() == POLICY && town.reads("open"));
    // A file that was left by a change that was interrupted is in nobody's way.
    std::fs::remove_dir(&beside).unwrap();
    std::fs::write(&beside, "left").unwrap();
    let run = town.yes(NARROW);
    assert_eq!(town.settled(run), StepState::Succeeded, "{}", town.why(run));
    assert!(!beside.exists());
}

#[test]
fn a_file_that_was_changed_by_hand_is_not_overwritten() {
    let town = Town::new(POLICY);
    let run = town.yes(&wide());
    assert_eq!(town.settled(run), StepState::AwaitingApproval);
    let by_hand = format!("{POLICY}# by hand\n");
    std::fs::write(town.project.layout.policy(), &by_hand).unwrap();
    town.rule(town.request(), "user:other").unwrap();
    assert_eq!(town.settled(run), StepState::Failed);
    assert!(town.why(run).contains("does not hold the policy any more"), "{}", town.why(run));
    assert_eq!(town.file(), by_hand);
    let (amendment, file) = town.weighed(NARROW).unwrap();
    let wanted = Amend { file, shown: amendment.shown(), confirmation: None, agent: None };
    assert!(matches!(town.ask(wanted), Err(AmendError::ByHand(_))));
}

/// Leaves a change that somebody approved and that had begun when its node was killed.
fn killed() -> (Project, RunId) {
    let town = Town::new(POLICY);
    let run = town.yes(&wide());
    assert_eq!(town.settled(run), StepState::AwaitingApproval);
    let Town { project, node } = town;
    node.stop().unwrap();
    begin(&project, run);
    (project, run)
}

/// Approves what a run waits for, as an owner that is killed when its step has begun.
fn begin(project: &Project, run: RunId) {
    let history = History::open(&project.layout).unwrap();
    let approval = history.approvals(false, Micros(0)).unwrap()[0].request.id;
    let recorded = history.recorded(run).unwrap();
    let options = journal::Options::new(project.layout.journal(), projection::VIEWS);
    let journal = Journal::open(options).unwrap();
    let mut owner = Owner::new(Arc::new(project.gate()), 4, Doing::Really);
    owner.adopt(&recorded.document, user(), &recorded.events).unwrap();
    let mut turn = Turn::new(Moment { now: runner::now(), entropy: 1 });
    owner.recover(u32::try_from(journal.epoch()).unwrap(), &mut turn).unwrap();
    let by = Principal::recorded("user:other");
    let ruled = Ruled { approval, ruling: Ruling::Approve, by, reason: String::new() };
    owner.ask(Asking::Rule(ruled), &mut turn).unwrap();
    let (operation, effects) = turn.split(&LogId::default());
    drop(journal.commit(operation.unwrap()).unwrap());
    journal.close().unwrap();
    let begun = effects.iter().filter(|effect| matches!(effect, Effect::Begin(_))).count();
    assert_eq!(begun, 1, "it had begun");
}

#[test]
fn a_change_that_was_interrupted_is_settled_by_what_is_on_disk() {
    let other = format!("{POLICY}# by hand\n");
    for (on_disk, state, changed) in [
        (wide(), RunState::Succeeded, 1),
        (POLICY.to_owned(), RunState::Failed, 0),
        (other, RunState::Waiting, 0),
    ] {
        let (project, run) = killed();
        std::fs::write(project.layout.policy(), &on_disk).unwrap();
        // Whoever starts next settles it, whatever they came for.
        let node = project.node(Doing::Really, Adopt::Nothing);
        let told_of = if state == RunState::Waiting { vec![run] } else { Vec::new() };
        assert_eq!(node.in_doubt(), told_of);
        node.stop().unwrap();
        let history = History::open(&project.layout).unwrap();
        let told = history.run(run).unwrap();
        assert_eq!(told.view.summary.state, state);
        let records = history.reader().by_log(history.log(), 0, 500).unwrap();
        let changes: Vec<serde_json::Value> = records
            .iter()
            .filter(|record| record.header.kind == record::POLICY_CHANGED_KIND)
            .map(|record| serde_json::from_slice(&record.payload).unwrap())
            .collect();
        assert_eq!(changes.len(), changed);
        assert!(changes.iter().all(|change| change["approved_by"] == json!(["user:other"])));
        let started = told.recorded.events.iter();
        let started =
            started.filter(|event| matches!(event.fact, Fact::StepStarted { .. })).count();
        assert_eq!(started, 1, "it is not done again by itself");
        assert_eq!(std::fs::read_to_string(project.layout.policy()).unwrap(), on_disk);
    }
}

#[test]
fn an_account_with_the_role_of_an_agent_is_no_second_person() {
    let town = Town::new(POLICY);
    let run = town.yes(&wide());
    assert_eq!(town.settled(run), StepState::AwaitingApproval);
    let bot =
        Principal { id: "user:bot".to_owned(), roles: vec!["agent".to_owned()], tags: Vec::new() };
    let (approval, ruling, reason) = (town.request(), Ruling::Approve, String::new());
    let refused = town.node.desk().rule(Ruled { approval, ruling, by: bot, reason }).unwrap_err();
    assert!(refused.to_string().contains("the role of an agent"), "{refused}");
    town.rule(approval, "user:other").unwrap();
    assert_eq!(town.settled(run), StepState::Succeeded, "{}", town.why(run));
}

#[test]
fn what_no_made_up_call_shows_still_needs_a_second_person() {
    // Only the first way through the braces is tried, so no call shows what else it allows.
    let town = Town::new(&POLICY.replace(
        "except: [ { path_glob: [\"secret/**\"] } ]",
        "except: [ { path_glob: [\"{a,secret}/**\"] } ]",
    ));
    let next = POLICY.replace("secret/**", "{a,b}/**");
    let run = town.yes(&next);
    assert_eq!(town.settled(run), StepState::AwaitingApproval);
}
