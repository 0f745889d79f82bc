//! A record as one line of JSON: the header's fields in a fixed order, then the payload's own bytes.
//!
//! A line has all of the header, so that its leaf can be computed again from it, and the payload stands as it was
//! recorded, so that its digest can be. How is told in `docs/audit.md`.

use journal::{Digest, FORMAT_VERSION, Record};
use serde::Serialize;
use serde::de::IgnoredAny;

/// The fields of a line before its payload.
#[derive(Serialize)]
struct Head<'a> {
    version: u8,
    log: String,
    sequence: u64,
    time: &'a str,
    time_us: i64,
    counter: u32,
    kind: &'a str,
    stream: StreamOf<'a>,
    principal: &'a str,
    correlation: Option<String>,
    causation: Option<String>,
    trace: Option<String>,
    schema: Option<String>,
    artifact: Option<String>,
    payload_bytes: u64,
    payload_digest: String,
    prev_leaf: String,
    leaf: String,
}

#[derive(Serialize)]
struct StreamOf<'a> {
    class: &'a str,
    id: String,
}

/// Appends a record as a line with its line feed.
///
/// `time` is the record's time in RFC 3339. A payload that is JSON on one line is the field `payload`, byte for byte; any other is `payload_hex`.
pub fn line(record: &Record, time: &str, out: &mut Vec<u8>) {
    let header = &record.header;
    let id = |id: Option<[u8; 16]>| id.map(|id| hex(&id));
    let head = Head {
        version: FORMAT_VERSION,
        log: header.log.to_string(),
        sequence: header.sequence,
        time,
        time_us: header.time.micros,
        counter: header.time.counter,
        kind: &header.kind,
        stream: StreamOf { class: &header.class, id: hex(&header.stream) },
        principal: &header.principal,
        correlation: id(header.correlation),
        causation: id(header.causation),
        trace: id(header.trace),
        schema: (header.schema != Digest::ZERO).then(|| header.schema.to_string()),
        artifact: header.payload.artifact.map(|digest| digest.to_string()),
        payload_bytes: header.payload.len,
        payload_digest: header.payload.digest.to_string(),
        prev_leaf: header.prev_leaf.to_string(),
        leaf: record.leaf.to_string(),
    };
    // Strings and numbers alone: nothing that could fail to serialise.
    let head = serde_json::to_vec(&head).unwrap_or_default();
    out.extend_from_slice(head.strip_suffix(b"}").unwrap_or(&head));
    let payload = record.payload.as_slice();
    let is_line = !payload.contains(&b'\n') && !payload.contains(&b'\r');
    if is_line && serde_json::from_slice::<IgnoredAny>(payload).is_ok() {
        out.extend_from_slice(b",\"payload\":");
        out.extend_from_slice(payload);
    } else {
        out.extend_from_slice(b",\"payload_hex\":\"");
        out.extend_from_slice(hex(payload).as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"}\n");
}

/// Lowercase hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::sample;

    fn lined(payload: &[u8]) -> String {
        let mut out = Vec::new();
        line(&sample::record("step.started", payload), "2023-11-14T22:13:20.123456Z", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_payload_stands_as_it_was_recorded() {
        let odd = br#"{"b": 1,  "a":1.0e2,"b":"\u00e4"}"#;
        let text = lined(odd);
        assert!(text.ends_with(&format!(",\"payload\":{}}}\n", std::str::from_utf8(odd).unwrap())));
        assert!(text.starts_with(
            "{\"version\":1,\"log\":\"default/0\",\"sequence\":5,\"time\":\"2023-11-14T22:13:20.123456Z\""
        ));
    }

    #[test]
    fn what_is_not_one_line_of_json_is_hexadecimal() {
        for payload in [&b"{\n}"[..], b"not json", b"\xff\xfe", b"{} {}", b""] {
            let text = lined(payload);
            assert!(text.contains(&format!(",\"payload_hex\":\"{}\"}}", hex(payload))), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            assert_eq!(text.matches('\n').count(), 1);
        }
    }
}
