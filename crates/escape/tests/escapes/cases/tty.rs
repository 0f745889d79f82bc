//! Terminals: one the supervisor left open, and one of the host by its path.
//! What a program prints is kept from a terminal elsewhere.

use std::os::fd::OwnedFd;

use weakened::weaken::Wall::{Descriptors, PrivateRoot, Seccomp};

use crate::case::Case;
use crate::scene::Scene;
use crate::target;

const TYPE: u64 = 0x5412;

pub const CASES: &[Case] = &[
    Case::new(
        "type",
        "type into the terminal the supervisor left open (`TIOCSTI`)",
        &[Descriptors, Seccomp],
        &["EBADF"],
        |scene| typing(scene, TYPE),
    ),
    Case::new(
        "type-with-high-bits",
        "the same with bits the kernel ignores and a filter might compare",
        &[Descriptors, Seccomp],
        &["EBADF"],
        |scene| typing(scene, TYPE | 1 << 32),
    ),
    Case::new(
        "type-with-the-highest-bit",
        "the same with the highest bit of the register",
        &[Descriptors, Seccomp],
        &["EBADF"],
        |scene| typing(scene, TYPE | 1 << 63),
    ),
    Case::new(
        "line-discipline",
        "load another line discipline into a terminal (`TIOCSETD`)",
        &[Descriptors, Seccomp],
        &["EBADF"],
        |scene| {
            let _ours = left_open(scene);
            scene.leave(&["change-line-discipline"]);
            scene.keep(_ours);
        },
    ),
    Case::new("size", "change the size of a terminal", &[Descriptors], &["EBADF"], |scene| {
        let ours = left_open(scene);
        let rows = 300 + u16::from_str_radix(&scene.mark[..3], 16).unwrap();
        scene.steal(&["change-size", &scene.mark.clone(), &rows.to_string()]);
        scene.effect(move || rustix::termios::tcgetwinsize(&ours).unwrap().ws_row == rows);
    }),
    Case::new(
        "take-terminal",
        "make a terminal left open its own",
        &[Descriptors],
        &["EBADF"],
        |scene| {
            let ours = left_open(scene);
            scene.keep(ours);
            scene.leave(&["take-terminal"]);
        },
    ),
    Case::new(
        "terminal-by-path",
        "write to a terminal of the host by its path",
        &[PrivateRoot],
        &["ENOENT"],
        |scene| {
            let (ours, theirs, path) = target::terminal();
            scene.leave(&["write-terminal", &path]);
            let mark = scene.mark.clone();
            scene.keep(theirs);
            scene.effect(move || target::is_shown(&ours, &mark));
        },
    ),
];

/// A terminal that programs inherit; returns our end.
fn left_open(scene: &mut Scene) -> OwnedFd {
    let (ours, theirs, _) = target::terminal();
    target::inheritable(scene, theirs);
    ours
}

fn typing(scene: &mut Scene, request: u64) {
    let ours = left_open(scene);
    scene.steal(&["type", &scene.mark.clone(), &request.to_string()]);
    let mark = scene.mark.clone();
    scene.effect(move || target::is_shown(&ours, &mark));
}
