//! Ways around the proxy, and to it under false names, from within a real sandbox.
//!
//! A decoy of the machine counts connections and datagrams: none may arrive. Each case has a
//! control outside of a sandbox, or with a grant, in which it does.

use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::way::{HOST, Way};

/// Where the case must work, so that its failure inside means something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    /// Outside of a sandbox, and it arrives at the decoy.
    Arrives,
    /// Outside of a sandbox, without a trace at the decoy.
    Works,
    /// Outside of a sandbox as root.
    WorksAsRoot,
    /// Inside, when the grant names the decoy.
    Granted,
    /// Nowhere: the proxy does not speak it. `Granted` shows that its address would arrive.
    Never,
}

const CASES: &[(&str, Control)] = &[
    ("a connection to loopback", Control::Arrives),
    ("a connection to the machine", Control::Arrives),
    ("a connection to loopback of IPv6", Control::Arrives),
    ("a connection to a mapped address", Control::Arrives),
    ("a connection to this network", Control::Arrives),
    ("a connection opened by its first bytes", Control::Arrives),
    ("a datagram", Control::Arrives),
    ("a datagram to the machine", Control::Arrives),
    ("a datagram of IPv6", Control::Arrives),
    ("a connected datagram socket", Control::Arrives),
    ("a broadcast", Control::Arrives),
    ("a DNS question", Control::Arrives),
    ("a DNS question over TCP", Control::Arrives),
    ("a QUIC greeting", Control::Arrives),
    ("a resolver", Control::Works),
    ("a netlink socket", Control::Works),
    ("a raw socket", Control::WorksAsRoot),
    ("a raw socket of IPv6", Control::WorksAsRoot),
    ("a raw socket with own headers", Control::WorksAsRoot),
    ("a packet socket", Control::WorksAsRoot),
    ("a Unix socket of the machine", Control::Arrives),
    ("an abstract socket of the machine", Control::Arrives),
    ("curl without a proxy", Control::Arrives),
    ("curl with everything in NO_PROXY", Control::Arrives),
    ("curl with the host in NO_PROXY", Control::Arrives),
    ("curl without the environment", Control::Arrives),
    ("curl with another proxy", Control::Arrives),
    ("git without a proxy", Control::Arrives),
    ("git with an empty proxy", Control::Arrives),
    ("Python without a proxy", Control::Arrives),
    ("curl through the proxy", Control::Granted),
    ("curl through a tunnel", Control::Never),
    ("curl to a name by the proxy", Control::Granted),
    ("curl by SOCKS", Control::Never),
    ("curl with another Host", Control::Never),
    ("curl to a redirected connection", Control::Never),
];

/// Everything of the machine that a program could arrive at.
struct Decoy {
    tcp: u16,
    udp: u16,
    own: IpAddr,
    folder: tempfile::TempDir,
    name: String,
    arrived: Arc<Mutex<Vec<String>>>,
}

impl Decoy {
    fn new() -> Self {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let tcp = TcpListener::bind("[::]:0").unwrap();
        let udp = UdpSocket::bind("[::]:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = UnixListener::bind(folder.path().join("socket")).unwrap();
        let name =
            format!("palisade-decoy-{}-{}", std::process::id(), tcp.local_addr().unwrap().port());
        let abstract_name = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let hidden = UnixListener::bind_addr(&abstract_name).unwrap();
        let ports = (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
        let seen = arrived.clone();
        std::thread::spawn(move || connections(&tcp, &seen));
        let seen = arrived.clone();
        std::thread::spawn(move || datagrams(&udp, &seen));
        for (listener, own) in [(path, "own path"), (hidden, "own abstract")] {
            let seen = arrived.clone();
            std::thread::spawn(move || local_connections(&listener, own, &seen));
        }
        Self { tcp: ports.0, udp: ports.1, own: own_address(), folder, name, arrived }
    }

    /// What arrived since the last time. Own arrivals are put behind everything that was there
    /// before, and waited for.
    fn take(&self) -> Vec<String> {
        let local = (Ipv4Addr::LOCALHOST, self.tcp);
        let stream = TcpStream::connect(local).unwrap();
        let port = stream.local_addr().unwrap().port();
        let datagram = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = datagram.local_addr().unwrap().port();
        datagram.send_to(b"own", (Ipv4Addr::LOCALHOST, self.udp)).unwrap();
        let name = std::os::unix::net::SocketAddr::from_abstract_name(&self.name).unwrap();
        let locals = [
            UnixStream::connect(self.folder.path().join("socket")).unwrap(),
            UnixStream::connect_addr(&name).unwrap(),
        ];
        for mut local in locals {
            std::io::Write::write_all(&mut local, b"own").unwrap();
        }
        let own = [format!("tcp {port}"), format!("udp {from}")];
        let own = [&own[..], &["own path".to_owned(), "own abstract".to_owned()]].concat();
        loop {
            let mut arrived = self.arrived.lock().unwrap();
            if own.iter().all(|own| arrived.contains(own)) {
                let mut rest = std::mem::take(&mut *arrived);
                for own in &own {
                    let at = rest.iter().position(|one| one == own).unwrap();
                    rest.remove(at);
                }
                return rest;
            }
            drop(arrived);
            std::thread::yield_now();
        }
    }

    fn words<'a>(&'a self, case: &'a str, texts: &'a mut Vec<String>) -> Vec<&'a str> {
        let path = self.folder.path().join("socket");
        texts.extend([HOST.to_string(), self.tcp.to_string(), self.udp.to_string()]);
        texts.extend([self.own.to_string(), path.display().to_string(), self.name.clone()]);
        [case].into_iter().chain(texts.iter().map(String::as_str)).collect()
    }
}

