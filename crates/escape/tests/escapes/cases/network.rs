//! The network: services of the host, by every kind of socket.
//! What the egress proxy lets through is not a matter of these.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use weakened::weaken::Wall::{
    Capabilities, HiddenPaths, Landlock, NetworkNamespace, Overlay, PrivateRoot, Seccomp,
};

use crate::case::Case;
use crate::scene::{Expect, Scene};
use crate::target;

pub const CASES: &[Case] = &[
    Case::new(
        "tcp",
        "connect to a service of the host",
        &[NetworkNamespace, Seccomp, Landlock],
        &["EAFNOSUPPORT"],
        |scene| {
            let address = target::tcp(scene, "127.0.0.1:0");
            scene.steal(&["connect", &address]);
        },
    ),
    Case::new(
        "tcp-over-ipv6",
        "connect to a service of the host over IPv6",
        &[NetworkNamespace, Seccomp, Landlock],
        &["EAFNOSUPPORT"],
        |scene| {
            let address = target::tcp(scene, "[::1]:0");
            scene.steal(&["connect", &address]);
        },
    ),
    Case::new(
        "tcp-mapped",
        "connect to a service of the host by an IPv4 address written as IPv6",
        &[NetworkNamespace, Seccomp, Landlock],
        &["EAFNOSUPPORT"],
        |scene| {
            let address = target::tcp(scene, "127.0.0.1:0");
            let port = address.rsplit(':').next().unwrap().to_owned();
            scene.steal(&["connect", &format!("[::ffff:127.0.0.1]:{port}")]);
        },
    ),
    Case::new(
        "tcp-fast-open",
        "connect by sending, which is not `connect`",
        &[NetworkNamespace, Seccomp],
        &["EAFNOSUPPORT"],
        |scene| {
            let address = target::tcp(scene, "127.0.0.1:0");
            scene.steal(&["connect-fast-open", &address]);
        },
    )
    .besides(&[Landlock]),
    Case::new(
        "tcp-multipath",
        "connect with multipath TCP",
        &[NetworkNamespace, Seccomp],
        &["EAFNOSUPPORT"],
        |scene| {
            let address = target::tcp(scene, "127.0.0.1:0");
            scene.steal(&["connect-multipath", &address]);
        },
    )
    .besides(&[Landlock]),
    Case::new(
        "udp",
        "send a packet to a service of the host",
        &[NetworkNamespace, Seccomp],
        &["EAFNOSUPPORT"],
        |scene| datagrams(scene, "127.0.0.1:0"),
    ),
    Case::new(
        "udp-over-ipv6",
        "send a packet to a service of the host over IPv6",
        &[NetworkNamespace, Seccomp],
        &["EAFNOSUPPORT"],
        |scene| datagrams(scene, "[::1]:0"),
    ),
    Case::new(
        "listen",
        "wait for connections on the host's network",
        &[NetworkNamespace, Seccomp, Landlock],
        &["EAFNOSUPPORT"],
        |scene| {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            scene.leave(&["listen", &free.to_string()]);
            let (noted, told) = target::noted::<String>();
            scene.prompt(move || {
                if let Ok(mut stream) = TcpStream::connect(free) {
                    let mut text = noted.borrow_mut();
                    let _gone = std::io::Read::read_to_string(&mut stream, &mut text);
                }
            });
            let mark = scene.mark.clone();
            scene.effect(move || *told.borrow() == mark);
        },
    ),
    Case::new(
        "abstract-socket",
        "connect to a socket of the host that has no path",
        &[NetworkNamespace, Landlock],
        &["EPERM", "ECONNREFUSED"],
        |scene| {
            let name = target::abstract_name(scene);
            scene.steal(&["connect-abstract", &name]);
        },
    ),
    Case::new(
        "abstract-datagram",
        "send to a socket of the host that has no path",
        &[NetworkNamespace, Landlock],
        &["EPERM", "ECONNREFUSED"],
        |scene| {
            let name = format!("palisade-{}", scene.mark);
            let address = SocketAddr::from_abstract_name(&name).unwrap();
            let socket = UnixDatagram::bind_addr(&address).unwrap();
            socket.set_nonblocking(true).unwrap();
            scene.leave(&["send-abstract", &name]);
            let mark = scene.mark.clone();
            scene.effect(move || {
                let mut bytes = [0_u8; 64];
                let got = socket.recv(&mut bytes).unwrap_or(0);
                bytes[..got] == *mark.as_bytes()
            });
        },
    ),
    Case::new(
        "socket-of-a-daemon",
        "connect to a daemon of the host by the path of its socket",
        &[PrivateRoot],
        &["ENOENT"],
        |scene| {
            let path = scene.outside("daemon");
            target::door(scene, &path);
            scene.steal(&["connect-path", path.to_str().unwrap()]);
        },
    )
    .besides(&[Landlock]),
    Case::new(
        "socket-in-the-project",
        "connect to a daemon whose socket lies in the project",
        &[Overlay],
        &["ECONNREFUSED"],
        |scene| {
            target::door(scene, &scene.project("daemon"));
            scene.steal(&["connect-path", "daemon"]);
        },
    ),
    Case::new(
        "peer-socket",
        "give orders over Palisade's own peer socket",
        &[Overlay, HiddenPaths],
        &["ENOENT"],
        |scene| {
            std::fs::create_dir(scene.project(".palisade")).unwrap();
            target::door(scene, &scene.project(".palisade/peer.sock"));
            scene.spec.workspace.hidden.push(".palisade".into());
            scene.steal(&["connect-path", ".palisade/peer.sock"]);
        },
    ),
    Case::new(
        "listeners-by-proc",
        "find services of the host in `/proc/net`",
        &[NetworkNamespace],
        &["not listed"],
        |scene| listeners(scene, "find-listener"),
    ),
    Case::new(
        "listeners-by-netlink",
        "ask the kernel for the host's services over netlink",
        &[NetworkNamespace, Seccomp],
        &["EAFNOSUPPORT"],
        |scene| listeners(scene, "list-listeners"),
    ),
    Case::new(
        "bring-up",
        "switch on the interface of its own network",
        &[Seccomp, Capabilities],
        &["EAFNOSUPPORT"],
        |scene| scene.leave(&["bring-up"]),
    ),
    Case::new(
        "raw-packets",
        "send packets of any content",
        &[Seccomp, Capabilities],
        &["EAFNOSUPPORT"],
        |scene| scene.leave(&["raw"]),
    ),
    Case::new(
        "all-packets",
        "read everything that passes an interface",
        &[Seccomp, Capabilities],
        &["EAFNOSUPPORT"],
        |scene| scene.leave(&["packet"]),
    ),
    Case::new(
        "virtual-machine-socket",
        "take a port between virtual machines, which no network namespace separates",
        &[Seccomp],
        &["EAFNOSUPPORT"],
        |scene| {
            let port = u32::from_str_radix(&scene.mark[..6], 16).unwrap() + 70_000;
            let (seen, looked) = target::noted::<bool>();
            scene.steal(&["bind-vsock", &port.to_string(), &scene.mark.clone(), "/data/looked"]);
            scene.look(move || *seen.borrow_mut() = target::vsock_is_taken(port));
            scene.effect(move || *looked.borrow());
        },
    ),
];

fn datagrams(scene: &mut Scene, address: &str) {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    scene.leave(&["send", &socket.local_addr().unwrap().to_string()]);
    let mark = scene.mark.clone();
    scene.effect(move || {
        let mut bytes = [0_u8; 64];
        let got = socket.recv(&mut bytes).unwrap_or(0);
        bytes[..got] == *mark.as_bytes()
    });
}

/// A listener at an address nobody else uses; the token is its port.
fn listeners(scene: &mut Scene, attempt: &str) {
    let [a, b] = [&scene.mark[..2], &scene.mark[2..4]].map(|d| u8::from_str_radix(d, 16).unwrap());
    let listener = TcpListener::bind((std::net::Ipv4Addr::new(127, a, b, 77), 0)).unwrap();
    let address = listener.local_addr().unwrap();
    scene.keep(listener);
    scene.steal(&[attempt, &address.ip().to_string()]);
    scene.expect = Expect::Text(address.port().to_string());
}
