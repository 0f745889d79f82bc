//! The vault on a real disk: what is set comes back, what was tampered with does not, and nothing is in the clear.
//! Each refusal has a control in which the same secret comes back.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use vault::{Name, Secret, Vault, VaultError};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn secrets(&self) -> PathBuf {
        self.folder.path().join("secrets")
    }

    fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    fn vault(&self) -> Vault {
        Vault::at(&self.secrets(), &self.keys())
    }

    fn set(&self, name: &str, value: &str) -> u64 {
        self.vault().set(&Name::new(name).unwrap(), &secret(value)).unwrap()
    }

    fn get(&self, name: &str) -> Result<String, VaultError> {
        self.vault().get(&Name::new(name).unwrap()).map(|(secret, _)| secret.reveal().to_owned())
    }

    #[track_caller]
    fn refuses(&self, name: &str, why: &str) {
        let error = self.get(name).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(why), "{text}");
        assert!(!text.contains("hunter"), "{text}");
        assert!(error.fix().is_some(), "{text}");
    }
}

fn secret(value: &str) -> Secret {
    Secret::new(value.as_bytes().to_vec()).unwrap()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_set_comes_back_and_is_nowhere_in_the_clear() {
    let place = Place::new();
    assert_eq!(place.set("db", "hunter22-first"), 1);
    assert_eq!(place.set("db", "hunter22-second"), 2);
    assert_eq!(place.set("api", "hunter33"), 1);
    assert_eq!(place.get("db").unwrap(), "hunter22-second");
    let listed: Vec<_> =
        place.vault().list().unwrap().into_iter().map(|one| (one.name, one.version)).collect();
    assert_eq!(listed, [("api".to_owned(), Ok(1)), ("db".to_owned(), Ok(2))]);
    let file = fs::read(place.secrets().join("db")).unwrap();
    assert!(!file.windows(6).any(|bytes| bytes == b"hunter"));
    for path in [place.secrets().join("db"), place.keys().join("vault.key")] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
    }
    for path in [place.secrets(), place.keys()] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700, "{path:?}");
    }
    place.vault().remove(&Name::new("db").unwrap()).unwrap();
    assert!(matches!(place.get("db"), Err(VaultError::Missing(_))));
    assert!(place.vault().remove(&Name::new("db").unwrap()).is_err());
}

#[test]
fn an_empty_vault_is_not_made_by_looking() {
    let place = Place::new();
    assert_eq!(place.vault().list().unwrap(), []);
    assert!(matches!(place.get("db"), Err(VaultError::Missing(_))));
    assert!(!place.secrets().exists() && !place.keys().exists());
}

#[test]
fn what_others_can_read_or_change_is_refused() {
    let place = Place::new();
    place.set("db", "hunter22");
    for (path, loose, tight) in [
        (place.secrets(), 0o750, 0o700),
        (place.keys(), 0o705, 0o700),
        (place.secrets().join("db"), 0o640, 0o600),
        (place.keys().join("vault.key"), 0o644, 0o600),
    ] {
        mode(&path, loose);
        place.refuses("db", "by others");
        mode(&path, tight);
        assert_eq!(place.get("db").unwrap(), "hunter22", "control");
    }
}

#[test]
fn links_are_not_followed() {
    let place = Place::new();
    place.set("db", "hunter22");
    let elsewhere = place.folder.path().join("elsewhere");
    for path in [place.secrets().join("db"), place.keys().join("vault.key"), place.keys()] {
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        place.refuses("db", "is not a plain");
        fs::remove_file(&path).unwrap();
        fs::rename(&elsewhere, &path).unwrap();
        assert_eq!(place.get("db").unwrap(), "hunter22", "control");
    }
    fs::remove_file(place.secrets().join("db")).unwrap();
    fs::create_dir(place.secrets().join("db")).unwrap();
    mode(&place.secrets().join("db"), 0o700);
    place.refuses("db", "is not a plain file");
}

#[test]
fn a_file_cannot_stand_in_for_another() {
    let place = Place::new();
    place.set("one", "hunter11");
    place.set("two", "hunter22");
    let (one, two) = (place.secrets().join("one"), place.secrets().join("two"));
    let kept = fs::read(&one).unwrap();
    fs::copy(&two, &one).unwrap();
    place.refuses("one", "that of another secret");
    // The name alone, written over, does not help: it is bound to the value.
    let mut forged = fs::read(&two).unwrap();
    forged[35..38].copy_from_slice(b"one");
    fs::write(&one, &forged).unwrap();
    place.refuses("one", "was changed");
    let mut forged = kept.clone();
    forged[33] = 9;
    fs::write(&one, &forged).unwrap();
    place.refuses("one", "was changed");
    fs::write(&one, &kept).unwrap();
    assert_eq!(place.get("one").unwrap(), "hunter11", "control");
}

#[test]
fn a_lost_key_is_never_replaced_while_there_is_something_it_sealed() {
    let place = Place::new();
    place.set("db", "hunter22");
    let (key, aside) = (place.keys().join("vault.key"), place.keys().join("aside"));
    fs::rename(&key, &aside).unwrap();
    for refused in [
        place.vault().set(&Name::new("new").unwrap(), &secret("hunter33")).map(drop),
        place.vault().set(&Name::new("db").unwrap(), &secret("hunter33")).map(drop),
        place.vault().renew_key().map(drop),
    ] {
        assert!(matches!(refused, Err(VaultError::Lost(_))), "{refused:?}");
        assert!(!key.exists(), "a key was drawn");
    }
    // Controls: with the key put back everything is there, and an empty vault gets a first key.
    fs::rename(&aside, &key).unwrap();
    assert_eq!(place.get("db").unwrap(), "hunter22");
    assert_eq!(place.set("new", "hunter33"), 1);
    let place = Place::new();
    place.set("db", "hunter22");
    place.vault().remove(&Name::new("db").unwrap()).unwrap();
    fs::remove_file(place.keys().join("vault.key")).unwrap();
    assert_eq!(place.set("db", "hunter33"), 1);
}

