//! The network: every kind of socket toward the host, and services of the host on it.
//! Where a service is comes from the case; it hands out its secret to whoever connects.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};

use super::Attempt;
use super::raw::{
    BIND, CONNECT, Held, IOCTL, SENDTO, SOCKET, Try, call, held, number, proved, read, readable,
    shown, until_looked_at, word,
};

pub const ATTEMPTS: &[Attempt] = &[
    ("connect", connect),
    ("send", send),
    ("listen", listen),
    ("connect-fast-open", connect_fast_open),
    ("connect-multipath", connect_multipath),
    ("connect-abstract", connect_abstract),
    ("send-abstract", send_abstract),
    ("connect-path", connect_path),
    ("find-listener", find_listener),
    ("list-listeners", list_listeners),
    ("bring-up", bring_up),
    ("raw", raw),
    ("packet", packet),
    ("bind-vsock", bind_vsock),
];

const INET: usize = 2;
const STREAM: usize = 1;
const DATAGRAM: usize = 2;
const RAW: usize = 3;

fn told(mut stream: impl std::io::Read) -> Try {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

fn connect(arguments: &[String]) -> Try {
    told(TcpStream::connect(word(arguments, 0))?)
}

fn send(arguments: &[String]) -> Try {
    let mark = word(arguments, 1);
    let any = if word(arguments, 0).starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    UdpSocket::bind(any)?.send_to(mark.as_bytes(), word(arguments, 0))?;
    Ok(mark.to_owned())
}

/// Waits for somebody from outside and tells them the mark.
fn listen(arguments: &[String]) -> Try {
    let mark = word(arguments, 1);
    let listener = TcpListener::bind(word(arguments, 0))?;
    println!("LISTENING");
    if !readable(listener.as_raw_fd() as usize, 2000)? {
        return held("nobody came");
    }
    listener.accept()?.0.write_all(mark.as_bytes())?;
    Ok(mark.to_owned())
}

/// An IPv4 address in the kernel's form.
fn address(text: &str) -> Result<[u8; 16], Held> {
    let parsed: std::net::SocketAddrV4 = text.parse().map_err(|_| Held("no address".into()))?;
    let mut bytes = [0_u8; 16];
    bytes[0] = INET as u8;
    bytes[2..4].copy_from_slice(&parsed.port().to_be_bytes());
    bytes[4..8].copy_from_slice(&parsed.ip().octets());
    Ok(bytes)
}

/// Connects by sending, which is not `connect`.
fn connect_fast_open(arguments: &[String]) -> Try {
    const FAST_OPEN: usize = 0x2000_0000;
    let (to, byte) = (address(word(arguments, 0))?, [b'x'; 1]);
    let socket = call(SOCKET, [INET, STREAM, 0])?;
    let what = byte.as_ptr() as usize;
    call(SENDTO, [socket, what, 1, FAST_OPEN, to.as_ptr() as usize, to.len()])?;
    Ok(shown(&read(socket, 256)?))
}

fn connect_multipath(arguments: &[String]) -> Try {
    const MULTIPATH: usize = 262;
    let to = address(word(arguments, 0))?;
    let socket = call(SOCKET, [INET, STREAM, MULTIPATH])?;
    call(CONNECT, [socket, to.as_ptr() as usize, to.len()])?;
    Ok(shown(&read(socket, 256)?))
}

fn connect_abstract(arguments: &[String]) -> Try {
    let name = SocketAddr::from_abstract_name(word(arguments, 0))?;
    told(UnixStream::connect_addr(&name)?)
}

fn send_abstract(arguments: &[String]) -> Try {
    let mark = word(arguments, 1);
    let name = SocketAddr::from_abstract_name(word(arguments, 0))?;
    UnixDatagram::unbound()?.send_to_addr(mark.as_bytes(), &name)?;
    Ok(mark.to_owned())
}

fn connect_path(arguments: &[String]) -> Try {
    told(UnixStream::connect(word(arguments, 0))?)
}

/// The port on which somebody listens at an address, from the kernel's table.
fn find_listener(arguments: &[String]) -> Try {
    let wanted = format!(" {}:", hexadecimal(word(arguments, 0))?);
    for line in std::fs::read_to_string("/proc/net/tcp")?.lines() {
        if let Some((_, rest)) = line.split_once(&wanted) {
            let port = u16::from_str_radix(&rest[..4], 16).map_err(|_| Held("no port".into()))?;
            return Ok(port.to_string());
        }
    }
    held("not listed")
}

fn hexadecimal(ip: &str) -> Result<String, Held> {
    let ip: std::net::Ipv4Addr = ip.parse().map_err(|_| Held("no address".into()))?;
    Ok(format!("{:08X}", u32::from_le_bytes(ip.octets())))
}

/// The same, asked over a netlink socket.
fn list_listeners(arguments: &[String]) -> Try {
    const NETLINK: usize = 16;
    const DIAGNOSTICS: usize = 4;
    const NO_WAIT: usize = 0o4000;
    let ip: std::net::Ipv4Addr =
        word(arguments, 0).parse().map_err(|_| Held("no address".into()))?;
    let socket = call(SOCKET, [NETLINK, DATAGRAM | NO_WAIT, DIAGNOSTICS])?;
    let mut request = [0_u8; 72];
    request[0] = 72; // length
    request[4] = 20; // by family
    request[6] = 1; // a request
    request[7] = 3; // for the whole table
    (request[16], request[17]) = (2, 6); // TCP over IPv4
    request[20..24].copy_from_slice(&0xFFFF_FFFF_u32.to_ne_bytes()); // in any state
    super::raw::write(socket, &request)?;
    for _ in 0..64 {
        let answer = read(socket, 65_536)?;
        let mut rest = answer.as_slice();
        while rest.len() >= 16 {
            let length = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
            if rest[4] == 3 || length < 16 {
                return held("not listed");
            }
            // After the header: four bytes of state, the ports, then the address.
            if rest.len() >= 32 && rest[24..28] == ip.octets() {
                return Ok(u16::from_be_bytes([rest[20], rest[21]]).to_string());
            }
            rest = rest.get((length + 3) & !3..).unwrap_or_default();
        }
    }
    held("not listed")
}

/// Switches the loopback interface on, which is down where there is no network.
fn switch_on() -> Result<(), Held> {
    const SET_FLAGS: usize = 0x8914;
    let socket = call(SOCKET, [INET, DATAGRAM, 0])?;
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"lo");
    request[16] = 0x41; // up and running
    call(IOCTL, [socket, SET_FLAGS, request.as_mut_ptr() as usize])?;
    Ok(())
}

