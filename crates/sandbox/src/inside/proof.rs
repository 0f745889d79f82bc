//! The self-probe: just before `execve` the program's own process tries what must not work.
//!
//! A layer that was asked for is not taken on trust. Each check makes the forbidden call and looks
//! at the answer; one wrong answer and nothing is executed. The names end up in the receipt.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, RawDir, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrV4, SocketFlags, SocketType, socket_with};
use rustix::thread::{capabilities, capability_is_in_bounding_set};
use serde::Serialize;

use super::confine::{CAPABILITIES_MAX, capability};
use super::network;
use super::report::{Fault, NAMESPACES, Stage};
use crate::check::Kind;
use crate::plan::{Hidden, Identity, Plan};
use crate::profile::Profile;
use crate::spec::Network;
use crate::sys::{clone, interface};

/// One thing the self-probe has seen with its own eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The user and group ids are the ones inside, whoever the caller is.
    Identity,
    /// Every capability set is empty, the bounding set included.
    NoCapabilities,
    /// The `no_new_privs` bit is set.
    NoNewPrivileges,
    /// This is process 2 of its pid namespace, and leads its own session.
    PidNamespace,
    /// The memory of process 1 cannot be opened.
    FirstProcessClosed,
    /// A folder could not be made in the root, and `/usr` is mounted read-only.
    RootReadOnly,
    /// The workspace is an overlay.
    WorkspaceOverlay,
    /// Hidden paths are empty.
    HiddenPathsEmpty,
    /// A readable file without a rule could not be opened.
    Landlock,
    /// No interface is up, and a packet to the outside has no route.
    NoNetwork,
    /// The loopback is up and nothing else is, and a packet to the outside has no route.
    OwnLoopback,
    /// A call that no profile allows was answered by the filter.
    Seccomp,
    /// An internet socket for datagrams was refused by the filter.
    StreamsOnly,
    /// An internet socket could not listen, and a Unix socket could not be made.
    OutgoingOnly,
}

impl Check {
    /// Every check, in the order in which they are made.
    pub(crate) const ALL: [Self; 14] = [
        Self::Identity,
        Self::NoCapabilities,
        Self::NoNewPrivileges,
        Self::PidNamespace,
        Self::FirstProcessClosed,
        Self::RootReadOnly,
        Self::WorkspaceOverlay,
        Self::HiddenPathsEmpty,
        Self::Landlock,
        Self::NoNetwork,
        Self::OwnLoopback,
        Self::Seccomp,
        Self::StreamsOnly,
        Self::OutgoingOnly,
    ];

    /// The checks that are made for a network and a profile.
    pub(crate) fn made(network: Network, profile: Profile) -> Vec<Self> {
        let is_made = |check: &Self| match check {
            Self::NoNetwork => network == Network::None,
            Self::OwnLoopback => network == Network::Proxy,
            Self::StreamsOnly => matches!(profile, Profile::StandardNet | Profile::StrictNet),
            Self::OutgoingOnly => profile == Profile::Proxy,
            _ => true,
        };
        Self::ALL.into_iter().filter(is_made).collect()
    }

    /// What is proved, as a sentence fragment; for messages about a failed proof.
    pub(crate) fn named(index: usize) -> &'static str {
        match Self::ALL.get(index) {
            Some(Self::Identity) => "the user and group are those of the sandbox",
            Some(Self::NoCapabilities) => "no capability is left",
            Some(Self::NoNewPrivileges) => "no new privileges can be gained",
            Some(Self::PidNamespace) => "the process ids are the sandbox's own",
            Some(Self::FirstProcessClosed) => "the first process cannot be read",
            Some(Self::RootReadOnly) => "the root is read-only",
            Some(Self::WorkspaceOverlay) => "the workspace is an overlay",
            Some(Self::HiddenPathsEmpty) => "hidden paths are empty",
            Some(Self::Landlock) => "landlock denies what no rule allows",
            Some(Self::NoNetwork) => "there is no network",
            Some(Self::OwnLoopback) => "there is no network but the sandbox's own loopback",
            Some(Self::Seccomp) => "the seccomp filter answers",
            Some(Self::StreamsOnly) => "no internet socket for datagrams can be made",
            Some(Self::OutgoingOnly) => "nothing can be listened at",
            None => "",
        }
    }
}

