//! What stands outside a sandbox during one trial: a project, a folder with a secret, services.
//! Everything is fresh for each trial, so a token proves that this very trial has got it.

use std::any::Any;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use weakened::{Access, Limits, Mount, Profile, Spec};

use crate::case::Case;

/// Where the attack program is for this pass; readable for everybody.
pub const PROGRAM: &str = "ESCAPE_PROGRAM";
/// Where scenes are made: beneath `/var`, which the private root does not show.
pub const PLACE: &str = "/var/tmp";

/// Where a process makes its scenes instead that will be killed and cannot remove them.
pub const WITHIN: &str = "ESCAPE_WITHIN";

/// Where the other end of a trial is.
pub enum Expect {
    Secret,
    Mark,
    Text(String),
}

/// How a trial's sandbox is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The program ends.
    Itself,
    /// Somebody cancels when the program is ready.
    Cancelled,
    /// The supervisor is killed when the program is ready.
    Orphaned,
}

type Effect = Box<dyn FnMut() -> bool>;

pub struct Scene {
    folder: TempDir,
    pub spec: Spec,
    /// Not told to the attempt, except for its first half where it has to search.
    pub secret: String,
    /// Told to the attempt, to be found outside.
    pub mark: String,
    pub arguments: Vec<String>,
    pub expect: Expect,
    pub ending: Ending,
    effect: Option<Effect>,
    prompt: Option<Box<dyn FnOnce()>>,
    kept: Vec<Box<dyn Any>>,
}

impl Scene {
    pub fn new() -> Self {
        let place = std::env::var_os(WITHIN).unwrap_or_else(|| PLACE.into());
        let folder = tempfile::Builder::new().prefix("palisade-escape-").tempdir_in(place).unwrap();
        let secret = format!("{}-{}", random(), random());
        for name in ["project", "outside"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("project/kept.txt"), "kept\n".repeat(16)).unwrap();
        let mut spec = Spec::new(folder.path().join("project"), [OsString::new()]);
        let program = PathBuf::from(std::env::var_os(PROGRAM).unwrap_or_default());
        spec.mounts.push(Mount { source: program, target: "/attack".into(), access: Access::Read });
        spec.limits = Limits { wall: std::time::Duration::from_secs(30), ..Limits::default() };
        Self {
            folder,
            spec,
            secret,
            mark: random(),
            arguments: Vec::new(),
            expect: Expect::Secret,
            ending: Ending::Itself,
            effect: None,
            prompt: None,
            kept: Vec::new(),
        }
    }

    /// What of the secret an attempt may know.
    pub fn hint(&self) -> String {
        self.secret.split_inclusive('-').next().unwrap_or_default().to_owned()
    }

    /// Which attempt is made, with what. The token will be the secret.
    pub fn steal(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        self.spec.argv = vec!["/attack/attack".into()];
        self.spec.argv.extend(self.arguments.iter().map(OsString::from));
    }

    /// Which attempt is made, with what. The token will be the mark, which is the last argument.
    pub fn leave(&mut self, arguments: &[&str]) {
        let mark = self.mark.clone();
        self.steal(&[arguments, &[&mark]].concat());
        self.expect = Expect::Mark;
    }

    /// What must be seen outside for an escape.
    pub fn effect(&mut self, effect: impl FnMut() -> bool + 'static) {
        self.effect = Some(Box::new(effect));
    }

    /// What is done when the attempt says that it listens.
    pub fn prompt(&mut self, prompt: impl FnOnce() + 'static) {
        self.prompt = Some(Box::new(prompt));
    }

    /// As [`prompt`](Self::prompt), for an attempt that goes on when it has been looked at. It is told
    /// over `/data/looked`.
    pub fn look(&mut self, look: impl FnOnce() + 'static) {
        use rustix::fs::{CWD, Mode, mkfifoat};
        let path = self.outside("looked");
        mkfifoat(CWD, &path, Mode::RWXU).unwrap();
        self.mount(Access::Read);
        let mut told = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        self.keep(told.try_clone().unwrap());
        self.prompt(move || {
            look();
            std::io::Write::write_all(&mut told, b"x").unwrap();
        });
    }

    pub fn take_prompt(&mut self) -> Option<Box<dyn FnOnce()>> {
        self.prompt.take()
    }

    /// Keeps something alive until the trial is over.
    pub fn keep(&mut self, thing: impl Any) {
        self.kept.push(Box::new(thing));
    }

    pub fn strict(&mut self) {
        self.spec.profile = Profile::Strict;
    }

    /// A path in the folder nobody was given.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join("outside").join(name)
    }

    pub fn project(&self, name: &str) -> PathBuf {
        self.folder.path().join("project").join(name)
    }

    /// A file with the secret outside; its path as text.
    pub fn secret_file(&self, name: &str) -> String {
        let path = self.outside(name);
        fs::write(&path, &self.secret).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A file with the secret in the project.
    pub fn secret_in_project(&self, name: &str) {
        let path = self.project(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &self.secret).unwrap();
    }

    /// Shows the outside folder as `/data`.
    pub fn mount(&mut self, access: Access) {
        let source = self.folder.path().join("outside");
        self.spec.mounts.push(Mount { source, target: "/data".into(), access });
    }

    /// An escape is that this file holds the mark.
    pub fn effect_in(&mut self, path: &Path) {
        let (path, mark) = (path.to_owned(), self.mark.clone());
        self.effect(move || fs::read_to_string(&path).is_ok_and(|text| text.contains(&mark)));
    }

    /// Whether this trial's output and what is seen outside mean an escape.
    pub fn is_escape(&mut self, token: Option<&str>) -> bool {
        let expected = match &self.expect {
            Expect::Secret => &self.secret,
            Expect::Mark => &self.mark,
            Expect::Text(text) => text,
        };
        match &mut self.effect {
            Some(effect) => effect(),
            None => token == Some(expected.as_str()),
        }
    }
}

/// The name of the attempt a case makes. Builds the scene without running anything in it.
pub fn attempt_of(case: &Case) -> String {
    let mut scene = Scene::new();
    (case.set)(&mut scene);
    scene.arguments.first().cloned().unwrap_or_default()
}

/// Sixteen hexadecimal digits nobody can guess.
pub fn random() -> String {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The attack program itself, outside.
pub fn program() -> PathBuf {
    std::env::var_os(PROGRAM).map_or_else(
        || PathBuf::from(env!("ATTACK")),
        |folder| PathBuf::from(folder).join("attack"),
    )
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes a folder readable for everybody.
pub fn publish(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