/// Answers each connection as a web server would.
fn connections(listener: &TcpListener, seen: &Mutex<Vec<String>>) {
    while let Ok((mut stream, from)) = listener.accept() {
        seen.lock().unwrap().push(format!("tcp {}", from.port()));
        let _ = std::io::Write::write_all(
            &mut stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
        // Read what was asked, or closing would throw the answer away.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.set_read_timeout(Some(std::time::Duration::from_secs(1)));
        while matches!(std::io::Read::read(&mut stream, &mut [0; 4096]), Ok(1..)) {}
    }
}

/// Tells the test's own connections by what they say.
fn local_connections(listener: &UnixListener, own: &str, seen: &Mutex<Vec<String>>) {
    while let Ok((mut stream, _)) = listener.accept() {
        let mut said = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut said);
        let what = if said == b"own" { own } else { "unix" };
        seen.lock().unwrap().push(what.to_owned());
    }
}

fn datagrams(socket: &UdpSocket, seen: &Mutex<Vec<String>>) {
    while let Ok((_, from)) = socket.recv_from(&mut [0; 2048]) {
        seen.lock().unwrap().push(format!("udp {}", from.port()));
    }
}

/// The machine's own address as neighbours know it, or loopback where it has none.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: connecting only chooses the address to send from.
    let chosen = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    chosen.map_or(HOST, |address| address.ip())
}

#[test]
fn no_way_leads_around_the_proxy() {
    crate::clients::install();
    let decoy = Decoy::new();
    let way = Way::new(&["good.test"]);
    std::fs::write(way.project.path().join("escape.py"), include_str!("escape.py")).unwrap();
    for (case, _) in CASES {
        let mut texts = Vec::new();
        let argv =
            [&["/usr/bin/python3", "escape.py"][..], &decoy.words(case, &mut texts)].concat();
        let (text, events) = way.succeeds(&argv);
        assert!(text.contains("held: "), "{case}: {text} {events:?}");
        assert!(!text.contains("ESCAPED"), "{case}: {text}");
        assert_eq!(decoy.take(), Vec::<String>::new(), "{case}: seen at the decoy");
    }
}

#[test]
fn each_way_leads_out_where_the_sandbox_does_not_hold_it() {
    crate::clients::install();
    let decoy = Decoy::new();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("escape.py");
    std::fs::write(&script, include_str!("escape.py")).unwrap();
    let is_root = crate::way::is_root();
    for (case, control) in CASES {
        let mut texts = Vec::new();
        let words = decoy.words(case, &mut texts);
        match control {
            Control::WorksAsRoot if !is_root => continue,
            Control::Arrives | Control::Works | Control::WorksAsRoot => {
                let mut python = Command::new("/usr/bin/python3");
                let output = python.arg(&script).args(words).output().unwrap();
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let arrived = decoy.take();
                if *control == Control::Arrives {
                    assert!(!arrived.is_empty(), "{case}: nothing arrived: {text}");
                } else {
                    assert!(text.contains("ESCAPED"), "{case}: {text}");
                }
            }
            Control::Granted => {
                let opened = format!("127.0.0.2:{}", decoy.tcp);
                let named = format!("evil.test:{}", decoy.tcp);
                let way = Way::new(&[&opened, &named]);
                std::fs::copy(&script, way.project.path().join("escape.py")).unwrap();
                let argv = [&["/usr/bin/python3", "escape.py"][..], &words].concat();
                let (text, events) = way.succeeds(&argv);
                assert!(text.contains("ESCAPED"), "{case}: {text} {events:?}");
                assert_eq!(decoy.take().len(), 1, "{case}");
            }
            Control::Never => {}
        }
    }
}