/// Everything that can be seen before the filter, and the identities of the namespaces.
pub(super) fn before_filter(plan: &Plan) -> Result<[u64; NAMESPACES], Fault> {
    #[cfg(weaken)]
    if !crate::weaken::stands(crate::weaken::Wall::Proof) {
        return namespaces().map_err(Fault::of(Stage::Proof));
    }
    prove(Check::Identity, is_identity())?;
    prove(Check::NoCapabilities, has_no_capabilities())?;
    prove(Check::NoNewPrivileges, rustix::thread::no_new_privs())?;
    prove(Check::PidNamespace, is_second_process())?;
    prove(Check::FirstProcessClosed, Ok(open(c"/proc/1/mem").is_err()))?;
    prove(Check::RootReadOnly, is_read_only())?;
    prove(Check::WorkspaceOverlay, is_overlay())?;
    let hidden = plan.workspace.hidden.iter();
    prove(Check::HiddenPathsEmpty, Ok(hidden.clone().all(is_empty)))?;
    prove(Check::Landlock, Ok(open(c"/.proof") == Err(Errno::ACCESS)))?;
    match plan.network {
        Network::None => prove(Check::NoNetwork, is_cut_off(&[]))?,
        Network::Proxy => prove(Check::OwnLoopback, is_cut_off(&[network::LOOPBACK]))?,
        Network::Host => {}
    }
    namespaces().map_err(Fault::at(Stage::Proof, Check::PidNamespace as usize))
}

/// What only the filter itself can show.
pub(super) fn after_filter(plan: &Plan) -> Result<(), Fault> {
    prove(Check::Seccomp, Ok(clone::refused() == Errno::NOSYS))?;
    match plan.profile {
        Profile::Strict | Profile::Standard => Ok(()),
        Profile::StandardNet | Profile::StrictNet => prove(Check::StreamsOnly, Ok(streams_only())),
        Profile::Proxy => prove(Check::OutgoingOnly, outgoing_only()),
    }
}

fn prove(check: Check, seen: Result<bool, Errno>) -> Result<(), Fault> {
    let fault = |errno| Fault { stage: Stage::Proof, index: check as usize, errno };
    if seen.map_err(fault)? { Ok(()) } else { Err(fault(Errno::PERM)) }
}

fn is_identity() -> Result<bool, Errno> {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    let users = [getuid().as_raw(), geteuid().as_raw()];
    let groups = [getgid().as_raw(), getegid().as_raw()];
    Ok(users.into_iter().chain(groups).all(|id| id == Identity::INSIDE))
}

fn has_no_capabilities() -> Result<bool, Errno> {
    let sets = capabilities(None)?;
    let bound = (0..CAPABILITIES_MAX)
        .map_while(|number| capability_is_in_bounding_set(capability(number)).ok())
        .any(|held| held);
    Ok(!bound
        && sets.effective.is_empty()
        && sets.permitted.is_empty()
        && sets.inheritable.is_empty())
}

fn is_second_process() -> Result<bool, Errno> {
    let own = rustix::process::getpid();
    Ok(own.as_raw_nonzero().get() == 2 && rustix::process::getsid(None)? == own)
}

fn is_read_only() -> Result<bool, Errno> {
    let made = rustix::fs::mkdirat(CWD, c"/.made", Mode::empty());
    let flags = rustix::fs::statvfs(c"/usr")?.f_flag;
    Ok(made == Err(Errno::ROFS) && flags.contains(StatVfsMountFlags::RDONLY))
}

fn is_overlay() -> Result<bool, Errno> {
    const OVERLAY: u64 = 0x794c_7630;
    Ok(rustix::fs::statfs(c"/workspace")?.f_type.cast_unsigned() == OVERLAY)
}

/// Hidden paths were walked without links when they were covered, so a plain chain of opens
/// arrives at the same place.
fn is_empty(hidden: &Hidden) -> bool {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Some((last, way)) = hidden.place.0.split_last() else { return false };
    let Ok(mut place) = rustix::fs::open(c"/", folder, Mode::empty()) else { return false };
    for name in way {
        match rustix::fs::openat(&place, name.as_c_str(), folder, Mode::empty()) {
            Ok(next) => place = next,
            Err(_) => return hidden.kind == Kind::Absent,
        }
    }
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(opened) = rustix::fs::openat(&place, last.as_c_str(), how, Mode::empty()) else {
        return hidden.kind == Kind::Absent;
    };
    match hidden.kind {
        Kind::Absent => false,
        Kind::File => rustix::io::read(&opened, &mut [0_u8; 1]) == Ok(0),
        Kind::Folder => {
            let mut space = [std::mem::MaybeUninit::uninit(); 512];
            let mut entries = RawDir::new(&opened, &mut space);
            loop {
                match entries.next() {
                    None => return true,
                    Some(Ok(entry)) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                    Some(_) => return false,
                }
            }
        }
    }
}

