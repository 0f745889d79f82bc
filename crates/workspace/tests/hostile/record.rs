//! Blobs that are not what they claim, and logs that somebody changed.
//! A log that was put together anew, hashes and all, still names nothing outside the project.

use std::cell::Cell;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::symlink;

use rustix::fs::FileType;
use workspace::{
    Blobs, Changeset, Digest, LogFolder, MemoryBlobs, MergeLog as _, Node, merge, resume, undo,
};

use super::support::{Cut, Scene, borrowed, folder};
use super::{Row, merged, told};

pub fn rows() -> Vec<Row> {
    let mut rows = blobs();
    rows.extend(changed_logs());
    rows.extend(forged_logs());
    rows.extend(kept());
    rows
}

/// One edited and one new file.
fn small(scene: &Scene) -> (Changeset, MemoryBlobs) {
    scene.project().file("a", "old");
    scene.upper().file("a", "new");
    scene.upper().file("b", "also new");
    scene.upper().link("l", "a");
    scene.capture().expect("a changeset")
}

fn blob(
    name: &'static str,
    expect: &'static str,
    spoil: fn(&mut MemoryBlobs, Digest, Vec<u8>),
) -> Row {
    Row::new(name, Some(expect), move |scene: &Scene| {
        let (changes, blobs) = small(scene);
        let mut spoiled = MemoryBlobs::default();
        for entry in changes.entries() {
            let Some(Node::File { digest, .. }) = &entry.after else { continue };
            let mut content = Vec::new();
            blobs.get(digest).expect("a blob").read_to_end(&mut content).expect("its content");
            spoil(&mut spoiled, *digest, content);
        }
        let before = scene.project().picture();
        let result = merged(scene, &changes, &spoiled);
        assert_eq!(scene.project().picture(), before, "{name}");
        assert!(scene.log().records().expect("a log").is_empty(), "{name}: nothing began");
        result
    })
}

/// Gives what it should until it is asked for the third time.
struct Fickle(MemoryBlobs, Cell<usize>);

impl Blobs for Fickle {
    fn put(&mut self, content: &mut dyn Read) -> io::Result<Digest> {
        self.0.put(content)
    }

    fn get(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        self.1.set(self.1.get() + 1);
        if self.1.get() > 2 { Ok(Box::new(&b"evil!"[..])) } else { self.0.get(digest) }
    }
}

/// Never comes to an end.
struct Endless;

impl Blobs for Endless {
    fn put(&mut self, content: &mut dyn Read) -> io::Result<Digest> {
        MemoryBlobs::default().put(content)
    }

    fn get(&self, _: &Digest) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(io::repeat(b'x')))
    }
}

fn blobs() -> Vec<Row> {
    let damaged = "is missing or damaged";
    vec![
        blob("blob: missing", damaged, |_, _, _| {}),
        blob("blob: other bytes", damaged, |blobs, digest, content| {
            blobs.claim(digest, vec![b'x'; content.len()]);
        }),
        blob("blob: cut off", damaged, |blobs, digest, content| {
            blobs.claim(digest, content[..content.len() - 1].to_vec());
        }),
        blob("blob: something added", damaged, |blobs, digest, content| {
            blobs.claim(digest, [content, b"x".to_vec()].concat());
        }),
        blob("blob: empty", damaged, |blobs, digest, _| blobs.claim(digest, Vec::new())),
        Row::new("blob: endless", Some(damaged), |scene| {
            let (changes, _) = small(scene);
            let project = scene.project().open();
            merge(borrowed(&project), &changes, &Endless, &mut scene.log())
                .map(|_| ())
                .map_err(told)
        }),
        Row::new("blob: other bytes after it was checked", Some("not the one of"), |scene| {
            let (changes, blobs) = small(scene);
            let before = scene.project().picture();
            let project = scene.project().open();
            let fickle = Fickle(blobs, Cell::new(0));
            let mut log = scene.log();
            let result = merge(borrowed(&project), &changes, &fickle, &mut log);
            undo(borrowed(&project), &mut log).expect("what was done is taken back");
            assert_eq!(scene.project().picture(), before);
            result.map(|_| ()).map_err(told)
        }),
    ]
}

/// A merge that was stopped half way, and its log's lines.
fn half(scene: &Scene) -> (MemoryBlobs, Vec<u8>) {
    let (changes, blobs) = small(scene);
    let project = scene.project().open();
    let mut log = scene.log();
    let mut cut = Cut::after(&mut log, 12);
    merge(borrowed(&project), &changes, &blobs, &mut cut).expect_err("the cut");
    drop(log);
    let lines = fs::read(scene.folder.path().join("log/merge.log")).expect("a log");
    assert!(lines.iter().filter(|byte| **byte == b'\n').count() >= 2);
    (blobs, lines)
}

