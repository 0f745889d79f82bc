//! The project's own commands: `cargo xtask ci`, `test`, `tidy`, `soak`, `fuzz` and `oracle`.
//!
//! It runs tools and checks rules. It is never a dependency of the product, and it knows
//! nothing of workflows, policies or sandboxes beyond how to start their tests.
//! One file per command; the rules themselves are one file each under `tidy/`.

mod ci;
mod fuzz;
mod graph;
mod lexis;
mod oracle;
mod soak;
mod stage;
mod test;
mod tidy;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  ci                 format, clippy, tidy, licences, documentation, tests: what a change must pass
  test               set up and run every test, as this user and, as root, also as an ordinary one
  tidy               the rules of the code base, nothing else
  soak               sandboxes in a row that leave nothing, and the simulator's long crash campaign,
                     in a release build; `--sandboxes N` or `--cycles N` for one of them
  fuzz [TARGET]      hostile input for each parser, or for one; `--seconds N` for each, 60 by itself
  oracle [bench]     our policy engine against Cedar: the same decisions, or how long each takes
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = repository_root();
    let result = match words.as_slice() {
        ["ci"] => ci::run(&root),
        ["test"] => test::run(&root),
        ["tidy"] => tidy::run(&root),
        ["soak", rest @ ..] => soak::run(&root, rest),
        ["fuzz", rest @ ..] => fuzz::run(&root, rest),
        ["oracle", rest @ ..] => oracle::run(&root, rest),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace: this package's parent, known since it was compiled.
fn repository_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}
