//! What records name besides themselves: files of steps, lists of changes, patches, contents. A whole verification
//! looks at each of them.

use std::fs;
use std::path::PathBuf;

use crate::support::{Project, workflow};

const STEPS: &str = "  - name: make
    shell: \"echo kept > kept.txt; echo changed > changed.txt\"
    artifacts: [\"kept.txt\"]
    sandbox: { changes: full }
";

/// A project whose only step left artifacts, with every file of its artifact store.
fn lived_in() -> (Project, Vec<PathBuf>) {
    let project = Project::new();
    project.file("make.yaml", workflow(STEPS));
    project.palisade(&["run", "make.yaml"]).exits(0);
    let mut files = Vec::new();
    for folder in fs::read_dir(project.path().join(".palisade/artifacts/sha256")).unwrap() {
        let entries = fs::read_dir(folder.unwrap().path()).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    (project, files)
}

/// Requires that forging or removing any of the files is found.
fn each_is_missed(project: &Project, files: &[PathBuf]) {
    let verified = || project.palisade(&["audit", "verify", "--json"]);
    let found = verified().exits(0).json();
    assert_eq!(found["artifacts"].as_u64(), u64::try_from(files.len()).ok(), "{found}");
    let told = project.palisade(&["audit", "verify"]).exits(0).stdout;
    assert!(told.contains(&format!("and {} artifacts verified", files.len())), "{told}");
    for file in files {
        let content = fs::read(file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let mut forged = content.clone();
        forged[0] ^= 1;
        fs::write(file, forged).unwrap();
        let ran = project.palisade(&["audit", "verify"]).exits(20);
        ran.says("first bad sequence", "has the content of", "").says("", name, "");
        fs::remove_file(file).unwrap();
        let ran = project.palisade(&["audit", "verify"]).exits(20);
        ran.says("first bad sequence", "there is no artifact", "").says("", name, "");
        fs::write(file, content).unwrap();
    }
    verified().exits(0);
}

#[test]
fn an_artifact_that_was_forged_or_removed_is_found_with_the_record_that_names_it() {
    let (project, files) = lived_in();
    // The file, the list of changes, the patch, and the content of the other changed file.
    assert_eq!(files.len(), 4, "{files:?}");
    each_is_missed(&project, &files);
}

#[test]
fn what_archived_records_name_is_looked_at_too() {
    let (project, files) = lived_in();
    project.palisade(&["journal", "archive", "--keep", "0s"]).exits(0);
    let listed = project.palisade(&["journal", "archive", "list", "--json"]).exits(0).json();
    assert!(!listed.as_array().unwrap().is_empty());
    each_is_missed(&project, &files);
}
