//! Does one step on the project, or finds out what became of one that was interrupted.
//!
//! A step never overwrites: what is replaced or removed is first moved to a temporary name in the
//! same folder, in one operation, and compared there. If it is not what the change was made
//! against, it is moved back. An error ends a step where it is; nothing is tidied on the way out,
//! because a kill would not tidy either, and `settle` copes with both.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, Stat, XattrFlags, chownat, fchmod, fchown, fgetxattr,
    flistxattr, fsetxattr, fstat, fsync, mkdirat, renameat_with, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};

use super::MergeError;
use super::log::{Act, MergeLog};
use super::step::{OPEN, Step};
use crate::beneath::{self, Found};
use crate::blobs::{Blobs, damaged};
use crate::changeset::{Changeset, FILE_BYTES_MAX, Node};
use crate::digest::Hashing;
use crate::path::RelPath;

/// Bytes of one extended attribute, and of all their names; what Linux allows.
const ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;

/// Keeps every content that a merge will replace or remove, before its first step.
pub(super) fn keep(
    root: BorrowedFd<'_>,
    changes: &Changeset,
    log: &mut dyn MergeLog,
) -> Result<(), MergeError> {
    for entry in changes.entries() {
        let Some(Node::File { digest, size, .. }) = &entry.before else { continue };
        let failed = |source| MergeError::Compare { path: entry.path.clone(), source };
        let (file, _) =
            beneath::file(root, entry.path.as_str()).map_err(|errno| failed(errno.into()))?;
        let kept = log.keep(&mut file.take(size.saturating_add(1))).map_err(MergeError::Log)?;
        if kept != *digest {
            return Err(failed(io::Error::other("it changed while it was copied")));
        }
    }
    Ok(())
}

/// What does steps.
pub(super) struct Hand<'a> {
    pub(super) root: BorrowedFd<'a>,
    /// Names the temporary files of this merge.
    pub(super) id: &'a str,
    /// Where contents come from; `None` if from what the log kept.
    pub(super) blobs: Option<&'a dyn Blobs>,
    pub(super) log: &'a mut dyn MergeLog,
}

/// Why a step is not done.
enum Halt {
    Failed(io::Error),
    /// Something else is there than was compared.
    Overtaken,
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Errno> for Halt {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno.into())
    }
}

/// The folder of a step, and the two names it works with there.
struct Place<'s> {
    folder: OwnedFd,
    name: &'s str,
    aside: String,
}

impl Place<'_> {
    fn target(&self, size_max: u64) -> io::Result<Found> {
        beneath::look_in(self.folder.as_fd(), self.name, size_max)
    }

    fn aside(&self, size_max: u64) -> io::Result<Found> {
        beneath::look_in(self.folder.as_fd(), &self.aside, size_max)
    }
}

