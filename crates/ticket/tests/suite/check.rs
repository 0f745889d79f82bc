//! The order of a check, and every way a ticket can fail to cover a call.
//! What narrowing adds to this is `narrowing`; what spending adds, `concurrency`.

use std::time::Duration;

use crate::support::*;
use ticket::*;

#[test]
fn a_ticket_covers_the_call_it_is_for() {
    let ticket = minted(claims());
    let verified = held(&ticket, &call()).unwrap();
    assert_eq!((verified.id(), verified.key()), (Id([9; 16]), secret().id()));
    assert_eq!(*verified.claims(), claims());
    let signed = mint(claims(), &Signer::Node(node())).unwrap();
    assert_eq!(*held(&signed, &call()).unwrap().claims(), claims());
}

#[test]
fn each_binding_refuses_what_it_does_not_name() {
    type Change = fn(&mut Claims<'static>);
    type Call = fn(&mut Expected<'static>);
    let table: &[(&str, Change, Call)] = &[
        ("the ticket is not for `fs.list`", |_| (), |call| call.what = For::Tool("fs.list")),
        ("the ticket is not for `fs.read`", |_| (), |call| call.what = For::Workflow("fs.read")),
        ("the ticket is of another tenant", |_| (), |call| call.tenant = "other"),
        ("the ticket is of another project", |one| one.project = Some("p"), |_| ()),
        ("bound to another principal", |_| (), |call| call.principal = "user:bob"),
        (
            "bound to another sandbox",
            |one| one.peer = Some("box-1"),
            |call| call.peer = Some("box-2"),
        ),
        ("bound to another sandbox", |one| one.peer = Some("box-1"), |_| ()),
        (
            "bound to other arguments",
            |one| one.arguments = Some([1; 32]),
            |call| call.arguments = Some([2; 32]),
        ),
        ("bound to other arguments", |one| one.arguments = Some([1; 32]), |_| ()),
        ("bound to other paths", |_| (), |call| call.paths = &["docs/a.md", "src/main.rs"]),
        ("bound to other paths", |_| (), |call| call.paths = &["docs-private/a.md"]),
        ("bound to other paths", |_| (), |call| call.paths = &[]),
        (
            "bound to other hosts",
            |one| one.hosts = Some(vec!["*.example.org"]),
            |call| call.hosts = &["example.org"],
        ),
        (
            "bound to other hosts",
            |one| one.hosts = Some(vec!["a.example"]),
            |call| call.hosts = &["ba.example"],
        ),
        ("another sandbox profile", |one| one.profile = Some([1; 32]), |_| ()),
        ("another policy", |one| one.policy = Some([1; 32]), |call| call.policy = Some([3; 32])),
        (
            "lacks the scopes b, c",
            |one| one.scopes = vec!["a"],
            |call| call.scopes = &["a", "b", "c"],
        ),
        ("of epoch 3, and the tenant's epoch is 4", |_| (), |call| call.epoch = 4),
        ("of epoch 3, and the tenant's epoch is 2", |_| (), |call| call.epoch = 2),
    ];
    for (wanted, change, differ) in table {
        let (mut says, mut asks) = (claims(), call());
        change(&mut says);
        differ(&mut asks);
        let ticket = minted(says);
        let refused = held(&ticket, &asks).expect_err(wanted);
        assert!(refused.to_string().contains(wanted), "{refused} is not {wanted}");
        assert!(!refused.fix().is_empty());
    }
}

#[test]
fn bindings_that_hold_let_the_call_through() {
    let everything = Claims {
        project: Some("p"),
        peer: Some("box-1"),
        arguments: Some([1; 32]),
        hosts: Some(vec!["*.example.org", "b.example"]),
        scopes: vec!["a", "b"],
        profile: Some([2; 32]),
        policy: Some([3; 32]),
        ..claims()
    };
    let ticket = minted(everything);
    let asks = Expected {
        project: Some("p"),
        peer: Some("box-1"),
        arguments: Some([1; 32]),
        paths: &["docs", "docs/x/y"],
        hosts: &["a.b.example.org", "b.example"],
        scopes: &["b"],
        profile: Some([2; 32]),
        policy: Some([3; 32]),
        ..call()
    };
    held(&ticket, &asks).unwrap();
}

/// Whether a ticket is good at a time relative to its beginning.
fn at(says: Claims<'static>, what: For<'static>, offset_us: i64) -> Result<(), Refused> {
    let now = Time(START.0.checked_add_signed(offset_us).unwrap());
    let ticket = minted(says);
    verify(&ticket, &keyring(), &Expected { what, ..call() }, now).map(drop)
}

#[test]
fn a_ticket_for_a_tool_lives_to_the_microsecond() {
    let tool = For::Tool("fs.read");
    let life = 30 * SECOND as i64;
    assert_eq!(at(claims(), tool, -1), Err(Refused::Early(Duration::from_micros(1))));
    assert_eq!(at(claims(), tool, 0), Ok(()));
    assert_eq!(at(claims(), tool, life - 1), Ok(()));
    assert_eq!(at(claims(), tool, life), Err(Refused::Expired(Duration::ZERO)));
}

#[test]
fn only_a_token_for_a_workflow_allows_for_other_clocks() {
    let says = || Claims {
        audience: Audience::Workflow("ops.apply"),
        paths: None,
        expires: START.after(LIFE_WORKFLOW),
        ..claims()
    };
    let (what, skew, life) = (For::Workflow("ops.apply"), 60_000_000, 3_600_000_000_i64);
    assert_eq!(at(says(), what, -skew), Ok(()));
    assert_eq!(at(says(), what, -skew - 1), Err(Refused::Early(Duration::from_micros(1))));
    assert_eq!(at(says(), what, life + skew - 1), Ok(()));
    assert_eq!(at(says(), what, life + skew), Err(Refused::Expired(Duration::ZERO)));
}

#[test]
fn the_first_no_is_the_answer() {
    // Everything is wrong with this one; mended from the front, each check has its turn.
    let says = Claims { principal: "user:bob", epoch: 1, tenant: "other", ..claims() };
    let late = START.after(LIFE_MAX);
    let stranger =
        Signer::Secret(Secret::new(&[b"stranger ", [1; 32].as_slice()].concat()).unwrap());
    let check = |ticket: &Ticket, asks: Expected<'_>, now: Time| {
        verify(ticket, &keyring(), &asks, now).unwrap_err().to_string()
    };
    let wrong = Expected { what: For::Tool("fs.list"), ..call() };
    let foreign = mint(says.clone(), &stranger).unwrap();
    assert!(check(&foreign, wrong.clone(), late).contains("no accepted key"));
    let ours = minted(says);
    assert!(check(&ours, wrong, late).contains("not for"));
    assert!(check(&ours, call(), late).contains("tenant"));
    let tenant = Expected { tenant: "other", ..call() };
    assert!(check(&ours, tenant.clone(), late).contains("expired"));
    assert!(check(&ours, tenant.clone(), START).contains("epoch"));
    assert!(check(&ours, Expected { epoch: 1, ..tenant.clone() }, START).contains("principal"));
    let all = Expected { epoch: 1, principal: "user:bob", ..tenant };
    assert!(verify(&ours, &keyring(), &all, START).is_ok());
}

#[test]
fn secrets_are_rotated_one_after_the_other() {
    let old = secret();
    let new = Secret::new(b"another secret of at least 32 bytes").unwrap();
    let before = minted(claims());
    let after = mint(claims(), &Signer::Secret(new.clone())).unwrap();
    let accepts = |keys: Vec<Key>, ticket: &Ticket| {
        verify(ticket, &Keyring::new(keys).unwrap(), &call(), START).is_ok()
    };
    let both = || vec![Key::Secret(new.clone()), Key::Secret(old.clone())];
    assert!(accepts(both(), &before) && accepts(both(), &after));
    assert!(!accepts(vec![Key::Secret(new.clone())], &before), "the old secret was retired");
    assert!(accepts(vec![Key::Secret(new)], &after));
}

#[test]
fn keys_that_keep_nobody_out_are_refused() {
    assert_eq!(Secret::new(&[1; 31]).unwrap_err(), KeyError::Short(31));
    assert_eq!(Secret::new(b"").unwrap_err(), KeyError::Short(0));
    assert_eq!(Secret::new(&[b'a'; 64]).unwrap_err(), KeyError::Repeated);
    assert_eq!(Secret::new(&[3; 1025]).unwrap_err(), KeyError::Long(1025));
    assert_eq!(PublicKey::new(&[0; 32]).unwrap_err(), KeyError::Weak);
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(PublicKey::new(&identity).unwrap_err(), KeyError::Weak, "a point of small order");
    assert_eq!(Keyring::new(vec![]).unwrap_err(), KeyError::None);
    let twice = vec![Key::Secret(secret()), Key::Secret(secret())];
    assert_eq!(Keyring::new(twice).unwrap_err(), KeyError::Twice);
    let many = (0..17_u8)
        .map(|byte| Key::Secret(Secret::new(&[[byte; 16], [255 - byte; 16]].concat()).unwrap()));
    assert_eq!(Keyring::new(many.collect()).unwrap_err(), KeyError::TooMany);
}

#[test]
fn nobody_signs_claims_that_make_no_sense() {
    type Change = fn(&mut Claims<'static>);
    let table: &[(&str, Change)] = &[
        ("at least one tool", |one| one.audience = Audience::Tools(vec![])),
        ("1 to 255 bytes", |one| one.tenant = ""),
        ("control characters", |one| one.principal = "user:\u{7}"),
        ("count from 1", |one| one.uses = 0),
        ("count from 1", |one| one.nonce = 0),
        ("ends after it begins", |one| one.expires = one.not_before),
        ("24 hours at most", |one| one.expires = Time(one.expires.0 + LIFE_MAX.as_micros() as u64)),
        ("relative to the project", |one| one.paths = Some(vec!["/etc"])),
        ("relative to the project", |one| one.paths = Some(vec!["docs/../src"])),
        ("relative to the project", |one| one.paths = Some(vec!["docs/"])),
        ("not empty", |one| one.paths = Some(vec![])),
        ("lower case", |one| one.hosts = Some(vec!["Example.org"])),
        ("lower case", |one| one.hosts = Some(vec!["a.*.org"])),
        ("lower case", |one| one.hosts = Some(vec!["*."])),
        ("16 entries", |one| {
            one.scopes = "a b c d e f g h i j k l m n o p q".split(' ').collect();
        }),
    ];
    for (wanted, change) in table {
        let mut says = claims();
        change(&mut says);
        let refused = mint(says, &signer()).expect_err(wanted).to_string();
        assert!(refused.contains(wanted), "{refused} is not {wanted}");
    }
    assert!(mint(claims(), &signer()).is_ok(), "the control");
}

#[test]
fn nothing_secret_shows() {
    let ticket = minted(claims());
    let text = ticket.text();
    let shown = format!("{ticket:?} {:?} {:?} {:?}", secret(), node(), keyring());
    for part in text.split('.').chain(["0123456789abcdef", "7, 7, 7"]) {
        assert!(!shown.contains(part), "{shown}");
    }
    let broken = text.replace('.', "..");
    let refused = Ticket::parse(&broken).unwrap_err().to_string();
    assert!(!refused.contains(&text[..12]), "{refused}");
}

#[test]
fn a_public_key_is_read_from_its_own_text_alone() {
    let key = node().public();
    let text = key.text();
    assert_eq!(text.parse::<PublicKey>().unwrap().bytes(), key.bytes());
    let other = NodeKey::of_seed(&[8; 32]).public();
    let (name, bytes) = text.rsplit_once('+').unwrap();
    let renamed = format!("{name}+{}", other.text().rsplit_once('+').unwrap().1);
    let weak = format!("{name}+{}", encode(&[0; 32]));
    let table = [
        ("", KeyError::Form),
        (bytes, KeyError::Form),
        (name, KeyError::Form),
        (&text[1..], KeyError::Form),
        (&format!("{text}="), KeyError::Form),
        (&format!("{text} "), KeyError::Form),
        (&format!("{text}+x"), KeyError::Form),
        (&text[..text.len() - 4], KeyError::Form),
        (&renamed, KeyError::Name),
        (&weak, KeyError::Weak),
    ];
    for (text, wanted) in table {
        assert_eq!(text.parse::<PublicKey>().unwrap_err(), wanted, "{text}");
    }
}
