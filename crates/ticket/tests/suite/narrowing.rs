//! Narrowing only ever takes away: at minting, at every check, and for every call there is.
//! `support` makes the children that no honest holder would.

use std::time::Duration;

use crate::support::*;
use proptest::prelude::*;
use ticket::*;

fn wide() -> Claims<'static> {
    Claims {
        audience: Audience::Tools(vec!["fs.list", "fs.read"]),
        hosts: Some(vec!["*.example.org"]),
        scopes: vec!["a", "b"],
        uses: 5,
        ..claims()
    }
}

fn some() -> Narrowing<'static> {
    Narrowing::default()
}

#[test]
fn a_holder_narrows_without_a_key() {
    let parent = minted(wide());
    let narrowing = Narrowing {
        tools: Some(vec!["fs.read"]),
        paths: Some(vec!["docs/public"]),
        scopes: Some(vec![]),
        uses: Some(1),
        ..some()
    };
    let child = attenuate(&parent, narrowing).unwrap();
    let public = Expected { paths: &["docs/public/a.md"], ..call() };
    let verified = held(&child, &public).unwrap();
    assert_eq!((verified.claims().uses, child.depth()), (1, 1));
    assert_ne!(verified.id(), held(&parent, &call()).unwrap().id());
    assert_eq!(held(&child, &call()), Err(Refused::Bound(Binding::Paths)));
    let list = Expected { what: For::Tool("fs.list"), ..public };
    assert_eq!(held(&child, &list), Err(Refused::Audience("fs.list".to_owned())));
    assert!(held(&parent, &list).is_ok(), "the parent still may");
}

#[test]
fn what_a_ticket_was_minted_for_stays_told_apart_from_what_it_was_narrowed_to() {
    let parent = minted(Claims { hosts: None, arguments: None, ..wide() });
    let narrowing = Narrowing { hosts: Some(vec!["docs.example.org"]), ..some() };
    let child = attenuate(&parent, narrowing).unwrap();
    let verified = held(&child, &Expected { hosts: &["docs.example.org"], ..call() }).unwrap();
    assert!(verified.claims().hosts.is_some(), "narrowed to a host");
    assert_eq!(verified.minted(), Minted { hosts: false, arguments: false });
    let named = held(&minted(wide()), &call()).unwrap().minted();
    assert_eq!(named, Minted { hosts: true, arguments: false }, "control");
}

#[test]
fn nothing_becomes_wider_at_minting_or_in_a_forgers_hands() {
    let parent = minted(Claims { peer: Some("box-1"), arguments: Some([1; 32]), ..wide() });
    let later = Some(START.after(Duration::from_secs(31)));
    let table: Vec<(&str, Narrowing<'_>)> = vec![
        ("no tool its parent", Narrowing { tools: Some(vec!["fs.read", "fs.write"]), ..some() }),
        ("at least one tool", Narrowing { tools: Some(vec![]), ..some() }),
        ("within those before", Narrowing { paths: Some(vec!["src"]), ..some() }),
        ("within those before", Narrowing { paths: Some(vec!["docs-old"]), ..some() }),
        ("not empty", Narrowing { paths: Some(vec![]), ..some() }),
        ("one of those before", Narrowing { hosts: Some(vec!["example.org"]), ..some() }),
        ("one of those before", Narrowing { hosts: Some(vec!["*.org"]), ..some() }),
        ("no scope its parent", Narrowing { scopes: Some(vec!["c"]), ..some() }),
        ("bound to nothing else", Narrowing { peer: Some("box-2"), ..some() }),
        ("bound to nothing else", Narrowing { arguments: Some([2; 32]), ..some() }),
        ("ends no later", Narrowing { expires: later, ..some() }),
        ("begins no sooner", Narrowing { not_before: Some(Time(START.0 - 1)), ..some() }),
        ("no more uses", Narrowing { uses: Some(6), ..some() }),
        ("count from 1", Narrowing { uses: Some(0), ..some() }),
        ("takes something away", some()),
    ];
    for (wanted, narrowing) in table {
        let refused = attenuate(&parent, narrowing.clone()).expect_err(wanted).to_string();
        assert!(refused.contains(wanted), "{refused} is not {wanted}");
        let refused = held(&forged_child(&parent, &narrowing), &call()).unwrap_err().to_string();
        assert!(refused.contains(wanted), "{refused} is not {wanted} at the check");
    }
}

