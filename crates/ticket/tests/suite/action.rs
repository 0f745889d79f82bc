//! Starting a workflow that acts: the error list of policy tokens, and one bad ticket denying everything.
//! Nothing here starts anything.

use crate::support::*;
use ticket::action::*;
use ticket::*;

const APPLY: Action<'static> = Action { name: "apply", scopes: &["ops:write"] };
const ANNOUNCE: Action<'static> = Action { name: "announce", scopes: &["chat:post"] };

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

/// A token for announcing, of another grant.
fn other() -> Claims<'static> {
    Claims { id: Id([8; 16]), nonce: 2, scopes: vec!["chat:post"], ..token() }
}

fn start<'a>(actions: &'a [Action<'a>]) -> Start<'a> {
    Start {
        workflow: "ops.apply",
        tenant: "default",
        project: Some("p"),
        principal: "user:alice",
        epoch: 3,
        actions,
    }
}

/// How many uses are left of each ticket, or everything that denies the start.
fn started(
    actions: &[Action<'_>],
    tickets: &[Ticket],
    uses: &Uses,
) -> Result<Vec<u16>, Vec<String>> {
    redeem(&start(actions), tickets, (&keyring(), uses), START)
        .map(|held| held.into_iter().map(|(_, redeemed)| redeemed.left).collect())
        .map_err(|denied| denied.iter().map(ToString::to_string).collect())
}

#[test]
fn one_bad_ticket_denies_the_start_and_costs_the_good_ones_no_use() {
    let text = minted(token()).text();
    let swap = |change: fn(&mut Claims<'static>)| {
        let mut says = Claims { nonce: 3, ..token() };
        change(&mut says);
        minted(says)
    };
    let (payload, _) = text.split_once('.').unwrap();
    let parsed = |text: &str| Ticket::parse(text).unwrap();
    let table = [
        ("no accepted key", parsed(&format!("{payload}.{}", encode(&[0; 32])))),
        ("no accepted key", parsed(&format!("{payload}.{}", encode(&[0; 64])))),
        ("claims are not valid", parsed(&forged(b"{}"))),
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
        ("lacks the scopes ops:write", swap(|one| one.scopes = vec![])),
        ("epoch 2", swap(|one| one.epoch = 2)),
        ("another principal", swap(|one| one.principal = "user:bob")),
        ("another sandbox", swap(|one| one.peer = Some("box"))),
        ("other arguments", swap(|one| one.arguments = Some([1; 32]))),
        ("another policy", swap(|one| one.policy = Some([1; 32]))),
    ];
    for (wanted, bad) in table {
        let uses = Uses::new(10);
        let denied = started(&[APPLY], &[minted(token()), bad], &uses).unwrap_err();
        assert_eq!(denied.len(), 1, "{denied:?}");
        assert!(denied[0].starts_with("ticket 2: ") && denied[0].contains(wanted), "{denied:?}");
        assert!(uses.is_empty(), "{wanted}");
        assert_eq!(started(&[APPLY], &[minted(token())], &uses), Ok(vec![0]), "{wanted}");
    }
}

#[test]
fn each_action_needs_a_ticket_with_all_of_its_scopes() {
    let both = [APPLY, ANNOUNCE];
    let missing = |action: &str, scopes: &str| {
        format!("action `{action}` has no ticket with the scopes {scopes}")
    };
    let uses = Uses::new(10);
    let denied = started(&both, &[], &uses).unwrap_err();
    assert_eq!(denied, [missing("apply", "ops:write"), missing("announce", "chat:post")]);
    let denied = started(&both, &[minted(token())], &uses).unwrap_err();
    assert_eq!(denied, [missing("announce", "chat:post")]);
    // What two issuers gave separately is not what one of them gave.
    let joint = [Action { name: "both", scopes: &["ops:write", "chat:post"] }];
    assert!(started(&joint, &[minted(token()), minted(other())], &uses).is_err());
    assert!(uses.is_empty());
    assert_eq!(started(&both, &[minted(other()), minted(token())], &uses), Ok(vec![0, 0]));
    let wide = Claims {
        id: Id([7; 16]),
        nonce: 4,
        uses: 3,
        scopes: vec!["chat:post", "ops:write"],
        ..token()
    };
    assert_eq!(started(&both, &[minted(wide.clone())], &uses), Ok(vec![2]));
    assert_eq!(started(&joint, &[minted(wide)], &uses), Ok(vec![1]));
}

#[test]
fn a_used_revoked_or_repeated_ticket_denies_the_start() {
    let (uses, one) = (Uses::new(10), minted(token()));
    let twice = started(&[APPLY], &[one.clone(), one.clone()], &uses).unwrap_err();
    assert!(twice[0].contains("ticket 2 is one that was handed in before"), "{twice:?}");
    let salted = |salt| Narrowing { salt, scopes: Some(vec!["ops:write"]), ..Narrowing::default() };
    let children = [attenuate(&one, salted(1)).unwrap(), attenuate(&one, salted(2)).unwrap()];
    assert!(started(&[APPLY], &children, &uses).is_err());
    assert!(uses.is_empty());
    assert_eq!(started(&[APPLY], std::slice::from_ref(&one), &uses), Ok(vec![0]));
    let again = started(&[APPLY, ANNOUNCE], &[minted(other()), one], &uses).unwrap_err();
    assert!(again[0].contains("ticket 2: the ticket has no uses left"), "{again:?}");
    uses.revoke(other().id, other().dead()).unwrap();
    let revoked = started(&[ANNOUNCE], &[minted(other())], &uses).unwrap_err();
    assert!(revoked[0].contains("ticket 1: the ticket was revoked"), "{revoked:?}");
    let many: Vec<Ticket> = (0..17).map(|_| minted(token())).collect();
    let many = started(&[APPLY], &many, &Uses::new(10)).unwrap_err();
    assert_eq!(many, ["17 tickets were handed in, and at most 16 can be"]);
}

#[test]
fn tickets_of_any_distance_and_order_are_taken_together() {
    let of = |nonce: u64, scope: &'static str| {
        minted(Claims { id: Id([nonce as u8; 16]), nonce, scopes: vec![scope], ..token() })
    };
    let both = [APPLY, ANNOUNCE];
    let taken = started(&both, &[of(200, "ops:write"), of(1, "chat:post")], &Uses::new(10));
    assert_eq!(taken, Ok(vec![0, 0]));
    let uses = Uses::new(1);
    let full = started(&both, &[of(5, "ops:write"), of(6, "chat:post")], &uses).unwrap_err();
    assert!(full[0].contains("too many tickets"), "{full:?}");
    assert!(uses.is_empty(), "no use is taken of the first either");
}
