//! Stopped at any point, a merge is completed or taken back entirely: by an error before every
//! single operation, by two of them, and by a kill of the process.
//! The control is a log that forgets: with it the same stops leave a project half changed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly"
)]

mod support;

use std::fs;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use support::{Cut, Picture, Scene, Tree, borrowed, everything};
use workspace::{
    Act, Blobs, Changeset, Digest, LogFolder, MemoryBlobs, MergeError, MergeLog, Record,
    StateFault, merge, resume, undo,
};

/// The two ends a merge may have, and what leads to them.
struct Ends {
    before: Picture,
    after: Picture,
    changes: Changeset,
    blobs: MemoryBlobs,
}

/// A scene and its two ends; the project is as it was before.
fn ends() -> (Scene, Ends) {
    let scene = everything();
    let before = scene.project().picture();
    let (changes, blobs) = scene.capture().unwrap();
    let project = scene.project().open();
    merge(borrowed(&project), &changes, &blobs, &mut scene.log()).unwrap();
    let after = scene.project().picture();
    undo(borrowed(&project), &mut scene.log()).unwrap();
    assert_eq!(scene.project().picture(), before);
    (scene, Ends { before, after, changes, blobs })
}

/// Merges with a new log until the cut; returns whether it got through, and what it did.
fn merge_until(scene: &Scene, ends: &Ends, left: usize) -> (bool, Vec<Act>) {
    let mut log = scene.fresh_log();
    let mut cut = Cut::after(&mut log, left);
    let project = scene.project().open();
    let result = merge(borrowed(&project), &ends.changes, &ends.blobs, &mut cut);
    (result.is_ok(), cut.acts)
}

/// Resumes what was cut off; a merge that never began is begun.
fn complete(scene: &Scene, ends: &Ends) {
    let project = scene.project().open();
    let mut log = scene.log();
    match resume(borrowed(&project), &ends.blobs, &mut log) {
        Err(MergeError::State(StateFault::Empty)) => {
            assert_eq!(scene.project().picture(), ends.before, "nothing in the log, nothing done");
            merge(borrowed(&project), &ends.changes, &ends.blobs, &mut log).unwrap();
        }
        Err(MergeError::State(StateFault::Complete)) => {}
        other => drop(other.unwrap()),
    }
}

/// Takes back what was cut off, or what was complete.
fn take_back(scene: &Scene) {
    match undo(borrowed(&scene.project().open()), &mut scene.log()) {
        Err(MergeError::State(StateFault::Empty | StateFault::Undone)) => {}
        other => drop(other.unwrap()),
    }
}

#[test]
fn stopped_before_any_operation_it_is_completed() {
    let (scene, ends) = ends();
    let mut cuts = 0;
    loop {
        let (through, _) = merge_until(&scene, &ends, cuts);
        complete(&scene, &ends);
        assert_eq!(scene.project().picture(), ends.after, "cut {cuts}");
        take_back(&scene);
        assert_eq!(scene.project().picture(), ends.before, "cut {cuts}, taken back later");
        if through {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 100, "{cuts} operations");
}

#[test]
fn stopped_before_any_operation_it_is_taken_back() {
    let (scene, ends) = ends();
    let mut seen = Vec::new();
    for cuts in 0.. {
        let (through, acts) = merge_until(&scene, &ends, cuts);
        seen.extend(acts);
        take_back(&scene);
        assert_eq!(scene.project().picture(), ends.before, "cut {cuts}");
        if through {
            break;
        }
    }
    use Act::{Create, Dress, MakeFolder, RemoveFolder, Rename, SetMode, Sync, Unlink, Write};
    for act in [Create, Write, Dress, Sync, Rename, Unlink, MakeFolder, RemoveFolder, SetMode] {
        assert!(seen.contains(&act), "{act:?} was never done");
    }
}

#[test]
fn taking_back_is_itself_completed_after_any_stop() {
    let (scene, ends) = ends();
    for cuts in 0.. {
        assert!(merge_until(&scene, &ends, usize::MAX).0);
        let through = undo_until(&scene, cuts);
        take_back(&scene);
        assert_eq!(scene.project().picture(), ends.before, "cut {cuts}");
        if through {
            break;
        }
    }
}

fn undo_until(scene: &Scene, left: usize) -> bool {
    let mut log = scene.log();
    let mut cut = Cut::after(&mut log, left);
    undo(borrowed(&scene.project().open()), &mut cut).is_ok()
}

fn resume_until(scene: &Scene, ends: &Ends, left: usize) {
    let mut log = scene.log();
    let mut cut = Cut::after(&mut log, left);
    let _ = resume(borrowed(&scene.project().open()), &ends.blobs, &mut cut);
}

#[test]
fn stopped_twice_it_is_still_completed_or_taken_back() {
    let (scene, ends) = ends();
    for cuts in (0..160).step_by(3) {
        for again in [0, 1, 2, 3, 5, 8, 13] {
            merge_until(&scene, &ends, cuts);
            resume_until(&scene, &ends, again);
            complete(&scene, &ends);
            assert_eq!(scene.project().picture(), ends.after, "cuts {cuts}, {again}");
            undo_until(&scene, again);
            take_back(&scene);
            assert_eq!(scene.project().picture(), ends.before, "cuts {cuts}, {again}");
        }
    }
}

/// A log that forgets every step: the control.
struct Forgetful<'a>(Cut<'a>);