/// What a holder who leaves the check out would make.
fn forged_child(parent: &Ticket, narrowing: &Narrowing<'_>) -> Ticket {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let mut bits = 0_u16;
    let mut body = Vec::new();
    let lists = [&narrowing.tools, &narrowing.paths, &narrowing.hosts, &narrowing.scopes];
    for (place, list) in lists.into_iter().enumerate() {
        let Some(list) = list else { continue };
        bits |= 1 << place;
        body.push(list.len() as u8);
        list.iter().for_each(|one| body.extend(text(one)));
    }
    if let Some(digest) = narrowing.arguments {
        bits |= 1 << 4;
        body.extend(digest);
    }
    if let Some(peer) = narrowing.peer {
        bits |= 1 << 5;
        body.extend(text(peer));
    }
    for (bit, time) in [(6, narrowing.not_before), (7, narrowing.expires)] {
        let Some(time) = time else { continue };
        bits |= 1 << bit;
        body.extend(time.0.to_be_bytes());
    }
    if let Some(uses) = narrowing.uses {
        bits |= 1 << 8;
        body.extend(uses.to_be_bytes());
    }
    let head = [narrowing.salt.to_be_bytes().as_slice(), &bits.to_be_bytes()].concat();
    narrowed_with(parent, &[head, body].concat())
}

#[test]
fn eight_deep_and_no_deeper() {
    let mut ticket = minted(Claims { uses: 100, ..claims() });
    for left in (92..100).rev() {
        ticket = attenuate(&ticket, Narrowing { uses: Some(left), ..some() }).unwrap();
        assert!(held(&ticket, &call()).is_ok());
    }
    assert_eq!(ticket.depth(), DEPTH_MAX);
    let deeper = Narrowing { uses: Some(1), ..some() };
    assert_eq!(attenuate(&ticket, deeper), Err(MintError::Depth));
}

#[test]
fn a_narrowing_cannot_be_taken_off_again() {
    let parent = minted(wide());
    let child = attenuate(&parent, Narrowing { uses: Some(1), ..some() }).unwrap();
    let (text, whole) = (child.text(), parent.text());
    let (_, signature) = text.split_once('.').unwrap();
    let (payload, _) = whole.split_once('.').unwrap();
    let stripped = Ticket::parse(&format!("{payload}.{signature}")).unwrap();
    assert_eq!(held(&stripped, &call()), Err(Refused::Signature));
    assert!(held(&child, &call()).is_ok(), "the control");
}

#[test]
fn what_a_node_signed_only_that_node_narrows() {
    let parent = mint(wide(), &Signer::Node(node())).unwrap();
    let fewer = || Narrowing { uses: Some(1), ..some() };
    let needs = Err(MintError::NeedsKey(node().public().id()));
    assert_eq!(attenuate(&parent, fewer()), needs);
    assert_eq!(attenuate_signed(&parent, fewer(), &NodeKey::of_seed(&[8; 32])), needs);
    assert!(attenuate_signed(&minted(wide()), fewer(), &node()).is_err(), "not the node's");
    let child = attenuate_signed(&parent, fewer(), &node()).unwrap();
    assert_eq!(held(&child, &call()).unwrap().claims().uses, 1);
    let wider = Narrowing { uses: Some(9), ..some() };
    assert!(attenuate_signed(&parent, wider, &node()).is_err());
}

