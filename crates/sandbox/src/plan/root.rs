//! The root file system inside: what it shows of the host, and what is made for it.
//!
//! Lists only. Everything is made in an unfinished root called `root` on the scratch file system;
//! the workspace and further mounts are in `workspace`.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use super::{Links, PlanError, Tree, c_path, etc, in_root, resolver};
use crate::host::{Entry, Host, Shown};
use crate::profile::Profile;
use crate::spec::{HOME, Limits, SECRETS, Spec};
use crate::sys::mount::Flags;

/// Folders of the host that hold programs, shown read-only and executable where they exist.
const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"];

/// What a program needs that is mounted for the purpose and runs no other: libraries, and the few
/// settings they read. No program of the host is among it.
const LIBRARIES: [&str; 12] = [
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/services",
    "/etc/ssl/openssl.cnf",
];

/// Device nodes that are safe to share: they hold no state of anybody.
const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"];

/// What is shown of the host, however it is mounted there.
const SHOWN: Flags = Flags::READ_ONLY.and(Flags::NO_SETUID).and(Flags::NO_DEVICES);

/// Inodes the launcher itself needs on the scratch file system.
const SCRATCH_INODES: u64 = 16;

/// Every path of the host that a sandbox for work shows where it exists.
pub(crate) fn visible() -> impl Iterator<Item = &'static str> {
    SYSTEM.into_iter().chain(etc::SHOWN.iter().map(|(path, _)| *path))
}

/// Every path of the host that the egress proxy's own process is shown where it exists; the
/// resolver's files come on top.
pub(crate) fn visible_to_proxy() -> impl Iterator<Item = &'static str> {
    LIBRARIES.into_iter()
}

/// How to build the root.
pub(crate) struct Root {
    /// Options of the scratch file system: everything that can be written to, and its limits.
    pub(crate) scratch: CString,
    /// Options of the file system that becomes the root.
    pub(crate) base: CString,
    /// Options of `/proc`.
    pub(crate) processes: CString,
    pub(crate) trees: Vec<Tree>,
    pub(crate) folders: Vec<CString>,
    /// Content and place.
    pub(crate) links: Vec<(CString, CString)>,
    pub(crate) files: Vec<(CString, Vec<u8>)>,
    pub(crate) masked: Vec<CString>,
    /// Files of the resolver that are shown; for the receipt.
    pub(crate) resolver: Vec<&'static str>,
}

impl Root {
    pub(super) fn new(host: &Host, spec: &Spec) -> Result<Self, PlanError> {
        let shown = host.shown(spec.profile);
        let mut root = Self {
            scratch: scratch_options(&spec.limits)?,
            base: c"size=1m,nr_inodes=4096,mode=0755".to_owned(),
            processes: match spec.profile {
                Profile::Strict | Profile::StrictNet | Profile::Proxy => {
                    c"hidepid=ptraceable,subset=pid".to_owned()
                }
                Profile::Standard | Profile::StandardNet => c"hidepid=ptraceable".to_owned(),
            },
            trees: Vec::with_capacity(shown.len() + DEVICES.len()),
            folders: Vec::new(),
            links: Vec::new(),
            files: Vec::new(),
            masked: Vec::new(),
            resolver: Vec::new(),
        };
        root.add_folders()?;
        shown.iter().try_for_each(|shown| root.show(shown))?;
        DEVICES.into_iter().try_for_each(|device| root.add_device(device))?;
        root.add_links()?;
        for (path, text) in etc::WRITTEN {
            root.files.push((in_root(path)?, text.into()));
        }
        root.files.push((in_root("/.proof")?, b"only landlock hides this line\n".into()));
        root.add_secrets(spec)?;
        match spec.profile {
            // The masked files are in the part of `/proc` that these are not shown.
            Profile::Strict | Profile::StrictNet => {}
            Profile::Proxy => root.show_resolver()?,
            Profile::Standard | Profile::StandardNet => {
                for path in &host.masked {
                    root.masked.push(in_root(path)?);
                }
            }
        }
        Ok(root)
    }

    /// Over the written files where there are such, which stay for a host without.
    fn show_resolver(&mut self) -> Result<(), PlanError> {
        for (source, path) in resolver::found() {
            let target = in_root(path)?;
            if !etc::WRITTEN.iter().any(|(written, _)| *written == path) {
                self.files.push((target.clone(), Vec::new()));
            }
            self.trees.push(Tree::new(&source, target, SHOWN, Links::FollowOptional)?);
            self.resolver.push(path);
        }
        Ok(())
    }

    fn add_folders(&mut self) -> Result<(), PlanError> {
        const FOLDERS: [&str; 8] =
            ["/etc", "/dev", "/dev/shm", "/proc", "/tmp", "/home", HOME, "/workspace"];
        FOLDERS.into_iter().try_for_each(|path| self.add_folder(path))
    }

    fn add_secrets(&mut self, spec: &Spec) -> Result<(), PlanError> {
        for secret in &spec.secrets {
            self.add_folder("/run")?;
            self.add_folder(SECRETS)?;
            let path = format!("{SECRETS}/{}", secret.name);
            self.files.push((in_root(&path)?, secret.content.to_vec()));
        }
        Ok(())
    }

    fn add_folder(&mut self, path: &str) -> Result<(), PlanError> {
        let folder = in_root(path)?;
        if !self.folders.contains(&folder) {
            self.folders.push(folder);
        }
        Ok(())
    }

    fn show(&mut self, shown: &Shown) -> Result<(), PlanError> {
        let target = in_root(&shown.path)?;
        for (slash, _) in shown.path.match_indices('/').skip(1) {
            self.add_folder(shown.path.get(..slash).unwrap_or_default())?;
        }
        match &shown.entry {
            Entry::Folder => self.folders.push(target.clone()),
            Entry::File => self.files.push((target.clone(), Vec::new())),
            Entry::Link(to) => {
                self.links.push((c_path(to)?, target));
                return Ok(());
            }
        }
        let source = Path::new(&shown.path);
        self.trees.push(Tree::new(source, target, SHOWN, Links::FollowOptional)?);
        Ok(())
    }

    fn add_device(&mut self, path: &str) -> Result<(), PlanError> {
        const FLAGS: Flags = Flags::NO_SETUID.and(Flags::NO_EXEC);
        let target = in_root(path)?;
        self.files.push((target.clone(), Vec::new()));
        self.trees.push(Tree::new(Path::new(path), target, FLAGS, Links::FollowOptional)?);
        Ok(())
    }

    fn add_links(&mut self) -> Result<(), PlanError> {
        const LINKS: [(&str, &str); 5] = [
            ("/proc/self/fd", "/dev/fd"),
            ("/proc/self/fd/0", "/dev/stdin"),
            ("/proc/self/fd/1", "/dev/stdout"),
            ("/proc/self/fd/2", "/dev/stderr"),
            ("urandom", "/dev/random"),
        ];
        for (to, path) in LINKS {
            self.links.push((c_path(&PathBuf::from(to))?, in_root(path)?));
        }
        Ok(())
    }
}

pub(crate) fn scratch_options(limits: &Limits) -> Result<CString, PlanError> {
    let bytes = limits.workspace_bytes;
    let inodes = limits.workspace_inodes.saturating_add(SCRATCH_INODES);
    Ok(CString::new(format!("size={bytes},nr_inodes={inodes},mode=0755"))?)
}
