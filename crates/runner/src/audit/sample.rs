//! A record for the tests of this room.
//! It is no part of the product.

use journal::{Digest, Header, LogId, PayloadRef, Record, Timestamp, leaf_of, payload_digest_of};

/// A record of this kind and payload, with everything else filled in.
pub(super) fn record(kind: &str, payload: &[u8]) -> Record {
    let header = Header {
        log: LogId::default(),
        sequence: 5,
        time: Timestamp { micros: 1_700_000_000_123_456, counter: 0 },
        class: "run".to_owned(),
        stream: [7; 16],
        kind: kind.to_owned(),
        principal: "user:ana".to_owned(),
        correlation: None,
        causation: None,
        trace: None,
        schema: Digest::ZERO,
        payload: PayloadRef {
            len: u64::try_from(payload.len()).unwrap(),
            digest: payload_digest_of(payload),
            artifact: None,
        },
        prev_leaf: Digest::ZERO,
    };
    Record { leaf: leaf_of(kind.as_bytes()), header, payload: payload.to_vec() }
}