const TOOLS: [&str; 3] = ["fs.list", "fs.read", "fs.write"];
const PATHS: [&str; 5] = ["docs", "docs/a", "docs/a/b", "docsx", "src"];
const HOSTS: [&str; 4] = ["*.a.example", "*.example", "a.example", "b.a.example"];
const SCOPES: [&str; 3] = ["a", "b", "c"];

fn few(from: &'static [&'static str]) -> impl Strategy<Value = Option<Vec<&'static str>>> {
    prop::option::of(prop::sample::subsequence(from, 0..=from.len()))
}

fn narrowing() -> impl Strategy<Value = Narrowing<'static>> {
    let lists = (few(&TOOLS), few(&PATHS), few(&HOSTS), few(&SCOPES));
    let second = |time: u64| START.after(Duration::from_secs(time));
    let times = (
        prop::option::of((0u64..30).prop_map(second)),
        prop::option::of((0u64..40).prop_map(second)),
    );
    let rest = (prop::option::of(0u16..8), prop::option::of(0u8..3), prop::option::of(0usize..2));
    (any::<u64>(), lists, times, rest).prop_map(|(salt, lists, times, rest)| Narrowing {
        salt,
        tools: lists.0,
        paths: lists.1,
        hosts: lists.2,
        scopes: lists.3,
        not_before: times.0,
        expires: times.1,
        uses: rest.0,
        arguments: rest.1.map(|byte| [byte; 32]),
        peer: rest.2.map(|place| ["box-1", "box-2"][place]),
    })
}

fn asked() -> impl Strategy<Value = (Expected<'static>, Time)> {
    let tool = prop::sample::select(&TOOLS[..]);
    let path = prop::sample::select(vec![
        &[][..],
        &["docs/a"],
        &["docs/a/b/c"],
        &["docsx"],
        &["src/x", "docs"],
    ]);
    let host =
        prop::sample::select(vec![&[][..], &["a.example"], &["b.a.example"], &["c.b.a.example"]]);
    let scope = prop::sample::select(vec![&[][..], &["a"], &["a", "c"]]);
    let rest = (prop::option::of(0u8..3), 0usize..3, 0u64..40);
    (tool, path, host, scope, rest).prop_map(|(tool, paths, hosts, scopes, rest)| {
        let peer = [None, Some("box-1"), Some("box-2")].get(rest.1).copied().flatten();
        let asked = Expected {
            what: For::Tool(tool),
            paths,
            hosts,
            scopes,
            arguments: rest.0.map(|byte| [byte; 32]),
            peer,
            ..call()
        };
        (asked, START.after(Duration::from_secs(rest.2)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever any chain of narrowings lets through, made honestly or by a forger, every ticket above it does too.
    #[test]
    fn a_child_never_covers_what_its_parent_does_not(
        chain in prop::collection::vec(narrowing(), 1..5),
        calls in prop::collection::vec(asked(), 1..12),
    ) {
        let says = Claims {
            audience: Audience::Tools(TOOLS[..2].to_vec()),
            paths: None,
            scopes: SCOPES.to_vec(),
            uses: 6,
            ..claims()
        };
        let mut line = vec![minted(says)];
        for narrowing in chain {
            let parent = line.last().unwrap().clone();
            let forged = forged_child(&parent, &narrowing);
            match attenuate(&parent, narrowing) {
                Ok(child) => {
                    prop_assert_eq!(&child, &forged);
                    line.push(child);
                }
                Err(_) => prop_assert!(unverified(&forged).is_err()),
            }
        }
        for (call, now) in &calls {
            let covers = |ticket: &Ticket| verify(ticket, &keyring(), call, *now).is_ok();
            for pair in line.windows(2) {
                prop_assert!(covers(&pair[0]) || !covers(&pair[1]));
                let (parent, child) = (unverified(&pair[0]).unwrap(), unverified(&pair[1]).unwrap());
                prop_assert!(child.uses <= parent.uses && child.expires <= parent.expires);
            }
        }
    }
}
