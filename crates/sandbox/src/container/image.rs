//! Which image: by content only, never by a name somebody can move.
//!
//! `name@sha256:…` or the image's own id. What a name with a tag means can change between the
//! decision and the start, so it is refused. Resolving looks at what is on this host; fetching an
//! image is a call of its own.

use std::fmt;

use serde_json::Value;

use super::error::ContainerError;
use super::runtime::{Runtime, TRANSFER_MAX};

/// Characters of a repository name.
const NAME_MAX: usize = 255;
/// Hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// An image, pinned to its content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    /// Repository, where it can be fetched from; `None` where only the id is known.
    name: Option<String>,
    digest: String,
}

impl Image {
    /// Reads `name@sha256:…` (a manifest's digest) or `sha256:…` (an image id).
    pub fn parse(text: &str) -> Result<Self, ContainerError> {
        let refuse = || ContainerError::ImageName { name: text.to_owned() };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (Some(name), digest),
            None => (None, text),
        };
        let digest = digest.strip_prefix("sha256:").ok_or_else(refuse)?;
        let hexadecimal = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
        if digest.len() != DIGITS || !digest.chars().all(hexadecimal) {
            return Err(refuse());
        }
        if name.is_some_and(|name| !is_repository(name)) {
            return Err(refuse());
        }
        Ok(Self { name: name.map(str::to_owned), digest: digest.to_owned() })
    }

    /// Whether it can be fetched: an id alone does not say from where.
    #[must_use]
    pub fn has_source(&self) -> bool {
        self.name.is_some()
    }
}

impl fmt::Display for Image {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(out, "{name}@")?;
        }
        write!(out, "sha256:{}", self.digest)
    }
}

/// A name that no command line takes for an option and no registry for a tag.
fn is_repository(name: &str) -> bool {
    let allowed = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._-/:".contains(letter)
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    !name.is_empty()
        && name.len() <= NAME_MAX
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(allowed)
        && !last.contains(':')
        && !last.is_empty()
}

/// The id of `image` on this host, for the command line of the runtime.
///
/// Fails where it is not there, and where what is there has another digest.
pub(super) fn resolve(runtime: &Runtime, image: &Image) -> Result<String, ContainerError> {
    let missing = || ContainerError::ImageMissing { image: image.to_string() };
    let asked = match &image.name {
        Some(_) => image.to_string(),
        None => image.digest.clone(),
    };
    let answer = runtime.ask(&["image", "inspect", &asked])?;
    if !answer.success {
        return Err(missing());
    }
    let found: Value = serde_json::from_slice(&answer.stdout).map_err(|_| missing())?;
    identify(image, found.get(0).unwrap_or(&Value::Null))
        .ok_or_else(|| ContainerError::ImageDiffers { image: image.to_string() })
}

/// The id in what the runtime says of an image, if it is the image that was asked for.
fn identify(image: &Image, found: &Value) -> Option<String> {
    let id = found.get("Id")?.as_str()?;
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    let digest = format!("sha256:{}", image.digest);
    let listed = found.get("RepoDigests").and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    let same = match &image.name {
        None => id == image.digest,
        Some(_) => listed
            .filter_map(|known| known.rsplit_once('@'))
            .map(|(_, known)| known)
            .chain(found.get("Digest").and_then(Value::as_str))
            .any(|known| known == digest),
    };
    (same && id.len() == DIGITS).then(|| id.to_owned())
}

/// Fetches an image from its registry, and makes sure that what came is what was asked for.
pub(super) fn pull(runtime: &Runtime, image: &Image) -> Result<(), ContainerError> {
    if !image.has_source() {
        return Err(ContainerError::ImageMissing { image: image.to_string() });
    }
    let answer = runtime.ask_within(&["pull", "--quiet", &image.to_string()], TRANSFER_MAX)?;
    if !answer.success {
        return Err(ContainerError::Refused { what: "pulling an image", text: answer.complaint() });
    }
    resolve(runtime, image).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HEX: &str = "5817578002008bde550b454f9398192b8abdadc5dcee2aa5a4c25c2b460389d1";

    fn parses(text: &str) -> bool {
        Image::parse(text).is_ok_and(|image| image.to_string() == text)
    }

    #[test]
    fn only_content_names_an_image() {
        assert!(parses(&format!("sha256:{HEX}")));
        assert!(parses(&format!("localhost/tools@sha256:{HEX}")));
        assert!(parses(&format!("registry.example:5000/a/b-c@sha256:{HEX}")));
        for refused in [
            "debian",
            "debian:12",
            "docker.io/library/debian:latest",
            "sha256:58175780",
            &format!("debian:12@sha256:{HEX}"),
            &format!("@sha256:{HEX}"),
            &format!("--privileged@sha256:{HEX}"),
            &format!("a b@sha256:{HEX}"),
            &format!("a/@sha256:{HEX}"),
            &format!("a@sha512:{HEX}"),
            &format!("sha256:{}", HEX.to_uppercase()),
            "",
        ] {
            assert!(Image::parse(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_on_the_host_must_be_what_was_asked_for() {
        let id = Image::parse(&format!("sha256:{HEX}")).unwrap();
        let named = Image::parse(&format!("localhost/a@sha256:{HEX}")).unwrap();
        let other = "0".repeat(64);
        assert_eq!(identify(&id, &json!({ "Id": HEX })), Some(HEX.to_owned()));
        assert_eq!(identify(&id, &json!({ "Id": other })), None);
        let right = json!({ "Id": other, "RepoDigests": [format!("localhost/a@sha256:{HEX}")] });
        assert_eq!(identify(&named, &right), Some(other.clone()));
        let wrong = json!({ "Id": HEX, "RepoDigests": [format!("localhost/a@sha256:{other}")] });
        assert_eq!(identify(&named, &wrong), None);
        assert_eq!(identify(&named, &json!({})), None);
    }
}
