//! The workspace and further mounts: what is laid over the project before the program starts.
//!
//! Every place named here can be influenced by the project's content, so it is reached one
//! component at a time and never through a symbolic link (`inside::workspace`).

use std::path::Path;

use super::{Links, PlanError, Tree, Walk};
use crate::check::{Checked, Kind};
use crate::profile::Profile;
use crate::spec::{Access, Spec, WORKSPACE};
use crate::sys::mount::Flags;

/// How to fill the workspace.
pub(crate) struct Workspace {
    /// The project, read-only; becomes the overlay's lower layer. Without it that layer is empty.
    pub(crate) lower: Option<Tree>,
    pub(crate) mounts: Vec<Attached>,
    pub(crate) files: Vec<Written>,
    pub(crate) hidden: Vec<Hidden>,
}

/// A further mount and where it goes, from the root.
pub(crate) struct Attached {
    pub(crate) tree: Tree,
    pub(crate) kind: Kind,
    pub(crate) place: Walk,
}

/// A file written before the start, from the root.
pub(crate) struct Written {
    pub(crate) place: Walk,
    pub(crate) content: Vec<u8>,
}

/// A path that appears empty, from the root, and what it covers.
pub(crate) struct Hidden {
    pub(crate) place: Walk,
    pub(crate) kind: Kind,
}

impl Workspace {
    pub(crate) fn new(spec: &Spec, checked: &Checked) -> Result<Self, PlanError> {
        const LOWER: Flags = Flags::READ_ONLY.and(Flags::NO_SETUID).and(Flags::NO_DEVICES);
        let workspace = Path::new(WORKSPACE);
        let mounts = checked.mounts.iter().map(|(mount, kind)| {
            let flags = Flags::NO_SETUID.and(Flags::NO_DEVICES);
            let flags = match mount.access {
                Access::Read => flags.and(Flags::READ_ONLY),
                Access::Write => flags,
            };
            Ok::<_, PlanError>(Attached {
                tree: Tree::new(&mount.source, c"".to_owned(), flags, Links::Refuse)?,
                kind: *kind,
                place: Walk::new(&mount.target)?,
            })
        });
        let files = spec.workspace.files.iter().map(|(path, content)| {
            let place = Walk::new(&workspace.join(path))?;
            Ok::<_, PlanError>(Written { place, content: content.clone() })
        });
        let hidden = checked.hidden.iter().map(|(path, kind)| {
            Ok::<_, PlanError>(Hidden { place: Walk::new(&workspace.join(path))?, kind: *kind })
        });
        let lower = match spec.profile {
            Profile::Strict | Profile::StrictNet | Profile::Standard | Profile::StandardNet => {
                Some(Tree::new(&checked.lower, c"lower".to_owned(), LOWER, Links::Refuse)?)
            }
            Profile::Proxy => None,
        };
        Ok(Self {
            lower,
            mounts: mounts.collect::<Result<_, _>>()?,
            files: files.collect::<Result<_, _>>()?,
            hidden: hidden.collect::<Result<_, _>>()?,
        })
    }
}
