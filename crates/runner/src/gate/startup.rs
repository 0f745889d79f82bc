//! Whether a folder that a program may write holds what decides how this process starts: its configuration, the policy
//! in force, the extension, the program itself.
//!
//! Rules guard such files by name; a folder further up has no such name, so what it holds is looked at here.

use std::path::{Path, PathBuf};

/// What decides how this process starts.
#[derive(Debug, Clone, Default)]
pub(super) struct Startup {
    files: Vec<PathBuf>,
}

impl Startup {
    /// Of these files, whether they are there or would count once they are.
    pub(super) fn of(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let both = |file: PathBuf| [real(&file), file];
        Self { files: files.into_iter().flat_map(both).collect() }
    }

    /// What a program that may write `source`, a folder, would come to write, in words.
    pub(super) fn below(&self, source: &Path) -> Option<String> {
        let found = self.files.iter().find(|file| *file != source && file.starts_with(source))?;
        Some(format!(
            "it would be written, and holds `{}`, by which palisade starts",
            found.display()
        ))
    }
}

/// Where a file that may not be there yet would be made: below whatever its path leads to.
fn real(file: &Path) -> PathBuf {
    let there = file.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let Some((above, real)) = there else { return file.to_path_buf() };
    file.strip_prefix(above).map_or_else(|_| file.to_path_buf(), |rest| real.join(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_above_a_file_is_found_under_every_name_and_before_the_file_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("home/.config")).unwrap();
        std::os::unix::fs::symlink(root.join("home"), root.join("link")).unwrap();
        let startup = Startup::of([root.join("link/.config/palisade/palisade.yaml")]);
        for (source, holds) in [
            ("home/.config/palisade", true),
            ("home/.config", true),
            ("home", true),
            ("link/.config", true),
            ("", true),
            // Controls: the file itself, which a rule guards by its name, and what lies beside.
            ("home/.config/palisade/palisade.yaml", false),
            ("home/.config/other", false),
            ("home/.conf", false),
        ] {
            let source = root.join(source);
            assert_eq!(startup.below(&source).is_some(), holds, "{}", source.display());
        }
        assert!(Startup::default().below(&root).is_none());
    }
}
