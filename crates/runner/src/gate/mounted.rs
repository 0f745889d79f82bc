//! What the kernel says is mounted where (`/proc/self/mountinfo`, proc_pid_mountinfo(5)).
//!
//! One folder can be shown at several places, and a folder brings along whatever is mounted below it; a path alone
//! tells neither. Nothing is mounted or decided here.

use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Where the kernel tells it, of this process.
const TABLE: &str = "/proc/self/mountinfo";
/// The kind of file system that shows processes.
const PROCESSES: &[u8] = b"proc";

/// Everything that is mounted, in the order in which it was.
#[derive(Debug)]
pub(super) struct Mounted(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    /// Major and minor number, as text.
    device: Vec<u8>,
    /// Which folder of the file system is shown.
    root: PathBuf,
    /// Where.
    point: PathBuf,
    kind: Vec<u8>,
}

/// A file or folder of a file system, however it is reached.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    device: &'a [u8],
    path: PathBuf,
}

impl Place<'_> {
    /// Whether one of the two holds the other, or both are the same.
    fn meets(&self, other: &Self) -> bool {
        let (one, two) = (&self.path, &other.path);
        self.device == other.device && (one.starts_with(two) || two.starts_with(one))
    }
}

impl Mounted {
    /// What is mounted now.
    ///
    /// # Errors
    /// When the kernel does not tell, or not in the way that is known.
    pub(super) fn now() -> io::Result<Self> {
        let unknown = || io::Error::new(io::ErrorKind::InvalidData, "it is not the table it was");
        Self::parse(&std::fs::read(TABLE)?).ok_or_else(unknown)
    }

    fn parse(table: &[u8]) -> Option<Self> {
        let lines = table.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(Entry::parse).collect::<Option<_>>().map(Self)
    }

    /// Whether mounting `source`, with everything that is mounted below it, shows any of `kept`, all of it or more.
    pub(super) fn shows(&self, source: &Path, kept: &Path) -> bool {
        let kept = self.places(kept);
        self.places(source).iter().any(|shown| kept.iter().any(|kept| shown.meets(kept)))
    }

    /// Where mounting `source` would show the processes of this machine.
    pub(super) fn processes(&self, source: &Path) -> Option<&Path> {
        let shown = self.below(source).chain(self.at(source));
        shown.into_iter().find(|entry| entry.kind == PROCESSES).map(|entry| entry.point.as_path())
    }

    /// The place of `path`, and of everything that is mounted below it.
    fn places(&self, path: &Path) -> Vec<Place<'_>> {
        let own = self.at(path).map(|entry| {
            let rest = path.strip_prefix(&entry.point).unwrap_or(path);
            Place { device: &entry.device, path: entry.root.join(rest) }
        });
        let below = self.below(path);
        let below = below.map(|entry| Place { device: &entry.device, path: entry.root.clone() });
        own.into_iter().chain(below).collect()
    }

    /// What is mounted at `path` or nearest above: of several at one point, the last covers the others.
    fn at(&self, path: &Path) -> Option<&Entry> {
        let above = self.0.iter().filter(|entry| path.starts_with(&entry.point));
        above.max_by_key(|entry| entry.point.components().count())
    }

    fn below(&self, path: &Path) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(move |entry| entry.point != path && entry.point.starts_with(path))
    }
}

impl Entry {
    /// `36 35 98:0 /root /point options [more] - kind …`
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let device = fields.nth(2)?.to_vec();
        let (root, point) = (fields.next()?, fields.next()?);
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?.to_vec();
        Some(Self { device, root: unescaped(root), point: unescaped(point), kind })
    }
}

/// Spaces, tabs, line ends and backslashes stand as three octal digits behind a backslash.
fn unescaped(field: &[u8]) -> PathBuf {
    let (mut path, mut rest) = (Vec::with_capacity(field.len()), field);
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let byte = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        path.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    PathBuf::from(std::ffi::OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
21 20 0:5 / /proc rw - proc proc rw
22 20 8:2 / /home rw shared:2 - ext4 /dev/sda2 rw
23 20 8:2 /ada/work /mnt/work rw - ext4 /dev/sda2 rw
24 20 8:2 /ada/work/p/.palisade/keys /mnt/with\\040space rw - ext4 /dev/sda2 rw
25 20 8:1 /srv /mnt/covered rw - ext4 /dev/sda1 rw
26 25 8:3 / /mnt/covered rw - ext4 /dev/sdb rw
27 20 8:2 / /srv/deep/all rw - ext4 /dev/sda2 rw
28 20 0:5 / /srv/chroot/proc rw - proc proc rw
";

    #[test]
    fn a_folder_is_found_wherever_it_is_mounted() {
        let mounted = Mounted::parse(TABLE.as_bytes()).unwrap();
        let check = |source: &str, expect: bool| {
            let kept = Path::new("/home/ada/work/p/.palisade");
            assert_eq!(mounted.shows(Path::new(source), kept), expect, "{source}");
        };
        check("/", true);
        check("/home/ada", true);
        check("/home/ada/work/p/.palisade/keys", true);
        check("/mnt/work", true);
        check("/mnt/work/p", true);
        check("/mnt/work/p/.palisade/secrets", true);
        check("/mnt/with space", true);
        check("/mnt", true);
        check("/srv/deep", true);
        // Control: beside it, below the same mounts, and on another file system under the same name.
        check("/home/ada/work/p/docs", false);
        check("/mnt/work/q", false);
        check("/mnt/covered", false);
        check("/srv/chroot", false);
        check("/ada/work/p/.palisade", false);
    }

    #[test]
    fn what_shows_processes_is_found_at_and_below_a_folder() {
        let mounted = Mounted::parse(TABLE.as_bytes()).unwrap();
        let check = |source: &str, expect: Option<&str>| {
            assert_eq!(mounted.processes(Path::new(source)), expect.map(Path::new), "{source}");
        };
        check("/proc/1", Some("/proc"));
        check("/srv", Some("/srv/chroot/proc"));
        check("/home", None);
    }

    #[test]
    fn a_table_that_is_not_understood_is_none() {
        for line in ["20 1 8:1", "20 1 8:1 / / rw shared:1 ext4 /dev/sda1 rw"] {
            assert!(Mounted::parse(line.as_bytes()).is_none(), "{line}");
        }
        assert!(Mounted::now().unwrap().at(Path::new("/")).is_some(), "control");
    }
}
