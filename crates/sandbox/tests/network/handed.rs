//! Descriptors handed to a program: they arrive, in order, and nothing else does.
//! What a descriptor leads to is the business of who hands it over.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use sandbox::{HANDED_MAX, LaunchError, SpecError, launch};

use crate::printed;
use crate::support::{Project, refused, succeeds};

fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

/// A pipe that holds a text and ends after it.
fn holding(text: &str) -> Arc<OwnedFd> {
    let (reading, writing) = pipe();
    std::fs::File::from(writing).write_all(text.as_bytes()).unwrap();
    Arc::new(reading)
}

const LIST: &str =
    "opendir(D, '/proc/self/fd'); print join(',', sort { $a <=> $b } grep {/\\d/} readdir D)";

#[test]
fn they_arrive_in_order_and_nothing_else_does() {
    let project = Project::new();
    let all: Vec<_> = (0..HANDED_MAX).map(|place| holding(&format!("[{place}]"))).collect();
    // Backwards too, so that numbers cross on the way, and one twice.
    let orders = [
        all.clone(),
        all.iter().rev().cloned().collect(),
        vec![Arc::clone(&all[5]), Arc::clone(&all[5]), Arc::clone(&all[0])],
        Vec::new(),
    ];
    for order in orders {
        let mut spec = project.perl(LIST);
        spec.handed.clone_from(&order);
        let last = 3 + order.len();
        let expect: Vec<String> = (0..=last).map(|number| number.to_string()).collect();
        assert_eq!(succeeds(&spec), expect.join(","), "the last is the listing's own");
    }
    let mut spec = project.sh("for fd in 3 4 5 6 7 8 9; do cat <&$fd; done; cat /dev/fd/10");
    spec.handed = all;
    assert_eq!(succeeds(&spec), "[0][1][2][3][4][5][6][7]");
}

#[test]
fn whatever_numbers_they_have_outside() {
    let project = Project::new();
    // Those on which descriptors stand while they are being placed.
    let numbers: Vec<_> = (3..20).collect();
    for number in numbers {
        let moved = rustix::io::fcntl_dupfd_cloexec(&*holding("moved"), number).unwrap();
        assert!(moved.as_raw_fd() >= number);
        let mut spec = project.sh("cat <&4; cat <&3");
        spec.handed = vec![holding("!"), Arc::new(moved)];
        assert_eq!(succeeds(&spec), "moved!");
    }
}

#[test]
fn nobody_else_keeps_them() {
    let (mut reading, writing) = {
        let (reading, writing) = pipe();
        (std::fs::File::from(reading), writing)
    };
    let (waiting, go) = pipe();
    let project = Project::new();
    let mut spec = project.sh("echo said >&3; exec 3>&-; read line <&4; echo $line");
    spec.handed = vec![Arc::new(writing), Arc::new(waiting)];
    let child = launch(&spec).unwrap();
    drop(spec);
    // The end is seen while the program still runs: neither the launcher nor the sandbox's first
    // process holds the other end.
    let mut said = String::new();
    reading.read_to_string(&mut said).unwrap();
    assert_eq!(said, "said\n");
    std::fs::File::from(go).write_all(b"go on\n").unwrap();
    assert_eq!(printed(child), "go on\n");
}

#[test]
fn no_more_than_the_limit() {
    let mut spec = Project::new().sh("true");
    spec.handed = vec![holding(""); HANDED_MAX + 1];
    let error = refused(&spec);
    let said = matches!(error, LaunchError::Spec(SpecError::TooMuch { limit: HANDED_MAX, .. }));
    assert!(said, "{error}");
}