fn bring_up(arguments: &[String]) -> Try {
    switch_on()?;
    let listener = UdpSocket::bind("127.0.0.1:0")?;
    let mark = word(arguments, 0);
    UdpSocket::bind("127.0.0.1:0")?.send_to(mark.as_bytes(), listener.local_addr()?)?;
    let mut bytes = [0_u8; 64];
    let got = listener.recv(&mut bytes)?;
    Ok(shown(&bytes[..got]))
}

/// Packets of any content, which need a capability over the network.
fn raw(arguments: &[String]) -> Try {
    const PROTOCOL: usize = 253; // for experiments
    let (mark, to) = (word(arguments, 0), address("127.0.0.1:0")?);
    let socket = call(SOCKET, [INET, RAW, PROTOCOL])?;
    switch_on()?;
    let what = mark.as_ptr() as usize;
    call(SENDTO, [socket, what, mark.len(), 0, to.as_ptr() as usize, to.len()])?;
    let packet = read(socket, 256)?;
    Ok(shown(packet.get(20..).unwrap_or_default()))
}

/// Everything that passes an interface.
fn packet(arguments: &[String]) -> Try {
    const PACKET: usize = 17;
    const EVERYTHING: usize = 0x0300;
    let mark = word(arguments, 0);
    let socket = call(SOCKET, [PACKET, RAW, EVERYTHING])?;
    switch_on()?;
    let own = UdpSocket::bind("127.0.0.1:0")?;
    own.send_to(mark.as_bytes(), own.local_addr()?)?;
    let seen = read(socket, 2048)?;
    let seen = seen.windows(mark.len()).any(|part| part == mark.as_bytes());
    proved(seen, mark, "another packet")
}

/// Ports between virtual machines belong to no network namespace.
fn bind_vsock(arguments: &[String]) -> Try {
    const VSOCK: usize = 40;
    let mut place = [0_u32; 4];
    (place[0], place[1], place[2]) = (VSOCK as u32, number(arguments, 0) as u32, u32::MAX);
    let socket = call(SOCKET, [VSOCK, STREAM, 0])?;
    call(BIND, [socket, place.as_ptr() as usize, 16])?;
    until_looked_at(word(arguments, 2))?;
    Ok(word(arguments, 1).to_owned())
}
