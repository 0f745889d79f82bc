//! What the tests have in common: trees on disk, upper layers made by hand, pictures of folders.
//! Not a test by itself; nothing here asserts what the crate should do.
#![allow(dead_code, reason = "every test binary uses a part of this")]

pub mod tree;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, XattrFlags, mknodat, open, setxattr};
use workspace::{
    Act, CaptureError, CaptureLimits, Changeset, Digest, Layers, LogFolder, MemoryBlobs, MergeLog,
    Record, RelPath, capture,
};

/// What is at one place, as far as anybody could notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shot {
    File(Vec<u8>, u32),
    Link(Vec<u8>),
    Folder(u32),
    Other(u32),
}

/// Everything below a folder, by path.
pub type Picture = BTreeMap<PathBuf, Shot>;

/// Takes a picture of everything below `root`, following nothing.
pub fn picture(root: &Path) -> Picture {
    let mut picture = Picture::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let data = fs::symlink_metadata(&path).expect("metadata");
            let mode = data.permissions().mode() & 0o7777;
            let kind = data.file_type();
            let shot = if kind.is_symlink() {
                Shot::Link(fs::read_link(&path).expect("a link").as_os_str().as_bytes().to_vec())
            } else if kind.is_dir() {
                waiting.push(path.clone());
                Shot::Folder(mode)
            } else if kind.is_file() && data.len() < 1 << 24 {
                Shot::File(fs::read(&path).expect("a file"), mode)
            } else {
                Shot::Other(data.mode())
            };
            picture.insert(path.strip_prefix(root).expect("below").to_owned(), shot);
        }
    }
    picture
}

/// A folder with `project`, `upper` and `log` in it, and what surrounds them.
pub struct Scene {
    pub folder: tempfile::TempDir,
}

impl Scene {
    pub fn new() -> Self {
        Self::within(tempfile::tempdir().expect("a temporary folder"))
    }

    /// In memory where there is such a place: for tests that make very many changes durable.
    pub fn quick() -> Self {
        tempfile::tempdir_in("/dev/shm").map_or_else(|_| Self::new(), Self::within)
    }

    fn within(folder: tempfile::TempDir) -> Self {
        for name in ["project", "upper", "log", "outside"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
            mode(&folder.path().join(name), 0o755);
        }
        Self { folder }
    }

    pub fn project(&self) -> Tree {
        Tree(self.folder.path().join("project"))
    }

    pub fn upper(&self) -> Tree {
        Tree(self.folder.path().join("upper"))
    }

    pub fn outside(&self) -> Tree {
        Tree(self.folder.path().join("outside"))
    }

    pub fn log(&self) -> LogFolder {
        LogFolder::open(folder(&self.folder.path().join("log"))).expect("a log")
    }

    /// Another log, for a second merge.
    pub fn fresh_log(&self) -> LogFolder {
        let path = self.folder.path().join("log");
        fs::remove_dir_all(&path).expect("the old log");
        fs::create_dir(&path).expect("a folder");
        self.log()
    }

    pub fn capture(&self) -> Result<(Changeset, MemoryBlobs), CaptureError> {
        self.capture_within(&CaptureLimits::default())
    }

    pub fn capture_within(
        &self,
        limits: &CaptureLimits,
    ) -> Result<(Changeset, MemoryBlobs), CaptureError> {
        let (upper, lower) = (folder(&self.upper().0), folder(&self.project().0));
        let layers = Layers { upper: upper.as_fd(), lower: lower.as_fd(), began: None };
        let mut blobs = MemoryBlobs::default();
        capture(&layers, limits, &mut blobs).map(|changes| (changes, blobs))
    }
}

/// Folders that nobody may enter would stay behind where an ordinary user runs the tests.
impl Drop for Scene {
    fn drop(&mut self) {
        let mut waiting = vec![self.folder.path().to_owned()];
        while let Some(folder) = waiting.pop() {
            let open = fs::Permissions::from_mode(0o700);
            let entries = fs::set_permissions(&folder, open).and_then(|()| fs::read_dir(&folder));
            for entry in entries.into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    waiting.push(entry.path());
                }
            }
        }
    }
}

/// A folder to fill.
pub struct Tree(pub PathBuf);

