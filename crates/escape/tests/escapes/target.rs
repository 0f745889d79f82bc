//! What stands outside to be reached: a process with a secret, services, terminals, kernel objects.
//! Nothing here knows a sandbox.
#![allow(unsafe_code, reason = "terminals and keys are made by calls no safe library here offers")]

use std::cell::RefCell;
use std::ffi::CString;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use crate::scene::{Scene, program};

/// A process of the host, of the same user, with a secret in every place a process has.
pub struct Victim {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Its process id, the address of the secret, the number of an open file with it.
    pub place: [String; 3],
}

impl Victim {
    pub fn start(secret: &str, file: &Path) -> Self {
        let mut child = Command::new(program())
            .args(["victim", secret, file.to_str().unwrap()])
            .env("SECRET", secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let mut words = line.split_whitespace().map(str::to_owned);
        let place = std::array::from_fn(|_| words.next().unwrap());
        Self { child, input, output, place }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many signals came, and what is in its memory.
    pub fn report(&mut self) -> (u32, String) {
        self.input.write_all(b"report\n").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let (signals, memory) = line.trim().split_once(' ').unwrap();
        (signals.parse().unwrap(), memory.to_owned())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Starts a victim that lives as long as the scene and returns its place.
pub fn victim(scene: &mut Scene) -> [String; 3] {
    let victim = Victim::start(&scene.secret, &scene.outside("unlinked"));
    let place = victim.place.clone();
    scene.keep(victim);
    place
}

/// A victim in a namespace of its own whose host name is the secret, where root can make one.
pub fn victim_named(scene: &mut Scene) -> [String; 3] {
    if !crate::scene::is_root() {
        return victim(scene);
    }
    let (secret, file) = (scene.secret.clone(), scene.outside("unlinked"));
    let started = std::thread::spawn(move || {
        // SAFETY: changes the namespace of this thread alone, which ends here.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWUTS) }, 0);
        rustix::system::sethostname(secret.as_bytes()).unwrap();
        Victim::start(&secret, &file)
    });
    let victim = started.join().unwrap();
    let place = victim.place.clone();
    scene.keep(victim);
    place
}

/// A victim; an escape is that `seen` holds for it afterwards.
pub fn watched(scene: &mut Scene, seen: impl Fn(&mut Victim) -> bool + 'static) -> [String; 3] {
    let mut victim = Victim::start(&scene.secret, &scene.outside("unlinked"));
    let place = victim.place.clone();
    scene.effect(move || seen(&mut victim));
    place
}

fn hand_out(secret: &str, stream: &mut (impl Read + Write), end: impl Fn()) {
    let _gone = stream.write_all(secret.as_bytes());
    end();
    let _rest = stream.read_to_end(&mut Vec::new());
}

/// Tells the secret to whoever connects; returns where.
pub fn tcp(scene: &mut Scene, address: &str) -> String {
    let listener = TcpListener::bind(address).unwrap();
    let (place, secret) = (listener.local_addr().unwrap(), scene.secret.clone());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let other = stream.try_clone().unwrap();
            hand_out(&secret, &mut stream, move || drop(other.shutdown(Shutdown::Write)));
        }
    });
    place.to_string()
}

fn unix(scene: &Scene, listener: UnixListener) {
    let secret = scene.secret.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let other = stream.try_clone().unwrap();
            hand_out(&secret, &mut stream, move || drop(other.shutdown(Shutdown::Write)));
        }
    });
}

pub fn abstract_name(scene: &Scene) -> String {
    let name = format!("palisade-{}", scene.mark);
    unix(scene, UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap());
    name
}

/// Tells the secret to whoever connects to the socket at `path`.
pub fn door(scene: &Scene, path: &Path) {
    unix(scene, UnixListener::bind(path).unwrap());
}

/// Hands a descriptor of a file with the secret to whoever connects to the socket at `path`.
pub fn generous_door(scene: &Scene, path: &Path) {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let file = std::fs::File::open(scene.secret_file("handed")).unwrap();
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let fds = [std::os::fd::AsFd::as_fd(&file)];
            let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
            let part = [std::io::IoSlice::new(b"x")];
            let _gone = sendmsg(&stream, &part, &mut control, SendFlags::empty());
        }
    });
}

/// A descriptor like that of a careless library: programs inherit it.
pub fn inheritable(scene: &mut Scene, fd: impl Into<OwnedFd>) {
    let fd = rustix::io::fcntl_dupfd_cloexec(fd.into(), 70).unwrap();
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty()).unwrap();
    scene.keep(fd);
}

/// A pair of terminals: ours, theirs, and the path of theirs.
pub fn terminal() -> (OwnedFd, OwnedFd, String) {
    // SAFETY: plain calls; the buffer is longer than any name, and each number is a new descriptor
    // nobody else owns.
    unsafe {
        let ours = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        assert!(ours >= 0 && libc::unlockpt(ours) == 0);
        let mut name = [0_u8; 64];
        assert_eq!(libc::ptsname_r(ours, name.as_mut_ptr().cast(), name.len()), 0);
        let path = std::ffi::CStr::from_bytes_until_nul(&name).unwrap();
        let theirs = libc::open(path.as_ptr(), libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        assert!(theirs >= 0);
        let path = path.to_str().unwrap().to_owned();
        (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs), path)
    }
}