impl Hand<'_> {
    /// Does one step that has not begun.
    pub(super) fn perform(&mut self, step: &Step, number: usize) -> Result<(), MergeError> {
        let done = self.place(step, number).and_then(|place| match step {
            Step::SetMode { from, to, .. } => self.set_mode(&place, *from, *to),
            Step::MakeFolder { .. } => self.make_folder(&place),
            Step::RemoveFolder { .. } => self.remove_folder(&place),
            Step::Place { node, .. } => self.put(&place, node),
            Step::Replace { from, to, .. } => self.replace(&place, from, to),
            Step::Remove { node, .. } => self.remove(&place, node),
        });
        done.map_err(|halt| halt.at(step.path()))
    }

    /// Looks at a step that may have begun, tidies up after it, and says whether it is done.
    pub(super) fn settle(&mut self, step: &Step, number: usize) -> Result<bool, MergeError> {
        let done = self.place(step, number).and_then(|place| match step {
            Step::SetMode { from, to, .. } => match place.target(0)? {
                Found::Node(Node::Folder { mode }) if mode == *to => Ok(true),
                Found::Node(Node::Folder { mode }) if mode == *from => Ok(false),
                _ => Err(Halt::Overtaken),
            },
            Step::MakeFolder { .. } => self.settle_make(&place),
            Step::RemoveFolder { .. } => match place.target(0)? {
                Found::Nothing => self.sync(&place.folder).map(|()| true),
                Found::Node(Node::Folder { .. }) => Ok(false),
                _ => Err(Halt::Overtaken),
            },
            Step::Place { node, .. } => self.settle_put(&place, node),
            Step::Replace { from, to, .. } => self.settle_replace(&place, from, to),
            Step::Remove { node, .. } => self.settle_remove(&place, node),
        });
        done.map_err(|halt| halt.at(step.path()))
    }

    fn place<'s>(&self, step: &'s Step, number: usize) -> Result<Place<'s>, Halt> {
        let path = step.path();
        let folder = match beneath::folder(self.root, path.parent().as_ref()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {
                return Err(Halt::Overtaken);
            }
            other => other?,
        };
        let aside = format!(".palisade-{}-{number}", self.id);
        Ok(Place { folder, name: path.name(), aside })
    }

    fn set_mode(&mut self, place: &Place<'_>, from: u32, to: u32) -> Result<(), Halt> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY;
        let folder = match beneath::open(place.folder.as_fd(), place.name, how, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Err(Halt::Overtaken),
            other => other?,
        };
        if beneath::bits(&fstat(&folder)?) != from {
            return Err(Halt::Overtaken);
        }
        self.log.before(Act::SetMode)?;
        fchmod(&folder, Mode::from_raw_mode(to))?;
        self.sync(&folder)
    }

    fn make_folder(&mut self, place: &Place<'_>) -> Result<(), Halt> {
        self.log.before(Act::MakeFolder)?;
        match mkdirat(&place.folder, place.name, Mode::from_raw_mode(OPEN)) {
            Err(Errno::EXIST) => return Err(Halt::Overtaken),
            other => other?,
        }
        self.dress_folder(place)
    }

    /// Gives a new folder exactly its bits, whatever the folder it is in hands down.
    fn dress_folder(&mut self, place: &Place<'_>) -> Result<(), Halt> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY;
        let folder = beneath::open(place.folder.as_fd(), place.name, how, Mode::empty())?;
        self.log.before(Act::Dress)?;
        if let Some((user, group)) = owner(&place.folder, None)? {
            fchown(&folder, user, group)?;
        }
        fchmod(&folder, Mode::from_raw_mode(OPEN))?;
        self.sync(&folder)?;
        self.sync(&place.folder)
    }

    fn settle_make(&mut self, place: &Place<'_>) -> Result<bool, Halt> {
        match place.target(0)? {
            Found::Nothing => Ok(false),
            // Ours, perhaps with a bit that the folder it is in handed down.
            Found::Node(Node::Folder { mode }) if mode & 0o5077 == 0 => {
                self.dress_folder(place).map(|()| true)
            }
            _ => Err(Halt::Overtaken),
        }
    }

    fn remove_folder(&mut self, place: &Place<'_>) -> Result<(), Halt> {
        self.log.before(Act::RemoveFolder)?;
        match unlinkat(&place.folder, place.name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT | Errno::NOTDIR) => {
                return Err(Halt::Overtaken);
            }
            other => other?,
        }
        self.sync(&place.folder)
    }

    fn put(&mut self, place: &Place<'_>, node: &Node) -> Result<(), Halt> {
        self.stage(place, node, None)?;
        self.log.before(Act::Rename)?;
        let (folder, new) = (&place.folder, RenameFlags::NOREPLACE);
        match renameat_with(folder, place.aside.as_str(), folder, place.name, new) {
            Err(Errno::EXIST) => return self.give_up(place),
            other => other?,
        }
        // Somebody may have put something else under the temporary name.
        if !place.target(size(node))?.is(Some(node)) {
            return Err(Halt::Overtaken);
        }
        self.sync(&place.folder)
    }

    fn settle_put(&mut self, place: &Place<'_>, node: &Node) -> Result<bool, Halt> {
        let target = place.target(size(node))?;
        if place.aside(0)? != Found::Nothing {
            self.unlink(place)?;
        }
        match target {
            Found::Nothing => Ok(false),
            found if found.is(Some(node)) => self.sync(&place.folder).map(|()| true),
            _ => Err(Halt::Overtaken),
        }
    }

    fn replace(&mut self, place: &Place<'_>, from: &Node, to: &Node) -> Result<(), Halt> {
        let stat = match statat(&place.folder, place.name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Err(Halt::Overtaken),
            other => other?,
        };
        self.stage(place, to, Some(&stat))?;
        self.log.before(Act::Rename)?;
        match self.exchange(place) {
            Err(Errno::NOENT) => return self.give_up(place),
            other => other?,
        }
        let old = place.aside(size(from))?.is(Some(from));
        if !old || !place.target(size(to))?.is(Some(to)) {
            self.exchange(place)?;
            return self.give_up(place);
        }
        self.unlink(place)?;
        self.sync(&place.folder)
    }

    fn settle_replace(&mut self, place: &Place<'_>, from: &Node, to: &Node) -> Result<bool, Halt> {
        let size_max = size(from).max(size(to));
        let (target, aside) = (place.target(size_max)?, place.aside(size_max)?);
        match (target.is(Some(from)), target.is(Some(to)), aside) {
            (true, _, Found::Nothing) => Ok(false),
            (_, true, Found::Nothing) => self.sync(&place.folder).map(|()| true),
            // Not yet exchanged: what is aside is ours, perhaps unfinished.
            (true, _, _) => self.unlink(place).map(|()| false),
            (_, true, aside) if aside.is(Some(from)) => {
                self.unlink(place)?;
                self.sync(&place.folder).map(|()| true)
            }
            // Exchanged, and what came out was somebody else's.
            (_, true, _) => {
                self.log.before(Act::Rename)?;
                self.exchange(place)?;
                self.give_up(place).map(|()| false)
            }
            (_, _, aside) if aside.is(Some(from)) || aside.is(Some(to)) => {
                self.give_up(place).map(|()| false)
            }
            _ => Err(Halt::Overtaken),
        }
    }

    fn remove(&mut self, place: &Place<'_>, node: &Node) -> Result<(), Halt> {
        let (folder, new) = (&place.folder, RenameFlags::NOREPLACE);
        self.log.before(Act::Rename)?;
        match renameat_with(folder, place.name, folder, place.aside.as_str(), new) {
            Err(Errno::NOENT) => return Err(Halt::Overtaken),
            other => other?,
        }
        if !place.aside(size(node))?.is(Some(node)) {
            renameat_with(folder, place.aside.as_str(), folder, place.name, new)?;
            return Err(Halt::Overtaken);
        }
        self.unlink(place)?;
        self.sync(&place.folder)
    }

    fn settle_remove(&mut self, place: &Place<'_>, node: &Node) -> Result<bool, Halt> {
        let (target, aside) = (place.target(size(node))?, place.aside(size(node))?);
        match (target, aside) {
            (Found::Nothing, Found::Nothing) => self.sync(&place.folder).map(|()| true),
            (target, Found::Nothing) if target.is(Some(node)) => Ok(false),
            (Found::Nothing, aside) if aside.is(Some(node)) => {
                self.unlink(place)?;
                self.sync(&place.folder).map(|()| true)
            }
            // What was moved aside was somebody else's.
            (Found::Nothing, _) => {
                let (folder, new) = (&place.folder, RenameFlags::NOREPLACE);
                self.log.before(Act::Rename)?;
                renameat_with(folder, place.aside.as_str(), folder, place.name, new)?;
                Err(Halt::Overtaken)
            }
            (_, aside) if aside.is(Some(node)) => self.give_up(place).map(|()| false),
            _ => Err(Halt::Overtaken),
        }
    }

    /// Makes a whole new node under the temporary name, durable and with its final bits.
    fn stage(&mut self, place: &Place<'_>, node: &Node, like: Option<&Stat>) -> Result<(), Halt> {
        self.log.before(Act::Create)?;
        let owner = owner(&place.folder, like)?;
        match node {
            Node::Symlink { target } => {
                symlinkat(target.as_str(), &place.folder, place.aside.as_str())?;
                if let Some((user, group)) = owner {
                    let flags = AtFlags::SYMLINK_NOFOLLOW;
                    chownat(&place.folder, place.aside.as_str(), user, group, flags)?;
                }
                Ok(())
            }
            Node::File { mode, .. } => {
                let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                let private = Mode::RUSR | Mode::WUSR;
                let file = beneath::open(place.folder.as_fd(), &place.aside, how, private)?;
                let mut file = File::from(file);
                self.log.before(Act::Write)?;
                self.write(&mut file, node)?;
                self.log.before(Act::Dress)?;
                if let Some((user, group)) = owner {
                    fchown(&file, user, group)?;
                }
                if like.is_some() {
                    attributes(place, &file)?;
                }
                fchmod(&file, Mode::from_raw_mode(*mode))?;
                self.sync(&file)
            }
            Node::Folder { .. } => Err(Halt::Failed(io::ErrorKind::InvalidInput.into())),
        }
    }

    /// Copies a content and checks it on the way.
    fn write(&self, file: &mut File, node: &Node) -> io::Result<()> {
        let Node::File { digest, size, .. } = node else { return Ok(()) };
        let source = match self.blobs {
            Some(blobs) => blobs.get(digest)?,
            None => self.log.kept(digest)?,
        };
        let mut content = Hashing::new(source.take(size.min(&FILE_BYTES_MAX).saturating_add(1)));
        io::copy(&mut content, file)?;
        if content.finish() == (*size, *digest) { Ok(()) } else { Err(damaged(digest)) }
    }

    fn exchange(&self, place: &Place<'_>) -> Result<(), Errno> {
        let (folder, both) = (&place.folder, RenameFlags::EXCHANGE);
        renameat_with(folder, place.aside.as_str(), folder, place.name, both)
    }

    fn unlink(&mut self, place: &Place<'_>) -> Result<(), Halt> {
        self.log.before(Act::Unlink)?;
        Ok(unlinkat(&place.folder, place.aside.as_str(), AtFlags::empty())?)
    }

    /// Takes away our own temporary file and leaves the place to whoever was faster.
    fn give_up(&mut self, place: &Place<'_>) -> Result<(), Halt> {
        self.unlink(place)?;
        Err(Halt::Overtaken)
    }

    fn sync(&mut self, file: impl std::os::fd::AsFd) -> Result<(), Halt> {
        self.log.before(Act::Sync)?;
        Ok(fsync(file)?)
    }
}

