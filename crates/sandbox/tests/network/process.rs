//! The egress proxy's own process: outgoing connections and datagrams, and nothing else.
//!
//! Perl plays the proxy, mounted for it as the proxy's program is.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use sandbox::{Access, Check, Layer, Mount, Network, Profile, Spec, launch};

use crate::support::{Project, is_root, outside, run, succeeds};
use crate::{listener, printed, with_proxy};

const PROGRAM: &str = "/proxy/perl";

/// The spec of a program that is held as the egress proxy is.
fn proxy(project: &Project, program: &str) -> Spec {
    let mut spec = project.spec(&[PROGRAM, "-e", program]);
    spec.profile = Profile::Proxy;
    spec.network = Network::Host;
    let source = Path::new("/usr/bin/perl").canonicalize().unwrap();
    spec.mounts = vec![Mount { source, target: PROGRAM.into(), access: Access::Read }];
    spec
}

#[test]
fn it_answers_the_listener_of_another_sandbox_and_connects_for_it() {
    // The whole way: a program inside, the proxy in a sandbox of its own, a service of the host.
    let project = Project::new();
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let client = "use IO::Socket::INET; my $s = IO::Socket::INET->new('127.0.0.1:3128') or die $!; \
         print $s 'a'; $s->flush; read($s, my $answer, 1); print $answer";
    let forward = format!(
        "use Socket; open(my $l, '+<&=', 3) or die; accept(my $in, $l) or die qq(accept: $!); \
         socket(my $out, AF_INET, SOCK_STREAM, 0) or die; \
         connect($out, pack_sockaddr_in({port}, inet_aton('127.0.0.1'))) or die qq(connect: $!); \
         sysread($in, my $a, 1); syswrite($out, $a); sysread($out, $a, 1); syswrite($in, $a)"
    );
    let mut inside = launch(&with_proxy(project.perl(client))).unwrap();
    let listener: OwnedFd = listener(&mut inside).into();
    let mut spec = proxy(&project, &forward);
    spec.handed = vec![Arc::new(listener)];
    let between = launch(&spec).unwrap();
    let (mut stream, _) = service.accept().unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    stream.write_all(&[byte[0] + 1]).unwrap();
    assert_eq!(printed(inside), "b");
    assert_eq!(printed(between), "");
}

#[test]
fn it_sends_datagrams_and_gets_their_answers() {
    let resolver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = resolver.local_addr().unwrap().port();
    let program = format!(
        "use Socket; socket(my $s, AF_INET, SOCK_DGRAM, 0) or die; \
         connect($s, pack_sockaddr_in({port}, inet_aton('127.0.0.1'))) or die; \
         send($s, 'question', 0); recv($s, my $answer, 99, 0); print $answer"
    );
    let child = launch(&proxy(&Project::new(), &program)).unwrap();
    let mut bytes = [0; 99];
    let (length, from) = resolver.recv_from(&mut bytes).unwrap();
    assert_eq!(&bytes[..length], b"question");
    resolver.send_to(b"answer", from).unwrap();
    assert_eq!(printed(child), "answer");
}

#[test]
fn it_asks_the_hosts_resolver_and_understands_the_answer() {
    // RFC 6761: nobody has this name. Where a resolver answers, it says so; a process that could
    // not ask would have to say that it does not know.
    let ask = "use Socket qw(:all); \
         my ($e) = getaddrinfo('palisade-test.invalid', '80', { socktype => SOCK_STREAM }); print $e + 0";
    let (_, control) = outside(&["perl", "-e", ask]);
    assert_ne!(control, "0", "nobody has this name");
    assert_eq!(succeeds(&proxy(&Project::new(), ask)), control);
}

/// Set for this binary's second life, in which it plays the proxy: the port to connect to.
const ROLE: &str = "PALISADE_TEST_PORT";

#[test]
fn a_threaded_program_of_the_standard_library_runs_as_the_proxy() {
    if let Ok(port) = std::env::var(ROLE) {
        return play(port.parse().unwrap());
    }
    let project = Project::new();
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let name = "process::a_threaded_program_of_the_standard_library_runs_as_the_proxy";
    let mut spec = proxy(&project, "");
    spec.argv = ["/proxy/tests", "--exact", name].into_iter().map(Into::into).collect();
    let source = std::env::current_exe().unwrap().canonicalize().unwrap();
    spec.mounts = vec![Mount { source, target: "/proxy/tests".into(), access: Access::Read }];
    let port = service.local_addr().unwrap().port().to_string();
    spec.env = vec![(ROLE.into(), port.into())];
    spec.handed = vec![Arc::new(theirs.into())];
    let child = launch(&spec).unwrap();
    drop(spec);
    for _ in 0..2 {
        let (mut stream, _) = service.accept().unwrap();
        stream.write_all(b"through").unwrap();
    }
    let mut said = String::new();
    std::io::BufReader::new(ours).read_to_string(&mut said).unwrap();
    assert_eq!(said, "through through");
    assert!(printed(child).contains("1 passed"));
}

