//! The bytes: vectors, every malformed text, every flipped bit, and a parser that has one text for one ticket.
//! The vectors stand in `FORMAT.md`; `support` signs without the crate.

use crate::support::*;
use proptest::prelude::*;
use ticket::*;

/// The text of the ticket in FORMAT.md.
fn vector(name: &str) -> String {
    let document = include_str!("../../FORMAT.md");
    let (_, after) = document.split_once(&format!("<!-- {name} -->")).unwrap();
    after.split("```").nth(1).unwrap().split_whitespace().collect()
}

#[test]
fn the_vectors_of_the_format_are_what_is_made_and_read() {
    let small = minted(claims());
    assert_eq!(vector("minimal"), small.text());
    assert_eq!(vector("ed25519"), mint(claims(), &Signer::Node(node())).unwrap().text());
    let expires = Some(START.after(std::time::Duration::from_secs(5)));
    let narrowing =
        Narrowing { salt: 42, paths: Some(vec!["docs/public"]), expires, ..Narrowing::default() };
    let child = attenuate(&small, narrowing).unwrap();
    assert_eq!(vector("narrowed"), child.text());
    for name in ["minimal", "ed25519"] {
        let ticket = Ticket::parse(&vector(name)).unwrap();
        held(&ticket, &call()).unwrap();
    }
    let ticket = Ticket::parse(&vector("narrowed")).unwrap();
    let public = Expected { paths: &["docs/public/a.md"], ..call() };
    assert_eq!(vector("narrowed id"), held(&ticket, &public).unwrap().id().to_string());
}

#[test]
fn a_second_implementation_signs_the_same() {
    let ticket = minted(claims());
    assert_eq!(forged(&body(&ticket)), ticket.text());
    let block =
        [&7_u64.to_be_bytes()[..], &(1_u16 << 8).to_be_bytes(), &1_u16.to_be_bytes()].concat();
    let narrowing = Narrowing { salt: 7, uses: Some(1), ..Narrowing::default() };
    let child = attenuate(&ticket, narrowing).unwrap();
    assert_eq!(narrowed_with(&ticket, &block).text(), child.text());
}

#[test]
fn every_malformed_text_is_refused_with_its_reason() {
    let text = minted(claims()).text();
    let (payload, signature) = text.split_once('.').unwrap();
    let other_version = encode(&[&[2], &decode(payload)[1..]].concat());
    let followed = encode(&[decode(payload), vec![0]].concat());
    // The last character of a canonical text has no bits that mean nothing.
    let last = signature.chars().last().unwrap();
    let odd = char::from_u32(last as u32 + 1).unwrap();
    let uncanonical = format!("{payload}.{}{odd}", &signature[..signature.len() - 1]);
    let check = |text: &str, wanted: Malformed| {
        assert_eq!(Ticket::parse(text).expect_err(text), wanted, "{text}");
    };
    check("", Malformed::Length(0));
    check(&"a".repeat(4097), Malformed::Length(4097));
    check("abc", Malformed::Parts);
    check(".", Malformed::Parts);
    check(payload, Malformed::Parts);
    check(&format!("{text}."), Malformed::Parts);
    check(&format!("{text}.{signature}"), Malformed::Parts);
    check(&format!(".{signature}"), Malformed::Parts);
    check(&format!("{payload}=.{signature}"), Malformed::Encoding);
    check(&format!("{text}="), Malformed::Encoding);
    check(&format!(" {text}"), Malformed::Encoding);
    check(&format!("{text}\n"), Malformed::Encoding);
    check(&uncanonical, Malformed::Encoding);
    check(&format!("{payload}.+/{}", &signature[2..]), Malformed::Encoding);
    check(&format!("{other_version}.{signature}"), Malformed::Version(2));
    check(&format!("{payload}.{}", encode(&[0; 31])), Malformed::Signature(31));
    check(&format!("{payload}.{}", encode(&[0; 33])), Malformed::Signature(33));
    check(&format!("{payload}.{}", encode(&[0; 300])), Malformed::Signature(300));
    check(&format!("{}.{signature}", encode(&decode(payload)[..40])), Malformed::Framing);
    check(&format!("{followed}.{signature}"), Malformed::Framing);
    let deep = [decode(payload), [0, 0].repeat(9)].concat();
    check(&format!("{}.{signature}", encode(&deep)), Malformed::Depth);
    assert!(Ticket::parse(&text).is_ok(), "the control");
}

