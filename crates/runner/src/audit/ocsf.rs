//! A record as an event of the Open Cybersecurity Schema Framework 1.6.0 (schema.ocsf.io).
//!
//! Three classes: what was decided is Authorize Session (3003), what a person should look at is Detection
//! Finding (2004), all else is API Activity (6003). The table is in `docs/ocsf.md`; the record itself goes
//! along in `raw_data`, so that nothing is lost by the mapping.

use journal::Record;
use serde_json::{Value, json};

use super::ndjson::hex;

/// The version of the schema that every event names.
pub const OCSF_VERSION: &str = "1.6.0";

/// A class of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// 2004.
    DetectionFinding,
    /// 3003.
    AuthorizeSession,
    /// 6003.
    ApiActivity,
}

/// A row of the table: kinds that begin so are events of this class, activity and severity.
type Row = (&'static str, Class, u32, u32);

const INFORMATIONAL: u32 = 1;
const LOW: u32 = 2;
const MEDIUM: u32 = 3;
const HIGH: u32 = 4;

const CREATE: u32 = 1;
const READ: u32 = 2;
const UPDATE: u32 = 3;
const DELETE: u32 = 4;
const OTHER: u32 = 99;
/// Of Authorize Session: privileges were given, or asked for.
const ASSIGN_PRIVILEGES: u32 = 1;

/// The first row whose beginning fits counts.
const TABLE: [Row; 33] = [
    ("storage.critical", Class::DetectionFinding, CREATE, HIGH),
    ("storage.warning", Class::DetectionFinding, CREATE, MEDIUM),
    ("storage.size_full", Class::DetectionFinding, CREATE, HIGH),
    ("storage.size_critical", Class::DetectionFinding, CREATE, HIGH),
    ("storage.size_warning", Class::DetectionFinding, CREATE, MEDIUM),
    ("step.outcome_unknown", Class::DetectionFinding, CREATE, MEDIUM),
    ("step.stale_result", Class::DetectionFinding, CREATE, LOW),
    ("workspace.merge_denied", Class::DetectionFinding, CREATE, MEDIUM),
    ("journal.restored", Class::DetectionFinding, CREATE, MEDIUM),
    ("redaction.", Class::DetectionFinding, CREATE, LOW),
    ("step.denied", Class::AuthorizeSession, ASSIGN_PRIVILEGES, MEDIUM),
    ("secret.denied", Class::AuthorizeSession, ASSIGN_PRIVILEGES, MEDIUM),
    ("ticket.denied", Class::AuthorizeSession, ASSIGN_PRIVILEGES, MEDIUM),
    ("call.decided", Class::AuthorizeSession, ASSIGN_PRIVILEGES, INFORMATIONAL),
    ("egress.decision", Class::AuthorizeSession, ASSIGN_PRIVILEGES, INFORMATIONAL),
    ("approval.", Class::AuthorizeSession, ASSIGN_PRIVILEGES, INFORMATIONAL),
    ("ticket.", Class::AuthorizeSession, ASSIGN_PRIVILEGES, INFORMATIONAL),
    ("policy.", Class::AuthorizeSession, ASSIGN_PRIVILEGES, LOW),
    ("run.submitted", Class::ApiActivity, CREATE, INFORMATIONAL),
    ("workflow.registered", Class::ApiActivity, CREATE, INFORMATIONAL),
    ("node.started", Class::ApiActivity, CREATE, INFORMATIONAL),
    ("step.started", Class::ApiActivity, CREATE, INFORMATIONAL),
    ("step.receipt", Class::ApiActivity, READ, INFORMATIONAL),
    ("step.log", Class::ApiActivity, READ, INFORMATIONAL),
    ("run.cancel_requested", Class::ApiActivity, DELETE, LOW),
    ("step.cancelled", Class::ApiActivity, DELETE, LOW),
    ("workspace.", Class::ApiActivity, UPDATE, LOW),
    ("journal.", Class::ApiActivity, UPDATE, LOW),
    ("secret.", Class::ApiActivity, UPDATE, LOW),
    ("audit.", Class::ApiActivity, CREATE, LOW),
    ("run.", Class::ApiActivity, UPDATE, INFORMATIONAL),
    ("step.", Class::ApiActivity, UPDATE, INFORMATIONAL),
    ("", Class::ApiActivity, OTHER, INFORMATIONAL),
];

impl Class {
    const fn uid(self) -> u32 {
        match self {
            Self::DetectionFinding => 2004,
            Self::AuthorizeSession => 3003,
            Self::ApiActivity => 6003,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::DetectionFinding => "Detection Finding",
            Self::AuthorizeSession => "Authorize Session",
            Self::ApiActivity => "API Activity",
        }
    }
}

/// The event of a record.
#[must_use]
pub fn event(record: &Record) -> Value {
    let header = &record.header;
    let kind: &str = &header.kind;
    let (_, class, activity, severity) = TABLE
        .into_iter()
        .find(|(prefix, ..)| kind.starts_with(prefix))
        .unwrap_or(("", Class::ApiActivity, OTHER, INFORMATIONAL));
    let body: Value = serde_json::from_slice(&record.payload).unwrap_or_default();
    let uid = format!("{}/{}", header.log, header.sequence);
    let mut event = json!({
        "metadata": {
            "version": OCSF_VERSION,
            "product": {
                "name": "Palisade",
                "vendor_name": "Palisade",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "uid": uid,
            "log_name": header.log.to_string(),
            "sequence": header.sequence,
            "event_code": kind,
            "correlation_uid": hex(&header.stream),
        },
        "category_uid": class.uid() / 1000,
        "class_uid": class.uid(),
        "class_name": class.name(),
        "activity_id": activity,
        "type_uid": class.uid() * 100 + activity,
        "severity_id": severity,
        // Milliseconds, as the schema has it; the microseconds are in the record.
        "time": header.time.micros.div_euclid(1000),
        "message": kind,
        "raw_data": String::from_utf8_lossy(&record.payload),
        "unmapped": {
            "time_us": header.time.micros,
            "counter": header.time.counter,
            "payload_digest": header.payload.digest.to_string(),
            "prev_leaf": header.prev_leaf.to_string(),
            "leaf": record.leaf.to_string(),
        },
    });
    let more = match class {
        Class::DetectionFinding => json!({
            "finding_info": { "uid": uid, "title": kind, "types": [kind] },
        }),
        Class::AuthorizeSession => json!({
            "user": user(record),
            "privileges": [privilege(kind, &body)],
        }),
        Class::ApiActivity => json!({
            "actor": { "user": user(record) },
            "api": { "operation": kind, "service": { "name": "palisade" } },
            "src_endpoint": { "name": "localhost" },
        }),
    };
    let status = status(kind, &body).map(|status| ("status_id".to_owned(), status.into()));
    if let (Value::Object(event), Value::Object(more)) = (&mut event, more) {
        event.extend(more);
        event.extend(status);
    }
    event
}

/// The principal: `user:ana` is the user `ana`, whatever stands before a colon is its type.
fn user(record: &Record) -> Value {
    let principal = &record.header.principal;
    let name = principal.split_once(':').map_or(principal.as_str(), |(_, name)| name);
    json!({ "name": name, "uid": principal })
}

/// Where a record says what it was about (RFC 6901): the tool or the host.
const ABOUT: [&str; 5] = ["/call/tool", "/tool", "/grant/tool", "/host", "/digest"];

/// Where a record says how something came out: of a step, a run, a decision.
const OUTCOMES: [&str; 6] =
    ["/result/outcome", "/state", "/decision/verdict", "/verdict/outcome", "/verdict", "/outcome"];

/// What it was about, or its own kind where the record says neither tool nor host.
fn privilege(kind: &str, body: &Value) -> String {
    text_at(body, &ABOUT).unwrap_or(kind).to_owned()
}

/// The first text at one of these places.
fn text_at<'a>(body: &'a Value, places: &[&str]) -> Option<&'a str> {
    places.iter().find_map(|place| body.pointer(place)?.as_str())
}