/// What a proxy does: threads, names, time limits, options, and a socket it was handed.
fn play(port: u16) {
    use std::net::{TcpStream, ToSocketAddrs};
    use std::os::fd::BorrowedFd;
    use std::time::Duration;
    const LONG: Duration = Duration::from_secs(20);
    let workers = [(); 2].map(|()| {
        std::thread::spawn(move || {
            let mut addresses = ("localhost", port).to_socket_addrs().unwrap();
            let address = addresses.find(std::net::SocketAddr::is_ipv4).unwrap();
            let mut stream = TcpStream::connect_timeout(&address, LONG).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(LONG)).unwrap();
            stream.set_write_timeout(Some(LONG)).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        })
    });
    let texts = workers.map(|worker| worker.join().unwrap()).join(" ");
    let pair = std::os::unix::net::UnixStream::pair();
    assert!(pair.is_ok() && TcpListener::bind("127.0.0.1:0").is_err());
    assert!(std::fs::write("/tmp/file", "").is_err());
    #[allow(unsafe_code, reason = "the number of a handed descriptor is known, not its owner")]
    // SAFETY: the launcher hands this one over, and it stays open until the process ends.
    let control = unsafe { BorrowedFd::borrow_raw(3) };
    rustix::io::write(control, texts.as_bytes()).unwrap();
}

#[test]
fn it_resolves_names_by_the_files_of_the_host() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let print = "for my $f ('resolv.conf', 'hosts', 'nsswitch.conf') { \
         open(my $h, '<', qq(/etc/$f)) or die qq($f: $!); print <$h>, '|' }";
    let expect: String = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"]
        .map(|path| format!("{}|", read(path)))
        .concat();
    let outcome = run(&proxy(&Project::new(), print));
    assert_eq!(crate::stdout(&outcome), expect);
    for file in ["/etc/resolv.conf", "/etc/hosts"] {
        assert!(outcome.receipt.view.read_only.contains(&file.to_owned()));
    }
    // The C library opens sockets of both kinds to order what it has found.
    let resolve = "use Socket qw(:all); my ($e, @found) = getaddrinfo('localhost', '80', \
           { socktype => SOCK_STREAM }); die $e if $e; \
         my @names = map { (getnameinfo($_->{addr}, NI_NUMERICHOST | NI_NUMERICSERV))[1] } @found; \
         print join(' ', sort @names)";
    let (_, control) = outside(&["perl", "-e", resolve]);
    assert_eq!(succeeds(&proxy(&Project::new(), resolve)), control);
    // Every other sandbox has its own three files, and no resolver.
    assert_eq!(succeeds(&Project::new().sh("cat /etc/resolv.conf")), "");
}

/// What the proxy's process must not do; each prints what was wrong if it could.
const FORBIDDEN: [(&str, &str); 15] = [
    ("listen", "socket(S, 2, 1, 0) or die; listen(S, 1) and print 'listens'"),
    (
        "bind",
        "use Socket; socket(S, 2, 1, 0) or die; \
       bind(S, pack_sockaddr_in(0, INADDR_LOOPBACK)) and print 'bound'",
    ),
    (
        "bind datagrams",
        "use Socket; socket(S, 2, 2, 0) or die; \
       bind(S, pack_sockaddr_in(0, INADDR_LOOPBACK)) and print 'bound'",
    ),
    ("Unix sockets", "socket(S, 1, 1, 0) and print 'made'"),
    ("netlink", "socket(S, 16, 3, 0) and print 'made'"),
    ("programs", "open(F, '<', '/usr/bin/perl') and print 'read'"),
    ("second process", "defined(fork) and print 'forked'"),
    ("write /tmp", "open(F, '>', '/tmp/x') and print 'written'"),
    ("write home", "open(F, '>', '/home/palisade/x') and print 'written'"),
    ("write workspace", "open(F, '>', '/workspace/x') and print 'written'"),
    ("write shared memory", "open(F, '>', '/dev/shm/x') and print 'written'"),
    ("make a folder", "mkdir('/tmp/x') and print 'made'"),
    ("remove a file", "unlink('kept.txt') and print 'removed'"),
    ("read the project", "open(F, '<', 'kept.txt') and print 'read'"),
    ("execute", "exec {'LIBRARY'} 'x' or exit; print 'executed'"),
];

