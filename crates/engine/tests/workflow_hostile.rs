//! Texts that are almost workflows: loading any of them gives a workflow or diagnostics that can
//! be shown.
//!
//! What the diagnostics say is tested in `workflow_errors.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a failed test should stop loudly"
)]

use engine::policy::document::Source;
use engine::workflow::Workflow;
use proptest::prelude::*;

const DOCUMENT: &str = r#"version: 1
name: w
inputs:
  required: [repo]
  properties: { repo: { type: string }, n: { type: integer, default: 3 } }
defaults: { timeout: 5m, retry: { max_attempts: 3, backoff: { base: 1s } } }
steps:
  - name: log
    run: ["git", "-C", "${{ inputs.repo }}", 'it''s ${{ inputs.n + 1 }}']
    mounts: [ { source: "${{ inputs.repo }}", readonly: true } ]
    outputs: { text: stdout }
  - name: write
    needs: [log]
    if: steps.log.outcome == "succeeded" && size(steps.log.outputs.text) > 0
    shell: |
      cat > "$NAME"
    env: { NAME: "${{ run.id }}" }
    files:
      a/b.md: |
        # Title ${{ steps.log.outputs.text }}
        end
    artifacts: ["*.md"]
finally:
  - { name: last, tool: fs.read, with: { path: ["${{ steps.write.outcome }}"] } }
outputs: { x: "${{ steps.log.exit_code }}" }
"#;

fn load(text: &str) {
    let source = Source::new("w.yaml", text);
    let found = match Workflow::load(&source, &["fs.read"]) {
        Ok(loaded) => loaded.warnings,
        Err(found) => found,
    };
    for diagnostic in found {
        assert!(!diagnostic.render(&source).is_empty());
    }
}

#[test]
fn the_document_itself_loads() {
    assert!(Workflow::load(&Source::new("w.yaml", DOCUMENT), &["fs.read"]).is_ok());
}

#[test]
fn every_beginning_of_a_document_ends() {
    for (end, _) in DOCUMENT.char_indices() {
        load(&DOCUMENT[..end]);
    }
}

#[test]
fn every_document_with_one_line_missing_ends() {
    let lines: Vec<&str> = DOCUMENT.lines().collect();
    for missing in 0..lines.len() {
        let mut rest = lines.clone();
        rest.remove(missing);
        load(&rest.join("\n"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_ends(text in ".{0,200}") {
        load(&text);
        load(&format!("version: 1\nname: w\nsteps:\n  - name: a\n    run: [ls]\n    if: {text}\n"));
    }

    #[test]
    fn a_document_with_a_piece_replaced_ends(
        start in 0..DOCUMENT.len(),
        len in 0..40_usize,
        piece in prop::sample::select(vec![
            "", " ", "\n", "\n  ", "é", "${{", "}}", "\"", "'", "[", "]", "{", "}", ":", "- ", "|",
            "0", "-1", "null", "a: b", "needs", "log", "steps.log.outputs", "#", "\\", "&a", "*a",
        ]),
    ) {
        let end = (start + len).min(DOCUMENT.len());
        load(&format!("{}{piece}{}", &DOCUMENT[..start], &DOCUMENT[end..]));
    }
}
