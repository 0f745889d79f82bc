//! What the program as it is shipped must not contain.
//! How it behaves is in the other modules.

/// Stands in every program whose sandbox can be weakened; the escape suite checks that in its own.
const MARK: &str = "palisade: in this build the walls of a sandbox can be taken down";

#[test]
fn no_wall_of_its_sandbox_can_be_taken_down() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_palisade")).unwrap();
    let holds = |text: &str| program.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("the sandbox did not prove that"), "control: its sandbox is there");
    assert!(!holds(MARK));
}