/// Whether the mark comes out of our end of a terminal.
pub fn is_shown(ours: &OwnedFd, mark: &str) -> bool {
    rustix::fs::fcntl_setfl(ours, rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut text = Vec::new();
    let mut part = [0_u8; 256];
    while let Ok(got @ 1..) = rustix::io::read(ours, &mut part) {
        text.extend_from_slice(&part[..got]);
    }
    text.windows(mark.len()).any(|part| part == mark.as_bytes())
}

/// Whether the kernel's log holds the mark.
pub fn is_logged(mark: &str) -> bool {
    use std::os::unix::fs::OpenOptionsExt as _;
    let no_wait = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut log =
        std::fs::OpenOptions::new().read(true).custom_flags(no_wait).open("/dev/kmsg").unwrap();
    let mut record = [0_u8; 8192];
    loop {
        match log.read(&mut record) {
            Ok(got) if record[..got].windows(mark.len()).any(|part| part == mark.as_bytes()) => {
                return true;
            }
            // A record that was overwritten while it was looked at.
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(_) => return false,
        }
    }
}

/// A key with the secret in a session of this thread, which what it starts inherits.
pub fn session_key(scene: &Scene) -> String {
    const JOIN: i64 = 1;
    const SESSION: i64 = -3;
    let name = format!("{}{}", scene.hint(), scene.mark);
    let (kind, text) = (CString::new("user").unwrap(), CString::new(name.clone()).unwrap());
    let secret = scene.secret.as_bytes();
    // SAFETY: the strings and the secret outlive the calls, which copy them.
    unsafe {
        assert!(libc::syscall(libc::SYS_keyctl, JOIN, 0) > 0);
        let (name, value) = (text.as_ptr(), secret.as_ptr());
        let key =
            libc::syscall(libc::SYS_add_key, kind.as_ptr(), name, value, secret.len(), SESSION);
        assert!(key > 0);
    }
    name
}

/// A segment of shared memory with the secret; its key.
pub fn shared_memory(scene: &mut Scene) -> String {
    let key = random_key(&scene.mark);
    // SAFETY: the segment is a page long and the secret shorter.
    let segment = unsafe {
        let segment = libc::shmget(key, 4096, libc::IPC_CREAT | 0o600);
        assert!(segment >= 0);
        let place = libc::shmat(segment, std::ptr::null(), 0).cast::<u8>();
        std::ptr::copy_nonoverlapping(scene.secret.as_ptr(), place, scene.secret.len());
        libc::shmdt(place.cast());
        segment
    };
    scene.keep(Remove(Box::new(move || {
        // SAFETY: takes numbers only.
        unsafe { libc::shmctl(segment, libc::IPC_RMID, std::ptr::null_mut()) };
    })));
    key.to_string()
}

/// A message queue with the secret; its key.
pub fn message_queue(scene: &mut Scene) -> String {
    let key = random_key(&scene.mark);
    let mut message = vec![1_u8, 0, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(scene.secret.as_bytes());
    // SAFETY: the message is as long as said, after its type.
    let queue = unsafe {
        let queue = libc::msgget(key, libc::IPC_CREAT | 0o600);
        assert!(queue >= 0);
        assert_eq!(libc::msgsnd(queue, message.as_ptr().cast(), scene.secret.len(), 0), 0);
        queue
    };
    scene.keep(Remove(Box::new(move || {
        // SAFETY: takes numbers only.
        unsafe { libc::msgctl(queue, libc::IPC_RMID, std::ptr::null_mut()) };
    })));
    key.to_string()
}

/// A named message queue with the secret; its name.
pub fn named_queue(scene: &mut Scene) -> String {
    let name = CString::new(format!("/palisade-{}", scene.mark)).unwrap();
    let how = libc::O_CREAT | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: the name and the secret outlive the calls, which copy them.
    unsafe {
        let queue = libc::mq_open(name.as_ptr(), how, 0o600, std::ptr::null::<libc::mq_attr>());
        assert!(queue >= 0);
        let secret = scene.secret.as_bytes();
        assert_eq!(libc::mq_send(queue, secret.as_ptr().cast(), secret.len(), 0), 0);
        libc::close(queue);
    }
    let text = name.to_str().unwrap().trim_start_matches('/').to_owned();
    scene.keep(Remove(Box::new(move || {
        // SAFETY: the name is a C string.
        unsafe { libc::mq_unlink(name.as_ptr()) };
    })));
    text
}

/// A positive number.
fn random_key(mark: &str) -> i32 {
    i32::from_str_radix(&mark[..7], 16).unwrap().max(1)
}

/// Whether a port between virtual machines is taken.
pub fn vsock_is_taken(port: u32) -> bool {
    // SAFETY: the address is as long as said.
    unsafe {
        let socket = libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        assert!(socket >= 0);
        let socket = OwnedFd::from_raw_fd(socket);
        let mut address: libc::sockaddr_vm = std::mem::zeroed();
        address.svm_family = libc::AF_VSOCK as libc::sa_family_t;
        address.svm_port = port;
        address.svm_cid = libc::VMADDR_CID_ANY;
        let size = size_of::<libc::sockaddr_vm>() as libc::socklen_t;
        libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) < 0
            && std::io::Error::last_os_error().raw_os_error() == Some(libc::EADDRINUSE)
    }
}

/// Something to undo when the trial is over.
pub struct Remove(pub Box<dyn Fn()>);

impl Drop for Remove {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A value two closures of a scene know.
pub fn noted<T: Default>() -> (Rc<RefCell<T>>, Rc<RefCell<T>>) {
    let value = Rc::new(RefCell::new(T::default()));
    (Rc::clone(&value), value)
}
