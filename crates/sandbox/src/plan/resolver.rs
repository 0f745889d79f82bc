//! The files of `/etc` by which names are resolved, for the one program that may ask a resolver.
//!
//! Found for each launch: the machine moves between networks while the supervisor lives. They are
//! mounted and not copied, because a list of hosts can be of any length.

use std::path::{Path, PathBuf};

/// What the C library reads on the way from a name to an address.
const FILES: [&str; 5] =
    ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf"];

/// Where each file really is, and where it is looked for. What this host lacks is left out.
pub(super) fn found() -> impl Iterator<Item = (PathBuf, &'static str)> {
    FILES.into_iter().filter_map(|path| Some((real(Path::new(path))?, path)))
}

/// `resolv.conf` is often a link into `/run`, of which nothing is shown, so links are followed here.
fn real(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|real| real.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_and_only_files_are_taken() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("run"))?;
        std::fs::write(path("run/stub.conf"), "nameserver 127.0.0.53\n")?;
        std::os::unix::fs::symlink("run/stub.conf", path("resolv.conf"))?;
        std::os::unix::fs::symlink("run/absent", path("dangling"))?;
        assert_eq!(real(&path("resolv.conf")), Some(path("run/stub.conf").canonicalize()?));
        assert_eq!(real(&path("run/stub.conf")), Some(path("run/stub.conf").canonicalize()?));
        for name in ["dangling", "run", "missing"] {
            assert_eq!(real(&path(name)), None, "{name}");
        }
        Ok(())
    }
}