impl Halt {
    fn at(self, path: &RelPath) -> MergeError {
        match self {
            Self::Failed(source) => MergeError::Stopped { path: path.clone(), source },
            Self::Overtaken => MergeError::Overtaken(path.clone()),
        }
    }
}

/// Whose a new node becomes: that of what it replaces; for root, else that of its folder. `None`
/// where it is so by itself.
fn owner(folder: &OwnedFd, like: Option<&Stat>) -> io::Result<Option<(Option<Uid>, Option<Gid>)>> {
    let of = |stat: &Stat| (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    match like {
        Some(stat) => Ok(Some(of(stat))),
        None if geteuid().is_root() => Ok(Some(of(&fstat(folder)?))),
        None => Ok(None),
    }
}

/// Gives a new file the extended attributes and access list of the file it replaces. Labels and
/// capabilities are the system's to give and are not handed on.
fn attributes(place: &Place<'_>, new: &File) -> io::Result<()> {
    let old = match beneath::file(place.folder.as_fd(), place.name) {
        // What is no file has none; whether it may be replaced is found out by the exchange.
        Err(Errno::INVAL | Errno::LOOP | Errno::NOENT | Errno::ISDIR | Errno::NXIO) => {
            return Ok(());
        }
        other => other?.0,
    };
    let mut names = vec![0_u8; ATTRIBUTE_BYTES_MAX];
    let count = match flistxattr(&old, names.as_mut_slice()) {
        Err(Errno::NOTSUP) => return Ok(()),
        other => other?,
    };
    let names = names.get(..count).unwrap_or_default();
    let handed_on =
        |name: &&[u8]| name.starts_with(b"user.") || *name == b"system.posix_acl_access";
    for name in names.split(|byte| *byte == 0).filter(handed_on) {
        let mut value = vec![0_u8; ATTRIBUTE_BYTES_MAX];
        let count = fgetxattr(&old, name, value.as_mut_slice())?;
        fsetxattr(new, name, value.get(..count).unwrap_or_default(), XattrFlags::empty())?;
    }
    Ok(())
}

/// In bytes; what is no file is not read.
const fn size(node: &Node) -> u64 {
    match node {
        Node::File { size, .. } => *size,
        _ => 0,
    }
}
