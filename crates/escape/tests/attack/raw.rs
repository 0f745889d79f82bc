//! Raw system calls, and errors by the names the manual gives them.
//! Numbers are of the two architectures the sandbox supports; from 424 on they are the same.

use std::ffi::{CString, c_int, c_long};
use std::fmt::Display;
use std::io;

/// What an attempt got, or why it got nothing.
pub type Try = Result<String, Held>;

/// Why an attempt got nothing: the name of an error number, or what was seen instead.
#[derive(Debug)]
pub struct Held(pub String);

pub fn held<T>(why: impl Into<String>) -> Result<T, Held> {
    Err(Held(why.into()))
}

impl From<io::Error> for Held {
    fn from(error: io::Error) -> Self {
        let named = error.raw_os_error().and_then(|number| {
            NAMES.iter().find(|(known, _)| *known == number).map(|(_, name)| (*name).to_owned())
        });
        Self(named.unwrap_or_else(|| error.to_string().replace('\n', " ")))
    }
}

const NAMES: [(i32, &str); 33] = [
    (1, "EPERM"),
    (2, "ENOENT"),
    (3, "ESRCH"),
    (5, "EIO"),
    (6, "ENXIO"),
    (7, "E2BIG"),
    (9, "EBADF"),
    (11, "EAGAIN"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (14, "EFAULT"),
    (16, "EBUSY"),
    (17, "EEXIST"),
    (18, "EXDEV"),
    (19, "ENODEV"),
    (20, "ENOTDIR"),
    (22, "EINVAL"),
    (24, "EMFILE"),
    (25, "ENOTTY"),
    (26, "ETXTBSY"),
    (27, "EFBIG"),
    (28, "ENOSPC"),
    (30, "EROFS"),
    (32, "EPIPE"),
    (38, "ENOSYS"),
    (40, "ELOOP"),
    (93, "EPROTONOSUPPORT"),
    (95, "EOPNOTSUPP"),
    (97, "EAFNOSUPPORT"),
    (99, "EADDRNOTAVAIL"),
    (101, "ENETUNREACH"),
    (111, "ECONNREFUSED"),
    (110, "ETIMEDOUT"),
];

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    #[link_name = "fork"]
    fn c_fork() -> c_int;
}

/// A system call: its number on x86-64 and on aarch64.
#[derive(Clone, Copy)]
pub struct Call(pub i64, pub i64);

/// Calls whose numbers the architectures agree on.
pub const fn new(number: i64) -> Call {
    Call(number, number)
}

/// Makes a call with any number of arguments up to six.
pub fn call<const N: usize>(which: Call, arguments: [usize; N]) -> Result<usize, Held> {
    let number = if cfg!(target_arch = "x86_64") { which.0 } else { which.1 };
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
    let [a, b, c] = [argument(0), argument(1), argument(2)];
    let [d, e, f] = [argument(3), argument(4), argument(5)];
    // SAFETY: what a call does to memory is up to the attempt that makes it.
    let answer = unsafe { syscall(number, a, b, c, d, e, f) };
    if answer < 0 { Err(io::Error::last_os_error().into()) } else { Ok(answer as usize) }
}

/// Makes a process. `Some` in the parent, with the child's id.
pub fn fork() -> Result<Option<i32>, Held> {
    // SAFETY: this program has one thread when it forks.
    match unsafe { c_fork() } {
        0 => Ok(None),
        pid if pid > 0 => Ok(Some(pid)),
        _ => Err(io::Error::last_os_error().into()),
    }
}

/// Waits for one child.
pub fn wait(pid: i32) -> Result<i32, Held> {
    let mut status = 0_i32;
    call(Call(61, 260), [pid as usize, (&raw mut status) as usize, 0, 0])?;
    Ok(status)
}

pub fn text(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// The argument at a place, as it is or as a number.
pub fn word(arguments: &[String], index: usize) -> &str {
    arguments.get(index).map_or_else(|| panic!("argument {index} is missing"), String::as_str)
}

pub fn number(arguments: &[String], index: usize) -> usize {
    word(arguments, index).parse().expect("a number")
}

/// Succeeds with the token when something was seen, and says what was seen otherwise.
pub fn proved(seen: bool, token: &str, otherwise: impl Display) -> Try {
    if seen { Ok(token.to_owned()) } else { held(otherwise.to_string()) }
}

/// The first place in `bytes` where `prefix` is followed by sixteen hexadecimal digits.
pub fn find_token(bytes: &[u8], prefix: &str) -> Option<String> {
    const DIGITS: usize = 16;
    let whole = prefix.len() + DIGITS;
    bytes.windows(whole).find_map(|window| {
        let digits = window.strip_prefix(prefix.as_bytes())?;
        let is_token = digits.iter().all(u8::is_ascii_hexdigit);
        is_token.then(|| String::from_utf8_lossy(window).into_owned())
    })
}

pub const CLOSE: Call = Call(3, 57);
pub const IOCTL: Call = Call(16, 29);
pub const KILL: Call = Call(62, 129);
pub const FCNTL: Call = Call(72, 25);
pub const SOCKET: Call = Call(41, 198);
pub const BIND: Call = Call(49, 200);
pub const CONNECT: Call = Call(42, 203);
pub const SENDTO: Call = Call(44, 206);
pub const MMAP: Call = Call(9, 222);
pub const UNSHARE: Call = Call(272, 97);
pub const MOUNT: Call = Call(165, 40);
pub const OPENAT: Call = Call(257, 56);
pub const PIDFD_OPEN: Call = new(434);
pub const FSOPEN: Call = new(430);
pub const MKNODAT: Call = Call(259, 33);

/// `openat` from the working directory.
pub fn open(path: &str, flags: usize) -> Result<usize, Held> {
    const HERE: usize = -100_isize as usize;
    call(OPENAT, [HERE, text(path).as_ptr() as usize, flags, 0o600])
}

/// Reads the start of a descriptor.
pub fn read(fd: usize, at_most: usize) -> Result<Vec<u8>, Held> {
    let mut bytes = vec![0_u8; at_most];
    let got = call(Call(0, 63), [fd, bytes.as_mut_ptr() as usize, bytes.len()])?;
    bytes.truncate(got);
    Ok(bytes)
}

pub fn write(fd: usize, bytes: &[u8]) -> Result<usize, Held> {
    call(Call(1, 64), [fd, bytes.as_ptr() as usize, bytes.len()])
}

/// Bytes as text without white space at its ends.
pub fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// Waits until a descriptor can be read, at most for some milliseconds.
pub fn readable(fd: usize, at_most: u64) -> Result<bool, Held> {
    let waiting = [fd as u32, 1];
    let time = [at_most / 1000, at_most % 1000 * 1_000_000];
    let (place, limit) = (waiting.as_ptr() as usize, time.as_ptr() as usize);
    Ok(call(Call(271, 73), [place, 1, limit, 0, 8])? == 1)
}

/// Does nothing until somebody ends this process, at most for twenty seconds.
pub fn rest() {
    let _ended = readable(usize::MAX, 20_000);
}

/// Waits until the other side has looked at what this process holds, and says so.
pub fn until_looked_at(path: &str) -> Result<(), Held> {
    println!("LISTENING");
    read(open(path, 0)?, 1).map(drop)
}
