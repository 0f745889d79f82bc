//! One test per wall: the program tries to get through, and a control shows that without the
//! wall it would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a failed test should stop loudly"
)]

mod support;

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::Path;

use sandbox::{Access, Check, End, Mount, launch};
use support::{Project, explain, fails, is_root, outside, refused, run, stdout, succeeds};

#[test]
fn the_project_is_never_written_to() {
    let project = Project::new();
    project.file("gone.txt", "gone\n");
    project.file("folder/inner.txt", "inner\n");
    let script = "echo changed > kept.txt; rm gone.txt; rm -r folder; mkdir folder new; ls";
    assert_eq!(succeeds(&project.sh(script)), "folder\nkept.txt\nnew\n");
    assert_eq!(std::fs::read_to_string(project.path().join("kept.txt")).unwrap(), "kept\n");
    assert!(project.path().join("gone.txt").exists());
    assert!(project.path().join("folder/inner.txt").exists());
    assert!(!project.path().join("new").exists());
}

#[test]
fn only_the_workspace_and_temporary_folders_can_be_written() {
    let project = Project::new();
    for folder in ["/", "/usr", "/usr/bin", "/etc", "/etc/ssl/certs", "/proc", "/dev", "/home"] {
        fails(&project.sh(&format!("touch {folder}/made-by-test")));
        fails(&project.sh(&format!("mkdir {folder}/made-by-test")));
    }
    for folder in ["/workspace", "/tmp", "/home/palisade", "/dev/shm"] {
        succeeds(&project.sh(&format!("touch {folder}/made && mkdir {folder}/made-too")));
    }
}

#[test]
fn kernel_settings_cannot_be_changed() {
    let project = Project::new();
    for file in ["/proc/sys/kernel/core_pattern", "/proc/self/oom_score_adj"] {
        let program = format!("open(F, '>', '{file}') or exit 3");
        assert_eq!(run(&project.perl(&program)).end, End::Exited(3), "{file}");
        if is_root() {
            assert!(outside(&["perl", "-e", &program]).0, "control: root could open {file}");
        }
    }
}

#[test]
fn the_rest_of_the_host_does_not_exist() {
    let project = Project::new();
    let secret = Project::new();
    let file = secret.file("id_rsa", "secret\n");
    let read = ["cat", file.to_str().unwrap()];
    assert_eq!(outside(&read), (true, "secret\n".to_owned()), "control");
    assert!(fails(&project.spec(&read)).contains("No such file"));
    let mut spec = project.spec(&["cat", "/data/id_rsa"]);
    spec.mounts = vec![mount(secret.path(), "/data", Access::Read)];
    assert_eq!(succeeds(&spec), "secret\n", "control: shown when mounted");
    for path in [
        "/root",
        "/var",
        "/sys",
        "/run",
        "/boot",
        "/srv",
        "/etc/shadow",
        "/etc/ssh",
        "/etc/ssl/private",
        "/dev/kvm",
        "/dev/mem",
        "/dev/fuse",
        "/dev/pts",
        "/dev/tty",
    ] {
        fails(&project.sh(&format!("test -e {path}")));
    }
}

#[test]
fn no_path_of_the_project_on_the_host_is_told() {
    let project = Project::new();
    let text = succeeds(&project.sh("cat /proc/self/mountinfo"));
    let own = project.path().file_name().unwrap().to_str().unwrap();
    assert!(!text.contains(own), "{text}");
}

#[test]
fn hidden_paths_are_empty() {
    let project = Project::new();
    project.file(".palisade/policy.yaml", "rules\n");
    project.file("secret.txt", "secret\n");
    let show = "ls -A .palisade; cat secret.txt";
    assert_eq!(succeeds(&project.sh(show)), "policy.yaml\nsecret\n", "control");
    let hide = |script| {
        let mut spec = project.sh(script);
        spec.workspace.hidden =
            vec![".palisade".into(), "secret.txt".into(), "absent/inner".into()];
        spec
    };
    assert_eq!(succeeds(&hide(show)), "");
    for attempt in [
        "touch .palisade/new",
        "rm -r .palisade",
        "mv .palisade other",
        "echo x > secret.txt",
        "rm secret.txt",
        "ln secret.txt copy && cat copy | grep secret",
    ] {
        fails(&hide(attempt));
    }
}

