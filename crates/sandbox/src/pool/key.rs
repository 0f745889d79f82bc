//! What two specs must have in common for one slot to serve both.
//!
//! Everything a slot is built from. Left out is what it can still be told: the program, its
//! arguments, environment, input and folder; and the artifact patterns, which matter only after
//! the end.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::profile::Profile;
use crate::spec::{Limits, Mount, Network, Spec, WORKSPACE, Workspace};

/// The kind of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    profile: Profile,
    network: Network,
    lower: PathBuf,
    hidden: Vec<PathBuf>,
    /// Each file with the digest of its content.
    files: Vec<(PathBuf, [u8; 32])>,
    mounts: Vec<Mount>,
    landlock_floor: Option<u32>,
    limits: Limits,
    /// The folder, where the profile's filter does not let a slot change it any more.
    folder: Option<PathBuf>,
}

impl Key {
    /// The kind of slot that could run `spec`; `None` for a spec no slot is kept for: one that is
    /// handed descriptors or secrets, the egress proxy's own process, and one whose places in the workspace lie
    /// within its mounts.
    pub(super) fn of(spec: &Spec) -> Option<Self> {
        // Every field is named, so that a new one cannot be forgotten here.
        #[rustfmt::skip]
        let Spec {
            argv: _, env: _, stdin: _, artifacts: _,
            cwd, profile, workspace, mounts, network, handed, secrets, landlock_floor, limits,
        } = spec;
        let Workspace { lower, hidden, files } = workspace;
        let places = hidden.iter().chain(files.iter().map(|(path, _)| path));
        if !handed.is_empty()
            || !secrets.is_empty()
            || *network == Network::Host
            || is_nested(mounts, places)
        {
            return None;
        }
        let digest = |content: &Vec<u8>| Sha256::digest(content).into();
        Some(Self {
            profile: *profile,
            network: *network,
            lower: lower.clone(),
            hidden: hidden.clone(),
            files: files.iter().map(|(path, content)| (path.clone(), digest(content))).collect(),
            mounts: mounts.clone(),
            landlock_floor: *landlock_floor,
            limits: *limits,
            folder: (!may_move(*profile)).then(|| cwd.clone()),
        })
    }

    /// Whether a slot of this kind is told its folder.
    pub(super) fn is_told_its_folder(&self) -> bool {
        self.folder.is_none()
    }
}

/// The part of `spec` a slot is built from: with a program that is never executed.
pub(super) fn blank(spec: &Spec) -> Spec {
    Spec {
        argv: vec!["-".into()],
        env: Vec::new(),
        cwd: if may_move(spec.profile) { PathBuf::from(WORKSPACE) } else { spec.cwd.clone() },
        stdin: Vec::new(),
        profile: spec.profile,
        workspace: spec.workspace.clone(),
        mounts: spec.mounts.clone(),
        network: spec.network,
        handed: Vec::new(),
        secrets: Vec::new(),
        landlock_floor: spec.landlock_floor,
        limits: spec.limits,
        artifacts: Vec::new(),
    }
}

/// Whether a place depends on what a mount holds, and not only on the project.
fn is_nested<'a>(mounts: &[Mount], places: impl Iterator<Item = &'a PathBuf>) -> bool {
    let workspace = Path::new(WORKSPACE);
    let inside: Vec<PathBuf> = places.map(|place| workspace.join(place)).collect();
    mounts.iter().any(|mount| {
        let within = |place: &PathBuf| *place != mount.target && place.starts_with(&mount.target);
        inside.iter().any(within) || mounts.iter().any(|other| within(&other.target))
    })
}

/// Whether the filter lets a process change its folder.
fn may_move(profile: Profile) -> bool {
    match profile {
        Profile::Standard | Profile::StandardNet => true,
        Profile::Strict | Profile::StrictNet | Profile::Proxy => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::{Rule, verdict};
    use crate::spec::Access;

    fn spec() -> Spec {
        let mut spec = Spec::new("/project", ["true"]);
        spec.workspace.hidden.push(".palisade".into());
        spec.workspace.files.push(("in/a".into(), b"x".to_vec()));
        let (source, target) = ("/data".into(), "/workspace/data".into());
        spec.mounts.push(Mount { source, target, access: Access::Read });
        spec
    }

    fn same(change: impl Fn(&mut Spec)) -> bool {
        let mut other = spec();
        change(&mut other);
        Key::of(&spec()).unwrap() == Key::of(&other).unwrap()
    }

    #[test]
    fn what_a_slot_can_be_told_is_no_part_of_its_kind() {
        assert!(same(|spec| spec.argv = vec!["ls".into()]));
        assert!(same(|spec| spec.env = vec![("A".into(), "1".into())]));
        assert!(same(|spec| spec.cwd = "/tmp".into()));
        assert!(same(|spec| spec.stdin = b"input".to_vec()));
        assert!(same(|spec| spec.artifacts = vec!["*.md".into()]));
    }

    #[test]
    fn everything_else_is() {
        assert!(!same(|spec| spec.profile = Profile::Strict));
        assert!(!same(|spec| spec.network = Network::Proxy));
        assert!(!same(|spec| spec.landlock_floor = Some(1)));
        assert!(!same(|spec| spec.workspace.lower = "/other".into()));
        assert!(!same(|spec| spec.workspace.hidden.clear()));
        assert!(!same(|spec| spec.workspace.files[0].1 = b"y".to_vec()));
        assert!(!same(|spec| spec.mounts[0].access = Access::Write));
        assert!(!same(|spec| spec.limits.pids += 1));
    }

    #[test]
    fn the_filters_agree_on_who_may_move() {
        for profile in Profile::ALL {
            let rule = verdict(profile, "chdir").unwrap().rule;
            assert_eq!(may_move(profile), rule == Rule::Allow, "{profile}");
        }
    }

    #[test]
    fn a_profile_that_cannot_move_is_built_in_its_folder() {
        let key = |cwd: &str| {
            let spec = Spec { profile: Profile::Strict, cwd: cwd.into(), ..spec() };
            Key::of(&spec).unwrap()
        };
        assert_ne!(key("/tmp"), key("/workspace"));
        let strict = Spec { profile: Profile::Strict, cwd: "/tmp".into(), ..spec() };
        assert_eq!(blank(&strict).cwd, PathBuf::from("/tmp"));
        assert_eq!(blank(&spec()).cwd, PathBuf::from(WORKSPACE));
        assert!(!key("/tmp").is_told_its_folder());
    }

    #[test]
    fn places_within_mounts_are_not_kept_ready() {
        for place in ["data/hidden", "data/a/b"] {
            let mut nested = spec();
            nested.workspace.hidden.push(place.into());
            assert!(Key::of(&nested).is_none(), "{place}");
        }
        let mut nested = spec();
        let (source, target) = ("/more".into(), "/workspace/data/more".into());
        nested.mounts.push(Mount { source, target, access: Access::Read });
        assert!(Key::of(&nested).is_none());
    }
}