impl Tree {
    pub fn open(&self) -> OwnedFd {
        folder(&self.0)
    }

    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.join(path)
    }

    fn ready(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = self.at(path);
        let parent = path.parent().expect("a parent");
        if !parent.exists() {
            fs::create_dir_all(parent).expect("folders");
        }
        path
    }

    pub fn file(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        self.file_mode(path, content, 0o644)
    }

    pub fn file_mode(
        &self,
        path: impl AsRef<Path>,
        content: impl AsRef<[u8]>,
        bits: u32,
    ) -> PathBuf {
        let path = self.ready(path);
        fs::write(&path, content).expect("a file");
        mode(&path, bits);
        path
    }

    pub fn folder(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = self.ready(path);
        fs::create_dir_all(&path).expect("a folder");
        path
    }

    pub fn folder_mode(&self, path: impl AsRef<Path>, bits: u32) -> PathBuf {
        let path = self.folder(path);
        mode(&path, bits);
        path
    }

    pub fn link(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> PathBuf {
        let path = self.ready(path);
        symlink(target, &path).expect("a link");
        path
    }

    /// The overlay's mark of a deletion; ordinary users may make it too.
    pub fn whiteout(&self, path: impl AsRef<Path>) -> PathBuf {
        self.node(path, FileType::CharacterDevice, 0)
    }

    pub fn node(&self, path: impl AsRef<Path>, kind: FileType, device: u64) -> PathBuf {
        let path = self.ready(path);
        mknodat(CWD, &path, kind, Mode::from_raw_mode(0o644), device).expect("a special file");
        path
    }

    pub fn mark(&self, path: impl AsRef<Path>, name: &str, value: &[u8]) {
        let name = CString::new(format!("user.overlay.{name}")).expect("a name");
        setxattr(self.at(path), name.as_c_str(), value, XattrFlags::empty()).expect("a mark");
    }

    pub fn opaque(&self, path: impl AsRef<Path>) {
        self.folder(path.as_ref());
        self.mark(path, "opaque", b"y");
    }

    pub fn picture(&self) -> Picture {
        picture(&self.0)
    }
}

pub fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).expect("permission bits");
}

pub fn folder(path: &Path) -> OwnedFd {
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(path, how, Mode::empty()).expect("a folder")
}

pub fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("a path")
}

/// A project, and a program that did some of everything to it.
pub fn everything() -> Scene {
    let scene = Scene::quick();
    let (project, upper) = (scene.project(), scene.upper());
    for name in ["kept", "edited", "deleted", "folder/a", "folder/b/c", "dir-to-file/x", "mode"] {
        project.file(name, name);
    }
    project.file("file-to-dir", "f");
    project.link("link", "kept");
    project.folder_mode("closed", 0o555);
    upper.file("edited", "new content");
    upper.file_mode("mode", "mode", 0o755);
    upper.whiteout("deleted");
    upper.whiteout("folder");
    upper.file("dir-to-file", "file now");
    upper.opaque("file-to-dir");
    upper.file_mode("file-to-dir/inner", "deep", 0o600);
    upper.link("link", "edited");
    upper.file("new/deep/file", "1");
    upper.link("new/link", "deep/file");
    upper.folder_mode("new/empty", 0o700);
    upper.folder_mode("closed", 0o755);
    upper.file("closed/now-open", "1");
    scene
}

/// Copies a tree as it is: files, links, folders, bits.
pub fn copy(from: &Path, to: &Path) {
    let mut bits = Vec::new();
    for (path, shot) in picture(from) {
        let at = to.join(&path);
        match shot {
            Shot::File(content, mode) => {
                fs::write(&at, content).expect("a file");
                bits.push((at, mode));
            }
            Shot::Link(target) => {
                symlink(std::ffi::OsStr::from_bytes(&target), &at).expect("a link");
            }
            Shot::Folder(mode) => {
                fs::create_dir(&at).expect("a folder");
                bits.push((at, mode));
            }
            Shot::Other(_) => panic!("{} cannot be copied", path.display()),
        }
    }
    bits.iter().rev().for_each(|(path, bits)| mode(path, *bits));
}

/// Removes a tree even where bits of folders are in the way.
pub fn clear(root: &Path) {
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        mode(&folder, 0o700);
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            if entry.file_type().expect("a kind").is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    fs::remove_dir_all(root).expect("an empty place");
}

