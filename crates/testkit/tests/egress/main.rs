//! The whole way out: a program in its sandbox, the egress proxy in another, a host of the test.
//!
//! The proxy is this binary started again, held by the profile the product holds it with. Names
//! are scripted, because a test cannot change the machine's resolver; addresses are real.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unsafe_code,
    reason = "tests; one handed descriptor is taken over by its number"
)]

mod clients;
mod escape;
mod way;

use std::os::fd::FromRawFd;

/// Started by `way` as the proxy, this serves; started as a test, it shows that such a process
/// serves one session and ends with it.
#[test]
fn a_proxy_process_serves_its_session_and_ends_with_it() {
    if let Ok(names) = std::env::var(way::AS_PROXY) {
        // SAFETY: the sandbox hands the control socket over as descriptor 3, and nothing else in
        // this process knows of it.
        let control = unsafe { std::os::fd::OwnedFd::from_raw_fd(3) };
        match names.as_str() {
            "system" => egress::serve(control).unwrap(),
            _ => egress::serve_with(control, std::sync::Arc::new(way::Names)).unwrap(),
        }
        return;
    }
    let way = way::Way::new(&["good.test:9"]);
    let text = way.succeeds(&["sh", "-c", "echo nothing asked for"]);
    assert_eq!(text.0, "nothing asked for\n");
    assert!(text.1.is_empty(), "{:?}", text.1);
}

/// As root the others run once more as the user `nobody`, who has another kind of sandbox. The
/// toolchain of cargo is usually root's own and not to be read by others.
#[test]
fn all_again_as_an_ordinary_user() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    if !way::is_root() {
        return;
    }
    clients::install();
    let folder = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let copy = folder.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let output = std::process::Command::new(&copy)
        .args(["--skip", "all_again_as_an_ordinary_user", "--skip", "cargo_fetches"])
        .env("HOME", "/nonexistent")
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "as an ordinary user:\n{text}");
}
