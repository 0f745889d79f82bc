//! Sets `--cfg weaken` for this package alone, and builds the attack program.
//!
//! The program is linked statically, so that it runs in any root, and uses nothing but `std`.
//! It is part of the test program as well, as a module, where it is formatted and linted.

use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), String> {
    println!("cargo::rustc-cfg=weaken");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=tests/attack");
    let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let program = PathBuf::from(variable("OUT_DIR")?).join("attack");
    let built = Command::new(variable("RUSTC")?)
        .args(["--edition", "2024", "--crate-type", "bin", "--crate-name", "attack"])
        .args(["--target", &variable("TARGET")?, "-C", "target-feature=+crt-static"])
        .args(["-C", "panic=abort", "-C", "opt-level=1", "-C", "strip=symbols"])
        .args(["--cap-lints", "allow", "tests/attack/program.rs", "-o"])
        .arg(&program)
        .status()
        .map_err(|error| format!("cannot start rustc: {error}"))?;
    if !built.success() {
        return Err(format!("the attack program does not build: {built}"));
    }
    println!("cargo::rustc-env=ATTACK={}", program.display());
    Ok(())
}
