//! The header's encoding: round trips, strictness, and the published vectors.
//! The vectors were made by an independent encoder from `FORMAT.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

use journal::{
    DecodeError, Digest, Header, HeaderView, LogId, PayloadRef, Timestamp, leaf_of,
    payload_digest_of,
};
use proptest::prelude::*;

fn header() -> impl Strategy<Value = Header> {
    let id = || proptest::option::of(any::<[u8; 16]>());
    let place = ("[a-z0-9._-]{1,64}", any::<u16>(), any::<u64>(), any::<i64>(), any::<u32>());
    let texts = ("[a-z0-9_]{1,32}", "[a-z0-9._]{1,96}", "[^\\p{Cc}]{1,60}");
    let ids = (any::<[u8; 16]>(), id(), id(), id());
    let digests = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>());
    let payload = (any::<u64>(), proptest::option::of(any::<[u8; 32]>()));
    (place, texts, ids, digests, payload).prop_map(|(place, texts, ids, digests, payload)| Header {
        log: LogId::new(&place.0, place.1).unwrap(),
        sequence: place.2,
        time: Timestamp { micros: place.3, counter: place.4 },
        class: texts.0,
        stream: ids.0,
        kind: texts.1,
        principal: texts.2,
        correlation: ids.1,
        causation: ids.2,
        trace: ids.3,
        schema: Digest::new(digests.0),
        payload: PayloadRef {
            len: payload.0,
            digest: Digest::new(digests.1),
            artifact: payload.1.map(Digest::new),
        },
        prev_leaf: Digest::new(digests.2),
    })
}

proptest! {
    #[test]
    fn encoding_round_trips(header in header()) {
        let bytes = header.encode();
        prop_assert_eq!(Header::decode(&bytes).unwrap(), header.clone());
        prop_assert_eq!(HeaderView::decode(&bytes).unwrap(), header.view());
    }

    #[test]
    fn a_header_has_one_encoding(header in header(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = header.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        // Whatever still decodes is another header, and encodes to exactly those bytes.
        if let Ok(other) = HeaderView::decode(&bytes) {
            let mut again = Vec::new();
            other.encode_into(&mut again);
            prop_assert_eq!(&again, &bytes);
            prop_assert_ne!(other, header.view());
        }
    }

    #[test]
    fn a_part_of_a_header_is_none(header in header(), at in any::<prop::sample::Index>()) {
        let mut bytes = header.encode();
        prop_assert!(HeaderView::decode(&bytes[..at.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert_eq!(HeaderView::decode(&bytes), Err(DecodeError::Trailing(1)));
    }

    #[test]
    fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = HeaderView::decode(&bytes);
    }

    #[test]
    fn time_always_advances(start in any::<i64>(), counter in any::<u32>(), clock in any::<i64>()) {
        prop_assume!(start < i64::MAX);
        let before = Timestamp { micros: start, counter };
        let after = before.next(clock);
        prop_assert!(after > before);
        let advanced = Timestamp { micros: clock, counter: 0 };
        prop_assert!(clock <= start || after == advanced);
    }
}

#[test]
fn damage_is_named() {
    let sample = vectors()[0].header.clone();
    let check = |at: usize, byte: u8, expect: DecodeError| {
        let mut bytes = sample.clone();
        bytes[at] = byte;
        assert_eq!(HeaderView::decode(&bytes), Err(expect));
    };
    check(0, 2, DecodeError::Version(2));
    check(1, 0b1_0000, DecodeError::Flags(0b1_0000));
    check(144, 0, DecodeError::Text("tenant"));
    check(145, 0xff, DecodeError::Text("tenant"));
    assert_eq!(HeaderView::decode(&[]), Err(DecodeError::Short));
}

struct Vector {
    name: String,
    header: Vec<u8>,
    payload: Vec<u8>,
    payload_digest: Digest,
    leaf: Digest,
    fields: serde_json::Value,
}

fn vectors() -> Vec<Vector> {
    let text = include_str!("../vectors/record-v1.json");
    let document: serde_json::Value = serde_json::from_str(text).unwrap();
    let text = |value: &serde_json::Value, key: &str| value[key].as_str().unwrap().to_owned();
    document["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vector| Vector {
            name: text(vector, "name"),
            header: unhex(&text(vector, "header")),
            payload: unhex(&text(vector, "payload")),
            payload_digest: text(vector, "payload_digest").parse().unwrap(),
            leaf: text(vector, "leaf").parse().unwrap(),
            fields: vector["fields"].clone(),
        })
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn published_vectors_hold() {
    let vectors = vectors();
    assert!(vectors.len() >= 4);
    let mut prev_leaf = Digest::ZERO;
    for vector in vectors {
        let Vector { name, header, payload, payload_digest, leaf, fields } = vector;
        assert_eq!(leaf_of(&header), leaf, "{name}");
        assert_eq!(payload_digest_of(&payload), payload_digest, "{name}");
        let decoded = Header::decode(&header).unwrap();
        assert_eq!(decoded.encode(), header, "{name}");
        assert_eq!(decoded.payload.digest, payload_digest, "{name}");
        assert_eq!(decoded.payload.len, payload.len() as u64, "{name}");
        assert_eq!(decoded.prev_leaf, prev_leaf, "{name}: the vectors are one chain");
        prev_leaf = leaf;
        let optional = |id: Option<[u8; 16]>| id.map(|id| hex(&id));
        let found = serde_json::json!({
            "tenant": decoded.log.tenant(),
            "shard": decoded.log.shard(),
            "sequence": decoded.sequence,
            "time_us": decoded.time.micros.to_string(),
            "counter": decoded.time.counter,
            "class": decoded.class,
            "stream": hex(&decoded.stream),
            "kind": decoded.kind,
            "principal": decoded.principal,
            "correlation": optional(decoded.correlation),
            "causation": optional(decoded.causation),
            "trace": optional(decoded.trace),
            "schema": decoded.schema.to_string(),
            "artifact": decoded.payload.artifact.map(|digest| digest.to_string()),
        });
        assert_eq!(found, fields, "{name}");
    }
}