/// Interfaces looked for. Some kernels put a few tunnels of their own, which are down, behind the
/// loopback of every new network; nobody inside can add any.
const INTERFACES_MAX: u8 = 16;

/// Whether just these interfaces are up, each a loopback, and nothing leads elsewhere. A kernel
/// without this family has no way out either.
fn is_cut_off(up: &[u8]) -> Result<bool, Errno> {
    let socket = match rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None) {
        Err(Errno::AFNOSUPPORT) => return Ok(up.is_empty()),
        other => other?,
    };
    for number in 1..=INTERFACES_MAX {
        let is_as_meant = match interface::interface(socket.as_fd(), number)? {
            Some(found) if up.contains(&number) => found.is_up && found.is_loopback,
            Some(found) => !found.is_up,
            None => !up.contains(&number),
        };
        if !is_as_meant {
            return Ok(false);
        }
    }
    Ok(has_no_route(&socket))
}

/// 192.0.2.1 is reserved for documentation (RFC 5737), so nobody is ever contacted. A Landlock that
/// denies it is a wall as well.
fn has_no_route(socket: &OwnedFd) -> bool {
    let outside = SocketAddrV4::new(std::net::Ipv4Addr::new(192, 0, 2, 1), 9);
    let answer = rustix::net::connect(socket, &outside);
    matches!(answer, Err(Errno::NETUNREACH | Errno::ACCESS))
}

/// Made with the flags that programs set, so that the filter's test of the type is seen to work.
fn streams_only() -> bool {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let refused = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None).map(drop);
    let allowed = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).map(drop);
    refused == Err(Errno::PROTONOSUPPORT) && allowed.is_ok()
}

fn outgoing_only() -> Result<bool, Errno> {
    let flags = SocketFlags::CLOEXEC;
    let stream = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    let unix = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map(drop);
    Ok(rustix::net::listen(&stream, 1) == Err(Errno::PERM) && unix == Err(Errno::AFNOSUPPORT))
}

fn namespaces() -> Result<[u64; NAMESPACES], Errno> {
    const FILES: [&CStr; NAMESPACES] = [
        c"/proc/self/ns/user",
        c"/proc/self/ns/mnt",
        c"/proc/self/ns/pid",
        c"/proc/self/ns/ipc",
        c"/proc/self/ns/uts",
        c"/proc/self/ns/net",
        c"/proc/self/ns/cgroup",
    ];
    let mut found = [0; NAMESPACES];
    for (slot, file) in found.iter_mut().zip(FILES) {
        *slot = rustix::fs::stat(file)?.st_ino;
    }
    Ok(found)
}

fn open(path: &CStr) -> Result<(), Errno> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_of_a_host_is_noticed() {
        // Made in this process, which is in no sandbox: its loopback is up, and as a rule more.
        assert_eq!(is_cut_off(&[]), Ok(false));
        let routes = std::fs::read_to_string("/proc/self/net/route").unwrap_or_default();
        let leads_out = routes.lines().count() > 1;
        assert!(!leads_out || is_cut_off(&[network::LOOPBACK]) == Ok(false));
    }

    #[test]
    fn a_process_without_a_filter_is_noticed() {
        assert!(!streams_only(), "datagram sockets can be made here");
        assert_eq!(outgoing_only(), Ok(false), "and so can listeners");
    }

    #[test]
    fn the_checks_made_differ_by_network_and_profile() {
        let made = |network, profile| Check::made(network, profile);
        let usual = made(Network::None, Profile::Standard);
        assert_eq!(usual.len(), 11);
        let with = made(Network::Proxy, Profile::StandardNet);
        assert!(with.contains(&Check::OwnLoopback) && with.contains(&Check::StreamsOnly));
        assert!(!with.contains(&Check::NoNetwork));
        assert!(made(Network::Host, Profile::Proxy).ends_with(&[Check::OutgoingOnly]));
        for (place, check) in Check::ALL.into_iter().enumerate() {
            assert_eq!(check as usize, place, "faults name a check by its place");
        }
    }
}