/// Resumes and undoes with a changed log; the first error counts.
fn go_on(scene: &Scene, blobs: &MemoryBlobs, lines: &[u8]) -> Result<(), String> {
    let path = scene.folder.path().join("log");
    fs::write(path.join("merge.log"), lines).expect("a log");
    let before = scene.project().picture();
    let project = scene.project().open();
    let mut log = LogFolder::open(folder(&path)).map_err(told)?;
    let resumed = resume(borrowed(&project), blobs, &mut log).map(|_| ()).map_err(told);
    let undone = undo(borrowed(&project), &mut log).map(|_| ()).map_err(told);
    if resumed.is_err() && undone.is_err() {
        assert_eq!(scene.project().picture(), before, "both were refused");
    }
    resumed.and(undone)
}

fn changed(
    name: &'static str,
    expect: Option<&'static str>,
    change: fn(Vec<u8>) -> Vec<u8>,
) -> Row {
    let attack = move |scene: &Scene| {
        let (blobs, lines) = half(scene);
        go_on(scene, &blobs, &change(lines))
    };
    Row { may_leave: expect.is_some(), ..Row::new(name, expect, attack) }
}

fn changed_logs() -> Vec<Row> {
    let by_other = Some("changed by somebody else");
    vec![
        changed("log: as it was", None, |lines| lines),
        changed("log: one byte of a record", by_other, |mut lines| {
            lines[100] ^= 1;
            lines
        }),
        changed("log: one byte of a hash", by_other, |mut lines| {
            lines[3] = if lines[3] == b'0' { b'1' } else { b'0' };
            lines
        }),
        changed("log: first record gone", by_other, |lines| {
            let end = lines.iter().position(|byte| *byte == b'\n').expect("a line");
            lines[end + 1..].to_vec()
        }),
        changed("log: a line of another log", by_other, |mut lines| {
            lines.extend_from_slice(&chain(&[r#"{"record":"complete"}"#.to_owned()]));
            lines
        }),
        changed("log: a line too short for a hash", by_other, |mut lines| {
            lines.extend_from_slice(b"{}\n");
            lines
        }),
        changed("log: emptied", Some("tells of no merge"), |_| Vec::new()),
        changed("log: noise", by_other, |_| vec![0xff; 1000].into_iter().chain(*b"\n").collect()),
    ]
}

/// Lines as the log writes them, hashes and all.
fn chain(records: &[String]) -> Vec<u8> {
    let mut hash = String::new();
    let mut lines = Vec::new();
    for record in records {
        hash = Digest::of([hash.as_bytes(), record.as_bytes()].concat().as_slice()).to_string();
        lines.extend_from_slice(format!("{hash} {record}\n").as_bytes());
    }
    lines
}

/// A log forged as a whole around a changeset of one new file.
fn forged(
    name: &'static str,
    expect: &'static str,
    records: fn(begin: String) -> Vec<String>,
) -> Row {
    let attack = move |scene: &Scene| {
        let mut blobs = MemoryBlobs::default();
        let digest = blobs.put(&mut &b"evil"[..]).expect("a blob");
        let begin = format!(
            r#"{{"record":"begin","id":"0123456789abcdef","changes":{{"version":1,"entries":[{{"path":"new","before":null,"after":{{"kind":"file","digest":"{digest}","size":4,"mode":493}}}}]}}}}"#
        );
        go_on(scene, &blobs, &chain(&records(begin)))
    };
    Row::new(name, Some(expect), attack)
}

fn forged_logs() -> Vec<Row> {
    let senseless = "makes no sense";
    vec![
        forged("log: forged path out", "lead elsewhere", |begin| {
            vec![begin.replace("\"new\"", "\"../outside/sentinel\"")]
        }),
        forged("log: forged absolute path", "absolute", |begin| {
            vec![begin.replace("\"new\"", "\"/tmp/evil\"")]
        }),
        forged("log: forged link out", "leads out", |begin| {
            let (head, _) = begin.split_once("{\"kind\"").expect("a node");
            vec![format!(r#"{head}{{"kind":"symlink","target":"../outside"}}}}]}}}}"#)]
        }),
        forged("log: forged setuid bit", "setuid", |begin| vec![begin.replace("493", "2541")]),
        forged("log: temporary name that leads out", senseless, |begin| {
            vec![begin.replace("0123456789abcdef", "/../../outside/a")]
        }),
        forged("log: temporary name of another length", senseless, |begin| {
            vec![begin.replace("0123456789abcdef", "..")]
        }),
        forged("log: steps that were never planned", senseless, |begin| {
            vec![
                begin,
                r#"{"record":"done","step":0}"#.into(),
                r#"{"record":"done","step":1}"#.into(),
            ]
        }),
        forged("log: steps out of order", senseless, |begin| {
            vec![begin, r#"{"record":"done","step":7}"#.into()]
        }),
        forged("log: step beyond all numbers", senseless, |begin| {
            vec![begin, format!(r#"{{"record":"undo","from":{}}}"#, usize::MAX)]
        }),
        forged("log: complete without steps", senseless, |begin| {
            vec![begin, r#"{"record":"complete"}"#.into()]
        }),
        forged("log: two beginnings", senseless, |begin| vec![begin.clone(), begin]),
        forged("log: no beginning", senseless, |_| vec![r#"{"record":"complete"}"#.into()]),
        forged("log: undone before it began", senseless, |begin| {
            vec![begin, r#"{"record":"undone","step":0}"#.into()]
        }),
        forged("log: unknown record", "unknown variant", |begin| {
            vec![begin, r#"{"record":"run","argv":["sh"]}"#.into()]
        }),
        forged("log: a merge that never was, said to be done", "vanished", |begin| {
            vec![begin, r#"{"record":"done","step":0}"#.into()]
        }),
    ]
}

/// A complete merge whose kept contents, or whose log, are spoiled before it is undone.
fn spoiled(name: &'static str, expect: &'static str, spoil: fn(&Scene, Digest)) -> Row {
    Row::new(name, Some(expect), move |scene: &Scene| {
        let (changes, blobs) = small(scene);
        merged(scene, &changes, &blobs)?;
        let after = scene.project().picture();
        spoil(scene, Digest::of(b"old"));
        let log = LogFolder::open(folder(&scene.folder.path().join("log"))).map_err(told);
        let result = log.and_then(|mut log| {
            undo(borrowed(&scene.project().open()), &mut log).map(|_| ()).map_err(told)
        });
        assert_eq!(scene.project().picture(), after, "{name}: not taken back by half");
        result
    })
}

fn kept() -> Vec<Row> {
    let damaged = "is missing or damaged";
    vec![
        spoiled("kept: other bytes", damaged, |scene, digest| {
            fs::write(scene.folder.path().join(format!("log/{digest}")), "bad").expect("a file");
        }),
        spoiled("kept: gone", damaged, |scene, digest| {
            fs::remove_file(scene.folder.path().join(format!("log/{digest}"))).expect("a file");
        }),
        spoiled("kept: a link to a secret", damaged, |scene, digest| {
            let path = scene.folder.path().join(format!("log/{digest}"));
            fs::remove_file(&path).expect("a file");
            symlink("/etc/hostname", path).expect("a link");
        }),
        spoiled("kept: a FIFO", damaged, |scene, digest| {
            let path = scene.folder.path().join(format!("log/{digest}"));
            fs::remove_file(&path).expect("a file");
            super::support::Tree(scene.folder.path().into()).node(path, FileType::Fifo, 0);
        }),
        spoiled("log: a link to a file outside", "symbolic link", |scene, _| {
            let path = scene.folder.path().join("log/merge.log");
            fs::remove_file(&path).expect("a file");
            symlink("../outside/sentinel", path).expect("a link");
        }),
        spoiled("log: a FIFO", "changed by somebody else", |scene, _| {
            let path = scene.folder.path().join("log/merge.log");
            fs::remove_file(&path).expect("a file");
            super::support::Tree(scene.folder.path().into()).node(path, FileType::Fifo, 0);
        }),
        spoiled("log: a tebibyte", "changed by somebody else", |scene, _| {
            let path = scene.folder.path().join("log/merge.log");
            fs::File::options()
                .write(true)
                .open(path)
                .expect("a log")
                .set_len(1 << 40)
                .expect("a hole");
        }),
        Row::new("log: a link waits where contents come in", None, |scene| {
            symlink("../outside/sentinel", scene.folder.path().join("log/incoming"))
                .expect("a link");
            let (changes, blobs) = small(scene);
            merged(scene, &changes, &blobs)
        }),
    ]
}
