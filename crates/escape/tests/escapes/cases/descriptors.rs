//! Descriptors: what the supervisor or another process has open.
//! Files are reached by number here, never by path.

use std::fs::File;
use std::os::unix::net::UnixStream;

use weakened::weaken::Wall::{
    Descriptors, HiddenPaths, Landlock, Links, Overlay, PidNamespace, SealedInput, Seccomp,
    Undumpable,
};

use crate::case::Case;
use crate::target;

pub const CASES: &[Case] = &[
    Case::new(
        "inherited-file",
        "read a file the supervisor left open",
        &[Descriptors],
        &["EBADF"],
        |scene| {
            let file = File::open(scene.secret_file("open")).unwrap();
            target::inheritable(scene, file);
            scene.steal(&["read-inherited", &scene.hint()]);
            scene.expect = crate::scene::Expect::Secret;
        },
    ),
    Case::new(
        "inherited-socket",
        "send on a connection the supervisor left open",
        &[Descriptors],
        &["EBADF"],
        |scene| {
            let (theirs, ours) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            target::inheritable(scene, theirs);
            scene.leave(&["write-inherited"]);
            let mark = scene.mark.clone();
            scene.effect(move || {
                let mut bytes = [0_u8; 64];
                let got = std::io::Read::read(&mut &ours, &mut bytes).unwrap_or(0);
                bytes[..got] == *mark.as_bytes()
            });
        },
    ),
    Case::new(
        "inherited-folder",
        "change into a folder of the host that was left open, and go up from there",
        &[Descriptors, Landlock],
        &["EBADF"],
        |scene| {
            let secret = scene.secret_file("beside");
            target::inheritable(scene, File::open(scene.project("")).unwrap());
            let up = format!("../../../../../../../../../..{secret}");
            scene.steal(&["leave-by-inherited", &up]);
        },
    ),
    Case::new(
        "working-directory-by-descriptor",
        "start in `/proc/self/fd/N` of a folder the supervisor left open",
        &[Descriptors, Links, Landlock],
        &["launch refused"],
        |scene| {
            let secret = scene.secret_file("beside");
            let folder = rustix::io::fcntl_dupfd_cloexec(File::open("/").unwrap(), 90).unwrap();
            rustix::io::fcntl_setfd(&folder, rustix::io::FdFlags::empty()).unwrap();
            use std::os::fd::AsRawFd as _;
            scene.spec.cwd = format!("/proc/self/fd/{}", folder.as_raw_fd()).into();
            scene.keep(folder);
            scene.steal(&["read", secret.trim_start_matches('/')]);
        },
    ),
    Case::new(
        "descriptor-of-a-process",
        "take an open file from a process of the host with `pidfd_getfd`",
        &[PidNamespace, Seccomp, Landlock],
        &["ESRCH"],
        |scene| {
            let [pid, _, fd] = target::victim(scene);
            scene.steal(&["take-descriptor", &pid, &fd]);
        },
    )
    .fixed("user namespace")
    .outside(),
    Case::new(
        "descriptor-by-proc",
        "open a file without a name through `/proc/PID/fd` of a process of the host",
        &[PidNamespace, Landlock],
        &["ENOENT"],
        |scene| {
            let [pid, _, fd] = target::victim(scene);
            scene.steal(&["open-descriptor-of", &pid, &fd]);
        },
    )
    .fixed("user namespace")
    .outside(),
    Case::new(
        "descriptor-by-message",
        "be handed a file by a daemon whose socket lies in the project",
        &[Overlay],
        &["ECONNREFUSED"],
        |scene| {
            target::generous_door(scene, &scene.project("door"));
            scene.steal(&["receive-descriptor", "/workspace/door"]);
        },
    ),
    Case::new(
        "descriptor-by-hidden-message",
        "be handed a file by a daemon whose socket lies in a hidden folder",
        &[Overlay, HiddenPaths],
        &["ENOENT"],
        |scene| {
            std::fs::create_dir(scene.project(".palisade")).unwrap();
            target::generous_door(scene, &scene.project(".palisade/door"));
            scene.spec.workspace.hidden.push(".palisade".into());
            scene.steal(&["receive-descriptor", "/workspace/.palisade/door"]);
        },
    ),
    Case::new(
        "descriptors-of-the-first-process",
        "find the way to the supervisor among the first process's descriptors",
        &[Undumpable],
        &["ENOENT"],
        |scene| scene.leave(&["see-descriptors-of-first"]),
    ),
    Case::new(
        "standard-input",
        "write to standard input, which is memory of the supervisor",
        &[SealedInput],
        &["EPERM"],
        |scene| {
            scene.spec.stdin = vec![b'-'; 64];
            scene.leave(&["write-input"]);
        },
    ),
];
