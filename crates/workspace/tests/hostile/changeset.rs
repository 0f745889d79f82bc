//! Changesets as JSON that no capture writes. All are refused before anything is opened.
//! Each is given to a merge if it is read after all, so that a hole here is not hidden.

use workspace::{Changeset, Digest, JSON_BYTES_MAX, MemoryBlobs};

use super::support::Scene;
use super::{Row, merged, told};

/// A row whose changeset is this JSON.
fn row(name: &'static str, expect: &'static str, json: impl Into<Vec<u8>>) -> Row {
    let json = json.into();
    Row::new(name, Some(expect), move |scene: &Scene| {
        let project = scene.project();
        project.file("kept", "kept");
        let before = project.picture();
        let mut blobs = MemoryBlobs::default();
        blobs.claim(Digest::of(b"x"), b"x".to_vec());
        let result = Changeset::from_json(&json)
            .map_err(told)
            .and_then(|changes| merged(scene, &changes, &blobs));
        assert_eq!(project.picture(), before, "{name}");
        result
    })
}

fn changes(entries: &str) -> String {
    format!(r#"{{"version":1,"entries":[{entries}]}}"#)
}

fn file(mode: u32) -> String {
    let digest = Digest::of(b"x");
    format!(r#"{{"kind":"file","digest":"{digest}","size":1,"mode":{mode}}}"#)
}

fn entry(path: &str, before: &str, after: &str) -> String {
    let path = serde_json::to_string(path).expect("a string");
    format!(r#"{{"path":{path},"before":{before},"after":{after}}}"#)
}

fn added(path: &str) -> String {
    changes(&entry(path, "null", &file(0o644)))
}

fn link(path: &str, target: &str) -> String {
    let target = serde_json::to_string(target).expect("a string");
    entry(path, "null", &format!(r#"{{"kind":"symlink","target":{target}}}"#))
}

const FOLDER: &str = r#"{"kind":"folder","mode":493}"#;

pub fn rows() -> Vec<Row> {
    let mut rows = paths();
    rows.extend(places());
    rows.extend(nodes());
    rows.extend(forms());
    rows
}

fn paths() -> Vec<Row> {
    let dots = "lead elsewhere";
    let empty = "the name is empty";
    let control = "control character";
    vec![
        row("changeset: up and out", dots, added("../outside/sentinel")),
        row("changeset: up in the middle", dots, added("a/../../outside/sentinel")),
        row("changeset: only up", dots, added("..")),
        row("changeset: up at the end", dots, added("a/..")),
        row("changeset: the folder itself", dots, added(".")),
        row("changeset: a dot on the way", dots, added("a/./b")),
        row("changeset: absolute", "absolute", added("/tmp/evil")),
        row("changeset: two slashes first", "absolute", added("//tmp/evil")),
        row("changeset: no name", empty, added("")),
        row("changeset: empty name inside", empty, added("a//b")),
        row("changeset: slash at the end", empty, added("a/")),
        row("changeset: NUL", control, added("a\0/../../outside")),
        row("changeset: line break", control, added("a\nb")),
        row("changeset: escape", control, added("\u{1b}]0;x")),
        row("changeset: turned around", "nobody can see", added("\u{202e}x")),
        row("changeset: no width", "nobody can see", added(".gi\u{200b}t/config")),
        row("changeset: trailing dot", "ends with a dot", added("a./b")),
        row("changeset: trailing space", "ends with a dot", added("a ")),
        row("changeset: own state", "own state", added(".palisade/palisade.db")),
        row("changeset: own state spelled otherwise", "own state", added("x/.PaLiSaDe")),
        row("changeset: name of 256 bytes", "longer than", added(&"n".repeat(256))),
        row("changeset: path of 4001 bytes", "longer than", added(&vec!["nnn"; 1001].join("/"))),
        row("changeset: 65 names deep", "deeper than", added(&["d"; 65].join("/"))),
        row(
            "changeset: lone surrogate",
            "cannot be read",
            r#"{"version":1,"entries":[{"path":"\ud800","before":null,"after":null}]}"#,
        ),
    ]
}

fn places() -> Vec<Row> {
    let below = "which is no folder then";
    let same = "is the same name";
    let two = |one: String, other: String| changes(&format!("{one},{other}"));
    let file = || file(0o644);
    vec![
        row(
            "changeset: one path twice",
            "listed twice",
            two(entry("a", "null", &file()), entry("a", "null", FOLDER)),
        ),
        row(
            "changeset: a file below a file",
            below,
            two(entry("a", "null", &file()), entry("a/b", "null", &file())),
        ),
        row(
            "changeset: a file below a link",
            below,
            two(link("a", "b"), entry("a/b", "null", &file())),
        ),
        row(
            "changeset: a file below a link out",
            "leads out of the project",
            two(link("a", "/tmp"), entry("a/b", "null", &file())),
        ),
        row(
            "changeset: a file far below a file",
            below,
            two(entry("a", "null", &file()), entry("a/b/c/d", "null", &file())),
        ),
        row(
            "changeset: a file that outlives its folder",
            below,
            two(entry("a", FOLDER, "null"), entry("a/b", &file(), FOLDER)),
        ),
        row(
            "changeset: a file before its folder",
            below,
            two(entry("a", "null", FOLDER), entry("a/b", &file(), "null")),
        ),
        row(
            "changeset: nothing before and after",
            "nothing is changed",
            changes(&entry("a", "null", "null")),
        ),
        row(
            "changeset: the same before and after",
            "nothing is changed",
            changes(&entry("kept", &file(), &file())),
        ),
        row(
            "changeset: names alike by case",
            same,
            two(entry("New", "null", &file()), entry("new", "null", &file())),
        ),
        row(
            "changeset: names alike by composition",
            same,
            two(entry("\u{e9}", "null", &file()), entry("e\u{301}", "null", &file())),
        ),
        row(
            "changeset: folders alike by case",
            same,
            two(entry("D/x", "null", &file()), entry("d/X", "null", &file())),
        ),
        row(
            "changeset: renamed from nowhere",
            "not a renaming",
            changes(
                &entry("a", "null", &file())
                    .replace("\"before\"", "\"renamed_from\":\"b\",\"before\""),
            ),
        ),
        row(
            "changeset: renamed from outside",
            "lead elsewhere",
            changes(
                &entry("a", "null", &file())
                    .replace("\"before\"", "\"renamed_from\":\"../b\",\"before\""),
            ),
        ),
        row(
            "changeset: renamed from what stays",
            "not a renaming",
            two(
                entry("a", "null", &file())
                    .replace("\"before\"", "\"renamed_from\":\"b\",\"before\""),
                entry("b", &file(), FOLDER),
            ),
        ),
    ]
}

fn nodes() -> Vec<Row> {
    let out = "leads out of the project";
    let bits = "setuid, setgid and sticky bits are never merged";
    let target = "not plain text";
    let two = |one: String, other: String| changes(&format!("{one},{other}"));
    let one = |node: &str| changes(&entry("a", "null", node));
    vec![
        row("changeset: setuid", bits, one(&file(0o4755))),
        row("changeset: setgid", bits, one(&file(0o2755))),
        row("changeset: sticky folder", bits, one(r#"{"kind":"folder","mode":1023}"#)),
        row("changeset: bits of a device", bits, one(&file(0o20644))),
        row("changeset: all bits", bits, one(&file(u32::MAX))),
        row("changeset: link to the root", out, changes(&link("a", "/"))),
        row("changeset: link up", out, changes(&link("a", ".."))),
        row("changeset: link up from below", out, changes(&link("a/b", "../../c"))),
        row(
            "changeset: link through another link",
            out,
            two(link("a", "b/../c"), link("b", "d/../..")),
        ),
        row(
            "changeset: links that add up",
            out,
            two(link("d/up", ".."), link("x", "d/up/../outside")),
        ),
        row("changeset: link to nothing", target, changes(&link("a", ""))),
        row("changeset: link with NUL", target, changes(&link("a", "b\0c"))),
        row("changeset: link with a line break", target, changes(&link("a", "b\nc"))),
        row("changeset: link of 4096 bytes", target, changes(&link("a", &"t".repeat(4096)))),
        row(
            "changeset: five tebibytes",
            "bytes are too many",
            one(&file(0o644).replace("\"size\":1", "\"size\":5497558138880")),
        ),
        row(
            "changeset: negative size",
            "cannot be read",
            one(&file(0o644).replace("\"size\":1", "\"size\":-1")),
        ),
        row(
            "changeset: digest in capitals",
            "cannot be read",
            one(&file(0o644).replace(&Digest::of(b"x").to_string(), &"A".repeat(64))),
        ),
        row(
            "changeset: digest that is a path",
            "cannot be read",
            one(&file(0o644).replace(&Digest::of(b"x").to_string(), "../../../etc/passwd")),
        ),
        row(
            "changeset: short digest",
            "cannot be read",
            one(&file(0o644).replace(&Digest::of(b"x").to_string(), "00")),
        ),
        row("changeset: device", "cannot be read", one(r#"{"kind":"device","mode":438}"#)),
        row("changeset: FIFO", "cannot be read", one(r#"{"kind":"fifo","mode":438}"#)),
        row(
            "changeset: unknown field of a node",
            "cannot be read",
            one(r#"{"kind":"folder","mode":493,"owner":0}"#),
        ),
    ]
}

fn forms() -> Vec<Row> {
    let unread = "cannot be read";
    vec![
        row("changeset: newer version", "version 2", r#"{"version":2,"entries":[]}"#),
        row("changeset: no version", unread, r#"{"entries":[]}"#),
        row("changeset: version as text", unread, r#"{"version":"1","entries":[]}"#),
        row("changeset: unknown field", unread, r#"{"version":1,"entries":[],"root":"/"}"#),
        row(
            "changeset: unknown field of an entry",
            unread,
            changes(&entry("a", "null", FOLDER).replace("\"before\"", "\"root\":\"/\",\"before\"")),
        ),
        row(
            "changeset: a field twice",
            unread,
            changes(&entry("a", "null", FOLDER).replace("\"before\"", "\"path\":\"b\",\"before\"")),
        ),
        row("changeset: cut off", unread, &added("a").as_bytes()[..30]),
        row("changeset: no JSON", unread, "\0\x01\x02"),
        row("changeset: nothing", unread, ""),
        row("changeset: very deep JSON", unread, "[".repeat(100_000)),
        row("changeset: more than is parsed", "bytes of JSON", vec![b' '; JSON_BYTES_MAX + 1]),
    ]
}