/// Makes `upper` what an overlay's upper layer would be if `before` had become `after`. Where a
/// folder stays, `opaque` chooses between listing what went away and hiding everything.
pub fn derive_upper(
    before: &Picture,
    after: &Picture,
    upper: &Tree,
    opaque: &mut dyn FnMut() -> bool,
) {
    let folders = std::iter::once(PathBuf::new());
    let kept = after.iter().filter(|(_, shot)| matches!(shot, Shot::Folder(_)));
    let mut hidden: Vec<PathBuf> = Vec::new();
    let mut bits = Vec::new();
    for folder in folders.chain(kept.map(|(path, _)| path.clone())) {
        let was =
            folder.as_os_str().is_empty() || matches!(before.get(&folder), Some(Shot::Folder(_)));
        let covered = hidden.iter().any(|above| folder.starts_with(above));
        let at_top = folder.as_os_str().is_empty();
        if !at_top {
            upper.folder(&folder);
            let Some(Shot::Folder(mode)) = after.get(&folder) else { unreachable!() };
            bits.push((upper.at(&folder), *mode));
        }
        let replaced = !was && before.contains_key(&folder);
        let hides = !covered && !at_top && (replaced || was && opaque());
        if hides {
            upper.opaque(&folder);
            hidden.push(folder.clone());
        }
        let hides = hides || covered;
        let within = |picture: &Picture| -> Vec<PathBuf> {
            picture.keys().filter(|path| path.parent() == Some(&folder)).cloned().collect()
        };
        if was && !hides {
            for gone in within(before).iter().filter(|path| !after.contains_key(*path)) {
                upper.whiteout(gone);
            }
        }
        for path in within(after) {
            let unchanged = was && before.get(&path) == after.get(&path);
            match &after[&path] {
                _ if unchanged && !hides => {}
                Shot::File(content, mode) => drop(upper.file_mode(&path, content, *mode)),
                Shot::Link(target) => {
                    upper.link(&path, Path::new(std::ffi::OsStr::from_bytes(target)));
                }
                Shot::Folder(_) | Shot::Other(_) => {}
            }
        }
    }
    bits.iter().rev().for_each(|(path, bits)| mode(path, *bits));
}

/// A log that stops a merge before a chosen operation or record, as a kill would.
pub struct Cut<'a> {
    pub log: &'a mut dyn MergeLog,
    /// Operations and records until the cut.
    pub left: usize,
    /// What was done so far.
    pub acts: Vec<Act>,
}

impl<'a> Cut<'a> {
    pub fn after(log: &'a mut dyn MergeLog, left: usize) -> Self {
        Self { log, left, acts: Vec::new() }
    }

    fn tick(&mut self) -> io::Result<()> {
        match self.left.checked_sub(1) {
            None => Err(io::Error::other("cut")),
            Some(left) => {
                self.left = left;
                Ok(())
            }
        }
    }
}

impl MergeLog for Cut<'_> {
    fn records(&self) -> io::Result<Vec<Record>> {
        self.log.records()
    }

    fn append(&mut self, record: &Record) -> io::Result<()> {
        self.tick()?;
        self.log.append(record)
    }

    fn keep(&mut self, content: &mut dyn Read) -> io::Result<Digest> {
        self.tick()?;
        self.log.keep(content)
    }

    fn kept(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        self.log.kept(digest)
    }

    fn before(&mut self, act: Act) -> io::Result<()> {
        self.tick()?;
        self.acts.push(act);
        self.log.before(act)
    }
}

/// A log that does something at one chosen operation: what another process could do meanwhile.
pub struct Meanwhile<'a> {
    pub log: &'a mut dyn MergeLog,
    pub at: Act,
    pub left: usize,
    pub deed: &'a mut dyn FnMut(),
}

impl MergeLog for Meanwhile<'_> {
    fn records(&self) -> io::Result<Vec<Record>> {
        self.log.records()
    }

    fn append(&mut self, record: &Record) -> io::Result<()> {
        self.log.append(record)
    }

    fn keep(&mut self, content: &mut dyn Read) -> io::Result<Digest> {
        self.log.keep(content)
    }

    fn kept(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        self.log.kept(digest)
    }

    fn before(&mut self, act: Act) -> io::Result<()> {
        if act == self.at {
            if self.left == 0 {
                (self.deed)();
            }
            self.left = self.left.wrapping_sub(1);
        }
        self.log.before(act)
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs the other tests of this binary once more as the user `nobody`, when they were started as
/// root. Started as an ordinary user they have just run as one, and there is nothing to repeat.
pub fn again_as_an_ordinary_user(own_name: &str) {
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65534;
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    mode(folder.path(), 0o755);
    let copy = folder.path().join("tests");
    let own = std::env::current_exe().expect("the test binary");
    fs::copy(own, &copy).expect("a copy others can execute");
    let output = std::process::Command::new(&copy)
        .args(["--skip", own_name])
        .env("HOME", "/nonexistent")
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("a second run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "as an ordinary user:\n{text}");
}

/// Whether a path is a special file of any kind.
pub fn is_special(path: &Path) -> bool {
    let kind = fs::symlink_metadata(path).expect("metadata").file_type();
    kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device()
}

pub fn borrowed(fd: &OwnedFd) -> BorrowedFd<'_> {
    fd.as_fd()
}
