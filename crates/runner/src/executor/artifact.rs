//! Keeping what a step produced: content into the artifact store, a reference into the outcome.
//! What may be captured, and how much, was settled by the sandbox; nothing is filtered here.

use engine::run::{ArtifactRef, Digest};
use journal::{ArtifactError, ArtifactStore};

use crate::secrecy::{Cover, Watched};

/// Why an artifact could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    /// What the step left cannot be read.
    #[error("it cannot be read")]
    Read(#[source] std::io::Error),
    /// The store does not take it.
    #[error("it cannot be stored")]
    Store(#[source] ArtifactError),
    /// It holds a secret of the run. Nothing of it is kept.
    #[error("it holds the secret `{0}`")]
    Secret(String),
}

/// Stores every captured file; all of them are durable when this returns.
///
/// # Errors
/// The first that could not be stored, with its path.
pub(super) fn keep(
    store: &ArtifactStore,
    captured: &[sandbox::Artifact],
    cover: &Cover,
) -> Result<Vec<ArtifactRef>, (String, KeepError)> {
    let keep_one = |file: &sandbox::Artifact| {
        let path = file.path.to_string_lossy().into_owned();
        if let Some(name) = cover.values().known().first_in(path.as_bytes()) {
            return Err((path.clone(), KeepError::Secret(name.to_owned())));
        }
        let stored = file.open().map_err(KeepError::Read).and_then(|mut content| {
            let mut watched = Watched::new(&mut content, cover);
            let stored = store.put_reader(&mut watched, file.size);
            match watched.found() {
                Some(name) => Err(KeepError::Secret(name.to_owned())),
                None => stored.map_err(KeepError::Store),
            }
        });
        match stored {
            Ok(stored) => Ok(ArtifactRef {
                media_type: media_type(&path).map(Into::into),
                path: path.into(),
                digest: Digest(*stored.digest.as_bytes()),
                size: stored.size,
            }),
            Err(error) => Err((path, error)),
        }
    };
    captured.iter().map(keep_one).collect()
}

/// The media type of a file name, where its ending says it (RFC 6838 names).
fn media_type(path: &str) -> Option<&'static str> {
    let ending = path.rsplit('/').next()?.rsplit_once('.')?.1;
    Some(match ending {
        "md" => "text/markdown",
        "txt" | "log" => "text/plain",
        "json" => "application/json",
        "yaml" | "yml" => "application/yaml",
        "html" => "text/html",
        "csv" => "text/csv",
        "xml" => "application/xml",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_comes_from_the_last_ending_of_the_name() {
        let check = |path, expect| assert_eq!(media_type(path), expect);
        check("notes/release-notes.md", Some("text/markdown"));
        check("a.tar.gz", Some("application/gzip"));
        check("notes.md/plain", None);
        check("Makefile", None);
    }
}