#[test]
fn it_does_nothing_else() {
    let project = Project::new();
    let library = library();
    for (name, program) in FORBIDDEN {
        let program = program.replace("LIBRARY", &library);
        assert_eq!(succeeds(&proxy(&project, &program)), "", "{name}");
    }
    // Controls: what is tried works outside of the sandbox, or under another profile.
    for (name, program) in FORBIDDEN.into_iter().take(6) {
        assert_ne!(outside(&["perl", "-e", program]).1, "", "{name}");
    }
    for (name, program) in FORBIDDEN.into_iter().skip(6) {
        let program = program.replace("LIBRARY", &library);
        assert_ne!(succeeds(&project.perl(&program)), "", "{name}");
    }
    let working = "open(F, '>', '/dev/null') or die; print 'open'";
    assert_eq!(succeeds(&proxy(&project, working)), "open", "control: what it may write to");
}

/// The C library, which is also a program that prints its version.
fn library() -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps.split_whitespace().find(|word| word.ends_with("/libc.so.6"));
    let path = Path::new(path.expect("a C library")).canonicalize().unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn abstract_sockets_of_the_host_are_out_of_its_reach() {
    use std::os::linux::net::SocketAddrExt;
    let name = crate::support::marker("palisade-test");
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _socket = std::os::unix::net::UnixDatagram::bind_addr(&address).unwrap();
    // Neither with a socket of its own, nor with one of a pair, which could be turned elsewhere.
    let tries = format!(
        "my $to = pack('Sa*', 1, \"\\0{name}\"); \
         socket(S, 1, 2, 0) and send(S, 'x', 0, $to) and print 'sent'; \
         socketpair(A, B, 1, 2, 0) and send(A, 'x', 0, $to) and print 'sent'; \
         socketpair(A, B, 1, 1, 0) or die; (send(A, 'x', 0, $to) // 0) > 0 and sysread(B, $b, 1) \
           and print 'own'; connect(A, $to) and print 'connected'"
    );
    assert_eq!(outside(&["perl", "-e", &tries]).1, "sentsent", "control");
    assert_eq!(succeeds(&proxy(&Project::new(), &tries)), "");
}

#[test]
fn it_sees_no_program_and_nothing_of_the_project() {
    let project = Project::new();
    project.file(".palisade/policy.yaml", "rules\n");
    let list = "for my $f ('/', '/workspace', '/usr', '/tmp', '/proxy') { opendir(D, $f) or die; \
         print join(',', sort grep { !/^\\./ } readdir D), '|' }";
    let mut spec = proxy(&project, list);
    spec.workspace.hidden = vec![".palisade".into()];
    let text = succeeds(&spec);
    let parts: Vec<&str> = text.split('|').collect();
    let root = "dev,etc,home,lib,proc,proxy,tmp,usr,workspace";
    let is_known = |name: &str| root.contains(name) || name.starts_with("lib");
    assert!(parts[0].split(',').all(is_known), "{text}");
    assert_eq!(parts[1], "", "the project is not there");
    assert!(parts[2].split(',').all(|name| name.starts_with("lib")), "{text}");
    assert_eq!((parts[3], parts[4]), ("", "perl"));
}

#[test]
fn its_receipt_says_that_it_is_in_the_hosts_network() {
    let outcome = run(&proxy(&Project::new(), "print readlink('/proc/self/ns/net')"));
    let receipt = &outcome.receipt;
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(crate::stdout(&outcome), own.to_str().unwrap());
    assert_eq!(format!("net:[{}]", receipt.namespaces.network), own.to_str().unwrap());
    assert_eq!((receipt.network, receipt.profile), (Network::Host, Profile::Proxy));
    assert!(!receipt.layers.contains(&Layer::NetworkNamespace));
    assert!(receipt.layers.contains(&Layer::Seccomp));
    assert!(receipt.verified.contains(&Check::OutgoingOnly));
    assert!(!receipt.verified.contains(&Check::NoNetwork));
    assert_eq!(receipt.landlock.tcp_bind_denied, receipt.landlock.abi >= 4);
    assert!(!receipt.landlock.tcp_denied && receipt.view.writable.is_empty());
}

#[test]
fn it_cannot_change_the_hosts_network() {
    // SIOCSIFFLAGS on the loopback, and a port of the host's that only root may use.
    let program = "socket(S, 2, 2, 0) or die; my $r = pack('a16s', 'lo', 0); \
         ioctl(S, 0x8914, $r) and print 'changed'; \
         socket(T, 2, 3, 1) and print 'raw'; setsockopt(S, 1, 36, 1) and print 'marked'";
    assert_eq!(succeeds(&proxy(&Project::new(), program)), "");
    if is_root() {
        let raw = "socket(T, 2, 3, 1) and print 'raw'";
        assert_eq!(outside(&["perl", "-e", raw]).1, "raw", "control");
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(socket.as_raw_fd() >= 0, "control: the loopback is still up");
}
