//! The settings as values: each text read once, into the type that whoever goes by it takes.
//!
//! What cannot be read is an error here, so that nobody after this has to decide what a bad value means. The texts are
//! what [`super::key`] allows; where they came from is not known here.

use std::path::PathBuf;

use runner::gate::Principals;

use super::{LayerError, Texts};
use crate::moment;

/// What is in force.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Steps that run at the same time.
    pub(crate) slots: u32,
    /// Bytes the journal may have; `None` where nothing was said.
    pub(crate) journal_most: Option<u64>,
    /// The program that is asked after the rules.
    pub(crate) extension: Option<PathBuf>,
    /// The policy of every project.
    pub(crate) policy_file: Option<PathBuf>,
    /// Who is registered.
    pub(crate) principals: Principals,
    /// Whether what looks like a credential is left out of records.
    pub(crate) patterns: bool,
    /// Further rules for that.
    pub(crate) rules: Option<PathBuf>,
    /// Whether programs may run without the sandbox where somebody asks for it.
    pub(crate) allow_unsafe: bool,
    /// The oldest generation of Landlock that will do.
    pub(crate) landlock_floor: u32,
    /// Where the state is kept instead of its usual place.
    pub(crate) state_folder: Option<PathBuf>,
}

impl Settings {
    /// The values of these texts.
    pub(super) fn of(texts: &Texts) -> Result<Self, LayerError> {
        let number = |text: &str| text.parse::<u32>().map_err(|error| error.to_string());
        let switch = |text: &str| text.parse::<bool>().map_err(|error| error.to_string());
        let path = |text: &str| Ok(PathBuf::from(text));
        let principals = |text: &str| Principals::read(text).map_err(|error| error.to_string());
        Ok(Self {
            slots: always(texts, "engine.slots", number)?,
            journal_most: read(texts, "journal.max_size", moment::size)?,
            extension: read(texts, "policy.extension", path)?,
            policy_file: read(texts, "policy.file", path)?,
            principals: read(texts, "principals", principals)?.unwrap_or_default(),
            patterns: always(texts, "redaction.patterns", switch)?,
            rules: read(texts, "redaction.rules", path)?,
            allow_unsafe: always(texts, "sandbox.allow_unsafe", switch)?,
            landlock_floor: always(texts, "sandbox.landlock_floor", number)?,
            state_folder: read(texts, "state.folder", path)?,
        })
    }
}

/// The value of a setting; `None` where it is not set.
fn read<T>(
    texts: &Texts,
    key: &'static str,
    value: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, LayerError> {
    let Some(setting) = texts.get(key) else { return Ok(None) };
    let read = setting.value.as_deref().map(value).transpose();
    read.map_err(|reason| LayerError::Value { origin: setting.origin.to_string(), key, reason })
}

/// The value of a setting that has a default.
fn always<T>(
    texts: &Texts,
    key: &'static str,
    value: impl Fn(&str) -> Result<T, String>,
) -> Result<T, LayerError> {
    let unset = || LayerError::Value {
        origin: "settings".to_owned(),
        key,
        reason: "it is not set and has no default".to_owned(),
    };
    read(texts, key, value)?.ok_or_else(unset)
}

#[cfg(test)]
mod tests {
    use super::super::{KEYS, Origin, Setting};
    use super::*;

    fn texts() -> Texts {
        let default = |key: &super::super::Key| {
            let value = key.default.map(str::to_owned);
            (key.name, Setting { value, origin: Origin::Default })
        };
        KEYS.iter().map(default).collect()
    }

    #[test]
    fn a_text_that_cannot_be_read_is_an_error_and_never_a_default() {
        assert!(Settings::of(&texts()).is_ok(), "the control");
        for (key, text) in [
            ("engine.slots", "many"),
            ("engine.slots", "4294967296"),
            ("journal.max_size", "4 GB"),
            ("principals", r#"{"0": 5}"#),
            ("redaction.patterns", "yes"),
            ("sandbox.allow_unsafe", "1"),
            ("sandbox.landlock_floor", "-1"),
        ] {
            let mut texts = texts();
            texts.get_mut(key).unwrap().value = Some(text.to_owned());
            match Settings::of(&texts) {
                Err(LayerError::Value { key: found, .. }) => assert_eq!(found, key),
                other => panic!("{key} as `{text}`: {other:?}"),
            }
        }
        let mut texts = texts();
        texts.get_mut("engine.slots").unwrap().value = None;
        assert!(Settings::of(&texts).is_err());
    }

    #[test]
    fn every_key_is_read() {
        // Each text is one that no key takes; a key that is not read would not notice.
        let path = |name: &str| {
            matches!(name, "policy.extension" | "policy.file" | "redaction.rules" | "state.folder")
        };
        for key in KEYS.iter().filter(|key| !path(key.name)) {
            let mut texts = texts();
            texts.get_mut(key.name).unwrap().value = Some("\u{0}".to_owned());
            assert!(Settings::of(&texts).is_err(), "{}", key.name);
        }
    }
}