/// 1 success, 2 failure; nothing where the record does not say.
fn status(kind: &str, body: &Value) -> Option<u32> {
    match kind {
        "approval.granted" => return Some(1),
        "step.invalid" | "approval.expired" => return Some(2),
        _ if kind.ends_with("denied") => return Some(2),
        _ => {}
    }
    match text_at(body, &OUTCOMES)? {
        "succeeded" | "allow" | "allowed" => Some(1),
        "failed" | "deny" | "denied" | "timed_out" | "cancelled" => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::sample;

    /// What 1.6.0 requires of every event, and of each class besides.
    const BASE: [&str; 7] =
        ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"];
    const REQUIRED: [(u64, &[&str]); 3] = [
        (2004, &["finding_info.title", "finding_info.uid"]),
        (3003, &["user.uid", "privileges"]),
        (6003, &["actor.user.uid", "api.operation", "src_endpoint.name"]),
    ];

    /// Why an event is not one of its class; empty when it is.
    fn complaints(event: &Value) -> Vec<String> {
        let has = |path: &str| {
            let at = path.split('.').try_fold(event, |value, name| value.get(name));
            at.is_some_and(|value| !value.is_null() && *value != json!("") && *value != json!([]))
        };
        let class = event["class_uid"].as_u64().unwrap_or(0);
        let of_class = REQUIRED.iter().find(|(uid, _)| *uid == class).map(|(_, paths)| *paths);
        let Some(of_class) = of_class else { return vec![format!("no class {class}")] };
        let product = ["metadata.version", "metadata.product.name", "metadata.product.vendor_name"];
        let mut found: Vec<String> = BASE
            .iter()
            .chain(&product)
            .chain(of_class)
            .filter(|path| !has(path))
            .map(|path| format!("no {path}"))
            .collect();
        let number = |name: &str| event[name].as_u64().unwrap_or(0);
        if number("type_uid") != class * 100 + number("activity_id") {
            found.push("type_uid".to_owned());
        }
        if number("category_uid") != class / 1000 || event["metadata"]["version"] != "1.6.0" {
            found.push("category or version".to_owned());
        }
        let activities: &[u64] = match class {
            3003 => &[0, 1, 2, 99],
            2004 => &[0, 1, 2, 3, 99],
            _ => &[0, 1, 2, 3, 4, 99],
        };
        if !activities.contains(&number("activity_id")) || !(1..=6).contains(&number("severity_id"))
        {
            found.push("activity or severity".to_owned());
        }
        found
    }

    #[test]
    fn every_row_of_the_table_gives_a_valid_event() {
        for (prefix, class, ..) in TABLE {
            for payload in [&b"{\"tool\":\"exec.run\",\"step\":\"a\"}"[..], b"", b"[1]", b"\xff"] {
                let event = event(&sample::record(&format!("{prefix}x"), payload));
                assert_eq!(complaints(&event), Vec::<String>::new(), "{prefix}: {event}");
                assert_eq!(event["class_uid"], class.uid(), "{prefix}");
            }
        }
    }

    #[test]
    fn the_check_finds_what_is_missing() {
        let good = event(&sample::record("step.denied", b"{}"));
        for missing in ["user", "metadata", "time", "privileges", "type_uid", "severity_id"] {
            let mut bad = good.clone();
            bad.as_object_mut().unwrap().remove(missing);
            assert!(!complaints(&bad).is_empty(), "{missing}");
        }
    }

    /// Payloads as a node records them, shortened in what the mapping does not read.
    const RECORDED: [(&str, &str, &str, Option<u64>); 11] = [
        (
            "call.decided",
            r#"{"step":"a","call":{"tool":"exec.run","principal":"user:ana","args":{"program":"echo"}},"decision":{"policy":"48","rules":["ordinary"],"verdict":"allow"}}"#,
            "exec.run",
            Some(1),
        ),
        (
            "call.decided",
            r#"{"step":"b","call":{"tool":"exec.run"},"decision":{"policy":"48","rules":[],"verdict":"deny"}}"#,
            "exec.run",
            Some(2),
        ),
        (
            "step.denied",
            r#"{"run":"run_01","at":1,"type":"step.denied","step":"b","stopped_by":{"kind":"policy","name":"default deny","detail":"no rule"},"decision":{"rules":[],"verdict":"deny"}}"#,
            "step.denied",
            Some(2),
        ),
        (
            "step.finished",
            r#"{"type":"step.finished","step":"a","attempt":1,"fence":"1-1","result":{"outcome":"succeeded","exit":0}}"#,
            "",
            Some(1),
        ),
        (
            "step.finished",
            r#"{"type":"step.finished","step":"a","attempt":1,"fence":"1-1","result":{"outcome":"failed","exit":1}}"#,
            "",
            Some(2),
        ),
        (
            "run.finished",
            r#"{"type":"run.finished","state":"failed","failure":"step `b` denied: stopped by `default deny`"}"#,
            "",
            Some(2),
        ),
        ("run.finished", r#"{"type":"run.finished","state":"succeeded"}"#, "", Some(1)),
        (
            "egress.decision",
            r#"{"step":"a","attempt":1,"verdict":"denied","host":"example.org","port":443}"#,
            "example.org",
            Some(2),
        ),
        (
            "secret.denied",
            r#"{"tool":"secret.set","name":"db","stopped_by":{"name":"default deny"},"decision":{"verdict":"deny"}}"#,
            "secret.set",
            Some(2),
        ),
        (
            "ticket.denied",
            r#"{"tool":"ticket.mint","asked":{},"stopped_by":{"name":"default deny"},"decision":{"verdict":"deny"}}"#,
            "ticket.mint",
            Some(2),
        ),
        ("audit.anchored", r#"{"type":"audit.anchored","target":"/x","size":3}"#, "", None),
    ];

    #[test]
    fn a_decision_says_what_it_was_about_and_everything_that_ended_how() {
        for (kind, payload, privilege, status) in RECORDED {
            let event = event(&sample::record(kind, payload.as_bytes()));
            assert_eq!(complaints(&event), Vec::<String>::new(), "{event}");
            assert_eq!(event.get("status_id").and_then(Value::as_u64), status, "{event}");
            assert_eq!(event["raw_data"], payload);
            if privilege.is_empty() {
                assert_eq!((&event["class_uid"], event.get("privileges")), (&json!(6003), None));
            } else {
                assert_eq!(event["class_uid"], 3003, "{event}");
                assert_eq!(event["privileges"], json!([privilege]));
                assert_eq!(event["user"]["name"], "ana");
            }
            let is_denial = kind.ends_with(".denied");
            assert_eq!(event["severity_id"] == MEDIUM, is_denial, "{event}");
        }
    }

    #[test]
    fn the_table_in_the_documents_is_this_one() {
        let page = include_str!("../../../../docs/ocsf.md");
        for (prefix, class, activity, severity) in TABLE {
            let kind = if prefix.is_empty() { "any other" } else { prefix };
            let line = format!("| `{kind}` | {} | {activity} | {severity} |", class.uid());
            assert!(page.contains(&line), "docs/ocsf.md has no line {line}");
        }
    }
}
