//! Settings and where each came from.
//!
//! Order, later wins: defaults, `/etc/palisade/palisade.yaml`, the user's file, the project's `palisade.yaml`,
//! `PALISADE_*` variables, flags. A security setting is taken only from the first three and from flags: neither a
//! project nor an environment can loosen what a user or administrator set. This file merges; [`key`] lists the
//! settings, [`schema`] makes a JSON Schema of them, [`layer`] reads one file and [`value`] makes values of the texts.

mod key;
mod layer;
pub(crate) mod schema;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

pub(crate) use key::{KEYS, Key};
pub(crate) use layer::LayerError;
use schema::Compiled;
pub(crate) use value::Settings;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Compiled in.
    Default,
    /// A file, with the line.
    File(PathBuf, usize),
    /// An environment variable.
    Variable(String),
    /// A command-line flag.
    Flag(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File(path, line) => write!(out, "{}:{line}", path.display()),
            Self::Variable(name) => write!(out, "environment {name}"),
            Self::Flag(name) => write!(out, "flag --{name}"),
        }
    }
}

/// One setting's value, as text, and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The value; `None` where the default is "not set".
    pub(crate) value: Option<String>,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// Settings by name, as texts.
type Texts = BTreeMap<&'static str, Setting>;

/// Every setting of this process.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    texts: Texts,
    /// What they say.
    pub(crate) settings: Settings,
    /// Values that were not taken, and why; shown as warnings.
    pub(crate) ignored: Vec<String>,
}

/// What the process was started with, as values.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The system's file.
    pub(crate) system: PathBuf,
    /// The user's file, where a home is known.
    pub(crate) user: Option<PathBuf>,
    /// The project's file.
    pub(crate) project: PathBuf,
    /// Environment variables.
    pub(crate) variables: Vec<(String, String)>,
    /// Flags that set a key.
    pub(crate) flags: Vec<(&'static str, &'static str, String)>,
}

impl Sources {
    /// The usual places for a process working on `project`.
    pub(crate) fn of_this_process(project: &Path) -> Self {
        let user = etcetera::base_strategy::Xdg::new()
            .ok()
            .map(|places| places.config_dir().join("palisade").join("palisade.yaml"));
        Self {
            system: PathBuf::from("/etc/palisade/palisade.yaml"),
            user,
            project: project.join("palisade.yaml"),
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            flags: Vec::new(),
        }
    }

    /// The files, whether they are there or not.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        [&self.system, &self.project].into_iter().chain(&self.user).cloned().collect()
    }
}

impl Configuration {
    /// Merges all sources.
    ///
    /// # Errors
    /// A file that is there but cannot be read or is wrong, or a value outside its key's range: nothing is guessed.
    pub(crate) fn load(sources: &Sources) -> Result<Self, LayerError> {
        let defaults = KEYS.iter().map(|key| {
            (key.name, Setting { value: key.default.map(str::to_owned), origin: Origin::Default })
        });
        let schema = Compiled::default();
        let mut merged =
            Merging { schema: &schema, texts: defaults.collect(), ignored: Vec::new() };
        merged.file(&sources.system, Trust::Trusted)?;
        if let Some(user) = &sources.user {
            merged.file(user, Trust::Trusted)?;
        }
        merged.file(&sources.project, Trust::Project)?;
        for (name, value) in &sources.variables {
            if let Some(key) = KEYS.iter().find(|key| key.variable() == *name) {
                merged.set(key, value, Origin::Variable(name.clone()), Trust::Process)?;
            }
        }
        for (name, flag, value) in &sources.flags {
            if let Some(key) = KEYS.iter().find(|key| key.name == *name) {
                merged.set(key, value, Origin::Flag(flag), Trust::Trusted)?;
            }
        }
        let Merging { texts, ignored, .. } = merged;
        Ok(Self { settings: Settings::of(&texts)?, texts, ignored })
    }

    /// Every key with its value and origin, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &Setting)> {
        self.texts.iter().map(|(name, setting)| (*name, setting))
    }
}

/// Settings while sources are merged into them.
struct Merging<'s> {
    schema: &'s Compiled,
    texts: Texts,
    ignored: Vec<String>,
}