#[test]
fn a_hidden_path_that_is_a_link_is_refused() {
    let project = Project::new();
    project.file("real/policy.yaml", "rules\n");
    std::os::unix::fs::symlink("real", project.path().join(".palisade")).unwrap();
    let mut spec = project.sh("true");
    spec.workspace.hidden = vec![".palisade".into()];
    assert!(explain(&refused(&spec)).contains("symbolic link"));
}

#[test]
fn mounts_are_as_writable_as_they_were_asked_for() {
    let project = Project::new();
    let data = Project::new();
    data.file("in.txt", "in\n");
    let with = |script, access| {
        let mut spec = project.sh(script);
        spec.mounts = vec![
            mount(data.path(), "/data/deep", access),
            mount(&data.path().join("in.txt"), "/workspace/sub/file.txt", access),
        ];
        spec
    };
    let read = "cat /data/deep/in.txt sub/file.txt";
    assert_eq!(succeeds(&with(read, Access::Read)), "in\nin\n");
    assert!(fails(&with("echo x > /data/deep/in.txt", Access::Read)).contains("Read-only"));
    assert!(fails(&with("touch /data/deep/new", Access::Read)).contains("Read-only"));
    succeeds(&with("echo out > /data/deep/new; echo x >> sub/file.txt", Access::Write));
    assert_eq!(std::fs::read_to_string(data.path().join("new")).unwrap(), "out\n");
    assert_eq!(std::fs::read_to_string(data.path().join("in.txt")).unwrap(), "in\nx\n");
}

#[test]
fn there_is_no_network() {
    let project = Project::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!(
        "use Socket; socket(S, AF_INET, SOCK_STREAM, 0) or exit 3; \
         connect(S, pack_sockaddr_in({port}, inet_aton('127.0.0.1'))) or exit 4; print 'in'"
    );
    assert_eq!(outside(&["perl", "-e", &connect]), (true, "in".to_owned()), "control");
    assert!(matches!(run(&project.perl(&connect)).end, End::Exited(3 | 4)));
    for family in [2, 10, 16, 17, 38, 40] {
        let program = format!("socket(S, {family}, 2, 0) and exit 0; exit 3");
        assert_eq!(run(&project.perl(&program)).end, End::Exited(3), "family {family}");
    }
}

#[test]
fn abstract_sockets_of_the_host_are_out_of_reach() {
    use std::os::linux::net::SocketAddrExt;
    let name = support::marker("palisade-test");
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    let connect = format!(
        "use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0) or exit 3; \
         connect(S, pack('Sa*', AF_UNIX, \"\\0{name}\")) or exit 4"
    );
    assert!(outside(&["perl", "-e", &connect]).0, "control");
    assert_eq!(run(&Project::new().perl(&connect)).end, End::Exited(4));
}

#[test]
fn processes_of_the_host_are_out_of_reach() {
    let project = Project::new();
    let pid = std::process::id();
    assert!(outside(&["sh", "-c", &format!("kill -0 {pid}")]).0, "control");
    fails(&project.sh(&format!("kill -0 {pid}")));
    let seen = succeeds(&project.sh("ls -d /proc/[0-9]*"));
    assert!(seen.lines().count() <= 2, "the shell and ls at most: {seen}");
}

#[test]
fn the_first_process_cannot_be_read_or_ended() {
    let project = Project::new();
    for file in ["mem", "environ", "maps", "root", "cwd", "fd"] {
        fails(&project.sh(&format!("cat /proc/1/{file} || ls /proc/1/{file}/")));
    }
    assert_eq!(succeeds(&project.sh("kill -KILL 1; kill -TERM 1; sleep 0.1; echo on")), "on\n");
}

#[test]
fn no_descriptor_is_inherited() {
    let project = Project::new();
    let file = std::fs::File::open("/proc/self/status").unwrap();
    // Without the close-on-exec flag, as a careless library would open it.
    let inherited = rustix::io::fcntl_dupfd_cloexec(&file, 77).unwrap();
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    let number = inherited.as_raw_fd();
    let list = format!("readlink /proc/self/fd/{number} && echo there");
    assert!(outside(&["sh", "-c", &list]).0, "control");
    fails(&project.sh(&list));
    let program = "opendir(D, '/proc/self/fd'); print join(',', sort grep {/\\d/} readdir D)";
    let listed = succeeds(&project.perl(program));
    assert_eq!(listed, "0,1,2,3", "the last is the listing's own");
}

