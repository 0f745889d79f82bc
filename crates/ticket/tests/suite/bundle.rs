//! Bundles of action workflows: the error list of policy tokens, and one bad token denying everything.
//! Nothing here queues anything; the requests have no contents.

use crate::support::*;
use ticket::bundle::*;
use ticket::*;

const REPORT: Request<'static> = Request {
    id: "1",
    tenant: "default",
    project: None,
    key: "k1",
    scopes: &[],
    kind: Kind::Report,
};
const ACTION: Request<'static> =
    Request { id: "2", key: "k2", scopes: &["ops:write"], kind: Kind::Action, ..REPORT };

fn token() -> Claims<'static> {
    Claims {
        audience: Audience::Workflow("ops.apply"),
        paths: None,
        project: Some("p"),
        scopes: vec!["ops:read", "ops:write"],
        expires: START.after(LIFE_WORKFLOW),
        ..claims()
    }
}

fn bundle<'a>(requests: &'a [Request<'a>]) -> Bundle<'a> {
    Bundle {
        workflow: "ops.apply",
        tenant: "default",
        project: Some("p"),
        principal: "user:alice",
        epoch: 3,
        requests,
    }
}

fn judged(requests: &[Request<'_>], mode: Mode, token: Option<&str>, uses: &Uses) -> Judged {
    judge(&bundle(requests), mode, token, (&keyring(), uses), START).unwrap()
}

#[test]
fn one_bad_token_denies_the_harmless_requests_too() {
    let text = minted(token()).text();
    let swap = |change: fn(&mut Claims<'static>)| {
        let mut says = token();
        change(&mut says);
        Some(minted(says).text())
    };
    let table = [
        ("no token", None),
        ("cannot be read", Some("not a token".to_owned())),
        ("cannot be read", Some(text.repeat(20))),
        ("no accepted key", Some(format!("{}A", &text[..text.len() - 1]))),
        (
            "no accepted key",
            Some({
                let (payload, _) = text.split_once('.').unwrap();
                format!("{payload}.{}", encode(&[0; 32]))
            }),
        ),
        ("claims are not valid", Some(forged(b"{}"))),
        (
            "expired",
            swap(|one| {
                one.not_before = Time(0);
                one.expires = Time(SECOND);
            }),
        ),
        (
            "valid only in",
            swap(|one| {
                one.not_before = Time(START.0 + 61 * SECOND);
                one.expires = Time(START.0 + 100 * SECOND);
            }),
        ),
        ("not for `ops.apply`", swap(|one| one.audience = Audience::Workflow("ops.scan"))),
        ("not for `ops.apply`", swap(|one| one.audience = Audience::Tools(vec!["ops.apply"]))),
        ("another tenant", swap(|one| one.tenant = "other")),
        ("another project", swap(|one| one.project = Some("q"))),
        ("lacks the scopes ops:write", swap(|one| one.scopes = vec!["ops:*", "ops:read"])),
        ("epoch", swap(|one| one.epoch = 2)),
        ("another principal", swap(|one| one.principal = "user:bob")),
    ];
    for (wanted, token) in table {
        for mode in [Mode::DryRun, Mode::Execute] {
            let uses = Uses::new(10);
            let judged = judged(&[REPORT, ACTION], mode, token.as_deref(), &uses);
            assert_eq!(judged.requests, [Status::DeniedToken; 2], "{wanted}");
            assert_eq!((judged.blocked, &judged.redeemed), (1, &None), "{wanted}");
            let why = judged.withheld.unwrap().to_string();
            assert!(why.contains(wanted) || why.contains("canonical"), "{why} is not {wanted}");
            assert!(uses.is_empty(), "{wanted}");
        }
    }
}

#[test]
fn a_good_token_starts_the_bundle_once() {
    let (uses, text) = (Uses::new(10), minted(token()).text());
    let dry = judged(&[REPORT, ACTION], Mode::DryRun, Some(&text), &uses);
    assert_eq!((dry.requests, dry.redeemed), (vec![Status::Accepted; 2], None));
    assert!(uses.is_empty(), "a dry run uses nothing up");
    let real = judged(&[REPORT, ACTION], Mode::Execute, Some(&text), &uses);
    assert_eq!(real.requests, [Status::Queued; 2]);
    assert_eq!((real.redeemed.map(|redeemed| redeemed.left), real.withheld), (Some(0), None));
    for mode in [Mode::Execute, Mode::DryRun] {
        let again = judged(&[REPORT, ACTION], mode, Some(&text), &uses);
        assert_eq!(again.withheld, Some(Withheld::Spent(Spent::Exhausted)));
        assert_eq!(again.requests, [Status::DeniedToken; 2]);
    }
    let harmless = judged(&[REPORT], Mode::Execute, Some("nonsense"), &uses);
    assert_eq!(harmless.requests, [Status::Queued], "without an action no token is asked for");
}

#[test]
fn requests_are_judged_one_by_one_in_order() {
    let requests = [
        REPORT,
        Request { key: "other", ..REPORT },
        Request { id: "3", ..REPORT },
        Request { id: "4", key: "k4", tenant: "other", ..REPORT },
        Request { id: "5", key: "k5", project: Some("q"), ..REPORT },
        Request { id: "6", key: "k6", project: Some("p"), ..REPORT },
    ];
    let statuses = [
        Status::Queued,
        Status::SkippedId,
        Status::SkippedKey,
        Status::DeniedTenant,
        Status::DeniedProject,
        Status::Queued,
    ];
    let uses = Uses::new(10);
    assert_eq!(judged(&requests, Mode::Execute, None, &uses).requests, statuses);
    let text = minted(token()).text();
    let denied = Request { tenant: "other", ..ACTION };
    let judged = judged(&[REPORT, denied], Mode::Execute, Some(&text), &uses);
    assert_eq!(judged.requests, [Status::Queued, Status::DeniedTenant]);
    assert!(uses.is_empty(), "no action starts, so the token keeps its use");
}

#[test]
fn a_bundle_has_one_to_a_hundred_requests() {
    let uses = Uses::new(10);
    let judge = |requests: &[Request<'_>]| {
        judge(&bundle(requests), Mode::DryRun, None, (&keyring(), &uses), START).is_ok()
    };
    assert!(!judge(&[]) && !judge(&[REPORT; 101]));
    assert!(judge(&[REPORT; 100]));
}

#[test]
fn without_a_secret_of_32_bytes_no_action_workflow_starts() {
    assert_eq!(secret_for_actions(None).unwrap_err(), KeyError::None);
    assert_eq!(secret_for_actions(Some(b"")).unwrap_err(), KeyError::Short(0));
    assert_eq!(secret_for_actions(Some(&SECRET[..31])).unwrap_err(), KeyError::Short(31));
    assert!(secret_for_actions(Some(SECRET)).is_ok());
}