#[test]
fn signed_nonsense_is_refused_after_its_signature() {
    let good = body(&minted(claims()));
    let refused = |claims: &[u8]| {
        let ticket = Ticket::parse(&forged(claims)).unwrap();
        held(&ticket, &call()).expect_err("nonsense").to_string()
    };
    let change = |place: usize, byte: u8| {
        let mut claims = good.clone();
        claims[place] = byte;
        refused(&claims)
    };
    assert!(change(0, 3).contains("does not know"), "a kind");
    assert!(change(1, 1 << 3 | 1 << 7).contains("does not know"), "a field");
    assert!(refused(&[good.clone(), vec![0]].concat()).contains("followed"));
    assert!(refused(&good[..good.len() - 1]).contains("cut short"));
    assert!(refused(&[]).contains("cut short"));
    // One tool, twice; and two out of order: two texts for one meaning.
    for tools in [["fs.read", "fs.read"], ["fs.read", "fs.list"]] {
        let one = [&[1, 7], b"fs.read".as_slice()].concat();
        let place = good.windows(one.len()).position(|part| part == one).unwrap();
        let list = tools
            .iter()
            .fold(vec![2], |list: Vec<u8>, tool| [list.as_slice(), &[7], tool.as_bytes()].concat());
        let twice = [&good[..place], &list, &good[place + one.len()..]].concat();
        assert!(refused(&twice).contains("says nothing twice"));
    }
    let ticket = Ticket::parse(&forged(&good)).unwrap();
    assert!(held(&ticket, &call()).is_ok(), "the control");
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let parent = minted(claims());
    let narrowing = Narrowing { uses: Some(1), ..Narrowing::default() };
    for ticket in [
        parent.clone(),
        mint(claims(), &Signer::Node(node())).unwrap(),
        attenuate(&parent, narrowing).unwrap(),
    ] {
        let text = ticket.text();
        let good =
            |text: &str| Ticket::parse(text).is_ok_and(|ticket| held(&ticket, &call()).is_ok());
        assert!(good(&text), "the control");
        let (payload, signature) = text.split_once('.').unwrap();
        let (payload, signature) = (decode(payload), decode(signature));
        let all = [payload.as_slice(), &signature].concat();
        for bit in 0..all.len() * 8 {
            let mut flipped = all.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (payload, signature) = flipped.split_at(payload.len());
            assert!(!good(&format!("{}.{}", encode(payload), encode(signature))), "bit {bit}");
        }
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(!good(&changed), "character {place}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_text_is_refused_or_is_the_text_of_its_ticket(
        text in prop_oneof!["[A-Za-z0-9_=. -]{0,200}", "AQ[A-Za-z0-9_-]{10,200}\\.[A-Za-z0-9_-]{43}"]
    ) {
        if let Ok(ticket) = Ticket::parse(&text) {
            prop_assert_eq!(ticket.text(), text);
            prop_assert!(held(&ticket, &call()).is_err());
        }
    }

    #[test]
    fn any_signed_bytes_are_refused_or_are_the_bytes_of_their_claims(
        seed in prop::collection::vec(any::<u8>(), 0..120),
        places in prop::collection::vec((0usize..200, any::<u8>()), 0..4),
    ) {
        let mut good = body(&minted(claims()));
        for (place, byte) in places {
            let length = good.len();
            good[place % length] = byte;
        }
        for claims in [seed, good] {
            let text = forged(&claims);
            let ticket = Ticket::parse(&text).unwrap();
            if let Ok(says) = unverified(&ticket) {
                prop_assert_eq!(mint(says, &signer()).unwrap().text(), text);
            }
        }
    }
}
