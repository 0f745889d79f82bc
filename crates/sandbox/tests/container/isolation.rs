//! What a contained program cannot do, each with a control that can.
//! What it can do with its workspace is in `workspace`.

use sandbox::{End, GapName, LaunchError, Layer, Network, Profile, Spec};

use crate::setting::{
    ALLOWED, APART, driver, is_possible, launch, perl, plainly, run, sh, succeeds,
};
use crate::support::{Project, stderr, stdout};

#[test]
fn identity_capabilities_and_privileges_are_none() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let script = "id -u; id -g; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; \
                  cat /proc/self/uid_map; hostname; cat /proc/1/comm";
    let text = succeeds(&sh(project.path(), script));
    let lines: Vec<Vec<&str>> =
        text.lines().map(|line| line.split_whitespace().collect()).collect();
    let none = "0000000000000000";
    assert_eq!(lines[0..2], [["1000"], ["1000"]]);
    for (line, name) in
        lines[2..7].iter().zip(["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"])
    {
        assert_eq!(*line, [name, none]);
    }
    assert_eq!(lines[7..9], [["NoNewPrivs:", "1"], ["Seccomp:", "2"]]);
    assert_eq!(lines[9], ["0", "1900000000", "65536"]);
    assert_eq!(lines[10], ["palisade"]);
    let (_, control) = plainly(&APART, "grep CapBnd /proc/self/status; cat /proc/self/uid_map");
    assert!(!control.contains(none) && control.contains("4294967295"), "{control}");
}

#[test]
fn there_is_no_network() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let script =
        "ls /sys/class/net; cat /proc/net/dev | grep -v lo: | grep -c :; ping -c1 127.0.0.1";
    let outcome = run(&sh(project.path(), script));
    assert_eq!(stdout(&outcome).lines().collect::<Vec<_>>()[..2], ["lo", "0"]);
    let own = std::fs::read_link("/proc/self/ns/net").unwrap().display().to_string();
    let inner = outcome.receipt.namespaces.network;
    assert!(inner != 0 && own != format!("net:[{inner}]"));
    let (_, control) = plainly(&["--network", "host"], "ls /proc/self/ns/net -l");
    assert!(control.contains(&own), "the control shares the host's: {control} {own}");
}

#[test]
fn our_own_filter_is_in_force_and_denies_by_default() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    // Number, arguments, and what our lists answer: 1 EPERM, 38 ENOSYS, 97 no such family.
    let calls = [
        ("unshare(CLONE_NEWUSER)", 272, "0x10000000", 1),
        ("clone(CLONE_NEWUSER)", 56, "0x10000011, 0, 0, 0, 0", 1),
        ("socket(AF_INET)", 41, "2, 1, 0", 97),
        ("socket(AF_NETLINK)", 41, "16, 3, 0", 97),
        ("io_uring_setup", 425, "1, 0", 38),
        ("ptrace(TRACEME)", 101, "0, 0, 0, 0", 1),
        ("keyctl", 250, "0, 0, 0, 0, 0", 1),
        ("bpf", 321, "0, 0, 0", 1),
        ("mount", 165, "0, 0, 0, 0, 0", 1),
        ("a number nobody has", 900, "0", 38),
    ];
    for (name, number, arguments, expect) in calls {
        let program = format!("$r = syscall({number}, {arguments}); print $r, ' ', $! + 0");
        assert_eq!(stdout(&run(&perl(project.path(), &program))), format!("-1 {expect}"), "{name}");
    }
    let typed = "$x = 'x'; syscall(16, 0, 0x5412, $x); print $! + 0, ' '; \
                 syscall(16, 0, 0x100005412, $x); print $! + 0;";
    let outcome = run(&perl(project.path(), typed));
    assert_eq!(stdout(&outcome), "38 38", "typing into a terminal, also with high bits set");
    let allowed = "print syscall(41, 1, 1, 0) > 2 ? 'unix' : $!";
    assert_eq!(stdout(&run(&perl(project.path(), allowed))), "unix");
}

/// The same calls in a container without our filter: they reach the kernel.
#[test]
fn control_without_our_filter_the_calls_reach_the_kernel() {
    if !is_possible() {
        return;
    }
    let run = |program: &str| {
        let script = format!(
            "/host/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 --library-path /host/usr/lib/x86_64-linux-gnu \
             /host/usr/bin/perl -e '{program}'"
        );
        let options = ["-v", "/usr:/host/usr:ro", "--security-opt", "seccomp=unconfined"];
        plainly(&[&options[..], &APART].concat(), &script).1
    };
    assert_eq!(run("print syscall(41, 2, 1, 0) > 2 ? \"inet\" : $!"), "inet");
    assert_eq!(run("print syscall(272, 0x10000000)"), "0");
    assert_eq!(run("print syscall(101, 0, 0, 0, 0)"), "0");
}

#[test]
fn foreign_system_call_tables_end_the_program() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let outcome =
        run(&perl(project.path(), "print 'before'; $| = 1; syscall(0x40000027); print 'after'"));
    assert_eq!(outcome.end, End::Signalled(libc_sigsys()), "{}", stdout(&outcome));
    assert!(!stdout(&outcome).contains("after"));
}

fn libc_sigsys() -> i32 {
    31
}

