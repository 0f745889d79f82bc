//! Tickets as people and scripts use them: made, narrowed, handed in with a run, spent, revoked.
//! The check itself is tested in the crate `ticket`; here it is that every way in and out goes through it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Project, Ran, Running, set_mode, state, workflow};

/// Tickets may be made; reading `notes` takes one, and no rule allows reading `docs`.
const POLICY: &str = "\
version: 1
name: test
rules:
  - { name: tickets, match: { tool: [\"ticket.*\"], role: operator }, action: allow }
  - { name: notes, match: { tool: fs.read, path_glob: [\"notes/**\"] }, action: allow, constraints: { require_ticket: true } }
  - { name: echo, match: { tool: exec.run, args: { program: echo } }, action: allow }
";

fn project() -> Project {
    let project = Project::bare();
    project.file(".palisade/policy.yaml", POLICY);
    for name in ["docs/a.md", "docs/b.md", "notes/n.md"] {
        project.file(name, "text");
    }
    project
}

fn reads(path: &str) -> String {
    workflow(&format!("  - {{ name: a, tool: fs.read, with: {{ path: \"{path}\" }} }}\n"))
}

/// Makes a ticket; its text.
#[track_caller]
fn minted(project: &Project, more: &str) -> String {
    let words: Vec<&str> =
        "ticket mint --tool fs.read".split(' ').chain(more.split_whitespace()).collect();
    let text = project.palisade(&words).exits(0).stdout;
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim().to_owned()
}

/// Runs one read with a ticket in the environment; why it was stopped, where it was.
#[track_caller]
fn read_with(project: &Project, ticket: &str, path: &str) -> (i32, Value) {
    project.file("read.yaml", reads(path));
    let mut command = project.command(&["run", "read.yaml"]);
    let ran = crate::support::run(command.env("PALISADE_TICKET", ticket));
    assert!(!ran.all().contains(ticket), "{ran:?}");
    let step = project.latest()["steps"][0].clone();
    (ran.code, step)
}

fn handing(project: &Project, words: &[&str], ticket: &str) -> Ran {
    crate::support::run(project.command(words).env("PALISADE_TICKET", ticket))
}

#[test]
fn case_08_a_ticket_takes_the_place_of_rules() {
    let project = project();
    let ticket = minted(&project, "--path docs");
    project.file("read.yaml", reads("docs/a.md"));
    project.palisade(&["run", "read.yaml"]).exits(10);
    assert_eq!(read_with(&project, &ticket, "docs/a.md").0, 0);
    // Its one use is gone, and a new process knows that.
    let (code, step) = read_with(&project, &ticket, "docs/a.md");
    assert_eq!((code, step["state"].as_str()), (10, Some("denied")), "{step}");
    project.verifies();
}

#[test]
fn case_07_a_ticket_does_not_overrule_a_built_in_rule_and_keeps_its_use() {
    let project = project();
    project.file("docs/.env", "SECRET=1");
    project.file("docs/id_rsa", "key");
    let ticket = minted(&project, "--path docs");
    let (code, step) = read_with(&project, &ticket, "docs/id_rsa");
    assert_eq!(code, 10);
    assert!(step.to_string().contains("builtin:keys"), "{step}");
    assert_eq!(read_with(&project, &ticket, "docs/a.md").0, 0, "the use is still there");
}

#[test]
fn a_ticketed_call_that_a_built_in_rule_sends_to_review_takes_the_use_when_it_begins() {
    let project = project();
    let watched = project.outside().join("palisade.yaml");
    fs::write(&watched, "engine: { slots: 1 }\n").unwrap();
    let mount = format!("{{ source: {}, target: /mnt/p, readonly: false }}", watched.display());
    let step = format!("  - {{ name: a, run: [cat, /mnt/p], mounts: [{mount}] }}\n");
    project.file("watched.yaml", workflow(&step));
    let words = ["ticket", "mint", "--tool", "exec.run", "--principal", "agent:x", "--life", "1h"];
    let ticket = project.palisade(&words).exits(0).stdout.trim().to_owned();
    let run = ["run", "watched.yaml", "--as", "agent:x"];
    let approved = || {
        let mut running = Running::start(project.command(&run).env("PALISADE_TICKET", &ticket));
        running.until("needs approval apr_");
        let open = project.palisade(&["approval", "list", "--json"]).json();
        let id = open[0]["request"]["id"].as_str().unwrap().to_owned();
        project.palisade(&["approval", "approve", &id]).exits(0);
        running.end().exits(0);
        project.palisade(&["audit", "export"]).exits(0).stdout
    };
    let records = approved();
    assert_eq!(records.matches("\"ticket.redeemed\"").count(), 1, "{records}");
    assert_eq!(records.matches("ticket_refused").count(), 0, "{records}");
    // Its one use is gone, so the same call rests on the review alone.
    let records = approved();
    assert_eq!(records.matches("\"ticket.redeemed\"").count(), 1, "{records}");
    assert_ne!(records.matches("ticket_refused").count(), 0, "{records}");
}

#[test]
fn case_09_an_expired_or_foreign_ticket_leaves_the_call_to_the_rules() {
    let project = project();
    project.file("echo.yaml", workflow("  - { name: a, run: [echo, hello] }\n"));
    let expired = minted(&project, "--life 1ms");
    let foreign = minted(&project, "--principal user:somebody-else");
    let other = minted(&project, "--path notes");
    for ticket in [&expired, &foreign, &other] {
        assert_eq!(read_with(&project, ticket, "docs/a.md").0, 10);
        handing(&project, &["run", "echo.yaml"], ticket).exits(0);
    }
    let records = project.palisade(&["audit", "export"]).exits(0).stdout;
    assert!(!records.contains("ticket.redeemed"), "nothing was used up");
    assert!(records.contains("ticket_refused"), "and why is on record");
}

#[test]
fn case_21_of_ten_steps_at_once_exactly_one_has_the_use() {
    let project = project();
    let steps: String = (0..10)
        .map(|n| format!("  - {{ name: s{n}, tool: fs.read, with: {{ path: docs/a.md }} }}\n"))
        .collect();
    project.file("ten.yaml", workflow(&steps));
    let ticket = minted(&project, "--path docs");
    handing(&project, &["run", "ten.yaml", "--slots", "10"], &ticket).exits(10);
    let latest = project.latest();
    let done = (0..10).filter(|n| state(&latest, &format!("s{n}")) == "succeeded").count();
    assert_eq!(done, 1, "{latest}");
    let records = project.palisade(&["audit", "export"]).exits(0).stdout;
    assert_eq!(records.matches("\"kind\":\"ticket.redeemed\"").count(), 1);
}

/// The same ticket for one sandbox alone, as no command makes one.
fn for_box(ticket: &str) -> String {
    let ticket = runner::tickets::Ticket::parse(ticket).unwrap();
    let narrowing = runner::tickets::Narrowing { peer: Some("box-1"), ..Default::default() };
    runner::tickets::attenuate(&ticket, narrowing).unwrap().text().to_owned()
}

#[test]
fn case_23_a_ticket_of_another_sandbox_or_process_is_not_valid() {
    let project = project();
    let ticket = minted(&project, "--path docs");
    let bound = for_box(&ticket);
    assert_eq!(read_with(&project, &bound, "docs/a.md").0, 10);
    handing(&project, &["ticket", "verify"], &bound).exits(6).says(
        "bound to another sandbox",
        "",
        "mint a ticket",
    );
    // Whom nobody would believe nobody can be promised to.
    let words = ["ticket", "mint", "--tool", "fs.read", "--peer", "box-1"];
    project.palisade(&words).exits(2);
    // Control.
    handing(&project, &["ticket", "verify"], &ticket).exits(0);
    assert_eq!(read_with(&project, &ticket, "docs/a.md").0, 0);
}

#[test]
fn a_ticket_that_no_call_could_use_is_not_made() {
    let project = project();
    project.file("acts.yaml", ACTS);
    let mint = |words: &str, code: i32, why: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        let ran = project.palisade(&[&["ticket", "mint"], words.as_slice()].concat()).exits(code);
        assert!(ran.stderr.contains(why), "{words:?}: {ran:?}");
    };
    let owner = |words: &str, why: &str| mint(words, 2, why);
    for _ in 0..2 {
        owner("--tool nope.x", "there is no tool `nope.x`");
        owner("--tool fs.raed", "did you mean `fs.read`?");
        owner("--tool fs.*", "there is no tool `fs.*`");
        owner("--tool fs.read --tool ticket.mint", "which takes no ticket");
        owner("--tool policy.update", "which takes no ticket");
        owner("--tool exec.run --path docs", "sees the whole project");
        owner("--tool fs.read --scope ops:*", "`ops:*` is no scope");
        owner("--action ops.apply --scope ops:*", "`ops:*` is no scope");
        owner("--action ops.apply --path docs", "names no paths");
        owner("--tool fs.read --tool fs.list --arg path=docs", "there is not one");
        owner("--tool fs.read --path docs --arg path=docs/a.md", "say which paths");
        owner("--tool fs.read --arg pth=docs/a.md", "$.pth: is not a known field");
        owner("--tool fs.read --arg path=../x", "leaves the project root");
        // Before policy is asked, which would say that a built-in rule denies it.
        owner("--tool fs.read --path ../x", "relative to the project");
        owner("--tool fs.read --path .palisade/../x", "relative to the project");
        // Controls, of which the last asks policy.
        mint("--tool fs.read --tool exec.run", 0, "");
        mint("--action ops.apply --scope ops:write", 0, "");
        mint("--tool fs.read --path .palisade", 6, "builtin:policy-files");
    }
    let serving = serving(&project);
    owner("--tool nope.x", "there is no tool `nope.x`");
    owner("--tool fs.read --path ../x", "relative to the project");
    mint("--tool fs.read --path .palisade", 6, "leave away what the built-in rule is about");
    mint("--tool fs.read", 0, "");
    serving.signal("INT");
    serving.end().exits(0);
}

#[test]
fn a_ticket_for_exact_arguments_covers_that_call_and_no_other() {
    let project = project();
    let check = || {
        let argv = "argv=[\"cat\",\"docs/a.md\"]";
        let words = ["ticket", "mint", "--life", "1h", "--tool", "exec.run", "-a", argv];
        let made = project.palisade(&words).exits(0);
        assert!(made.stderr.contains("with exactly these arguments"), "{made:?}");
        let ticket = made.stdout.trim().to_owned();
        let call = |words: &[&str]| {
            handing(&project, &[&["tool", "call", "exec.run"], words].concat(), &ticket)
        };
        for other in [
            &["-a", "argv=[\"cat\",\"docs/b.md\"]"] as &[&str],
            &["-a", argv, "-a", "stdin=x"],
            &["-a", argv, "-a", "env={\"A\":\"b\"}"],
            &["-a", argv, "-a", "profile=strict"],
            &["-a", argv, "-a", "profile=strict-net", "-a", "hosts=[\"example.org:443\"]"],
        ] {
            let ran = call(other).exits(6);
            assert!(ran.stderr.contains("bound to other arguments"), "{ran:?}");
        }
        assert_eq!(call(&["-a", argv]).exits(0).stdout, "text");
        call(&["-a", argv]).exits(6);
        // However they are written, they are the same.
        let words =
            ["ticket", "mint", "--tool", "fs.read", "--args", r#"{"path":"docs/./x/../a.md"}"#];
        let ticket = project.palisade(&words).exits(0).stdout.trim().to_owned();
        assert_eq!(read_with(&project, &ticket, "docs/b.md").0, 10);
        ticket
    };
    let ticket = check();
    assert_eq!(read_with(&project, &ticket, "docs/a.md").0, 0);
    // A step is the same call as a direct one.
    let owner = serving(&project);
    let argv = "argv=[\"cat\",\"docs/a.md\"]";
    let words = ["ticket", "mint", "--life", "1h", "--tool", "exec.run", "-a", argv];
    let ticket = project.palisade(&words).exits(0).stdout.trim().to_owned();
    handing(&project, &["tool", "call", "exec.run", "-a", argv], &ticket).exits(0);
    owner.signal("INT");
    owner.end().exits(0);
    let written = records(&project);
    assert!(written.contains(r#"\"program\":\"cat\""#) || written.contains(r#""program":"cat""#));
    project.verifies();
}

#[test]
fn a_rule_about_making_tickets_sees_the_one_call_a_ticket_is_for() {
    let project = project();
    let rules = "\
version: 1
name: test
rules:
  - { name: cats, match: { tool: ticket.mint, args: { \"call.program\": cat } }, action: allow }
  - { name: docs, match: { tool: ticket.mint, path_glob: [\"docs/**\"] }, action: allow }
";
    project.file(".palisade/policy.yaml", rules);
    let mint = |words: &[&str], code: i32| {
        project.palisade(&[&["ticket", "mint", "--tool"], words].concat()).exits(code)
    };
    mint(&["exec.run", "-a", "argv=[\"cat\"]"], 0);
    mint(&["exec.run", "-a", "argv=[\"rm\"]"], 6);
    mint(&["exec.run"], 6);
    mint(&["fs.read", "-a", "path=docs/a.md"], 0);
    mint(&["fs.read", "-a", "path=notes/n.md"], 6);
    mint(&["fs.read", "-a", "path=id_rsa"], 6).says("builtin:keys", "", "built-in rule");
}

#[test]
fn why_a_ticket_did_not_count_is_told_where_the_call_was_stopped() {
    let project = project();
    let ticket = minted(&project, "--path docs");
    assert_eq!(read_with(&project, &ticket, "docs/a.md").0, 0);
    let foreign = minted(&project, "--principal user:somebody-else");
    let narrow = minted(&project, "--path docs/b.md");
    for (ticket, path, why) in [
        (&ticket, "docs/a.md", "; ticket: the ticket has no uses left"),
        (&foreign, "docs/a.md", "; ticket: the ticket is bound to another principal"),
        (&narrow, "docs/a.md", "; ticket: the ticket is bound to other paths"),
        // A rule that requires one, and one that denies whatever is handed in.
        (&narrow, "notes/n.md", "required by `notes`; ticket: the ticket is bound to other paths"),
    ] {
        project.file("read.yaml", reads(path));
        let ran = handing(&project, &["run", "read.yaml"], ticket).exits(10);
        assert!(ran.all().contains(why), "{why}: {ran:?}");
        for shown in [["runs", "show"], ["runs", "explain"]] {
            let ran = project.palisade(&shown).exits(0);
            assert!(ran.all().contains(why), "{shown:?}: {ran:?}");
        }
    }
    let last = |text: &str| {
        let calls = ["audit", "search", "--type", "call.decided", "--json"];
        let all = project.palisade(&calls).exits(0).stdout;
        let found = all.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{all}"));
        let record: Value = serde_json::from_str(found).unwrap();
        let sequence = record["sequence"].to_string();
        project.palisade(&["policy", "explain", "--record", &sequence]).stdout
    };
    let told = last("ticket_refused");
    assert!(told.contains("  ticket: refused: the ticket is bound to"), "{told}");
    assert!(!told.contains("what a valid ticket would give"), "{told}");
    // Controls: nothing is said where none was handed in, and which one it was where one decided.
    project.palisade(&["run", "read.yaml"]).exits(10);
    let shown = project.palisade(&["runs", "show"]).exits(0);
    assert!(!shown.all().contains("ticket:"), "{shown:?}");
    let told = last("\"verdict\":\"allow\"");
    assert!(told.contains("took the place of the rules"), "{told}");
}

#[test]
fn what_voids_every_ticket_or_a_secret_needs_a_yes() {
    let project = project();
    let ticket = minted(&project, "--path docs --life 1h --uses 9");
    let lines: [&[&str]; 4] = [
        &["ticket", "revoke", "--all"],
        &["ticket", "rotate", "--retire"],
        &["ticket", "rotate", "--retire", "--signed"],
        &["secret", "rm", "db"],
    ];
    for words in lines {
        project.palisade(words).exits(2).says("not confirmed", "no terminal", "add `--yes`");
    }
    handing(&project, &["ticket", "verify"], &ticket).exits(0);
    // Controls: what takes nothing away asks nothing, and a yes is one.
    project.palisade(&["ticket", "rotate"]).exits(0);
    handing(&project, &["ticket", "verify"], &ticket).exits(0);
    project.palisade(&["ticket", "revoke", "--all", "-y"]).exits(0);
    handing(&project, &["ticket", "verify"], &ticket).exits(6);
    project.palisade(&["secret", "rm", "db", "--yes"]).exits(6);
}

#[test]
fn a_ticket_is_revoked_by_a_unique_beginning_of_its_id() {
    let project = project();
    let tickets: Vec<String> = (0..17).map(|_| minted(&project, "--life 1h")).collect();
    let id = |ticket: &str| {
        let told = handing(&project, &["ticket", "inspect", "--json"], ticket).exits(0).json();
        told["id"].as_str().unwrap().to_owned()
    };
    let ids: Vec<String> = tickets.iter().map(|ticket| id(ticket)).collect();
    // Of seventeen two begin with the same digit.
    let shared = ids
        .iter()
        .map(|id| &id[..1])
        .find(|one| ids.iter().filter(|id| id.starts_with(one)).count() > 1);
    let revoke = |id: &str| project.palisade(&["ticket", "revoke", id]);
    revoke(shared.unwrap()).exits(2).says("the beginning of 2 ids or more", "", "more of the id");
    revoke(&"0".repeat(26)).exits(3).says("no ticket on record begins with", "", "inspect");
    revoke("B274").exits(2);
    for ticket in &tickets {
        handing(&project, &["ticket", "verify"], ticket).exits(0);
    }
    let told = revoke(&ids[0][..16]).exits(0);
    assert!(told.stderr.contains(&ids[0]), "the whole id is told: {told:?}");
    handing(&project, &["ticket", "verify"], &tickets[0]).exits(6);
    handing(&project, &["ticket", "verify"], &tickets[1]).exits(0);
    let owner = serving(&project);
    revoke(&ids[1][..16]).exits(0);
    handing(&project, &["ticket", "verify"], &tickets[1]).exits(6);
    handing(&project, &["ticket", "verify"], &tickets[2]).exits(0);
    owner.signal("INT");
    owner.end().exits(0);
}

#[test]
fn a_rule_that_requires_a_ticket_is_satisfied_by_one_that_is_handed_in_only() {
    let project = project();
    project.file("read.yaml", reads("notes/n.md"));
    let ran = project.palisade(&["run", "read.yaml"]).exits(10);
    assert!(ran.all().contains("notes"), "{ran:?}");
    let ticket = minted(&project, "--path notes");
    assert_eq!(read_with(&project, &ticket, "notes/n.md").0, 0);
}

#[test]
fn a_direct_call_takes_tickets_like_a_step_here_and_through_the_owner() {
    let project = project();
    let call = |path: &str, ticket: &str| {
        let path = format!("path={path}");
        let ran = handing(&project, &["tool", "call", "fs.read", "-a", &path], ticket);
        assert!(!ran.all().contains(ticket), "{ran:?}");
        ran
    };
    let check = || {
        // Control: without one there is a rule for the first, which wants one, and none for the other.
        for path in ["notes/n.md", "docs/a.md"] {
            let path = format!("path={path}");
            project.palisade(&["tool", "call", "fs.read", "-a", &path]).exits(6);
        }
        for (path, folder, other) in
            [("notes/n.md", "notes", "docs"), ("docs/a.md", "docs", "notes")]
        {
            let ticket = minted(&project, &format!("--path {folder} --life 1h"));
            call(path, &minted(&project, &format!("--path {other} --life 1h"))).exits(6);
            assert_eq!(call(path, &ticket).exits(0).stdout, "text");
            call(path, &ticket).exits(6);
        }
    };
    check();
    let owner = serving(&project);
    check();
    call("docs/a.md", "nonsense").exits(2).says("cannot be read", "", "whole text");
    owner.signal("INT");
    owner.end().exits(0);
    assert_eq!(records(&project).matches("\"kind\":\"ticket.redeemed\"").count(), 4);
    project.verifies();
}

#[test]
fn making_a_ticket_is_a_call_that_needs_a_rule_and_is_on_record() {
    let project = project();
    minted(&project, "--path docs --uses 3");
    let records = project.palisade(&["audit", "export"]).exits(0).stdout;
    assert!(records.contains("ticket.issued"));
    project.file(".palisade/policy.yaml", "version: 1\nname: none\nrules:\n  - { name: read, match: { tool: fs.read }, action: allow }\n");
    let denied = ["ticket", "mint", "--tool", "fs.read"];
    project.palisade(&denied).exits(6).says("stopped by", "", "allow `ticket.mint`");
    project.palisade(&["ticket", "revoke", "--all", "--yes"]).exits(6);
    // What to do about it is another thing where the rule that allows it asks for a ticket.
    project.file(".palisade/policy.yaml", "version: 1\nname: none\nrules:\n  - { name: made, match: { tool: ticket.mint }, action: allow, constraints: { require_ticket: true } }\n");
    project.palisade(&denied).exits(6).says(
        "no ticket, which is required by `made`",
        "",
        "no ticket is taken for this",
    );
    let records = project.palisade(&["audit", "export"]).exits(0).stdout;
    assert_eq!(records.matches("\"kind\":\"ticket.denied\"").count(), 3);
    project.verifies();
    project.palisade(&["journal", "rebuild"]).exits(0);
}

#[test]
fn revoking_one_ticket_or_all_of_them_is_final() {
    let project = project();
    let (one, other) = (minted(&project, "--path docs"), minted(&project, "--path docs --life 1h"));
    let id = |ticket: &str| {
        let told = handing(&project, &["ticket", "inspect", "--json"], ticket).exits(0).json();
        told["id"].as_str().unwrap().to_owned()
    };
    project.palisade(&["ticket", "revoke", &id(&one)]).exits(0);
    let verify = |ticket: &str| handing(&project, &["ticket", "verify"], ticket);
    verify(&one).exits(6).says("revoked", "", "mint a new ticket");
    verify(&other).exits(0);
    assert_eq!(read_with(&project, &one, "docs/a.md").0, 10);
    project.palisade(&["ticket", "revoke", "--all", "--yes"]).exits(0);
    verify(&other).exits(6).says("epoch", "", "were revoked");
    assert_eq!(read_with(&project, &other, "docs/a.md").0, 10);
    let new = minted(&project, "--path docs");
    project.palisade(&["journal", "rebuild"]).exits(0);
    verify(&other).exits(6);
    verify(&new).exits(0);
    project.palisade(&["ticket", "revoke", "nonsense"]).exits(2).says(
        "32 hexadecimal",
        "",
        "inspect",
    );
}

#[test]
fn a_narrowed_ticket_is_narrower_and_shares_its_uses() {
    let project = project();
    let ticket = minted(&project, "--path docs --uses 2 --life 1h");
    let narrow =
        |words: &[&str]| handing(&project, &[&["ticket", "attenuate"], words].concat(), &ticket);
    let child = narrow(&["--path", "docs/a.md", "--uses", "1"]).exits(0).stdout.trim().to_owned();
    assert_eq!(read_with(&project, &child, "docs/b.md").0, 10);
    assert_eq!(read_with(&project, &child, "docs/a.md").0, 0);
    assert_eq!(read_with(&project, &child, "docs/a.md").0, 10);
    assert_eq!(read_with(&project, &ticket, "docs/b.md").0, 0);
    assert_eq!(read_with(&project, &ticket, "docs/b.md").0, 10, "two uses in all");
    narrow(&["--path", "notes"]).exits(2).says(
        "within those before",
        "",
        "less than the ticket has",
    );
    narrow(&["--uses", "3"]).exits(2).says("no more uses", "", "");
    narrow(&["--life", "2h"]).exits(2).says("ends no later", "", "");
    narrow(&[]).exits(2).says("takes something away", "", "");
}

#[test]
fn secrets_are_rotated_and_retired() {
    let project = project();
    let before = minted(&project, "--life 1h");
    let verify = |ticket: &str| handing(&project, &["ticket", "verify"], ticket);
    project.palisade(&["ticket", "rotate"]).exits(0);
    let after = minted(&project, "--life 1h");
    verify(&before).exits(0);
    verify(&after).exits(0);
    project.palisade(&["ticket", "rotate", "--retire", "--yes"]).exits(0);
    verify(&before).exits(6).says("no accepted key", "", "still accepts");
    verify(&after).exits(6);
    verify(&minted(&project, "")).exits(0);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let project = project();
    minted(&project, "");
    let keys = project.path().join(".palisade/keys");
    let secret = keys.join("token-1.secret");
    assert_eq!(mode(&keys), 0o700);
    assert_eq!(mode(&secret), 0o600);
    let mint = || project.palisade(&["ticket", "mint", "--tool", "fs.read"]);
    for (path, open, closed) in
        [(&secret, 0o640, 0o600), (&secret, 0o604, 0o600), (&keys, 0o710, 0o700)]
    {
        set_mode(path, open);
        mint().exits(1).says("by others", "", "chmod");
        set_mode(path, closed);
    }
    let text = fs::read_to_string(&secret).unwrap();
    fs::write(&secret, "short").unwrap();
    mint().exits(1).says("holds no token secret", "", "remove the file");
    fs::write(&secret, &text[..60]).unwrap();
    mint().exits(1).says("at least 32 bytes", "", "");
    fs::write(&secret, &text).unwrap();
    mint().exits(0);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_text_of_a_ticket_and_a_secret_are_nowhere_but_where_they_were_asked_for() {
    let project = project();
    let ticket = minted(&project, "--path docs");
    assert_eq!(read_with(&project, &ticket, "docs/a.md").0, 0);
    let broken = format!("{ticket}x");
    let ran = handing(&project, &["run", "read.yaml"], &broken).exits(2);
    assert!(!ran.all().contains(&ticket), "{ran:?}");
    let keys = project.path().join(".palisade/keys");
    let secret = fs::read_to_string(keys.join("token-1.secret")).unwrap();
    let (payload, signature) = ticket.split_once('.').unwrap();
    let mut looked = 0;
    for entry in fs::read_dir(project.path().join(".palisade")).unwrap() {
        let Ok(bytes) = fs::read(entry.unwrap().path()) else { continue };
        let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!holds(payload) && !holds(signature) && !holds(&secret));
        looked += 1;
    }
    assert!(looked > 2, "{looked} files");
}

#[test]
fn what_is_no_ticket_is_said_to_be_none() {
    let project = project();
    project.palisade(&["ticket", "inspect"]).exits(2).says(
        "there is no ticket",
        "",
        "PALISADE_TICKET",
    );
    project.palisade(&["ticket", "verify", "--ticket-file", "none"]).exits(3);
    let check = |text: &str, what: &str| {
        handing(&project, &["ticket", "inspect"], text).exits(2).says(what, "", "whole text");
    };
    check("abc", "two parts");
    check("ab=.cd", "canonical");
    check(&"a".repeat(5000), "5000 bytes");
    let strange = handing(&project, &["ticket", "verify"], &minted(&project, ""));
    strange.exits(0);
    project.palisade(&["ticket", "mint", "--tool", "fs.read", "--life", "soon"]).exits(2);
    project.palisade(&["ticket", "mint", "--tool", "fs.read", "--life", "25h"]).exits(2);
    project.palisade(&["ticket", "mint", "--tool", "fs.read", "--path", "/etc"]).exits(2);
    project.palisade(&["ticket", "mint"]).exits(2);
}

/// A workflow that acts on the world twice, and what its first step leaves behind.
const ACTS: &str = "\
version: 1
name: ops.apply
actions: { apply: [\"ops:write\"], announce: [\"chat:post\"] }
steps:
  - { name: first, run: [echo, hello] }
";

/// Makes a token for a workflow; its text.
#[track_caller]
fn token(project: &Project, more: &str) -> String {
    let words: Vec<&str> = "ticket mint --action".split(' ').chain(more.split(' ')).collect();
    project.palisade(&words).exits(0).stdout.trim().to_owned()
}

#[track_caller]
fn records(project: &Project) -> String {
    project.palisade(&["audit", "export"]).exits(0).stdout
}

#[test]
fn a_workflow_with_actions_starts_under_a_token_for_each_of_them() {
    let project = project();
    project.file("acts.yaml", ACTS);
    let run = ["run", "acts.yaml"];
    project.palisade(&run).exits(6).says(
        "`ops.apply` has actions, and no ticket is valid here: the project has no token secret",
        "",
        "palisade ticket rotate",
    );
    let apply = token(&project, "ops.apply --scope ops:write --scope ops:read");
    let denied = handing(&project, &run, &apply).exits(6);
    let why = "action `announce` has no ticket with the scopes chat:post";
    denied.says("the actions of workflow `ops.apply` are denied", why, "--action WORKFLOW");
    let announce = token(&project, "ops.apply --scope chat:post");
    project.file("tokens", format!("{apply}\n{announce}\n"));
    project.palisade(&["run", "acts.yaml", "--ticket-file", "tokens"]).exits(0);
    let written = records(&project);
    assert_eq!(written.matches("\"kind\":\"ticket.redeemed\"").count(), 2, "{written}");
    assert_eq!(written.matches("\"kind\":\"ticket.denied\"").count(), 2, "{written}");
    // Each had one use, and what was denied before cost none.
    let both = format!("{apply},{announce}");
    let again = handing(&project, &run, &both).exits(6);
    again.says("denied", "ticket 2: the ticket has no uses left", "mint a new ticket");
    project.verifies();
    project.palisade(&["journal", "rebuild"]).exits(0);
    handing(&project, &run, &both).exits(6);
}

#[test]
fn one_bad_token_denies_the_whole_before_any_step_begins() {
    let project = project();
    project.file("acts.yaml", ACTS.replace(", announce: [\"chat:post\"]", ""));
    let good = token(&project, "ops.apply --scope ops:write --life 1h --uses 9");
    let retired = token(&project, "ops.apply --scope ops:write --life 1h");
    let revoked = token(&project, "ops.apply --scope ops:write");
    let told = handing(&project, &["ticket", "inspect", "--json"], &revoked).exits(0).json();
    project.palisade(&["ticket", "revoke", told["id"].as_str().unwrap()]).exits(0);
    let changed = |text: &str| {
        let (payload, signature) = text.split_once('.').unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        format!("{payload}.{first}{}", &signature[1..])
    };
    let table = [
        (changed(&retired), "signed with no accepted key, or was changed"),
        (token(&project, "ops.scan --scope ops:write"), "the ticket is not for `ops.apply`"),
        (token(&project, "ops.apply"), "the ticket lacks the scopes ops:write"),
        (
            token(&project, "ops.apply --scope ops:write --principal user:else"),
            "bound to another principal",
        ),
        (
            for_box(&token(&project, "ops.apply --scope ops:write")),
            "bound to another sandbox or process",
        ),
        (revoked, "the ticket was revoked"),
        (good.clone(), "one that was handed in before"),
    ];
    for (bad, expected) in &table {
        let ran = handing(&project, &["run", "acts.yaml"], &format!("{good} {bad}")).exits(6);
        assert!(ran.stderr.contains("ticket 2"), "{ran:?}");
        assert!(ran.stderr.contains(expected), "{expected}: {ran:?}");
        assert!(!ran.all().contains(bad) && !ran.all().contains(&good));
    }
    let none = project.palisade(&["runs", "list", "--json"]).exits(0).json();
    assert_eq!(none.as_array().map(Vec::len), Some(0), "{none}");
    assert_eq!(records(&project).matches("\"kind\":\"ticket.denied\"").count(), table.len());
    // The control: the good one alone, nine times, of which none was lost.
    for _ in 0..2 {
        handing(&project, &["run", "acts.yaml"], &good).exits(0);
    }
    project.palisade(&["ticket", "rotate", "--retire", "--yes"]).exits(0);
    let ran = handing(&project, &["run", "acts.yaml"], &good).exits(6);
    assert!(ran.stderr.contains("no accepted key"), "{ran:?}");
}

#[test]
fn doing_steps_again_takes_tokens_again_and_a_ticket_for_calls_is_none() {
    let project = project();
    let steps = "  - { name: first, tool: fs.read, with: { path: docs/a.md } }\n";
    let acts = ACTS.replace("  - { name: first, run: [echo, hello] }\n", steps);
    project.file("acts.yaml", acts.replace(", announce: [\"chat:post\"]", ""));
    let start = token(&project, "ops.apply --scope ops:write");
    let read = minted(&project, "--path docs --life 1h --uses 2");
    handing(&project, &["run", "acts.yaml"], &read).exits(6).says("denied", "has no ticket", "");
    // No rule allows the read, so the run fails; its actions were paid for.
    handing(&project, &["run", "acts.yaml"], &start).exits(10);
    let id = project.latest()["id"].as_str().unwrap().to_owned();
    let retry = ["runs", "retry", &id];
    handing(&project, &retry, &read).exits(6).says("denied", "has no ticket", "");
    handing(&project, &retry, &format!("{start},{read}")).exits(6).says("", "no uses left", "");
    let anew = token(&project, "ops.apply --scope ops:write");
    handing(&project, &retry, &format!("{anew},{read}")).exits(0);
    project.verifies();
}

#[test]
fn a_short_secret_and_an_open_one_accept_no_workflow_with_actions() {
    let project = project();
    project.file("acts.yaml", ACTS);
    let both = token(&project, "ops.apply --scope ops:write --scope chat:post --uses 2");
    let secret = project.path().join(".palisade/keys/token-1.secret");
    let text = fs::read_to_string(&secret).unwrap();
    let run = || handing(&project, &["run", "acts.yaml"], &both);
    fs::write(&secret, &text[..62]).unwrap();
    run().exits(6).says("at least 32 bytes, and this one has 31", "", "ticket rotate");
    fs::write(&secret, &text).unwrap();
    set_mode(&secret, 0o640);
    run().exits(6).says("can be read by others", "", "chmod");
    set_mode(&secret, 0o600);
    run().exits(0);
}

#[test]
fn a_signed_ticket_is_checked_by_others_with_the_public_key_alone() {
    let elsewhere = project();
    let project = project();
    project.palisade(&["ticket", "key"]).exits(3);
    let ticket = minted(&project, "--signed --path docs --life 1h --uses 3");
    let key = project.palisade(&["ticket", "key"]).exits(0).stdout;
    assert!(key.starts_with("palisade-ticket+") && key.lines().count() == 1, "{key}");
    let (own, other) = ("key.pub", "other.pub");
    elsewhere.file(own, &key);
    elsewhere.palisade(&["ticket", "rotate", "--signed"]).exits(0);
    elsewhere.file(other, elsewhere.palisade(&["ticket", "key"]).exits(0).stdout);
    let verify = |words: &[&str]| {
        let words = [&["-C", "/nowhere", "ticket", "verify"], words].concat();
        handing(&elsewhere, &words, &ticket)
    };
    verify(&["--key", own, "--tool", "fs.read", "--path", "docs/a.md"]).exits(0);
    verify(&["--key", own, "--tool", "fs.write"]).exits(6).says("not for `fs.write`", "", "");
    verify(&["--key", own, "--path", "src"]).exits(6).says("other paths", "", "");
    verify(&["--key", other]).exits(6).says("signed with no accepted key", "", "");
    let inspect = |key| handing(&elsewhere, &["ticket", "inspect", "--key", key], &ticket);
    inspect(own).exits(0);
    inspect(other).exits(6).says("no accepted key", "", "");
    elsewhere.file(
        "both.pub",
        format!("{key}\n{}", fs::read_to_string(elsewhere.path().join(other)).unwrap()),
    );
    verify(&["--key", "both.pub"]).exits(0);
    elsewhere.file("bad.pub", key.replace("palisade-ticket+", "palisade-ticket+0"));
    verify(&["--key", "bad.pub"]).exits(2).says("no public keys", "name of another", "ticket key");
    verify(&["--key", "none.pub"]).exits(3);
    // Its own node takes it, and only there it is narrowed.
    assert_eq!(read_with(&project, &ticket, "docs/a.md").0, 0);
    assert_eq!(read_with(&elsewhere, &ticket, "docs/a.md").0, 10);
    let narrow = ["ticket", "attenuate", "--path", "docs/a.md"];
    handing(&elsewhere, &narrow, &ticket).exits(1).says("no key pair", "", "where it was minted");
    let child = handing(&project, &narrow, &ticket).exits(0).stdout.trim().to_owned();
    assert_eq!(read_with(&project, &child, "docs/b.md").0, 10);
    assert_eq!(read_with(&project, &child, "docs/a.md").0, 0);
    let seed = project.path().join(".palisade/keys/ticket-1.key");
    assert_eq!(mode(&seed), 0o600);
    project.palisade(&["ticket", "rotate", "--signed"]).exits(0);
    assert_eq!(project.palisade(&["ticket", "key"]).exits(0).stdout.lines().count(), 2);
    handing(&project, &["ticket", "verify"], &ticket).exits(0);
    project.palisade(&["ticket", "rotate", "--signed", "--retire", "--yes"]).exits(0);
    assert_eq!(read_with(&project, &ticket, "docs/a.md").0, 10, "its key is retired");
}

/// A process that serves the project, ready to be asked.
fn serving(project: &Project) -> Running {
    let mut serving = Running::start(&mut project.command(&["serve"]));
    serving.until("stop with Ctrl-C");
    serving
}

#[test]
fn a_running_owner_issues_and_revokes_and_knows_it_at_once() {
    let project = project();
    let before = minted(&project, "--path docs --life 1h --uses 9");
    let id = |ticket: &str| {
        let told = handing(&project, &["ticket", "inspect", "--json"], ticket).exits(0).json();
        told["id"].as_str().unwrap().to_owned()
    };
    let owner = serving(&project);
    let one = minted(&project, "--path docs --life 1h --uses 9");
    let signed = minted(&project, "--signed --path docs --life 1h");
    let verify = |ticket: &str| handing(&project, &["ticket", "verify"], ticket);
    for ticket in [&before, &one, &signed] {
        verify(ticket).exits(0);
    }
    project.palisade(&["ticket", "revoke", &id(&one)]).exits(0);
    verify(&one).exits(6).says("revoked", "", "");
    verify(&before).exits(0);
    project.palisade(&["ticket", "revoke", "--all", "--yes"]).exits(0);
    verify(&before).exits(6).says("epoch", "", "");
    let after = minted(&project, "--path docs --life 1h");
    verify(&after).exits(0);
    project.palisade(&["ticket", "rotate", "--retire", "--yes"]).exits(0);
    verify(&after).exits(6).says("no accepted key", "", "");
    let last = minted(&project, "--path docs --life 1h");
    let words = ["ticket", "mint", "--tool", "fs.read", "--path", "/etc"];
    project.palisade(&words).exits(2).says("relative to the project", "", "help ticket mint");
    // The owner is killed as soon as it has answered: what it said was durable by then.
    let late = minted(&project, "--path docs --life 1h");
    let revoke_late = ["ticket", "revoke", &id(&late)];
    project.palisade(&revoke_late).exits(0);
    owner.kill();
    verify(&late).exits(6).says("revoked", "", "");
    let table = [(&before, 10), (&one, 10), (&signed, 10), (&after, 10), (&late, 10), (&last, 0)];
    for (ticket, code) in table {
        assert_eq!(read_with(&project, ticket, "docs/a.md").0, code);
    }
    let written = records(&project);
    for (kind, count) in [("ticket.issued", 6), ("ticket.revoked", 3)] {
        assert_eq!(written.matches(&format!("\"kind\":\"{kind}\"")).count(), count, "{kind}");
    }
    // Of who asked, only what was noted before somebody else's commit is certain to be there.
    assert!(written.matches("\"method\":\"ticket.revoke\"").count() >= 2, "{written}");
    assert!(!written.contains(&last) && !written.contains(&one));
    project.verifies();
}

#[test]
fn an_owner_whose_policy_says_no_issues_and_revokes_nothing() {
    let project = project();
    let policy = "version: 1\nname: none\nrules:\n  - { name: read, match: { tool: fs.read }, action: allow }\n";
    let ticket = minted(&project, "--path docs");
    project.file(".palisade/policy.yaml", policy);
    let owner = serving(&project);
    let mint = ["ticket", "mint", "--tool", "fs.read"];
    project.palisade(&mint).exits(6).says("stopped by", "", "allow `ticket.mint`");
    project.palisade(&["ticket", "revoke", "--all", "--yes"]).exits(6);
    handing(&project, &["ticket", "verify"], &ticket).exits(0);
    owner.signal("INT");
    owner.end().exits(0);
    assert_eq!(records(&project).matches("\"kind\":\"ticket.denied\"").count(), 2);
}

#[test]
fn tickets_for_the_calls_of_a_run_are_tried_in_their_order() {
    let project = project();
    let (docs, notes) = (minted(&project, "--path docs"), minted(&project, "--path notes"));
    let steps = "  - { name: a, tool: fs.read, with: { path: docs/a.md } }\n  - { name: b, tool: fs.read, with: { path: notes/n.md } }\n";
    project.file("both.yaml", workflow(steps));
    handing(&project, &["run", "both.yaml"], &docs).exits(10);
    let docs = {
        let written = records(&project);
        assert_eq!(written.matches("\"kind\":\"ticket.redeemed\"").count(), 1);
        minted(&project, "--path docs")
    };
    let words = ["run", "both.yaml", "--ticket", &docs, "--ticket", &notes];
    project.palisade(&words).exits(0);
    let many = vec![docs.clone(); 17].join(",");
    handing(&project, &words[..2], &many).exits(2).says("17 tickets", "at most 16", "");
    handing(&project, &["ticket", "inspect"], &format!("{notes} {notes}")).exits(2);
}

#[test]
fn a_revocation_counts_from_the_next_call_of_a_run_that_is_on_its_way() {
    let project = project();
    let watched = project.outside().join("palisade.yaml");
    fs::write(&watched, "engine: { slots: 1 }\n").unwrap();
    let mount = format!("{{ source: {}, target: /mnt/p, readonly: false }}", watched.display());
    let steps = format!(
        "  - {{ name: a, run: [cat, /mnt/p], mounts: [{mount}] }}\n  - {{ name: b, needs: [a], tool: fs.read, with: {{ path: docs/a.md }} }}\n"
    );
    project.file("waits.yaml", workflow(&steps));
    let agent = "--principal agent:x --life 1h --uses 9";
    let words = format!("ticket mint --tool exec.run {agent}");
    let exec = project.palisade(&words.split(' ').collect::<Vec<_>>()).exits(0).stdout;
    let read = minted(&project, &format!("--path docs {agent}"));
    let told = handing(&project, &["ticket", "inspect", "--json"], &read).exits(0).json();
    let (id, both) = (told["id"].as_str().unwrap(), format!("{} {read}", exec.trim()));
    let run = |between: &[&str]| {
        let words = ["run", "waits.yaml", "--as", "agent:x"];
        let mut running = Running::start(project.command(&words).env("PALISADE_TICKET", &both));
        running.until("needs approval apr_");
        if !between.is_empty() {
            project.palisade(between).exits(0);
        }
        let open = project.palisade(&["approval", "list", "--json"]).json();
        let approval = open[0]["request"]["id"].as_str().unwrap().to_owned();
        project.palisade(&["approval", "approve", &approval]).exits(0);
        let code = running.end().code;
        let latest = project.latest();
        (code, state(&latest, "a").to_owned(), state(&latest, "b").to_owned())
    };
    let (done, denied) = ("succeeded".to_owned(), "denied".to_owned());
    assert_eq!(run(&[]), (0, done.clone(), done.clone()));
    assert_eq!(run(&["ticket", "revoke", id]), (10, done, denied));
}

#[test]
fn where_the_use_of_tickets_cannot_be_read_back_none_is_valid_and_none_is_made() {
    let project = project();
    project.file("acts.yaml", ACTS);
    let ticket = minted(&project, "--path docs --life 1h --uses 5");
    assert_eq!(read_with(&project, &ticket, "docs/a.md").0, 0);
    let damage = [
        ("UPDATE view_ticket SET value = x'7b' WHERE CAST(key AS TEXT) LIKE 'use/%'", "use/"),
        (
            "UPDATE view_ticket SET value = CAST('{}' AS BLOB) WHERE CAST(key AS TEXT) LIKE 'window/%'",
            "window/",
        ),
        (
            "INSERT INTO view_ticket VALUES (CAST('epoch' AS BLOB), CAST('\"one\"' AS BLOB))",
            "epoch",
        ),
    ];
    for (sql, row) in damage {
        rusqlite::Connection::open(project.database()).unwrap().execute_batch(sql).unwrap();
        let why = format!("cannot be read (row `{row}");
        // The rows do not follow from the records any more, which is what the run ends with.
        let (code, step) = read_with(&project, &ticket, "docs/a.md");
        assert_eq!((code, step["state"].as_str()), (20, Some("denied")), "{row}");
        assert!(
            records(&project)
                .contains(&format!("no ticket is valid here: what is known of their use {why}"))
        );
        let run = |words: &[&str], code| {
            handing(&project, words, &ticket).exits(code).says(&why, "", "journal rebuild");
        };
        run(&["ticket", "verify"], 1);
        run(&["ticket", "mint", "--tool", "fs.read"], 1);
        run(&["ticket", "revoke", "--all", "--yes"], 1);
        run(&["run", "acts.yaml"], 6);
        project.palisade(&["journal", "rebuild"]).exits(0);
        assert_eq!(read_with(&project, &ticket, "docs/a.md").0, 0, "the control");
    }
}