impl MergeLog for Forgetful<'_> {
    fn records(&self) -> io::Result<Vec<Record>> {
        Ok(Vec::new())
    }

    fn append(&mut self, _: &Record) -> io::Result<()> {
        Ok(())
    }

    fn keep(&mut self, content: &mut dyn Read) -> io::Result<Digest> {
        MemoryBlobs::default().put(content)
    }

    fn kept(&self, _: &Digest) -> io::Result<Box<dyn Read + '_>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn before(&mut self, act: Act) -> io::Result<()> {
        self.0.before(act)
    }
}

#[test]
fn control_without_a_log_a_stop_leaves_half_a_merge() {
    let (scene, ends) = ends();
    let mut log = scene.fresh_log();
    let mut log = Forgetful(Cut::after(&mut log, 40));
    let project = scene.project().open();
    merge(borrowed(&project), &ends.changes, &ends.blobs, &mut log).unwrap_err();
    let half = scene.project().picture();
    assert!(half != ends.before && half != ends.after);
    assert!(matches!(undo(borrowed(&project), &mut log), Err(MergeError::State(_))));
}

/// Names the folder in which a child of this test merges, and when it is to die.
const CHILD: &str = "WORKSPACE_TEST_CHILD";

/// Kills its own process before a chosen operation.
struct Kill(LogFolder, usize);

impl Kill {
    fn tick(&mut self) {
        if self.1 == 0 {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
        }
        self.1 -= 1;
    }
}

impl MergeLog for Kill {
    fn records(&self) -> io::Result<Vec<Record>> {
        self.0.records()
    }

    fn append(&mut self, record: &Record) -> io::Result<()> {
        self.tick();
        self.0.append(record)
    }

    fn keep(&mut self, content: &mut dyn Read) -> io::Result<Digest> {
        self.tick();
        self.0.keep(content)
    }

    fn kept(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        self.0.kept(digest)
    }

    fn before(&mut self, act: Act) -> io::Result<()> {
        self.tick();
        self.0.before(act)
    }
}

/// Does nothing when started as a test; as a child it merges and dies on the way.
#[test]
fn as_a_child_it_merges() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let (at, folder) = order.split_once(':').unwrap();
    let folder = PathBuf::from(folder);
    let changes = Changeset::from_json(&fs::read(folder.join("changes")).unwrap()).unwrap();
    let mut blobs = MemoryBlobs::default();
    for entry in fs::read_dir(folder.join("blobs")).unwrap() {
        blobs.put(&mut fs::File::open(entry.unwrap().path()).unwrap()).unwrap();
    }
    let log = LogFolder::open(support::folder(&folder.join("log"))).unwrap();
    let project = Tree(folder.join("project")).open();
    merge(borrowed(&project), &changes, &blobs, &mut Kill(log, at.parse().unwrap())).unwrap();
}

#[test]
fn killed_at_any_point_it_is_completed_or_taken_back() {
    let (scene, ends) = ends();
    let folder = scene.folder.path();
    fs::write(folder.join("changes"), ends.changes.to_json().unwrap()).unwrap();
    fs::create_dir(folder.join("blobs")).unwrap();
    for (at, entry) in ends.changes.entries().iter().enumerate() {
        if let Some(workspace::Node::File { digest, .. }) = &entry.after {
            let mut content = Vec::new();
            ends.blobs.get(digest).unwrap().read_to_end(&mut content).unwrap();
            fs::write(folder.join("blobs").join(at.to_string()), content).unwrap();
        }
    }
    let mut kills = 0;
    for at in 0.. {
        drop(scene.fresh_log());
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "as_a_child_it_merges"])
            .env(CHILD, format!("{at}:{}", folder.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        if at % 2 == 0 {
            complete(&scene, &ends);
            assert_eq!(scene.project().picture(), ends.after, "killed at {at}");
        }
        take_back(&scene);
        assert_eq!(scene.project().picture(), ends.before, "killed at {at}");
        if status.success() {
            break;
        }
        assert_eq!(status.signal(), Some(9), "killed at {at}");
        kills += 1;
    }
    assert!(kills > 100, "{kills} kills");
}

#[test]
fn a_line_cut_off_by_a_crash_is_dropped() {
    let (scene, ends) = ends();
    // The first cut with ten records comes right after the tenth was written.
    let ten = |cuts: &usize| {
        take_back(&scene);
        merge_until(&scene, &ends, *cuts);
        scene.log().records().unwrap().len() == 10
    };
    assert!((0..).find(ten).is_some());
    let path = scene.folder.path().join("log/merge.log");
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    for end in last + 1..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        assert_eq!(scene.log().records().unwrap().len(), 9, "{end} bytes");
    }
    take_back(&scene);
    assert_eq!(scene.project().picture(), ends.before);
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
