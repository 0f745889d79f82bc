//! Opening what lies in a journal's folder: a file that is one and a folder that is one, never a symbolic link.
//!
//! Whoever brings the folder, a repository for instance, may have put links there; what they lead to is not ours to
//! read, empty, resize or remove. Links above the folder are the user's own and stay allowed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Opens a file as `options` say, unless its name is that of a symbolic link.
pub(crate) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    match options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path) {
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Err(linked()),
        other => other,
    }
}

/// Refuses a path whose last name is that of a symbolic link; one where nothing is passes.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    if is_link(path) { Err(linked()) } else { Ok(()) }
}

/// Whether a path's last name is that of a symbolic link.
pub(crate) fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

fn linked() -> io::Error {
    io::Error::other("it is a symbolic link; remove it, what it leads to is not used")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_not_opened_and_what_it_leads_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "content").unwrap();
        symlink(&file, &link).unwrap();
        let opened = |path: &Path| open(OpenOptions::new().write(true).truncate(true), path);
        let error = opened(&link).unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "content");
        assert!(check(&link).is_err() && check(&file).is_ok() && check(&link.join("no")).is_ok());
        // The control: the file itself is opened.
        opened(&file).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "");
    }
}
