//! What a stage of the launch means to a person, with the entry of the plan it was about.
//! Runs in the supervisor, from the numbers the inside reported; the inside formats nothing.

use std::ffi::{CStr, CString};
use std::path::PathBuf;

use super::{Plan, Walk};
use crate::check::show;
use crate::inside::proof::Check;
use crate::inside::report::{Fault, Stage};

impl Plan {
    /// What was being done when `fault` happened, as a fragment such as
    /// "mounting the workspace overlay".
    pub(crate) fn describe(&self, fault: Fault) -> String {
        let index = fault.index;
        let root = &self.root;
        match fault.stage {
            Stage::Supervisor => "tying the sandbox to its supervisor".to_owned(),
            Stage::Descriptors => "closing inherited descriptors".to_owned(),
            Stage::Cgroup => "joining the cgroup".to_owned(),
            Stage::Identity => "mapping the user and group".to_owned(),
            Stage::HostName => "setting the host name".to_owned(),
            Stage::Loopback => "bringing up the loopback interface".to_owned(),
            Stage::Listener => "handing over the listening socket".to_owned(),
            Stage::Propagation => "making the mounts private".to_owned(),
            Stage::Source => format!("opening {}", self.source(index)),
            Stage::Scratch => "mounting the scratch file system".to_owned(),
            Stage::Folder => format!("making the folder {}", path(root.folders.get(index))),
            Stage::Link => {
                let place = root.links.get(index).map(|(_, place)| place);
                format!("making the link {}", path(place))
            }
            Stage::File => {
                let place = root.files.get(index).map(|(place, _)| place);
                format!("making the file {}", path(place))
            }
            Stage::Attach => {
                let place = root.trees.get(index).map(|tree| &tree.target);
                format!("mounting {}", path(place))
            }
            Stage::Processes => "mounting `/proc`".to_owned(),
            Stage::Mask => format!("covering {}", path(root.masked.get(index))),
            Stage::Overlay => "mounting the workspace overlay".to_owned(),
            Stage::Mount => {
                let place = self.workspace.mounts.get(index).map(|mount| &mount.place);
                format!("mounting {}", walked(place))
            }
            Stage::WorkspaceFile => {
                let place = self.workspace.files.get(index).map(|file| &file.place);
                format!("writing {}", walked(place))
            }
            Stage::Hidden => {
                let place = self.workspace.hidden.get(index).map(|hidden| &hidden.place);
                format!("hiding {}", walked(place))
            }
            Stage::HandOver => "handing over the upper layer".to_owned(),
            Stage::Pivot => "changing the root".to_owned(),
            Stage::ReadOnly => "making the root read-only".to_owned(),
            Stage::Capabilities => "dropping capabilities".to_owned(),
            Stage::NoNewPrivileges => "renouncing new privileges".to_owned(),
            Stage::Landlock => format!("restricting with landlock{}", self.rule(index)),
            Stage::Program => "starting the program's process".to_owned(),
            Stage::Streams => "connecting the standard streams".to_owned(),
            Stage::WorkingDirectory => format!("entering {}", quoted(&self.program.text.folder)),
            Stage::Rlimit => "setting resource limits".to_owned(),
            Stage::Proof => format!("proving: {}", Check::named(index)),
            Stage::Seccomp => "installing the seccomp filter".to_owned(),
            Stage::Interpreter | Stage::Exec => "executing the program".to_owned(),
        }
    }

    /// Sources are opened in this order: the host's parts, the project, further mounts.
    fn source(&self, index: usize) -> String {
        let system = self.root.trees.iter();
        let further = self.workspace.mounts.iter().map(|mount| &mount.tree);
        let mut all = system.chain(&self.workspace.lower).chain(further);
        all.nth(index).map_or_else(String::new, |tree| quoted(&tree.source))
    }

    fn rule(&self, index: usize) -> String {
        self.confinement
            .rules
            .get(index)
            .map_or_else(String::new, |rule| format!(": rule for {}", quoted(&rule.path)))
    }
}

/// A path of the unfinished root, as it will be called inside.
fn path(text: Option<&CString>) -> String {
    text.map_or_else(String::new, |text| {
        let quoted = quoted(text);
        quoted.strip_prefix("`root/").map_or(quoted.clone(), |rest| format!("`/{rest}"))
    })
}

fn walked(walk: Option<&Walk>) -> String {
    let Some(Walk(parts)) = walk else { return String::new() };
    let names = parts.iter().map(|part| part.to_string_lossy().into_owned());
    let whole: PathBuf = std::iter::once("/".to_owned()).chain(names).collect();
    format!("`{}`", show(&whole))
}

fn quoted(text: &CStr) -> String {
    use std::os::unix::ffi::OsStrExt;
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(text.to_bytes()));
    format!("`{}`", show(path))
}
