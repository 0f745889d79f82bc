//! What a project keeps is shown to no program and read by no tool: its keys, its secrets, its journal, its socket.
//! Each refusal has a control that shows the same file where nothing has to be hidden.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{Project, Ran, run, workflow};

/// A step that reads `file` of what it is shown at `/k`.
fn step(source: &str, target: &str, file: &str) -> String {
    let mount = format!("{{ source: \"{source}\", target: \"{target}\", readonly: true }}");
    format!("  - {{ name: a, run: [cat, \"{target}/{file}\"], mounts: [{mount}] }}\n")
}

fn with_state(project: &Project, state: Option<&Path>, steps: &str) -> Ran {
    project.file("hidden.yaml", workflow(steps));
    let with = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        if let Some(state) = state {
            command.env("PALISADE_STATE__FOLDER", state);
        }
        run(&mut command)
    };
    let (ran, logs) = (with(&["run", "hidden.yaml"]), with(&["runs", "logs"]));
    Ran { stdout: format!("{}{}", ran.stdout, logs.all()), ..ran }
}

#[test]
fn a_program_reads_no_state_of_its_project_by_any_mount() {
    let project = Project::new();
    let beside = project.outside().join("kept");
    for state in [None, Some(beside.as_path())] {
        let first = with_state(&project, state, "  - { name: a, run: [echo, hello] }\n");
        assert!(first.exits(0).stdout.contains("hello"));
        let folder = state.map_or(project.path().join(".palisade"), Path::to_path_buf);
        fs::write(folder.join("keys/canary"), "canary-in-a-key").unwrap();
        let (project_folder, folder) =
            (project.path().display().to_string(), folder.display().to_string());
        let below =
            folder.strip_prefix(&project_folder).unwrap_or_default().trim_start_matches('/');
        let inner = if below.is_empty() { "kept/keys/canary" } else { ".palisade/keys/canary" };
        let mut ways = vec![
            (folder.clone(), "keys/canary"),
            (format!("{folder}/keys"), "canary"),
            (format!("{folder}/.."), inner),
            (format!("/proc/self/root{folder}"), "keys/canary"),
        ];
        if state.is_none() {
            ways.extend([
                (".".to_owned(), inner),
                (project_folder, inner),
                ("..".to_owned(), inner),
            ]);
        }
        for (source, file) in ways {
            for target in ["/k", "/workspace/k"] {
                let ran = with_state(&project, state, &step(&source, target, file));
                assert_ne!(ran.code, 0, "{source} at {target}: {ran:?}");
                assert!(!ran.all().contains("canary-in-a-key"), "{source} at {target}: {ran:?}");
                assert!(ran.all().contains("hidden folders"), "{source} at {target}: {ran:?}");
            }
        }
    }
    // Controls: what lies beside is shown, and the project is read as the workspace.
    fs::create_dir(project.outside().join("plain")).unwrap();
    fs::write(project.outside().join("plain/note"), "shown-beside").unwrap();
    let plain = project.outside().join("plain").display().to_string();
    let shown = with_state(&project, Some(&beside), &step(&plain, "/k", "note")).exits(0);
    assert!(shown.stdout.contains("shown-beside"), "{shown:?}");
    project.file("note", "shown-inside");
    let inside = "  - { name: a, run: [cat, note], mounts: [{ source: \".\" }] }\n";
    assert!(with_state(&project, None, inside).exits(0).stdout.contains("shown-inside"));
}

#[test]
fn a_state_folder_that_would_come_to_lie_in_the_project_is_refused() {
    let project = Project::new();
    let outside = project.outside();
    symlink(project.path(), outside.join("link")).unwrap();
    let with =
        |state: &Path| with_state(&project, Some(state), "  - { name: a, run: [\"true\"] }\n");
    for state in ["link/kept/here", "link/kept", "absent/../../project/kept"] {
        let ran = with(&outside.join(state)).exits(2);
        ran.says("`state.folder` cannot be", "steps would see the journal", "outside the project");
        assert!(!project.path().join("kept").exists(), "{state}");
    }
    // Control: beside the project it is made where it is named.
    with(&outside.join("kept/here")).exits(0);
    assert!(outside.join("kept/here/palisade.db").exists());
}

#[test]
fn a_program_writes_nothing_by_which_the_next_process_starts() {
    let project = Project::new();
    let config = project.home().join(".config/palisade");
    fs::create_dir_all(&config).unwrap();
    fs::create_dir_all(project.home().join("data")).unwrap();
    let binaries = Path::new(env!("CARGO_BIN_EXE_palisade")).parent().unwrap();
    let ran = |source: &Path, readonly: bool| {
        let source = source.display();
        let mount = format!("{{ source: {source}, target: /k, readonly: {readonly} }}");
        project.run_steps(&format!("  - {{ name: a, run: [ls, /k], mounts: [{mount}] }}\n"))
    };
    for held in [config.clone(), project.home().join(".config"), binaries.to_path_buf()] {
        let told = ran(&held, false).exits(10);
        assert!(told.all().contains("by which palisade starts"), "{told:?}");
    }
    // Controls: to read it, and to write beside it.
    ran(&config, true).exits(0);
    ran(&project.home().join("data"), false).exits(0);
}