#[test]
fn one_bad_file_hides_no_other_secret() {
    let place = Place::new();
    for name in ["a", "b", "c", "d"] {
        place.set(name, "hunter22");
    }
    fs::write(place.secrets().join("a"), "cut").unwrap();
    mode(&place.secrets().join("b"), 0o644);
    fs::remove_file(place.secrets().join("c")).unwrap();
    symlink("d", place.secrets().join("c")).unwrap();
    let listed = place.vault().list().unwrap();
    let told: Vec<(&str, bool)> =
        listed.iter().map(|one| (one.name.as_str(), one.version.is_ok())).collect();
    assert_eq!(told, [("a", false), ("b", false), ("c", false), ("d", true)]);
    let why = |at: usize| listed[at].version.clone().unwrap_err();
    assert!(why(0).contains("not a secret's") && why(1).contains("by others"), "{listed:?}");
    assert!(why(2).contains("is not a plain file"), "{listed:?}");
    // Control: the folder itself has to be trusted.
    mode(&place.secrets(), 0o755);
    assert!(place.vault().list().is_err());
}

#[test]
fn a_damaged_key_file_is_said_to_be_one() {
    let place = Place::new();
    place.set("db", "hunter22");
    let path = place.keys().join("vault.key");
    let kept = fs::read_to_string(&path).unwrap();
    for text in [
        "",
        "palisade-key 1\n",
        "palisade-key 2\n",
        &kept[..60],
        &kept.replace('\n', "\n\n"),
        &kept.repeat(3),
    ] {
        fs::write(&path, text).unwrap();
        place.refuses("db", "key file");
    }
    fs::remove_file(&path).unwrap();
    place.refuses("db", "there is no key file");
    fs::write(&path, format!("palisade-key 1\n{}\n", "0".repeat(64))).unwrap();
    mode(&path, 0o600);
    place.refuses("db", "a key that is not here");
    fs::write(&path, kept).unwrap();
    assert_eq!(place.get("db").unwrap(), "hunter22", "control");
}

#[test]
fn a_new_key_seals_everything_anew_and_an_interrupted_change_goes_on() {
    let place = Place::new();
    for (name, value) in [("a", "hunter11"), ("b", "hunter22")] {
        place.set(name, value);
    }
    let key = || fs::read_to_string(place.keys().join("vault.key")).unwrap();
    let (first, old_b) = (key(), fs::read(place.secrets().join("b")).unwrap());
    assert_eq!(place.vault().renew_key().unwrap(), 2);
    let second = key();
    assert_ne!(first, second);
    assert!(!second.contains(first.lines().nth(1).unwrap()), "the old key is forgotten");
    // As if it had stopped halfway: both keys there, one secret under each.
    let both = second.clone() + first.lines().nth(1).unwrap() + "\n";
    fs::write(place.keys().join("vault.key"), both).unwrap();
    fs::write(place.secrets().join("b"), old_b).unwrap();
    assert_eq!(
        (place.get("a").unwrap(), place.get("b").unwrap()),
        ("hunter11".into(), "hunter22".into())
    );
    assert_eq!(place.vault().renew_key().unwrap(), 2);
    // What had been sealed under the key that it had drawn may have been removed since: that key is forgotten too.
    let third = key();
    assert!(third != second && third.lines().count() == 2, "{third}");
    assert_eq!(
        (place.get("a").unwrap(), place.get("b").unwrap()),
        ("hunter11".into(), "hunter22".into())
    );
}

#[test]
fn what_a_crash_left_unfinished_is_no_secret() {
    let place = Place::new();
    place.set("db", "hunter22");
    fs::write(place.secrets().join("db~"), "half").unwrap();
    assert_eq!(place.vault().list().unwrap().len(), 1);
    assert_eq!(place.set("db", "hunter33"), 2);
    assert_eq!(place.get("db").unwrap(), "hunter33");
}

#[test]
fn another_key_beside_it_stays_the_same() {
    let place = Place::new();
    let first = vault::private_key(&place.keys(), "redaction.key").unwrap();
    assert_eq!(*first, *vault::private_key(&place.keys(), "redaction.key").unwrap());
    assert_ne!(*first, *vault::private_key(&place.keys(), "other.key").unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_value_comes_back_and_no_changed_byte_is_taken(value in "\\PC{1,200}", at in any::<prop::sample::Index>(), by in 1_u8..=255) {
        let place = Place::new();
        place.set("x", &value);
        prop_assert_eq!(place.get("x").unwrap(), value);
        let path = place.secrets().join("x");
        let kept = fs::read(&path).unwrap();
        let mut changed = kept.clone();
        let at = at.index(kept.len());
        changed[at] ^= by;
        fs::write(&path, &changed).unwrap();
        let damaged = matches!(place.get("x"), Err(VaultError::Damaged { .. }));
        prop_assert!(damaged);
        fs::write(&path, &kept[..at]).unwrap();
        let damaged = matches!(place.get("x"), Err(VaultError::Damaged { .. }));
        prop_assert!(damaged);
    }
}