impl Merging<'_> {
    fn file(&mut self, path: &Path, trust: Trust) -> Result<(), LayerError> {
        for found in layer::read(path, self.schema)? {
            self.set(found.key, &found.value, Origin::File(path.to_path_buf(), found.line), trust)?;
        }
        Ok(())
    }

    fn set(
        &mut self,
        key: &'static Key,
        value: &str,
        origin: Origin,
        trust: Trust,
    ) -> Result<(), LayerError> {
        if key.security && trust != Trust::Trusted {
            self.ignored.push(format!(
                "`{}` from {origin} is ignored: a security setting is taken only from the system's or the user's file or a flag",
                key.name
            ));
            return Ok(());
        }
        let checked = self.schema.check_text(key, value).and_then(|()| key.check(value));
        let checked = checked.and_then(|()| match trust {
            Trust::Project => key.check_inside(value),
            Trust::Trusted | Trust::Process => Ok(()),
        });
        checked.map_err(|reason| LayerError::Value {
            origin: origin.to_string(),
            key: key.name,
            reason,
        })?;
        self.texts.insert(key.name, Setting { value: Some(value.to_owned()), origin });
        Ok(())
    }
}

/// What a source may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Everything: the administrator, the user or the command line.
    Trusted,
    /// No security setting: whatever started this process.
    Process,
    /// No security setting and no path out of the project: a file that may come from anybody.
    Project,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(folder: &Path, user: &str, project: &str) -> Sources {
        let (user_file, project_file) = (folder.join("user.yaml"), folder.join("project.yaml"));
        std::fs::write(&user_file, user).unwrap();
        std::fs::write(&project_file, project).unwrap();
        Sources {
            system: folder.join("absent.yaml"),
            user: Some(user_file),
            project: project_file,
            ..Sources::default()
        }
    }

    #[test]
    fn a_later_source_wins_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let mut from = sources(folder.path(), "engine:\n  slots: 3\n", "engine:\n  slots: 5\n");
        assert_eq!(Configuration::load(&from).unwrap().settings.slots, 5);
        from.variables.push(("PALISADE_ENGINE__SLOTS".to_owned(), "7".to_owned()));
        let merged = Configuration::load(&from).unwrap();
        assert_eq!(merged.settings.slots, 7);
        from.flags.push(("engine.slots", "slots", "9".to_owned()));
        let merged = Configuration::load(&from).unwrap();
        let (_, setting) = merged.all().find(|(name, _)| *name == "engine.slots").unwrap();
        assert_eq!(setting.origin, Origin::Flag("slots"));
    }

    #[test]
    fn a_project_cannot_set_a_security_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut from = sources(folder.path(), "", "policy:\n  file: loose.yaml\n");
        from.variables.push(("PALISADE_POLICY__FILE".to_owned(), "loose.yaml".to_owned()));
        let merged = Configuration::load(&from).unwrap();
        assert_eq!(merged.settings.policy_file, None);
        assert_eq!(merged.ignored.len(), 2);
        let control =
            Configuration::load(&sources(folder.path(), "policy:\n  file: mine.yaml\n", ""))
                .unwrap();
        assert_eq!(control.settings.policy_file, Some(PathBuf::from("mine.yaml")));
    }

    #[test]
    fn a_project_cannot_keep_its_state_outside_itself() {
        let folder = tempfile::tempdir().unwrap();
        for outside in ["/var/lib", "../elsewhere", "state/../../elsewhere"] {
            let text = format!("state:\n  folder: {outside}\n");
            let error = Configuration::load(&sources(folder.path(), "", &text)).unwrap_err();
            assert!(error.to_string().contains("inside the project"), "{error}");
            assert!(
                Configuration::load(&sources(folder.path(), &text, "")).is_ok(),
                "the user may"
            );
        }
        assert!(
            Configuration::load(&sources(folder.path(), "", "state:\n  folder: state/here\n"))
                .is_ok()
        );
    }

    #[test]
    fn a_wrong_value_or_key_is_an_error_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        for text in [
            "engine:\n  slots: many\n",
            "engine:\n  slts: 3\n",
            "engine: 3\n",
            "- 1\n",
            "engine:\n  slots: 0\n",
        ] {
            let error = Configuration::load(&sources(folder.path(), text, "")).unwrap_err();
            assert!(error.to_string().contains("user.yaml"), "{error}");
        }
    }
}