#[test]
fn both_profiles_run_programs() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let alone = Spec { profile: Profile::Strict, ..Spec::new(project.path(), ["cat", "kept.txt"]) };
    assert_eq!(succeeds(&alone), "kept\n");
    let script = "for n in 1 2 3; do echo $n | cat; done; ls / > /dev/null";
    assert_eq!(succeeds(&sh(project.path(), script)), "1\n2\n3\n");
    let strict = Spec { profile: Profile::Strict, ..sh(project.path(), script) };
    assert_ne!(run(&strict).end, End::Exited(0), "no further processes under `strict`");
}

#[test]
fn processes_and_open_files_are_limited() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let bomb = "for n in $(seq 40); do sleep 5 & done; echo all; exit 0";
    let mut spec = sh(project.path(), bomb);
    spec.limits.pids = 12;
    let outcome = run(&spec);
    assert!(stderr(&outcome).contains("can't fork"), "{}", stderr(&outcome));
    spec.limits.pids = 128;
    assert_eq!(succeeds(&spec), "all\n", "the control");
    let files = "for n in $(seq 3 60); do eval \"exec $n</dev/null\" || exit 7; done; echo all";
    let mut spec = sh(project.path(), files);
    spec.limits.open_files = 32;
    assert_ne!(stdout(&run(&spec)), "all\n");
    spec.limits.open_files = 128;
    assert_eq!(succeeds(&spec), "all\n", "the control");
}

#[test]
fn two_containers_do_not_count_or_see_each_other() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let mut busy = sh(project.path(), "for n in $(seq 20); do sleep 1000 & done; echo ready; wait");
    busy.limits.pids = 24;
    let first = launch(&busy).expect("a container");
    let mut spec =
        sh(project.path(), "for n in $(seq 18); do sleep 1 & done; ps | grep -c 'sleep 1000$'");
    spec.limits.pids = 24;
    let outcome = run(&spec);
    assert!(!stderr(&outcome).contains("can't fork"), "{}", stderr(&outcome));
    assert_eq!(stdout(&outcome), "0\n");
    drop(first);
}

#[test]
fn a_gap_that_was_not_allowed_by_name_is_refused() {
    if !is_possible() {
        return;
    }
    let project = Project::new();
    let spec = sh(project.path(), "true");
    for allowed in [&[][..], &[GapName::Landlock], &[GapName::SelfProbe], &[GapName::MemoryLimit]] {
        let Err(LaunchError::Gaps { gaps }) = driver().launch(&spec, allowed) else {
            panic!("launched with {allowed:?}")
        };
        assert!(gaps.iter().all(|gap| !allowed.contains(&gap.name)));
        assert_eq!(gaps.len() + allowed.iter().filter(|gap| ALLOWED.contains(gap)).count(), 2);
    }
    let receipt = run(&spec).receipt;
    let names: Vec<_> = receipt.gaps.iter().map(|gap| gap.name).collect();
    assert_eq!(names, ALLOWED, "what was allowed is in the receipt");
    assert_eq!((receipt.driver, receipt.landlock.abi), ("container", 0));
    assert!(receipt.verified.is_empty() && !receipt.layers.contains(&Layer::Landlock));
    let container = receipt.container.expect("the container's facts");
    assert_eq!(container.runtime, "podman");
    assert!(container.image.starts_with("sha256:"));
}

/// Through the proxy's socket and back: the only way out there is, and only where it was asked for.
#[test]
fn the_proxy_s_socket_is_all_the_network_there_is() {
    use std::io::{Read as _, Write as _};
    if !is_possible() {
        return;
    }
    let project = Project::new();
    // The image's own name look-up needs the network; an address does not.
    let script = "echo $http_proxy; grep -v lo: /proc/net/dev | grep -c :; \
                  nc -w 2 192.0.2.1 80 </dev/null || echo unreachable; \
                  printf hello | nc 127.0.0.1 3128 || echo refused";
    let mut spec = Spec { profile: Profile::StandardNet, ..sh(project.path(), script) };
    let control = stdout(&run(&spec));
    assert_eq!(control, "\n0\nunreachable\nrefused\n", "without the proxy there is no socket");
    spec.network = Network::Proxy;
    let mut child = launch(&spec).expect("a container");
    let listener = child.take_listener().expect("the socket that listens inside");
    assert!(child.take_listener().is_none(), "once");
    let listener = std::net::TcpListener::from(listener);
    assert!(std::net::TcpStream::connect("127.0.0.1:3128").is_err(), "not on the host");
    let canceller = child.canceller();
    let outcome = std::thread::scope(|scope| {
        // Ends with the container: a listener whose network is gone reports no more connections.
        let answering = scope.spawn(move || {
            let (mut stream, from) = listener.accept().expect("a connection from inside");
            let mut text = [0; 5];
            stream.read_exact(&mut text).expect("what was sent");
            stream.write_all(b"answer").expect("an answer");
            (from.ip().is_loopback(), text)
        });
        let outcome = child.wait(&mut |_, bytes| {
            if bytes.windows(7).any(|text| text == b"refused") {
                canceller.cancel();
            }
        });
        assert!(stdout(&outcome).ends_with("answer"), "{}{}", stdout(&outcome), stderr(&outcome));
        assert_eq!(answering.join().expect("the answer"), (true, *b"hello"));
        outcome
    });
    assert_eq!(stdout(&outcome), "http://127.0.0.1:3128\n0\nunreachable\nanswer");
    let host = Spec { network: Network::Host, ..spec };
    assert!(matches!(launch(&host), Err(LaunchError::Unsupported(_))));
}
