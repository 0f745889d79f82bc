//! What `audit export` writes is enough to compute every leaf again, with nothing but a hash.
//! The encoding here is written from `crates/journal/FORMAT.md` and shares no code with the journal.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::Project;

/// Fields a line has only sometimes, in the order of a header; each has a bit of the flags.
const OPTIONAL: [&str; 4] = ["correlation", "causation", "trace", "artifact"];

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of the header, from a line.
fn header(line: &Value) -> Vec<u8> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (tenant, shard) = {
        let log = text(&line["log"]);
        let (tenant, shard) = log.split_once('/').unwrap();
        (tenant.to_owned(), shard.parse::<u16>().unwrap())
    };
    let version = u8::try_from(line["version"].as_u64().unwrap()).unwrap();
    let present = (0..4).filter(|bit| !line[OPTIONAL[*bit]].is_null());
    let mut out = vec![version, present.fold(0, |flags, bit| flags | 1 << bit)];
    out.extend(shard.to_be_bytes());
    out.extend(line["sequence"].as_u64().unwrap().to_be_bytes());
    out.extend(line["time_us"].as_i64().unwrap().to_be_bytes());
    out.extend(u32::try_from(line["counter"].as_u64().unwrap()).unwrap().to_be_bytes());
    out.extend(line["payload_bytes"].as_u64().unwrap().to_be_bytes());
    out.extend(unhex(&text(&line["payload_digest"])));
    out.extend(unhex(&text(&line["prev_leaf"])));
    out.extend(line["schema"].as_str().map_or_else(|| vec![0; 32], unhex));
    out.extend(unhex(&text(&line["stream"]["id"])));
    for field in OPTIONAL {
        out.extend(line[field].as_str().map(unhex).unwrap_or_default());
    }
    for text in
        [tenant, text(&line["stream"]["class"]), text(&line["kind"]), text(&line["principal"])]
    {
        out.push(u8::try_from(text.len()).unwrap());
        out.extend(text.into_bytes());
    }
    out
}

/// SHA-256 over a byte and what follows it.
fn hash(first: u8, bytes: &[u8]) -> String {
    hex(&Sha256::new().chain_update([first]).chain_update(bytes).finalize())
}

/// The payload's own bytes, which are the last field of a line.
fn payload(text: &str) -> &[u8] {
    let (_, rest) = text.split_once(",\"payload\":").unwrap();
    rest.strip_suffix('}').unwrap().as_bytes()
}

#[test]
fn every_leaf_is_computed_again_from_an_exported_line() {
    let project = Project::new();
    let read = "  - { name: read, tool: fs.read, with: { path: one.yaml } }\n";
    let inputs = "inputs: { type: object, properties: { v: { type: string } } }";
    project.file("one.yaml", format!("version: 1\nname: one\n{inputs}\nsteps:\n{read}"));
    // Long enough to be kept beside the database.
    let long = format!("v={}", "x".repeat(20_000));
    project.palisade(&["run", "one.yaml", "-i", &long]).exits(0);
    let exported = project.palisade(&["audit", "export"]).exits(0).stdout;
    let (mut before, mut beside, mut runs) = ("0".repeat(64), 0, 0);
    for text in exported.lines() {
        let line: Value = serde_json::from_str(text).unwrap();
        let payload = payload(text);
        assert_eq!(line["payload_digest"], hash(1, payload), "{text:.400}");
        assert_eq!(line["payload_bytes"], payload.len());
        assert_eq!(line["prev_leaf"], before);
        before = hash(0, &header(&line));
        assert_eq!(line["leaf"], before, "{text:.400}");
        if let Some(artifact) = line["artifact"].as_str() {
            assert_eq!(artifact, hex(&Sha256::digest(payload)));
            beside += 1;
        }
        if line["stream"]["class"] == "run" {
            assert_eq!(line["correlation"], line["stream"]["id"]);
            runs += 1;
        }
        // The control: no field can be left out, and none changed.
        for field in ["correlation", "principal", "schema", "time_us", "version"] {
            let mut other = line.clone();
            other[field] = match &line[field] {
                Value::Null => "f".repeat(64).into(),
                Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
                Value::String(_) if field == "correlation" => Value::Null,
                _ => "user:other".into(),
            };
            assert_ne!(hash(0, &header(&other)), before, "{field}");
        }
    }
    assert!(beside >= 1 && runs >= 5, "{beside} {runs}");
}