#[test]
fn no_descriptor_of_the_launcher_is_a_working_directory() {
    let project = Project::new();
    for number in 3..100 {
        let mut spec = project.sh("pwd -P");
        spec.cwd = format!("/proc/self/fd/{number}").into();
        assert!(launch(&spec).is_err(), "started in descriptor {number}");
    }
}

#[test]
fn no_privilege_is_held_or_gained() {
    let status = succeeds(&Project::new().sh("cat /proc/self/status"));
    for line in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(status.contains(&format!("{line}:\t0000000000000000")), "{line}");
    }
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "Uid:\t1000\t1000\t1000\t1000"] {
        assert!(status.contains(line), "{line}");
    }
    let mounts = succeeds(&Project::new().sh("cat /proc/self/mountinfo"));
    for mount in mounts.lines() {
        assert!(mount.contains("nosuid"), "{mount}");
        assert!(mount.contains("nodev") || mount.contains(" /dev/"), "{mount}");
    }
}

#[test]
fn privileged_acts_fail() {
    let project = Project::new();
    for attempt in [
        "unshare --user true",
        "unshare --mount true",
        "mount -t tmpfs none /tmp",
        "umount /proc",
        "chroot / true",
        "mknod /tmp/null c 1 3",
        "chown 0:0 kept.txt",
        "hostname other",
        "nsenter --target 1 --mount true",
    ] {
        fails(&project.sh(attempt));
    }
    assert!(outside(&["unshare", "--user", "true"]).0, "control");
    succeeds(&project.sh("mkfifo /tmp/pipe && ln -s x /tmp/link"));
}

#[test]
fn nothing_can_be_typed_into_a_terminal() {
    let project = Project::new();
    // TIOCSTI, and the same with high bits that a careless comparison would miss.
    let allowed = std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti");
    if allowed.is_ok_and(|value| value.trim() == "1") {
        let program = "perl -e 'ioctl(STDIN, 0x5412, my $c = qq(x)) or exit 3'";
        let own_terminal = ["script", "-qec", program, "/dev/null"];
        assert!(outside(&own_terminal).0, "control: a program could type into its terminal");
    }
    for request in ["0x5412", "0x100005412"] {
        let program = format!("ioctl(STDIN, {request}, my $c = 'x') and exit 0; exit 3");
        assert_eq!(run(&project.perl(&program)).end, End::Exited(3), "{request}");
    }
    fails(&project.sh("true < /dev/tty"));
    let stat = succeeds(&project.sh("cat /proc/self/stat"));
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert_eq!(fields[3], "2", "a session of its own");
    assert_eq!(fields[4], "0", "no controlling terminal");
}

#[test]
fn the_receipt_says_what_was_in_force() {
    let child = launch(&Project::new().sh("readlink /proc/self/ns/net")).unwrap();
    let receipt = child.receipt().clone();
    let outcome = child.wait(&mut |_, _| {});
    assert_eq!(stdout(&outcome), format!("net:[{}]\n", receipt.namespaces.network));
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_ne!(stdout(&outcome).trim(), own.to_str().unwrap());
    assert_eq!(receipt.identity.uid_outside, rustix::process::geteuid().as_raw());
    assert_eq!(receipt.identity.uid_inside, 1000);
    assert_eq!(receipt.seccomp.digest.len(), 64);
    assert!(receipt.landlock.abi >= 1);
    assert_eq!(receipt.verified.len(), 11);
    assert!(receipt.verified.contains(&Check::Landlock));
    let json = serde_json::to_value(&receipt).unwrap();
    assert_eq!(json["profile"], "standard");
    assert_eq!(json["layers"][0], "user namespace");
    let limits = json["limits"].as_array().unwrap();
    for name in ["memory", "processes", "open_files", "workspace", "output", "wall"] {
        assert_eq!(limits.iter().filter(|limit| limit["name"] == name).count(), 1, "{name}");
    }
}

fn mount(source: &Path, target: &str, access: Access) -> Mount {
    Mount { source: source.canonicalize().unwrap(), target: target.into(), access }
}

#[test]
fn everything_again_as_an_ordinary_user() {
    support::again_as_an_ordinary_user("everything_again_as_an_ordinary_user");
}
